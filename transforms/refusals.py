"""Sort records into accepted and refused ones; each record leaves by exactly one door."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]

CONFLICTING_DUPLICATE = "conflicting_duplicate"


@dataclass(frozen=True)
class Rule:
    """One hard rule over a whole frame.

    Attributes
    ----------
    name : str
        As stored in `raw.quarantine.rule`.
    broken : ndarray of bool, shape (n_records,)
    must_hold : str
        What must hold, the beginning of the sentence in `detail`.
    given : tuple of str
        Columns whose values complete the sentence.
    """

    name: str
    broken: Flags
    must_hold: str
    given: tuple[str, ...]


@dataclass(frozen=True)
class Checked:
    """What came out at the door; the three parts add up to what was received.

    Attributes
    ----------
    accepted : DataFrame
        The received columns and index labels, in the order received.
    refused : DataFrame
        The same columns and `rule` and `detail`, one row per refused record.
    n_exact_duplicates : int
        Records equal to an earlier one in every column; only the first of them was looked at.
    """

    accepted: pd.DataFrame
    refused: pd.DataFrame
    n_exact_duplicates: int


def separate(records: pd.DataFrame, rules: Sequence[Rule], *, key: Sequence[str]) -> Checked:
    """Apply hard rules to a frame, all rows at once.

    Parameters
    ----------
    records : DataFrame of shape (n_records, n_columns)
    rules : sequence of Rule
        In order of precedence: a record is refused by the first rule that it breaks.
    key : sequence of str
        Columns that identify a record. Different records with one key are all refused
        (`conflicting_duplicate`): nothing says which of them is right.

    Returns
    -------
    Checked

    Notes
    -----
    Missing values equal each other, in keys and in the search for exact duplicates.
    """
    is_repeated, shares_key = _duplicates(records, key)
    which = np.full(len(records), -1)
    which[shares_key] = len(rules)
    for position in reversed(range(len(rules))):
        which[rules[position].broken] = position
    conflict = Rule(
        CONFLICTING_DUPLICATE,
        shares_key,
        f"one record per {', '.join(key)}; got several that differ, this one with",
        tuple(str(column) for column in records.columns if column not in key),
    )
    return Checked(
        accepted=records[(which < 0) & ~is_repeated],
        refused=_with_reasons(records, [*rules, conflict], which, ~is_repeated),
        n_exact_duplicates=int(is_repeated.sum()),
    )


def column_codes(values: pd.Series) -> tuple[Codes, int]:
    """Number the distinct values of a column from 0; missing ones count as one value."""
    try:
        codes, uniques = pd.factorize(values, use_na_sentinel=False)
    except TypeError:
        # Dicts and lists (an instrument's metadata) have no hash, but they have a text.
        codes, uniques = pd.factorize(values.map(repr), use_na_sentinel=False)
    return codes.astype(np.int64), len(uniques)


def key_codes(records: pd.DataFrame, key: Sequence[str]) -> Codes:
    """Number the distinct keys of a frame; shape (n_records,), equal keys share a number."""
    combined = np.zeros(len(records), dtype=np.int64)
    n_combined = 1
    for column in key:
        codes, n_codes = column_codes(records[column])
        combined = combined * n_codes + codes
        n_combined *= max(n_codes, 1)
        # Keep the product of the sizes inside 64 bits, however many columns there are.
        if n_combined > 2**40:
            combined, uniques = pd.factorize(combined)
            n_combined = len(uniques)
    return combined.astype(np.int64)


def _duplicates(records: pd.DataFrame, key: Sequence[str]) -> tuple[Flags, Flags]:
    """Find the repeated records, and the distinct ones that share a key."""
    is_repeated = np.zeros(len(records), dtype=bool)
    shares_key = np.zeros(len(records), dtype=bool)
    keys = pd.Series(key_codes(records, key))
    candidates = np.flatnonzero(keys.duplicated(keep=False))
    if len(candidates) > 0:
        among = records.iloc[candidates]
        repeated = _repeats_an_earlier_row(among)
        is_repeated[candidates] = repeated
        distinct = candidates[~repeated]
        shares_key[distinct] = keys.iloc[distinct].duplicated(keep=False).to_numpy()
    return is_repeated, shares_key


def _repeats_an_earlier_row(records: pd.DataFrame) -> Flags:
    """Flag rows equal to an earlier row; shape (n_records,)."""
    all_columns = [str(column) for column in records.columns]
    return pd.Series(key_codes(records, all_columns)).duplicated().to_numpy()


def _with_reasons(
    records: pd.DataFrame, rules: Sequence[Rule], which: npt.NDArray[np.int64], looked_at: Flags
) -> pd.DataFrame:
    """Give the refused records with the name of the rule and a sentence."""
    rows = np.flatnonzero((which >= 0) & looked_at)
    refused = records.iloc[rows]
    names = np.array([rule.name for rule in rules], dtype=object)[which[rows]]
    details = np.empty(len(rows), dtype=object)
    for position in np.unique(which[rows]):
        rule = rules[position]
        here = np.flatnonzero(which[rows] == position)
        given = [refused[column].iloc[here] for column in rule.given]
        details[here] = [f"{rule.must_hold}; got {_listed(rule.given, values)}." for values in zip(*given, strict=True)]
    return refused.assign(
        rule=pd.Series(names, index=refused.index, dtype=object),
        detail=pd.Series(details, index=refused.index, dtype=object),
    )


def _listed(columns: Sequence[str], values: Sequence[object]) -> str:
    return ", ".join(
        f"{column} {'null' if pd.isna(value) else value}"  # type: ignore[call-overload]  # scalars of any kind
        for column, value in zip(columns, values, strict=True)
    )
