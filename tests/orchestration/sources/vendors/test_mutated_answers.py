"""Answers that are broken at random: no run ends by an error that is not ours, and no figure comes out changed.

A change puts another kind of thing, or nothing, where something was; it never puts another plausible figure there,
since no reader of that answer alone could tell.
"""

import datetime as dt
import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.sources.eodhd.source import EodhdSource
from orchestration.sources.errors import SourceError
from orchestration.sources.massive.source import MassiveSource
from orchestration.sources.twelve_data.source import TwelveDataSource
from orchestration.sources.yahoo.source import YahooSource

# The same lines run thousands of times.
pytestmark = pytest.mark.unwatched

MONDAY, TUESDAY = dt.date(2024, 6, 3), dt.date(2024, 6, 4)
OPEN = {MONDAY: 1717421400, TUESDAY: 1717507800}
# Distinct figures: one that lands in another's place shows.
EXPECTED = {
    MONDAY: {"open": 10.25, "high": 12.5, "low": 9.75, "close": 11.125, "volume": 1003},
    TUESDAY: {"open": 20.25, "high": 22.5, "low": 19.75, "close": 21.125, "volume": 2003},
}


def massive_body() -> dict[str, Any]:
    bars = [{"t": OPEN[d] * 1000, **{k[0]: v for k, v in EXPECTED[d].items()}} for d in EXPECTED]
    return {"status": "OK", "ticker": "AAPL", "adjusted": False, "resultsCount": 2, "results": bars}


def twelve_body() -> dict[str, Any]:
    values = [{"datetime": str(d), **{k: str(v) for k, v in EXPECTED[d].items()}} for d in EXPECTED]
    meta = {"symbol": "AAPL", "interval": "1day", "currency": "USD", "mic_code": "XNAS"}
    return {"meta": meta, "values": values, "status": "ok"}


def eodhd_body() -> list[dict[str, Any]]:
    return [{"date": str(d), **EXPECTED[d], "adjusted_close": 3.5} for d in EXPECTED]


def yahoo_body() -> dict[str, Any]:
    columns = {name: [EXPECTED[d][name] for d in EXPECTED] for name in EXPECTED[MONDAY]}
    meta = {"symbol": "AAPL", "currency": "USD", "exchangeTimezoneName": "America/New_York", "dataGranularity": "1d",
            "priceHint": 4}  # fmt: skip
    result = {"meta": meta, "timestamp": list(OPEN.values()), "indicators": {"quote": [columns]}}
    return {"chart": {"result": [result], "error": None}}


VENDORS = {
    "massive": (MassiveSource, "/v2/aggs/ticker/AAPL/range/1/day/2024-06-03/2024-06-04", massive_body, {}),
    "twelve_data": (TwelveDataSource, "/time_series", twelve_body, {"/stocks": {"data": []}}),
    "eodhd": (EodhdSource, "/api/eod/AAPL.US", eodhd_body, {"/api/splits/AAPL.US": []}),
    "yahoo": (YahooSource, "/v8/finance/chart/AAPL", yahoo_body, {}),
}
PLANS = {"massive": "paid", "twelve_data": "pro", "eodhd": "paid", "yahoo": "personal"}

WILD = 2.0**63
SPOILED = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(
        ["", "NA", "abc", "1_0", "0x1F", "１２", "Infinity", "nan", "\x00", "2024-13-45", "9" * 400, "1e999"]
    ),
    st.sampled_from([{}, [], [[]], {"raw": 5, "fmt": "5"}, [1, 2], {"$": None}]),
    st.sampled_from([1e300, -1e30, 2**63, 2**70, 10**400, "\ud83d"]),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything within a body."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return (
        [path, *(found for key, inner in items for found in places(inner, (*path, key)))] if path or items else [path]
    )


@st.composite
def mutations(draw: Any, body: Any) -> bytes:
    """Return a body in which one to three things are spoiled, left out, repeated or cut off."""
    body = deepcopy(body)  # what hypothesis has drawn must not change
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(body)[1:] or [()]))
        if not path:
            continue
        parent = body
        for key in path[:-1]:
            parent = parent[key]
        how = draw(st.sampled_from(["spoil", "leave out", "repeat"]))
        if how == "spoil":
            parent[path[-1]] = deepcopy(draw(SPOILED))
        elif how == "leave out":
            del parent[path[-1]]
        elif isinstance(parent, list) and isinstance(parent[path[-1]], (dict, list)):
            # A number repeated in the place of one left out would be another figure, and nobody could tell.
            parent.append(deepcopy(parent[path[-1]]))
    encoded = json.dumps(body).encode()
    cut = draw(st.one_of(st.none(), st.none(), st.integers(0, len(encoded))))
    return encoded if cut is None else encoded[:cut]


@pytest.mark.parametrize("name", VENDORS)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_broken_answer_ends_no_run_and_changes_no_figure(ask, name, data):
    kind, path, body, others = VENDORS[name]
    asked = ask(kind, symbols=("AAPL",), plan=PLANS[name], api_key=None if name == "yahoo" else "k" * 20)
    for other, answer in others.items():
        asked.on(other, answer)
    asked.on(path, data.draw(mutations(body())))
    try:
        batches = list(asked.source.ticker_bars(["AAPL"], MONDAY, TUESDAY))
    except SourceError:
        return
    for batch in batches:
        for record in batch.refused:
            assert "\x00" not in json.dumps(record.payload, ensure_ascii=False) + record.detail
            json.dumps(record.payload, allow_nan=False)
        for row in batch.rows.to_pylist():
            assert (row["source_symbol"], row["currency_code"]) == ("AAPL", "USD")
            for figure, value in EXPECTED[row["trade_date"]].items():
                # The wild figures are figures all the same; the rules on bars judge them.
                assert row[figure] in (value, None) or abs(row[figure]) >= WILD


@pytest.mark.parametrize("name", VENDORS)
def test_the_whole_answer_comes_out_as_it_is(ask, rows_of, name):
    kind, path, body, others = VENDORS[name]
    asked = ask(kind, symbols=("AAPL",), plan=PLANS[name], api_key=None if name == "yahoo" else "k" * 20)
    for other, answer in others.items():
        asked.on(other, answer)
    asked.on(path, body())
    found = rows_of(asked.source.ticker_bars(["AAPL"], MONDAY, TUESDAY))
    assert {row["trade_date"]: {name: row[name] for name in EXPECTED[MONDAY]} for row in found} == EXPECTED
