"""The mapping file: which file holds which entity, and what its columns are called.

A YAML file with one section per entity that the folder has. `bars` is required, the others are optional::

    label: Prices of my broker          # one sentence for people
    bars:
      file: prices/*.csv                # a file or a pattern, .csv, .csv.gz or .parquet, relative to the folder
      columns: {source_symbol: Symbol, trade_date: Day}   # our name: name in the file
      constants: {currency_code: USD, adjustment: none}   # columns that the file does not have
    instruments: {...}                  # without it, instruments are the symbols of the bars
    benchmark: {...}
    fundamentals: {...}
    dividends: {...}
    splits: {...}
    news: {...}                         # source_symbols: the instruments it is about, "ACME BOLT" or "ACME;BOLT"
    fx_rates: {...}                     # rate: units of quote_currency_code for one of base_currency_code
    market_holidays: {...}              # status is closed or early_close
    ticker_events: {...}                # former_symbol was what source_symbol is since changed_date

Our names are those of the structs in `orchestration/sources/records.py`. A column needs no line if the file
calls it by our name or by a usual one (`ticker` or `symbol`, `date`, `period_end`), upper or lower case.
`adjustment` is what the prices are already adjusted for: none, splits or splits_dividends. Further keys:

=====================  ================================================================================
``scale``              factor per column, for figures in thousands: ``{revenue: 1000}``
``negate``             columns whose sign is the other way round; `capex` is negative when cash is spent
``zero_means_missing`` columns in which 0 stands for "not reported"
``metadata``           columns of the file to keep as they are (instruments only)
``date_format``        for text, as in strptime; default ``%Y-%m-%d``
``separator``          of CSV fields; default ``,``
``decimal``            decimal mark of CSV numbers; default ``.``
``thousands``          thousands mark of CSV numbers; default none
``encoding``           of CSV text; default utf8
``nulls``              texts that mean "no value"; default empty, NA, N/A, NaN, nan, null, None, -
=====================  ================================================================================
"""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from orchestration.sources.errors import MappingError
from orchestration.sources.records import (
    BenchmarkBar,
    DailyBar,
    Dividend,
    Fundamental,
    FxRate,
    Instrument,
    MarketHoliday,
    NewsArticle,
    Split,
    TickerEvent,
)

MAPPING_NAME = "mapping.yaml"
# Mappings that come along, for folders that are laid out as they say.
MAPPINGS_FOLDER = Path(__file__).parents[1] / "mappings"

# Section of the mapping -> name of the entity, and its record.
SECTIONS: dict[str, tuple[str, type[msgspec.Struct]]] = {
    "bars": ("daily_bars", DailyBar),
    "instruments": ("instruments", Instrument),
    "benchmark": ("benchmark_bars", BenchmarkBar),
    "fundamentals": ("fundamentals", Fundamental),
    "dividends": ("dividends", Dividend),
    "splits": ("splits", Split),
    "news": ("news_articles", NewsArticle),
    "fx_rates": ("fx_rates", FxRate),
    "market_holidays": ("market_holidays", MarketHoliday),
    "ticker_events": ("ticker_events", TickerEvent),
}
_ALLOWED_VALUES = {
    "adjustment": ("none", "splits", "splits_dividends"),
    "statement": ("annual", "quarterly"),
    "status": ("closed", "early_close"),
}
_CURRENCIES = ("currency_code", "base_currency_code", "quote_currency_code")


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entity of the mapping; the keys are described at the top of this module."""

    file: str
    columns: dict[str, str] = {}
    constants: dict[str, Any] = {}
    scale: dict[str, float] = {}
    negate: tuple[str, ...] = ()
    zero_means_missing: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    date_format: str = "%Y-%m-%d"
    separator: str = ","
    decimal: str = "."
    thousands: str = ""
    encoding: str = "utf8"
    nulls: tuple[str, ...] = ("", "NA", "N/A", "NaN", "nan", "null", "None", "-")


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole mapping file."""

    bars: Section
    label: str | None = None
    instruments: Section | None = None
    benchmark: Section | None = None
    fundamentals: Section | None = None
    dividends: Section | None = None
    splits: Section | None = None
    news: Section | None = None
    fx_rates: Section | None = None
    market_holidays: Section | None = None
    ticker_events: Section | None = None

    def section(self, entity: str) -> Section | None:
        """Section of an entity by its table name, for example ``daily_bars``."""
        for name, (table, _) in SECTIONS.items():
            if table == entity:
                found: Section | None = getattr(self, name)
                return found
        return None


def mapping_of(folder: Path) -> Path:
    """Path of a folder's own mapping; without one, of the first that comes along and finds all its files there."""
    own = folder / MAPPING_NAME
    if own.is_file():
        return own
    return next((path for path in sorted(MAPPINGS_FOLDER.glob("*.yaml")) if _describes(path, folder)), own)


def _describes(path: Path, folder: Path) -> bool:
    mapping = read_mapping(path)
    sections = [section for name in SECTIONS if (section := getattr(mapping, name)) is not None]
    return all(any(folder.glob(section.file)) for section in sections)


def read_mapping(path: Path) -> Mapping:
    """Read and check a mapping file.

    Raises
    ------
    MappingError
        If the file is not there, is not YAML, or has keys, columns or values that mean nothing.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf8"))
    except FileNotFoundError as exc:
        must = "exist, or FACTORLOOM_FILES_MAPPING name another"
        raise MappingError(path, "the mapping file", must=must, got="no file") from exc
    except yaml.YAMLError as exc:
        raise MappingError(path, "the mapping file", must="be YAML", got=str(exc)) from exc
    try:
        mapping = msgspec.convert(content, Mapping)
    except msgspec.ValidationError as exc:
        raise MappingError(path, "the mapping", must="have the keys described", got=str(exc)) from exc
    for name, (_, record) in SECTIONS.items():
        section = getattr(mapping, name)
        if section is not None:
            _check(path, name, section, record)
    return mapping


def _check(path: Path, name: str, section: Section, record: type[msgspec.Struct]) -> None:
    known = set(record.__struct_fields__)
    for key in ("columns", "constants", "scale", "negate", "zero_means_missing"):
        unknown = sorted(set(getattr(section, key)) - known)
        if unknown:
            raise MappingError(path, f"{name}.{key}", must=f"name columns out of {sorted(known)}", got=unknown)
    for column, allowed in _ALLOWED_VALUES.items():
        value = section.constants.get(column, allowed[0])
        if value not in allowed:
            must = f"be one of {list(allowed)}"
            raise MappingError(path, f"{name}.constants.{column}", must=must, got=value)
    for column in _CURRENCIES:
        currency = section.constants.get(column, "USD")
        if not (isinstance(currency, str) and len(currency) == 3 and currency.isupper()):
            must = "be an ISO 4217 code such as USD"
            raise MappingError(path, f"{name}.constants.{column}", must=must, got=currency)
