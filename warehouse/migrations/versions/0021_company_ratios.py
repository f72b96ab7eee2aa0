"""Keep the ratios that sources reckon: 0021_company_ratios.sql."""

from warehouse.migrations.execute import execute_file

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0021_company_ratios.sql")
