"""What assets report: counts as metadata, and small pictures."""

import base64
import io
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from warehouse.merge import MergeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Checked = dg.MaterializeResult[None]
else:
    # What an asset with checks of its own returns: Dagster does not know the class with a parameter there.
    Checked = dg.MaterializeResult

MAX_PICTURE_BYTES = 60_000
OWNER = "team:data-platform"


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


def picture(figure: "Figure") -> dg.MarkdownMetadataValue:
    """Return a figure as a small PNG inside Markdown, which the UI shows."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=70, bbox_inches="tight")
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


def _cell(value: object, digits: int) -> str:
    if isinstance(value, float):
        return f"{value:.{digits}f}"
    return str(value).replace("|", "/")
