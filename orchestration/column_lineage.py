"""Which columns of which tables each column of a dbt table is made from, read off the SQL that was run."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage
from sqlglot.schema import MappingSchema

DIALECT = "postgres"


def column_lineages(compiled: Mapping[str, str], manifest: Mapping[str, Any]) -> dict[str, dg.TableColumnLineage]:
    """Return the column lineage of each table.

    dagster-dbt's own `fetch_column_metadata` takes each column by itself; here a query is taken once, and all of ours
    cost a second.

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
            yield dg.TableColumnDep(asset_key=dg.AssetKey([schema, table]), column_name=column)
