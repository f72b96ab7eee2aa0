"""Levels of alert rules that are metrics themselves: 0028_moving_levels.sql."""

from warehouse.migrations.execute import execute_file

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0028_moving_levels.sql")
