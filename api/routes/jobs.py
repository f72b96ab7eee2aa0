"""/v1/jobs and what is short for one: work that is asked for here and done by the pipelines."""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Example
from litestar.params import Body, PathParameter, QueryParameter

from api import answers, exchange, operations
from api.answers import One, Page
from api.cursors import Cursors
from api.database import Database
from api.identity.errors import NotAllowed
from api.identity.principal import Access, Principal
from api.parameters import Cursor, Limit
from api.refusals import JobEnded, JobTooCostly, JobUnknown, QuotaSpent
from api.writes import Answer, KeyNeeded, KeyWelcome, Write, user_of, writing
from warehouse.queries import job_requests, quotas
from warehouse.queries.job_requests import JobDetail
from warehouse.queries.jobs import new_job_row
from warehouse.records import jobs as records
from warehouse.records.errors import JobRefused
from warehouse.records.job_parameters import Parameters, RecomputeParameters, RefreshParameters
from warehouse.records.jobs import (
    BUDGET_SECONDS,
    KINDS,
    WAITING_PER_USER,
    Artifact,
    Asked,
    Job,
    State,
)

TAG = "Jobs"
DAY = dt.timedelta(days=1)
JobId = Annotated[
    UUID, PathParameter(description="Id of the job.", examples=[Example(value="018f6b2e-7c1a-7cc3-9f3e-2f6d5a1b0c4d")])
]
EXAMPLE = Job(
    job_id=UUID("018f6b2e-7c1a-7cc3-9f3e-2f6d5a1b0c4d"),
    kind="backtest",
    state="requested",
    parameters=records.canonical(KINDS["backtest"].example),
    parameters_hash=records.parameters_hash("backtest", KINDS["backtest"].example),
    cost_seconds=KINDS["backtest"].cost_seconds(KINDS["backtest"].example),
    attempt=1,
    progress=None,
    run_id=None,
    correlation_id="0d9c8b7a-1111-4222-8333-444455556666",
    requested_at=dt.datetime(2024, 6, 28, 14, 5, tzinfo=dt.UTC),
    started_at=None,
    heartbeat_at=None,
    finished_at=None,
    cancel_requested_at=None,
    error=None,
    result=None,
)
DONE = msgspec.structs.replace(
    EXAMPLE,
    state="succeeded",
    progress=1.0,
    run_id="3f1c8a52-9a55-4cde-8a3f-0d6f6a2b1c77",
    started_at=dt.datetime(2024, 6, 28, 14, 5, 9, tzinfo=dt.UTC),
    heartbeat_at=dt.datetime(2024, 6, 28, 14, 5, 20, tzinfo=dt.UTC),
    finished_at=dt.datetime(2024, 6, 28, 14, 5, 31, tzinfo=dt.UTC),
    result={"tables": {"research.backtests": {"inserted": 1, "updated": 0, "unchanged": 0, "deleted": 0}}},
)
EXAMPLES = [
    Example(summary=kind.description, value={"kind": name, "parameters": records.canonical(kind.example)})
    for name, kind in KINDS.items()
]


def asking(
    path: str,
    *,
    operation_id: str,
    summary: str,
    scope: Access = "run:jobs",
    media_types: Sequence[str] = (operations.JSON,),
    bodies: Mapping[str, Mapping[str, Any]] | None = None,
    max_body_bytes: int = operations.MAX_BODY_BYTES,
    problems: Sequence[int] = (409, 422, 429),
) -> Callable[[operations.AnyHandler], HTTPRouteHandler]:
    """Declare a way to ask for a job, which is the answer. Parameters as in `operations.write`."""
    return operations.write(
        "POST", path, operation_id=operation_id, summary=summary, tag=TAG, scope=scope, status_code=202,
        media_types=media_types, bodies=bodies, max_body_bytes=max_body_bytes, problems=problems,
        example=One(EXAMPLE, answers.Meta()),
    )  # fmt: skip


