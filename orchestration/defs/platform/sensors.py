"""What is done when a run has ended."""

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from orchestration.coverage import mark_covered_partitions
from orchestration.resources import MarketData, Warehouse
from warehouse.queries.events import write_event
from warehouse.secrets import LOCAL_OWNER_ID

MAX_LINE = 500
WRAPPER = dg.DagsterExecutionStepExecutionError.__name__


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=10,
    description="Marks the sessions that a run with a long window has rebuilt besides its own: such a run is one "
    "partition to Dagster, and says in the tag factorloom/window_first_date how far back it reached.",
)
def long_windows(context: dg.RunStatusSensorContext) -> dg.SkipReason:
    """Mark partitions once; runs of one partition or a short range have nothing to mark."""
    n_marked = mark_covered_partitions(context.instance, context.dagster_run)
    return dg.SkipReason(f"marked {n_marked} partitions of tables")


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
