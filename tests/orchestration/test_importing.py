"""Files that are brought in by the door of all records, beside what the source delivers."""

import datetime as dt
from pathlib import Path
from typing import Any

import psycopg
import pytest

from orchestration.importing import import_file, section_of
from orchestration.sources.errors import DataColumnMissing, DataFileMissing
from tests.orchestration.defs.conftest import WarehouseOfTest, market_data_of

PRICES = """symbol,date,open,high,low,close,volume
ACME,2024-06-20,10,11,9.5,10.5,1000
ACME,2024-06-21,10.5,12,10.5,11.75,1500
ACME,2024-06-22,10.5,12,10.5,11.75,1500
BOLT,2024-06-21,20,19,19,20.5,100
BOLT,2024-06-21,x,19,19,20.5,100
ACME,2024-06-20,10,11,9.5,10.5,1000
"""
USD = {"currency_code": "USD", "adjustment": "none"}


class Named:
    """A source that delivers nothing here."""

    name = "test"
    first_session, last_session = dt.date(2024, 1, 2), None


@pytest.fixture
def bring(database: Any, tmp_path: Path):
    """Write a file and import it."""
    installation = market_data_of(Named(), now="2024-06-26T21:30:00+00:00").installation

    def run(kind: str, text: str, *, mapping: str | None = None, **constants: str):
        path, mapping_path = tmp_path / f"{kind}.csv", tmp_path / "mapping.yaml"
        path.write_text(text)
        if mapping is not None:
            mapping_path.write_text(mapping)
        section = section_of(kind, mapping_path if mapping else None, constants)
        return import_file(installation, kind, path, section, warehouse=WarehouseOfTest(address=database.url))

    return run


@pytest.fixture
def stored(database: Any):
    def stored(sql: str) -> list[tuple]:
        with psycopg.connect(database.url) as connection:
            return connection.execute(sql).fetchall()

    return stored


def test_prices_come_in_by_the_rules_of_all_prices(bring, stored):
    ingested = bring("prices", PRICES, **USD)
    assert ingested.is_accounted_for
    assert (ingested.n_received, ingested.written.inserted, ingested.n_exact_duplicates) == (6, 2, 1)
    # The 22nd is a Saturday, BOLT's high is below its open, and x is no number.
    assert ingested.refused_by_rule == {"not_a_session": 1, "price_order": 1, "unreadable_cell": 1}
    assert stored("select source, source_symbol, close from raw.daily_bars order by trade_date") == [
        ("import", "ACME", 10.5), ("import", "ACME", 11.75),
    ]  # fmt: skip
    assert stored("select count(*) from raw.quarantine where source = 'import'") == [(3,)]


def test_the_same_file_again_changes_nothing(bring, stored):
    bring("prices", PRICES, **USD)
    again = bring("prices", PRICES, **USD)
    assert (again.written.changed, again.written.unchanged) == (0, 2)
    assert stored("select count(*) from raw.quarantine") == [(3,)]


def test_a_symbol_that_the_source_knows_is_its_instrument_and_another_is_a_new_one(bring, stored):
    bring("instruments", "symbol,name\nACME,Acme Rockets\n")
    (known,) = stored("select instrument_id from raw.instruments where source_symbol = 'ACME'")
    bring("prices", PRICES.replace("BOLT,2024-06-21,20,19,19", "NUTS,2024-06-21,20,21,19"), **USD)
    rows = stored(
        "select source, source_symbol, instrument_id from raw.instrument_aliases where source = 'import' order by 2"
    )
    assert [row[:2] for row in rows] == [("import", "ACME"), ("import", "NUTS")]
    assert rows[0][2:] == known != rows[1][2:]


def test_columns_may_be_named_by_a_mapping(bring, stored):
    mapping = "bars: {file: x, columns: {source_symbol: Papier, trade_date: Tag}, date_format: '%d.%m.%Y'}"
    text = "Papier,Tag,open,high,low,close,volume\nACME,20.06.2024,10,11,9.5,10.5,1000\n"
    ingested = bring("prices", text, mapping=mapping, **USD)
    assert ingested.written.inserted == 1
    assert stored("select trade_date from raw.daily_bars") == [(dt.date(2024, 6, 20),)]


def test_statements_count_from_their_filing(bring, stored):
    text = "symbol,period_end,filed,revenue\nACME,2023-12-31,2024-02-15,1000\n"
    ingested = bring("fundamentals", text, currency_code="USD", statement="annual")
    assert ingested.written.inserted == 1
    # The end of the filing day in New York.
    assert stored(
        "select published_at_basis, revenue, (published_at at time zone 'UTC')::text from raw.fundamentals"
    ) == [("filed", 1000.0, "2024-02-16 04:59:59")]


def test_a_file_or_a_column_that_is_not_there_is_named(bring, tmp_path):
    with pytest.raises(DataColumnMissing, match="adjustment"):
        bring("prices", PRICES, currency_code="USD")
    section = section_of("prices", None, USD)
    installation = market_data_of(Named(), now="2024-06-26T21:30:00+00:00").installation
    with pytest.raises(DataFileMissing, match=r"nowhere\.csv"):
        import_file(
            installation, "prices", tmp_path / "nowhere.csv", section, warehouse=WarehouseOfTest(address="unused")
        )
