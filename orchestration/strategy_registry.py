"""Which trading strategies there are: the lines of strategies.yaml, and other packages' entry points."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import msgspec

from orchestration.errors import StrategyMisconfigured
from transforms.paper_broker import BrokerRules
from transforms.strategies.strategy import Strategy

ENTRY_POINT_GROUP = "factorloom.strategies"
DEFAULT_PATH = Path(__file__).with_name("strategies.yaml")
DEFAULT_CAPITAL = 1_000_000.0

_OWN_TYPES: Mapping[str, str] = {
    "macd_rsi": "transforms.strategies.macd_rsi:MacdRsi",
    "mean_reversion_bollinger": "transforms.strategies.mean_reversion_bollinger:MeanReversionBollinger",
    "ranking_rotation": "transforms.strategies.ranking_rotation:RankingRotation",
}


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One strategy of the file."""

    type: str
    active: bool = True
    capital: float = DEFAULT_CAPITAL
    parameters: dict[str, Any] = {}


class Registry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All strategies known to this installation, by name, and what trading costs them."""

    strategies: dict[str, Entry]
    broker: BrokerRules = BrokerRules()


def load_strategies(path: Path | None = None) -> Registry:
    """Read the registry; `None` reads the file that comes with the project.

    An entry point that no line uses becomes a strategy under its own name, switched off.

    Raises
    ------
    StrategyMisconfigured
        If the file cannot be read as a registry, or a type or parameter is not known.
    """
    source = path or DEFAULT_PATH
    try:
        registry = msgspec.yaml.decode(source.read_bytes(), type=Registry)
    except (OSError, msgspec.MsgspecError) as exc:
        raise StrategyMisconfigured(source.name, f"it must be a registry of strategies, but {exc}") from exc
    used = {entry.type for entry in registry.strategies.values()}
    others = {name: Entry(type=name, active=False) for name in sorted(_entry_points()) if name not in used}
    registry = Registry(registry.strategies | others, registry.broker)
    for name, entry in registry.strategies.items():
        make_strategy(name, entry.type, entry.parameters)
    return registry


def make_strategy(strategy_id: str, strategy_type: str, parameters: Mapping[str, Any]) -> Strategy:
    """Make a strategy with some parameters, the others as they are by default.

    Raises
    ------
    StrategyMisconfigured
        If a parameter is not known or out of its limits.
    """
    try:
        return msgspec.convert(dict(parameters), resolve_type(strategy_id, strategy_type))
    except msgspec.ValidationError as exc:
        raise StrategyMisconfigured(strategy_id, f"its parameters must fit, but {exc}; got {dict(parameters)}") from exc


def resolve_type(strategy_id: str, strategy_type: str) -> type[Strategy]:
    """Find the class of a type.

    Raises
    ------
    StrategyMisconfigured
        If nobody has registered it, or it is no strategy.
    """
    others = _entry_points()
    if strategy_type in _OWN_TYPES:
        found = pkgutil.resolve_name(_OWN_TYPES[strategy_type])
    elif strategy_type in others:
        found = others[strategy_type].load()
    else:
        known = sorted([*_OWN_TYPES, *others])
        raise StrategyMisconfigured(strategy_id, f"its type must be one of {known}; got {strategy_type!r}")
    if not isinstance(found, type) or not issubclass(found, Strategy):
        raise StrategyMisconfigured(strategy_id, f"its type must be a class of Strategy; got {found!r}")
    return found


def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name not in _OWN_TYPES}
