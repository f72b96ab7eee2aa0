"""Writes docs/automation.md: what runs by itself, read off the definitions.

`python -m orchestration.catalogue` prints the page as it must be.
"""

from collections.abc import Iterable, Sequence

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

HEAD = """# What runs by itself

Read off the definitions with the default settings; `python -m orchestration.catalogue > docs/automation.md` writes it
anew, and a test holds it to them. All of it runs from the first start. Times are those of the home exchange.
"""
WHEN = """
## From one evening to the next

1. After the close the schedules ask the source for what is missing, as one range from the first missing session: a
   machine that was off for a week catches up in one run. They look again each hour of the evening, so a run that failed
   is asked for again.
2. The sensor `automation` carries the newest session downstream, each table once its inputs are there and their
   blocking checks have passed. A check that fails stops everything below it until it passes.
3. The sensor `restatements` carries changed older sessions downstream, as one range.
4. `alert_evaluation` holds the rules against what is new, `alert_delivery` sends what they announce.

A source that has ended, such as a folder of files, makes the schedules skip and say so: "source ends 2018-05-18".
The tag `factorloom/reason` of a run says why it was asked for.
"""


def catalogue(definitions: dg.Definitions) -> str:
    """Return the page."""
    repository = definitions.get_repository_def()
    schedules = sorted(repository.schedule_defs, key=lambda schedule: schedule.name)
    sensors = sorted(repository.sensor_defs, key=lambda sensor: sensor.name)
    jobs = sorted((job for job in repository.get_all_jobs() if not job.name.startswith("__")), key=lambda job: job.name)
    graph = repository.asset_graph
    parts = [
        HEAD,
        WHEN,
        _section(
            "Schedules",
            ("name", "when", "time zone", "job", "what for"),
            ((f"`{s.name}`", f"`{s.cron_schedule}`", s.execution_timezone, f"`{s.job_name}`", s.description)
             for s in schedules),
        ),
        _section(
            "Sensors",
            ("name", "every", "asks for", "what for"),
            ((f"`{s.name}`", f"{s.minimum_interval_seconds} s", _asked_by(s), s.description) for s in sensors),
        ),
        _section(
            "Conditions", ("tables", "when they are made"),
            ((", ".join(f"`{name}`" for name in names), label) for label, names in _conditions(graph).items()),
        ),
        _section(
            "Jobs", ("name", "tables", "what for"), ((f"`{j.name}`", _tables_of(j), j.description) for j in jobs)
        ),
        _section("Pools", ("pool", "tables"), ((f"`{pool}`", names) for pool, names in _pools(graph).items())),
    ]  # fmt: skip
    return "\n".join(parts)


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"## {title}", "", "| " + " | ".join(columns) + " |", "|" + "--|" * len(columns)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _asked_by(sensor: dg.SensorDefinition) -> str:
    if isinstance(sensor, dg.AutomationConditionSensorDefinition):
        return "the tables of the conditions below"
    return ", ".join(f"`{target.job_name}`" for target in sensor.targets) or "no run"


def _conditions(graph: AssetGraph) -> dict[str, list[str]]:
    """Return the tables of each condition by its label."""
    found: dict[str, list[str]] = {}
    for node in sorted(graph.asset_nodes, key=lambda node: node.key):
        condition = node.automation_condition
        if condition is not None:
            found.setdefault(condition.get_label() or str(condition), []).append(".".join(node.key.path))
    return found


def _tables_of(job: dg.JobDefinition) -> int | str:
    keys = set(job.asset_layer.executable_asset_keys) if job.asset_layer else set()
    return len(keys) or "none"


def _pools(graph: AssetGraph) -> dict[str, str]:
    """Return the tables of each pool of concurrent work."""
    found: dict[str, list[str]] = {}
    for node in sorted(graph.asset_nodes, key=lambda node: node.key):
        for pool in sorted(node.pools or ()):
            found.setdefault(pool, []).append(f"`{'.'.join(node.key.path)}`")
    return {pool: ", ".join(names) for pool, names in sorted(found.items())}


if __name__ == "__main__":
    from orchestration.dbt import prepare_manifest

    prepare_manifest()
    from orchestration.definitions import build_defs

    print(catalogue(build_defs()), end="")
