"""Keep drift, choices of parameters, sweeps, reports and the reasons of rankings: 0017_drift_sweeps_reports.sql."""

from warehouse.migrations.execute import execute_file

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0017_drift_sweeps_reports.sql")
