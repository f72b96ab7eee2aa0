"""GET /v1/datasets: which version of each table stands."""

import datetime as dt

from litestar.di import NamedDependency

from api import answers, operations
from api.answers import Page
from warehouse.queries import datasets
from warehouse.queries.datasets import Dataset
from warehouse.queries.reader import Reader

EXAMPLE = Dataset(
    "research.rankings",
    "8277e0910d750195b448797616e091ad",
    dt.date(2024, 6, 28),
    1_134_000,
    dt.datetime(2024, 6, 28, 22, 5, tzinfo=dt.UTC),
)


@operations.read(
    "/datasets",
    operation_id="list_datasets",
    summary="List the versions of the tables",
    tag="Service",
    scope="read:market",
    example=Page([EXAMPLE], answers.Meta()),
)
async def list_datasets(reader: NamedDependency[Reader]) -> Page[Dataset]:
    """Every table that is served or computed from: the version of its content, and the newest day that it knows."""
    return Page(await datasets.versions(reader), answers.meta())
