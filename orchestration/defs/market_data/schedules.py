"""When the source is asked: after each session, and each minute of it."""

import datetime as dt

import dagster as dg

from orchestration.catch_up import missing_sessions
from orchestration.defs.platform.jobs import ingest_fundamentals, ingest_market_data
from orchestration.installation import Installation, current_installation
from orchestration.partitions import run_tags

ZONE = current_installation().calendar.timezone.key


def request_missing(context: dg.ScheduleEvaluationContext, part: str) -> dg.RunRequest | dg.SkipReason:
    """Ask for the sessions that are missing, as one range; a machine that was off for a week catches up so."""
    installation = current_installation()
    first = missing_sessions(context.instance, installation, part)
    if first is None:
        return dg.SkipReason(_nothing_new(installation))
    last = installation.last_session()
    return dg.RunRequest(run_key=f"{part}:{first}:{last}", tags=run_tags(first, last))


def _nothing_new(installation: Installation) -> str:
    end = installation.source.last_session
    if end is not None and installation.last_session() >= end:
        return f"source ends {end}"
    return f"every session up to {installation.last_session()} is there"


@dg.schedule(
    job=ingest_market_data, cron_schedule="15 19 * * 1-5", execution_timezone=ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="After each session, in the exchange's time: bars, dividends and splits; catches up on missed days.",
)  # fmt: skip
def end_of_day(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for the sessions whose bars are missing."""
    return request_missing(context, "bars")


@dg.schedule(
    job=ingest_fundamentals, cron_schedule="45 19 * * 1-5", execution_timezone=ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="After each session, in the exchange's time: the statements published since the last one.",
)  # fmt: skip
def daily_fundamentals(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for the sessions whose statements are missing."""
    return request_missing(context, "fundamentals")


def session_is_open(installation: Installation, now: dt.datetime) -> bool:
    """Whether the exchange trades at an instant, and the source is live."""
    day = now.astimezone(installation.calendar.timezone).date()
    if installation.source.last_session is not None and day > installation.source.last_session:
        return False
    if not installation.calendar.is_session(day):
        return False
    return installation.calendar.open_at(day) <= now <= installation.calendar.close_at(day)
