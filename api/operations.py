"""How an operation is declared: id, summary, the tables it reads and an example stand beside its handler."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler

AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Any])

# A day's data change a few times; a quote each minute.
DAILY = "public, max-age=60, stale-while-revalidate=600"
LIVE = "public, max-age=2"
UNCACHED = "no-store"
# A thousand options with all their terms are a quarter of this.
MAX_BODY_BYTES = 1_000_000


def read(
    path: str | list[str],
    *,
    operation_id: str,
    summary: str,
    tag: str,
    example: object,
    datasets: Sequence[str] = (),
    cache_control: str = UNCACHED,
    problems: Sequence[int] = (),
) -> Callable[[AnyHandler], HTTPRouteHandler]:
    """Declare a read.

    Parameters
    ----------
    path, operation_id, summary, tag
        As in OpenAPI; the description is the handler's docstring.
    example
        An answer, shown in the documentation.
    datasets
        Tables whose versions together are the version of the answer; none = never answered by 304.
    cache_control
        Sent with an answer that has an entity tag.
    problems
        Statuses that the operation can answer with, beyond those that every operation can.
    """
    return get(
        path,
        operation_id=operation_id,
        summary=summary,
        tags=[tag],
        opt={
            "datasets": tuple(datasets),
            "cache_control": cache_control,
            "example": msgspec.to_builtins(example),
            "problems": tuple(problems),
        },
    )


def calculation(
    path: str, *, operation_id: str, summary: str, tag: str, example: object, problems: Sequence[int] = ()
) -> Callable[[AnyHandler], HTTPRouteHandler]:
    """Declare a calculation: a question in the body, an answer at once, nothing kept. Parameters as in `read`."""
    return post(
        path,
        operation_id=operation_id,
        summary=summary,
        tags=[tag],
        status_code=200,
        request_max_body_size=MAX_BODY_BYTES,
        opt={"example": msgspec.to_builtins(example), "problems": (413, 415, *problems)},
    )
