"""Currency of each index: 0029_index_currencies.sql."""

from warehouse.migrations.execute import execute_file

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0029_index_currencies.sql")
