"""Create the schema parts of 0006_versions_by_content.sql."""

from warehouse.migrations.execute import execute_file

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0006_versions_by_content.sql")
