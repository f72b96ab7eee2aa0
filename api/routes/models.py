"""GET /v1/models: the forecasters and how good they are out of sample."""

import datetime as dt
from typing import Annotated, TypeAlias

from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import PathParameter

from api import answers, operations
from api.answers import Page
from api.cursors import Cursors
from api.errors import ModelUnknown
from api.parameters import Cursor, Limit
from warehouse.queries import forecasters
from warehouse.queries.forecasters import Evaluation, ForecasterState
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
    "rank_ic_mean",
    0.031,
    "ratio",
    "Mean over days of the Spearman correlation of forecast and label across the universe.",
    dt.datetime(2024, 6, 28, 22, 4, tzinfo=dt.UTC),
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
    datasets=["research.evaluations", "research.model_versions"],
    cache_control=operations.DAILY,
    problems=[404],
    example=Page([EVALUATION], answers.Meta(dataset_version="1f3870be274f6c49b3e31a0c6728957f")),
)
async def list_model_evaluations(reader: NamedDependency[Reader], model_id: ModelId) -> Page[Evaluation]:
    """Every figure over all days out of sample, with its definition, by name."""
    rows = await forecasters.evaluations(reader, model_id)
    if not rows:
        await require_model(reader, model_id)
    return Page(rows, answers.meta())


async def require_model(reader: Reader, model_id: str) -> None:
    """Refuse a forecaster that does not exist; asked only when nothing was found."""
    known = await forecasters.known(reader)
    if model_id not in known:
        raise ModelUnknown(model_id, known)
