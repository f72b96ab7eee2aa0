"""Let published answers go on, and events announce themselves: 0023_published_documents.sql."""

from warehouse.migrations.execute import execute_file

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0023_published_documents.sql")
