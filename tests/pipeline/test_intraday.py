"""A minute of the session: quotes, and rankings on live prices beside those of the evening."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.pipeline.conftest import LAST_DAY, Installation

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]

# The Monday after LAST_DAY, half an hour after the open.
MORNING = "2024-04-08T14:00:00Z"
RUN = """
import json
from factorloom.environment import apply_environment
from warehouse.settings import current_settings
apply_environment(current_settings())
import dagster as dg
from orchestration.definitions import build_defs
result = build_defs().resolve_job_def("intraday").execute_in_process(instance=dg.DagsterInstance.get())
assert result.success
[ranked] = [e for e in result.all_events if e.is_successful_output and e.step_key == "rank_live"]
print("JSON" + json.dumps({name: entry.value for name, entry in ranked.step_output_data.metadata.items()}))
"""
# Newer than the run's own, and of a source that tells the price alone.
BARE_QUOTE = """
insert into raw.quotes (source, source_symbol, quoted_at, trade_date, price, currency_code)
select b.source, b.source_symbol, timestamptz '2024-04-08T14:00:30Z', date '2024-04-08', b.close, 'USD'
from raw.daily_bars as b
inner join raw.instrument_aliases as a using (source, source_symbol)
inner join research.rankings as r on a.instrument_id = r.instrument_id and b.trade_date = r.as_of_date
where b.trade_date = '2024-04-05' and r.profile = 'balanced'
order by 2
limit 1
"""
EVENING = "select hashtextextended(string_agg(r::text, '' order by r::text), 0) from {} as r where as_of_date <= %s"


def evening(installation: Installation) -> list[tuple]:
    """Digests of what the evening has written."""
    tables = ("research.rankings", "research.forecasts", "research.evaluation_days")
    with installation.connect() as connection:
        return [connection.execute(EVENING.format(table), [LAST_DAY]).fetchone() for table in tables]


def test_live_rankings_are_marked_and_leave_the_evening_as_it_is(
    refreshed: Installation, new_installation: Callable[..., Installation]
):
    live = new_installation("live", copy_of=refreshed)
    before = evening(live)
    with live.connect() as connection:
        assert connection.execute(BARE_QUOTE).rowcount == 1
    command = [sys.executable, "-W", "ignore", "-c", RUN]
    done = subprocess.run(
        command,
        cwd=live.project,
        env=live.variables(FACTORLOOM_NOW=MORNING),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    counts = json.loads(done.stdout.rpartition("JSON")[2])
    assert counts["incomplete_quotes"] == 1
    assert counts["live_bars"] > 30
    ranked = live.read(
        "select profile, count(*), count(model_version_id), bool_and(is_intraday) from research.rankings"
        " where as_of_date = '2024-04-08' group by profile order by profile"
    )
    assert [row[0] for row in ranked] == ["aggressive", "balanced", "conservative"]
    # What has no live bar is forecast from its factors as of the last close.
    assert all(n > 30 and n_by_model == n and is_marked for _, n, n_by_model, is_marked in ranked)
    assert live.read("select count(*) from research.forecasts where as_of_date > '2024-04-05'") == [(0,)]
    assert evening(live) == before
