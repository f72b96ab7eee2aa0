"""Which columns of which tables each column of a dbt table is made from, read off the SQL that was run."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage
from sqlglot.schema import MappingSchema

from orchestration.code_versions import code_version_of

DIALECT = "postgres"


class Kept(msgspec.Struct, frozen=True):
    """Origins by table and column, [schema, table, column] each, of one version of the project."""

    digest: str
    tables: dict[str, dict[str, list[tuple[str, str, str]]]]


def kept_lineages(
    compiled: Mapping[str, str], manifest: Mapping[str, Any], *, digest: str, path: Path
) -> dict[str, dg.TableColumnLineage]:
    """Return the column lineage of each table, read from a file where this version of the project has been seen.

    A day's SQL differs from another day's in its dates alone; to take it apart costs a run three seconds.

    Parameters
    ----------
    compiled, manifest
        As `column_lineages` takes them.
    digest
        Names the version of the project.
    path
        File that is read, and written anew where a table was missing.
    """
    digest = f"{digest} {code_version_of(column_lineages)} {version('sqlglot')}"
    known = _read(path, digest)
    found = column_lineages({name: sql for name, sql in compiled.items() if name not in known}, manifest)
    if found:
        known |= {name: _packed(lineage) for name, lineage in found.items()}
        written = path.with_suffix(f".{os.getpid()}")
        # Without the file the next run takes the SQL apart again, no more.
        with suppress(OSError):
            written.write_bytes(msgspec.json.encode(Kept(digest, known)))
            written.replace(path)
    return {name: _unpacked(known[name]) for name in compiled if name in known}


def _read(path: Path, digest: str) -> dict[str, dict[str, list[tuple[str, str, str]]]]:
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Kept)
    except (FileNotFoundError, msgspec.MsgspecError):
        return {}
    return kept.tables if kept.digest == digest else {}


def _packed(lineage: dg.TableColumnLineage) -> dict[str, list[tuple[str, str, str]]]:
    return {
        column: [(*dep.asset_key.path, dep.column_name) for dep in deps]  # type: ignore[misc] # keys have two parts
        for column, deps in lineage.deps_by_column.items()
    }


def _unpacked(columns: Mapping[str, list[tuple[str, str, str]]]) -> dg.TableColumnLineage:
    return dg.TableColumnLineage({column: [_dep(*origin) for origin in origins] for column, origins in columns.items()})


def _dep(schema: str, table: str, column: str) -> dg.TableColumnDep:
    return dg.TableColumnDep(asset_key=dg.AssetKey([schema, table]), column_name=column)


def column_lineages(compiled: Mapping[str, str], manifest: Mapping[str, Any]) -> dict[str, dg.TableColumnLineage]:
    """Return the column lineage of each table.

    dagster-dbt's own `fetch_column_metadata` takes each column by itself; here a query is taken once.

    Parameters
    ----------
    compiled
        SQL by unique_id; what is no table of the manifest is left out.
    manifest
        Names the columns of every table.
    """
    schema = _schema(manifest)
    found = {}
    for unique_id, sql in compiled.items():
        if not sql or unique_id not in manifest["nodes"] or not unique_id.startswith("model."):
            continue
        try:
            nodes = lineage(None, sql, schema, dialect=DIALECT, copy=False, trim_selects=False)
        except SqlglotError:
            # A query that the parser does not understand yet is a table without lineage in the UI, no reason to fail.
            continue
        found[unique_id] = dg.TableColumnLineage({column: list(_origins(node)) for column, node in nodes.items()})
    return found


def _schema(manifest: Mapping[str, Any]) -> MappingSchema:
    schema = MappingSchema(dialect=DIALECT)
    for node in [*manifest["nodes"].values(), *manifest["sources"].values()]:
        if node["resource_type"] in ("model", "source") and node["columns"]:
            # One name everywhere, so the database's own is not needed; the types are not either.
            name = exp.table_(node["name"], db=node["schema"], catalog=node["database"], quoted=True)
            schema.add_table(name, dict.fromkeys(node["columns"], "text"), dialect=DIALECT)
    return schema


def _origins(node: Node) -> Iterator[dg.TableColumnDep]:
    leaves = {
        (leaf.source.db, leaf.source.name, exp.to_column(leaf.name).name)
        for leaf in node.walk()
        if not leaf.downstream and isinstance(leaf.source, exp.Table) and leaf.source.db
    }
    for schema, table, column in sorted(leaves):
        if column and column != "*":
            yield _dep(schema, table, column)
