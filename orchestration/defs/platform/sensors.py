"""What is done when a run has ended."""

import datetime as dt

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from orchestration.coverage import mark_covered_partitions
from orchestration.metadata import OWNER
from orchestration.resources import MarketData, Warehouse
from warehouse.queries.events import write_event
from warehouse.queries.incidents import has_open_incidents, open_incident, resolve_incidents
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
    description="Writes each failed run into the log app.events, for the owner of this installation, once. The first "
    "failure of a table also opens an incident, which goes to the operators' channels by the table's owners.",
)
def run_failures(context: dg.RunFailureSensorContext, warehouse: Warehouse, market_data: MarketData) -> None:
    """Write the job and the first line of the error; a repeated tick writes nothing."""
    run, now = context.dagster_run, market_data.installation.clock()
    steps = [event.step_key or "" for event in context.get_step_failure_events()]
    error = first_line(context)
    payload = {"run_id": run.run_id, "job": run.job_name, "error": error, "failed_steps": steps}
    with warehouse.connection() as connection:
        is_news = write_event(
            connection,
            "run.failed",
            payload,
            dedup_key=f"run.failed:{run.run_id}",
            now=now,
            user_id=LOCAL_OWNER_ID,
            subject=run.job_name,
            correlation_id=run.run_id,
        )
        # What a failed step has kept from running has no failure of its own, so this is one incident, mostly.
        for step in (steps or [run.job_name]) if is_news else []:
            open_incident(
                connection,
                subject_of(step),
                owners=owners_of(context.repository_def, step),
                error=error,
                job=run.job_name,
                run_id=run.run_id,
                now=now,
            )


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Closes the incidents of tables that a run has written again, and tells the operators, once.",
)
def run_recoveries(context: dg.RunStatusSensorContext, warehouse: Warehouse, market_data: MarketData) -> dg.SkipReason:
    """Close what has failed and works again; only a run that began after the failure shows that."""
    run = context.dagster_run
    with warehouse.connection() as connection:
        if not has_open_incidents(connection):
            return dg.SkipReason("nothing is known to fail")
        resolved = resolve_incidents(
            connection,
            [*map(subject_of, _succeeded_steps(context)), run.job_name],
            run_id=run.run_id,
            started_at=_started_at(context),
            now=market_data.installation.clock(),
        )
    return dg.SkipReason(f"works again: {', '.join(resolved) or 'nothing that had failed'}")


def subject_of(step: str) -> str:
    """Return what a step is called by people: of a table's step the table.

    >>> subject_of("research__rankings")
    'research.rankings'
    """
    return step.replace("__", ".", 1)


def owners_of(repository: dg.RepositoryDefinition | None, step: str) -> list[str]:
    """Return who owns the tables that a step writes; the platform's own team where it writes none."""
    known = {} if repository is None else repository.assets_defs_by_key
    tables = [table for table in known.values() if table.is_executable and table.op.name == step]
    owners = {owner for table in tables for names in table.owners_by_key.values() for owner in names}
    return sorted(owners) or [OWNER]


def _succeeded_steps(context: dg.RunStatusSensorContext) -> list[str]:
    logged = context.instance.all_logs(context.dagster_run.run_id, of_type=dg.DagsterEventType.STEP_SUCCESS)
    return [entry.step_key for entry in logged if entry.step_key is not None]


def _started_at(context: dg.RunStatusSensorContext) -> dt.datetime:
    record = context.instance.get_run_record_by_id(context.dagster_run.run_id)
    seconds = record.start_time if record and record.start_time else 0.0
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


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
