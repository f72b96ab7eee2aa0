"""Add what is named in 0011_tones_adjusted_closes_refreshes.sql."""

from warehouse.migrations.execute import execute_file

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0011_tones_adjusted_closes_refreshes.sql")
