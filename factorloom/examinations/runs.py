"""The runs of this installation: is one of them dead."""

from collections.abc import Iterator

from factorloom.examinations.findings import Finding, ok, warn
from warehouse.settings import Settings


def dead_runs(settings: Settings) -> Iterator[Finding]:
    """Look for runs that count as running while their process has ended."""
    from dagster import DagsterInstance

    from factorloom.environment import apply_environment
    from orchestration.dead_runs import find_dead_runs

    apply_environment(settings)
    with DagsterInstance.get() as instance:
        dead = find_dead_runs(instance)
    for run, reason in dead:
        what_to_do = "The next `factorloom up` or `refresh` marks it as failed; then launch it again."
        yield warn("runs", f"{run.run_id} ({run.job_name}) is dead: {reason}", what_to_do)
    if not dead:
        yield ok("runs", "none is dead")
