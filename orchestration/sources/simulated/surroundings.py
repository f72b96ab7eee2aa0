"""What happens around the shares: news about companies, exchange rates, and the exchange's holidays.

News speaks of a company's quality, with much noise. Quality is worth something only where alpha is planted, so with
nothing planted no tone of any article says anything about the future.
"""

import datetime as dt
import json
from collections import Counter

import numpy as np
import pyarrow as pa

from orchestration.calendars import HomeCalendar
from orchestration.sources.records import FxRate, MarketHoliday, NewsArticle, arrow_schema
from orchestration.sources.simulated.chunks import Chunk
from orchestration.sources.simulated.draws import FloatArray, Stream, normal, uniforms
from orchestration.sources.simulated.grid import DateArray
from orchestration.sources.simulated.universe import SECTORS, company_name, ticker

# Articles per company and quarter.
ARTICLE_SHARE = 0.28
# Share of the variance of an article's tone that is the company's quality.
_TRUE_SHARE = 0.15
_PEER_SHARE = 0.2
_RATED_SHARE = 0.4
# Days after the quarter's end, and minutes after the close (before 18:00 local, so that a day's partition finds it).
_FIRST_DAY, _DAYS = 46, 70
_FIRST_MINUTE, _MINUTES = -400, 500
WIRE, GAZETTE = "Simulated Wire", "Simulated Gazette"
_GOOD, _BAD = 0.5, -0.5
_HEADLINES = {
    "good": (
        ("{} beats expectations and raises its outlook", "Profit rose strongly as demand improved."),
        ("Strong demand lifts profit at {}", "Margins improved and the outlook is favorable."),
        ("{} wins a large contract", "The award is a success and strengthens the order book."),
    ),
    "bad": (
        ("{} misses expectations and cuts its outlook", "Profit fell sharply as demand weakened."),
        ("{} warns of losses", "Write-downs and a decline in orders hurt the results."),
        ("Lawsuit and recall weigh on {}", "The company faces litigation over defective products."),
    ),
    "plain": (
        ("{} names a new head of sales", "The change takes effect next month."),
        ("{} to present at a conference", "The presentation is open to the public."),
        ("{} publishes the agenda of its annual meeting", "Shareholders meet in the spring."),
    ),
}
# US dollars for one unit on the first day; a random walk from there.
CURRENCIES = {"EUR": 1.10, "GBP": 1.28, "JPY": 0.0068, "SEK": 0.095, "AUD": 0.66}
_PRICED_IN = "USD"
_FX_SIGMA = 0.005
_SIX_DIGITS = 6
_DAYS_AHEAD = 365


def news_batch(chunk: Chunk, seed: int, *, first: int, last: int, now: dt.datetime) -> pa.RecordBatch:
    """Articles on the sessions ``first <= session <= last``, until now: at most one per company and quarter."""
    axis, members, reports = chunk.grid, chunk.companies, chunk.reports
    quarters = axis.quarter_numbers
    u = uniforms(seed, Stream.NEWS, members.ids, first=int(quarters[0]), n_steps=len(quarters))
    lag = _FIRST_DAY + (u[..., 0] / ARTICLE_SHARE * _DAYS).astype(np.int64)
    days: DateArray = axis.quarter_ends[:, None] + lag.astype("timedelta64[D]")
    sessions = axis.session_numbers(days.ravel()).reshape(days.shape)
    minutes = (_FIRST_MINUTE + _MINUTES * u[..., 1]).astype(np.int64)
    instants = axis.after_close(days, sessions, minutes)
    is_due = (u[..., 0] < ARTICLE_SHARE) & chunk.is_emitted & (sessions >= max(first, 0)) & (sessions <= last)
    is_due &= (sessions >= members.listed) & (sessions <= members.last) & (instants <= int(now.timestamp() * 1e6))
    tone = np.sqrt(_TRUE_SHARE) * reports.quality + np.sqrt(1 - _TRUE_SHARE) * normal(u[..., 2])
    rows = [
        _article(
            int(members.ids[i]), SECTORS[members.sector[i]], int(quarters[k]),
            instant=int(instants[k, i]), tone=float(tone[k, i]), choice=float(u[k, i, 3]),
        )
        for k, i in np.argwhere(is_due).tolist()
    ]  # fmt: skip
    return pa.RecordBatch.from_pylist(rows, schema=arrow_schema(NewsArticle))


