"""Channels of every kind, deliveries of any event, attempts, and incidents: 0019_channels.sql."""

from warehouse.migrations.execute import execute_file

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0019_channels.sql")
