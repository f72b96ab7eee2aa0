"""One symbol at a time, credits by the minute.

The end of a range may or may not be part of it; a ticker without a venue may be another company's.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar, TypeVar

from orchestration.sources.credentials import Credential
from orchestration.sources.ledger import Plan
from orchestration.sources.makers import PAIRS, daily_bar, day_after, in_groups
from orchestration.sources.records import (
    Batch,
    CompanyRatios,
    DailyBar,
    Dividend,
    Fundamental,
    FxRate,
    Instrument,
    NewsArticle,
    Quote,
    Split,
    Turn,
)
from orchestration.sources.series import Become, SeriesSource
from orchestration.sources.transport import Call, Vendor
from orchestration.sources.twelve_data.companies import (
    PARTS,
    PERIODS,
    Listed,
    Period,
    Statements,
    Statistics,
    company_ratios_of,
    instrument_of,
    listed,
    statements,
    statements_of,
    take_statement,
)
from orchestration.sources.twelve_data.envelope import CREDITS, About, Meta, judge, remaining
from orchestration.sources.twelve_data.events import (
    DividendRow,
    Events,
    Release,
    SplitRow,
    article_of,
    dividend_of,
    dividends,
    is_open,
    releases,
    split_of,
    splits,
)
from orchestration.sources.twelve_data.prices import Series, Value, date_in, days_in, keyed, quote_of, rate_of, series
from orchestration.sources.vendor import VendorOptions
from orchestration.sources.wire import Gathering, currency, gather, json_of, symbol

T = TypeVar("T")
SeriesAnswer = tuple[Series, list[Value | bytes]]
StatementAnswer = tuple[Statements, list[dict[str, Any] | bytes]]
_VENUES = {"XNYS": ("XNYS", "XNAS", "XASE", "ARCX", "BATS"), "XASX": ("XASX",), "XSTO": ("XSTO",)}
_COUNTRIES = {"XNYS": "United States"}
_QUOTES_PER_REQUEST = 8
_MOST_ROWS = 5000


class TwelveDataSource(SeriesSource[SeriesAnswer]):
    """Shares of the home exchange, a symbol at a time, prices as traded."""

    name: ClassVar[str] = "twelve_data"
    label: ClassVar[str] = "Shares from Twelve Data, as traded."
    plans: ClassVar = {
        "basic": Plan("basic", per_minute=8, per_day=800),
        "grow": Plan("grow", per_minute=55),
        "grow_144": Plan("grow_144", per_minute=144),
        "grow_377": Plan("grow_377", per_minute=377),
        "pro": Plan("pro", per_minute=610),
        "pro_987": Plan("pro_987", per_minute=987),
        "pro_1597": Plan("pro_1597", per_minute=1597),
    }

    def vendor(self, options: VendorOptions) -> Vendor:
        """See `VendorSource`."""
        return Vendor(
            name=self.name,
            base_url=options.base_url or "https://api.twelvedata.com",
            credential=Credential(options.api_key, header="authorization", scheme="apikey"),
            plan=self.plan,
            judge=judge,
            remaining=remaining,
        )

    def instruments(self) -> Iterator[Batch]:
        """Shares of the home exchange's venues; funds and rights are other lists."""
        for venue in self._home_venues:
            answer = self.transport.fetch(Call("/stocks", listed, {"mic_code": venue}))
            rows = answer[1] if answer else []
            make = partial(self._instrument, venue=venue)
            yield gather(Instrument, "instruments", rows, make, about=venue)

    def dividends(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Dividends as declared; without a day of declaration or payment."""
        gathering = Gathering(Dividend, "dividends")

        def take(turn: Turn, answer: tuple[Events, list[DividendRow | bytes]]) -> None:
            for row in self._believed(turn.symbol, answer, gathering, interval=None):
                gathering.add(row, lambda wire: dividend_of(wire, turn, answer[0].meta.currency), about=turn.symbol)

        turns = self._turns_of_days("dividends", first_date, last_date)
        # The default divides amounts by later splits.
        yield from self._by_symbol(gathering, self._calls("/dividends", dividends, turns, adjust="false"), take)

    def splits(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Splits by the day from which shares trade split."""
        gathering = Gathering(Split, "splits")

        def take(turn: Turn, answer: tuple[Events, list[SplitRow | bytes]]) -> None:
            for row in self._believed(turn.symbol, answer, gathering, interval=None):
                gathering.add(row, lambda wire: split_of(wire, turn), about=turn.symbol)

        turns = self._turns_of_days("splits", first_date, last_date)
        yield from self._by_symbol(gathering, self._calls("/splits", splits, turns), take)

    def fundamentals(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Statements without a filing day, so 90 days after the period's end; six requests a company."""
        gathering = Gathering(Fundamental, "fundamentals")

        def take(turn: Turn, first: StatementAnswer) -> None:
            days = (turn.first_date - dt.timedelta(days=90), turn.last_date - dt.timedelta(days=90))
            for period in PERIODS:
                found: dict[dt.date, dict[str, Any]] = {}
                for part in PARTS:
                    is_first = (period, part) == (PERIODS[0], PARTS[0])
                    answer = first if is_first else self.transport.fetch(self._statement(turn, period, part))
                    code = answer[0].meta.currency if answer else None
                    for row in self._believed(turn.symbol, answer, gathering, interval=None) if answer else ():
                        about = f"{turn.symbol}|{part}"
                        gathering.add(row, lambda wire: take_statement(wire, part, code, days, found), about=about)  # noqa: B023
                for made in statements_of(turn.symbol, period, found):
                    gathering.add(made, lambda record: record, about=turn.symbol)

        turns = self._turns_of_days("fundamentals", first_date, last_date)
        calls = ((turn, self._statement(turn, PERIODS[0], PARTS[0])) for turn in turns)
        yield from self._by_symbol(gathering, calls, take)

    def company_ratios(self) -> Iterator[Batch]:
        """Ratios of the last session."""
        session = self._calendar.last_closed_session(self._now())
        gathering = Gathering(CompanyRatios, "company_ratios")

        def take(turn: Turn, answer: Statistics) -> None:
            is_receipt = "Receipt" in str(self._listings.get(turn.symbol, {}).get("metadata"))
            for wire in self._believed(turn.symbol, (answer, [answer]), gathering, interval=None):
                make = partial(company_ratios_of, name=turn.symbol, date=session, is_receipt=is_receipt)
                gathering.add(wire, make, about=turn.symbol)

        cost = CREDITS["/statistics"]
        turns = self._turns("company_ratios", session, session)
        calls = (
            (turn, Call("/statistics", json_of(Statistics), self._about(turn.symbol), cost=cost)) for turn in turns
        )
        yield from self._by_symbol(gathering, calls, take)

    def quote_batches(self, symbols: Sequence[str] | None, now: dt.datetime) -> Iterator[Batch]:
        """Prices now, some symbols in each request; a credit for each symbol."""
        for group in in_groups(self._symbols if symbols is None else symbols, _QUOTES_PER_REQUEST):
            about = {"symbol": ",".join(group), **self._home}
            rows = self.transport.fetch(Call("/quote", keyed(group), about, cost=len(group))) or []
            make = partial(quote_of, asked=group, venues=self._home_venues)
            yield gather(Quote, "quotes", rows, make, about=group[0])

    def news_articles(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Press releases."""
        gathering = Gathering(NewsArticle, "news_articles")

        def take(turn: Turn, answer: tuple[object, list[Release | bytes]]) -> None:
            for row in answer[1]:
                gathering.add(row, lambda wire: article_of(wire, turn), about=turn.symbol)

        turns = self._turns_of_days("news_articles", first_date, last_date)
        yield from self._by_symbol(gathering, self._calls("/press_releases", releases, turns), take)

    def fx_rates(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Last rates of the euro, the pound and the krona against the dollar."""
        days = self._days(first_date, last_date)
        if days is None:
            return
        gathering = Gathering(FxRate, "fx_rates")

        def take(turn: Turn, answer: SeriesAnswer) -> None:
            for part, found in self._whole(turn, answer, {"symbol": turn.symbol}):
                for row in self._in_order(part, found, gathering):
                    gathering.add(row, lambda wire: rate_of(wire, part), about=turn.symbol)  # noqa: B023

        turns = [Turn("/".join(pair), *days) for pair in PAIRS]
        calls = ((turn, self._range(turn, {"symbol": turn.symbol})) for turn in turns)
        yield from self._by_symbol(gathering, calls, take)

    def market_status(self) -> bool | None:
        """Whether the home exchange trades now."""
        code = self._calendar.code
        call = Call("/market_state", partial(is_open, code=code), {"code": code}, cost=CREDITS["/market_state"])
        return self.transport.fetch(call)

    @property
    def _home_venues(self) -> tuple[str, ...]:
        return _VENUES.get(self._calendar.code, (self._calendar.code,))

    @property
    def _home(self) -> dict[str, str]:
        """Where the symbols of one request are listed: its venue, or its country where it has several."""
        (venue, *others) = self._home_venues
        return {"country": _COUNTRIES[self._calendar.code]} if others else {"mic_code": venue}

    @cached_property
    def _listings(self) -> Mapping[str, dict[str, Any]]:
        """Listing of each symbol: without its venue the vendor picks one, where the ticker may be another company's."""
        return {row["source_symbol"]: row for batch in self.instruments() for row in batch.rows.to_pylist()}

    @property
    def _symbols(self) -> Sequence[str]:
        return self._options.symbols or tuple(self._listings)

    def _about(self, name: str) -> dict[str, str]:
        listing = self._listings.get(name)
        return {"symbol": name} if listing is None else {"symbol": name, "mic_code": listing["exchange_code"]}

    def _range(self, turn: Turn, about: Mapping[str, str]) -> Call[SeriesAnswer]:
        asked = {"interval": "1day", "order": "asc", "outputsize": "5000", "adjust": "none"}
        return Call("/time_series", series, {**about, **asked, **_ends(turn)})

    def _series(self, turns: Iterable[Turn]) -> Iterator[tuple[Turn, Call[SeriesAnswer]]]:
        return ((turn, self._range(turn, self._about(turn.symbol))) for turn in turns)

    def _calls(
        self, path: str, decode: Callable[[bytes], T], turns: Iterable[Turn], **more: str
    ) -> Iterator[tuple[Turn, Call[T]]]:
        for turn in turns:
            parameters = {**self._about(turn.symbol), **_ends(turn), **more}
            yield turn, Call(path, decode, parameters, cost=CREDITS[path])

    def _statement(self, turn: Turn, period: Period, part: str) -> Call[StatementAnswer]:
        about = {**self._about(turn.symbol), "period": period}
        return Call(f"/{part}", statements[part], about, cost=CREDITS[f"/{part}"])

    def _take_series(self, turn: Turn, answer: SeriesAnswer, gathering: Gathering, become: Become) -> None:
        for part, found in self._whole(turn, answer, self._about(turn.symbol)):
            for row in self._in_order(part, found, gathering):
                gathering.add(row, lambda wire: become(self._bar(wire, part, found[0].meta)), about=turn.symbol)  # noqa: B023

    def _whole(self, turn: Turn, answer: SeriesAnswer, about: Mapping[str, str]) -> Iterator[tuple[Turn, SeriesAnswer]]:
        """Return an answer, and those to the days before and after it that it had no room for."""
        yield turn, answer
        days = days_in(turn, answer[1]) if len(answer[1]) >= _MOST_ROWS else []
        if not days:
            return
        before = turn._replace(last_date=min(days) - dt.timedelta(days=1))
        after = turn._replace(first_date=day_after(max(days)))
        for rest in (before, after):
            is_some = rest.first_date <= rest.last_date
            found = self.transport.fetch(self._range(rest, about)) if is_some else None
            if found is not None:
                yield from self._whole(rest, found, about)

    def _instrument(self, wire: Listed, venue: str) -> Instrument | None:
        name = symbol(wire.symbol)
        return instrument_of(wire, venue, self._canonical(name)) if self._wanted(name) else None

    def _in_order(self, turn: Turn, answer: SeriesAnswer, gathering: Gathering) -> list[Value | bytes]:
        """Return the bars of an answer, oldest first, if it is one to the question."""
        rows = self._believed(turn.symbol, answer, gathering, interval="1day")
        return sorted(rows, key=lambda row: "" if isinstance(row, bytes) else row.datetime)

    def _believed(
        self, asked: str, answer: tuple[About, list[T]], gathering: Gathering, *, interval: str | None
    ) -> list[T]:
        """Return the rows of an answer to the question that was asked, none of one to another."""
        meta, rows = answer[0].meta, answer[1]
        doubt = self._doubt(asked, meta, interval=interval)
        if doubt is not None:
            told = {"symbol": meta.symbol, "interval": meta.interval, "rows": len(rows)}
            gathering.refuse(asked, *doubt, told)
        return [] if doubt is not None else rows

    def _doubt(self, asked: str, meta: Meta, *, interval: str | None) -> tuple[str, str] | None:
        """Return the rule and the reason for which an answer is one to another question."""
        if meta.symbol != asked:
            return "another_symbol", f"the answer must be about {asked!r}, as asked; it is about {meta.symbol!r}."
        if meta.mic_code not in (*self._home_venues, None):
            return "another_exchange", f"the venue must be one of the home exchange's; it is {meta.mic_code!r}."
        if interval is not None and meta.interval != interval:
            return "another_interval", f"bars must be of a day, as asked; they are of {meta.interval!r}."
        return None

    def _bar(self, wire: Value, turn: Turn, meta: Meta) -> DailyBar | None:
        date = date_in(wire, turn)
        if date is None:
            return None
        return daily_bar(wire, turn.symbol, self._asked_session(date, *turn.days), currency(meta.currency))


def _ends(turn: Turn) -> dict[str, str]:
    # An end without a time of day is part of the range or not, depending on whom one asks: a day more is asked for.
    return {"start_date": str(turn.first_date), "end_date": str(day_after(turn.last_date))}
