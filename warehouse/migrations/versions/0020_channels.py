"""Channels of every kind, deliveries of any event, attempts, and incidents: 0020_channels.sql."""

from warehouse.migrations.execute import execute_file

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0020_channels.sql")
