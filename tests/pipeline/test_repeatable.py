"""Running again writes nothing; day by day gives what all at once gives."""

from collections.abc import Callable

import pytest

from tests.pipeline.conftest import Installation

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]

LAST_DAYS = ("2024-06-25", "2024-06-26", "2024-06-27", "2024-06-28")


def test_a_second_run_changes_no_row(refreshed: Installation):
    before, versions = refreshed.digests(), row_versions(refreshed)
    refreshed.refresh("--full")
    assert refreshed.digests() == before
    assert row_versions(refreshed) == versions


def test_day_by_day_equals_all_at_once(refreshed: Installation, new_installation: Callable[..., Installation]):
    incremental = new_installation("incremental")
    for day in LAST_DAYS:
        incremental.refresh(FACTORLOOM_NOW=f"{day}T23:30:00Z")
    assert incremental.digests() == refreshed.digests()


def row_versions(installation: Installation) -> dict[str, int]:
    """Return the newest transaction that touched each table of ours: unchanged when no row was written."""
    with installation.connect() as connection:
        names = connection.execute(
            "select schemaname || '.' || tablename from pg_tables"
            " where schemaname in ('raw', 'research', 'app') order by 1"
        ).fetchall()
        return {
            name: connection.execute(f"select coalesce(max(xmin::text::bigint), 0) from {name}").fetchone()[0]
            for (name,) in names
        }
