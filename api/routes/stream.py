"""GET /v1/stream: what happens, as it happens."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from api import exchange
from api.errors import ParameterError, ParameterInvalid, shown
from api.identity.gate import Gate, access_of
from api.identity.principal import Principal
from api.streams import MEDIA_TYPE, Streams, whose_stream
from warehouse.records.event_topics import TOPICS

# The place of an event, and when it was sent: seconds since 1970.
ID_PATTERN = r"^[0-9]{1,18}\.[0-9]{1,11}$"
EXAMPLE = """retry: 2000

id: 4711.1719612300
event: job.completed
data: {"event_id":4711,"type":"job.completed","is_own":true,"subject":"018f6b2e-7c1a-7cc3-9f3e-2f6d5a1b0c4d",\
"payload":{"state":"succeeded"},"correlation_id":"order-12345678","created_at":"2024-06-28T22:05:00Z"}

"""


@get(
    "/stream",
    operation_id="stream_events",
    summary="Follow what happens",
    tags=["Service"],
    media_type=MEDIA_TYPE,
    opt={
        "scope": "read:market",
        "datasets": (),
        "example": None,
        "problems": (429,),
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": EXAMPLE}},
    },
)
async def stream_events(
    request: Request[Any, Any, Any],
    streams: NamedDependency[Streams],
    gate: NamedDependency[Gate],
    principal: NamedDependency[Principal],
    topics: Annotated[
        str | None,
        QueryParameter(
            pattern=r"^[a-z]+(,[a-z]+)*$",
            max_length=200,
            description=f"Only these, between commas: {', '.join(TOPICS)}. All by default.",
            examples=[Example(value="jobs,alerts")],
        ),
    ] = None,
    last_event_id: Annotated[
        str | None,
        HeaderParameter(
            name="Last-Event-ID",
            pattern=ID_PATTERN,
            description="`id` of the last event that came; the stream goes on behind it. Up to 24 hours back.",
        ),
    ] = None,
) -> Response[bytes] | Stream:
    """Server-sent events: quotes, rankings, signals and news of everybody, one's own jobs, alerts and portfolios.

    `data` is the event as JSON. An event may come twice after a break, with the same `event_id`, and none is left out;
    `reset` says that the break was too long. A comment comes at least every 20 seconds. The stream ends when the key or
    token that opened it does.
    """
    wanted = _topics(topics)
    now = exchange.current.get()
    whose = whose_stream(principal, now.client_address)
    if now.is_head:
        streams.admit(whose)
        return Response(b"", media_type=MEDIA_TYPE)
    header, access = request.headers.get("authorization"), access_of(request.route_handler)
    pieces = await streams.open(
        principal, whose, wanted, last_event_id, is_admitted=lambda: gate.still_admits(principal, header, access)
    )
    return Stream(pieces, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def _topics(text: str | None) -> tuple[str, ...]:
    if text is None:
        return TOPICS
    wanted = text.split(",")
    if unknown := [topic for topic in wanted if topic not in TOPICS]:
        message = f"must be among {', '.join(TOPICS)}; got {shown(unknown[0])}"
        raise ParameterInvalid([ParameterError("topics", "invalid", message)])
    return tuple(wanted)
