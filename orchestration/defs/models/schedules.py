"""When forecasters are trained besides by automation, which looks at the newest quarter only."""

import dagster as dg

from orchestration.catch_up import request_quarters
from orchestration.defs.platform.jobs import train
from orchestration.installation import current_installation


@dg.schedule(
    job=train, cron_schedule="0 0 * * 1-5", execution_timezone=current_installation().calendar.timezone.key,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Each night: trains the quarters that have no version yet, in one range, once the factors before them "
    "are there. A quarter that begins while the machine runs is trained by automation at once.",
)  # fmt: skip
def quarterly_training(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for the quarters without a version."""
    return request_quarters(context.instance, current_installation(), job=train.name)