def _article(company: int, sector: str, quarter: int, *, instant: int, tone: float, choice: float) -> dict[str, object]:
    kind = "good" if tone > _GOOD else "bad" if tone < _BAD else "plain"
    headline, summary = _HEADLINES[kind][int(choice * len(_HEADLINES[kind]))]
    # Of one draw each use takes other digits.
    has_peer, is_rated = choice * 1e3 % 1 < _PEER_SHARE, choice * 1e6 % 1 < _RATED_SHARE
    # Slots come in pairs, so the neighbour is there whatever the number of instruments.
    symbols = [ticker(company), ticker(company ^ 2)] if has_peer else [ticker(company)]
    return {
        "source_article_id": f"sim-{company:05d}-{quarter}",
        "published_at": dt.datetime.fromtimestamp(instant / 1e6, dt.UTC),
        "title": headline.format(company_name(company, sector)),
        "publisher": WIRE if is_rated else GAZETTE,
        "summary": summary,
        "source_symbols": json.dumps(symbols),
        "sentiment": round(float(np.tanh(tone)), 2) if is_rated else None,
        "sentiment_by": "simulated_wire" if is_rated else None,
    }


def fx_batch(sessions: DateArray, seed: int, *, first: int, last: int) -> pa.RecordBatch:
    """US dollars for each of CURRENCIES on the sessions ``first <= session <= last``; `sessions` begin at 0."""
    walks = _walks(seed, n_sessions=last + 1)[first:]
    n_days = last - first + 1
    columns = {
        "base_currency_code": pa.array(np.repeat(list(CURRENCIES), n_days).tolist()),
        "quote_currency_code": pa.repeat(pa.scalar(_PRICED_IN), n_days * len(CURRENCIES)),
        "rate_date": pa.array(np.tile(sessions[first : last + 1], len(CURRENCIES))),
        "rate": pa.array(walks.T.ravel()),
    }
    schema = arrow_schema(FxRate)
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _walks(seed: int, *, n_sessions: int) -> FloatArray:
    entities = np.arange(len(CURRENCIES), dtype=np.int64)
    shocks = normal(uniforms(seed, Stream.FX, entities, first=0, n_steps=n_sessions)[..., 0])
    levels = np.array(list(CURRENCIES.values())) * np.exp(np.cumsum(_FX_SIGMA * shocks, axis=0))
    magnitude = 10.0 ** (_SIX_DIGITS - 1 - np.floor(np.log10(levels)))
    return np.asarray(np.round(levels * magnitude) / magnitude, dtype=np.float64)


def holiday_batch(calendar: HomeCalendar, *, first: dt.date, today: dt.date) -> pa.RecordBatch:
    """Weekdays without a session, and sessions that end early, from a day until a year after today."""
    last = min(today + dt.timedelta(days=_DAYS_AHEAD), calendar.last_known_session)
    sessions = calendar.sessions(first, last)
    closes = {day: calendar.close_at(day) for day in sessions}
    usual = Counter(close.astimezone(calendar.timezone).time() for close in closes.values()).most_common(1)[0][0]
    rows: list[dict[str, object]] = []
    for day in (first + dt.timedelta(days=n) for n in range((last - first).days + 1)):
        close = closes.get(day)
        known = {"exchange_code": calendar.code, "holiday_date": day}
        if close is None and day.isoweekday() <= 5:
            rows.append({**known, "status": "closed"})
        elif close is not None and close.astimezone(calendar.timezone).time() < usual:
            rows.append({**known, "status": "early_close", "closes_at": close})
    return pa.RecordBatch.from_pylist(rows, schema=arrow_schema(MarketHoliday))
