"""Parameters that several operations take, each said once."""

import datetime as dt
from typing import Annotated, TypeAlias

from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter

# Covers class shares (BRK.B) and the suffixes that vendors use; nothing that SQL, HTML or a shell could mind.
TICKER_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9.\-]{0,15}$"
# What occurs in names of companies.
SEARCH_PATTERN = r"^[\w .,&'()/\-]+$"
LABEL_PATTERN = r"^[\w .,&()/\-]+$"
CURSOR_PATTERN = r"^[A-Za-z0-9_\-]+$"

MAX_ROWS = 1_000

Ticker: TypeAlias = Annotated[
    str,
    PathParameter(
        pattern=TICKER_PATTERN,
        description="Canonical ticker of today: class shares with a dot. Case does not matter.",
        examples=[Example(value="ACME")],
    ),
]
Cursor: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        pattern=CURSOR_PATTERN,
        max_length=600,
        description="`next` of the page before. The filters must be the same; the limit may change.",
    ),
]
Limit: TypeAlias = Annotated[
    int,
    QueryParameter(ge=1, le=MAX_ROWS, description="Rows on a page. Unit rows.", examples=[Example(value=50)]),
]
SectorFilter: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        pattern=LABEL_PATTERN,
        max_length=80,
        description="Only instruments of this sector, spelt as /v1/instruments spells it.",
        examples=[Example(value="Technology")],
    ),
]
MarketFilter: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        pattern=LABEL_PATTERN,
        max_length=80,
        description="Only instruments of this market, spelt as /v1/instruments spells it.",
        examples=[Example(value="stocks")],
    ),
]
AsOf: TypeAlias = Annotated[
    dt.date | None,
    QueryParameter(
        description="Calendar day: the newest row whose as_of_date is not after it. The newest of all by default.",
        examples=[Example(value="2024-06-28")],
    ),
]
Start: TypeAlias = Annotated[
    dt.date | None,
    QueryParameter(description="First day, included.", examples=[Example(value="2024-01-02")]),
]
End: TypeAlias = Annotated[
    dt.date | None,
    QueryParameter(description="Last day, included.", examples=[Example(value="2024-06-28")]),
]
