"""The report of a backtest says what the books say, in one file that asks no network for anything."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import msgspec
import numpy as np
import pandas as pd
import pytest

from orchestration.backtest_report.charts import bars, lines, ticks
from orchestration.backtest_report.page import decile_means, report, verdict
from orchestration.backtesting import (
    BacktestOptions,
    Market,
    Outcome,
    target_weights,
    with_metrics,
)
from tests.browser import CONTRAST, SIZES, launched, needs_browser
from tests.transforms.test_backtest import random_market, random_opens
from transforms.backtest import backtest
from transforms.book_analysis import benchmark_returns, break_even, capacity, index_figures
from transforms.metrics import Metric
from transforms.performance import performance
from transforms.target_weights import rebalance_rows
from transforms.trial_honesty import honesty_figures

CHARACTERISTICS = ("market", "size", "value", "momentum")


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """A backtest of 300 sessions and 12 companies, one of which is called what no page may take for markup."""
    close, last = random_market(1, n_days=300)
    names = pd.DataFrame(
        {"ticker": [name.upper() for name in close], "name": '<script>alert("x")</script> & Sons', "sector": "Energy"},
        index=close.columns,
    )
    volume = pd.DataFrame(1e7, index=close.index, columns=close.columns)
    market = Market(close, random_opens(close), volume, last, close.iloc[:, 5].ffill().pct_change(), names)
    rows = rebalance_rows(close.index.to_numpy().astype("datetime64[D]"))
    ranks = close.ffill().iloc[rows].rank(axis=1).iloc[1:]
    options = BacktestOptions(profile="balanced", quantile=0.3)
    targets = target_weights(options, ranks, market)
    books = backtest(close, targets, last_trade_dates=last)
    daily = books.daily
    benchmark = benchmark_returns(close, targets, ranks, execution=options.execution(), last_trade_dates=last)
    index = market.index_returns
    equity = daily.drop(columns="n_unfilled").assign(benchmark_return_1d=benchmark, index_return_1d=index).reset_index()
    metrics = performance(daily["return_1d"], benchmark=benchmark, turnover=daily["turnover"])
    more = [*index_figures(daily["return_1d"], index), break_even(daily, benchmark), capacity(books, volume)]
    more += [Metric(f"exposure_{name}", 0.5, "ratio", "d") for name in CHARACTERISTICS]
    more += honesty_figures(daily["return_1d"].to_numpy(), np.array([1.0, 0.5]), daily[["return_1d"]])
    leant_on = pd.DataFrame(0.5, index=ranks.index, columns=list(CHARACTERISTICS))
    return Outcome(
        options, "b0", "digest", equity, books.trades, with_metrics(metrics, more), len(ranks), books, market, ranks,
        leant_on,
    )  # fmt: skip


@pytest.fixture(scope="module")
def page(outcome: Outcome) -> str:
    return report(outcome, is_simulated=True).decode()


def test_the_page_asks_no_network_for_anything_and_runs_nothing(page: str):
    assert "http" not in re.sub(r'http-equiv="Content-Security-Policy"', "", page)
    assert "<script" not in page
    assert "<link" not in page
    assert "default-src 'none'" in page


def test_the_page_is_well_formed(page: str):
    still_open: list[str] = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag, attributes):
            if tag != "meta":
                still_open.append(tag)

        def handle_endtag(self, tag):
            assert still_open.pop() == tag, self.getpos()

    page_without_drawings = re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)
    Balance().feed(page_without_drawings)
    assert still_open == []
    for drawing in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        ET.fromstring(drawing)


@pytest.mark.slow
@needs_browser
def test_in_a_browser_it_fits_its_width_and_asks_nobody(page: str, tmp_path):
    """At desktop and phone width, light and dark; contrast of words is 4.5 and more (WCAG AA)."""
    file = tmp_path / "report.html"
    file.write_text(page)
    asked, complaints = [], []
    with launched() as browser:
        for (width, height), theme in zip(SIZES.values(), ("light", "dark"), strict=True):
            shown = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
            shown.on("request", lambda request: asked.append(request.url))
            shown.on("console", lambda message: complaints.append(message.text))
            shown.goto(file.as_uri())
            assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
            assert shown.evaluate(
                "[...document.querySelectorAll('svg')].every(d => d.getBoundingClientRect().width > 200)"
            )
            assert shown.locator("svg").count() == 8
            assert shown.evaluate(CONTRAST) == [], theme
    assert asked == [file.as_uri()] * 2
    assert complaints == []


def test_the_page_has_every_part(page: str, outcome: Outcome):
    for title in (
        "Equity after costs", "Drawdown", "Sharpe ratio of the last 126 sessions", "Returns by month", "Tenths",
        "Turnover", "Exposures", "Who earned it", "Costs paid", "Is it luck?", "Definitions", "Configuration",
    ):  # fmt: skip
        assert title in page, title
    for definition in outcome.metrics["definition"]:
        assert definition.replace("'", "&#39;") in page
    assert f"{outcome.figure('sharpe'):.2f}" in page
    assert f"{outcome.figure('deflated_sharpe'):.1%}" in page


def test_a_made_up_market_says_so_and_a_real_one_does_not(page: str, outcome: Outcome):
    assert "A made-up market" in page
    assert "A made-up market" not in report(outcome, is_simulated=False).decode()


def test_the_same_backtest_makes_the_same_page(page: str, outcome: Outcome):
    assert report(outcome, is_simulated=True).decode() == page


def with_figures(outcome: Outcome, **values: float) -> Outcome:
    metrics = outcome.metrics.set_index("metric")
    for name, value in values.items():
        metrics.loc[name, "value"] = value
    return msgspec.structs.replace(outcome, metrics=metrics.reset_index())


def test_the_verdict_calls_nothing_skill_that_may_be_luck(outcome: Outcome):
    lucky = with_figures(outcome, deflated_sharpe=0.94, overfitting_probability=0.4, n_trials=20.0)
    assert verdict(lucky).startswith(
        "With a probability of 94% the true Sharpe ratio is above what the best of 20 trials"
    )
    assert "not enough to call it skill" in verdict(lucky)
    assert "wrong in 40% of the ways" in verdict(lucky)
    assert "unlikely to be luck" in verdict(with_figures(outcome, deflated_sharpe=0.96))
    assert "too few returns" in verdict(with_figures(outcome, deflated_sharpe=float("nan")))


def test_tenths_are_what_came_after_the_trade(outcome: Outcome):
    close = outcome.market.closes.ffill()
    came = {}
    for day, places in outcome.ranks.iterrows():
        row = close.index.get_loc(day)
        if row + 22 < len(close) and places.notna().all():
            came[day] = close.iloc[row + 22] / close.iloc[row + 1] - 1
    known = [day for day in came if came[day].notna().all()]
    worst = np.mean([came[day][outcome.ranks.loc[day].idxmax()] for day in known])
    # Twelve companies: the worst tenth is the last place alone, where nothing is missing.
    complete = msgspec.structs.replace(outcome, ranks=outcome.ranks.loc[known])
    assert decile_means(complete)[0] == pytest.approx(worst)


def test_scales_end_in_round_numbers():
    assert ticks(0.0, 0.93).tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])
    assert ticks(-0.12, 0.31).tolist() == pytest.approx([-0.2, 0, 0.2, 0.4])
    assert len(ticks(5.0, 5.0)) > 1


def test_a_chart_puts_values_where_they_belong():
    days = pd.date_range("2024-01-01", periods=3)
    drawn = lines({"a": pd.Series([0.0, 1.0, 0.5], index=days)}, title="t", unit="u")
    x, y = zip(
        *(map(float, place.split(",")) for place in re.search(r'd="M([^"]+)"', drawn)[1].split("L")), strict=True
    )
    assert list(x) == sorted(x)
    assert y[2] == pytest.approx((y[0] + y[1]) / 2, abs=0.11)
    assert y[1] < y[0]
    assert "Nothing to show" in lines({"a": pd.Series([np.nan], index=days[:1])}, title="t", unit="u")
    assert "Nothing to show" in bars([], np.empty(0), title="t", unit="u")
    assert bars(["x", "y"], np.array([1.0, -1.0]), title="t", unit="u").count("<rect") == 2
