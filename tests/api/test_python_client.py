"""The Python client against the API on a real socket."""

import datetime as dt
import sys
import typing
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from api.app import openapi_document
from tests.api.conftest import ALICE, NOW, fill
from tests.api.serving import serving
from warehouse.connect import connect
from warehouse.queries.events import write_event

sys.path.insert(0, str(Path(__file__).parents[2] / "clients" / "python"))

from factorloom_client import Client, Problem, rows
from factorloom_client.stream import parse

SCHEMAS = openapi_document()["components"]["schemas"]
ROWS = {
    kind.__name__: kind for kind in vars(rows).values() if isinstance(kind, type) and kind.__module__ == rows.__name__
}


@pytest.fixture(scope="module")
def port(seeded_url, tmp_path_factory):
    with serving(seeded_url, tmp_path_factory.mktemp("home")) as port:
        yield port


@pytest.fixture
def api(port):
    with Client(f"http://127.0.0.1:{port}") as client:
        yield client


@pytest.mark.parametrize("name", sorted(set(ROWS) - {"Row"}))
def test_every_field_of_the_client_is_one_that_the_server_documents(name):
    documented = SCHEMAS[name]["properties"]
    for field in msgspec.structs.fields(ROWS[name]):
        assert field.name in documented, field.name
        is_optional = type(None) in typing.get_args(field.type)
        kinds = [part.get("type") for part in [documented[field.name], *documented[field.name].get("anyOf", []),
                                               *documented[field.name].get("oneOf", [])]]  # fmt: skip
        kinds += [kind for kinds_ in kinds if isinstance(kinds_, list) for kind in kinds_]
        if "null" in kinds:
            assert is_optional, field.name


def test_rows_are_typed_and_pages_follow_one_another(api):
    ranked = api.rankings(limit=4)
    assert (ranked.data[0].ticker, ranked.data[0].rank, ranked.data[0].as_of_date) == ("ACME", 1, dt.date(2024, 6, 26))
    assert (ranked.meta.profile, ranked.next is not None) == ("balanced", True)
    assert [row.rank for row in ranked.all()] == [*range(1, 15), None]
    assert api.quote("ACME").price == 55.12
    assert api.explanation("ACME").ranking == ranked.data[0]
    assert [row.model_id for row in api.live_signals(model="technical").all()] == ["technical"]


def test_every_list_decodes_what_the_server_sends(api):
    lists = [
        api.instruments(), api.symbols(active=True), api.quotes(["ACME"]), api.history("ACME"), api.prices(["ACME"]),
        api.fundamentals("ACME"), api.factors("ACME"), api.indicators("ACME"), api.news(), api.rankings(),
        api.live_signals(), api.models(), api.evaluations("technical"), api.backtests(), api.backtest_equity("b_one"),
        api.backtest_trades("b_one"), api.datasets(),
    ]  # fmt: skip
    assert all(listing.data for listing in lists)
    assert api.backtest("b_one").metrics[0].value == 1.5


def test_what_is_somebodys_own_is_typed_too(port):
    with Client(f"http://127.0.0.1:{port}", key=ALICE.key) as api:
        lists = [api.portfolios(), api.alerts(), api.jobs(), api.orders(), api.strategies(), api.drift("technical")]
        assert all(listing.data for listing in lists)
        portfolio, alert, job = (listing.data[0] for listing in lists[:3])
        assert api.portfolio(portfolio.portfolio_id) == portfolio
        assert len(api.holdings(portfolio.portfolio_id).data) == portfolio.n_holdings
        assert api.alert(alert.alert_id) == alert
        assert api.job(job.job_id).job == job
        assert api.index().level == api.index_history().data[-1]
        assert api.rankings(is_intraday=False).data == api.rankings().data
        assert api.send("GET", "/v1/events?limit=1")["data"]
        me = api.me()
        assert (str(me.user_id), me.role, "run:jobs" in me.scopes) == (str(ALICE.user_id), "admin", True)
        (endpoint,) = api.webhook_endpoints().data
        assert (endpoint.url, endpoint.is_active) == ("https://example.com/hook", True)


def test_events_come_by_type_in_pages_and_as_a_frame(port):
    with Client(f"http://127.0.0.1:{port}", key=ALICE.key) as api:
        events = list(api.events(limit=1).all())
        assert [event.event_id for event in events] == sorted((event.event_id for event in events), reverse=True)
        assert len(events) > 1
        newest = events[0]
        assert newest in api.events(type=newest.type, subject=newest.subject).data
        assert set(api.events().frame()["type"]) == {event.type for event in events}
        assert api.events(type="no.such").data == []


def test_a_frame_has_every_page_with_its_types(api):
    frame = api.prices(["ACME", "ZETA"], limit=2).frame()
    assert list(frame["ticker"]) == ["ACME"] * 5 + ["ZETA"] * 2
    assert pd.api.types.is_datetime64_any_dtype(frame["trade_date"])
    assert frame["close"].dtype == float
    assert frame.attrs["interval"] == "1d"
    assert api.history("ACME").raw("csv").startswith(b"trade_date,open,")


def test_a_problem_is_an_exception_in_the_servers_words(api):
    with pytest.raises(Problem, match="ticker: must be a known one; got NOPE") as caught:
        api.quote("NOPE")
    assert (caught.value.status, caught.value.code) == (404, "ticker-unknown")
    with pytest.raises(Problem) as caught:
        api.send("POST", "/v1/blackscholes", body={})
    assert caught.value.code == "parameter-invalid"
    assert api.quote("METB").ticker == "META"


def test_a_stream_gives_events_as_they_happen(database, tmp_path):
    fill(database.owner_url)
    with (
        serving(database.owner_url, tmp_path) as port,
        Client(f"http://127.0.0.1:{port}", key=ALICE.key) as api,
        connect(database.url) as connection,
    ):
        write_event(connection, "price.updated", {"n": 1}, dedup_key=None, now=NOW)
        write_event(connection, "job.completed", {"n": 2}, dedup_key=None, now=NOW, user_id=ALICE.user_id)
        connection.commit()
        events = api.stream(topics=["jobs"], last_event_id=f"0.{int(NOW.timestamp())}")
        assert next(events).payload == {"n": 2}


def test_comments_and_what_was_cut_off_are_passed_over():
    text = """retry: 2000

: still here

id: 7.1
event: job.completed
data: {"event_id":7,"type":"x"}

id: 8.1
data: {"event_id":8"""
    lines = text.splitlines()
    assert [(place, event.event_id) for place, event in parse(iter(lines))] == [("7.1", 7)]
