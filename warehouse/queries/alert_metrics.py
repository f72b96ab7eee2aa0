"""Which metrics alert rules may look at, found in the tables themselves.

Any column of marts, factors or research that holds a number whose comment names its unit, or a word, is a metric, if
its table has one row for each day, and perhaps instrument and profile, forecaster, index or whatever else its key has.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
import psycopg

from warehouse.records.errors import RuleRefused

# A pair without an instrument has this in its place.
PLATFORM = "*"
DAYS = ("as_of_date", "trade_date")
NUMBERS = ("double precision", "real", "numeric", "bigint", "integer", "smallint")
NEVER_METRICS = re.compile(r".*_(id|code|hash|version)|source|adjustment|.*_at")
UNIT = re.compile(r"\bUnit ([^.;]+)")
# A column that may hold so many words and no others, as PostgreSQL writes such a constraint.
WORD_LIST = re.compile(r"= ANY \(ARRAY\[(.*?)\]\)")
WORD = re.compile(r"'((?:[^']|'')*)'::text")

COLUMNS = """
with keys as (
    select i.indrelid, array_agg(a.attname::text) as key_columns
    from pg_index as i
    inner join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
    where i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
    group by i.indexrelid, i.indrelid
)

select
    n.nspname::text, c.relname::text, keys.key_columns, a.attname::text,
    regexp_replace(format_type(a.atttypid, null), '\\(.*', ''), coalesce(col_description(c.oid, a.attnum), ''),
    (
        select string_agg(pg_get_constraintdef(k.oid), ' ') from pg_constraint as k
        where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum]
    )
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace and n.nspname in ('marts', 'factors', 'research')
inner join keys on keys.indrelid = c.oid
inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('r', 'p')
order by n.nspname, c.relname, a.attnum
"""

NEWS = """(
    select day as as_of_date, named.instrument_id, tone.model_name, avg(tone.sentiment) as sentiment
    from unnest(%(sessions)s::date[]) as day
    inner join marts.fct_news_articles as article on article.known_from_date between day - 6 and day
    inner join research.news_sentiment as tone on tone.article_id = article.article_id
    cross join lateral unnest(article.instrument_ids) as named (instrument_id)
    group by day, named.instrument_id, tone.model_name
)"""

PORTFOLIOS = """(
    select
        price.trade_date, held.portfolio_id::text as portfolio_id,
        sum(held.quantity_shares::float8 * coalesce(price.close_raw, price.close_adj)) as value
    from app.holdings as held
    inner join marts.fct_daily_prices as price on price.instrument_id = held.instrument_id and not price.is_suspect
    group by price.trade_date, held.portfolio_id
)"""

AGES = """(
    select
        day as as_of_date, version.dataset,
        (
            select count(*) from unnest(%(sessions)s::date[]) as missed
            where missed > version.as_of_date and missed <= day
        ) as sessions
    from unnest(%(sessions)s::date[]) as day
    cross join app.dataset_versions as version
)"""


class Column(msgspec.Struct, frozen=True):
    """A row of COLUMNS: a column, the key of its table, its type, its comment, and what must hold of it alone."""

    schema: str
    table: str
    key: list[str]
    column: str
    type_name: str
    comment: str
    constraint: str | None


class Relation(NamedTuple):
    """Where a metric is read: a table or a query, its day, the columns that choose a series, what is left out.

    `newest` is where the newest day is found; None for what is known at any time.
    """

    sql: str
    day: str
    has_instrument: bool
    of: tuple[str, ...]
    where: str = "true"
    newest: str | None = None


class Metric(NamedTuple):
    """A metric.

    `is_price` metrics are inhibited by splits, halts and delistings; of `is_adjusted` ones, prices are put into the
    terms of their day; `quote` is the column of research.latest_quotes that is newer during a session; `words` are all
    that a word can be, none where the tables do not say.
    """

    name: str
    column: str
    unit: str | None
    description: str
    is_word: bool
    relation: Relation
    is_price: bool = False
    is_adjusted: bool = False
    quote: str | None = None
    words: tuple[str, ...] = ()

    @property
    def is_per_share(self) -> bool:
        """Whether a split changes what a level means."""
        return self.unit_kind == "currency per share"

    @property
    def unit_kind(self) -> str:
        """The unit without what is said of its range: `fraction` of `fraction, 0 worst to 1 best`."""
        kind = re.split(r" ?[,(]", self.unit or "")[0]
        return "currency per share" if kind.startswith("currency per share") else kind


PRICES = Relation("marts.fct_daily_prices", "trade_date", True, (), "not t.is_suspect", "marts.fct_daily_prices")
NEWS_TONES = Relation(NEWS, "as_of_date", True, ("model_name",))
WORTHS = Relation(PORTFOLIOS, "trade_date", False, ("portfolio_id",), newest="marts.fct_daily_prices")
DATASET_AGES = Relation(AGES, "as_of_date", False, ("dataset",))
NAMED = (
    Metric(
        "price", "close_adj", "currency per share",
        "Last quote or close, as traded, in the share terms of the day on which the rule was made.",
        False, PRICES, is_price=True, is_adjusted=True, quote="price",
    ),
    Metric(
        "change", "return_1d", "fraction", "Change since the close of the session before.",
        False, PRICES, is_price=True, quote="change",
    ),
    Metric(
        "volume", "volume_shares", "shares", "Volume of the session so far.",
        False, PRICES, is_price=True, quote="volume_shares",
    ),
    Metric(
        "news_sentiment", "sentiment", "none, from -1 to 1", "Mean tone of the articles of the last seven days.",
        False, NEWS_TONES,
    ),
    Metric(
        "portfolio_value", "value", "currency", "Worth of what a portfolio of yours holds, at the closes of the day.",
        False, WORTHS,
    ),
    Metric("data_age", "sessions", "sessions", "Closed sessions that a table does not have yet.", False, DATASET_AGES),
)  # fmt: skip

# What people call the metrics that everybody asks for, where several tables have a column of the name.
SHORT = {name: f"rankings.{name}" for name in ("rank", "score", "signal")}


class Catalogue:
    """All metrics by name."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self.metrics = {metric.name: metric for metric in metrics}
        self._by_column: dict[str, list[str]] = {}
        for name, metric in self.metrics.items():
            self._by_column.setdefault(metric.column, []).append(name)

    def named(self, name: str) -> Metric:
        """Return the metric of a name, which may be its column's alone if no other table has one of that name.

        Raises
        ------
        RuleRefused
            Naming those that it could be.
        """
        found = self.metrics.get(SHORT.get(name, name))
        if found is not None:
            return found
        several = [name for name in self._by_column.get(name, []) if "." in name]
        if len(several) == 1:
            return self.metrics[several[0]]
        if several:
            raise RuleRefused(
                f"`metric` must say which of the tables is meant; got {name!r}, which is one of {several}"
            )
        raise RuleRefused(f"`metric` must be one that GET /v1/alerts/metrics lists; got {name!r}")


