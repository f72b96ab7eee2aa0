"""The pages that people look at: what they show, what they refuse, and that nothing comes from elsewhere."""

import doctest
import re
import time
from html.parser import HTMLParser

import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.dashboard import numbers, pages, words
from tests.api.conftest import fill, settings_for
from warehouse.connect import connect

HTML = {"Accept": "text/html"}
ADDRESSES = ("src", "href", "action", "hx-get", "data-url", "data-href")
PAGES = (
    "/ui/rankings",
    "/ui/rankings?profile=aggressive&sector=&as_of=",
    "/ui/rankings?as_of=2024-06-24&sector=Energy&limit=1",
    "/ui/rankings/ACME/explanation",
    "/ui/instruments/ACME",
    "/ui/instruments/NEW",
    "/ui/instruments/GONE?profile=conservative",
    "/ui/backtests",
    "/ui/backtests/b_one",
    "/ui/backtests/b_two",
    "/ui/index",
    "/ui/index?index=empty",
    "/ui/strategies",
    "/ui/strategies?strategy=macd_rsi",
    "/ui/data",
    "/ui/search",
    "/ui/search?q=ac",
    "/ui/search?q=nobody",
)


class Text(HTMLParser):
    """Words of a page, its addresses, and whatever would run or style inside of it."""

    def __init__(self, page):
        super().__init__()
        self.words, self.addresses, self.inline, self.ids, self._open = [], [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.addresses += [
            given[name] for name in ("src", "href", "action", "hx-get", "data-url", "data-href") if name in given
        ]
        self.inline += [name for name in given if name.startswith("on") or name in ("style", "hx-on")]
        self.inline += [tag] * (tag == "style" or (tag == "script" and "src" not in given))
        self.ids += [given["id"]] if "id" in given else []

    def handle_data(self, data):
        self.words += data.split()

    @property
    def text(self):
        return " ".join(self.words)


def text_of(answer):
    assert answer.status_code == 200, answer.text
    return Text(answer.text).text


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_and_loads_nothing_but_our_own_files(client, path):
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    page = Text(answer.text)
    assert page.inline == []
    assert all(address.startswith(("/", "#", "?")) and not address.startswith("//") for address in page.addresses)
    assert len(page.ids) == len(set(page.ids))
    for address in {address.partition("?")[0] for address in page.addresses if address.startswith("/ui/assets/")}:
        assert client.get(address).status_code == 200


def test_every_page_leads_only_to_what_is_there(client):
    addresses = {a for path in PAGES for a in Text(client.get(path, headers=HTML).text).addresses}
    for address in sorted(address for address in addresses if address.startswith("/")):
        assert client.get(address).status_code == 200, address


def test_a_browser_at_the_root_is_led_to_the_ranking(client):
    answer = client.get("/", headers={"Accept": "text/html,application/xhtml+xml"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"], answer.headers["vary"]) == (303, "/ui/rankings", "Accept")


def test_the_ranking_shows_ranks_scores_and_what_each_group_adds(client):
    text = text_of(client.get("/ui/rankings", headers=HTML))
    assert "26 Jun 2024 · 14 ranked, 1 kept out by a risk limit" in text
    assert "1 ACME Acme Corporation Technology Hold 59.0 +9.0 0.0 0.0" in text
    assert "– META Meta Works Technology Hold 48.0 \N{MINUS SIGN}2.0" in text
    assert "Zeta & Sons" in text
    assert "A simulated market: none of these prices is real." in text
    energy = text_of(client.get("/ui/rankings?sector=Energy", headers=HTML))
    assert "ZETA" in energy
    assert "Acme Corporation" not in energy
    assert "Show the other 13" in text_of(client.get("/ui/rankings?limit=2", headers=HTML))


def test_a_profile_without_rankings_and_a_sector_without_members_say_so(client):
    assert "Rankings appear once the pipeline has run" in text_of(
        client.get("/ui/rankings?profile=aggressive", headers=HTML)
    )
    assert "No instrument of this sector was ranked" in text_of(client.get("/ui/rankings?sector=Nowhere", headers=HTML))


def test_an_explanation_adds_up_to_the_score(client):
    text = text_of(client.get("/ui/rankings/ACME/explanation", headers=HTML))
    assert "Lifted by forecast (+9.0); nothing holds it back." in text
    assert "Start 50.0 Forecast +9.0 Momentum 0.0" in text
    assert "Score 59.0" in text
    assert "technical says buy" in text
    assert "Momentum 252d 21d +1.5σ" in text


def test_an_instruments_page_holds_price_factors_signals_news_and_statements(client):
    text = text_of(client.get("/ui/instruments/ACME", headers=HTML))
    assert "ACME Acme Corporation Technology · USD" in text
    assert "Close 53.00 USD 26 Jun 2024 1 day +1.92%" in text  # 53 / 52 - 1, the suspect bar between left out
    assert "Momentum 252d 21d 50.0% +1.50" in text
    assert "Acme beats expectations" in text
    assert "Revenue 1.20 k" in text
    assert "RSI 14 50.0" in text
    renamed = client.get("/ui/instruments/METB", headers=HTML, follow_redirects=False)
    assert (renamed.status_code, renamed.headers["location"]) == (307, "/ui/instruments/META")


def test_backtests_stand_beside_their_benchmark(client):
    assert "Balanced 24 Jun 2024 26 Jun 2024" in text_of(client.get("/ui/backtests", headers=HTML))
    text = text_of(client.get("/ui/backtests/b_one", headers=HTML))
    assert "Sharpe 1.50 benchmark 0.50" in text
    assert "Cost bps 5" in text


def test_an_index_shows_level_constituents_and_risk(client):
    text = text_of(client.get("/ui/index", headers=HTML))
    assert "Level 105.00 100 at the base 1 day +5.00% benchmark +2.00%" in text
    assert "ACME Acme Corporation Technology 48.09% 50.00%" in text  # 0.5 x 106 of 0.5 x 106 + 5.2 x 11
    assert "Figure 1M 1Y 3Y All" in text
    assert "Sharpe 1.50 1.25 1.25 –" in text
    assert "Deflated Sharpe, 1 year 80.0% overfitting 40%" in text
    assert "Deflated Sharpe – 80.0% – – Overfitting – 40.0% – –" in text


def test_the_weightings_stand_beside_the_simple_ones_after_costs(client):
    text = text_of(client.get("/ui/index", headers=HTML))
    assert "Weightings after costs, the last year" in text
    assert "3 versions of rules on record, probability of overfitting 30%" in text
    assert "Main Equal (simple) – – 1.00 70%" in text


def test_a_strategy_shows_its_account_trades_signals_events_and_settings(client):
    text = text_of(client.get("/ui/strategies", headers=HTML))
    assert "Equity 909 USD, of 1.00 k" in text
    assert "Deflated Sharpe 20% of 1 tried Overfitting – of all strategies" in text
    assert "ACME 20 Jun 2024 24 Jun 2024 50.00 52.00 +3 +3.0% Signal It crossed." in text
    assert "ZETA 25 Jun 2024 26 Jun 2024 10.00 9.00 −1 −10.0% Stop loss" in text
    assert "25 Jun 2024 ACME Hold It has not crossed back." in text
    assert "26 Jun 2024 ZETA Warning: A position was closed by stop loss." in text
    assert "Max rsi 60.0 N 5" in text
    assert "switched off" not in text
    unknown = client.get("/ui/strategies?strategy=nope", headers=HTML)
    assert (unknown.status_code, "macd_rsi" in unknown.text) == (422, True)


def test_the_data_page_tells_freshness(client):
    text = text_of(client.get("/ui/data", headers=HTML))
    assert "Freshness Ok Prices go up to 2024-06-26." in text
    assert "fct_daily_prices 26 Jun 2024" in text


def test_search_finds_by_ticker_and_name(client):
    found = text_of(client.get("/ui/search?q=acm", headers=HTML))
    assert "ACME Acme Corporation" in found
    assert "Zeta & Sons" in text_of(client.get("/ui/search?q=SONS", headers=HTML))


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/ui/instruments/NOPE", 404, "No instrument has this ticker"),
        ("/ui/backtests/b_none", 404, "No backtest has this id"),
        ("/ui/rankings?as_of=2024-02-31", 400, "A parameter has a value that it cannot have"),
        ("/ui/rankings?as_of=now", 400, "A parameter has a value that it cannot have"),
        ("/ui/rankings?profile=reckless", 400, "A parameter has a value that it cannot have"),
        ("/ui/index?index=unheard_of", 422, "A filter names something that does not exist"),
        ("/ui/rankings?colour=red", 400, "The operation has no such parameter"),
        ("/ui/rankings?limit=0", 400, "A parameter has a value that it cannot have"),
        ("/ui/assets/../app.py", 404, "There is nothing at this address"),
        ("/ui/assets/pages.py", 404, "There is nothing at this address"),
    ],
)
def test_what_is_refused_is_said_on_a_page(client, path, status, words):
    answer = client.get(path, headers=HTML)
    assert answer.status_code == status
    if answer.headers["content-type"].startswith("text/html"):
        assert words in Text(answer.text).text
    else:
        assert answer.json()["title"] == words
    assert client.get(path).status_code == status  # and to programs as a problem


def test_what_others_wrote_cannot_become_markup(own):
    client, connection = own
    hostile = "<img src=x onerror=alert(1)>\"'&"
    connection.execute("update marts.dim_instruments set name = %s, sector = %s where ticker = 'ACME'", [hostile] * 2)
    connection.execute(
        "update marts.fct_news_articles set title = %s, url = 'javascript:alert(1)', publisher = %s", [hostile] * 2
    )
    for path in ("/ui/rankings", "/ui/instruments/ACME", "/ui/index", "/ui/search?q=acme", f"/ui/search?q={hostile}"):
        answer = client.get(path.replace("<", "%3C").replace("&", "%26"), headers=HTML)
        assert answer.status_code == 200
        assert "<img src=x" not in answer.text
        assert "javascript:" not in answer.text
        assert Text(answer.text).inline == []


def test_a_page_that_the_browser_has_is_not_sent_again_until_the_data_change(own):
    client, connection = own
    first = client.get("/ui/rankings", headers=HTML)
    assert first.headers["cache-control"] == "no-cache"
    held = HTML | {"If-None-Match": first.headers["etag"]}
    again = client.get("/ui/rankings", headers=held)
    assert again.status_code == 304
    assert "content-security-policy" not in again.headers  # else the browser would exchange the page's own for it
    assert client.get("/ui/rankings?profile=aggressive", headers=held).status_code == 200
    connection.execute("update app.dataset_versions set version = 'other' where dataset = 'research.rankings'")
    time.sleep(2.1)  # versions are held for two seconds
    assert client.get("/ui/rankings", headers=held).status_code == 200
    assert "immutable" in client.get("/ui/assets/dashboard.css").headers["cache-control"]


def test_before_the_first_run_each_page_says_what_will_be_there(database, tmp_path):
    fill(database.owner_url)
    with connect(database.url, autocommit=True) as connection:
        for table in ("research.rankings", "research.backtests", "research.index_values", "app.dataset_versions"):
            connection.execute(f"delete from {table}")
    with TestClient(create_app(settings_for(database.api_url, tmp_path))) as client:
        for path, words in (
            ("/ui/rankings", "Nothing is ranked here."),
            ("/ui/backtests", "No backtest has run yet."),
            ("/ui/index", "This index has no level yet."),
            ("/ui/data", "No table has been written yet."),
        ):
            assert words in text_of(client.get(path, headers=HTML))


def test_segments_of_a_bar_lie_beside_each_other_and_within_it(client):
    text = client.get("/ui/rankings", headers=HTML).text
    for x, width in re.findall(r'<rect class="g-\w+" x="([\d.]+)" y="1" width="([\d.]+)"', text):
        assert float(x) >= 0
        assert float(x) + float(width) <= 100.01
    assert re.search(r'class="g-forecast" x="50.0" y="1" width="50.0"', text)  # the largest fills its half


def test_examples_in_the_docstrings_hold():
    for module in (numbers, words):
        assert doctest.testmod(module).failed == 0
    assert set(pages.ASSETS) >= {"htmx.min.js", "uPlot.iife.min.js", "uPlot.min.css"}
