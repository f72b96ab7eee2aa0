"""Say what becomes of a verdict that no rule finds any more: 0007_withdrawn_verdicts.sql."""

from warehouse.migrations.execute import execute_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0007_withdrawn_verdicts.sql")
