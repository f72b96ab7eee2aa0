"""Rows as the server sends them. Units are the server's: fractions for rates, currency per share for prices.

Fields are those of `/openapi.json`; a newer server may send more, which are left out.
"""

import datetime as dt
from typing import Any

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Anything in `data`."""


class Meta(Row):
    """What the data are."""

    dataset_version: str | None = None
    as_of_date: dt.date | None = None
    ticker: str | None = None
    instrument_id: str | None = None
    profile: str | None = None
    index: str | None = None
    start: dt.date | None = None
    end: dt.date | None = None
    interval: str | None = None
    adjustment: str | None = None
    currency_code: str | None = None
    source: str | None = None


class Instrument(Row):
    """One instrument as it is known today."""

    ticker: str
    instrument_id: str
    is_active: bool
    name: str | None = None
    exchange_code: str | None = None
    market: str | None = None
    currency_code: str | None = None
    country_code: str | None = None
    sector: str | None = None
    industry: str | None = None
    listed_date: dt.date | None = None
    delisted_date: dt.date | None = None
    first_trade_date: dt.date | None = None
    last_trade_date: dt.date | None = None
    source: str | None = None


class Symbol(Row):
    """An instrument in a few words."""

    ticker: str
    instrument_id: str
    is_active: bool
    name: str | None = None


class Quote(Row):
    """The newest price of one instrument."""

    ticker: str
    instrument_id: str
    price: float
    basis: str
    name: str | None = None
    sector: str | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    previous_close: float | None = None
    change: float | None = None
    volume_shares: int | None = None
    currency_code: str | None = None
    quoted_at: dt.datetime | None = None
    trade_date: dt.date | None = None
    adjustment: str | None = None
    source: str | None = None
    stale_after: dt.datetime | None = None
    is_stale: bool | None = None


class Bar(Row):
    """One session, or one week or month of sessions."""

    trade_date: dt.date
    n_sessions: int
    is_suspect: bool
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float | None = None
    volume_shares: int | None = None


class TickerBar(Row):
    """One session of one of several instruments."""

    ticker: str
    trade_date: dt.date
    is_suspect: bool
    adjustment: str
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float | None = None
    volume_shares: int | None = None
    currency_code: str | None = None


class Exposure(Row):
    """One factor of one instrument and day."""

    as_of_date: dt.date
    factor: str
    factor_group: str
    unit: str
    value: float | None = None
    z: float | None = None
    rank: float | None = None


class Ranked(Row):
    """One instrument in the order of a day; score = 50 + the sum of the contributions."""

    ticker: str
    instrument_id: str
    as_of_date: dt.date
    score: float
    signal: str
    contribution_forecast: float
    contribution_momentum: float
    contribution_value: float
    contribution_quality: float
    contribution_growth: float
    contribution_low_risk: float
    contribution_liquidity: float
    missing_groups: list[str]
    is_intraday: bool
    computed_at: dt.datetime
    rank: int | None = None
    name: str | None = None
    sector: str | None = None
    market: str | None = None
    breached_limit: str | None = None
    model_version_id: str | None = None


class Signal(Row):
    """What one forecaster, or all of them together, says of one instrument and session."""

    model_id: str
    as_of_date: dt.date
    ticker: str
    instrument_id: str
    rank: int
    signal: str
    confidence: float
    reasons: list[str]
    reason_features: list[str]
    reason_sizes: list[float]
    computed_at: dt.datetime
    name: str | None = None
    sector: str | None = None
    expected_return_22d: float | None = None
    probability_up: float | None = None
    model_version_id: str | None = None


class Explanation(Row):
    """Why an instrument stands where it stands."""

    ranking: Ranked
    factors: list[Exposure]
    signals: list[Signal]


class ForecasterState(Row):
    """One forecaster: its newest version, and its skill out of sample."""

    model_id: str
    n_versions: int
    model_version_id: str | None = None
    train_first_date: dt.date | None = None
    train_last_date: dt.date | None = None
    valid_from_date: dt.date | None = None
    valid_to_date: dt.date | None = None
    n_rows: int | None = None
    n_instruments: int | None = None
    n_features: int | None = None
    rank_ic_mean: float | None = None
    rank_ic_t: float | None = None
    computed_at: dt.datetime | None = None


class Evaluation(Row):
    """One figure of a forecaster out of sample: over all days, or over those of one version."""

    metric: str
    unit: str
    definition: str
    computed_at: dt.datetime
    valid_from_date: dt.date | None = None
    value: float | None = None


class Backtest(Row):
    """One backtest, which is one trial."""

    backtest_id: str
    profile: str
    first_date: dt.date
    last_date: dt.date
    n_rebalances: int
    n_trades: int
    configuration: dict[str, Any]
    data_digest: str
    code_version: str
    computed_at: dt.datetime


class Metric(Row):
    """One figure of a backtest beside the benchmark's."""

    metric: str
    unit: str
    definition: str
    value: float | None = None
    benchmark_value: float | None = None


