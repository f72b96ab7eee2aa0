"""Let the database keep what may happen to a job, and what else requests leave behind: 0018_jobs_and_events.sql."""

from warehouse.migrations.execute import execute_file

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0018_jobs_and_events.sql")
