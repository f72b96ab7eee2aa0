"""Quotes each minute of the session, and rankings from live prices on the newest model, in one light job."""

import datetime as dt

import dagster as dg
import pandas as pd
from pydantic import Field

from models.artifacts import load
from models.features import EXPOSURE_COLUMNS, FEATURE_SETS, technical_panel
from models.registry import load_registry
from models.training import forecast
from orchestration.catch_up import is_at_work
from orchestration.defs.market_data.assets import quotes
from orchestration.defs.market_data.assets import take_quotes as store_quotes
from orchestration.defs.market_data.schedules import ZONE, session_is_open
from orchestration.defs.rankings.assets import as_rows, rank, read_exposures, write_rankings
from orchestration.installation import current_installation
from orchestration.resources import Artifacts, MarketData, Warehouse
from transforms.indicators import indicators
from transforms.profiles import PROFILES
from warehouse.queries import research as queries

# Exponential averages of up to 26 sessions have forgotten what lies further back to the tenth digit.
HISTORY_DAYS = 420
BAR = ["open_adj", "high_adj", "low_adj", "close_adj", "volume_adj"]


class IntradayConfig(dg.Config):
    """What the minute's run does."""

    rank: bool = Field(default=True, description="Also rank on live prices; False only takes the quotes.")


@dg.op(out=dg.Out(dg.Nothing), description="Take the newest quotes from the source.", pool="vendor_api")
def take_quotes(context: dg.OpExecutionContext, warehouse: Warehouse, market_data: MarketData) -> None:
    """Store the newest quote of every instrument."""
    result = store_quotes(warehouse, market_data)
    context.log_event(dg.AssetMaterialization(quotes.key, metadata=result.metadata))


@dg.op(ins={"quotes_taken": dg.In(dg.Nothing)}, description="Rank the universe on live prices with the newest model.")
def rank_live(
    context: dg.OpExecutionContext, config: IntradayConfig, warehouse: Warehouse, artifacts: Artifacts,
    market_data: MarketData,
) -> None:  # fmt: skip
    """Write the rankings of today, marked is_intraday; they are never used in an evaluation."""
    if not config.rank:
        context.log.info("ranking left out: not due in this minute")
        return
    installation = market_data.installation
    now = installation.clock()
    today = now.astimezone(installation.calendar.timezone).date()
    close = installation.calendar.previous_session(today)
    model_id = load_registry(installation.settings.models_file).ranking_model
    exposures = read_exposures(warehouse, close, close, model_id)
    live, n_incomplete = live_bars(warehouse, today)
    if n_incomplete:
        context.log.warning("%d quotes of %s lack high, low, open or volume: not ranked on", n_incomplete, today)
    if exposures.empty or live.empty:
        context.log.info("ranking left out: no exposures of %s or no quotes of %s", close, today)
        return
    exposures = exposures.assign(as_of_date=pd.Timestamp(today))
    made = live_forecasts(warehouse, artifacts, close, today, live, model_id)
    if made is not None:
        kept = exposures.drop(columns=["forecast", "model_version_id"])
        exposures = kept.merge(made, on=["instrument_id", "as_of_date"], how="left")
    ranked = (as_rows(rank(exposures, profile), is_intraday=True) for profile in PROFILES.values())
    write_rankings(warehouse, ranked, today, today, is_intraday=True)
    counts = {"ranked_instruments": len(exposures), "live_bars": len(live), "incomplete_quotes": n_incomplete}
    context.add_output_metadata({**counts, "as_of_date": today.isoformat()})


def live_bars(warehouse: Warehouse, today: dt.date) -> tuple[pd.DataFrame, int]:
    """Return the session so far as one adjusted bar per instrument, and how many instruments lack data for one.

    The newest quote is the bar's close. Sources that quote a price alone leave no bar to compute indicators from.
    """
    quoted = warehouse.read_frame(queries.LIVE_BARS, [today])
    is_whole = quoted[BAR].notna().all(axis=1)
    return quoted[is_whole].reset_index(drop=True), int((~is_whole).sum())


def live_forecasts(
    warehouse: Warehouse, artifacts: Artifacts, close: dt.date, today: dt.date, live: pd.DataFrame,
    model_id: str | None,
) -> pd.DataFrame | None:  # fmt: skip
    """Forecast today: indicators move with the live price, factors stand as of the last close.

    None where the model has no version, or learns from what no live price moves: the forecasts of the close stand.
    """
    versions = warehouse.read(queries.VERSIONS_BETWEEN, [close, close]).to_pylist()
    version = next((row for row in versions if row["model_id"] == model_id), None)
    trained = load(artifacts.read(version["artifact_uri"])) if version else None
    if version is None or trained is None or not set(trained.version.features) <= set(FEATURE_SETS["technical"]):
        return None
    history = warehouse.read_frame(queries.ADJUSTED_BARS_BETWEEN, [close - dt.timedelta(days=HISTORY_DAYS), close])
    bars = pd.concat([history, live]).sort_values(["instrument_id", "trade_date"], ignore_index=True)
    moved = indicators(bars)
    moved = moved[moved["as_of_date"] == pd.Timestamp(today)]
    factors = warehouse.read_frame(
        queries.columns_between("factors.fct_factor_exposures", EXPOSURE_COLUMNS), [close, close]
    ).assign(as_of_date=pd.Timestamp(today))
    panel = technical_panel(factors, moved, live)[list(trained.version.features)]
    made = forecast(trained, panel).reset_index()
    return (
        made.drop(columns="forecast")
        .rename(columns={"forecast_rank": "forecast"})
        .assign(model_version_id=version["model_version_id"])
    )


@dg.job(
    description="One minute of the session: quotes, and every few minutes rankings on live prices.",
    executor_def=dg.in_process_executor,
)  # fmt: skip
def intraday() -> None:
    """Take quotes, then rank."""
    rank_live(take_quotes())


@dg.schedule(
    job=intraday, cron_schedule="* * * * 1-5", execution_timezone=ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Each minute of a session: quotes; every FACTORLOOM_INTRADAY_MINUTES minutes (5 unless set) rankings "
    "on live prices. A minute is left out while the run of an earlier one is at work.",
)  # fmt: skip
def each_minute(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run while the exchange is open."""
    installation = current_installation()
    now = installation.clock()
    if not session_is_open(installation, now):
        return dg.SkipReason(closed_because(now))
    if is_at_work(context.instance, intraday.name):
        return dg.SkipReason("the run of an earlier minute is still at work")
    due = now.minute % installation.settings.intraday_minutes == 0
    config = dg.RunConfig(ops={"rank_live": IntradayConfig(rank=due)})
    return dg.RunRequest(run_key=f"{now:%Y-%m-%dT%H:%M}", run_config=config)


def closed_because(now: dt.datetime) -> str:
    """Say why nothing is quoted."""
    installation = current_installation()
    end = installation.source.last_session
    day = now.astimezone(installation.calendar.timezone).date()
    if end is not None and day > end:
        return f"source ends {end}"
    return (
        f"{installation.calendar.code} is closed at {now.astimezone(installation.calendar.timezone):%Y-%m-%d %H:%M %Z}"
    )
