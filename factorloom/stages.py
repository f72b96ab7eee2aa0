"""The runs that a refresh is made of, and what became of each."""

import datetime as dt

import msgspec


class Stage(msgspec.Struct, frozen=True):
    """One run: a job, and the partitions that it is asked for."""

    job: str
    label: str
    first: dt.date | None = None
    last: dt.date | None = None


class Intake(msgspec.Struct, frozen=True):
    """What became of the records that a run received for one table."""

    received: int = 0
    inserted: int = 0
    updated: int = 0
    quarantined: int = 0


class StageResult(msgspec.Struct, frozen=True):
    """How long a stage took, each of its steps, and what came in: {table: counts}."""

    stage: Stage
    run_id: str
    seconds: float
    seconds_by_step: dict[str, float]
    intake: dict[str, Intake] = {}
