import numpy as np

from orchestration.sources.simulated.universe import SECTORS, companies, company_name, ticker

TEN_YEARS = 2520


def test_tickers_are_unique_and_five_letters():
    tickers = [ticker(company) for company in range(20_000)]
    assert len(set(tickers)) == 20_000
    assert all(len(t) == 5 and t.isalpha() and t.isupper() for t in tickers)


def test_names_say_that_they_are_simulated():
    assert company_name(84, "Utilities") == "Simulated Utilities 0042"
    assert company_name(85, "Utilities") == "Simulated Utilities 10042"


def test_a_company_is_the_same_in_a_small_and_in_a_large_market():
    few = companies(1, 0, 10, n_sessions=TEN_YEARS)
    many = companies(1, 0, 200, n_sessions=TEN_YEARS)
    shared = np.isin(many.ids, few.ids)
    assert (many.beta[shared] == few.beta).all()
    assert (many.listed[shared] == few.listed).all()


def test_all_eleven_sectors_have_companies():
    assert set(companies(1, 0, 300, n_sessions=1).sector) == set(range(len(SECTORS)))


def test_one_to_two_in_a_hundred_companies_are_delisted_a_year():
    members = companies(1, 0, 4000, n_sessions=1)
    share = (members.last < TEN_YEARS).mean() / 10
    # 1 - exp(-0.015 x 9.76 years) = 0.136 in ten years: 60 sessions pass before the first.
    assert abs(share - 0.0136) < 0.002


def test_about_two_in_a_hundred_slots_list_a_new_company_a_year():
    members = companies(1, 0, 4000, n_sessions=TEN_YEARS)
    new = (members.ids % 2 == 1).sum()
    # 1 - exp(-10 / 50) = 0.181.
    assert abs(new / 4000 - 0.181) < 0.02
