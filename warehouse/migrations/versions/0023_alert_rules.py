"""Make room for alert rules of version 2: 0023_alert_rules.sql."""

from warehouse.migrations.execute import execute_file

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0023_alert_rules.sql")
