"""Whom rules are about, and what they are refused for."""

from typing import Any

import pytest

from tests.orchestration.alert_looks import AT_100, DAYS, ON_A, add, close, look, said, states
from warehouse.records.errors import RuleRefused
from warehouse.secrets import LOCAL_OWNER_ID


def test_a_scope_follows_the_portfolio_and_what_left_it_has_recovered(market: Any) -> None:
    portfolio_id = "00000000-0000-7000-8000-00000000000a"
    market.connection.execute(
        "insert into app.portfolios (portfolio_id, user_id, name, currency_code) values (%s, %s, 'mine', 'USD')",
        [portfolio_id, LOCAL_OWNER_ID],
    )
    hold = "insert into app.holdings (portfolio_id, instrument_id, user_id, quantity_shares) values (%s, %s, %s, 10)"
    market.connection.execute(hold, [portfolio_id, "a", LOCAL_OWNER_ID])
    add(market, AT_100, {"kind": "portfolio", "portfolio_id": portfolio_id})
    worth = {
        "operator": "at_or_above",
        "metric": "portfolio_value",
        "of": {"portfolio_id": portfolio_id},
        "level": 2000,
    }
    add(market, worth, None, name="worth")
    close(market, 0, 101)
    close(market, 0, 102, "b")
    assert look(market, 0).n_triggered == 1
    market.connection.execute(hold, [portfolio_id, "b", LOCAL_OWNER_ID])
    # Ten shares of each: 1,010 + 1,020.
    assert look(market, 0).n_triggered == 2
    market.connection.execute("delete from app.holdings where instrument_id = 'a'")
    close(market, 1, 103, "b")
    assert look(market, 1).n_resolved == 2
    look(market, 1)
    assert states(market) == [("*", "normal", 1), ("b", "firing", 1)]
    assert f"portfolio_value 2030 in portfolio_id {portfolio_id} is at or above 2000." in said(market)


def test_scopes_of_a_sector_of_the_best_and_of_all_members_find_their_instruments(market: Any) -> None:
    market.connection.execute("update marts.dim_instruments set sector = 'Energy' where instrument_id in ('a', 'b')")
    market.connection.execute("create table factors.fct_universe_members (instrument_id text, as_of_date date)")
    market.connection.execute(
        "insert into factors.fct_universe_members values ('a', '2024-06-13'), ('c', '2024-06-13')"
    )
    for name, rank in (("a", 1), ("b", 2), ("c", 3)):
        close(market, 0, 101, name)
        market.rank(name, DAYS[0].isoformat(), rank)
    of_rule = {
        add(market, AT_100, {"kind": "sector", "sector": "Energy"}, name="sector"): {"a", "b"},
        add(market, AT_100, {"kind": "top", "n": 2, "profile": "balanced"}, name="top"): {"a", "b"},
        add(market, AT_100, {"kind": "universe"}, name="universe"): {"a", "c"},
    }
    assert look(market, 0).n_triggered == 6
    for alert_id, members in of_rule.items():
        found = market.connection.execute("select instrument_id from app.alert_states where alert_id = %s", [alert_id])
        assert {name for (name,) in found} == members


def test_freshness_and_skill_are_metrics_of_the_platform(market: Any) -> None:
    add(
        market,
        {"operator": "at_or_above", "metric": "data_age", "of": {"dataset": "research.rankings"}, "level": 2},
        None,
    )
    add(
        market,
        {"operator": "at_or_below", "metric": "rank_ic", "of": {"model_id": "ridge"}, "level": 0},
        None,
        name="skill",
    )
    market.connection.execute(
        "insert into app.dataset_versions (dataset, version, as_of_date) values ('research.rankings', 'v', %s)",
        [DAYS[0]],
    )
    market.connection.execute(
        "insert into research.evaluation_days (model_id, as_of_date, rank_ic, n_instruments, decile_returns)"
        " values ('ridge', %s, -0.02, 100, '{}')",
        [DAYS[0]],
    )
    assert look(market, 1).n_triggered == 1
    assert look(market, 2).n_triggered == 1
    assert said(market) == [
        "rank_ic -0.02 in model_id ridge is at or below 0.",
        "data_age 2 in dataset research.rankings is at or above 2.",
    ]


@pytest.mark.parametrize(
    ("when", "scope", "problem"),
    [
        ({**AT_100, "metric": "rsi_15d"}, ON_A, r"GET /v1/alerts/metrics lists; got 'rsi_15d'"),
        ({**AT_100, "metric": "return_1d"}, ON_A, "which is one of"),
        ({**AT_100, "metric": "signal", "of": {"profile": "balanced"}}, ON_A, "must be enters or leaves"),
        ({"operator": "enters", "metric": "price", "values": ["buy"]}, ON_A, "must be a word; got price"),
        (
            {"operator": "enters", "metric": "signal", "of": {"profile": "balanced"}, "values": ["buy", "bananas"]},
            ON_A, r"`values` .* must be among \['strong_buy', 'buy', 'hold', .*\]; got \['bananas'\]",
        ),
        ({**AT_100, "metric": "rank"}, ON_A, r"must give \['profile'\]; got nothing"),
        ({**AT_100, "of": {"profile": "balanced"}}, ON_A, r"must give nothing; got \['profile'\]"),
        (AT_100, None, "`scope` must be given"),
        (
            {**AT_100, "metric": "data_age", "of": {"dataset": "raw.quotes"}}, ON_A,
            "`scope` must be left out: no metric has any",
        ),
        (AT_100, {"kind": "sector", "sector": "Magic"}, r"are in, \[\]; got \['Magic'\]"),
        (AT_100, {"kind": "portfolio", "portfolio_id": "00000000-0000-7000-8000-00000000000b"}, "of your portfolios"),
        (AT_100, {"kind": "instruments", "instruments": ["ZZZ"]}, r"got \['ZZZ'\]"),
    ],
)  # fmt: skip
def test_a_rule_about_what_is_not_there_is_refused(market: Any, when: Any, scope: Any, problem: str) -> None:
    with pytest.raises(RuleRefused, match=problem):
        add(market, when, scope)


def test_a_series_that_a_filled_table_does_not_have_is_refused(market: Any) -> None:
    market.rank("a", DAYS[0].isoformat(), 1)
    with pytest.raises(RuleRefused, match="must name a series of metric rankings"):
        add(market, {**AT_100, "metric": "rank", "of": {"profile": "reckless"}})
