"""Strategies on paper, their books, and orders of users: 0022_trading.sql."""

from warehouse.migrations.execute import execute_file

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0022_trading.sql")
