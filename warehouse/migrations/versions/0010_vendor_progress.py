"""Create the table of 0010_vendor_progress.sql."""

from warehouse.migrations.execute import execute_file

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0010_vendor_progress.sql")
