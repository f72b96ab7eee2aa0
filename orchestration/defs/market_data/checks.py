"""What must hold of market data beyond each single record."""

import dagster as dg

from orchestration.defs.market_data.assets import bar_verdicts, benchmark_bars, daily_bars
from orchestration.metadata import sample
from orchestration.resources import MarketData, Warehouse
from warehouse.queries import market_data as queries

# Below this share of the listed instruments a session is not complete.
MIN_COVERAGE = 0.95
# A feed that is wrong more often than this is not a feed with a few bad bars.
MAX_SUSPECT_SHARE = 0.01


@dg.asset_check(asset=daily_bars, blocking=True, description="Every symbol with bars is known as an instrument.")
def every_bar_belongs_to_an_instrument(warehouse: Warehouse, market_data: MarketData) -> dg.AssetCheckResult:
    """Look for symbols with bars that no alias resolves: staging could not give them an instrument_id."""
    found = warehouse.read_frame(queries.BARS_WITHOUT_INSTRUMENT, [_names(market_data)])
    return dg.AssetCheckResult(
        passed=found.empty,
        metadata={"symbols": len(found), **sample(found.head(10))},
        description="every symbol is known" if found.empty else "these symbols have bars and no instrument",
    )


@dg.asset_check(
    asset=daily_bars,
    description="The newest session that can be asked for is there, for nearly all listed instruments.",
)
def the_newest_session_is_complete(warehouse: Warehouse, market_data: MarketData) -> dg.AssetCheckResult:
    """Compare the newest session's bars with the instruments that were listed on it."""
    installation = market_data.installation
    session = installation.last_session()
    names = (installation.source.name, _names(market_data))
    row = warehouse.read(queries.COVERAGE, [*names, session]).to_pylist()[0]
    coverage = row["n_present"] / row["n_listed"] if row["n_listed"] else 0.0
    return dg.AssetCheckResult(
        passed=coverage >= MIN_COVERAGE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "session": session.isoformat(),
            "bars": row["n_present"],
            "listed": row["n_listed"],
            "coverage": coverage,
        },
        description=f"{row['n_present']} of {row['n_listed']} listed instruments have a bar of {session}",
    )


@dg.asset_check(asset=benchmark_bars, description="The newest session that can be asked for is there.")
def the_newest_session_of_the_index_is_there(warehouse: Warehouse, market_data: MarketData) -> dg.AssetCheckResult:
    """Compare the newest bar of the index with the newest session; a source without an index has nothing to miss."""
    installation = market_data.installation
    session = installation.last_session()
    newest = warehouse.read(queries.NEWEST_BENCHMARK_BAR, [_names(market_data)]).to_pylist()[0]["trade_date"]
    return dg.AssetCheckResult(
        passed=installation.source.benchmark_symbol is None or newest == session,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"session": session.isoformat(), "newest": str(newest)},
        description=f"the newest bar of the index is of {newest}, the newest session is {session}",
    )


@dg.asset_check(asset=bar_verdicts, description="Only few bars are suspect; shows some.")
def few_bars_are_suspect(warehouse: Warehouse, market_data: MarketData) -> dg.AssetCheckResult:
    """Compare the suspect bars with all bars."""
    names = _names(market_data)
    counts = warehouse.read(queries.SUSPECT_SHARE, [names]).to_pylist()[0]
    share = counts["n_suspect"] / counts["n_bars"] if counts["n_bars"] else 0.0
    return dg.AssetCheckResult(
        passed=share <= MAX_SUSPECT_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "suspect_bars": counts["n_suspect"],
            "suspect_share": share,
            **sample(warehouse.read_frame(queries.SUSPECT_SAMPLE, [names])),
        },
        description=f"{counts['n_suspect']} of {counts['n_bars']} bars are suspect",
    )


def _names(market_data: MarketData) -> str:
    """All sources that bars may come from, as the queries take them."""
    return ",".join(market_data.installation.source_names)
