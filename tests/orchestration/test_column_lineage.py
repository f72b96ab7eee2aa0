"""Column lineage against queries whose origins one can read off."""

import pytest

from orchestration.column_lineage import column_lineages, kept_lineages

PRICES = "model.factorloom.fct_prices"
RATIO = "model.factorloom.fct_ratio"


def manifest(**tables: list[str]) -> dict[str, dict[str, object]]:
    """Describe tables, named schema__table, by their columns."""
    nodes = {}
    for name, columns in tables.items():
        schema, table = name.split("__")
        nodes[f"model.factorloom.{table}"] = {
            "resource_type": "model", "name": table, "schema": schema, "database": "factorloom",
            "columns": {column: {} for column in columns},
        }  # fmt: skip
    return {"nodes": nodes, "sources": {}}


def origins(sql: str, column: str) -> list[str]:
    known = manifest(marts__fct_prices=["instrument_id", "close", "volume"], factors__fct_ratio=["ratio"])
    lineage = column_lineages({RATIO: sql}, known)[RATIO]
    return [f"{dep.asset_key.to_user_string()}.{dep.column_name}" for dep in lineage.deps_by_column[column]]


def test_a_formula_names_the_columns_that_it_reads():
    sql = 'select close / volume as ratio from "factorloom"."marts"."fct_prices"'
    assert origins(sql, "ratio") == ["marts/fct_prices.close", "marts/fct_prices.volume"]


def test_stars_and_named_queries_are_followed_to_the_table():
    sql = """
        with prices as (select * from "factorloom"."marts"."fct_prices"),
        doubled as (select prices.*, close * 2 as twice from prices)
        select twice as ratio from doubled
    """
    assert origins(sql, "ratio") == ["marts/fct_prices.close"]


def test_a_constant_has_no_origin():
    assert origins("select 1 as ratio", "ratio") == []


@pytest.mark.parametrize("sql", ["", "select from where ("])
def test_what_cannot_be_read_has_no_lineage(sql: str):
    assert column_lineages({PRICES: sql}, manifest(marts__fct_prices=["close"])) == {}


def test_tests_and_hooks_are_no_tables():
    assert column_lineages({"test.factorloom.unique": "select 1 as one"}, manifest(marts__fct_prices=["close"])) == {}


def test_a_version_of_the_project_is_taken_apart_once(tmp_path):
    known, path = manifest(marts__fct_prices=["close"], factors__fct_ratio=["ratio"]), tmp_path / "lineage.json"
    sql = {RATIO: 'select close as ratio from "factorloom"."marts"."fct_prices"'}
    expected = column_lineages(sql, known)
    assert kept_lineages(sql, known, digest="one", path=path) == expected
    # What cannot be read any more is known from the file, until the project has changed or the file is spoilt.
    assert kept_lineages({RATIO: "select from where ("}, known, digest="one", path=path) == expected
    assert kept_lineages({RATIO: "select from where ("}, known, digest="two", path=path) == {}
    path.write_text("{")
    assert kept_lineages(sql, known, digest="one", path=path) == expected
    assert [file.name for file in tmp_path.iterdir()] == ["lineage.json"]
