"""Whether the service can answer, and how old is what it answers with."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from api.errors import ApiProblem, NotReady, ParameterError
from warehouse.clock import Clock
from warehouse.queries import datasets
from warehouse.queries.datasets import Dataset
from warehouse.queries.reader import Reader
from warehouse.settings import Settings

BUDGET_SECONDS = 0.5
# The longest pause of an exchange in ordinary years is four days; with the evening of the fifth, data are late.
STALE_AFTER_DAYS = 5
PRICES = "marts.fct_daily_prices"
BARS = "raw.daily_bars"


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    name: Annotated[str, Meta(description="What was looked at.")]
    status: Annotated[Literal["ok", "degraded"], Meta(description="Whether it is as it should be.")]
    message: Annotated[str, Meta(description="What was found.")]


class Readiness(msgspec.Struct, frozen=True):
    """Whether questions can be answered; degraded means: yes, but look at the checks."""

    status: Annotated[Literal["ok", "degraded"], Meta(description="The worst of the checks.")]
    checks: Annotated[list[Check], Meta(description="Everything that was looked at.")]


class Watch:
    """Looks at database, schema and freshness.

    Parameters
    ----------
    primary
        Where everything is written, and where all but market data and research is read.
    """

    def __init__(self, settings: Settings, clock: Clock, primary: Reader) -> None:
        self._clock = clock
        self._primary = primary
        # A source that ends grows old by nature.
        self._is_finite = settings.source == "files" or settings.simulated_last_session is not None

    async def look(self, reader: Reader) -> Readiness:
        """Return what was found.

        Parameters
        ----------
        reader
            Where market data and research are read: the primary, or a replica of it.

        Raises
        ------
        NotReady
            When the database, or its replica, does not answer within half a second, or its schema is not the code's.
        """
        revision, versions = await _probe(self._primary, "database")
        answering = [Check("database", "ok", "It answers.")]
        if reader is not self._primary:
            _, versions = await _probe(reader, "replica")
            answering.append(Check("replica", "ok", "It answers."))
        checks = [*answering, Check("schema", "ok", f"Revision {revision}."), self._freshness(versions)]
        return Readiness("degraded" if any(check.status != "ok" for check in checks) else "ok", checks)

    def _freshness(self, versions: Sequence[Dataset]) -> Check:
        days = {row.dataset: row.as_of_date for row in versions}
        newest = days.get(PRICES) or days.get(BARS)
        if newest is None:
            return Check("freshness", "degraded", "There are no prices yet. Run `make run`.")
        age = self._clock().date() - newest
        if not self._is_finite and age > dt.timedelta(days=STALE_AFTER_DAYS):
            message = f"Prices end at {newest}, {age.days} days ago. Look at the schedules."
            return Check("freshness", "degraded", message)
        return Check("freshness", "ok", f"Prices go up to {newest}.")


async def _probe(reader: Reader, name: str) -> tuple[str, list[Dataset]]:
    """Return revision and versions of a database, which must answer in time and have the schema of the code."""
    try:
        async with asyncio.timeout(BUDGET_SECONDS):
            found = await datasets.revision(reader)
            versions = await datasets.versions(reader)
    except TimeoutError as error:
        raise _not_ready(name, f"must answer within {BUDGET_SECONDS} s; it did not") from error
    except ApiProblem as error:
        raise _not_ready(name, error.detail) from error
    wanted = datasets.wanted_revision()
    if found != wanted:
        raise _not_ready(
            "schema", f"{name} must be at revision {wanted}; it is at {found}. Run `factorloom db upgrade`"
        )
    return wanted, versions


def _not_ready(name: str, message: str) -> NotReady:
    return NotReady(f"{name}: {message.rstrip('.')}.", errors=[ParameterError(name, "not-ready", message)])
