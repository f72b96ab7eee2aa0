"""A whole pipeline on a vendor's data, over HTTP: it ends well, and the vendor's key stands nowhere it has been."""

import os
import subprocess
from collections.abc import Callable

import pytest
from psycopg import sql

from factorloom.fake_vendors.market import FakeMarket
from factorloom.fake_vendors.massive import FakeMassive
from factorloom.fake_vendors.server import FakeVendor
from orchestration.calendars import HomeCalendar
from tests.pipeline.conftest import Installation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("pipeline"),
    pytest.mark.skipif("FACTORLOOM_TEST_FAULTS" not in os.environ, reason="long: `make faults` runs it"),
]
MARKER = "marker-massive-5f1e9c77"


def test_a_pipeline_on_a_vendor_leaves_its_key_in_no_log_table_event_or_file(
    new_installation: Callable[..., Installation],
) -> None:
    with FakeVendor(FakeMassive(FakeMarket(30, HomeCalendar()))) as vendor:
        installation = new_installation(
            "vendor", FACTORLOOM_SOURCE="massive", FACTORLOOM_MASSIVE_API_KEY=MARKER, FACTORLOOM_MASSIVE_PLAN="paid",
            FACTORLOOM_MASSIVE_BASE_URL=vendor.url, FACTORLOOM_LIVE_FIRST_SESSION="2021-01-04",
            FACTORLOOM_NOW="2024-02-02T23:30:00Z", FACTORLOOM_LOG_LEVEL="DEBUG",
        )  # fmt: skip
        printed = installation.refresh()
        told = subprocess.run(
            installation.command("sources"), env=installation.variables(), capture_output=True, text=True, check=True
        )
    assert any(MARKER in str(asked.headers) for asked in vendor.asked), "the key was in use"
    assert installation.read("select count(*) > 20000 from raw.daily_bars") == [(True,)]
    assert installation.read("select count(*) > 0 from research.rankings") == [(True,)]
    assert MARKER not in printed + told.stdout + told.stderr
    for database in ("factorloom", "dagster"):
        assert tables_with(installation, database) == []
    installation.server.stop()
    found = subprocess.run(["grep", "-rlaF", MARKER, installation.home], capture_output=True, text=True, check=False)
    assert found.stdout == ""


def tables_with(installation: Installation, database: str) -> list[str]:
    """Tables of a database that hold the marker in any row."""
    names = installation.read(
        "select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
        database,
    )
    assert len(names) > 10
    with installation.connect(database) as connection:
        return [
            ".".join(name)
            for name in names
            if connection.execute(
                sql.SQL("select exists (select 1 from {} as t where t::text like {})").format(
                    sql.Identifier(*name), sql.Literal(f"%{MARKER}%")
                )
            ).fetchone()[0]
        ]
