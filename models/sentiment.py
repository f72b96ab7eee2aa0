"""How news sounds: VADER's rules (Hutto and Gilbert 2014) with a lexicon that knows the words of finance.

VADER handles negation, degree and contrast ("not profitable", "sharply lower", "up, but ..."), and its general lexicon
comes with the package. General words mislead in finance (Loughran and McDonald 2011): a liability is no complaint, a
share no kindness, and a stock that plunges is bad news though no general lexicon says so. FINANCE sets those straight.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

NAME = "vader_finance"
# Counts the changes of FINANCE: other words, other tones.
EDITION = 1

# Valence as VADER has it, from -4 to 4. Each line holds forms of words, parted by blanks.
_BY_VALENCE: dict[float, str] = {
    2.5: """
        beat beats beating outperform outperforms outperformed soar soars soared soaring surge surges surged surging
        breakthrough upgrade upgrades upgraded skyrocket skyrockets
    """,
    1.8: """
        exceed exceeds exceeded exceeding raise raises raised raising upbeat bullish rally rallies rallied
        rise rises rose rising climb climbs climbed rebound rebounds rebounded jump jumps jumped expand expands expanded
        expansion accelerate accelerates accelerated buyback buybacks tailwind tailwinds approval
        approved approves turnaround oversubscribed outpace outpaces outpaced
    """,
    -1.8: """
        decline declines declined declining fall falls fell falling drop drops dropped shortfall slump slumps slumped
        downturn headwind headwinds layoffs layoff impairment impairments write-down write-downs writedown writedowns
        write-off write-offs restatement restate restates restated bearish underperform underperforms underperformed
        miss misses missed dilution dilutive probe probes investigation investigations recall recalls recalled lawsuit
        lawsuits litigation subpoena delist delisted delisting suspend suspends suspended slowdown deficit breach
        breaches cut cuts cutting tumble tumbles tumbled slide slides slid sink sinks sank shrink shrinks shrank
    """,
    -2.6: """
        plunge plunges plunged plunging plummet plummets plummeted downgrade downgrades downgraded default defaults
        defaulted bankruptcy insolvency insolvent bankrupt fraud collapse collapses collapsed profit-warning warn warns
        warned warning going-concern misconduct
    """,
    # Words of the trade that mean no praise and no blame.
    0.0: """
        share shares shared interest interests gross debt debts liability liabilities trust trusts energy security
        securities united fair crude vice alert care value top limited play active champion challenge risk risks natural
        credit credits matter please well like fine gold demand sharing
    """,
}
FINANCE = {word: valence for valence, words in _BY_VALENCE.items() for word in words.split()}


def model_version() -> str:
    """Version of the model: that of VADER, and the edition of our words."""
    return f"{version('vaderSentiment')}+finance.{EDITION}"


def tones(titles: Sequence[str], summaries: Sequence[str | None]) -> npt.NDArray[np.float64]:
    """Judge the tone of articles by their headlines and summaries.

    Parameters
    ----------
    titles, summaries : sequences of n texts
        English; a summary may be missing.

    Returns
    -------
    ndarray of shape (n,), from -1 (bad) to 1 (good)
        VADER's compound score of both together; 0 for a text without a word that it knows.
    """
    judge = _judge()
    texts = (f"{title}. {summary or ''}" for title, summary in zip(titles, summaries, strict=True))
    return np.array([judge.polarity_scores(text)["compound"] for text in texts], dtype=np.float64)


@lru_cache(maxsize=1)
def _judge() -> "SentimentIntensityAnalyzer":
    # Imported here: reading its lexicon takes a while, and most runs judge nothing.
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    judge = SentimentIntensityAnalyzer()
    judge.lexicon.update(FINANCE)
    return judge
