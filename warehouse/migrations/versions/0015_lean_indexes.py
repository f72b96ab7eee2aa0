"""Apply 0015_lean_indexes.sql."""

from warehouse.migrations.execute import execute_file

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0015_lean_indexes.sql")
