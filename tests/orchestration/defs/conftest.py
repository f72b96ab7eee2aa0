"""Assets called by hand: their warehouse is a test's database, their source what a test makes of it."""

import datetime as dt
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.calendars import HomeCalendar
from orchestration.installation import Installation, current_installation
from orchestration.resources import MarketData, Warehouse
from warehouse.clock import clock_of
from warehouse.settings import Settings


class WarehouseOfTest(Warehouse):
    """The database of a test."""

    address: str

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Mark no run: there is none."""

    @property
    def url(self) -> str:
        return self.address


def market_data_of(source: Any, *, now: str, calendar: str = "XNYS") -> MarketData:
    """A source that a test has made, on an exchange and at an instant of its choice."""
    settings = Settings(home=Path("nowhere"), now=dt.datetime.fromisoformat(now))
    return market_data_in(Installation(settings, clock_of(settings), HomeCalendar(calendar), source))


def market_data_with(models_file: Path) -> MarketData:
    """The installation of the tests, with a list of models of its own."""
    installation = current_installation()
    settings = installation.settings.model_copy(update={"models_file": models_file})
    return market_data_in(installation._replace(settings=settings))


def market_data_in(made: Installation) -> MarketData:
    """The source and calendar of an installation that a test has made."""

    class MarketDataOfTest(MarketData):
        @property
        def installation(self) -> Installation:
            return made

    return MarketDataOfTest()
