"""The definitions load in a fresh interpreter and keep their promises to who looks at them."""

import json
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from api.app import VERSIONED

ROOT = Path(__file__).resolve().parents[1]
ASSET_KEYS = ROOT / "tests" / "asset_keys.txt"

DESCRIBE = """
import json
from orchestration.dbt import prepare_manifest
prepare_manifest()
from orchestration.definitions import build_defs

def facts(thing, **more):
    return {"name": thing.name, "description": thing.description, **more}

defs = build_defs()
graph = defs.resolve_asset_graph()
repository = defs.get_repository_def()
print("JSON" + json.dumps({
    "assets": [
        {
            "key": node.key.to_user_string(),
            "description": node.description or "",
            "group": node.group_name,
            "groups_above": sorted({graph.get(key).group_name for key in node.parent_keys} - {node.group_name}),
            "owners": list(node.owners),
            "kinds": sorted(node.kinds),
            "code_version": node.code_version,
            "is_external": node.is_external,
        }
        for node in sorted(graph.asset_nodes, key=lambda node: node.key)
    ],
    "inputs": {
        node.key.to_user_string(): sorted(key.to_user_string() for key in node.parent_keys)
        for node in graph.asset_nodes
    },
    "carried_with_checks": sorted(
        node.key.to_user_string()
        for node in graph.asset_nodes
        if node.automation_condition and any(hasattr(key, "asset_key") for key in node.execution_set_entity_keys)
    ),
    "checks": [[key.asset_key.to_user_string(), key.name] for key in graph.asset_check_keys],
    "schedules": [
        facts(one, status=one.default_status.value, timezone=one.execution_timezone)
        for one in repository.schedule_defs
    ],
    "sensors": [facts(one, status=one.default_status.value) for one in repository.sensor_defs],
    "jobs": [facts(one) for one in repository.get_all_jobs() if not one.name.startswith("__")],
}))
"""


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What the definitions say of themselves, asked in a fresh interpreter without a database."""
    home = tmp_path_factory.mktemp("home")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("FACTORLOOM_")},
        "FACTORLOOM_HOME": str(home),
        "DBT_TARGET_PATH": str(home / "target"),
        "DBT_LOG_PATH": str(home / "logs"),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DESCRIBE], cwd=ROOT, env=environment, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.split("JSON", 1)[1])


def test_the_asset_keys_are_those_on_file(described: dict):
    assert [asset["key"] for asset in described["assets"]] == ASSET_KEYS.read_text().split()


def test_groups_lead_one_way_so_that_the_lineage_reads_from_left_to_right(described: dict):
    above: dict[str, set[str]] = {}
    for asset in described["assets"]:
        above.setdefault(asset["group"], set()).update(asset["groups_above"])
    assert set(TopologicalSorter(above).static_order()) == above.keys(), "a cycle is an error"


def test_no_asset_depends_on_one_that_nobody_makes(described: dict):
    assert [asset["key"] for asset in described["assets"] if asset["is_external"]] == []


def test_every_asset_says_what_it_is_and_whose(described: dict):
    for asset in described["assets"]:
        assert asset["description"], asset["key"]
        assert asset["owners"], asset["key"]
        assert asset["group"] not in (None, "default"), asset["key"]
        assert 1 <= len(asset["kinds"]) <= 3, asset["key"]


def test_every_computed_table_says_with_which_code(described: dict):
    computed = {"staging", "marts", "factors", "indicators", "models", "rankings", "backtests"}
    tables = [
        asset for asset in described["assets"] if asset["group"] in computed or asset["key"] == "raw/bar_verdicts"
    ]
    assert [table["key"] for table in tables if not table["code_version"]] == []


def test_every_check_is_of_an_asset_that_is_there(described: dict):
    keys = {asset["key"] for asset in described["assets"]}
    assert {asset for asset, _ in described["checks"]} <= keys


def test_schedules_and_sensors_run_from_the_first_start(described: dict):
    for automation in [*described["schedules"], *described["sensors"]]:
        assert automation["status"] == "RUNNING", automation["name"]
        assert automation["description"], automation["name"]


def test_every_schedule_says_its_time_zone(described: dict):
    assert all(schedule["timezone"] for schedule in described["schedules"])


def test_every_job_says_what_it_does(described: dict):
    assert all(job["description"] for job in described["jobs"])


def test_no_table_that_automation_carries_computes_its_checks_itself(described):
    """Dagster would ask for these checks by name, and leave out those of every other table in the same run."""
    assert described["carried_with_checks"] == []


def test_every_table_that_the_api_answers_from_leads_back_to_raw_rows(described):
    """Along the lineage of the UI: whatever a number was made from was made from rows of sources, and nothing else."""
    inputs = described["inputs"]
    answered_from = {dataset.replace(".", "/") for one in VERSIONED for dataset in one.opt.get("datasets", ())}
    assert {"research/rankings", "research/strategy_equity", "research/index_values"} <= answered_from
    assert sorted(answered_from - set(inputs)) == []
    for table in answered_from:
        origins, waiting = set(), [table]
        while waiting:
            one = waiting.pop()
            waiting += inputs[one]
            origins |= {one} if not inputs[one] else set()
        assert origins, table
        assert {one.split("/")[0] for one in origins} == {"raw"}, table
