"""The simulated market as the platform sees it; how it is made is told in `paths`, `reporting` and `universe`."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from orchestration.calendars import HomeCalendar
from orchestration.sources.records import Batch, Dividend, Instrument, Quote, Split, arrow_schema
from orchestration.sources.simulated.bars import bar_batch, true_bars
from orchestration.sources.simulated.benchmark import (
    BENCHMARK_SYMBOL,
    benchmark_batch,
    index_levels,
)
from orchestration.sources.simulated.chunks import Chunk, Market, trading
from orchestration.sources.simulated.defects import has_lost_split
from orchestration.sources.simulated.draws import FloatArray, IntArray
from orchestration.sources.simulated.intraday import session_so_far
from orchestration.sources.simulated.options import SimulatedOptions
from orchestration.sources.simulated.paths import DIVIDEND_NOTICE
from orchestration.sources.simulated.statements import fundamental_batches
from orchestration.sources.simulated.surroundings import fx_batch, holiday_batch, news_batch
from orchestration.sources.simulated.universe import INDUSTRIES, SECTORS, company_name

# Where a calendar's companies are at home; in the United States where we do not know.
_HOMES = {"XASX": "AU", "XSTO": "SE"}
_DAYS_TO_PAYMENT = 14


class SimulatedSource:
    """A market that lives up to now (or its own end): a session's bars exist once it has closed.

    Parameters
    ----------
    options : SimulatedOptions
    calendar : HomeCalendar
        Sessions of the market.
    now : callable
        The clock, timezone-aware.
    """

    name = "simulated"
    benchmark_symbol = BENCHMARK_SYMBOL
    is_simulated = True

    def __init__(
        self,
        options: SimulatedOptions,
        *,
        calendar: HomeCalendar,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._options = options
        self._calendar = calendar
        self._now = now
        self._market = Market(options, calendar)
        self._currency_code, self._country_code = calendar.currency_code, _HOMES.get(calendar.code, "US")

    @property
    def label(self) -> str:
        """One sentence on what this market is."""
        options = self._options
        return (
            f"A simulated market of {options.n_instruments} invented companies since "
            f"{self.first_session} (seed {options.seed}); nothing in it is real."
        )

    @property
    def first_session(self) -> dt.date:
        """First session of the market."""
        return self._market.first_session

    @property
    def last_session(self) -> dt.date | None:
        """Last session of the market; None while it lives."""
        last = self._options.last_session
        if last is None or self._calendar.is_session(last):
            return last
        return self._calendar.previous_session(last)

    def instruments(self) -> Iterator[Batch]:
        """Companies that have been listed by now."""
        newest = self._newest()
        if newest < 0:
            return
        schema = arrow_schema(Instrument)
        for chunk in self._market.chunks(newest):
            rows = [self._instrument(chunk, i, newest) for i in self._listed(chunk, newest)]
            yield Batch(pa.RecordBatch.from_pylist(rows, schema=schema))

    def daily_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars as traded, a chunk of companies at a time."""
        first, last = self._window(first_date, last_date)
        if first > last:
            return
        for chunk in self._market.chunks(last):
            yield Batch(
                bar_batch(
                    chunk,
                    self._options.seed,
                    first=first,
                    last=last,
                    defect_rate=self._options.defect_rate,
                    currency_code=self._currency_code,
                )
            )

    def benchmark_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the index."""
        first, last = self._window(first_date, last_date)
        if first > last:
            return
        levels = index_levels(self._market.chunks(last), n_sessions=last + 1)
        days = self._calendar.sessions(self.first_session, self._market.session(last))
        yield Batch(
            benchmark_batch(
                levels,
                np.array(days, dtype="datetime64[D]"),
                self._options.seed,
                first=first,
                last=last,
                currency_code=self._currency_code,
            )
        )

    def dividends(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Cash dividends by ex-date."""
        first, last = self._window(first_date, last_date)
        for chunk, events in self._events("dividends", first, last):
            days, columns = chunk.grid.sessions, events[:, 1].astype(np.int64)
            ex = events[:, 0].astype(np.int64)
            yield _batch(
                Dividend,
                source_symbol=_symbols(chunk, columns),
                ex_date=pa.array(days[ex]),
                amount=pa.array(events[:, 2]),
                currency_code=pa.repeat(pa.scalar(self._currency_code), len(ex)),
                declared_date=pa.array(days[ex - DIVIDEND_NOTICE]),
                pay_date=pa.array(days[ex] + np.timedelta64(_DAYS_TO_PAYMENT, "D")),
            )

    def splits(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Share splits by ex-date."""
        first, last = self._window(first_date, last_date)
        for chunk, events in self._events("splits", first, last):
            yield _batch(
                Split,
                source_symbol=_symbols(chunk, events[:, 1].astype(np.int64)),
                ex_date=pa.array(chunk.grid.sessions[events[:, 0].astype(np.int64)]),
                shares_new=pa.array(events[:, 2]),
                shares_old=pa.array(events[:, 3]),
            )

    def fundamentals(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Statements by day of publication, annual and quarterly."""
        first, last = self._window(first_date, last_date)
        if first > last:
            return
        for chunk in self._market.chunks(last):
            for rows in fundamental_batches(
                chunk,
                self._options.seed,
                first=first,
                last=last,
                now=self._now(),
                defect_rate=self._options.defect_rate,
                currency_code=self._currency_code,
            ):
                yield Batch(rows)

    def news_articles(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Articles by day of publication."""
        first, last = self._window(first_date, last_date)
        if first > last:
            return
        for chunk in self._market.chunks(last):
            yield Batch(news_batch(chunk, self._options.seed, first=first, last=last, now=self._now()))

    def fx_rates(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """A few currencies in US dollars, by session."""
        first, last = self._window(first_date, last_date)
        if first > last:
            return
        days = self._calendar.sessions(self.first_session, self._market.session(last))
        yield Batch(fx_batch(np.array(days, dtype="datetime64[D]"), self._options.seed, first=first, last=last))

    def market_holidays(self) -> Iterator[Batch]:
        """Holidays of the calendar, from the market's beginning until a year from now."""
        today = self._now().astimezone(self._calendar.timezone).date()
        if today >= self.first_session:
            yield Batch(holiday_batch(self._calendar, first=self.first_session, today=today))

    def quotes(self, symbols: Sequence[str] | None, now: dt.datetime) -> list[Quote]:
        """Prices at an instant: inside the day's bar during a session, its close after it."""
        session, minute, n_minutes, quoted_at = self._session_at(now)
        if session < 0:
            return []
        wanted = None if symbols is None else set(symbols)
        found: list[Quote] = []
        for chunk in self._market.chunks(session):
            found += self._quotes_of(chunk, wanted, session, minute, n_minutes, quoted_at)
        return found

    def _newest(self) -> int:
        """Number of the newest session that has closed; -1 before the market begins."""
        day = self._calendar.last_closed_session(self._now())
        last = self.last_session
        day = day if last is None else min(day, last)
        return self._market.number(day) if day >= self.first_session else -1

    def _window(self, first_date: dt.date, last_date: dt.date) -> tuple[int, int]:
        first = self._market.number(max(first_date, self.first_session))
        last = self._market.number(last_date + dt.timedelta(days=1)) - 1
        return first, min(last, self._newest())

    def _listed(self, chunk: Chunk, newest: int) -> list[int]:
        is_listed = (chunk.companies.listed <= newest) & chunk.is_emitted
        return [int(i) for i in np.flatnonzero(is_listed)]

    def _instrument(self, chunk: Chunk, i: int, newest: int) -> dict[str, object]:
        members, days = chunk.companies, chunk.grid.sessions
        company, sector = int(members.ids[i]), SECTORS[members.sector[i]]
        symbol = chunk.symbols[i]
        is_gone = bool(members.last[i] <= newest)
        return {
            "source_symbol": symbol,
            "ticker": symbol,
            "stable_id": f"SIM-{company:05d}",
            "name": company_name(company, sector),
            "exchange_code": self._calendar.code,
            "market": "stocks",
            "currency_code": self._currency_code,
            "country_code": self._country_code,
            "sector": sector,
            "industry": INDUSTRIES[sector][members.industry[i]],
            "listed_date": days[members.listed[i]].item(),
            "delisted_date": days[members.last[i]].item() if is_gone else None,
            "is_active": not is_gone,
            "metadata": '{"is_simulated": true}',
        }

    def _events(self, kind: str, first: int, last: int) -> Iterator[tuple[Chunk, FloatArray]]:
        if first > last:
            return
        for chunk in self._market.chunks(last):
            events: FloatArray = getattr(chunk.paths, kind)
            if kind == "splits":
                lost = has_lost_split(chunk, self._options.seed, self._options.defect_rate)
                events = events[~lost]
            session, column = events[:, 0].astype(np.int64), events[:, 1].astype(np.int64)
            is_in = (session >= first) & (session <= last) & chunk.is_emitted[column]
            is_in &= session <= chunk.companies.last[column]
            if is_in.any():
                yield chunk, events[is_in]

    def _session_at(self, now: dt.datetime) -> tuple[int, int, int, dt.datetime]:
        """Session number, minutes since its open, its length in minutes, and the instant of the price."""
        day = self._calendar.last_closed_session(now)
        following = self._calendar.next_session(day)
        last = self.last_session
        if self._calendar.open_at(following) <= now and (last is None or following <= last):
            day = following
        day = day if last is None else min(day, last)
        opened, closed = self._calendar.open_at(day), self._calendar.close_at(day)
        n_minutes = int((closed - opened).total_seconds() // 60)
        minute = min(int((now - opened).total_seconds() // 60), n_minutes)
        number = self._market.number(day) if day >= self.first_session else -1
        return number, minute, n_minutes, opened + dt.timedelta(minutes=minute)

    def _quotes_of(
        self,
        chunk: Chunk,
        wanted: set[str] | None,
        session: int,
        minute: int,
        n_minutes: int,
        quoted_at: dt.datetime,
    ) -> list[Quote]:
        is_trading = trading(chunk, np.array([session], dtype=np.int64))[0]
        columns = np.array(
            [i for i in np.flatnonzero(is_trading).tolist() if wanted is None or chunk.symbols[i] in wanted],
            dtype=np.int64,
        )
        if len(columns) == 0:
            return []
        bars = true_bars(chunk, self._options.seed, first=session, last=session)
        names = ("open", "high", "low", "close", "volume")
        bar = {name: getattr(bars, name)[0][columns].astype(np.float64) for name in names}
        state = session_so_far(
            self._options.seed,
            chunk.companies.ids[columns],
            session,
            bar=bar,
            minute=minute,
            n_minutes=n_minutes,
        )
        previous = chunk.paths.close[max(session - 1, 0)][columns]
        has_previous = chunk.companies.listed[columns] < session
        return [
            Quote(
                source_symbol=chunk.symbols[i],
                quoted_at=quoted_at,
                price=float(state.price[row]),
                open=float(state.open[row]),
                high=float(state.high[row]),
                low=float(state.low[row]),
                previous_close=float(previous[row]) if has_previous[row] else None,
                volume=int(state.volume[row]),
                currency_code=self._currency_code,
            )
            for row, i in enumerate(columns.tolist())
        ]


def _symbols(chunk: Chunk, columns: IntArray) -> pa.Array:
    return pa.array([chunk.symbols[i] for i in columns.tolist()], pa.string())


def _batch(record: type, **columns: pa.Array) -> Batch:
    schema = arrow_schema(record)
    return Batch(pa.RecordBatch.from_arrays([columns[n] for n in schema.names], schema=schema))
