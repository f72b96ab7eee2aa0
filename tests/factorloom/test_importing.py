"""What `factorloom import` prints: the counts, an example of each refusal, and what to do next."""

import datetime as dt

from rich.console import Console

from factorloom.importing import next_step, table_of
from orchestration.ingestion import Ingested
from warehouse.merge import MergeResult


def ingested(written: MergeResult, **refused: int) -> Ingested:
    n_quarantined = sum(refused.values())
    n_stored = written.inserted + written.updated + written.unchanged
    return Ingested(
        written=written, n_received=n_stored + n_quarantined + 1, n_quarantined=n_quarantined, n_exact_duplicates=1,
        refused_by_rule=refused, received_by_source={"import": n_stored},
        sample=[{"record_key": "A", "rule": rule, "detail": f"why {rule}"} for rule in refused],
    )  # fmt: skip


def shown(one: Ingested) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table_of(one))
    return capture.get()


def test_every_count_is_printed_and_each_refusal_with_an_example():
    text = shown(ingested(MergeResult(inserted=7, updated=2, unchanged=3), price_order=4, not_a_session=1))
    counts = dict(line.strip("│ ").split("│")[:2] for line in text.splitlines() if line.startswith("│"))
    found = {name.strip(): int(count) for name, count in counts.items()}
    assert found == {
        "received": 18, "inserted": 7, "updated": 2, "unchanged": 3, "exact duplicates": 1, "quarantined": 5,
        "price_order": 4, "not_a_session": 1,
    }  # fmt: skip
    assert "why price_order" in text


def test_what_has_changed_is_carried_from_its_first_day_on():
    changed = ingested(MergeResult(inserted=1, first_changed_date=dt.date(2024, 6, 20)))
    assert "factorloom refresh --first-date 2024-06-20`" in str(next_step(changed))
    assert "factorloom refresh`" in str(next_step(ingested(MergeResult(inserted=1))))
    assert next_step(ingested(MergeResult(unchanged=5))) is None
