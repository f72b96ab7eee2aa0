"""Uploads in pieces: 0027_upload_pieces.sql."""

from warehouse.migrations.execute import execute_file

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0027_upload_pieces.sql")
