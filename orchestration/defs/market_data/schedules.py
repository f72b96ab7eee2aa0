"""When the source is asked: after each session, and each minute of it."""

import datetime as dt

import dagster as dg

from orchestration.catch_up import request_sessions
from orchestration.defs.platform.jobs import ingest_fundamentals, ingest_market_data
from orchestration.installation import Installation, current_installation

ZONE = current_installation().calendar.timezone.key


@dg.schedule(
    job=ingest_market_data, cron_schedule="15 19-23 * * 1-5", execution_timezone=ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="After each session, in the exchange's time: bars, dividends and splits of every session that is "
    "missing, in one range. Looks again each hour of the evening, in case the source was late or a run has failed.",
)  # fmt: skip
def end_of_day(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for the sessions whose bars are missing."""
    return request_sessions(context.instance, current_installation(), part="bars", job=ingest_market_data.name)


@dg.schedule(
    job=ingest_fundamentals, cron_schedule="5 19-23 * * 1-5", execution_timezone=ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="After each session, in the exchange's time: the statements published since the last one. Before the "
    "bars, so that what is computed from both is computed once.",
)  # fmt: skip
def daily_fundamentals(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for the sessions whose statements are missing."""
    return request_sessions(context.instance, current_installation(), part="fundamentals", job=ingest_fundamentals.name)


def session_is_open(installation: Installation, now: dt.datetime) -> bool:
    """Whether the exchange trades at an instant, and the source is live."""
    day = now.astimezone(installation.calendar.timezone).date()
    if installation.source.last_session is not None and day > installation.source.last_session:
        return False
    if not installation.calendar.is_session(day):
        return False
    return installation.calendar.open_at(day) <= now <= installation.calendar.close_at(day)
