"""What trading happens in: exchange rates, and the days on which exchanges are closed."""

import datetime as dt
from typing import Any

import dagster as dg
import pandas as pd

from orchestration.calendars import HomeCalendar
from orchestration.defs.market_data.assets import ingest_window, raw_table
from orchestration.defs.market_data.entities import EXCHANGES_OF_CALENDAR, fx_rates_entity, market_holidays_entity
from orchestration.installation import Installation
from orchestration.metadata import Checked, sample
from orchestration.partitions import window_of
from orchestration.resources import MarketData, Warehouse
from orchestration.sources.errors import VendorError
from orchestration.sources.protocols import HasMarketStatus
from warehouse.queries import market_data as queries

# Around the opening and the close, vendors' clocks and delays decide what they say.
BELL = dt.timedelta(minutes=20)


@raw_table("fx_rates", by_session=True)
def fx_rates(context: dg.AssetExecutionContext, warehouse: Warehouse, market_data: MarketData) -> Checked:
    """One row per source, pair of currencies and day: the day's last exchange rate."""
    installation, window = market_data.installation, window_of(context)
    return ingest_window(warehouse, installation, fx_rates_entity(), *window)


@raw_table("market_holidays")
def market_holidays(warehouse: Warehouse, market_data: MarketData) -> Checked:
    """One row per source, exchange and day: when exchanges are closed, or close early, as the source knows it now."""
    installation = market_data.installation
    return ingest_window(warehouse, installation, market_holidays_entity())


@dg.asset_check(
    asset=market_holidays,
    description="The source's holidays of the home exchange are those of our calendar; shows the others.",
)  # fmt: skip
def holidays_agree_with_the_calendar(warehouse: Warehouse, market_data: MarketData) -> dg.AssetCheckResult:
    """Compare days that the source says the home exchange is closed, or closes early, with the home calendar."""
    calendar = market_data.installation.calendar
    codes = EXCHANGES_OF_CALENDAR.get(calendar.code, (calendar.code,))
    told = warehouse.read_frame(queries.HOLIDAYS_OF_EXCHANGES, [",".join(codes)])
    others = told[[differs_from(calendar, row) for row in told.itertuples()]]
    return dg.AssetCheckResult(
        passed=others.empty,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"holidays": len(told), "other_than_ours": len(others), **sample(others.head(10))},
        description=f"{len(others)} of {len(told)} holidays are told otherwise than by the calendar {calendar.code}",
    )


@dg.asset_check(
    asset=market_holidays, description="The source says that the market is open, or closed, as our calendar does."
)
def the_market_is_open_as_the_calendar_says(market_data: MarketData) -> dg.AssetCheckResult:
    """Ask the source whether the home exchange trades now; about the minutes around a bell nobody is asked."""
    installation = market_data.installation
    calendar, now = installation.calendar, installation.clock()
    expected = {calendar.is_open_at(now + margin) for margin in (-BELL, dt.timedelta(), BELL)}
    told = _told_open(installation) if len(expected) == 1 else None
    (is_open, *_) = expected
    return dg.AssetCheckResult(
        passed=told is None or told == is_open,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"told": str(told), "calendar": str(is_open)},
        description="the source does not say" if told is None else f"the source says open: {told}",
    )


def _told_open(installation: Installation) -> bool | None:
    source = installation.source
    if not isinstance(source, HasMarketStatus):
        return None
    try:
        return source.market_status()
    except VendorError:
        return None  # an outage says nothing about the exchange, and has its own place: `factorloom sources`


def differs_from(calendar: HomeCalendar, told: Any) -> bool:
    """Whether a day is told otherwise than the calendar has it; days beyond the calendar are not compared."""
    day = pd.Timestamp(told.holiday_date).date()
    if not calendar.first_known_session <= day <= calendar.last_known_session or day.isoweekday() > 5:
        return False
    if told.status == "closed":
        return calendar.is_session(day)
    return not calendar.is_session(day) or (pd.notna(told.closes_at) and calendar.close_at(day) != told.closes_at)
