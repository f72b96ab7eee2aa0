"""What is written about companies, newest first."""


def ids(answer):
    return [row["article_id"] for row in answer.json()["data"]]


def test_news_come_newest_first_and_page_without_gap_or_repeat(client):
    whole = client.get("/v1/news")
    assert ids(whole) == ["n4", "n3", "n2", "n1"]
    seen, cursor = [], None
    while True:
        page = client.get("/v1/news", params={"limit": 1} | ({"cursor": cursor} if cursor else {}))
        seen += ids(page)
        cursor = page.json()["next"]
        if cursor is None:
            break
    assert seen == ids(whole)


def test_news_of_an_instrument_name_all_that_they_are_about(client):
    answer = client.get("/v1/news?ticker=acme")
    assert [(row["article_id"], row["tickers"]) for row in answer.json()["data"]] == [
        ("n2", ["ACME", "META"]), ("n1", ["ACME"]),
    ]  # fmt: skip
    assert answer.json()["meta"]["instrument_id"] == "i_acme"


def test_a_former_ticker_leads_to_the_news_of_its_instrument(client):
    assert ids(client.get("/v1/news?ticker=METB")) == ["n4", "n2"]


def test_the_sources_own_word_goes_before_a_models(client):
    rows = {row["article_id"]: row for row in client.get("/v1/news").json()["data"]}
    assert [(rows[n]["sentiment"], rows[n]["sentiment_by"]) for n in ("n1", "n2", "n4")] == [
        (0.5, "vader_finance"), (None, None), (-0.9, "wire"),
    ]  # fmt: skip
    assert rows["n4"]["sentiment_version"] == "as_given"


def test_days_are_those_of_utc_with_both_ends(client):
    assert ids(client.get("/v1/news?start=2024-06-25&end=2024-06-26")) == ["n4", "n3", "n2"]
    assert ids(client.get("/v1/news?end=2024-06-24")) == ["n1"]
    assert client.get("/v1/news?start=2024-06-26&end=2024-06-25").status_code == 422


def test_an_unknown_ticker_is_404_and_an_answer_that_the_client_has_304(client):
    assert client.get("/v1/news?ticker=NOPE").status_code == 404
    first = client.get("/v1/news?ticker=ACME")
    again = client.get("/v1/news?ticker=ACME", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