@asking("/jobs", operation_id="create_job", summary="Ask for a job")
async def create_job(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    data: Annotated[Asked, Body(title="Job", description="A kind, and what it is asked.", examples=EXAMPLES)],
    idempotency_key: KeyNeeded,
) -> Response[One[Job]]:
    """Take a job, to be looked at under Location until its state is succeeded, failed, cancelled or expired.

    Its cost is estimated first: so many seconds of a core a day may be asked for, two jobs of one person run at once,
    and more wait. A choice of parameters (`tune`) changes what everybody will see, and asks for the scope admin.
    """
    kind = records.kind_of(data)
    return await ask(request, database, principal, kind, data.parameters, idempotency_key)


@asking("/rankings/recompute", operation_id="recompute_rankings", summary="Ask for rankings to be computed again")
async def recompute_rankings(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    data: Annotated[
        RecomputeParameters,
        Body(
            title="Period",
            description="Which sessions; the newest by default.",
            examples=[Example(value=records.canonical(RecomputeParameters()))],
        ),
    ],
    idempotency_key: KeyWelcome,
) -> Response[One[Job]]:
    """Short for a job of kind recompute. Whoever asks for the same before it has begun gets the same job."""
    return await ask(request, database, principal, "recompute", data, idempotency_key)


@asking("/refresh", operation_id="refresh", summary="Ask the source for what is missing")
async def refresh(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    data: Annotated[
        RefreshParameters,
        Body(
            title="Part",
            description="What the source is asked for.",
            examples=[Example(value=records.canonical(RefreshParameters()))],
        ),
    ],
    idempotency_key: KeyWelcome,
) -> Response[One[Job]]:
    """Short for a job of kind refresh. Those who ask for the same share one run, whoever they are."""
    return await ask(request, database, principal, "refresh", data, idempotency_key)


@asking(
    "/diagnostics/test-refresh",
    operation_id="test_refresh",
    summary="Try the way from the source to the tables",
    scope="admin",
    media_types=(),
)
async def test_refresh(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    idempotency_key: KeyWelcome,
) -> Response[One[Job]]:
    """Ask for the lightest run that goes the whole way: quotes from the source into their table, and the events of it.

    The job's state and error say whether source, queue, daemon and database work together.
    """
    return await ask(request, database, principal, "refresh", RefreshParameters(part="quotes"), idempotency_key)


