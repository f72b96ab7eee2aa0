"""Quant jobs through Dagster: their rows beside independent computations, artifacts, and the end of their job."""

import uuid
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import psycopg
import pytest
from scipy.optimize import minimize
from upath import UPath

from orchestration.defs.quant.jobs import black_scholes_job, markowitz, monte_carlo
from orchestration.errors import JobImpossible
from orchestration.job_runs import ATTEMPT_TAG, JOB_TAG
from orchestration.quant_jobs import run
from orchestration.resources import Artifacts
from tests.orchestration.defs.conftest import WarehouseOfTest, market_data_of
from warehouse.records.job_parameters import MarkowitzParameters, MonteCarloParameters
from warehouse.records.jobs import decode_parameters

DAYS = pd.bdate_range("2022-01-03", "2024-06-28")
NAMES = ["AAA", "BBB", "CCC", "DDD"]
OWNER = "00000000-0000-7000-8000-000000000001"


class Calm:
    """As much of a source as the newest session needs."""

    name, first_session, last_session = "calm", DAYS[0].date(), None


MARKET = market_data_of(Calm(), now="2024-06-28T23:30:00+00:00")


class ArtifactsOfTest(Artifacts):
    """A folder of the test."""

    folder: str

    @property
    def _root(self) -> UPath:
        return UPath(self.folder)


def returns() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    common = rng.normal(0.0003, 0.008, (len(DAYS), 1))
    own = rng.normal([0.0001, 0.0003, 0.0005, 0.0002], [0.005, 0.01, 0.015, 0.008], (len(DAYS), 4))
    return pd.DataFrame(common + own, index=DAYS, columns=NAMES)


@pytest.fixture
def warehouse(database: Any) -> WarehouseOfTest:
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(
            "create table marts.dim_instruments (instrument_id text, ticker text, sector text, is_active boolean);"
            "create table marts.fct_daily_prices (instrument_id text, trade_date date, return_1d float8)"
        )
        for name, sector in zip(NAMES, ("tech", "tech", "energy", None), strict=True):
            row = [f"i_{name}", name, sector]
            connection.execute("insert into marts.dim_instruments values (%s, %s, %s, true)", row)
        rows = [(f"i_{name}", day, value) for name, own in returns().items() for day, value in own.items()]
        connection.cursor().executemany("insert into marts.fct_daily_prices values (%s, %s, %s)", rows)
    return WarehouseOfTest(address=database.url)


def test_the_frontier_is_that_of_another_optimiser(warehouse):
    """scipy's SLSQP from several starts, on the same sample moments."""
    asked = MarkowitzParameters(tickers=tuple(NAMES), start=DAYS[0].date(), shrink=False, max_weight=0.6, n_points=6)
    found = run(warehouse, MARKET.installation, "markowitz", asked)
    values = returns().to_numpy()
    covariance, expected = np.cov(values.T) * 252, values.mean(axis=0) * 252

    def lowest(*constraints: dict[str, Any]) -> float:
        best = np.inf
        for start in (np.full(4, 0.25), np.array([0.6, 0.2, 0.1, 0.1]), np.array([0.1, 0.1, 0.6, 0.2])):
            solved = minimize(
                lambda held: 1e3 * held @ covariance @ held, start, method="SLSQP", bounds=[(0, 0.6)] * 4,
                constraints=[{"type": "eq", "fun": lambda held: held.sum() - 1}, *constraints],
                options={"ftol": 1e-14, "maxiter": 500},
            )  # fmt: skip
            best = min(best, solved.fun / 1e3) if solved.success else best
        return float(np.sqrt(best))

    minimum = found.summary["portfolios"]["minimum_variance"]
    assert minimum["volatility"] == pytest.approx(lowest(), rel=1e-5)
    for point in found.rows.iloc[1:-1].itertuples():
        at_least = {"type": "ineq", "fun": lambda held, wanted=point.expected_return: held @ expected - wanted}
        assert point.volatility == pytest.approx(lowest(at_least), rel=1e-4)
    weights = found.rows[[f"weight_{name}" for name in NAMES]].to_numpy()
    assert weights.sum(axis=1) == pytest.approx(np.ones(6))
    assert weights.max() <= 0.6 + 1e-6
    best = found.summary["portfolios"]["maximum_sharpe"]["sharpe"]
    ratios = (found.rows["expected_return"] / found.rows["volatility"]).max()
    assert best >= ratios - 1e-6


def test_sectors_can_be_capped_and_what_no_portfolio_keeps_is_said(warehouse):
    asked = MarkowitzParameters(tickers=tuple(NAMES), max_sector_weight=0.4)
    held = run(warehouse, MARKET.installation, "markowitz", asked).summary["portfolios"]["maximum_sharpe"]["weights"]
    assert held["AAA"] + held["BBB"] <= 0.4 + 1e-6
    impossible = MarkowitzParameters(tickers=tuple(NAMES), max_sector_weight=0.3)
    with pytest.raises(JobImpossible, match="max_group_weight"):
        run(warehouse, MARKET.installation, "markowitz", impossible)


def test_where_nothing_earns_more_than_the_rate_the_frontier_is_there_and_the_best_ratio_is_not(warehouse):
    asked = MarkowitzParameters(tickers=tuple(NAMES), risk_free_rate=0.5, n_points=3)
    found = run(warehouse, MARKET.installation, "markowitz", asked)
    assert (len(found.rows), set(found.summary["portfolios"])) == (3, {"minimum_variance", "equal"})
    assert "risk-free rate" in found.summary["note"]
    assert found.plot().startswith(b"\x89PNG")


