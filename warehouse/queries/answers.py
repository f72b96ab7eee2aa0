"""The answers that are asked for most, made in one place: by the API at a request, by the pipeline in advance."""

import datetime as dt

import msgspec

from warehouse.queries import prices, rankings, signals
from warehouse.queries.instruments import Instrument
from warehouse.queries.ordering import Place
from warehouse.queries.prices import Bar, Basis, History, Interval
from warehouse.queries.rankings import Profile, Ranked
from warehouse.queries.reader import Reader
from warehouse.queries.signals import ENSEMBLE, Signal
from warehouse.records.answers import Meta, Page, first_page
from warehouse.records.cursors import Asked


def about(meta: Meta, *, instrument: Instrument | None = None, basis: Basis | None = None) -> Meta:
    """Add what is known of an instrument and of its prices."""
    if instrument is not None:
        meta = msgspec.structs.replace(
            meta,
            ticker=instrument.ticker,
            instrument_id=instrument.instrument_id,
            currency_code=instrument.currency_code,
            source=instrument.source,
        )
    if basis is not None:
        meta = msgspec.structs.replace(meta, currency_code=basis.currency_code, source=basis.source)
    return meta


async def ranking(
    reader: Reader,
    asked: Asked,
    as_of: dt.date | None = None,
    *,
    profile: Profile,
    is_intraday: bool = False,
    sector: str | None = None,
    market: str | None = None,
    sort: rankings.Sort = "rank",
    after: Place | None = None,
    limit: int,
) -> Page[Ranked] | None:
    """Return a page of the newest ranking that is not after `as_of`; None where there is none."""
    rows = await rankings.of_day(
        reader, as_of, profile=profile, is_intraday=is_intraday, sector=sector, market=market, sort=sort,
        after=after, limit=limit + 1,
    )  # fmt: skip
    as_of_date = (
        rows[0].as_of_date
        if rows
        else await rankings.newest_date(reader, profile=profile, is_intraday=is_intraday, as_of=as_of)
    )
    if as_of_date is None:
        return None
    shown, last = first_page(rows, limit=limit)
    following = asked.after(*rankings.ORDERS[sort].place(last)) if last else None
    return Page(shown, Meta(dataset_version=asked.version, as_of_date=as_of_date, profile=profile), following)


async def live_signals(
    reader: Reader,
    asked: Asked,
    as_of: dt.date | None = None,
    *,
    model_id: str = ENSEMBLE,
    sort: signals.Sort = "rank",
    after: Place | None = None,
    limit: int,
) -> Page[Signal] | None:
    """Return a page of the newest signals that are not after `as_of`; None where there are none."""
    rows = await signals.of_day(reader, as_of, model_id=model_id, sort=sort, after=after, limit=limit + 1)
    as_of_date = rows[0].as_of_date if rows else await signals.newest_date(reader, model_id=model_id, as_of=as_of)
    if as_of_date is None:
        return None
    shown, last = first_page(rows, limit=limit)
    following = asked.after(*signals.ORDERS[sort].place(last)) if last else None
    return Page(shown, Meta(dataset_version=asked.version, as_of_date=as_of_date), following)


def history(
    asked: Asked, instrument: Instrument, found: History, *, interval: Interval = "1d", adjusted: bool = True
) -> Page[Bar]:
    """Return the bars of an instrument that were found."""
    meta = Meta(
        dataset_version=asked.version,
        as_of_date=found.bars[-1].trade_date,
        start=found.start,
        end=found.end,
        interval=interval,
        adjustment=prices.adjustment_of(found.basis) if adjusted else "none",
    )
    return Page(found.bars, about(meta, instrument=instrument, basis=found.basis))
