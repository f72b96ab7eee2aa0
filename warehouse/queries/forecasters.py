"""What the API reads of forecasters: their newest versions, and their figures out of sample."""

import datetime as dt
from typing import Annotated, Literal

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
select null::date, metric, value, unit, definition, computed_at
from research.evaluations
where model_id = %(model_id)s and (%(metric)s::text is null or metric = %(metric)s)
order by metric
"""

EVALUATIONS_BY_RETRAINING = """
select valid_from_date, metric, value, unit, definition, computed_at
from research.evaluations_by_retraining
where model_id = %(model_id)s and (%(metric)s::text is null or metric = %(metric)s)
order by valid_from_date desc, metric
"""

DRIFT = """
select
    valid_from_date, kind, subject, model_version_id, first_date, last_date, n_expected, n_live,
    population_stability_index, ks_statistic, expected_value, live_value, t, is_drifted, computed_at
from research.model_drift
where
    model_id = %(model_id)s
    and (%(kind)s::text is null or kind = %(kind)s)
    and (%(drifted)s::boolean is null or is_drifted = %(drifted)s)
    and (
        %(before_date)s::date is null
        or valid_from_date < %(before_date)s
        or (valid_from_date = %(before_date)s and (kind, subject) > (%(after_kind)s::text, %(after_subject)s::text))
    )
order by valid_from_date desc, kind, subject
limit %(limit)s
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
    """One figure of a forecaster out of sample: over all days, or over those of one version."""

    valid_from_date: Annotated[
        dt.date | None, Meta(description="Retraining date, the first day that the version forecast; null for all days.")
    ]
    metric: Annotated[str, Meta(description="Name of the figure.")]
    value: Annotated[float | None, Meta(description="The figure. Unit as in `unit`.")]
    unit: Annotated[str, Meta(description="Unit of the figure.")]
    definition: Annotated[str, Meta(description="How the figure is computed.")]
    computed_at: columns.ComputedAt


DriftKind = Literal["feature", "factor", "forecast", "skill"]


class Drift(msgspec.Struct, frozen=True, gc=False):
    """How far one thing has moved from where a version learnt, over the quarter that the version forecasts."""

    valid_from_date: Annotated[dt.date, Meta(description="First day that the version forecasts.")]
    kind: Annotated[
        str,
        Meta(
            description="feature: as the forecaster sees it; factor: the raw value behind it; forecast: what it"
            " answers; skill: its rank correlation with what came."
        ),
    ]
    subject: Annotated[str, Meta(description="Name of the feature or factor; of forecast and skill the forecaster.")]
    model_version_id: Annotated[str, Meta(description="Version that is compared.")]
    first_date: Annotated[dt.date, Meta(description="First of the days that are compared.")]
    last_date: Annotated[dt.date, Meta(description="Last of them.")]
    n_expected: Annotated[int, Meta(description="Values of the training window. Unit count.")]
    n_live: Annotated[int, Meta(description="Values of the days that are compared. Unit count.")]
    population_stability_index: Annotated[float | None, Meta(description="How far the shares have moved. Unit none.")]
    ks_statistic: Annotated[float | None, Meta(description="Largest distance of the two distributions. Unit fraction.")]
    expected_value: Annotated[float | None, Meta(description="Mean to expect. Unit as the subject.")]
    live_value: Annotated[float | None, Meta(description="Mean that came. Unit as the subject.")]
    t: Annotated[float | None, Meta(description="How sure the difference is. Unit t statistic.")]
    is_drifted: Annotated[bool, Meta(description="True where it is beyond its limit.")]
    computed_at: columns.ComputedAt


class _Model(msgspec.Struct, frozen=True):
    model_id: str


async def states(reader: Reader, *, after: str = "", limit: int) -> list[ForecasterState]:
    """Return forecasters by name, those behind `after`."""
    return await reader.rows(ForecasterState, LIST, {"after_id": after, "limit": limit})


async def known(reader: Reader) -> list[str]:
    """Return every forecaster that has a version or a figure, by name."""
    return [row.model_id for row in await reader.rows(_Model, KNOWN)]


async def evaluations(
    reader: Reader, model_id: str, *, by_retraining: bool = False, metric: str | None = None
) -> list[Evaluation]:
    """Return the figures of a forecaster by name: over all days, or of each version, the newest first."""
    query = EVALUATIONS_BY_RETRAINING if by_retraining else EVALUATIONS
    return await reader.rows(Evaluation, query, {"model_id": model_id, "metric": metric})


async def drift(
    reader: Reader,
    model_id: str,
    *,
    kind: DriftKind | None = None,
    drifted: bool | None = None,
    after: tuple[dt.date, str, str] | None = None,
    limit: int,
) -> list[Drift]:
    """Return what was compared for a forecaster, the newest quarter first, behind (quarter, kind, subject)."""
    before_date, after_kind, after_subject = after or (None, None, None)
    parameters = {
        "model_id": model_id, "kind": kind, "drifted": drifted, "before_date": before_date,
        "after_kind": after_kind, "after_subject": after_subject, "limit": limit,
    }  # fmt: skip
    return await reader.rows(Drift, DRIFT, parameters)
