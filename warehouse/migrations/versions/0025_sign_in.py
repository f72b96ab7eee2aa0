"""Create the schema parts of 0025_sign_in.sql."""

from warehouse.migrations.execute import execute_file

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0025_sign_in.sql")
