"""Settings of the simulated market."""

import datetime as dt
from dataclasses import dataclass

from orchestration.sources.errors import OptionOutOfRange

# One five-letter ticker per slot and kind, see universe.ticker.
MAX_INSTRUMENTS = 10_000
# What planted_alpha is counted in: log return over 21 sessions, standard deviation over instruments. At 1 the best
# possible forecast has a rank correlation of about 0.1 with the next month's returns.
ALPHA_UNIT = 0.014


@dataclass(frozen=True, kw_only=True)
class SimulatedOptions:
    """What market to make.

    Parameters
    ----------
    n_instruments : int
        Companies listed on the first session; others are listed later, about 2 in 100 a year.
    first_session : date
        Where the market begins (the next session, if it is none).
    last_session : date, optional
        Where it ends; None lets it live up to now.
    seed : int
        Another seed is another market.
    planted_alpha : float
        Size of what can be forecast, in units of ALPHA_UNIT; 0 plants nothing.
    defect_rate : float, fraction
        Share of bars that come with a defect as real feeds have them; 0 makes a clean feed.

    Raises
    ------
    OptionOutOfRange
        If a setting does not hold.
    """

    n_instruments: int = 500
    first_session: dt.date = dt.date(2020, 12, 1)
    last_session: dt.date | None = None
    seed: int = 1
    planted_alpha: float = 1.0
    defect_rate: float = 0.0005

    def __post_init__(self) -> None:
        self._require("n_instruments", 1, MAX_INSTRUMENTS)
        self._require("seed", 0, 2**63 - 1)
        self._require("planted_alpha", 0.0, 5.0)
        self._require("defect_rate", 0.0, 0.2)
        if self.last_session is not None and self.last_session <= self.first_session:
            must = f"be after first_session {self.first_session}"
            raise OptionOutOfRange("simulated", "last_session", must=must, got=self.last_session)

    def _require(self, option: str, lowest: float, highest: float) -> None:
        value = getattr(self, option)
        if not lowest <= value <= highest:
            raise OptionOutOfRange("simulated", option, must=f"lie between {lowest} and {highest}", got=value)
