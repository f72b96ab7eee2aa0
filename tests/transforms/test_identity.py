"""Tickers change, and are given out again; instruments stay what they are."""

import datetime as dt

import pandas as pd

from transforms.identity import BEGINNING, alias_periods, known_identities

KNOWN = ["source_symbol", "stable_id", "instrument_id", "listed_date", "delisted_date"]
OWNERS = ["source_symbol", "instrument_id", "ticker", "listed_date", "delisted_date"]
EVENTS = ["source_symbol", "former_symbol", "changed_date"]
RECORDS = ["source_symbol", "stable_id", "listed_date"]
CHANGED = dt.date(2022, 6, 9)


def frame(columns, *rows):
    return pd.DataFrame([*rows], columns=columns, dtype=object)


def identities(*records, known=(), events=()):
    return known_identities(frame(RECORDS, *records), known=frame(KNOWN, *known), events=frame(EVENTS, *events))


def periods(*owners, events=()):
    made = alias_periods(frame(OWNERS, *owners), events=frame(EVENTS, *events))
    ends = [None if pd.isna(end) else end.date() for end in made["valid_to_date"]]
    return list(zip(made["source_symbol"], made["valid_from_date"].dt.date, ends, made["instrument_id"], strict=True))


def test_a_symbol_means_what_it_meant():
    assert identities(("FB", None, None), ("NEW", None, None), known=[("FB", None, "i1", None, None)]) == ["i1", None]


def test_a_stable_id_outlives_a_symbol():
    known = [("FB", "BBG1", "i1", None, None), ("META", "BBG2", "i2", None, None)]
    assert identities(("META", "BBG1", None), known=known) == ["i1"]


def test_a_renamed_instrument_keeps_its_id_by_the_event():
    known = [("FB", None, "i1", dt.date(2012, 5, 18), None)]
    assert identities(("META", None, None), known=known, events=[("META", "FB", CHANGED)]) == ["i1"]


def test_a_name_that_another_had_before_the_change_is_not_followed():
    # FB was listed after META's event: it is somebody else's by then.
    known = [("FB", None, "i9", dt.date(2023, 1, 3), None)]
    assert identities(("META", None, None), known=known, events=[("META", "FB", CHANGED)]) == [None]


def test_a_ticker_that_was_given_out_again_is_another_instrument():
    known = [("XYZ", None, "i1", dt.date(2010, 1, 4), dt.date(2019, 5, 1))]
    assert identities(("XYZ", None, dt.date(2021, 3, 1)), known=known) == [None]
    assert identities(("XYZ", None, dt.date(2010, 1, 4)), known=known) == ["i1"]
    both = [*known, ("XYZ", None, "i2", dt.date(2021, 3, 1), None)]
    assert identities(("XYZ", None, dt.date(2021, 3, 1)), known=both) == ["i2"]


def test_a_symbol_that_was_given_up_and_listed_anew_is_another_instrument():
    known = [("FB", None, "i1", dt.date(2012, 5, 18), None), ("META", None, "i1", dt.date(2012, 5, 18), None)]
    events = [("META", "FB", CHANGED)]
    assert identities(("FB", None, dt.date(2024, 2, 1)), known=known, events=events) == [None]
    assert identities(("FB", None, dt.date(2012, 5, 18)), known=known, events=events) == ["i1"]
    later = [*known, ("FB", None, "i2", dt.date(2024, 2, 1), None)]
    assert identities(("FB", None, dt.date(2024, 2, 1)), known=later, events=events) == ["i2"]


def test_one_owner_has_had_its_symbol_since_ever():
    assert periods(("A", "i1", "A", dt.date(2015, 1, 2), None)) == [("A", BEGINNING, None, "i1")]


def test_a_renaming_ends_the_former_symbol_and_the_new_one_tells_the_past_too():
    owners = [("FB", "i1", "FB", None, None), ("META", "i1", "META", None, None)]
    assert periods(*owners, events=[("META", "FB", CHANGED)]) == [
        ("FB", BEGINNING, dt.date(2022, 6, 8), "i1"),
        ("META", BEGINNING, None, "i1"),
    ]


def test_a_former_symbol_that_was_never_listed_is_added():
    assert periods(("META", "i1", "META", None, None), events=[("META", "FB", CHANGED)]) == [
        ("FB", BEGINNING, dt.date(2022, 6, 8), "i1"),
        ("META", BEGINNING, None, "i1"),
    ]


def test_a_symbol_that_was_given_up_and_out_again_has_two_periods():
    owners = [
        ("FB", "i1", "FB", dt.date(2012, 5, 18), None),
        ("FB", "i2", "FB", dt.date(2024, 2, 1), None),
        ("META", "i1", "META", None, None),
    ]
    assert periods(*owners, events=[("META", "FB", CHANGED)]) == [
        ("FB", BEGINNING, dt.date(2022, 6, 8), "i1"),
        ("FB", dt.date(2024, 2, 1), None, "i2"),
        ("META", BEGINNING, None, "i1"),
    ]


def test_a_delisted_ticker_that_was_given_out_again_changes_hands_on_the_listing():
    owners = [
        ("XYZ", "i2", "XYZ", dt.date(2021, 3, 1), None),
        ("XYZ", "i1", "XYZ", dt.date(2010, 1, 4), dt.date(2019, 5, 1)),
    ]
    assert periods(*owners) == [
        ("XYZ", BEGINNING, dt.date(2021, 2, 28), "i1"),
        ("XYZ", dt.date(2021, 3, 1), None, "i2"),
    ]


def test_without_instruments_there_are_no_periods():
    assert periods() == []
