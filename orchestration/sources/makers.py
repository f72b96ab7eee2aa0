"""Records that the rows of several vendors become in the same way."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from orchestration.sources.records import Adjustment, BenchmarkBar, CompanyRatios, DailyBar, FxRate, Quote
from orchestration.sources.wire import NotBelieved, Number, count, currency, number, symbol, text

S = TypeVar("S", bound=msgspec.Struct)
# The pairs that are asked for one by one, base and quote.
PAIRS = (("EUR", "USD"), ("GBP", "USD"), ("USD", "SEK"))


class Priced(Protocol):
    """A row with a day's figures; units as the vendor sends them."""

    open: Number
    high: Number
    low: Number
    close: Number
    volume: Number


def scaled(given: Number, units: float) -> float | None:
    """Read a price in units of the currency that so many of the vendor's make one of."""
    found = number(given)
    return found if found is None or units == 1 else found / units


def daily_bar(
    row: Priced,
    name: str | None,
    date: dt.date,
    money: tuple[str, float],
    *,
    adjustment: Adjustment = "none",
    close_adj: Number = None,
    price: Callable[[Number, float], float | None] = scaled,
) -> DailyBar:
    """Return the bar of a day.

    Parameters
    ----------
    row
        The figures.
    name, date
        What they are about.
    money
        Currency, and how many of the vendor's units make one of it, as `wire.currency` returns them.
    adjustment
        What the prices are adjusted for.
    close_adj
        The vendor's own adjusted close.
    price
        Reads a price.
    """
    code, units = money
    return DailyBar(
        source_symbol=symbol(name),
        trade_date=date,
        open=price(row.open, units),
        high=price(row.high, units),
        low=price(row.low, units),
        close=price(row.close, units),
        volume=count(row.volume),
        currency_code=code,
        adjustment=adjustment,
        vendor_close_adj=scaled(close_adj, units),
    )


def ratios_of(
    figures: Mapping[str, object], fields: Mapping[str, str], name: str, date: dt.date, *, code: str | None
) -> CompanyRatios | None:
    """Return a company's ratios; None where the vendor has none of them.

    Parameters
    ----------
    figures
        The vendor's figures by its names.
    fields
        Our ratio, and the vendor's name for it.
    name, date
        What they are about.
    code
        Currency of the money among them.
    """
    given = {ours: number(figures.get(theirs)) for ours, theirs in fields.items()}
    known: dict[str, Any] = {ours: value for ours, value in given.items() if value is not None}
    return CompanyRatios(source_symbol=symbol(name), as_of_date=date, currency_code=code, **known) if known else None


def benchmark_of(bar: DailyBar | None) -> BenchmarkBar | None:
    """Return a fund's bar as that of the market index."""
    if bar is None:
        return None
    known = msgspec.structs.asdict(bar)
    del known["adjustment"], known["vendor_close_adj"]
    return BenchmarkBar(**known)


def fx_rate(pair: tuple[str, str], date: dt.date, close: Number) -> FxRate:
    """Return a day's last rate of a pair, base and quote."""
    rate = number(close)
    if rate is None or rate <= 0:
        raise NotBelieved("non_positive_price", f"a rate must be above 0; got {close!r}.")
    base, quoted = (currency(code)[0] for code in pair)
    return FxRate(base_currency_code=base, quote_currency_code=quoted, rate_date=date, rate=rate)


def quote(
    row: Any, name: str, price: float | None, at: dt.datetime, money: tuple[str, float], *, before: Number
) -> Quote | None:
    """Return a price now with the session so far; None where there is no price.

    Parameters
    ----------
    row
        `open`, `high`, `low` and `volume` of the session; a price of zero means that nothing has traded.
    name, price, at
        What is quoted, at what (currency per share), and when.
    money
        As in `daily_bar`.
    before
        The session's before last price.
    """
    if price is None or price <= 0:
        return None
    code, units = money
    return Quote(
        source_symbol=symbol(name),
        quoted_at=at,
        price=price,
        open=scaled(row.open, units) or None,
        high=scaled(row.high, units) or None,
        low=scaled(row.low, units) or None,
        previous_close=scaled(before, units) or None,
        volume=count(row.volume),
        currency_code=code,
    )


def names_as_json(names: Iterable[object] | None) -> str:
    """Return symbols as the JSON list that a column keeps."""
    return msgspec.json.encode([text(name) for name in names or []]).decode()


def known_as_json(**facts: object) -> str:
    """Return what is known of an instrument beside the columns, as a JSON object; what is missing is left out."""
    return msgspec.json.encode({name: text(fact) for name, fact in facts.items() if text(fact)}).decode()


def spent(capex: float | None) -> float | None:
    """Return capital expenditure as money spent, whatever its sign at the vendor."""
    return None if capex is None else -abs(capex)


def in_groups(names: Sequence[str], size: int) -> list[Sequence[str]]:
    """Return names in groups of a size, the last one smaller."""
    return [names[i : i + size] for i in range(0, len(names), size)]


def day_after(date: dt.date) -> dt.date:
    """Return the next day of the calendar."""
    return date + dt.timedelta(days=1)
