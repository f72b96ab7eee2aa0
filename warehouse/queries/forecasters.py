"""What the API reads of forecasters: their newest versions, and their figures out of sample."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta

from warehouse.queries import columns
from warehouse.queries.reader import Reader

# A forecaster without a version of its own (a rule) has figures all the same.
LIST = """
with newest as (
    select distinct on (model_id) *
    from research.model_versions
    order by model_id, valid_from_date desc
),

named as (
    select model_id from newest
    union
    select model_id from research.evaluations
)

select
    named.model_id, v.model_version_id, v.train_first_date, v.train_last_date, v.valid_from_date, v.valid_to_date,
    v.n_rows, v.n_instruments, cardinality(v.features),
    (select count(*) from research.model_versions as own where own.model_id = named.model_id)::integer,
    skill.value, certainty.value, v.computed_at
from named
left join newest as v on v.model_id = named.model_id
left join research.evaluations as skill on skill.model_id = named.model_id and skill.metric = 'rank_ic_mean'
left join research.evaluations as certainty on certainty.model_id = named.model_id and certainty.metric = 'rank_ic_t'
where named.model_id > %(after_id)s
order by named.model_id
limit %(limit)s
"""

EVALUATIONS = """
select metric, value, unit, definition, computed_at
from research.evaluations
where model_id = %(model_id)s
order by metric
"""

KNOWN = """
select model_id from research.model_versions
union
select model_id from research.evaluations
order by model_id
"""


class ForecasterState(msgspec.Struct, frozen=True, gc=False):
    """One forecaster: its newest version, and its skill out of sample."""

    model_id: Annotated[str, Meta(description="Forecaster.")]
    model_version_id: Annotated[str | None, Meta(description="Newest version; null for a rule that learns nothing.")]
    train_first_date: Annotated[dt.date | None, Meta(description="First day that it learnt from.")]
    train_last_date: Annotated[dt.date | None, Meta(description="Last day that it learnt from.")]
    valid_from_date: Annotated[dt.date | None, Meta(description="First day that it forecasts.")]
    valid_to_date: Annotated[dt.date | None, Meta(description="Last day that it forecasts.")]
    n_rows: Annotated[int | None, Meta(description="Rows that it learnt from. Unit rows.")]
    n_instruments: Annotated[int | None, Meta(description="Instruments among them. Unit instruments.")]
    n_features: Annotated[int | None, Meta(description="Features that it reads. Unit count.")]
    n_versions: Annotated[int, Meta(description="Versions so far. Unit count.")]
    rank_ic_mean: Annotated[
        float | None, Meta(description="Mean rank correlation with what came, out of sample. Unit ratio.")
    ]
    rank_ic_t: Annotated[float | None, Meta(description="How sure that mean is. Unit t statistic.")]
    computed_at: Annotated[dt.datetime | None, Meta(description="When the version was made, UTC.")]


class Evaluation(msgspec.Struct, frozen=True, gc=False):
    """One figure of a forecaster over all days out of sample."""

    metric: Annotated[str, Meta(description="Name of the figure.")]
    value: Annotated[float | None, Meta(description="The figure. Unit as in `unit`.")]
    unit: Annotated[str, Meta(description="Unit of the figure.")]
    definition: Annotated[str, Meta(description="How the figure is computed.")]
    computed_at: columns.ComputedAt


class _Model(msgspec.Struct, frozen=True):
    model_id: str


async def states(reader: Reader, *, after: str = "", limit: int) -> list[ForecasterState]:
    """Return forecasters by name, those behind `after`."""
    return await reader.rows(ForecasterState, LIST, {"after_id": after, "limit": limit})


async def known(reader: Reader) -> list[str]:
    """Return every forecaster that has a version or a figure, by name."""
    return [row.model_id for row in await reader.rows(_Model, KNOWN)]


async def evaluations(reader: Reader, model_id: str) -> list[Evaluation]:
    """Return the figures of a forecaster, by name."""
    return await reader.rows(Evaluation, EVALUATIONS, {"model_id": model_id})
