"""Errors of this folder.

OrchestrationError
├── BacktestImpossible    there is nothing to trade
├── JobImpossible         a job that somebody asked for has nothing to run on
├── DbtFailed             a table could not be built, or a test did not pass
└── StrategyMisconfigured the settings of a trading strategy do not hold together
"""

import datetime as dt
from collections.abc import Sequence


class OrchestrationError(Exception):
    """A step cannot do what it was asked."""


class BacktestImpossible(OrchestrationError):
    """There is nothing to trade."""

    def __init__(self, profile: str, first: dt.date, last: dt.date) -> None:
        super().__init__(
            f"backtest: profile {profile!r} must have rankings on a rebalancing day between {first} and {last}; it has "
            "none. Run the job `rank` for that period, or choose other dates."
        )


class JobImpossible(OrchestrationError):
    """A job that somebody asked for has nothing to run on."""

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(f"{kind}: {problem}. Ask for something else.")


class DbtFailed(OrchestrationError):
    """A table could not be built, or a test did not pass."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(
            f"dbt: every table must be built and every test pass; got {len(problems)} that did not:\n"
            + "\n".join(problems)
            + "\ndbt's log, dbt.log in DBT_LOG_PATH, has the whole story; mend the cause and run it again."
        )


class StrategyMisconfigured(OrchestrationError):
    """The settings of a trading strategy do not hold together."""

    def __init__(self, strategy_id: str, fault: str) -> None:
        super().__init__(
            f"strategy {strategy_id}: {fault}. Correct orchestration/strategies.yaml, or write another version by "
            "PATCH /v1/strategies/{id}."
        )
