"""Create the schema parts of 0005_vendor_budgets.sql."""

from warehouse.migrations.execute import execute_file

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0005_vendor_budgets.sql")
