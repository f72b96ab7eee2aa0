"""Add what is named in 0014_renamed_tickers.sql."""

from warehouse.migrations.execute import execute_file

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0014_renamed_tickers.sql")
