"""Quant jobs: asked for through POST /v1/jobs, or by configuration in the launchpad."""

import io
from typing import Any

import dagster as dg
import pandas as pd
from pydantic import Field

from orchestration import quant_jobs
from orchestration.metadata import picture, table
from orchestration.resources import Artifacts, MarketData, Warehouse
from warehouse.records.jobs import Artifact, decode_parameters

ROWS_SHOWN = 20


class HoldingsConfig(dg.Config):
    """Instruments, and the sessions from which their returns are learnt."""

    tickers: list[str] = Field(description="Canonical tickers, for example [AAPL, MSFT].")
    start: str | None = Field(default=None, description="First day, YYYY-MM-DD; three years back by default.")
    end: str | None = Field(default=None, description="Last day, YYYY-MM-DD; the newest session by default.")


class MonteCarloConfig(HoldingsConfig):
    """Paths of a portfolio."""

    weights: list[float] | None = Field(default=None, description="One share per ticker, sum 1; equal by default.")
    method: str = Field(default="gbm", description="gbm (Brownian, mirrored paths) or bootstrap (days of the past).")
    n_paths: int = Field(default=100_000, description="Paths, even, 1000 to 2000000.")
    n_sessions: int = Field(default=252, description="How far they go, sessions.")
    block_sessions: int = Field(default=1, description="Days in a row that the bootstrap draws together.")
    confidence: float = Field(default=0.95, description="Of value at risk and expected shortfall, fraction.")
    seed: int = Field(default=0, description="The same seed gives the same paths.")


class MarkowitzConfig(HoldingsConfig):
    """An efficient frontier within limits."""

    max_weight: float = Field(default=1.0, description="Highest weight of each, fraction.")
    min_weight: float = Field(default=0.0, description="Lowest weight, fraction; below 0 is short.")
    max_sector_weight: float | None = Field(default=None, description="Highest weight of a sector, fraction.")
    shrink: bool = Field(default=True, description="Shrink the covariance by Ledoit and Wolf.")
    risk_free_rate: float = Field(default=0.0, description="Fraction per year.")
    n_points: int = Field(default=20, description="Points of the frontier.")


class OptionConfig(dg.Config):
    """A European option, with its volatility or with its price."""

    type: str = Field(description="call or put.")
    spot: float = Field(description="Price of the stock, currency per share.")
    strike: float = Field(description="Currency per share.")
    years: float = Field(description="Time to expiry, years.")
    rate: float = Field(default=0.0, description="Continuously compounded, fraction per year.")
    dividend_yield: float = Field(default=0.0, description="As the rate.")
    volatility: float | None = Field(default=None, description="Gives the price.")
    price: float | None = Field(default=None, description="Gives the volatility.")


class BlackScholesConfig(dg.Config):
    """Options to value."""

    options: list[OptionConfig] = Field(description="The options.")


def answer(
    context: dg.OpExecutionContext,
    kind: str,
    config: dg.Config,
    warehouse: Warehouse,
    market_data: MarketData,
    artifacts: Artifacts,
) -> None:
    """Answer a job, keep rows and plot as artifacts, show both in the UI, and end the job with its result."""
    # Here, since who asks for runs of these jobs knows them.
    from orchestration.job_runs import JobHandle

    handle = JobHandle(warehouse, market_data.installation, context.run)
    if not handle.begin():
        context.log.info("job_has_ended")
        return
    asked = decode_parameters(kind, config.model_dump())
    found = quant_jobs.run(warehouse, market_data.installation, kind, asked)
    folder = f"quant/{kind}/{handle.job_id or context.run_id}"
    kept = [
        Artifact("plot", artifacts.write(f"{folder}/plot.png", found.plot()), "image/png"),
        Artifact("rows", artifacts.write(f"{folder}/rows.csv", _csv(found.rows)), "text/csv"),
    ]
    context.add_output_metadata(
        {"summary": dg.MetadataValue.json(found.summary), "rows": table(found.rows.head(ROWS_SHOWN)),
         "plot": picture(found.figure), "artifacts": [artifact.uri for artifact in kept]}
    )  # fmt: skip
    handle.succeed(found.result(), kept)


def _csv(rows: pd.DataFrame) -> bytes:
    buffer = io.StringIO()
    rows.to_csv(buffer, index=False)
    return buffer.getvalue().encode()


@dg.op
def simulate_portfolio(
    context: dg.OpExecutionContext,
    config: MonteCarloConfig,
    warehouse: Warehouse,
    market_data: MarketData,
    artifacts: Artifacts,
) -> None:
    """Simulate paths of a portfolio, by geometric Brownian motion or by drawing days of its past."""
    answer(context, "monte_carlo", config, warehouse, market_data, artifacts)


@dg.op
def find_frontier(
    context: dg.OpExecutionContext,
    config: MarkowitzConfig,
    warehouse: Warehouse,
    market_data: MarketData,
    artifacts: Artifacts,
) -> None:
    """Find the efficient frontier of some instruments within limits."""
    answer(context, "markowitz", config, warehouse, market_data, artifacts)


@dg.op
def value_options(
    context: dg.OpExecutionContext,
    config: BlackScholesConfig,
    warehouse: Warehouse,
    market_data: MarketData,
    artifacts: Artifacts,
) -> None:
    """Value European options with all sensitivities."""
    answer(context, "black_scholes", config, warehouse, market_data, artifacts)


@dg.job(description="Paths of a portfolio: percentiles, value at risk, expected shortfall, probability of a loss.")
def monte_carlo() -> None:
    """Run one simulation."""
    simulate_portfolio()


@dg.job(description="Efficient frontier, lowest variance and highest Sharpe ratio of some instruments.")
def markowitz() -> None:
    """Run one optimisation."""
    find_frontier()


@dg.job(name="black_scholes", description="Prices, sensitivities and implied volatilities of many European options.")
def black_scholes_job() -> None:
    """Run one valuation."""
    value_options()


OPS: dict[str, tuple[Any, str]] = {
    "monte_carlo": (monte_carlo, "simulate_portfolio"),
    "markowitz": (markowitz, "find_frontier"),
    "black_scholes": (black_scholes_job, "value_options"),
}
