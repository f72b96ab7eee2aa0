"""How long it takes to hold alert rules against the data: after a session's close, and on quotes during it.

Rules are spread over the metrics and operators that people use. Shown is also what the first look at new rules costs;
and, with fewer rules, what a look costs with four times the history and with four times the rules: it is to grow with
the pairs that can move, not with the history.
"""

import argparse
import datetime as dt
import os
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.kernels import warehouse
from orchestration.alerting import Evaluated, evaluate
from orchestration.calendars import HomeCalendar
from warehouse.records.alerts import decode_rule
from warehouse.secrets import LOCAL_OWNER_ID

SEED, TIMES = 7, 3
CALENDAR = HomeCalendar("XNYS")
LAST = dt.date(2026, 6, 24)
MARTS = Path(__file__).resolve().parent.parent / "tests" / "marts.sql"
RANKING = """
insert into research.rankings (profile, as_of_date, is_intraday, instrument_id, rank, score, signal,
    contribution_forecast, contribution_momentum, contribution_value, contribution_quality, contribution_growth,
    contribution_low_risk, contribution_liquidity)
select 'balanced', %(day)s, false, 'i' || n, row_number() over (order by md5(n || %(day)s::date::text)), 50,
    (array['buy', 'hold', 'sell'])[1 + (n + extract(doy from %(day)s::date)::int) %% 3], 0, 0, 0, 0, 0, 0, 0
from generate_series(1, %(n)s) as n
"""
INDICATORS = """
insert into research.indicators (instrument_id, as_of_date, rsi_14d)
select instrument_id, trade_date, 50 + 40 * sin(hashtext(instrument_id || trade_date::text))
from marts.fct_daily_prices where trade_date = any(%(days)s)
"""
# Levels lie all about the prices, so that a session moves some pairs and leaves most alone.
WHENS = (
    '{"operator": "at_or_above", "metric": "price", "level": LEVEL}',
    '{"operator": "at_or_below", "metric": "price", "level": LEVEL}',
    '{"operator": "crosses_above", "metric": "price", "level": LEVEL}',
    '{"operator": "crosses_below", "metric": "indicators.rsi_14d", "level": 12}',
    '{"operator": "at_or_below", "metric": "rankings.rank", "of": {"profile": "balanced"}, "level": 5}',
    '{"operator": "enters", "metric": "rankings.signal", "of": {"profile": "balanced"}, "values": ["buy"]}',
    '{"operator": "changes_by", "metric": "price", "by": 0.05}',
    '{"operator": "new_high", "metric": "price", "bars": 252}',
    '{"operator": "and", "conditions": [{"operator": "at_or_above", "metric": "price", "level": 101},'
    ' {"operator": "at_or_above", "metric": "indicators.rsi_14d", "level": 60}]}',
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--intraday-pairs", type=int, default=10_000)
    parser.add_argument("--instruments", type=int, default=500)
    parser.add_argument(
        "--years", type=int, nargs="+", default=[1], help="Lengths of the history, one after the other."
    )
    parser.add_argument("--growth-pairs", type=int, default=20_000, help="Pairs that growth is measured with.")
    given = parser.parse_args()
    before, shown = (
        os.getloadavg()[0],
        Table("look", "pairs", "could move", "announced", "seconds", "CPU seconds, ours and PostgreSQL's"),
    )
    for years in given.years:
        with warehouse() as url, psycopg.connect(url, autocommit=True) as connection:
            days = CALENDAR.sessions(LAST - dt.timedelta(days=365 * years), LAST)
            fill(connection, given.instruments, days[:-TIMES])
            add_rules(connection, given.pairs, given.instruments)
            name = f"{years} year{'s' if years > 1 else ''} of history"
            shown.add_row(f"first look at new rules, {name}", *row(given.pairs, [timed(connection, days[-TIMES - 1])]))
            looks = after_closes(connection, given.instruments, days[-TIMES:])
            shown.add_row(f"after a close, {name}", *row(given.pairs, looks))
            connection.execute("delete from app.alerts")
            add_rules(connection, given.intraday_pairs, given.instruments, kinds=3)
            timed(connection, LAST)
            looks = [quoted(connection, given.instruments, minute) for minute in range(TIMES)]
            shown.add_row(f"on quotes, {name}", *row(given.intraday_pairs, looks))
    growth = Table("after a close", "pairs", "could move", "CPU seconds", "times the first line")
    first: float | None = None
    for name, years, pairs in (
        ("1 year of history", 1, given.growth_pairs),
        ("4 years of history", 4, given.growth_pairs),
        ("1 year of history, 4 times the rules", 1, 4 * given.growth_pairs),
    ):
        looks = growing(years, pairs, given.instruments)
        cost = statistics.median(look.cpu_seconds + look.server_cpu_seconds for look in looks)
        first = first or cost
        moved = ", ".join(f"{look.result.n_pairs:,}" for look in looks)
        growth.add_row(name, f"{pairs:,}", moved, f"{cost:.2f}", f"{cost / first:.2f}")
    console = Console(width=150)
    console.print(
        f"{given.instruments} instruments; each look once per session or minute, {TIMES} of them, seed {SEED}"
    )
    console.print(shown)
    console.print(growth)
    console.print(f"load average before and after: {before:.1f}, {os.getloadavg()[0]:.1f}")


class Timed(NamedTuple):
    """One evaluation: seconds, processor seconds of this process and of the database server, and its outcome."""

    seconds: float
    cpu_seconds: float
    server_cpu_seconds: float
    result: Evaluated


def growing(years: int, n_pairs: int, n_instruments: int) -> list[Timed]:
    """Return the looks after the last closes of so long a history, at rules that have been looked at before."""
    days = CALENDAR.sessions(LAST - dt.timedelta(days=365 * years), LAST)
    with warehouse() as url, psycopg.connect(url, autocommit=True) as connection:
        fill(connection, n_instruments, days[:-TIMES])
        add_rules(connection, n_pairs, n_instruments)
        timed(connection, days[-TIMES - 1])
        return after_closes(connection, n_instruments, days[-TIMES:])


def after_closes(connection: psycopg.Connection, n_instruments: int, days: list[dt.date]) -> list[Timed]:
    """Write one session after the other, and look after each."""
    looks = []
    for day in days:
        add_session(connection, n_instruments, day)
        looks.append(timed(connection, day))
    return looks


def row(n_pairs: int, looks: list[Timed]) -> list[str]:
    """Return the cells of a line; times are medians."""
    seconds = statistics.median(look.seconds for look in looks)
    ours = statistics.median(look.cpu_seconds for look in looks)
    server = statistics.median(look.server_cpu_seconds for look in looks)
    moved = ", ".join(f"{look.result.n_pairs:,}" for look in looks)
    told = ", ".join(f"{look.result.n_announced:,}" for look in looks)
    return [f"{n_pairs:,}", moved, told, f"{seconds:.2f}", f"{ours:.2f} + {server:.2f} = {ours + server:.2f}"]


def timed(connection: psycopg.Connection, last: dt.date) -> Timed:
    """Return what one evaluation costs."""
    now = dt.datetime.combine(last, dt.time(22), dt.UTC)
    server = psutil.Process(connection.info.backend_pid)
    begin, ours, theirs = time.perf_counter(), time.process_time(), _cpu(server)
    result = evaluate(connection, now=now, calendar=CALENDAR, last_session=last, timeout_seconds=600)
    return Timed(time.perf_counter() - begin, time.process_time() - ours, _cpu(server) - theirs, result)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def fill(connection: psycopg.Connection, n_instruments: int, days: list[dt.date]) -> None:
    """Write random walks of prices, and indicators and rankings of their last days; a longer history ends the same."""
    connection.execute(MARTS.read_text())
    connection.execute(
        "insert into marts.dim_instruments (instrument_id, ticker) select 'i' || n, 'T' || n"
        " from generate_series(1, %s) as n",
        [n_instruments],
    )
    connection.execute(
        "insert into raw.instrument_aliases (source, source_symbol, valid_from_date, instrument_id, ticker)"
        " select 'bench', 'T' || n, '2000-01-01', 'i' || n, 'T' || n from generate_series(1, %s) as n",
        [n_instruments],
    )
    dice = np.random.default_rng(SEED)
    ends, steps = dice.normal(0, 0.07, n_instruments), dice.normal(0, 0.0045, (len(days), n_instruments))
    closes = 100 * np.exp(ends + np.cumsum(steps, axis=0))[::-1]
    copy = "copy marts.fct_daily_prices (instrument_id, trade_date, close_raw, close_adj) from stdin"
    with connection.cursor() as cursor, cursor.copy(copy) as rows:
        for day, of_day in zip(days, closes.tolist(), strict=True):
            for number, price in enumerate(of_day, start=1):
                rows.write_row((f"i{number}", day, price, price))
    connection.execute(INDICATORS, {"days": days[-30:]})
    for day in days[-30:]:
        connection.execute(RANKING, {"day": day, "n": n_instruments})
    connection.execute("analyze")


def add_session(connection: psycopg.Connection, n_instruments: int, day: dt.date) -> None:
    """Write the bars, indicators and ranking of one more session."""
    connection.execute(
        "insert into marts.fct_daily_prices (instrument_id, trade_date, close_raw, close_adj)"
        " select instrument_id, %(day)s, close_raw * (1 + move), close_adj * (1 + move) from marts.fct_daily_prices"
        " cross join lateral (select 0.02 * sin(hashtext(instrument_id || %(day)s::text)) as move) as moved"
        " where trade_date = (select max(trade_date) from marts.fct_daily_prices)",
        {"day": day},
    )
    connection.execute(INDICATORS, {"days": [day]})
    connection.execute(RANKING, {"day": day, "n": n_instruments})


def add_rules(connection: psycopg.Connection, n_pairs: int, n_instruments: int, *, kinds: int = len(WHENS)) -> None:
    """Write rules of ten instruments each, by kind in turn; the bodies are those that the API would store."""
    with connection.cursor() as cursor:
        copy = "copy app.alerts (alert_id, user_id, name, rule) from stdin"
        with cursor.copy(copy) as rows:
            for number in range(n_pairs // 10):
                first = 10 * number % n_instruments
                names = ", ".join(f'"i{(first + k) % n_instruments + 1}"' for k in range(10))
                body = (
                    f'{{"version": 2, "when": {WHENS[number % kinds].replace("LEVEL", str(70 + number % 60))},'
                    f' "scope": {{"kind": "instruments", "instruments": [{names}]}}}}'
                )
                if number < kinds:
                    decode_rule(body)
                rows.write_row((f"00000000-0000-7000-8000-{number:012d}", LOCAL_OWNER_ID, f"rule {number}", body))
    connection.execute("analyze app.alerts")


def quoted(connection: psycopg.Connection, n_instruments: int, minute: int) -> Timed:
    """Write a quote of each instrument, some minutes after the next open, and look."""
    day = CALENDAR.next_session(LAST)
    at = CALENDAR.open_at(day) + dt.timedelta(minutes=minute + 1)
    connection.execute(
        "insert into raw.quotes (source, source_symbol, quoted_at, price, currency_code, trade_date)"
        " select 'bench', ticker, %(at)s, close_raw * (1 + 0.01 * sin(hashtext(ticker || %(minute)s::text))), 'USD',"
        " %(day)s from marts.dim_instruments inner join marts.fct_daily_prices using (instrument_id)"
        " where trade_date = %(last)s",
        {"at": at, "minute": str(minute), "day": day, "last": LAST},
    )
    return timed(connection, LAST)


if __name__ == "__main__":
    main()
