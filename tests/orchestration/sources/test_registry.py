import ast
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from orchestration.calendars import HomeCalendar
from orchestration.sources.errors import OptionOutOfRange, UnknownSource
from orchestration.sources.protocols import capabilities
from orchestration.sources.registry import SOURCES, create_source
from warehouse.settings import VendorSettings

EVERYTHING = {
    "instruments",
    "daily_bars",
    "benchmark_bars",
    "dividends",
    "splits",
    "fundamentals",
}


@dataclass(frozen=True)
class Settings:
    home: Path
    simulated_instruments: int = 20
    simulated_first_session: dt.date = dt.date(2024, 1, 2)
    simulated_last_session: dt.date | None = None
    simulated_seed: int = 3
    simulated_alpha: float = 1.0
    simulated_defect_rate: float = 0.0
    files_folder: Path | None = None
    files_mapping: Path | None = None
    live_first_session: dt.date = dt.date(2024, 1, 2)
    live_symbols: tuple[str, ...] = ()
    live_benchmark: str = "SPY"
    live_fallbacks: tuple[str, ...] = ()
    vendors: Mapping[str, VendorSettings] = field(default_factory=dict)


KEYS = {
    "eodhd": VendorSettings(api_key="k"),
    "massive": VendorSettings(api_key="k"),
    "nordnet": VendorSettings(api_key="k", private_key="k"),
    "twelve_data": VendorSettings(api_key="k"),
    "yahoo": VendorSettings(plan="personal"),
}


def now() -> dt.datetime:
    return dt.datetime(2024, 2, 1, 22, tzinfo=dt.UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def test_every_source_says_its_own_name(settings):
    for name in SOURCES:
        assert create_source(name, replace(settings, vendors=KEYS), HomeCalendar(), now).name == name


def test_the_simulated_source_can_do_everything(settings):
    source = create_source("simulated", settings, HomeCalendar(), now)
    assert capabilities(source) == EVERYTHING | {"quotes", "news_articles", "fx_rates", "market_holidays"}


def test_a_folder_can_do_what_its_mapping_has(settings, tmp_path):
    (tmp_path / "mapping.yaml").write_text("bars: {file: bars.csv}\nsplits: {file: splits.csv}\n")
    source = create_source("files", replace(settings, files_folder=tmp_path), HomeCalendar(), now)
    assert capabilities(source) == {"instruments", "daily_bars", "splits"}


def test_an_unknown_source_is_refused_with_the_known_ones(settings):
    with pytest.raises(UnknownSource, match=r"\['.*', 'simulated'.*\]; got 'nobody'"):
        create_source("nobody", settings, HomeCalendar(), now)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"simulated_instruments": 0}, "n_instruments must lie between 1 and 10000; got 0"),
        ({"simulated_defect_rate": 0.5}, r"defect_rate must lie between 0.0 and 0.2; got 0.5"),
        ({"simulated_last_session": dt.date(2023, 1, 2)}, "last_session must be after"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(settings, change, message):
    with pytest.raises(OptionOutOfRange, match=message):
        create_source("simulated", replace(settings, **change), HomeCalendar(), now)


def test_a_variable_of_a_vendor_that_is_none_is_refused(settings):
    misspelt = replace(settings, vendors={"masive": VendorSettings(api_key="k")})
    with pytest.raises(OptionOutOfRange, match=r"FACTORLOOM_MASIVE_\.\.\. must name one of .*'massive'"):
        create_source("simulated", misspelt, HomeCalendar(), now)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "FACTORLOOM_MASSIVE_API_KEY must be set"),
        ({"api_key": "two words"}, r"must be printable ASCII without spaces \(the value is not shown\)"),
        ({"api_key": "k", "plan": "gold"}, r"PLAN must be one of \['free', 'paid'\]; got 'gold'"),
        ({"api_key": "k", "base_url": "http://example.com"}, "BASE_URL must be https"),
        ({"api_key": "k", "base_url": "https://user:word@example.com"}, "without user, password"),
    ],
)
def test_a_vendors_setting_that_does_not_hold_is_refused_and_no_secret_shown(settings, given, message):
    with pytest.raises(OptionOutOfRange, match=message) as caught:
        create_source("massive", replace(settings, vendors={"massive": VendorSettings(**given)}), HomeCalendar(), now)
    assert "word" not in str(caught.value).replace("password", "")


def test_nobody_but_tests_imports_the_truth():
    root = Path(__file__).parents[3]
    folders = ("api", "factorloom", "models", "orchestration", "transforms", "warehouse")
    files = [path for folder in folders for path in (root / folder).rglob("*.py")]
    assert len(files) > 20
    assert [path for path in files if _imports_truth(path)] == []


def _imports_truth(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        if any("simulated.truth" in name for name in names):
            return True
    return False
