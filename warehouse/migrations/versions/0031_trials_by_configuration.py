"""What is one trial, in words: 0031_trials_by_configuration.sql."""

from warehouse.migrations.execute import execute_file

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Apply the file."""
    execute_file("0031_trials_by_configuration.sql")
