"""Create the schema parts of 0002_research.sql."""

from warehouse.migrations.execute import execute_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0002_research.sql")
