"""Company statements as the source published them."""

import datetime as dt
from functools import partial
from zoneinfo import ZoneInfo

import dagster as dg
import pandas as pd

from orchestration.defs.market_data.assets import ingest_window, instruments, raw_table
from orchestration.ingestion import Entity
from orchestration.installation import Installation
from orchestration.metadata import Checked
from orchestration.partitions import window_of
from orchestration.resources import MarketData, Warehouse
from orchestration.sources.records import CompanyRatios, Fundamental
from transforms.record_rules import check_company_ratios, check_fundamentals
from warehouse.queries import fundamentals as queries

# Where a source tells neither publication nor filing, a statement counts from this many days after its period's end.
ASSUMED_LAG_DAYS = 90


@raw_table("fundamentals", deps=[instruments], group="fundamentals", by_session=True)
def fundamentals(context: dg.AssetExecutionContext, warehouse: Warehouse, market_data: MarketData) -> Checked:
    """One row per source, symbol, statement, period end and publication; a restated statement is a new row."""
    installation, window = market_data.installation, window_of(context)
    entity = fundamentals_entity(warehouse, installation)
    return ingest_window(warehouse, installation, entity, *window)


@raw_table("company_ratios", deps=[instruments], group="fundamentals")
def company_ratios(warehouse: Warehouse, market_data: MarketData) -> Checked:
    """One row per source, symbol and day: what the source reckons a company to be worth and to earn.

    To look at and to compare with: no factor reads them, since their definitions are the source's own.
    """
    return ingest_window(warehouse, market_data.installation, company_ratios_entity())


def company_ratios_entity() -> Entity:
    """Ratios, of which a day's are enough."""
    return Entity(
        table="raw.company_ratios",
        record=CompanyRatios,
        key=("source_symbol", "as_of_date"),
        check=check_company_ratios,
        is_of_a_day=True,
    )


def fundamentals_entity(warehouse: Warehouse, installation: Installation) -> Entity:
    """Statements: a publication instant for each, and none that belongs to another company."""
    names = installation.source_names
    zone = installation.calendar.timezone
    companies = {
        row["source_symbol"]: row["company"] for row in warehouse.read(queries.COMPANIES, [names[0]]).to_pylist()
    }
    stored = with_publication(warehouse.read_frame(queries.STATEMENTS_OF_SOURCES, [",".join(names)]), zone=zone)

    def check(records: pd.DataFrame) -> object:
        return check_fundamentals(with_publication(records, zone=zone), companies=companies, stored=stored)

    return Entity(
        table="raw.fundamentals",
        record=Fundamental,
        key=("source_symbol", "statement", "period_end_date", "published_at"),
        check=check,  # type: ignore[arg-type]
        complete=partial(with_publication, zone=zone),
    )


def with_publication(records: pd.DataFrame, *, zone: ZoneInfo) -> pd.DataFrame:
    """Give each statement the instant from which it counts, and say what that rests on.

    Parameters
    ----------
    records
        Columns of `Fundamental`.
    zone
        Time zone of the exchange, in which filing days and assumed days end and begin.

    Returns
    -------
    DataFrame
        Without filed_date; published_at is the source's instant, else the end of the filing day (so it counts from the
        next session), else the beginning of the day ASSUMED_LAG_DAYS after the period's end.
    """
    if "published_at_basis" in records.columns:
        return records
    filed = _local(records["filed_date"], zone, dt.timedelta(days=1, seconds=-1))
    assumed = _local(records["period_end_date"], zone, dt.timedelta(days=ASSUMED_LAG_DAYS))
    published = pd.to_datetime(records["published_at"], utc=True).astype("datetime64[us, UTC]")
    basis = pd.Series("published", index=records.index, dtype="string")
    basis = basis.mask(published.isna(), "filed").mask(published.isna() & filed.isna(), "assumed")
    return records.drop(columns="filed_date").assign(
        published_at=published.fillna(filed).fillna(assumed),
        published_at_basis=basis,
        fiscal_year=records["fiscal_year"].astype("Int64"),
    )


def _local(days: pd.Series, zone: ZoneInfo, after: dt.timedelta) -> pd.Series:
    naive = pd.to_datetime(days).astype("datetime64[us]") + pd.Timedelta(after)
    return naive.dt.tz_localize(zone, ambiguous=False, nonexistent="shift_forward").dt.tz_convert("UTC")
