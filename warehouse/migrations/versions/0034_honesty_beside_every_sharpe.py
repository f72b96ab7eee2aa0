"""The deflated Sharpe ratio beside every Sharpe ratio: 0034_honesty_beside_every_sharpe.sql."""

from warehouse.migrations.execute import execute_file

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0034_honesty_beside_every_sharpe.sql")
