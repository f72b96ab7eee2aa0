"""GET /v1/models: the forecasters and how good they are out of sample."""

import datetime as dt
from typing import Annotated, TypeAlias

from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter

from api import answers, operations
from api.answers import Page
from api.cursors import Cursors
from api.errors import ModelUnknown
from api.parameters import Cursor, Limit
from warehouse.queries import forecasters
from warehouse.queries.forecasters import Drift, DriftKind, Evaluation, ForecasterState
from warehouse.queries.reader import Reader

MODEL_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
ModelId: TypeAlias = Annotated[
    str,
    PathParameter(
        pattern=MODEL_PATTERN,
        description="Forecaster, as /v1/models lists it.",
        examples=[Example(value="technical")],
    ),
]
STATE = ForecasterState(
    model_id="technical",
    model_version_id="m_1f3870be274f6c49",
    train_first_date=dt.date(2020, 12, 1),
    train_last_date=dt.date(2024, 2, 28),
    valid_from_date=dt.date(2024, 4, 1),
    valid_to_date=dt.date(2024, 6, 28),
    n_rows=402_118,
    n_instruments=498,
    n_features=27,
    n_versions=6,
    rank_ic_mean=0.031,
    rank_ic_t=2.4,
    computed_at=dt.datetime(2024, 4, 1, 22, 3, tzinfo=dt.UTC),
)
EVALUATION = Evaluation(
    None,
    "rank_ic_mean",
    0.031,
    "ratio",
    "Mean over days of the Spearman correlation of forecast and label across the universe.",
    dt.datetime(2024, 6, 28, 22, 4, tzinfo=dt.UTC),
)

DRIFT = Drift(
    valid_from_date=dt.date(2024, 4, 1),
    kind="feature",
    subject="momentum_252d_21d",
    model_version_id="m_1f3870be274f6c49",
    first_date=dt.date(2024, 4, 1),
    last_date=dt.date(2024, 6, 28),
    n_expected=402_118,
    n_live=31_200,
    population_stability_index=0.04,
    ks_statistic=0.06,
    expected_value=0.0,
    live_value=0.02,
    t=None,
    is_drifted=False,
    computed_at=dt.datetime(2024, 6, 28, 22, 6, tzinfo=dt.UTC),
)


@operations.read(
    "/models",
    operation_id="list_models",
    summary="List the forecasters",
    tag="Research",
    scope="read:market",
    datasets=["research.model_versions", "research.evaluations"],
    cache_control=operations.DAILY,
    problems=[410],
    example=Page([STATE], answers.Meta(dataset_version="1f3870be274f6c49b3e31a0c6728957f")),
)
async def list_models(
    reader: NamedDependency[Reader], cursors: NamedDependency[Cursors], limit: Limit = 100, cursor: Cursor = None
) -> Page[ForecasterState]:
    """Every forecaster by name: its newest version, what that learnt from, and its skill on days it had not seen."""
    after = cursors.read(cursor, tuple[str])[0] if cursor else ""
    rows = await forecasters.states(reader, after=after, limit=limit + 1)
    shown, last = answers.first_page(rows, limit=limit)
    return Page(shown, answers.meta(), cursors.after(last.model_id) if last else None)


@operations.read(
    "/models/{model_id:str}/evaluations",
    operation_id="list_model_evaluations",
    summary="List the figures of one forecaster",
    tag="Research",
    scope="read:market",
    datasets=["research.evaluations", "research.evaluations_by_retraining", "research.model_versions"],
    cache_control=operations.DAILY,
    problems=[404],
    example=Page([EVALUATION], answers.Meta(dataset_version="1f3870be274f6c49b3e31a0c6728957f")),
)
async def list_model_evaluations(
    reader: NamedDependency[Reader],
    model_id: ModelId,
    by_retraining: Annotated[
        bool, QueryParameter(description="Figures of each version on the days that it forecast, the newest first.")
    ] = False,
    metric: Annotated[
        str | None,
        QueryParameter(
            pattern=r"^[a-z][a-z0-9_]{0,62}$",
            description="Only this figure.",
            examples=[Example(value="rank_ic_mean")],
        ),
    ] = None,
) -> Page[Evaluation]:
    """Every figure out of sample with its definition, by name: over all days, or per retraining date."""
    rows = await forecasters.evaluations(reader, model_id, by_retraining=by_retraining, metric=metric)
    if not rows:
        await require_model(reader, model_id)
    return Page(rows, answers.meta())


@operations.read(
    "/models/{model_id:str}/drift",
    operation_id="list_model_drift",
    summary="List how far a forecaster's world has moved",
    tag="Research",
    scope="read:market",
    datasets=["research.model_drift", "research.model_versions"],
    cache_control=operations.DAILY,
    problems=[404, 410],
    example=Page([DRIFT], answers.Meta(dataset_version="1f3870be274f6c49b3e31a0c6728957f")),
)
async def list_model_drift(
    reader: NamedDependency[Reader],
    cursors: NamedDependency[Cursors],
    model_id: ModelId,
    kind: Annotated[DriftKind | None, QueryParameter(description="Only what was compared of this kind.")] = None,
    drifted: Annotated[
        bool | None, QueryParameter(description="Only what is beyond its limit (true), or within (false).")
    ] = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> Page[Drift]:
    """What a version learnt from beside what it sees in its quarter, the newest quarter first."""
    after = cursors.read(cursor, tuple[dt.date, str, str]) if cursor else None
    rows = await forecasters.drift(reader, model_id, kind=kind, drifted=drifted, after=after, limit=limit + 1)
    if not rows:
        await require_model(reader, model_id)
    shown, last = answers.first_page(rows, limit=limit)
    following = cursors.after(last.valid_from_date, last.kind, last.subject) if last else None
    return Page(shown, answers.meta(), following)


async def require_model(reader: Reader, model_id: str) -> None:
    """Refuse a forecaster that does not exist; asked only when nothing was found."""
    known = await forecasters.known(reader)
    if model_id not in known:
        raise ModelUnknown(model_id, known)
