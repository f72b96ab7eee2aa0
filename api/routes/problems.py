"""GET /problems: what each kind of problem means; the `type` of a problem document leads here."""

from typing import Annotated

from litestar.openapi.spec import Example
from litestar.params import PathParameter

from api import answers, operations
from api.answers import One, Page
from api.errors import ProblemUnknown
from api.identity.principal import OPEN
from api.problems import Kind, kinds

EXAMPLE = Kind("ticker-unknown", 404, "No instrument has this ticker", "No instrument has this ticker.")


@operations.read(
    "/problems",
    operation_id="list_problems",
    summary="List the kinds of problems",
    tag="Service",
    scope=OPEN,
    example=Page([EXAMPLE], answers.Meta()),
)
async def list_problems() -> Page[Kind]:
    """Every kind of problem document, by code."""
    return Page(kinds(), answers.meta())


@operations.read(
    "/problems/{code:str}",
    operation_id="get_problem",
    summary="Get one kind of problem",
    tag="Service",
    scope=OPEN,
    example=One(EXAMPLE, answers.Meta()),
    problems=[404],
)
async def get_problem(
    code: Annotated[
        str,
        PathParameter(
            pattern=r"^[a-z\-]{1,64}$",
            description="Last part of a problem's type.",
            examples=[Example(value="ticker-unknown")],
        ),
    ],
) -> One[Kind]:
    """What the `type` of a problem document stands for."""
    found = next((kind for kind in kinds() if kind.code == code), None)
    if found is None:
        raise ProblemUnknown(code)
    return One(found, answers.meta())
