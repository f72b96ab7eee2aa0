"""Create the schema parts of 0001_raw.sql."""

from warehouse.migrations.execute import execute_file

revision = "0001"
down_revision = "0000"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0001_raw.sql")
