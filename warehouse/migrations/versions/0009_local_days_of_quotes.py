"""Give quotes the day of their market: 0009_local_days_of_quotes.sql."""

from warehouse.migrations.execute import execute_file

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0009_local_days_of_quotes.sql")
