"""Which partitions are still to be run: a machine that was off catches up in one range."""

import datetime as dt

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from orchestration.installation import Installation
from orchestration.partitions import quarters_partitions, range_tags, run_tags

DAILY = tuple(
    ["raw", name]
    for name in (
        "daily_bars", "benchmark_bars", "dividends", "splits", "bar_verdicts", "fx_rates", "news_articles",
    )
)  # fmt: skip
# The last tables of each part of the way: where a session is missing in one, the part has to run.
LAST_OF_PART = {
    "bars": DAILY,
    "market_data": (*DAILY, ["raw", "fundamentals"], ["factors", "fct_factor_exposures"]),
    "fundamentals": (["raw", "fundamentals"],),
    "rankings": (
        ["research", "forecasts"], ["research", "rankings"], ["research", "index_values"],
        ["research", "strategy_equity"],
    ),
}  # fmt: skip
VERSIONS = dg.AssetKey(["research", "model_versions"])
EXPOSURES = dg.AssetKey(["factors", "fct_factor_exposures"])
# Says in the list of runs why a run was asked for.
REASON_TAG = "factorloom/reason"


def missing_sessions(instance: dg.DagsterInstance, installation: Installation, part: str) -> dt.date | None:
    """Return the first session that a part of the way has not run, None when it is up to date."""
    sessions = [session.isoformat() for session in installation.sessions()]
    done = set.intersection(*(instance.get_materialized_partitions(dg.AssetKey(key)) for key in LAST_OF_PART[part]))
    missing = [session for session in sessions if session not in done]
    return dt.date.fromisoformat(missing[0]) if missing else None


def missing_quarters(
    instance: dg.DagsterInstance, installation: Installation, *, again_from: dt.date | None = None
) -> tuple[dt.date, dt.date] | None:
    """Return the first and last quarter to be trained, None when all are.

    Parameters
    ----------
    instance
        Knows what has run.
    installation
        Knows the time.
    again_from
        Quarters that begin after this day are trained again: they learnt from it.
    """
    keys = quarters_partitions().get_partition_keys(current_time=installation.clock())
    done = instance.get_materialized_partitions(VERSIONS)
    wanted = [
        key for key in keys if key not in done or (again_from is not None and dt.date.fromisoformat(key) > again_from)
    ]
    return (dt.date.fromisoformat(wanted[0]), dt.date.fromisoformat(keys[-1])) if wanted else None


def request_sessions(
    instance: dg.DagsterInstance, installation: Installation, *, part: str, job: str
) -> dg.RunRequest | dg.SkipReason:
    """Ask for the sessions that a part of the way lacks, as one range from the first of them, or say why not."""
    first, last = missing_sessions(instance, installation, part), installation.last_session()
    if first is None:
        return dg.SkipReason(_nothing_new(installation))
    return _unless_at_work(instance, job, run_tags(first, last) | {REASON_TAG: f"missing since {first}"})


def request_quarters(
    instance: dg.DagsterInstance, installation: Installation, *, job: str
) -> dg.RunRequest | dg.SkipReason:
    """Ask for the quarters that no version was trained for, once the factors before them are there."""
    missing = missing_quarters(instance, installation)
    if missing is None:
        return dg.SkipReason("every quarter has its versions")
    first, last = missing
    before = installation.calendar.previous_session(last)
    if before.isoformat() not in instance.get_materialized_partitions(EXPOSURES):
        return dg.SkipReason(f"the factors of {before}, from which {last} learns, are not there yet")
    return _unless_at_work(instance, job, range_tags(first, last) | {REASON_TAG: f"not trained since {first}"})


def is_at_work(instance: dg.DagsterInstance, job: str) -> bool:
    """Tell whether a run of a job waits or works."""
    unfinished = dg.RunsFilter(job_name=job, statuses=list(NOT_FINISHED_STATUSES))
    return bool(instance.get_run_ids(unfinished, limit=1))


def _unless_at_work(instance: dg.DagsterInstance, job: str, tags: dict[str, str]) -> dg.RunRequest | dg.SkipReason:
    # No run key: Dagster remembers keys for ever, and what has failed must be asked for again.
    if is_at_work(instance, job):
        return dg.SkipReason(f"an earlier run of {job} is still at work")
    return dg.RunRequest(tags=tags)


def _nothing_new(installation: Installation) -> str:
    end = installation.source.last_session
    if end is not None and installation.last_session() >= end:
        return f"source ends {end}"
    return f"every session up to {installation.last_session()} is there"
