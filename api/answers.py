"""What answers of the exchange of now say of themselves."""

import datetime as dt
from typing import TypedDict, Unpack

from api import exchange
from warehouse.queries.answers import about
from warehouse.queries.instruments import Instrument
from warehouse.queries.prices import Basis
from warehouse.records.answers import Meta, One, Page, first_page

__all__ = ["Meta", "One", "Page", "first_page", "meta"]


class _Rest(TypedDict, total=False):
    as_of_date: dt.date
    profile: str
    index: str
    start: dt.date
    end: dt.date
    interval: str
    adjustment: str


def meta(*, instrument: Instrument | None = None, basis: Basis | None = None, **rest: Unpack[_Rest]) -> Meta:
    """Say what the data are: the version of the exchange of now, and what is known of instrument and prices."""
    version = exchange.current.get().question.version
    return about(Meta(dataset_version=version, **rest), instrument=instrument, basis=basis)
