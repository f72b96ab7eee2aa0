"""What time alone changes: whether a quote is stale, and so the tag of its answer."""

import datetime as dt

from litestar.testing import TestClient
from pydantic import SecretStr

from api.app import create_app
from warehouse.connect import API, with_role
from warehouse.settings import Settings


def tags(url: str, home, now: dt.datetime) -> dict[str, str]:
    """Tags of answers at an instant."""
    settings = Settings(home=home, api_database_url=SecretStr(url), now=now)
    with TestClient(create_app(settings)) as client:
        return {path: client.get(path).headers["etag"] for path in ("/v1/quotes/ACME", "/v1/history/ACME")}


def test_the_tag_of_a_quote_changes_when_its_life_is_over_and_that_of_a_history_does_not(seeded_url, tmp_path):
    url = with_role(seeded_url, API)
    noon = dt.datetime(2024, 6, 27, 12, tzinfo=dt.UTC)
    first, soon, later = (tags(url, tmp_path, noon + dt.timedelta(seconds=seconds)) for seconds in (0, 19, 20))
    assert first == soon
    assert first["/v1/quotes/ACME"] != later["/v1/quotes/ACME"]
    assert first["/v1/history/ACME"] == later["/v1/history/ACME"]
