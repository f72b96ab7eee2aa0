"""Budgets of vendor keys and circuit breakers of their hosts, shared by all processes of an installation."""

import datetime as dt
from collections.abc import Callable
from threading import Lock
from typing import Any, NamedTuple, Protocol

import psycopg

from warehouse.connect import connect

# `on conflict` sees the newest version of the row, locked: two takers can never both pass the `where`.
# The minute and the day go forward only, so that a clock that is behind another's cannot count a minute anew.
TAKE = """
insert into app.vendor_budgets as budget
    (key_hash, vendor, last_request_at, minute_at, minute_used, day_at, day_used)
values (
    %(key_hash)s, %(vendor)s, %(now)s, date_trunc('minute', %(now)s::timestamptz), %(cost)s,
    date_trunc('day', %(now)s::timestamptz, 'UTC'), %(cost)s
)
on conflict (key_hash) do update set
    last_request_at = greatest(budget.last_request_at, excluded.last_request_at),
    minute_at = greatest(budget.minute_at, excluded.minute_at),
    minute_used
    = excluded.minute_used + case when budget.minute_at < excluded.minute_at then 0 else budget.minute_used end,
    day_at = greatest(budget.day_at, excluded.day_at),
    day_used = excluded.day_used + case when budget.day_at < excluded.day_at then 0 else budget.day_used end
where
    coalesce(budget.blocked_until <= %(now)s, true)
    and coalesce(budget.last_request_at + make_interval(secs => %(spacing_seconds)s) <= %(now)s, true)
    and (
        %(per_minute)s::integer is null
        or excluded.minute_used + case when budget.minute_at < excluded.minute_at then 0 else budget.minute_used end
        <= %(per_minute)s
    )
    and (
        %(per_day)s::integer is null
        or excluded.day_used + case when budget.day_at < excluded.day_at then 0 else budget.day_used end <= %(per_day)s
    )
returning key_hash
"""

# When a take that was refused may be tried again.
RETRY_AT = """
select
    greatest(
        blocked_until,
        last_request_at + make_interval(secs => %(spacing_seconds)s),
        case when minute_used + %(cost)s > %(per_minute)s then minute_at + interval '1 minute' end,
        case when day_used + %(cost)s > %(per_day)s then day_at + interval '1 day' end
    )
from app.vendor_budgets
where key_hash = %(key_hash)s
"""

OBSERVE = """
update app.vendor_budgets
set
    minute_used = case
        when minute_at = date_trunc('minute', %(now)s::timestamptz)
            then greatest(minute_used, %(minute_used)s::integer)
        else minute_used
    end,
    day_used = case
        when day_at = date_trunc('day', %(now)s::timestamptz, 'UTC') then greatest(day_used, %(day_used)s::integer)
        else day_used
    end
where key_hash = %(key_hash)s
"""

BLOCK = """
insert into app.vendor_budgets as budget
    (key_hash, vendor, minute_at, minute_used, day_at, day_used, blocked_until)
values (%(key_hash)s, %(vendor)s, '-infinity', 0, '-infinity', 0, %(until)s)
on conflict (key_hash) do update set blocked_until = greatest(budget.blocked_until, excluded.blocked_until)
"""

STANDING = """
select
    case when minute_at = date_trunc('minute', %(now)s::timestamptz) then minute_used else 0 end as minute_used,
    case when day_at = date_trunc('day', %(now)s::timestamptz, 'UTC') then day_used else 0 end as day_used,
    case when blocked_until > %(now)s then blocked_until end as blocked_until
from app.vendor_budgets
where key_hash = %(key_hash)s
"""

# An open breaker whose time has passed lets one caller through, and stays open for the others meanwhile.
PROBE = """
update app.vendor_hosts
set opened_until = %(now)s::timestamptz + %(cooldown)s
where host = %(host)s and opened_until <= %(now)s
returning host
"""

RECORD = """
insert into app.vendor_hosts as known (host, n_failures, opened_until, last_answer_at, last_status)
values (%(host)s, %(failures)s, null, %(now)s, %(status)s)
on conflict (host) do update set
    n_failures = case when excluded.n_failures = 0 then 0 else known.n_failures + 1 end,
    opened_until = case
        when excluded.n_failures > 0 and known.n_failures + 1 >= %(failures_to_open)s
            then %(now)s::timestamptz + %(cooldown)s
    end,
    last_answer_at = excluded.last_answer_at,
    last_status = excluded.last_status
"""

HOST = """
select host, n_failures, opened_until, last_answer_at, last_status
from app.vendor_hosts
where host = %(host)s
"""


class Plan(Protocol):
    """The limits of a plan; None is no limit."""

    @property
    def per_minute(self) -> int | None:
        """Cost that a minute of UTC bears."""
        ...

    @property
    def per_day(self) -> int | None:
        """Cost that a day of UTC bears."""
        ...

    @property
    def spacing_seconds(self) -> float:
        """Shortest time between two requests."""
        ...


