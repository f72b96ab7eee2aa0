"""Create the schema parts of 0004_reads_of_the_api.sql."""

from warehouse.migrations.execute import execute_file

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0004_reads_of_the_api.sql")
