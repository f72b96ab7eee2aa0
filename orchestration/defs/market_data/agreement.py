"""Checks on facts that meet: two who know the same say the same, and what is paid can be set beside what is quoted."""

from collections.abc import Sequence
from typing import NamedTuple

import dagster as dg

from orchestration.metadata import sample
from orchestration.resources import Warehouse
from warehouse.queries import agreement as queries


class Agreement(NamedTuple):
    """What is compared: the query that finds what lies apart, and the tolerance, fraction."""

    name: str
    asset: Sequence[str]
    sql: str
    tolerance: float
    what: str


AGREEMENTS = (
    # Closing auctions and consolidated last trades differ by less; another listing or another share does not.
    Agreement("sources_agree_on_closes", ["raw", "daily_bars"], queries.CLOSES_APART, 0.005, "closes"),
    # Vendors file some lines under other heads; a wrong unit or company is further off.
    Agreement("sources_agree_on_statements", ["raw", "fundamentals"], queries.STATEMENTS_APART, 0.02, "figures"),
    # A day's last rate is taken at another hour by each.
    Agreement("sources_agree_on_rates", ["raw", "fx_rates"], queries.RATES_APART, 0.01, "exchange rates"),
    # Cents of a low price, and how a dividend is taken off; a lost split or dividend is further off.
    Agreement(
        "adjusted_closes_agree_with_the_vendors", ["marts", "fct_daily_prices"], queries.ADJUSTED_CLOSES_APART, 0.005,
        "daily moves",
    ),
)  # fmt: skip


def _check(agreement: Agreement) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name=agreement.name,
        asset=dg.AssetKey(agreement.asset),
        description=f"No two {agreement.what} of one fact lie more than {agreement.tolerance:.1%} apart; shows some.",
    )
    def check(warehouse: Warehouse) -> dg.AssetCheckResult:
        return compare(warehouse, agreement)

    return check


def compare(warehouse: Warehouse, agreement: Agreement) -> dg.AssetCheckResult:
    """Look for what lies apart: a warning with the worst ten."""
    found = warehouse.read_frame(agreement.sql, [agreement.tolerance])
    n_apart = 0 if found.empty else int(found["n_apart"].iloc[0])
    return dg.AssetCheckResult(
        passed=n_apart == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"apart": n_apart, "tolerance": agreement.tolerance, **sample(found.drop(columns="n_apart"))},
        description=f"{n_apart} {agreement.what} lie more than {agreement.tolerance:.1%} apart",
    )


sources_agree_on_closes, sources_agree_on_statements, sources_agree_on_rates, adjusted_closes_agree = (
    _check(agreement) for agreement in AGREEMENTS
)


@dg.asset_check(
    asset=dg.AssetKey(["marts", "fct_exchange_rates"]),
    description="A dividend in another currency than its share's has a rate; shows the others.",
)
def dividends_in_other_currencies_have_rates(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Look for dividends that no rate of their ex-date turns into the currency of the quotation."""
    found = warehouse.read_frame(queries.DIVIDENDS_WITHOUT_RATE)
    return dg.AssetCheckResult(
        passed=found.empty,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"dividends": len(found), **sample(found.head(10))},
        description=f"{len(found)} dividends have no rate, and prices are not adjusted for them",
    )