@operations.read(
    "/jobs",
    operation_id="list_jobs",
    summary="List jobs",
    tag=TAG,
    scope="run:jobs",
    problems=[410],
    example=Page([DONE], answers.Meta()),
)
async def list_jobs(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    cursors: NamedDependency[Cursors],
    kind: Annotated[
        str | None,
        QueryParameter(
            pattern=rf"^({'|'.join(KINDS)})$", description="Only of this kind.", examples=[Example(value="backtest")]
        ),
    ] = None,
    job_state: Annotated[
        State | None,
        QueryParameter(name="state", description="Only in this state.", examples=[Example(value="succeeded")]),
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Job]:
    """Return the caller's jobs, newest first."""
    async with database.as_user(principal) as transaction:
        rows = await job_requests.newest(
            transaction, user_of(principal), kind=kind, state=job_state,
            before=cursors.read(cursor, tuple[dt.datetime, UUID]) if cursor else None, limit=limit + 1,
        )  # fmt: skip
    shown, last = answers.first_page(rows, limit=limit)
    return Page(shown, answers.meta(), cursors.after(last.requested_at, last.job_id) if last else None)


@operations.read(
    "/jobs/{job_id:uuid}",
    operation_id="get_job",
    summary="Look at a job",
    tag=TAG,
    scope="run:jobs",
    problems=[404],
    example=One(
        JobDetail(DONE, [Artifact("research.backtests", "table:research.backtests", "application/x-postgresql-table")]),
        answers.Meta(),
    ),
)
async def get_job(
    database: NamedDependency[Database], principal: NamedDependency[Principal], job_id: JobId
) -> One[JobDetail]:
    """State, progress, and, once it has succeeded, the result and what it has made."""
    async with database.as_user(principal) as transaction:
        found = await job_requests.one(transaction, user_of(principal), job_id)
        if found is None:
            raise JobUnknown(job_id)
        made = await job_requests.artifacts(transaction, user_of(principal), job_id)
    return One(JobDetail(found, made), answers.meta())


@operations.write(
    "DELETE",
    "/jobs/{job_id:uuid}",
    operation_id="cancel_job",
    summary="Cancel a job",
    tag=TAG,
    scope="run:jobs",
    status_code=202,
    media_types=(),
    problems=[404, 409],
    example=One(msgspec.structs.replace(EXAMPLE, state="cancelled", finished_at=EXAMPLE.requested_at), answers.Meta()),
)
async def cancel_job(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    job_id: JobId,
) -> Response[One[Job]]:
    """Cancel a job: at once while it waits; one that runs is broken off, and is cancelled when its run has ended."""
    async with writing(database, principal, request) as write:
        before = await job_requests.one(write.transaction, write.user_id, job_id)
        if before is None:
            raise JobUnknown(job_id)
        job = await job_requests.cancel(write.transaction, write.user_id, job_id, now=write.now)
        if job is None:
            raise JobEnded(job_id, before.state)
        if job.state == "cancelled":
            payload: dict[str, Any] = {
                "job_id": str(job_id),
                "kind": job.kind,
                "state": "cancelled",
                "result": {},
                "error": None,
            }
            await write.event("job.completed", str(job_id), payload)
        write.note("job.cancelled", str(job_id), kind=job.kind, state=before.state)
        return await write.end(Answer(One(job, answers.meta()), 202, f"/v1/jobs/{job_id}"))


async def ask(
    request: Request[Any, Any, Any],
    database: Database,
    principal: Principal,
    kind: str,
    asked: Parameters,
    key: str | None,
    *,
    also: Callable[[Write], Awaitable[None]] | None = None,
    body_hash: str | None = None,
) -> Response[Any]:
    """Take a job, and do in the same transaction what goes with it; `body_hash` as in `api.writes.writing`."""
    if KINDS[kind].needs_administrator and "admin" not in principal.scopes:
        raise NotAllowed("admin")
    try:
        cost = records.require_affordable(kind, asked)
    except JobRefused as refused:
        raise JobTooCostly(str(refused)) from refused
    async with writing(database, principal, request, key, body_hash=body_hash) as write:
        known = await write.answered()
        if known is not None:
            return known
        if also is not None:
            await also(write)
        job = await _job(write, kind, asked, cost)
        return await write.end(Answer(One(job, answers.meta()), 202, f"/v1/jobs/{job.job_id}"))


async def _job(write: Write, kind: str, asked: Parameters, cost: float) -> Job:
    """Return the job that stands for this request: the same one that waits already, where its kind is shared."""
    row = new_job_row(
        kind, asked, user_id=write.user_id, now=write.now, correlation_id=exchange.current.get().request_id
    )
    await quotas.alone(write.transaction, write.user_id, "jobs")
    if KINDS[kind].is_shared:
        same = await job_requests.same_unfinished(write.transaction, write.user_id, kind, row["parameters_hash"])
        if same is not None:
            write.note("job.joined", str(same.job_id), kind=kind)
            return same
    await _require_quota(write, cost)
    job = await job_requests.insert(write.transaction, row)
    payload = {"job_id": str(job.job_id), "kind": kind, "cost_seconds": cost}
    await write.event("job.requested", str(job.job_id), payload)
    write.note("job.requested", str(job.job_id), kind=kind, cost_seconds=cost, parameters_hash=job.parameters_hash)
    return job


async def _require_quota(write: Write, cost: float) -> None:
    """Refuse what goes beyond a day's budget, or beyond what may wait.

    Raises
    ------
    QuotaSpent
        Saying what is left, and when more is.
    """
    spent = await job_requests.spent(write.transaction, write.user_id, since=write.now - DAY)
    if spent.n_waiting >= WAITING_PER_USER:
        raise QuotaSpent(
            f"jobs: at most {WAITING_PER_USER} of yours may wait at once; {spent.n_waiting} do. Wait for one to begin, "
            "or cancel one.",
            retry_after_seconds=60,
        )
    if spent.cost_seconds + cost > BUDGET_SECONDS:
        free_at = (spent.oldest_at or write.now) + DAY
        raise QuotaSpent(
            f"jobs: within a day they may be estimated to cost {BUDGET_SECONDS:.0f} seconds of one core; "
            f"{spent.cost_seconds:.0f} are spent and this one would cost {cost:.0f}. Ask for less, or later.",
            retry_after_seconds=max(int((free_at - write.now).total_seconds()), 1),
        )
