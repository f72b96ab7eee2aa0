"""What is done when a run fails."""

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from orchestration.resources import MarketData, Warehouse
from warehouse.queries.events import write_event
from warehouse.secrets import LOCAL_OWNER_ID

MAX_LINE = 500
WRAPPER = dg.DagsterExecutionStepExecutionError.__name__


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Writes each failed run into the log app.events, for the owner of this installation, once.",
)
def run_failures(context: dg.RunFailureSensorContext, warehouse: Warehouse, market_data: MarketData) -> None:
    """Write the job and the first line of the error; a repeated tick writes nothing."""
    run = context.dagster_run
    steps = context.get_step_failure_events()
    payload = {
        "run_id": run.run_id,
        "job": run.job_name,
        "error": first_line(context),
        "failed_steps": [event.step_key for event in steps],
    }
    with warehouse.connection() as connection:
        write_event(
            connection,
            "run.failed",
            payload,
            dedup_key=f"run.failed:{run.run_id}",
            now=market_data.installation.clock(),
            user_id=LOCAL_OWNER_ID,
            subject=run.job_name,
            correlation_id=run.run_id,
        )


def first_line(context: dg.RunFailureSensorContext) -> str:
    """Return the first line of the error: what the first failed step raised, else what the run says."""
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        if error is not None:
            return _line(_raised_by_step(error).message)
    return _line(context.failure_event.message or "the run failed without saying why")


def _raised_by_step(error: SerializableErrorInfo) -> SerializableErrorInfo:
    """Take off Dagster's own error, which says no more than that the step failed."""
    return error.cause if error.cause is not None and error.cls_name == WRAPPER else error


def _line(text: str) -> str:
    return text.strip().partition("\n")[0][:MAX_LINE]
