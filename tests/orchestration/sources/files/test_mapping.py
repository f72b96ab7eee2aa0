from pathlib import Path

import pytest

from orchestration.sources.errors import MappingError
from orchestration.sources.files import mapping as mapping_module
from orchestration.sources.files.mapping import Section, mapping_of, read_mapping


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bars: [", "must be YAML"),
        ("label: x", "missing required field `bars`"),
        ("bars: {file: a.csv, colums: {}}", "unknown field `colums`"),
        ("bars: {file: a.csv, columns: {price: p}}", r"bars\.columns must name columns .*\['price'\]"),
        ("bars: {file: a.csv, negate: [x]}", r"bars\.negate must name"),
        ("bars: {file: a.csv, constants: {adjustment: all}}", "'none', 'splits'.*got 'all'"),
        ("bars: {file: a.csv, constants: {currency_code: usd}}", "ISO 4217.*got 'usd'"),
    ],
)
def test_what_is_wrong_with_a_mapping_is_said_with_its_place(tmp_path, text, message):
    path = tmp_path / "mapping.yaml"
    path.write_text(text)
    with pytest.raises(MappingError, match=message) as error:
        read_mapping(path)
    assert str(path) in str(error.value)


def test_a_mapping_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MappingError, match=r"nowhere\.yaml.*must exist"):
        read_mapping(tmp_path / "nowhere.yaml")


def test_sections_are_found_by_the_name_of_the_table(tmp_path):
    path = tmp_path / "mapping.yaml"
    path.write_text("bars: {file: a.csv}\nbenchmark: {file: b.csv}")
    mapping = read_mapping(path)
    assert mapping.section("benchmark_bars").file == "b.csv"
    assert mapping.section("splits") is None
    assert mapping.section("quotes") is None


def test_every_key_of_a_section_is_described():
    keys = set(Section.__struct_fields__)
    assert {key for key in keys if key not in (mapping_module.__doc__ or "")} == set()


def test_every_mapping_that_comes_along_can_be_read():
    folder = Path(mapping_module.__file__).parents[1] / "mappings"
    paths = list(folder.glob("*.yaml"))
    assert paths
    for path in paths:
        assert read_mapping(path).bars.file


def test_a_folder_laid_out_like_a_mapping_that_comes_along_needs_none_of_its_own(tmp_path):
    names = ["ohlcv", "securities", "fundamentals", "benchmark"]
    for name in names[:-1]:
        (tmp_path / f"{name}.parquet").touch()
    assert mapping_of(tmp_path) == tmp_path / "mapping.yaml"
    (tmp_path / "benchmark.parquet").touch()
    assert mapping_of(tmp_path).name == "market_data_2013_2018.yaml"
    (tmp_path / "mapping.yaml").touch()
    assert mapping_of(tmp_path) == tmp_path / "mapping.yaml"