def test_paths_have_the_mean_and_the_value_at_risk_of_the_closed_form(warehouse):
    asked = MonteCarloParameters(tickers=tuple(NAMES), start=DAYS[0].date(), n_paths=200_000, n_sessions=63, seed=5)
    found = run(warehouse, MARKET.installation, "monte_carlo", asked)
    logs = np.log1p(returns().mean(axis=1))
    sigma = logs.std(ddof=1) * np.sqrt(252)
    drift = logs.mean() * 252 + sigma**2 / 2
    years = 63 / 252
    mean = found.summary["figures"]["mean_return"]
    assert abs(mean["value"] - np.expm1(drift * years)) < 3 * mean["standard_error"]
    risk = found.summary["figures"]["value_at_risk"]
    lost = 1 - np.exp((drift - sigma**2 / 2) * years - 1.6448536269514722 * sigma * np.sqrt(years))
    assert abs(risk["value"] - lost) < 3 * risk["standard_error"]
    assert found.rows["session"].tolist()[:1] == [0]
    assert (found.rows.drop(columns="session").iloc[0] == 1).all()
    again = run(warehouse, MARKET.installation, "monte_carlo", asked)
    pd.testing.assert_frame_equal(found.rows, again.rows)


def test_the_worst_of_the_paths_is_one_however_high_the_confidence(warehouse):
    asked = MonteCarloParameters(tickers=("AAA",), n_paths=1_000, n_sessions=1, confidence=1 - 1e-14)
    figures = run(warehouse, MARKET.installation, "monte_carlo", asked).summary["figures"]
    assert figures["value_at_risk"]["value"] == figures["expected_shortfall"]["value"] > 0


def test_unknown_tickers_and_too_little_history_are_said(warehouse):
    with pytest.raises(JobImpossible, match="NOPE"):
        run(warehouse, MARKET.installation, "monte_carlo", MonteCarloParameters(tickers=("AAA", "NOPE")))
    short = MonteCarloParameters(tickers=("AAA",), start=DAYS[-10].date())
    with pytest.raises(JobImpossible, match="60 days"):
        run(warehouse, MARKET.installation, "monte_carlo", short)


def test_options_are_valued_by_volatility_or_by_price(warehouse):
    terms = {"type": "call", "spot": 100.0, "strike": 105.0, "years": 0.5, "rate": 0.03}
    given = decode_parameters("black_scholes", {"options": [{**terms, "volatility": 0.2}]})
    price = float(run(warehouse, MARKET.installation, "black_scholes", given).rows["price"].iloc[0])
    asked = decode_parameters(
        "black_scholes", {"options": [{**terms, "price": price}, {**terms, "type": "put", "price": 1e6}]}
    )
    found = run(warehouse, MARKET.installation, "black_scholes", asked)
    assert found.rows["volatility"].iloc[0] == pytest.approx(0.2, abs=1e-8)
    assert (found.summary["n_without_volatility"], np.isnan(found.rows["delta"].iloc[1])) == (1, True)
    assert found.result()["rows"][1]["delta"] is None


def test_a_run_ends_its_job_with_rows_and_a_plot(warehouse, tmp_path):
    job_id = str(uuid.uuid4())
    with warehouse.connection() as connection:
        connection.execute(
            "insert into app.jobs (job_id, user_id, kind, parameters, parameters_hash, cost_seconds, requested_at,"
            " expires_at) values (%s, %s, 'monte_carlo', '{}', 'h', 1, now(), now() + interval '1 day')",
            [job_id, OWNER],
        )
        connection.execute("update app.jobs set state = 'queued', run_id = 'r' where job_id = %s", [job_id])
    resources = {"warehouse": warehouse, "market_data": MARKET, "artifacts": ArtifactsOfTest(folder=str(tmp_path))}
    config = {"ops": {"simulate_portfolio": {"config": {"tickers": ["AAA", "BBB"], "n_paths": 1000}}}}
    done = monte_carlo.execute_in_process(
        run_config=config, resources=resources, tags={JOB_TAG: job_id, ATTEMPT_TAG: "1"}
    )
    assert done.success
    with warehouse.connection() as connection:
        state, result = connection.execute("select state, result from app.jobs where job_id = %s", [job_id]).fetchone()
        kept = connection.execute("select name, uri from app.job_artifacts where job_id = %s order by name", [job_id])
        artifacts = dict(kept.fetchall())
    assert (state, result["method"], result["n_rows"]) == ("succeeded", "gbm", 13)
    assert (tmp_path / artifacts["plot"]).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / artifacts["rows"]).read_text().startswith("session,p5,")


@pytest.mark.parametrize(
    ("job", "step", "config"),
    [
        (markowitz, "find_frontier", {"tickers": ["AAA", "CCC"], "n_points": 4}),
        (
            black_scholes_job, "value_options",
            {"options": [{"type": "put", "spot": 100.0, "strike": 90.0, "years": 1.0, "volatility": 0.3}]},
        ),
    ],
)  # fmt: skip
def test_jobs_run_from_the_launchpad_too(warehouse, tmp_path, job: dg.JobDefinition, step, config):
    resources = {"warehouse": warehouse, "market_data": MARKET, "artifacts": ArtifactsOfTest(folder=str(tmp_path))}
    done = job.execute_in_process(run_config={"ops": {step: {"config": config}}}, resources=resources)
    assert done.success
    plots = list(tmp_path.glob("quant/*/*/plot.png"))
    assert len(plots) == 1
