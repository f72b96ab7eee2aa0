"""What is left of a vendor's budget, and whether its host works: kept outside, so that all processes share it.

The budget belongs to a key, which is known here by its hash alone. The warehouse implements `Ledger` on PostgreSQL;
`MemoryLedger` serves one process that has no database, such as a trial of a key.
"""

import datetime as dt
from threading import Lock
from typing import NamedTuple, Protocol

MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)


class Plan(NamedTuple):
    """The limits that a vendor sells; None is no limit.

    `per_minute` and `per_day` count what requests cost, in minutes and days of UTC as vendors do.
    `spacing_seconds` is the shortest time between two requests.
    """

    name: str
    per_minute: int | None = None
    per_day: int | None = None
    spacing_seconds: float = 0.0


class Account(NamedTuple):
    """Whose budget it is: a key, by its hash, with a vendor under a plan."""

    vendor: str
    key_hash: str
    plan: Plan


class Standing(NamedTuple):
    """What is left of a budget, where something is known; None where there is no limit."""

    left_this_minute: int | None
    left_today: int | None
    blocked_until: dt.datetime | None


class Host(NamedTuple):
    """How a vendor's host has answered lately; an open breaker lets nothing through until `opened_until`."""

    host: str
    n_failures: int
    opened_until: dt.datetime | None
    last_answer_at: dt.datetime | None
    last_status: str | None


class Ledger(Protocol):
    """Budgets and breakers. `now` is always the machine's time: a vendor's minute passes also under a frozen clock."""

    def take(self, account: Account, cost: int, now: dt.datetime) -> dt.datetime | None:
        """Take from a budget in one step, or leave it as it is and return the instant to ask again."""
        ...

    def observe(
        self, account: Account, now: dt.datetime, *, left_this_minute: int | None, left_today: int | None
    ) -> None:
        """Note what the vendor says is left, when that is less than we thought."""
        ...

    def block(self, account: Account, until: dt.datetime) -> None:
        """Give nothing until an instant: the vendor said so."""
        ...

    def standing(self, account: Account, now: dt.datetime) -> tuple[int | None, int | None, dt.datetime | None]:
        """Return what is left, as the fields of `Standing`."""
        ...

    def admit(self, host: str, now: dt.datetime) -> dt.datetime | None:
        """Return None if a host may be asked, else until when not; when that has passed, one caller may try."""
        ...

    def record(self, host: str, now: dt.datetime, *, status: str, is_failure: bool) -> None:
        """Count how a host answered: a success closes its breaker, failures in a row open it."""
        ...

    def host(self, host: str) -> tuple[str, int, dt.datetime | None, dt.datetime | None, str | None] | None:
        """Return how a host has answered, as the fields of `Host`; None if it was never asked."""
        ...


# So many failed attempts in a row open a breaker: at one in three failing, that happens once in 6,500 requests.
FAILURES_TO_OPEN = 8
COOLDOWN = dt.timedelta(seconds=60)


class _Used:
    def __init__(self) -> None:
        self.last_at = self.minute_at = self.day_at = self.blocked_until = dt.datetime.min.replace(tzinfo=dt.UTC)
        self.minute_used = self.day_used = 0

    def roll(self, now: dt.datetime) -> None:
        if (minute := now.replace(second=0, microsecond=0)) > self.minute_at:
            self.minute_at, self.minute_used = minute, 0
        if (day := minute.replace(hour=0, minute=0)) > self.day_at:
            self.day_at, self.day_used = day, 0


class MemoryLedger:
    """A ledger of this process alone; safe to share between threads.

    Parameters
    ----------
    failures_to_open, cooldown
        When a breaker opens, and for how long.
    """

    def __init__(self, *, failures_to_open: int = FAILURES_TO_OPEN, cooldown: dt.timedelta = COOLDOWN) -> None:
        self._failures_to_open = failures_to_open
        self._cooldown = cooldown
        self._lock = Lock()
        self._used: dict[str, _Used] = {}
        self._hosts: dict[str, Host] = {}

    def take(self, account: Account, cost: int, now: dt.datetime) -> dt.datetime | None:
        """See `Ledger`."""
        with self._lock:
            used, plan = self._of(account, now), account.plan
            waits = [used.blocked_until, used.last_at + dt.timedelta(seconds=plan.spacing_seconds)]
            if plan.per_minute is not None and used.minute_used + cost > plan.per_minute:
                waits.append(used.minute_at + MINUTE)
            if plan.per_day is not None and used.day_used + cost > plan.per_day:
                waits.append(used.day_at + DAY)
            if max(waits) > now:
                return max(waits)
            used.last_at = now
            used.minute_used += cost
            used.day_used += cost
            return None

    def observe(
        self, account: Account, now: dt.datetime, *, left_this_minute: int | None, left_today: int | None
    ) -> None:
        """See `Ledger`."""
        with self._lock:
            used, plan = self._of(account, now), account.plan
            if left_this_minute is not None and plan.per_minute is not None:
                used.minute_used = max(used.minute_used, plan.per_minute - left_this_minute)
            if left_today is not None and plan.per_day is not None:
                used.day_used = max(used.day_used, plan.per_day - left_today)

    def block(self, account: Account, until: dt.datetime) -> None:
        """See `Ledger`."""
        with self._lock:
            used = self._used.setdefault(account.key_hash, _Used())
            used.blocked_until = max(used.blocked_until, until)

    def standing(self, account: Account, now: dt.datetime) -> Standing:
        """See `Ledger`."""
        with self._lock:
            used, plan = self._of(account, now), account.plan
            return Standing(
                None if plan.per_minute is None else max(plan.per_minute - used.minute_used, 0),
                None if plan.per_day is None else max(plan.per_day - used.day_used, 0),
                used.blocked_until if used.blocked_until > now else None,
            )

    def admit(self, host: str, now: dt.datetime) -> dt.datetime | None:
        """See `Ledger`."""
        with self._lock:
            known = self._hosts.get(host)
            if known is None or known.opened_until is None:
                return None
            if known.opened_until > now:
                return known.opened_until
            self._hosts[host] = known._replace(opened_until=now + self._cooldown)
            return None

    def record(self, host: str, now: dt.datetime, *, status: str, is_failure: bool) -> None:
        """See `Ledger`."""
        with self._lock:
            known = self._hosts.get(host, Host(host, 0, None, None, None))
            n_failures = known.n_failures + 1 if is_failure else 0
            is_open = n_failures >= self._failures_to_open
            self._hosts[host] = Host(host, n_failures, now + self._cooldown if is_open else None, now, status)

    def host(self, host: str) -> Host | None:
        """See `Ledger`."""
        with self._lock:
            return self._hosts.get(host)

    def _of(self, account: Account, now: dt.datetime) -> _Used:
        used = self._used.setdefault(account.key_hash, _Used())
        used.roll(now)
        return used