class EquityDay(Row):
    """The books at one close, after its trades."""

    trade_date: dt.date
    equity: float
    cash: float
    positions_value: float
    n_positions: int
    turnover: float
    cost: float
    drawdown: float
    return_1d: float | None = None
    benchmark_return_1d: float | None = None
    index_return_1d: float | None = None


class BacktestDetail(Row):
    """One backtest with its figures and its books."""

    backtest: Backtest
    metrics: list[Metric]
    equity: list[EquityDay]


class Trade(Row):
    """One instrument traded at one close."""

    trade_date: dt.date
    instrument_id: str
    weight_before: float
    weight_after: float
    traded_value: float
    price_adj: float
    cost: float
    reason: str
    ticker: str | None = None


class Article(Row):
    """One article."""

    article_id: str
    published_at: dt.datetime
    tickers: list[str]
    title: str
    summary: str | None = None
    url: str | None = None
    publisher: str | None = None
    sentiment: float | None = None
    sentiment_by: str | None = None
    sentiment_version: str | None = None
    source: str | None = None


class Indicators(Row):
    """The indicators of one instrument and day."""

    as_of_date: dt.date
    rsi_14d: float | None = None
    stochastic_k_14d: float | None = None
    stochastic_d_3d: float | None = None
    adx_14d: float | None = None
    macd_12d_26d: float | None = None
    macd_signal_9d: float | None = None
    macd_histogram: float | None = None
    atr_14d: float | None = None
    bollinger_upper_20d: float | None = None
    bollinger_middle_20d: float | None = None
    bollinger_lower_20d: float | None = None
    sma_20d: float | None = None
    sma_50d: float | None = None
    sma_200d: float | None = None
    ema_12d: float | None = None
    ema_26d: float | None = None
    obv_shares: float | None = None


class Statement(Row):
    """The newest statement known over a range of days."""

    known_from_date: dt.date
    statement: str
    period_end_date: dt.date
    published_at: dt.datetime
    known_to_date: dt.date | None = None
    currency_code: str | None = None
    revenue: float | None = None
    gross_profit: float | None = None
    operating_income: float | None = None
    net_income: float | None = None
    eps: float | None = None
    shares_outstanding: float | None = None
    total_assets: float | None = None
    total_liabilities: float | None = None
    total_equity: float | None = None
    operating_cash_flow: float | None = None
    capex: float | None = None


class Dataset(Row):
    """One table that is served or computed from, and the version of its content."""

    dataset: str
    version: str
    changed_at: dt.datetime
    as_of_date: dt.date | None = None
    n_rows: int | None = None


class Drift(Row):
    """How far one thing that a forecaster sees has moved from what it learnt from."""

    valid_from_date: dt.date
    kind: str
    subject: str
    model_version_id: str
    first_date: dt.date
    last_date: dt.date
    n_expected: int
    n_live: int
    is_drifted: bool
    computed_at: dt.datetime
    population_stability_index: float | None = None
    ks_statistic: float | None = None
    expected_value: float | None = None
    live_value: float | None = None
    t: float | None = None


