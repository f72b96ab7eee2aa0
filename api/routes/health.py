"""GET /livez, /readyz, /health: whether the service is there, and whether it can answer."""

from typing import Annotated, Literal

import msgspec
from litestar.di import NamedDependency
from msgspec import Meta

from api import operations
from api.identity.principal import OPEN
from api.readiness import Check, Readiness, Watch
from warehouse.queries.reader import Reader

READY = Readiness(
    "ok",
    [
        Check("database", "ok", "It answers."),
        Check("schema", "ok", "Revision 0003."),
        Check("freshness", "ok", "Prices go up to 2024-06-28."),
    ],
)


class Liveness(msgspec.Struct, frozen=True):
    """The process runs."""

    status: Annotated[Literal["ok"], Meta(description="Always ok: a process that cannot say so does not answer.")]


@operations.read(
    "/livez", operation_id="livez", summary="Does the process run?", tag="Service", scope=OPEN, example=Liveness("ok")
)
async def livez() -> Liveness:
    """Answers as long as the process runs; looks at nothing else."""
    return Liveness("ok")


@operations.read(
    "/readyz",
    operation_id="readyz",
    summary="Can questions be answered?",
    tag="Service",
    scope=OPEN,
    example=READY,
    problems=[503],
)
async def readyz(reader: NamedDependency[Reader], watch: NamedDependency[Watch]) -> Readiness:
    """Database, schema and freshness. Old data are `degraded`, not down; 503 when nothing can be answered."""
    return await watch.look(reader)


@operations.read(
    "/health",
    operation_id="health",
    summary="Can questions be answered?",
    tag="Service",
    scope=OPEN,
    example=READY,
    problems=[503],
)
async def health(reader: NamedDependency[Reader], watch: NamedDependency[Watch]) -> Readiness:
    """The same as /readyz, under the name that many monitors ask for."""
    return await watch.look(reader)
