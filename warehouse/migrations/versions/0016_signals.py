"""Keep signals of the newest sessions, and their reasons: 0016_signals.sql."""

from warehouse.migrations.execute import execute_file

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0016_signals.sql")