class Job(Row):
    """Work that was asked for."""

    job_id: str
    kind: str
    state: str
    parameters: dict[str, Any]
    parameters_hash: str
    cost_seconds: float
    attempt: int
    requested_at: dt.datetime
    progress: float | None = None
    run_id: str | None = None
    correlation_id: str | None = None
    started_at: dt.datetime | None = None
    heartbeat_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    cancel_requested_at: dt.datetime | None = None
    error: str | None = None
    result: dict[str, Any] | None = None


class JobDetail(Row):
    """A job with what it was asked and what came of it."""

    job: Job
    artifacts: list[dict[str, Any]]


class Portfolio(Row):
    """A portfolio of yours."""

    portfolio_id: str
    name: str
    currency_code: str
    n_holdings: int
    created_at: dt.datetime
    updated_at: dt.datetime


class HeldNow(Row):
    """What a portfolio holds of one instrument, with its newest signal."""

    instrument_id: str
    quantity_shares: str
    updated_at: dt.datetime
    ticker: str | None = None
    name: str | None = None
    cost_price: str | None = None
    price: float | None = None
    currency_code: str | None = None
    price_at: dt.datetime | None = None
    price_date: dt.date | None = None
    market_value: float | None = None
    return_since_cost: float | None = None
    signal: str | None = None
    signal_by: str | None = None
    signal_date: dt.date | None = None
    rank: int | None = None
    confidence: float | None = None
    expected_return_22d: float | None = None
    previous_signal: str | None = None


class Alert(Row):
    """An alert of yours."""

    alert_id: str
    name: str
    rule: dict[str, Any]
    rule_version: int
    sentence: str
    is_active: bool
    n_firing: int
    created_at: dt.datetime
    updated_at: dt.datetime
    muted_until: dt.datetime | None = None


class Level(Row):
    """A day of an index."""

    as_of_date: dt.date
    value: float
    divisor: float
    n_constituents: int
    definition_version: int
    computed_at: dt.datetime
    return_1d: float | None = None
    benchmark_return_1d: float | None = None
    currency_code: str | None = None


class IndexNow(Row):
    """An index with what it holds."""

    level: Level
    constituents: list[dict[str, Any]]


class UserOrder(Row):
    """An order on paper."""

    order_id: str
    instrument_id: str
    side: str
    kind: str
    quantity_shares: float
    placed_at: dt.datetime
    state: str
    filled_shares: float
    fee: float
    ticker: str | None = None
    price: float | None = None
    stop_loss: float | None = None
    take_profit: float | None = None
    good_till_date: dt.date | None = None
    cancel_requested_at: dt.datetime | None = None
    state_reason: str | None = None
    broker_order_id: str | None = None
    average_price: float | None = None
    closed_date: dt.date | None = None


class Strategy(Row):
    """A trading strategy."""

    strategy_id: str
    strategy_type: str
    title: str
    description: str
    version: int
    is_active: bool
    parameters: dict[str, Any]
    parameter_schema: dict[str, Any]
    capital: float
    equity: float
    n_positions: int
    last_trade_date: dt.date
    computed_at: dt.datetime
    currency_code: str | None = None
    return_total: float | None = None
    drawdown: float | None = None


class Endpoint(Row):
    """An address that your messages go to."""

    endpoint_id: str
    url: str
    event_types: list[str]
    is_active: bool
    created_at: dt.datetime
    disabled_reason: str | None = None
    verified_at: dt.datetime | None = None
    failing_since: dt.datetime | None = None


class Me(Row):
    """The account that a key belongs to, and what this key may do."""

    user_id: str
    display_name: str
    role: str
    scopes: list[str]
    created_at: dt.datetime
    email: str | None = None