def catalogue_of(rows: Iterable[tuple[Any, ...]]) -> Catalogue:
    """Make a catalogue of the rows of COLUMNS."""
    found = {metric.name: metric for row in rows if (metric := _metric(*row)) is not None}
    return Catalogue([*NAMED, *found.values()])


def read_catalogue(connection: psycopg.Connection) -> Catalogue:
    """Return the metrics that the tables have now."""
    return catalogue_of(connection.execute(COLUMNS).fetchall())


def _metric(
    schema: str, table: str, key: list[str], column: str, type_name: str, comment: str, constraint: str | None
) -> Metric | None:
    days = [name for name in key if name in DAYS]
    unit = UNIT.search(comment)
    is_word = type_name == "text"
    is_number = type_name in NUMBERS and unit is not None and not unit[1].startswith("none.")
    if len(days) != 1 or column in key or NEVER_METRICS.fullmatch(column) or not (is_word or is_number):
        return None
    of = tuple(name for name in key if name not in (*days, "instrument_id", "is_intraday"))
    where = ["not t.is_intraday"] if "is_intraday" in key else []
    is_prices = table == "fct_daily_prices"
    relation = Relation(
        f"{quoted(schema)}.{quoted(table)}",
        days[0],
        "instrument_id" in key,
        of,
        " and ".join([*where, *(["not t.is_suspect"] if is_prices else [])]) or "true",
        f"{quoted(schema)}.{quoted(table)}",
    )
    found = Metric(
        f"{table}.{column}", column, None if is_word else unit[1] if unit else None, comment, is_word, relation,
        words=_words(constraint or ""),
    )  # fmt: skip
    per_share = found.is_per_share and relation.has_instrument
    return found._replace(is_price=is_prices or per_share, is_adjusted=per_share and not column.endswith("_raw"))


def _words(constraint: str) -> tuple[str, ...]:
    found = WORD_LIST.search(constraint)
    return tuple(word.replace("''", "'") for word in WORD.findall(found[1])) if found else ()


def quoted(name: str) -> str:
    """Return a name as PostgreSQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def check_series(metric: Metric, of: Mapping[str, str]) -> None:
    """Refuse a condition that does not say which series it means.

    Raises
    ------
    RuleRefused
        Saying what the metric needs.
    """
    wanted = sorted(metric.relation.of)
    if sorted(of) != wanted:
        raise RuleRefused(
            f"`of` of metric {metric.name} must give {wanted or 'nothing'}; got {sorted(of) or 'nothing'}"
        )


def check_words(metric: Metric, words: Iterable[str] | None) -> None:
    """Refuse a condition that holds a word against a number or a number against a word, or a word that never comes.

    Parameters
    ----------
    metric
        What is looked at.
    words
        What it is held against; None for a number.

    Raises
    ------
    RuleRefused
        Naming the words that there are.
    """
    if words is None:
        if metric.is_word:
            raise RuleRefused(f"`operator` for metric {metric.name}, which is a word, must be enters or leaves")
        return
    if not metric.is_word:
        raise RuleRefused(f"`metric` of enters and leaves must be a word; got {metric.name}, which is a number")
    strange = [word for word in words if word not in metric.words]
    if metric.words and strange:
        raise RuleRefused(f"`values` of metric {metric.name} must be among {list(metric.words)}; got {strange}")


def check_same_unit(metric: Metric, level: Metric) -> None:
    """Refuse a level that is a word, or of another unit than what is held against it.

    Raises
    ------
    RuleRefused
        Naming both units.
    """
    if level.is_word or metric.unit_kind != level.unit_kind:
        raise RuleRefused(
            f"`level` must be a metric of the unit of {metric.name}, {metric.unit};"
            f" got {level.name}, {'a word' if level.is_word else level.unit}"
        )
