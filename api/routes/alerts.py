"""/v1/alerts: what somebody waits for. Rules are held against new data by the pipelines."""

import datetime as dt
import unicodedata
import uuid
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body, HeaderParameter, PathParameter, QueryParameter
from msgspec import UNSET, Meta, UnsetType
from psycopg.errors import UniqueViolation

from api import answers, operations
from api.answers import One, Page
from api.cursors import Cursors
from api.database import Database
from api.identity.principal import Principal
from api.parameters import Cursor, Limit
from api.refusals import AlertUnknown, Conflict, MuteInvalid, NameTaken, PreconditionFailed, RuleInvalid
from api.writes import Answer, KeyWelcome, Write, user_of, writing
from warehouse.queries import alert_requests, quotas
from warehouse.queries.alert_requests import Alert
from warehouse.queries.alerts import resolution
from warehouse.queries.dialogue import hold_async
from warehouse.records.alerts import AnyRule, Rule, decode_rule
from warehouse.records.errors import RuleRefused

TAG = "Alerts"
MOST_ALERTS = 500
# What cannot be seen, and what ends a line, is no part of a name.
NAME_PATTERN = r"^[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff][^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*$(?!\n)"
Name = Annotated[str, Meta(min_length=1, max_length=120, pattern=NAME_PATTERN, description="A name of your own.")]
RuleBody = Annotated[
    dict[str, Any],
    Meta(description="The rule: `version` 2 with condition and scope, or `version` 1, a level of price or rank."),
]
EXAMPLE_ID = UUID("018f6b2e-7c1a-7cc3-9f3e-2f6d5a1b0c50")
AlertId = Annotated[UUID, PathParameter(description="Id of the alert.", examples=[Example(value=str(EXAMPLE_ID))])]
IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match", pattern=r'^"[0-9]{1,9}"$', examples=[Example(value='"1"')],
        description="rule_version that is to be changed, in quotes; another one is refused by 412.",
    ),
]  # fmt: skip
RULE = {"version": 1, "metric": "price", "operator": "at_or_above", "level": 100.0, "instruments": ["ACME"]}
AT = dt.datetime(2024, 6, 28, 14, 5, tzinfo=dt.UTC)
MOST_MUTED = dt.timedelta(days=3650)
EXAMPLE = Alert(
    alert_id=EXAMPLE_ID, name="ACME above 100", rule={**RULE, "instruments": ["i5f0c2a9b7d1e4c38"]}, rule_version=1,
    sentence="Fires when price is at or above 100, for ACME.", is_active=True, muted_until=None, n_firing=0,
    created_at=AT, updated_at=AT,
)  # fmt: skip


class NewAlert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An alert to be made."""

    name: Name
    rule: RuleBody
    is_active: Annotated[bool, Meta(description="False makes it switched off.")] = True


class AlertChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to change of an alert; what is left out stays."""

    name: Name | None = None
    rule: RuleBody | None = None
    is_active: Annotated[bool | None, Meta(description="True switches it on, false off.")] = None
    muted_until: Annotated[
        Annotated[dt.datetime, Meta(tz=True)] | UnsetType | None,
        Meta(description="Until then nothing of it is sent; null lifts it. With time zone, ahead, within ten years."),
    ] = UNSET


@operations.write(
    "POST", "/alerts", operation_id="create_alert", summary="Wait for something", tag=TAG, scope="write:alerts",
    status_code=201, problems=[409, 422], example=One(EXAMPLE, answers.Meta()),
)  # fmt: skip
async def create_alert(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    data: Annotated[
        NewAlert, Body(title="New alert", examples=[Example(value={"name": "ACME above 100", "rule": RULE})])
    ],
    idempotency_key: KeyWelcome,
) -> Response[One[Alert]]:
    """Store a rule; from the next look on it is held against new data, and what it announces is an event."""
    rule = _decoded(data.rule)
    try:
        async with writing(database, principal, request, idempotency_key) as write:
            if (known := await write.answered()) is not None:
                return known
            await quotas.alone(write.transaction, write.user_id, "alerts")
            if await alert_requests.count(write.transaction, write.user_id) >= MOST_ALERTS:
                raise Conflict(
                    f"alerts: at most {MOST_ALERTS} may be yours; they are. Delete one that you do not need."
                )
            alert_id = uuid.uuid4()
            stored = await _resolved(write, rule)
            await alert_requests.insert(
                write.transaction, write.user_id, alert_id, name=_clean(data.name), rule=stored, now=write.now
            )
            if not data.is_active:
                await _change(write, alert_id, AlertChange(is_active=False), None, None)
            return await _told(write, alert_id, "created", 201)
    except UniqueViolation as taken:
        raise NameTaken("alerts", data.name) from taken


