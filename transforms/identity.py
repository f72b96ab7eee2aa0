"""Which instrument a symbol means, and when: tickers change, and are given out again."""

import datetime as dt
from collections.abc import Iterator
from itertools import groupby, pairwise
from operator import itemgetter

import pandas as pd

DAY = dt.timedelta(days=1)
BEGINNING = dt.date(1900, 1, 1)
ALIAS_TYPES = {
    "source_symbol": "string", "valid_from_date": "datetime64[s]", "valid_to_date": "datetime64[s]",
    "instrument_id": "string", "ticker": "string",
}  # fmt: skip


def known_identities(records: pd.DataFrame, *, known: pd.DataFrame, events: pd.DataFrame) -> list[str | None]:
    """Find the instruments that are known already among those that a source lists today.

    Parameters
    ----------
    records : DataFrame of shape (n_records, n_columns)
        Columns source_symbol, stable_id, listed_date: what the source lists.
    known : DataFrame
        Columns source_symbol, stable_id, instrument_id, listed_date, delisted_date; of several of one symbol the one
        that counts before the others first.
    events : DataFrame
        Columns source_symbol, former_symbol, changed_date: what was called `former_symbol` is called `source_symbol`
        from that day on.

    Returns
    -------
    list of n_records ids, None for an instrument that is new

    Notes
    -----
    The same stable id is the same instrument. Else a symbol means what it meant, unless the record was listed after
    that was delisted or renamed: then the ticker was given out again. Else a symbol means what its former symbol meant.
    """
    by_stable_id: dict[str, str] = {}
    owners: dict[str, list[tuple[dt.date, dt.date | None, str]]] = {}
    for symbol, stable_id, identity, listed, delisted in _rows(
        known, "source_symbol", "stable_id", "instrument_id", "listed_date", "delisted_date"
    ):
        if stable_id is not None:
            by_stable_id.setdefault(stable_id, identity)
        owners.setdefault(symbol, []).append((listed or BEGINNING, delisted, identity))
    in_turn = sorted(_rows(events, "source_symbol", "former_symbol", "changed_date"), key=lambda event: event[2])
    former = {symbol: (before, changed) for symbol, before, changed in in_turn}
    given_up = {before: changed for _, before, changed in in_turn}

    def identity_of(symbol: str, stable_id: str | None, listed: dt.date | None) -> str | None:
        if stable_id in by_stable_id:
            return by_stable_id[stable_id]
        since, delisted, owner = max(
            owners.get(symbol, ()), key=lambda known: known[0], default=(BEGINNING, None, None)
        )
        if owner is not None:
            renamed = given_up.get(symbol, since)
            ends = [end for end in (delisted, renamed if renamed > since else None) if end is not None]
            return None if listed is not None and any(listed > end for end in ends) else owner
        before, changed = former.get(symbol, (None, BEGINNING))
        earlier = [known for known in owners.get(before or "", ()) if known[0] < changed]
        return max(earlier, key=lambda known: known[0])[2] if earlier else None

    return [identity_of(*row) for row in _rows(records, "source_symbol", "stable_id", "listed_date")]


def alias_periods(owners: pd.DataFrame, *, events: pd.DataFrame) -> pd.DataFrame:
    """Say which instrument each symbol meant when.

    Parameters
    ----------
    owners : DataFrame
        Columns source_symbol, instrument_id, ticker, listed_date, delisted_date: every instrument that ever had a
        symbol, each pair once.
    events : DataFrame
        As for `known_identities`.

    Returns
    -------
    DataFrame with the columns of ALIAS_TYPES
        Periods of one symbol do not overlap; both ends are included, valid_to_date is missing while it lasts. The first
        owner has had its symbol since ever (sources tell the past under the name of today), a later one since it was
        listed; a symbol that was given up ends on the day before the change.
    """
    named = sorted(
        _rows(owners, "source_symbol", "instrument_id", "ticker", "listed_date", "delisted_date"),
        key=lambda row: (row[0], row[3] or BEGINNING, row[1]),
    )
    periods = [period for _, one in groupby(named, key=itemgetter(0)) for period in _in_turn(list(one))]
    for symbol, before, changed in _rows(events, "source_symbol", "former_symbol", "changed_date"):
        owner = next((p for p in periods if p["source_symbol"] == symbol and _covers(p, changed)), None)
        if owner is not None:
            _give_up(periods, before, owner["instrument_id"], changed)
    made = pd.DataFrame(periods, columns=list(ALIAS_TYPES), dtype=object).astype(ALIAS_TYPES)
    return made.sort_values(["source_symbol", "valid_from_date"], ignore_index=True)


def _in_turn(rows: list[tuple]) -> list[dict[str, object]]:  # type: ignore[type-arg]
    """Return the periods of one symbol's owners, who come in the order of their listing, one after the other."""
    begins = [BEGINNING]
    for earlier, later in pairwise(rows):
        begins.append(later[3] or (earlier[4] or BEGINNING) + DAY)
    ends = [begin - DAY for begin in begins[1:]] + [None]
    return [
        {
            "source_symbol": row[0], "valid_from_date": begin, "valid_to_date": end, "instrument_id": row[1],
            "ticker": row[2],
        }
        for row, begin, end in zip(rows, begins, ends, strict=True)
    ]  # fmt: skip


def _give_up(periods: list[dict[str, object]], symbol: str, identity: object, changed: dt.date) -> None:
    """End a former symbol's period on the day before the change; add it where nobody has told of it."""
    last = changed - DAY
    own = [period for period in periods if period["source_symbol"] == symbol]
    standing = next((period for period in own if _covers(period, last)), None)
    if standing is None:
        ended = [period["valid_to_date"] for period in own if period["valid_to_date"] is not None]
        begin = max((end + DAY for end in ended if end < changed), default=BEGINNING)  # type: ignore[operator]
        periods.append(
            {
                "source_symbol": symbol, "valid_from_date": begin, "valid_to_date": last, "instrument_id": identity,
                "ticker": symbol,
            }
        )  # fmt: skip
    elif standing["instrument_id"] == identity:
        standing["valid_to_date"] = last


def _covers(period: dict[str, object], day: dt.date) -> bool:
    begin, end = period["valid_from_date"], period["valid_to_date"]
    return begin <= day and (end is None or day <= end)  # type: ignore[operator]


def _rows(frame: pd.DataFrame, *columns: str) -> Iterator[tuple]:  # type: ignore[type-arg]
    """Yield rows with None for what is missing, and dates as dates."""
    for row in frame[list(columns)].astype(object).itertuples(index=False, name=None):
        yield tuple(_plain(value) for value in row)


def _plain(value: object) -> object:
    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return None
    return value.date() if isinstance(value, dt.datetime) else value
