"""Keep drift, choices of parameters, sweeps, reports and the reasons of rankings: 0019_drift_sweeps_reports.sql."""

from warehouse.migrations.execute import execute_file

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0019_drift_sweeps_reports.sql")