@operations.read(
    "/alerts", operation_id="list_alerts", summary="List alerts", tag=TAG, scope="write:alerts", problems=[410],
    example=Page([EXAMPLE], answers.Meta()),
)  # fmt: skip
async def list_alerts(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    cursors: NamedDependency[Cursors],
    is_active: Annotated[
        bool | None, QueryParameter(description="Only those switched on, or off.", examples=[Example(value=True)])
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Alert]:
    """Return the caller's alerts, by name."""
    async with database.as_user(principal) as transaction:
        rows = await alert_requests.of_user(
            transaction, user_of(principal), is_active=is_active,
            after_name=cursors.read(cursor, tuple[str])[0] if cursor else None, limit=limit + 1,
        )  # fmt: skip
    shown, last = answers.first_page(rows, limit=limit)
    return Page(shown, answers.meta(), cursors.after(last.name) if last else None)


@operations.read(
    "/alerts/{alert_id:uuid}", operation_id="get_alert", summary="Look at an alert", tag=TAG, scope="write:alerts",
    problems=[404], example=One(EXAMPLE, answers.Meta()),
)  # fmt: skip
async def get_alert(
    database: NamedDependency[Database], principal: NamedDependency[Principal], alert_id: AlertId
) -> One[Alert]:
    """The rule as it is stored, and for how many instruments it fires."""
    async with database.as_user(principal) as transaction:
        found = await alert_requests.one(transaction, user_of(principal), alert_id)
    if found is None:
        raise AlertUnknown(alert_id)
    return One(found, answers.meta())


@operations.write(
    "PATCH", "/alerts/{alert_id:uuid}", operation_id="change_alert", summary="Change an alert", tag=TAG,
    scope="write:alerts", status_code=200, problems=[404, 409, 412, 422], example=One(EXAMPLE, answers.Meta()),
)  # fmt: skip
async def change_alert(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    alert_id: AlertId,
    data: Annotated[AlertChange, Body(title="Alert change", examples=[Example(value={"is_active": False})])],
    idempotency_key: KeyWelcome,
    if_match: IfMatch = None,
) -> Response[One[Alert]]:
    """Change name or rule, switch it on or off, or mute it; a rule that changes begins anew, and `If-Match` guards it.

    A rule that is muted announces nothing; what still holds when the mute ends is told then.
    """
    rule = None if data.rule is None else _decoded(data.rule)
    try:
        async with writing(database, principal, request, idempotency_key) as write:
            if (known := await write.answered()) is not None:
                return known
            stored = None if rule is None else await _resolved(write, rule)
            await _change(write, alert_id, data, stored, int(if_match.strip('"')) if if_match else None)
            return await _told(write, alert_id, "changed", 200)
    except UniqueViolation as taken:
        raise NameTaken("alerts", data.name or "") from taken


@operations.write(
    "DELETE", "/alerts/{alert_id:uuid}", operation_id="delete_alert", summary="Delete an alert", tag=TAG,
    scope="write:alerts", status_code=204, media_types=(), problems=[404],
)  # fmt: skip
async def delete_alert(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    alert_id: AlertId,
) -> None:
    """Delete a rule with what it has announced; what is on its way goes on."""
    async with writing(database, principal, request) as write:
        if not await alert_requests.delete(write.transaction, write.user_id, alert_id):
            raise AlertUnknown(alert_id)
        await write.event("alert.changed", str(alert_id), {"change": "deleted", "message": "An alert was deleted."})
        write.note("alert.deleted", str(alert_id))
        await write.end(Answer(None, 204))


async def _change(
    write: Write, alert_id: UUID, data: AlertChange, rule: AnyRule | None, rule_version: int | None
) -> None:
    found = await alert_requests.one(write.transaction, write.user_id, alert_id)
    if found is None:
        raise AlertUnknown(alert_id)
    name = None if data.name is None else _clean(data.name)
    until = data.muted_until
    if isinstance(until, dt.datetime) and not write.now < until <= write.now + MOST_MUTED:
        raise MuteInvalid(until)
    if not await alert_requests.update(
        write.transaction, write.user_id, alert_id, name=name, rule=rule, is_active=data.is_active,
        muted_until=until, rule_version=rule_version, now=write.now,
    ):  # fmt: skip
        # Somebody was faster: it is another one now, or gone.
        now = await alert_requests.one(write.transaction, write.user_id, alert_id)
        raise AlertUnknown(alert_id) if now is None else PreconditionFailed(f'"{now.rule_version}"')


async def _told(write: Write, alert_id: UUID, change: str, status: int) -> Response[Any]:
    alert = await alert_requests.one(write.transaction, write.user_id, alert_id)
    if alert is None:
        raise AlertUnknown(alert_id)
    message = f"The alert {alert.name} was {change}{'' if alert.is_active else ' and is switched off'}."
    payload = {"change": change, "is_active": alert.is_active, "message": message}
    await write.event("alert.changed", str(alert_id), payload)
    write.note(f"alert.{change}", str(alert_id), rule_version=alert.rule_version, is_active=alert.is_active)
    return await write.end(Answer(One(alert, answers.meta()), status, f"/v1/alerts/{alert_id}"))


def _decoded(body: dict[str, Any]) -> AnyRule:
    try:
        return decode_rule(body)
    except RuleRefused as refused:
        raise RuleInvalid(str(refused)) from refused


async def _resolved(write: Write, rule: AnyRule) -> AnyRule:
    if isinstance(rule, Rule) and rule.expires_at is not None and rule.expires_at <= write.now:
        raise RuleInvalid(
            f"alert rule: `expires_at` must be later than now; got {rule.expires_at.isoformat()}. "
            "Give a later instant, or leave it out."
        )
    try:
        return await hold_async(write.transaction.connection, resolution(rule, user_id=write.user_id))
    except RuleRefused as refused:
        raise RuleInvalid(str(refused)) from refused


def _clean(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip())
