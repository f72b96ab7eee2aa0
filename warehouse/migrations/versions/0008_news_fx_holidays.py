"""Create the tables of 0008_news_fx_holidays.sql."""

from warehouse.migrations.execute import execute_file

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0008_news_fx_holidays.sql")
