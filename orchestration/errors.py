"""Errors of this folder.

OrchestrationError
└── BacktestImpossible    there is nothing to trade
"""

import datetime as dt


class OrchestrationError(Exception):
    """A step cannot do what it was asked."""


class BacktestImpossible(OrchestrationError):
    """There is nothing to trade."""

    def __init__(self, profile: str, first: dt.date, last: dt.date) -> None:
        super().__init__(
            f"backtest: profile {profile!r} must have rankings on a rebalancing day between {first} and {last}; it has "
            "none. Run the job `rank` for that period, or choose other dates."
        )
