"""`factorloom import`: bring a file in, and say what became of its records."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from factorloom.environment import apply_environment
from warehouse.migrate import prepare
from warehouse.settings import Settings

if TYPE_CHECKING:
    from orchestration.ingestion import Ingested


def import_file(settings: Settings, kind: str, path: Path, mapping: Path | None, **constants: str | None) -> "Ingested":
    """Take in a CSV or Parquet file of `kind`; columns that it does not have may be given as constants."""
    apply_environment(settings)
    prepare(settings)
    with warnings.catch_warnings():
        # Dagster says of parameters that we use that they may change.
        warnings.simplefilter("ignore")
        # Imported here: the databases must be there before the definitions are loaded.
        from orchestration.importing import import_file as take
        from orchestration.importing import section_of
        from orchestration.installation import current_installation

    given = {name: value for name, value in constants.items() if value is not None}
    return take(current_installation(), kind, path, section_of(kind, mapping, given))


def table_of(ingested: "Ingested") -> Table:
    """Return what became of the records, with some that were refused."""
    table = Table("records", "count", "for example")
    written = ingested.written
    table.add_row("received", str(ingested.n_received), "")
    for name, count in (
        ("inserted", written.inserted),
        ("updated", written.updated),
        ("unchanged", written.unchanged),
        ("exact duplicates", ingested.n_exact_duplicates),
        ("quarantined", ingested.n_quarantined),
    ):
        table.add_row(name, str(count), "")
    for rule, count in ingested.refused_by_rule.items():
        example = next((row["detail"] for row in ingested.sample if row["rule"] == rule), "")
        table.add_row(f"  {rule}", str(count), example)
    return table


def next_step(ingested: "Ingested") -> str | None:
    """Say how what has changed reaches the tables that are computed from it; None where nothing has."""
    if ingested.written.changed == 0:
        return None
    first = ingested.written.first_changed_date
    since = f" --first-date {first}" if first is not None else ""
    return f"Next: `factorloom refresh{since}` carries it into the tables that are computed from it."