class Account(Protocol):
    """A key by its hash, with a vendor under a plan."""

    @property
    def vendor(self) -> str:
        """Name of the vendor."""
        ...

    @property
    def key_hash(self) -> str:
        """Hash of the key."""
        ...

    @property
    def plan(self) -> Plan:
        """Limits."""
        ...


class Standing(NamedTuple):
    """What is left of a budget; None where there is no limit."""

    left_this_minute: int | None
    left_today: int | None
    blocked_until: dt.datetime | None


class Host(NamedTuple):
    """How a host has answered lately."""

    host: str
    n_failures: int
    opened_until: dt.datetime | None
    last_answer_at: dt.datetime | None
    last_status: str | None


class VendorLedger:
    """Budgets and breakers in PostgreSQL; one connection, opened at the first use and again after a loss.

    Parameters
    ----------
    url
        Address of the warehouse for pipelines; a function, since nothing is read before the first use.
    failures_to_open, cooldown
        When a breaker opens, and for how long.
    """

    def __init__(
        self, url: Callable[[], str], *, failures_to_open: int = 8, cooldown: dt.timedelta = dt.timedelta(minutes=1)
    ) -> None:
        self._url = url
        self._breaker = {"failures_to_open": failures_to_open, "cooldown": cooldown}
        self._connection: psycopg.Connection | None = None
        self._lock = Lock()

    def take(self, account: Account, cost: int, now: dt.datetime) -> dt.datetime | None:
        """Take from a budget in one statement, or leave it as it is and return the instant to ask again."""
        plan = account.plan
        asked = {
            "key_hash": account.key_hash,
            "vendor": account.vendor,
            "now": now,
            "cost": cost,
            "spacing_seconds": plan.spacing_seconds,
            "per_minute": plan.per_minute,
            "per_day": plan.per_day,
        }
        if self._row(TAKE, asked) is not None:
            return None
        found = self._row(RETRY_AT, asked)
        # Another process may have waited for the same instant: then it is due at once, and asked for again.
        return max(found[0], now + dt.timedelta(milliseconds=1)) if found else now

    def observe(
        self, account: Account, now: dt.datetime, *, left_this_minute: int | None, left_today: int | None
    ) -> None:
        """Note what the vendor says is left, when that is less than we thought."""
        plan = account.plan
        said = {
            "key_hash": account.key_hash,
            "now": now,
            "minute_used": _used(plan.per_minute, left_this_minute),
            "day_used": _used(plan.per_day, left_today),
        }
        self._execute(OBSERVE, said)

    def block(self, account: Account, until: dt.datetime) -> None:
        """Give nothing until an instant."""
        self._execute(BLOCK, {"key_hash": account.key_hash, "vendor": account.vendor, "until": until})

    def standing(self, account: Account, now: dt.datetime) -> Standing:
        """Return what is left."""
        row = self._row(STANDING, {"key_hash": account.key_hash, "now": now})
        minute_used, day_used, blocked_until = row or (0, 0, None)
        return Standing(
            _left(account.plan.per_minute, minute_used), _left(account.plan.per_day, day_used), blocked_until
        )

    def admit(self, host: str, now: dt.datetime) -> dt.datetime | None:
        """Return None if a host may be asked, else until when not."""
        known = self.host(host)
        if known is None or known.opened_until is None:
            return None
        if known.opened_until > now:
            return known.opened_until
        is_first = self._row(PROBE, {"host": host, "now": now, "cooldown": self._breaker["cooldown"]}) is not None
        return None if is_first else now + dt.timedelta(seconds=1)

    def record(self, host: str, now: dt.datetime, *, status: str, is_failure: bool) -> None:
        """Count how a host answered."""
        self._execute(
            RECORD, {"host": host, "now": now, "status": status, "failures": int(is_failure), **self._breaker}
        )

    def host(self, host: str) -> Host | None:
        """Return how a host has answered, None if it was never asked."""
        row = self._row(HOST, {"host": host})
        return Host(*row) if row else None

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _row(self, sql: str, values: dict[str, Any]) -> tuple[Any, ...] | None:
        return self._execute(sql, values, returns=True)

    def _execute(self, sql: str, values: dict[str, Any], *, returns: bool = False) -> tuple[Any, ...] | None:
        with self._lock:
            try:
                cursor = self._open().execute(sql, values)
            except psycopg.OperationalError:
                if self._connection is not None and not self._connection.closed:
                    raise
                # The server was restarted. A take that was counted and not answered is lost budget, never too much.
                cursor = self._open().execute(sql, values)
            return cursor.fetchone() if returns else None

    def _open(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._url(), autocommit=True)
        return self._connection


def _used(limit: int | None, left: int | None) -> int | None:
    return None if limit is None or left is None else limit - left


def _left(limit: int | None, used: int) -> int | None:
    return None if limit is None else max(limit - used, 0)
