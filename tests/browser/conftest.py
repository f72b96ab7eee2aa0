"""The filled warehouse of the API's tests, for a browser to look at."""

from tests.api.conftest import seeded_url

__all__ = ["seeded_url"]
