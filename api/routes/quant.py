"""POST /v1/montecarlo and /v1/markowitz: short for jobs of these kinds."""

from typing import Annotated, Any

from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body

from api.answers import One
from api.database import Database
from api.identity.principal import Principal
from api.routes import jobs
from api.writes import KeyWelcome
from warehouse.records.job_parameters import MarkowitzParameters, MonteCarloParameters
from warehouse.records.jobs import KINDS, Job, canonical


@jobs.asking("/montecarlo", operation_id="ask_monte_carlo", summary="Ask for paths of a portfolio")
async def ask_monte_carlo(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    data: Annotated[
        MonteCarloParameters,
        Body(
            title="Portfolio",
            description="Instruments, weights, and what is drawn.",
            examples=[Example(value=canonical(KINDS["monte_carlo"].example))],
        ),
    ],
    idempotency_key: KeyWelcome,
) -> Response[One[Job]]:
    """Short for a job of kind monte_carlo: its result holds figures and percentile paths, its artifact the plot."""
    return await jobs.ask(request, database, principal, "monte_carlo", data, idempotency_key)


@jobs.asking("/markowitz", operation_id="ask_markowitz", summary="Ask for an efficient frontier")
async def ask_markowitz(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    data: Annotated[
        MarkowitzParameters,
        Body(
            title="Instruments",
            description="Instruments and limits.",
            examples=[Example(value=canonical(KINDS["markowitz"].example))],
        ),
    ],
    idempotency_key: KeyWelcome,
) -> Response[One[Job]]:
    """Short for a job of kind markowitz: its result holds frontier and portfolios by name, its artifact the plot."""
    return await jobs.ask(request, database, principal, "markowitz", data, idempotency_key)
