"""How each kind of job runs: which of Dagster's jobs, on what. The kinds stand in `warehouse.records.jobs`."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import dagster as dg

from orchestration.catch_up import missing_sessions
from orchestration.defs.backtests.jobs import default_backtests, sweep
from orchestration.defs.market_data.uploads import take_over, upload
from orchestration.defs.platform.jobs import (
    carry_downstream,
    ingest_fundamentals,
    ingest_market_data,
    rank,
    rebalance,
    train,
    tune,
)
from orchestration.defs.quant.jobs import OPS
from orchestration.defs.rankings.intraday import intraday
from orchestration.errors import JobImpossible
from orchestration.installation import Installation
from orchestration.partitions import quarters_partitions, range_tags, run_tags
from warehouse.records.job_parameters import (
    Parameters,
    RebalanceParameters,
    RecomputeParameters,
    RefreshParameters,
    UploadParameters,
)
from warehouse.records.jobs import canonical
from warehouse.records.research_jobs import BacktestParameters, SweepParameters, TrainParameters, TuneParameters


class Launch(NamedTuple):
    """One run to be asked for: of which job, with what configuration, on what (as tags)."""

    job: str
    run_config: Mapping[str, Any] = {}
    tags: Mapping[str, str] = {}


class JobKind(NamedTuple):
    """How a kind runs: the jobs that it may ask a run of, and how its parameters become a run.

    `launch` raises `JobImpossible` where there is nothing to run for these parameters.
    """

    jobs: Sequence[Any]
    launch: Callable[[Any, dg.DagsterInstance, Installation], Launch]


def _backtest(asked: BacktestParameters, _: dg.DagsterInstance, __: Installation) -> Launch:
    return Launch(default_backtests.name, {"ops": {"backtests": {"config": _given(asked)}}})


def _sweep(asked: SweepParameters, _: dg.DagsterInstance, __: Installation) -> Launch:
    given = _given(asked)
    # The profile is the partition.
    return Launch(sweep.name, {"ops": {"sweeps": {"config": given}}}, {"dagster/partition": given.pop("profile")})


def _tune(asked: TuneParameters, _: dg.DagsterInstance, __: Installation) -> Launch:
    return Launch(tune.name, {"ops": {"research__parameter_choices": {"config": _given(asked)}}})


def _given(asked: Parameters) -> dict[str, Any]:
    """Return parameters as configuration of a step; what is left open is left out."""
    renamed = {"start": "first_date", "end": "last_date"}
    return {renamed.get(name, name): value for name, value in canonical(asked).items() if value is not None}


def _train(asked: TrainParameters, _: dg.DagsterInstance, installation: Installation) -> Launch:
    keys = quarters_partitions().get_partition_keys(current_time=installation.clock())
    wanted = [
        key
        for key in keys
        if (asked.start is None or key >= asked.start.isoformat())
        and (asked.end is None or key <= asked.end.isoformat())
    ]
    if not wanted:
        known = f"{keys[0]} to {keys[-1]}" if keys else "none yet"
        raise JobImpossible("train", f"a quarter must begin between {asked.start} and {asked.end}; quarters: {known}")
    # Without a beginning, the newest of them alone: the rest is there.
    chosen = wanted if asked.start is not None else wanted[-1:]
    first, last = (dt.date.fromisoformat(key) for key in (chosen[0], chosen[-1]))
    return Launch(train.name, tags=range_tags(first, last))


def _recompute(asked: RecomputeParameters, _: dg.DagsterInstance, installation: Installation) -> Launch:
    newest = installation.last_session()
    last = min(asked.end or newest, newest)
    first = max(asked.start, installation.first_session) if asked.start else None
    sessions = installation.sessions(first, last) if first is None or first <= last else []
    if not sessions:
        raise JobImpossible(
            "recompute", f"there must be a session between {asked.start} and {asked.end}; the newest is {newest}"
        )
    chosen = sessions if first is not None else sessions[-1:]
    job = rank if asked.scope == "rankings" else carry_downstream
    return Launch(job.name, tags=run_tags(chosen[0], chosen[-1]))


def _refresh(asked: RefreshParameters, instance: dg.DagsterInstance, installation: Installation) -> Launch:
    if asked.part == "quotes":
        return Launch(intraday.name, {"ops": {"rank_live": {"config": {"rank": False}}}})
    part, job = {
        "market_data": ("bars", ingest_market_data), "fundamentals": ("fundamentals", ingest_fundamentals),
    }[asked.part]  # fmt: skip
    last = installation.last_session()
    return Launch(job.name, tags=run_tags(missing_sessions(instance, installation, part) or last, last))


def _rebalance(_: RebalanceParameters, __: dg.DagsterInstance, installation: Installation) -> Launch:
    last = installation.last_session()
    return Launch(rebalance.name, tags=run_tags(last, last))


def _upload(asked: UploadParameters, _: dg.DagsterInstance, __: Installation) -> Launch:
    return Launch(upload.name, {"ops": {take_over.name: {"config": {"upload_id": str(asked.upload_id)}}}})


def _quant(kind: str) -> JobKind:
    """Return how a quant job runs: its parameters are the configuration of its one step."""
    job, step = OPS[kind]

    def launch(asked: Parameters, _: dg.DagsterInstance, __: Installation) -> Launch:
        given = {name: value for name, value in canonical(asked).items() if value is not None}
        return Launch(job.name, {"ops": {step: {"config": given}}})

    return JobKind([job], launch)


KINDS: Mapping[str, JobKind] = {
    "rebalance": JobKind([rebalance], _rebalance),
    **{kind: _quant(kind) for kind in OPS},
    "backtest": JobKind([default_backtests], _backtest),
    "sweep": JobKind([sweep], _sweep),
    "train": JobKind([train], _train),
    "tune": JobKind([tune], _tune),
    "refresh": JobKind([ingest_market_data, ingest_fundamentals, intraday], _refresh),
    "upload": JobKind([upload], _upload),
    "recompute": JobKind([rank, carry_downstream], _recompute),
}


def all_jobs() -> list[Any]:
    """Return each of Dagster's jobs that some kind may ask a run of, once."""
    return list({job.name: job for kind in KINDS.values() for job in kind.jobs}.values())
