"""When backtests run by themselves."""

import dagster as dg

from orchestration.defs.backtests.jobs import default_backtests
from orchestration.installation import current_installation

weekly_backtests = dg.ScheduleDefinition(
    name="weekly_backtests",
    job=default_backtests,
    cron_schedule="0 7 * * 6",
    execution_timezone=current_installation().calendar.timezone.key,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Each Saturday: the default backtest of each risk profile.",
)
