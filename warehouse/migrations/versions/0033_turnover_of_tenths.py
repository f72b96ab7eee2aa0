"""A turnover of each tenth: 0033_turnover_of_tenths.sql."""

from warehouse.migrations.execute import execute_file

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0033_turnover_of_tenths.sql")
