"""How the reasons of a forecast come to stand beside the ranks that it goes into."""

import numpy as np
import pandas as pd
import pytest

from orchestration.defs.rankings.assets import KEY, as_rows, rank, reasons_of, write_rankings
from tests.orchestration.defs.conftest import WarehouseOfTest
from transforms.profiles import PROFILES
from warehouse.queries import research as queries

OLD, NEW = pd.Timestamp("2024-06-27"), pd.Timestamp("2024-06-28")


@pytest.fixture
def exposures() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    keys = pd.MultiIndex.from_product([[OLD, NEW], list("abcde")], names=["as_of_date", "instrument_id"])
    return keys.to_frame(index=False).assign(
        momentum_252d_21d_z=rng.normal(size=10), forecast=rng.random(10), model_version_id="v"
    )


@pytest.fixture
def ranked(exposures: pd.DataFrame) -> pd.DataFrame:
    return rank(exposures, PROFILES["balanced"])


@pytest.fixture
def explained() -> pd.DataFrame:
    keys = pd.DataFrame({"as_of_date": [NEW, OLD], "instrument_id": ["d", "d"]})
    lists = {"reasons": [["f raises it"], ["g"]], "reason_features": [["f"], ["g"]], "reason_sizes": [[0.5], [-0.1]]}
    return keys.join(pd.DataFrame(lists, dtype=object))


def test_reasons_stand_beside_the_ranks_they_belong_to(ranked, explained):
    rows = {
        (row["as_of_date"], row["instrument_id"]): row
        for row in as_rows(ranked, reasons_of(ranked, explained)).to_pylist()
    }
    assert rows[NEW, "d"]["reasons"] == ["f raises it"]
    assert (rows[NEW, "d"]["reason_features"], rows[OLD, "d"]["reason_sizes"]) == (["f"], [-0.1])
    assert rows[NEW, "a"]["reasons"] == rows[NEW, "a"]["reason_sizes"] == []
    nothing = as_rows(ranked, reasons_of(ranked, explained.iloc[:0])).to_pylist()
    assert all(row["reasons"] == [] for row in nothing)


def test_older_sessions_forget_their_reasons_and_keep_their_ranks(database, ranked, explained):
    warehouse = WarehouseOfTest(address=database.url)
    days = (OLD.date(), NEW.date())
    write_rankings(warehouse, iter([as_rows(ranked, reasons_of(ranked, explained))]), *days)
    with warehouse.connection() as connection:
        connection.execute(queries.FORGET_REASONS_BEFORE, [NEW.date()])
        found = connection.execute(
            f"select {', '.join(KEY)}, reasons, rank from research.rankings where instrument_id = 'd' order by 2"
        ).fetchall()
    assert [row[2] for row in found] == [[], ["f raises it"]]
    assert all(row[3] is not None for row in found)
    # What is written again without its reasons is what stands there.
    recent = explained[explained["as_of_date"] == NEW]
    assert not write_rankings(warehouse, iter([as_rows(ranked, reasons_of(ranked, recent))]), *days).changed


def test_reasons_find_their_rows_in_whatever_order_these_came(exposures, explained):
    mixed = exposures.sample(frac=1, random_state=2, ignore_index=True)
    rows = as_rows(rank(mixed, PROFILES["balanced"]), reasons_of(mixed, explained)).to_pylist()
    assert {(row["as_of_date"], row["instrument_id"]) for row in rows if row["reasons"]} == {(NEW, "d"), (OLD, "d")}
    with pytest.raises(pd.errors.MergeError):
        reasons_of(exposures, pd.concat([explained, explained]))
