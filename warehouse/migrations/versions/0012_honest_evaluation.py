"""Keep what the evaluation tells by horizon and sector, and every trial: 0012_honest_evaluation.sql."""

from warehouse.migrations.execute import execute_file

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0012_honest_evaluation.sql")
