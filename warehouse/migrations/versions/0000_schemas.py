"""Create the schema parts of 0000_schemas.sql."""

from warehouse.migrations.execute import execute_file

revision = "0000"
down_revision = None


def upgrade() -> None:
    """Apply the files."""
    execute_file("0000_schemas.sql")
    execute_file("rights_by_default.sql")
