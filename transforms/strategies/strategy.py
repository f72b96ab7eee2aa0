"""What a strategy is: parameters with their limits, and one method that decides for all instruments and days."""

from abc import ABCMeta, abstractmethod
from typing import Annotated, Any, ClassVar, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta, StructMeta

from transforms.days import Days

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]
BUY, HOLD, SELL = 1, 0, -1
# What every strategy is shown, whatever else it asks for: sizes and stops rest on them.
ALWAYS = ("close_adj", "atr_14d")
TakeProfit = Annotated[float, Meta(gt=0, le=100)]


class Board(NamedTuple):
    """What strategies look at, each array of shape (n_dates, n_instruments).

    Attributes
    ----------
    days : ndarray of datetime64[D], shape (n_dates,)
        Sessions without a gap, ascending.
    instruments : ndarray of str, shape (n_instruments,)
    measures : mapping of str to ndarray
        By the names of research.indicators, close_adj, and rank_<profile> (places, 1 best); NaN where there is none.
    """

    days: Days
    instruments: npt.NDArray[np.object_]
    measures: dict[str, Array]


class Signals(NamedTuple):
    """What a strategy wants at each close, arrays of shape (n_dates, n_instruments).

    Attributes
    ----------
    action : ndarray of int8
        1 buys, -1 sells what is held, 0 holds.
    rule : ndarray of int8
        Place in `rules` of the rule that spoke.
    rules : tuple of str
        Reasons as format strings over inputs, parameters and `<input>_gap`, the distance from the close as a fraction;
        the first one is that of holding.
    strength : ndarray of float
        Where not all can be bought, the strongest come first.
    limit : ndarray of float, currency per share, optional
        Entries wait for this price instead of buying at the open.
    target : ndarray of float, currency per share, optional
        Take profit of an entry; by default `take_profit_atr` decides.
    """

    action: Codes
    rule: Codes
    rules: tuple[str, ...]
    strength: Array
    limit: Array | None = None
    target: Array | None = None


class _AbstractStruct(StructMeta, ABCMeta):
    """Lets a struct have abstract methods."""


class Strategy(msgspec.Struct, metaclass=_AbstractStruct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all strategies: its fields are the parameters, with their limits and what they mean.

    A strategy sees closes up to row t when it decides row t; orders are filled from the next session on.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    # Names of `Board.measures` that it reads, and that are kept beside each signal.
    inputs: ClassVar[tuple[str, ...]]
    # Sessions before the first decided one that it has to see.
    lookback_sessions: ClassVar[int] = 1

    risk_per_trade: Annotated[
        float, Meta(gt=0, le=0.1, description="Share of the equity that a stop loss may cost. Unit fraction.")
    ] = 0.01
    max_positions: Annotated[int, Meta(ge=1, le=200, description="Most positions at a time. Unit positions.")] = 20
    max_weight: Annotated[
        float, Meta(gt=0, le=1, description="Largest share of the equity in one entry. Unit fraction.")
    ] = 0.1
    stop_loss_atr: Annotated[
        float, Meta(gt=0, le=20, description="Distance of the stop loss in average true ranges. Unit ratio.")
    ] = 2.0
    take_profit_atr: Annotated[
        TakeProfit | None,
        Meta(description="Distance of the take profit in average true ranges, null for none. Unit ratio."),
    ] = None
    good_till_sessions: Annotated[
        int, Meta(ge=1, le=60, description="Sessions for which an entry waits to be filled. Unit sessions.")
    ] = 2

    alarm_drawdown: Annotated[
        float, Meta(gt=0, le=1, description="Fall from the highest equity that is told as a warning. Unit fraction.")
    ] = 0.2

    @abstractmethod
    def signals(self, board: Board) -> Signals:
        """Decide every row of a board; row t reads rows up to t, and `lookback_sessions` before it at most."""

    @classmethod
    def parameter_schema(cls) -> dict[str, Any]:
        """Describe the parameters as JSON schemas by name."""
        _, definitions = msgspec.json.schema_components([cls])
        properties: dict[str, Any] = definitions[cls.__name__]["properties"]
        return properties


def crossed_above(values: Array, level: Array | float) -> Flags:
    """Tell where values went from at most a level to above it; never in the first row."""
    return _crossed(values - level)


def crossed_below(values: Array, level: Array | float) -> Flags:
    """Tell where values went from at least a level to below it; never in the first row."""
    return _crossed(level - values)


def _crossed(over: Array) -> Flags:
    found = np.zeros(over.shape, dtype=bool)
    found[1:] = (over[1:] > 0) & (over[:-1] <= 0)
    return found


def spoken(rules: tuple[tuple[int, Flags, str], ...], *, hold: str) -> tuple[Codes, Codes, tuple[str, ...]]:
    """Put rules (action, where, reason) together; where several speak, the first does.

    Returns
    -------
    action, rule, rules
        As in `Signals`.
    """
    shape = rules[0][1].shape
    action, rule = np.zeros(shape, dtype=np.int8), np.zeros(shape, dtype=np.int8)
    for number, (side, where, _) in reversed(list(enumerate(rules, start=1))):
        action[where], rule[where] = side, number
    return action, rule, (hold, *(reason for _, _, reason in rules))
