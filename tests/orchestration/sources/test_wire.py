import datetime as dt

import pytest

from orchestration.sources.wire import (
    NotBelieved,
    count,
    currency,
    day,
    instant,
    maybe_day,
    moment,
    number,
    symbol,
    text,
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(1.5, 1.5), (3, 3.0), ("1.5", 1.5), ("1.12e+08", 112000000.0), (" 7 ", 7.0), ("-.5", -0.5), (0, 0.0), ("0", 0.0),
     (None, None), ("", None), ("NA", None), ("N/A", None)],
)  # fmt: skip
def test_a_number_is_a_number_also_as_text_and_zero_is_not_missing(given, expected):
    assert number(given) == expected


@pytest.mark.parametrize(
    "given", [True, "1_000", "0x1F", "１２", "nan", "Infinity", float("inf"), float("nan"), "1e999", {}, []]
)
def test_what_only_python_would_take_for_a_number_is_none(given):
    with pytest.raises(NotBelieved, match="must be a finite number"):
        number(given)


def test_fractions_of_shares_are_rounded_and_a_count_fits_its_column():
    assert (count(25933.6), count("1.12117471e+08"), count(None)) == (25934, 112117471, None)
    with pytest.raises(NotBelieved, match=r"below 2\*\*62"):
        count(2**62)


def test_days_are_read_strictly_and_may_be_missing_where_that_is_known():
    assert day("2024-06-03T00:00:00Z") == dt.date(2024, 6, 3)
    assert [maybe_day(given) for given in (None, "", "0000-00-00", "NA")] == [None] * 4
    for given in ("2024-13-01", "03/06/2024", 20240603, None, "２０２４-06-03"):
        with pytest.raises(NotBelieved, match="YYYY-MM-DD"):
            day(given)


def test_instants_come_in_three_units_and_need_a_zone_as_text():
    expected = dt.datetime(2024, 6, 3, 20, tzinfo=dt.UTC)
    assert instant(1717444800) == instant("1717444800000", per_second=1000) == expected
    assert moment("2024-06-03T16:00:00-04:00") == expected
    for given in (0, -5, None, 10**30):
        with pytest.raises(NotBelieved, match="time since 1970"):
            instant(given)
    with pytest.raises(NotBelieved, match="with its zone"):
        moment("2024-06-03T16:00:00")


def test_minor_units_of_currencies_are_a_hundredth_and_dollars_may_be_small_letters():
    assert [currency(code) for code in ("usd", "GBX", "GBp", "ZAC", "ILA", "SEK")] == [
        ("USD", 1.0), ("GBP", 100.0), ("GBP", 100.0), ("ZAR", 100.0), ("ILS", 100.0), ("SEK", 1.0),
    ]  # fmt: skip
    for given in ("", None, "US Dollar", 5, "ÄÖÜ"):
        with pytest.raises(NotBelieved, match="three letters"):
            currency(given)


def test_symbols_keep_their_case_and_texts_lose_their_nul():
    assert symbol("KIMpL") == "KIMpL"
    assert (text("a\x00b "), text(""), text(None)) == ("ab", None, None)
    for given in ("", "A B", "a\x00", None, 5, "x" * 41):
        with pytest.raises(NotBelieved, match="printable characters"):
            symbol(given)
