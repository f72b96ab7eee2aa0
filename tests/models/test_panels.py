from datetime import date

import numpy as np
import pandas as pd
import pytest

from models.panels import as_days, day_starts, panel_index, rows_at, rows_between, rows_on

DAYS = np.array(["2024-01-03", "2024-01-02", "2024-01-03"], dtype="datetime64[D]")
INSTRUMENTS = pd.Series(["b", "b", "a"])


def test_index_is_sorted_by_day_and_instrument():
    index = panel_index(DAYS, INSTRUMENTS)
    assert [(day.date(), name) for day, name in index] == [
        (date(2024, 1, 2), "b"),
        (date(2024, 1, 3), "a"),
        (date(2024, 1, 3), "b"),
    ]
    assert index.names == ["as_of_date", "instrument_id"]


def test_repeated_key_is_refused_and_named():
    with pytest.raises(ValueError, match="1 repeated, first b on 2024-01-02"):
        panel_index(np.array(["2024-01-02"] * 2, dtype="datetime64[D]"), pd.Series(["b", "b"]))


def test_rows_are_found_by_key_and_absent_ones_marked():
    index = panel_index(DAYS, INSTRUMENTS)
    other_days = np.array(["2024-01-03", "2024-01-02", "2025-01-01"], dtype="datetime64[D]")
    assert rows_at(index, other_days, pd.Series(["b", "b", "c"])).tolist() == [1, -1, 0]


def test_repeated_key_among_those_sought_is_refused():
    index = panel_index(DAYS, INSTRUMENTS)
    with pytest.raises(ValueError, match="a on 2024-01-03"):
        rows_at(index, DAYS[[0, 2, 2]], pd.Series(["b", "a", "a"]))


def test_rows_are_chosen_by_whole_days():
    index = panel_index(DAYS, INSTRUMENTS)
    assert rows_on(index, as_days([date(2024, 1, 3)])).tolist() == [1, 2]
    assert rows_between(index, date(2024, 1, 1), date(2024, 1, 2)).tolist() == [0]


def test_day_starts_end_with_the_number_of_rows():
    index = panel_index(DAYS, INSTRUMENTS)
    assert day_starts(index).tolist() == [0, 1, 3]
    assert day_starts(index[:0]).tolist() == [0]


def test_rows_out_of_order_are_refused():
    with pytest.raises(ValueError, match="sorted by as_of_date"):
        day_starts(panel_index(DAYS, INSTRUMENTS)[::-1])


def test_days_are_read_from_dates_and_timestamps_alike():
    expected = ["2024-01-02"]
    assert as_days([date(2024, 1, 2)]).astype(str).tolist() == expected
    assert as_days(pd.Series([date(2024, 1, 2)])).astype(str).tolist() == expected
    assert as_days(pd.Series(pd.to_datetime(["2024-01-02"]))).astype(str).tolist() == expected


def test_an_empty_panel_finds_no_rows():
    empty = panel_index(DAYS[:0], INSTRUMENTS[:0])
    assert len(empty) == 0
    assert rows_at(empty, DAYS, INSTRUMENTS).size == 0
