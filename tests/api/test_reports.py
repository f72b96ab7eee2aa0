"""The report of a backtest over HTTP: the page as it lies in the store, and never anything beside the store."""

import pytest

PAGE = "<!doctype html><title>Backtest</title><style>p { color: red }</style><p>Sharpe 1.5</p>"


@pytest.fixture
def report(own, tmp_path):
    """Ask for the report of b_one, which is said to lie somewhere."""
    client, connection = own
    store = tmp_path / "artifacts"
    (store / "backtests").mkdir(parents=True)
    (store / "backtests" / "b_one.html").write_text(PAGE)
    (tmp_path / "secret.html").write_text("secret")
    (store / "link.html").symlink_to(tmp_path / "secret.html")

    def ask(uri, backtest_id="b_one"):
        connection.execute("update research.backtests set report_uri = %s", [uri])
        return client.get(f"/v1/backtests/{backtest_id}/report")

    return ask


def test_the_page_comes_as_it_lies_there_and_may_do_nothing_but_look_as_it_does(report):
    answer = report("backtests/b_one.html")
    assert (answer.status_code, answer.text) == (200, PAGE)
    assert answer.headers["content-type"].startswith("text/html")
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {name for name, value in policy.items() if name.endswith("-src")} == {"default-src", "style-src"}
    assert "sandbox" in policy


@pytest.mark.parametrize(
    "uri",
    [
        None, "", ".", "backtests", "backtests/b_two.html", "../secret.html", "backtests/../../secret.html",
        "link.html", "/etc/passwd", "file:///etc/passwd", "backtests/b_one.html/x", "..\\secret.html",
    ],
)  # fmt: skip
def test_what_is_not_in_the_store_is_not_there(report, uri):
    answer = report(uri)
    assert (answer.status_code, answer.json()["code"]) == (404, "report-missing")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_backtest_that_nobody_knows_has_no_report(report):
    answer = report("backtests/b_one.html", "b_none")
    assert (answer.status_code, answer.json()["code"]) == (404, "backtest-unknown")
