"""The runs that a refresh is made of, and what became of each."""

import datetime as dt

import msgspec


class Stage(msgspec.Struct, frozen=True):
    """One run: a job, and the partitions that it is asked for."""

    job: str
    label: str
    first: dt.date | None = None
    last: dt.date | None = None


class StageResult(msgspec.Struct, frozen=True):
    """How long a stage took, and each of its steps."""

    stage: Stage
    run_id: str
    seconds: float
    seconds_by_step: dict[str, float]
