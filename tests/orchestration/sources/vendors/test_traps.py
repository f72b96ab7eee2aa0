"""The traps of the vendors' formats, and the test of each; the tests hold the bodies."""

import ast
from pathlib import Path

import pytest

TRAPS = {
    "massive": {
        "fields of a bar may be missing": "test_fields_that_may_be_missing_may_be_missing",
        "volumes are fractional or in scientific notation": (
            "test_numbers_in_scientific_notation_and_fractional_volumes_are_numbers"
        ),
        "a ticker's range is stamped with midnight in New York": (
            "test_the_range_of_a_ticker_is_dated_in_new_york_across_summer_time"
        ),
        "a market's day is stamped with the end of the session": "test_a_days_market_comes_in_one_request_as_traded",
        "days of currencies are days of UTC, also at weekends": "test_rates_are_of_days_of_utc_weekends_included",
        "tickers are case-sensitive": "test_instruments_keep_their_case_and_their_figi_through_a_renaming",
        "no results is a missing key or null": "test_a_session_without_results_is_no_session_without_trades",
        "404 is no holiday": "test_no_data_of_a_session_is_an_outage_and_no_holiday",
        "the next page comes without the key, on an old host": (
            "test_the_next_page_is_asked_with_the_key_again_on_the_vendors_old_host_too"
        ),
        "the next page may carry a port or an old key": (
            "test_a_default_port_and_an_old_key_in_the_next_address_are_no_obstacle"
        ),
        "the next page may be on anybody's host": "test_the_key_goes_to_no_other_host",
        "pages may go in a circle": "test_pages_that_go_in_a_circle_end_with_an_error_not_with_half_a_list",
        "a range may come in pages with another path": "test_a_range_may_come_in_pages_whose_path_is_another",
        "`count` is no count of rows": "test_news_carry_tickers_and_the_vendors_own_reading",
        "DELAYED and `success` are successes": "test_delayed_is_a_success",
        "snapshots are in nanoseconds; lastTrade may be absent, its conditions null": (
            "test_quotes_are_stamped_in_nanoseconds_and_take_the_trade_where_the_plan_has_it"
        ),
        "a snapshot's day is zeros before trading": "test_before_the_first_trade_a_zeroed_day_is_no_price",
        "the text of an error is under error or message": (
            "test_errors_are_told_by_the_body_before_the_status_and_not_asked_again"
        ),
        "a plan may not cover a day": "test_a_day_that_the_plan_does_not_cover_is_left_out_by_name",
        "429 says nothing of when": "test_too_many_requests_without_a_word_of_when_wait_a_whole_minute",
        "five a minute want twelve seconds between": "test_the_free_plan_keeps_twelve_seconds_between_requests",
        "dividends: amounts as declared and adjusted stand side by side": (
            "test_a_dividend_is_as_declared_not_adjusted_for_later_splits"
        ),
        "dividends: several on a day": "test_two_dividends_of_one_day_are_one_amount",
        "dividends: old rows without currency": (
            "test_an_old_dividend_without_id_or_currency_is_refused_for_want_of_the_currency"
        ),
        "splits: split_to is new": "test_a_split_is_new_for_old",
        "lists are sorted by ticker or by day": "test_events_between_two_sessions_belong_to_the_later_one",
        "statements: years are doubles, missing figures are absent": (
            "test_statements_are_put_together_from_three_lists_and_left_out_figures_are_missing"
        ),
        "a ticker is used again by another company": (
            "test_a_symbol_that_another_instrument_uses_today_is_refused_for_the_one_that_is_gone"
        ),
        "renamings: the first ticker is an event too": "test_a_companys_tickers_are_a_chain_of_renamings",
        "holidays are a bare list": "test_holidays_are_a_bare_list_for_each_exchange",
        "adjusted prices come by default": "test_adjusted_prices_where_traded_ones_were_asked_for_are_refused",
    },
    "twelve_data": {
        "numbers are text": "test_numbers_are_text_and_prices_as_traded",
        "one symbol is not keyed, several are": "test_one_quote_comes_bare_and_several_are_keyed",
        "one of several may be an error": "test_a_symbol_that_failed_among_several_leaves_the_others",
        "the end is exclusive or not": "test_the_end_of_a_range_may_be_part_of_it_or_not",
        "no data is an error of 400": "test_no_data_on_the_dates_is_no_error",
        "errors come with status 200": "test_errors_are_told_by_the_body_whatever_the_status",
        "404 may carry meta": "test_a_symbol_that_is_not_known_is_left_out_by_name_and_the_others_are_kept",
        "429 of the minute": "test_without_credits_the_next_minute_is_waited_for",
        "429 of the day": "test_without_credits_for_the_day_nothing_is_asked_before_midnight_of_utc",
        "what is left stands in a header": "test_the_header_says_what_is_left_of_the_minute",
        "requests cost credits": "test_a_request_that_costs_more_than_the_plan_has_is_never_sent",
        "a page of the network in place of JSON": "test_what_is_no_json_is_asked_again",
        "rows come twice": "test_a_row_that_comes_twice_counts_where_both_agree",
        "thirty rows by default": "test_as_many_rows_are_asked_for_as_there_can_be",
        "the same ticker on another venue": "test_bars_of_the_same_ticker_elsewhere_are_refused",
        "always send the venue": "test_a_symbol_is_asked_for_on_its_own_venue",
        "older bodies lack the venue": "test_an_older_answer_without_a_venue_will_do",
        "a currency may be empty": "test_a_missing_currency_is_not_made_up",
        "pairs have names in place of a currency": "test_pairs_of_currencies_have_no_currency_zone_or_volume",
        "ratio is the factor of the price": "test_a_split_is_from_for_to_and_its_ratio_the_prices",
        "a dividend has an ex-date alone": "test_a_dividend_has_an_ex_date_alone",
        "a statement's year may be off by one": "test_statements_are_nested_and_their_year_label_is_left_alone",
        "a receipt's statements are in another currency": "test_statements_in_two_currencies_are_not_put_together",
        "instants with an offset or in UTC": "test_press_releases_come_with_an_offset_or_in_utc",
        "a sentence in place of an ISIN": "test_an_add_on_in_place_of_an_isin_is_no_isin",
        "pence": "test_prices_in_pence_become_pounds",
    },
    "eodhd": {
        "prices as traded beside adjusted volumes": ("test_volumes_are_given_back_in_the_shares_of_their_own_day"),
        "a whole exchange's volumes are adjusted too": (
            "test_volumes_of_a_whole_exchange_are_given_back_in_the_shares_of_their_own_day"
        ),
        "a warning among rows": "test_the_warning_of_the_free_plan_is_no_bar",
        "a warning alone": "test_the_warning_may_stand_alone",
        "an empty list may be an object": "test_an_empty_list_may_be_an_object",
        "lists keyed by numbers": "test_a_list_may_be_an_object_with_numbers_for_keys",
        "codes that are in no list, and no volume": ("test_a_whole_exchange_comes_in_one_request_of_a_hundred_calls"),
        "pence": "test_pence_become_pounds",
        "no ISIN": "test_a_listing_without_an_isin_is_a_listing_and_a_name_used_again_is_refused",
        "dividends: unadjusted value, empty dates": "test_a_dividend_is_as_declared_and_empty_dates_are_missing",
        "dividends of an exchange: adjusted or not is not said": (
            "test_splits_and_dividends_of_a_whole_exchange_come_by_day"
        ),
        "splits as text, new over old": "test_a_split_is_new_over_old",
        "one quote is an object": "test_one_quote_is_an_object_and_several_are_a_list",
        "NA in one field or in all": "test_na_is_nothing_whether_in_one_field_or_in_all",
        "statements are text; filing days of old ones are none": (
            "test_statements_are_text_their_filing_day_counts_and_an_old_ones_does_not"
        ),
        "parts absent, {} or []": "test_parts_that_are_absent_are_nothing",
        "zero for what a bank has not": "test_zeros_that_stand_for_what_a_bank_has_not_are_never_read",
        "EUR.FOREX is the other direction": "test_the_euro_is_asked_for_as_a_pair_and_dated_in_utc",
        "holidays: list or object": "test_holidays_are_a_list_or_an_object_with_numbers_for_keys",
        "news without id, sentiment null": "test_news_without_sentiment_are_news_and_their_address_is_their_id",
        "401 in plain text": "test_a_text_in_place_of_json_is_told_by_its_status",
        "403 for a bad key": "test_errors_are_told_apart",
        "402 is the day, 502 a moment": "test_402_is_the_end_of_the_day_and_html_with_502_a_moment",
        "429 with and without Retry-After": "test_429_is_the_minute_and_says_sometimes_how_long",
        "what is left stands in a header": "test_the_header_says_what_is_left_of_the_minute",
        "the key is in the address": "test_the_key_travels_in_the_address_and_no_message_shows_it",
    },
    "yahoo": {
        "a bar's day is that of its exchange": "test_a_morning_in_sydney_is_not_the_evening_before_in_utc",
        "gmtoffset is constant across summer time": (
            "test_summer_time_begins_within_a_range_and_the_offset_that_is_told_stays_the_same"
        ),
        "the end is exclusive": "test_the_end_of_a_range_is_exclusive_so_more_is_asked_for",
        "the last row is a trade": "test_the_trade_that_stands_in_place_of_todays_bar_is_refused",
        "the last day comes twice": "test_the_last_day_may_come_twice_and_counts_where_both_agree",
        "months where days were asked for": "test_months_where_days_were_asked_for_are_refused",
        "entries and columns are missing": "test_entries_and_whole_columns_may_be_missing",
        "columns of other lengths": ("test_columns_of_other_lengths_are_refused_for_nobody_knows_what_belongs_to_what"),
        "no stamps at all": "test_an_answer_without_stamps_is_empty",
        "prices are adjusted for splits": "test_a_bar_is_of_the_day_of_its_exchange_and_adjusted_for_splits",
        "dividends are divided by splits; an event's key may be another day": (
            "test_a_split_is_numerator_for_denominator_and_a_dividend_is_given_back_as_declared"
        ),
        "single precision, pence": "test_the_noise_of_single_precision_is_rounded_away_and_pence_become_pounds",
        "a cookie and a crumb; unknown symbols left out": (
            "test_quotes_carry_a_crumb_that_belongs_to_a_cookie_and_unknown_symbols_are_left_out"
        ),
        "a crumb grows old": "test_a_crumb_that_is_not_taken_any_longer_is_renewed_once",
        "a page or an error in place of a crumb": "test_what_is_no_crumb_is_not_used_as_one",
        "figures: null, {}, zero without text, another currency": (
            "test_statements_are_put_together_out_of_a_list_for_each_figure"
        ),
        "404 in the body": "test_an_unknown_symbol_is_left_out_by_name",
        "400 and 422 of a range": "test_an_out_of_range_period_is_a_bad_request_of_one_symbol",
        "429 in plain text": "test_too_many_requests_is_an_hour_of_silence",
        "a page with status 200": "test_a_page_in_place_of_an_answer_is_asked_again",
        "off by default": "test_it_is_off_unless_somebody_says_that_the_use_is_personal",
        "currencies trade in London": "test_currencies_trade_in_london_time",
    },
    "nordnet": {
        "login by challenge": "test_the_login_signs_the_challenge_and_the_session_stands_in_the_header",
        "sessions end": "test_a_session_is_used_again_and_renewed_before_it_ends",
        "pages by offset; prices as pairs; text for a number": (
            "test_the_list_is_followed_by_offset_and_prices_are_in_milliseconds"
        ),
        "new and absent fields": "test_instruments_have_what_is_told_and_new_fields_are_no_obstacle",
        "204 without a body": "test_no_content_is_nothing",
        "a lost session": "test_a_lost_session_is_a_matter_of_the_key",
        "429 ten seconds, 503 with Retry-After": ("test_too_many_requests_wait_ten_seconds_and_503_as_long_as_it_says"),
        "no history": "test_it_has_instruments_and_quotes_and_no_history",
    },
}


@pytest.mark.parametrize("vendor", TRAPS)
def test_each_trap_has_its_test(vendor: str):
    files = Path(__file__).parent.glob(f"test_{vendor}*.py")
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text())))
    there = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    assert {trap: name for trap, name in TRAPS[vendor].items() if name not in there} == {}
