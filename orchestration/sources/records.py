"""The records that sources hand over, one struct per table of `raw`.

A struct has the columns of its table without `source`, `instrument_id` and the instants that we write.
Bulk data travels as Arrow batches of the same columns, see `arrow_schema`. Figures are as received: a bar
may well have null prices here; judging that is the job of the quality rules, not of the door.
"""

import datetime as dt
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec
import pyarrow as pa

Adjustment = Literal["none", "splits", "splits_dividends"]
Statement = Literal["annual", "quarterly"]


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument as the source describes it today; `metadata` is a JSON object as text."""

    source_symbol: str
    ticker: str
    stable_id: str | None = None
    name: str | None = None
    exchange_code: str | None = None
    market: str | None = None
    currency_code: str | None = None
    country_code: str | None = None
    sector: str | None = None
    industry: str | None = None
    listed_date: dt.date | None = None
    delisted_date: dt.date | None = None
    member_from_date: dt.date | None = None
    member_to_date: dt.date | None = None
    is_active: bool = True
    metadata: str = "{}"


class DailyBar(msgspec.Struct, frozen=True, kw_only=True):
    """A day's prices (currency per share, adjusted as `adjustment` says) and volume (shares).

    `vendor_close_adj` is the close that the source itself has adjusted for splits and dividends, beside the others.
    """

    source_symbol: str
    trade_date: dt.date
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: int | None
    currency_code: str
    adjustment: Adjustment
    vendor_close_adj: float | None = None


class Dividend(msgspec.Struct, frozen=True, kw_only=True):
    """A cash dividend as declared: currency per share, not adjusted for later splits."""

    source_symbol: str
    ex_date: dt.date
    amount: float | None
    currency_code: str
    declared_date: dt.date | None = None
    pay_date: dt.date | None = None


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """A share split: `shares_new` for every `shares_old`, trading so from `ex_date` on."""

    source_symbol: str
    ex_date: dt.date
    shares_new: float | None
    shares_old: float | None


class Fundamental(msgspec.Struct, frozen=True, kw_only=True):
    """A company's statement as published; money in currency, `capex` negative when spent.

    `published_at` is the instant of publication, `filed_date` the filing day; a source may know neither.
    """

    source_symbol: str
    statement: Statement
    period_end_date: dt.date
    published_at: dt.datetime | None = None
    filed_date: dt.date | None = None
    fiscal_year: int | None = None
    currency_code: str
    revenue: float | None = None
    cost_of_revenue: float | None = None
    gross_profit: float | None = None
    operating_income: float | None = None
    net_income: float | None = None
    eps: float | None = None
    shares_outstanding: float | None = None
    total_assets: float | None = None
    total_liabilities: float | None = None
    total_equity: float | None = None
    current_assets: float | None = None
    current_liabilities: float | None = None
    cash: float | None = None
    short_term_debt: float | None = None
    long_term_debt: float | None = None
    operating_cash_flow: float | None = None
    capex: float | None = None
    depreciation: float | None = None
    interest_expense: float | None = None


class CompanyRatios(msgspec.Struct, frozen=True, kw_only=True):
    """What a source reckons a company to be worth and to earn, over the last twelve months as of a day.

    Money in currency, everything else a ratio or a fraction (0.05 is five per cent). The source's own reckoning, of
    definitions of its own: to look at and to compare with; value and quality factors are computed from statements.
    """

    source_symbol: str
    as_of_date: dt.date
    currency_code: str | None = None
    market_cap: float | None = None
    enterprise_value: float | None = None
    price_to_earnings: float | None = None
    price_to_book: float | None = None
    price_to_sales: float | None = None
    price_to_cash_flow: float | None = None
    price_to_free_cash_flow: float | None = None
    enterprise_value_to_sales: float | None = None
    enterprise_value_to_ebitda: float | None = None
    dividend_yield: float | None = None
    return_on_equity: float | None = None
    return_on_assets: float | None = None
    profit_margin: float | None = None
    debt_to_equity: float | None = None
    current_ratio: float | None = None


class BenchmarkBar(msgspec.Struct, frozen=True, kw_only=True):
    """A day of the market index (index points); volume of the members (shares) where known."""

    source_symbol: str
    trade_date: dt.date
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float | None
    volume: int | None = None
    currency_code: str


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """A price during the session, as traded (currency per share), and the session so far."""

    source_symbol: str
    quoted_at: dt.datetime
    price: float
    open: float | None = None
    high: float | None = None
    low: float | None = None
    previous_close: float | None = None
    volume: int | None = None
    currency_code: str


class NewsArticle(msgspec.Struct, frozen=True, kw_only=True):
    """An article; `source_symbols` is a JSON list of the instruments that it is about.

    `sentiment` is the source's own, from -1 to 1, `sentiment_by` says whose.
    """

    source_article_id: str
    published_at: dt.datetime
    title: str
    url: str | None = None
    publisher: str | None = None
    author: str | None = None
    summary: str | None = None
    source_symbols: str = "[]"
    sentiment: float | None = None
    sentiment_by: str | None = None


class FxRate(msgspec.Struct, frozen=True, kw_only=True):
    """A day's last rate: so many units of `quote_currency_code` for one of `base_currency_code`."""

    base_currency_code: str
    quote_currency_code: str
    rate_date: dt.date
    rate: float | None


