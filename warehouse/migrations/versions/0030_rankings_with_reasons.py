"""An index on the rankings with reasons: 0030_rankings_with_reasons.sql."""

from warehouse.migrations.execute import execute_file

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0030_rankings_with_reasons.sql")
