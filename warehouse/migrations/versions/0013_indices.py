"""Create the tables of 0013_indices.sql."""

from warehouse.migrations.execute import execute_file

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0013_indices.sql")
