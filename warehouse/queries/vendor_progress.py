"""What symbols are worth to the people of an installation, and how far each has come at a vendor."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

import adbc_driver_postgresql.dbapi as adbc
import msgspec

from warehouse.connect import connect

# Held and waited for first; then those that have waited longest, among them by the money that usually changes hands.
STANDING = """
with asked as (
    select symbol, position
    from unnest(%(symbols)s::text[]) with ordinality as listed (symbol, position)
),

wanted as (
    select instrument_id from app.holdings
    union
    select jsonb_array_elements_text(rule -> 'instruments') from app.alerts where is_active
),

valuable as (
    select distinct aliases.source_symbol as symbol
    from raw.instrument_aliases as aliases
    inner join wanted on aliases.instrument_id = wanted.instrument_id
    where aliases.source = %(source)s
)

select asked.symbol, known.reached_date
from asked
left join valuable on asked.symbol = valuable.symbol
left join app.vendor_progress as known
    on known.source = %(source)s and known.entity = %(entity)s and asked.symbol = known.source_symbol
left join lateral (
    select percentile_cont(0.5) within group (order by recent.close * recent.volume) as money
    from (
        select bar.close, bar.volume
        from raw.daily_bars as bar
        where bar.source = %(source)s and bar.source_symbol = asked.symbol
        order by bar.trade_date desc
        limit 21
    ) as recent
) as traded on true
order by valuable.symbol is null, known.asked_at nulls first, traded.money desc nulls last, asked.position
"""

# $1 rows as JSON
RECORD = """
insert into app.vendor_progress as known (source, entity, source_symbol, reached_date, asked_at)
select source, entity, source_symbol, max(reached_date), case when bool_or(is_asked) then now() end
from jsonb_to_recordset($1::jsonb)
    as reached (source text, entity text, source_symbol text, reached_date date, is_asked boolean)
group by source, entity, source_symbol
on conflict (source, entity, source_symbol) do update set
    reached_date = greatest(known.reached_date, excluded.reached_date),
    asked_at = coalesce(excluded.asked_at, known.asked_at)
"""


class VendorProgress:
    """The order in which symbols are asked for, from PostgreSQL.

    Parameters
    ----------
    url
        Address of the warehouse for pipelines; a function, since nothing is read before the first use.
    """

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url

    def standing(self, source: str, entity: str, symbols: Sequence[str]) -> list[tuple[str, dt.date | None]]:
        """Return symbols in the order in which they are to be asked, each with the last day that was had."""
        if not symbols:
            return []
        with connect(self._url()) as connection:
            asked = {"source": source, "entity": entity, "symbols": list(symbols)}
            return [(symbol, reached) for symbol, reached in connection.execute(STANDING, asked)]


def record_progress(connection: adbc.Connection, reached: Sequence[Mapping[str, object]]) -> None:
    """Note how far symbols have come, in the transaction that stores what came.

    Parameters
    ----------
    connection
        Inside its transaction; the caller commits.
    reached
        Each with source, entity, source_symbol, reached_date, and is_asked: false where a symbol still waits.
    """
    with connection.cursor() as cursor:
        cursor.execute(RECORD, (msgspec.json.encode(reached).decode(),))
