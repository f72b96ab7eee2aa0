"""The tone of headlines, held against what a reader would say."""

import numpy as np
import pytest

from models.sentiment import FINANCE, NAME, model_version, tones

GOOD = [
    "Acme beats expectations and raises its outlook",
    "Acme shares surge after upgrade",
    "Regulator approves Acme's merger",
    "Acme rebounds as orders rise",
]
BAD = [
    "Acme shares plunge after profit warning",
    "Acme misses expectations and cuts its outlook",
    "Analyst downgrades Acme",
    "Acme files for bankruptcy",
    "Acme announces layoffs and an impairment",
    "Acme is not profitable",
]
PLAIN = [
    "Acme names a new vice president",
    "Acme Trust to issue shares",
    "Acme to report gross interest on its liabilities",
    "United Energy Securities holds its annual meeting",
]


@pytest.mark.parametrize(("titles", "low", "high"), [(GOOD, 0.2, 1), (BAD, -1, -0.2), (PLAIN, -0.05, 0.05)])
def test_a_headline_sounds_as_a_reader_would_say(titles, low, high):
    got = dict(zip(titles, tones(titles, [None] * len(titles)), strict=True))
    assert {title: tone for title, tone in got.items() if not low <= tone <= high} == {}


def test_the_summary_counts_too():
    plain, good, bad = tones(
        ["Acme reports results"] * 3, [None, "Profit rose strongly.", "Orders fell and losses widened."]
    )
    assert bad < plain < good


def test_a_text_without_a_known_word_has_no_tone():
    assert tones(["", "qwerty"], ["", None]).tolist() == [0.0, 0.0]
    assert tones([], []).shape == (0,)


def test_the_same_words_sound_the_same():
    titles = GOOD + BAD
    np.testing.assert_array_equal(tones(titles, titles), tones(titles, titles))


def test_words_have_one_valence_each_within_the_rules_range():
    assert all(-4 <= valence <= 4 for valence in FINANCE.values())
    assert all(word == word.lower() for word in FINANCE)


def test_the_version_names_the_package_and_the_edition():
    assert NAME == "vader_finance"
    assert model_version() == "3.3.2+finance.1"
