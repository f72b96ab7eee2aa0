"""Lists: read when they are looked at, page by page, as rows, as a DataFrame, or as bytes."""

import io
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from factorloom_client.rows import Meta
from factorloom_client.transport import Transport

if TYPE_CHECKING:
    import pandas as pd

Item = TypeVar("Item")
ARROW = "application/vnd.apache.arrow.stream"


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """Some rows, what they are, and the cursor of the next page."""

    data: list[Item]
    meta: Meta
    next: str | None = None


class Listing(Generic[Item]):
    """A list that the server gives page by page; nothing is asked before something is looked at."""

    def __init__(self, transport: Transport, path: str, query: Mapping[str, object], row: type[Item]) -> None:
        self._transport = transport
        self._path = path
        self._query = dict(query)
        self._row = row

    @cached_property
    def first(self) -> Page[Item]:
        """The first page."""
        return self._page(None)

    @property
    def data(self) -> list[Item]:
        """Rows of the first page."""
        return self.first.data

    @property
    def meta(self) -> Meta:
        """What the rows are."""
        return self.first.meta

    @property
    def next(self) -> str | None:
        """Cursor of the second page, None where there is one page alone."""
        return self.first.next

    def all(self) -> Iterator[Item]:
        """Give every row of every page; `Problem` cursor-expired when the data change meanwhile."""
        page = self.first
        yield from page.data
        while page.next is not None:
            page = self._page(page.next)
            yield from page.data

    def frame(self) -> "pd.DataFrame":
        """Return every page as one DataFrame; needs pandas and pyarrow. `attrs` says what the rows are."""
        import pyarrow as pa

        tables, path, query = [], self._path, self._query
        while path:
            answer = self._transport.get(path, query, accept=ARROW)
            tables.append(pa.ipc.open_stream(io.BytesIO(answer.content)).read_all())
            path, query = answer.links.get("next", {}).get("url", ""), {}
        frame: pd.DataFrame = pa.concat_tables(tables).to_pandas(date_as_object=False)
        frame.attrs = msgspec.json.decode(tables[0].schema.metadata[b"meta"])
        return frame

    def raw(self, format: str) -> bytes:
        """Return the first page as the server gives it: json, ndjson, csv, arrow or parquet."""
        return self._transport.get(self._path, self._query | {"format": format}, accept="*/*").content

    def _page(self, cursor: str | None) -> Page[Item]:
        answer = self._transport.get(self._path, self._query | {"cursor": cursor})
        return msgspec.json.decode(answer.content, type=Page[self._row])  # type: ignore[name-defined]