class MarketHoliday(msgspec.Struct, frozen=True, kw_only=True):
    """A day on which an exchange is closed, or closes early."""

    exchange_code: str
    holiday_date: dt.date
    name: str | None = None
    status: Literal["closed", "early_close"]
    closes_at: dt.datetime | None = None


class TickerEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A renaming: what was `former_symbol` until the day before is `source_symbol` from `changed_date` on."""

    source_symbol: str
    changed_date: dt.date
    former_symbol: str


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A record that could not become a row, for `raw.quarantine`.

    `entity` is the table without its schema, `record_key` the key with parts joined by a vertical bar,
    `payload` the record as received (JSON-able), `trade_date` the day it is about where that is known.
    """

    entity: str
    record_key: str
    rule: str
    detail: str
    payload: dict[str, Any]
    trade_date: dt.date | None = None


class Turn(NamedTuple):
    """What is asked about one symbol of an entity that comes symbol by symbol: the days, both included."""

    symbol: str
    first_date: dt.date
    last_date: dt.date

    @property
    def none_of_it(self) -> "Turn":
        """The turn of which no day was had yet."""
        return self._replace(last_date=self.first_date - dt.timedelta(days=1))

    @property
    def days(self) -> tuple[dt.date, dt.date]:
        """First and last day."""
        return self.first_date, self.last_date


@dataclass(frozen=True)
class Batch:
    """Rows of one entity, and the records that could not become rows.

    `source` is whose they are, where that is not the source that was asked. `reached` are the turns that this is the
    whole answer to: the next run goes on behind them; `left` are those that could not be asked: it begins with them.
    ``rows.num_rows + len(refused)`` is what was received.
    """

    rows: pa.RecordBatch
    refused: list[Refused] = field(default_factory=list)
    source: str | None = None
    reached: tuple[Turn, ...] = ()
    left: tuple[Turn, ...] = ()

    @property
    def n_received(self) -> int:
        """Records received."""
        return int(self.rows.num_rows) + len(self.refused)


_ARROW_TYPES: dict[type, pa.DataType] = {
    str: pa.string(),
    float: pa.float64(),
    int: pa.int64(),
    bool: pa.bool_(),
    dt.date: pa.date32(),
    dt.datetime: pa.timestamp("us", tz="UTC"),
}


def arrow_schema(record: type[msgspec.Struct]) -> pa.Schema:
    """Arrow schema of a record: the same columns in the same order, all nullable.

    Raises
    ------
    TypeError
        If a field has a type that no table uses.
    """
    hints = typing.get_type_hints(record)
    return pa.schema([pa.field(name, _arrow_type(hints[name])) for name in record.__struct_fields__])


def _arrow_type(hint: Any) -> pa.DataType:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        (hint,) = (part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is Literal:
        return pa.string()
    if hint not in _ARROW_TYPES:
        raise TypeError(f"arrow_schema: the field's type must be one of {_ARROW_TYPES}; got {hint}.")
    return _ARROW_TYPES[hint]
