"""What assets report: counts as metadata, and small pictures."""

import base64
import io
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from warehouse.merge import MergeResult
from warehouse.queries import platform as queries

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from orchestration.resources import Warehouse

    Checked = dg.MaterializeResult[None]
else:
    # What an asset with checks of its own returns: Dagster does not know the class with a parameter there.
    Checked = dg.MaterializeResult

MAX_PICTURE_BYTES = 60_000
COLOURS_OF_PICTURE = 48
OWNER = "team:data-platform"
# On runs that somebody started who sees to everything downstream: what it is called.
TRIGGER_TAG = "factorloom/trigger"


def merge_metadata(written: MergeResult) -> dict[str, Any]:
    """Return what a merge did; Dagster plots the numbers over time."""
    metadata: dict[str, Any] = {
        "inserted": written.inserted,
        "updated": written.updated,
        "unchanged": written.unchanged,
        "deleted": written.deleted,
        "dagster/partition_row_count": written.inserted + written.updated + written.unchanged,
    }
    if written.first_changed_date is not None:
        metadata["first_changed_date"] = dg.MetadataValue.text(written.first_changed_date.isoformat())
    return metadata


def table_metadata(warehouse: "Warehouse", name: str) -> dict[str, Any]:
    """Return a table's name, its columns as the database describes them, and its number of rows, for the UI."""
    columns = warehouse.read(queries.COLUMNS_OF_TABLE, [name]).to_pylist()
    rows = warehouse.read(queries.ROWS_OF_TABLE, [name]).to_pylist()
    return {
        "dagster/table_name": name,
        "dagster/column_schema": dg.TableSchema([_column(column) for column in columns]),
        **({"dagster/row_count": rows[0]["n_rows"]} if rows else {}),
    }


def _column(row: dict[str, Any]) -> dg.TableColumn:
    constraints = dg.TableColumnConstraints(nullable=row["is_nullable"], other=["primary key"] if row["is_key"] else [])
    return dg.TableColumn(row["column_name"], row["type_name"], row["description"], constraints)


def picture(figure: "Figure") -> dg.MarkdownMetadataValue:
    """Return a figure as a small PNG inside Markdown, which the UI shows."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=80)
    # Lines on white need few colours, and the event log keeps every picture: this is a third of the bytes.
    buffer = io.BytesIO()
    Image.open(drawn).convert("RGB").quantize(COLOURS_OF_PICTURE).save(buffer, format="png", optimize=True)
    content = buffer.getvalue()
    if len(content) > MAX_PICTURE_BYTES:
        return dg.MetadataValue.md(f"The picture takes {len(content)} bytes, more than the event log should keep.")
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(content).decode()})")


def table(frame: pd.DataFrame, *, digits: int = 3) -> dg.MarkdownMetadataValue:
    """Return a small frame as a Markdown table."""
    header = "| " + " | ".join(map(str, frame.columns)) + " |"
    rule = "|" + "--|" * len(frame.columns)
    lines = ["| " + " | ".join(_cell(value, digits) for value in row) + " |" for row in frame.itertuples(index=False)]
    return dg.MetadataValue.md("\n".join([header, rule, *lines]))


def sample(frame: pd.DataFrame) -> dict[str, dg.MarkdownMetadataValue]:
    """Return some rows as metadata of a check; nothing where there are none."""
    return {} if frame.empty else {"sample": table(frame)}


def _cell(value: object, digits: int) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):  # type: ignore[call-overload] # a scalar by now
        return ""
    if isinstance(value, float):
        return f"{value:.{digits}f}"
    return str(value).replace("|", "/")
