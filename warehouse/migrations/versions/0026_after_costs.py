"""Indices after costs, and rebalancings on request: 0026_after_costs.sql."""

from warehouse.migrations.execute import execute_file

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0026_after_costs.sql")
