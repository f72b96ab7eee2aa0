"""Create the schema parts of 0017_identity.sql."""

from warehouse.migrations.execute import execute_file

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0017_identity.sql")
