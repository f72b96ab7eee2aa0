"""Create the schema parts of 0003_app.sql."""

from warehouse.migrations.execute import execute_file

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0003_app.sql")
