"""Which source counts where several hold the same fact."""

from collections.abc import Mapping, Sequence

import pandas as pd


def first_of_each(frames: Mapping[str, pd.DataFrame], *, key: Sequence[str]) -> pd.DataFrame:
    """Take each fact from the first source that has it.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        Facts by the name of their source, the best first; each in any order, every key once.
    key : sequence of str
        Columns that say which fact it is.

    Returns
    -------
    DataFrame
        The columns of the frames, and source; sorted by `key`, every key once.
    """
    named = [frame.assign(source=pd.Series(name, index=frame.index, dtype="str")) for name, frame in frames.items()]
    filled = [frame for frame in named if len(frame)]
    chosen = (
        pd.concat(filled, ignore_index=True).drop_duplicates(list(key)) if len(filled) > 1 else (filled or named)[0]
    )
    return chosen.sort_values(list(key), ignore_index=True)
