"""Turns jobs into runs and writes back what became of them. With nothing to do, each tick is one small query."""

import dagster as dg

from orchestration.job_kinds import all_jobs
from orchestration.job_runs import JOB_TAG, follow, take_up, write_back
from orchestration.resources import MarketData, Warehouse
from warehouse.queries import jobs as queries

JOBS = all_jobs()


@dg.sensor(
    jobs=JOBS, minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for a run of each job that somebody has asked for (app.jobs), at most two of one user at once, "
    "and lets jobs that nobody took up within a day expire.",
)  # fmt: skip
def job_requests(
    context: dg.SensorEvaluationContext, warehouse: Warehouse, market_data: MarketData
) -> dg.SensorResult | dg.SkipReason:
    """Ask for runs by job and attempt: Dagster asks for the same one once, however often the tick is repeated."""
    installation = market_data.installation
    with warehouse.connection() as connection:
        if not queries.has_unfinished(connection):
            return dg.SkipReason("no job waits")
        queries.expire(connection, now=installation.clock())
        jobs = queries.read_unfinished(connection)
        taken = take_up(connection, context.instance, installation, jobs)
    if not taken.run_requests:
        return dg.SkipReason(taken.sentence())
    return dg.SensorResult(run_requests=taken.run_requests)


@dg.sensor(
    minimum_interval_seconds=10, default_status=dg.DefaultSensorStatus.RUNNING,
    description="Compares jobs with their runs: shows how far they are, breaks off those that somebody has cancelled, "
    "asks again for those whose run was lost (three times at most), and writes back what other ticks have missed.",
)  # fmt: skip
def job_reconciliation(
    context: dg.SensorEvaluationContext, warehouse: Warehouse, market_data: MarketData
) -> dg.SkipReason:
    """Follow the runs of unfinished jobs; what is known already changes nothing."""
    with warehouse.connection() as connection:
        if not queries.has_unfinished(connection):
            return dg.SkipReason("no job is under way")
        jobs = queries.read_unfinished(connection)
        n_followed = follow(connection, context.instance, jobs, now=market_data.installation.clock())
    return dg.SkipReason(f"compared {n_followed} jobs with their runs")


def _write_back(context: dg.RunStatusSensorContext, warehouse: Warehouse, market_data: MarketData) -> dg.SkipReason:
    run = context.dagster_run
    if JOB_TAG not in run.tags:
        return dg.SkipReason("nobody asked for this run by a job")
    with warehouse.connection() as connection:
        n_changed = write_back(connection, context.instance, run, now=market_data.installation.clock())
    return dg.SkipReason(f"wrote the end of run {run.run_id[:8]} into {n_changed} jobs")


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS, monitored_jobs=JOBS, minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes the result of a run into the jobs that it was asked for by, once.",
)  # fmt: skip
def job_succeeded(context: dg.RunStatusSensorContext, warehouse: Warehouse, market_data: MarketData) -> dg.SkipReason:
    """Write back a success."""
    return _write_back(context, warehouse, market_data)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.FAILURE, monitored_jobs=JOBS, minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes why a run failed into its jobs; one that was lost is asked for again.",
)  # fmt: skip
def job_failed(context: dg.RunStatusSensorContext, warehouse: Warehouse, market_data: MarketData) -> dg.SkipReason:
    """Write back a failure."""
    return _write_back(context, warehouse, market_data)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.CANCELED, monitored_jobs=JOBS, minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes into its jobs that a run was broken off.",
)  # fmt: skip
def job_cancelled(context: dg.RunStatusSensorContext, warehouse: Warehouse, market_data: MarketData) -> dg.SkipReason:
    """Write back that it was broken off."""
    return _write_back(context, warehouse, market_data)
