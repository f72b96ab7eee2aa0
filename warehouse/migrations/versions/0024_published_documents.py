"""Let published answers go on, and events announce themselves: 0024_published_documents.sql."""

from warehouse.migrations.execute import execute_file

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0024_published_documents.sql")
