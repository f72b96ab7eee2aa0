"""The one envelope of answers: data, what they are, and where the next page begins. Both halves make them."""

import datetime as dt
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta as Describe

Item = TypeVar("Item")


class Meta(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the data are; what does not apply is left out."""

    dataset_version: Annotated[str | None, Describe(description="Version of the tables that answered.")] = None
    as_of_date: Annotated[dt.date | None, Describe(description="Last day whose information the data use.")] = None
    ticker: Annotated[str | None, Describe(description="Canonical ticker.")] = None
    instrument_id: Annotated[str | None, Describe(description="Our id of the instrument.")] = None
    profile: Annotated[str | None, Describe(description="Risk profile.")] = None
    index: Annotated[str | None, Describe(description="Name of the index.")] = None
    start: Annotated[dt.date | None, Describe(description="First day that was asked for, included.")] = None
    end: Annotated[dt.date | None, Describe(description="Last day that was asked for, included.")] = None
    interval: Annotated[str | None, Describe(description="Length of a bar: 1d, 1w, 1mo.")] = None
    adjustment: Annotated[
        str | None, Describe(description="What prices are adjusted for: none, splits, splits_dividends.")
    ] = None
    currency_code: Annotated[str | None, Describe(description="Currency of the amounts, ISO 4217.")] = None
    source: Annotated[str | None, Describe(description="Source of the data; `simulated` is no real market.")] = None


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """Several rows, what they are, and the cursor of the next page."""

    data: Annotated[list[Item], Describe(description="The rows.")]
    meta: Annotated[Meta, Describe(description="What the rows are.")]
    next: Annotated[str | None, Describe(description="Cursor of the next page, null on the last.")] = None


class One(msgspec.Struct, Generic[Item], frozen=True):
    """One thing, and what it is."""

    data: Annotated[Item, Describe(description="The thing.")]
    meta: Annotated[Meta, Describe(description="What it is.")]


def first_page(rows: list[Item], *, limit: int) -> tuple[list[Item], Item | None]:
    """Split rows that were read with one to spare: the page, and its last row when another page follows."""
    shown = rows[:limit]
    return shown, shown[-1] if len(rows) > limit else None
