"""The promises that can be read off the project's manifest."""

import re
from typing import Any

import pytest

# Nearly all of it is the work of dbt.
pytestmark = pytest.mark.unwatched

LAYERS = {"staging": {"raw", "research"}, "intermediate": {"staging", "intermediate"}}
LAYERS["marts"] = LAYERS["intermediate"] | {"marts"}
LAYERS["factors"] = {"marts", "factors"}
TEXTS = re.compile(
    r"_id$|_code$|_date$|_at$|_reason$|^(is|has)_|^(ticker|name|market|sector|industry|source|source_symbol|adjustment|"
    r"statement|published_at_basis|rule|verdict|detail|source_symbols|instrument_ids|title|summary|url|publisher|author|"
    r"sentiment_by)$"
)


def models(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}


def folder(node: dict[str, Any]) -> str:
    return node["source_name"] if node["resource_type"] == "source" else node["fqn"][1]


def test_layers_point_down(manifest):
    known = {**manifest["nodes"], **manifest["sources"]}
    for key, model in models(manifest).items():
        below = {folder(known[parent]) for parent in model["depends_on"]["nodes"]}
        allowed = LAYERS[folder(model)]
        # Regressions are made by Python between marts and factors: the one staging table that factors read.
        if "model.factorloom.stg_rolling_measures" in model["depends_on"]["nodes"]:
            assert model["name"] == "fct_market_risk"
            allowed = allowed | {"staging"}
        assert below <= allowed, f"{key} reads {below - allowed}"


def test_source_is_read_by_staging_only(manifest):
    readers = {
        model["fqn"][1]
        for model in models(manifest).values()
        if any(parent.startswith("source.") for parent in model["depends_on"]["nodes"])
    }
    assert readers == {"staging"}


def test_staging_joins_filters_and_aggregates_nothing(manifest):
    for model in models(manifest).values():
        if folder(model) == "staging":
            assert not re.search(r"\b(join|where|group by|distinct|union)\b", model["raw_code"].split("#}")[-1]), model[
                "name"
            ]


def test_every_table_has_a_grain_test(manifest):
    tested = {
        node["attached_node"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test" and node["test_metadata"]["name"] == "unique_grain"
    }
    tables = {key for key, model in models(manifest).items() if model["config"]["materialized"] != "ephemeral"}
    assert tables == tested


def test_every_description_begins_with_the_grain(manifest):
    for model in models(manifest).values():
        assert model["description"].startswith("One row per "), model["name"]


def test_every_numeric_column_has_a_unit(manifest):
    for model in models(manifest).values():
        for name, column in model["columns"].items():
            assert column["description"], f"{model['name']}.{name}"
            if not TEXTS.search(name):
                assert "Unit " in column["description"], f"{model['name']}.{name}: {column['description']}"


def test_every_table_with_arithmetic_has_a_unit_test(manifest):
    tested = {test["model"] for test in manifest["unit_tests"].values()}
    tables = {model["name"] for model in models(manifest).values() if folder(model) in ("marts", "factors")}
    # These three choose and join.
    assert tables - tested == {"dim_tickers", "fct_market_risk", "fct_factor_values"}


def test_every_factor_has_an_exposure_in_both_tables(manifest):
    values = set(manifest["nodes"]["model.factorloom.fct_factor_values"]["columns"])
    factors = values - {"instrument_id", "as_of_date", "sector"}
    for table, infix in (("fct_factor_exposures", ""), ("fct_sector_exposures", "_sector")):
        columns = set(manifest["nodes"][f"model.factorloom.{table}"]["columns"])
        expected = {f"{factor}{infix}_{form}" for factor in factors for form in ("z", "rank")}
        assert columns == expected | {"instrument_id", "as_of_date"}
    assert len(factors) == 26
