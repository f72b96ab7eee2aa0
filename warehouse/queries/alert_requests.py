"""Alert rules as the API makes, lists, changes and deletes them."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from psycopg.types.json import Jsonb

from warehouse.queries.alerts import INSERT_ALERT
from warehouse.queries.reader import Reader, Writer
from warehouse.records.alert_sentences import sentence_of
from warehouse.records.alerts import AnyRule

_COLUMNS = """
    a.alert_id, a.name, a.rule, a.rule_version, a.is_active, a.muted_until,
    (
        select count(*) from app.alert_states as s
        where s.alert_id = a.alert_id and s.rule_version = a.rule_version and s.state = 'firing'
    ) as n_firing,
    a.created_at, a.updated_at,
    coalesce(
        (
            select jsonb_object_agg(i.instrument_id, i.ticker) from marts.dim_instruments as i
            where coalesce(a.rule -> 'instruments', a.rule -> 'scope' -> 'instruments') ? i.instrument_id
        ),
        '{}'
    ) as tickers
"""
LIST = f"""
select {_COLUMNS} from app.alerts as a
where
    a.user_id = %(user_id)s
    and (%(is_active)s::boolean is null or a.is_active = %(is_active)s)
    and (%(after_name)s::text is null or a.name > %(after_name)s)
order by a.name
limit %(limit)s
"""
ONE = f"select {_COLUMNS} from app.alerts as a where a.user_id = %(user_id)s and a.alert_id = %(alert_id)s"
# A rule that changes is another rule: where it stood, and what it has announced, belongs to the version before.
UPDATE = """
update app.alerts
set
    name = coalesce(%(name)s, name),
    is_active = coalesce(%(is_active)s, is_active),
    muted_until = case when %(is_muting)s then %(muted_until)s::timestamptz else muted_until end,
    rule_version = rule_version + (%(rule)s::jsonb is not null and %(rule)s::jsonb <> rule)::integer,
    rule = coalesce(%(rule)s::jsonb, rule),
    updated_at = %(now)s
where
    user_id = %(user_id)s and alert_id = %(alert_id)s
    and (%(rule_version)s::integer is null or rule_version = %(rule_version)s)
"""
DELETE = "delete from app.alerts where user_id = %(user_id)s and alert_id = %(alert_id)s"
COUNT = "select count(*) as n_alerts from app.alerts where user_id = %(user_id)s"


class Alert(msgspec.Struct, frozen=True):
    """Something that somebody waits for."""

    alert_id: Annotated[UUID, Meta(description="Id of the alert.")]
    name: Annotated[str, Meta(description="What its owner calls it.")]
    rule: Annotated[dict[str, Any], Meta(description="The rule; instruments by their ids.")]
    rule_version: Annotated[int, Meta(description="Grows with every change of the rule. Unit count.")]
    sentence: Annotated[str, Meta(description="The rule in words; instruments by their tickers.")]
    is_active: Annotated[bool, Meta(description="False while it is switched off.")]
    muted_until: Annotated[dt.datetime | None, Meta(description="Until when nothing of it is sent, UTC; null: it is.")]
    n_firing: Annotated[int, Meta(description="Instruments that it fires for now. Unit count.")]
    created_at: Annotated[dt.datetime, Meta(description="When it was made, UTC.")]
    updated_at: Annotated[dt.datetime, Meta(description="When it last changed, UTC.")]


class _Row(msgspec.Struct, frozen=True):
    """An alert as its table has it, and the tickers by id of the instruments that its rule names."""

    alert_id: UUID
    name: str
    rule: dict[str, Any]
    rule_version: int
    is_active: bool
    muted_until: dt.datetime | None
    n_firing: int
    created_at: dt.datetime
    updated_at: dt.datetime
    tickers: dict[str, str]

    def alert(self) -> Alert:
        """Return it as it is shown."""
        return Alert(
            alert_id=self.alert_id, name=self.name, rule=self.rule, rule_version=self.rule_version,
            sentence=sentence_of(self.rule, tickers=self.tickers), is_active=self.is_active,
            muted_until=self.muted_until, n_firing=self.n_firing, created_at=self.created_at,
            updated_at=self.updated_at,
        )  # fmt: skip


class _Count(msgspec.Struct, frozen=True):
    n_alerts: int


async def of_user(
    reader: Reader, user_id: UUID, *, is_active: bool | None, after_name: str | None, limit: int
) -> list[Alert]:
    """Return somebody's alerts, by name."""
    asked = {"user_id": user_id, "is_active": is_active, "after_name": after_name, "limit": limit}
    return [row.alert() for row in await reader.rows(_Row, LIST, asked)]


async def one(reader: Reader, user_id: UUID, alert_id: UUID) -> Alert | None:
    """Return an alert of somebody's."""
    rows = await reader.rows(_Row, ONE, {"user_id": user_id, "alert_id": alert_id})
    return rows[0].alert() if rows else None


async def count(reader: Reader, user_id: UUID) -> int:
    """Return how many alerts somebody has."""
    return (await reader.rows(_Count, COUNT, {"user_id": user_id}))[0].n_alerts


async def insert(writer: Writer, user_id: UUID, alert_id: UUID, *, name: str, rule: AnyRule, now: dt.datetime) -> None:
    """Store an alert whose rule is resolved; psycopg's `UniqueViolation` where the name is taken."""
    row = {"user_id": user_id, "alert_id": alert_id, "name": name, "rule": _json(rule), "now": now}
    await writer.execute(INSERT_ALERT, row)


async def update(
    writer: Writer,
    user_id: UUID,
    alert_id: UUID,
    *,
    name: str | None,
    rule: AnyRule | None,
    is_active: bool | None,
    muted_until: dt.datetime | UnsetType | None,
    rule_version: int | None,
    now: dt.datetime,
) -> bool:
    """Change an alert; False where there is none, or none of this version.

    None leaves as it is; of `muted_until` UNSET does, and None lifts it.
    """
    row: Mapping[str, Any] = {
        "user_id": user_id,
        "alert_id": alert_id,
        "name": name,
        "rule": None if rule is None else _json(rule),
        "is_active": is_active,
        "is_muting": muted_until is not UNSET,
        "muted_until": None if muted_until is UNSET else muted_until,
        "rule_version": rule_version,
        "now": now,
    }
    return await writer.execute(UPDATE, row) == 1


async def delete(writer: Writer, user_id: UUID, alert_id: UUID) -> bool:
    """Delete an alert with what it has announced; False where there is none."""
    return await writer.execute(DELETE, {"user_id": user_id, "alert_id": alert_id}) == 1


def _json(rule: AnyRule) -> Jsonb:
    return Jsonb(rule, dumps=msgspec.json.encode)
