"""What books are measured by, and figures per retraining date: 0032_what_is_measured.sql."""

from warehouse.migrations.execute import execute_file

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0032_what_is_measured.sql")
