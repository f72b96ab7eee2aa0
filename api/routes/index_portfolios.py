"""Rules of an index and other versions of them; money put into an index, its members, and the benchmark beside it."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from api import answers, operations
from api.answers import One, Page
from api.cursors import Cursors
from api.database import Database
from api.effective_dates import check_effective_date
from api.errors import BeforeFirstDate, NothingInRange, ParameterConflict, ValueUnknown
from api.identity.principal import Principal
from api.parameters import Cursor, End, Limit, Start
from api.routes import jobs
from api.routes.indices import Index, require_known
from api.writes import Answer, KeyWelcome, Write, writing
from warehouse.queries import index_levels, index_portfolios, instruments
from warehouse.queries.index_portfolios import BesideBenchmark, Currency, MemberDay, RulesVersion, ValueDay
from warehouse.queries.instruments import Instrument
from warehouse.queries.reader import Reader
from warehouse.records.index_rules import IndexRules
from warehouse.records.job_parameters import RebalanceParameters
from warehouse.records.jobs import Job

CurrencyCode = Annotated[
    str | None,
    QueryParameter(
        pattern="^[A-Z]{3}$",
        description="Currency of all amounts and levels, by each day's rate; that of the index by default.",
        examples=[Example(value="USD")],
    ),
]

TAG = "Research"
# Day from which the first version of an index counts.
BEGINNING = dt.date(1970, 1, 1)
# Each of them costs time at every close.
MOST_INDICES = 50
DAY = dt.date(2024, 6, 28)
ABOUT = answers.Meta(dataset_version="6b0a1f0e5a834c0f9d5c1f7f0a9b6a11", index="main")
VERSION = RulesVersion(
    "main", 1, dt.date(1970, 1, 1), IndexRules(weighting={"ranking": 0.5, "risk_parity": 0.5}, max_weight=0.05),
    dt.datetime(2024, 1, 2, 22, tzinfo=dt.UTC),
)  # fmt: skip
VALUE = ValueDay(DAY, 11_240.0, 11_310.0, 1.0)
BESIDE = BesideBenchmark(DAY, 112.4, 111.7, 109.3)
MEMBER = MemberDay(DAY, 0.0783, 51.5, 0.031, 0.03, dt.date(2024, 6, 4))
RATE = Currency("EUR", DAY, 1.07, DAY, "USD")


class Config(msgspec.Struct, frozen=True):
    """The rules of an index: those in force at its newest session, and all versions."""

    in_force: RulesVersion
    versions: Annotated[list[RulesVersion], Meta(description="Oldest first; later ones may be yet to come.")]


class NewRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules that an index is to follow from a day on."""

    rules: IndexRules
    effective_date: Annotated[
        dt.date | UnsetType, Meta(description="First session that they decide; the day after the newest by default.")
    ] = UNSET


class Put(msgspec.Struct, frozen=True):
    """Money put into an index."""

    amount: Annotated[float, Meta(description="Put in at the first close. Unit currency.")]
    currency_code: Annotated[str, Meta(description="Currency of all amounts, ISO 4217.")]
    value: Annotated[float, Meta(description="At the last close, after costs. Unit currency.")]
    return_total: Annotated[float, Meta(description="Value over amount, less 1. Unit fraction.")]
    path: Annotated[list[ValueDay], Meta(description="By session, oldest first.")]


@operations.read(
    "/strategy/config",
    operation_id="get_index_rules",
    summary="Get the rules of an index",
    tag=TAG,
    scope="read:market",
    problems=[404, 422],
    example=One(Config(VERSION, [VERSION]), answers.Meta(index="main")),
)
async def get_rules(reader: NamedDependency[Reader], index: Index = "main") -> One[Config]:
    """How the index is put together, now, before, and from a day that is yet to come."""
    await require_known(reader, index)
    versions = await index_portfolios.versions(reader, index)
    newest = await index_portfolios.newest_date(reader, index) or dt.date.max
    in_force = next((one for one in reversed(versions) if one.effective_date <= newest), versions[0])
    return One(Config(in_force, versions), answers.meta(index=index))


@operations.write(
    "PUT",
    "/strategy/config",
    operation_id="write_index_rules",
    summary="Write other rules of an index",
    tag="Administration",
    scope="admin",
    status_code=200,
    problems=[409, 422],
    example=One(VERSION, answers.Meta(index="main")),
)
async def write_rules(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    data: Annotated[
        NewRules,
        Body(
            title="Rules",
            description="All rules; what is left out is as by default.",
            examples=[Example(value={"rules": {"weighting": {"equal": 1.0}, "n_names": 50}})],
        ),
    ],
    idempotency_key: KeyWelcome,
    index: Index = "main",
) -> Response[One[RulesVersion]]:
    """Write another version of the rules. It decides from its day on; no earlier value changes.

    A name that is not known yet becomes an index of its own, with a history from the first ranked session.
    """
    async with writing(database, principal, request, idempotency_key) as write:
        if (known := await write.answered()) is not None:
            return known
        await index_portfolios.lock_definitions(write.transaction)
        await _require_sectors(write.transaction, data.rules.sectors)
        versions = await index_portfolios.versions(write.transaction, index)
        if versions:
            _require_same_currency(index, versions[0].rules, data.rules)
        else:
            await _require_new(write.transaction, index, data)
        newest = await index_portfolios.newest_date(write.transaction, index)
        undecided = newest + dt.timedelta(days=1) if newest else BEGINNING
        earliest = max(undecided, versions[-1].effective_date) if versions else undecided
        day = earliest if data.effective_date is UNSET else data.effective_date
        check_effective_date(day, earliest=earliest, today=write.now.date())
        number = max((one.version for one in versions), default=0) + 1
        version = RulesVersion(index, number, day, data.rules, write.now)
        await index_portfolios.write_version(write.transaction, version, created_by=str(write.user_id))
        write.note("index.rules_written", index, version=number, effective_date=day.isoformat())
        return await write.end(Answer(One(version, answers.meta(index=index)), 200))


@operations.read(
    "/index/simulate",
    operation_id="simulate_index",
    summary="Simulate money put into an index",
    tag=TAG,
    scope="read:market",
    datasets=["research.index_values", "marts.fct_exchange_rates"],
    cache_control=operations.DAILY,
    problems=[404, 422],
    example=One(Put(10_000.0, "USD", 11_240.0, 0.124, [VALUE]), ABOUT),
)
async def simulate(
    reader: NamedDependency[Reader],
    amount: Annotated[
        float,
        QueryParameter(gt=0, le=1e12, description="Put in. Unit currency.", examples=[Example(value=10_000)]),
    ] = 10_000.0,
    currency: CurrencyCode = None,
    start: Start = None,
    end: End = None,
    index: Index = "main",
) -> One[Put]:
    """What an amount put in at the close of the first session became: after costs, by each day's exchange rate."""
    first, last = _range(start, end)
    await require_known(reader, index)
    known = await index_portfolios.currencies(reader)
    if currency is not None:
        _require_currency(currency, known)
    own = (await index_portfolios.versions(reader, index))[0].rules.currency
    wanted = currency or own or (known[0].reporting_currency_code if known else "USD")
    path = await index_portfolios.simulated(reader, index, amount=amount, currency=wanted, start=first, end=last)
    if not path:
        raise NothingInRange(f"levels of {index}", start=first, end=last)
    value = path[-1].value
    about = answers.meta(index=index, as_of_date=path[-1].as_of_date)
    return One(Put(amount, wanted, value, value / amount - 1, path), about)


@operations.read(
    "/index/currencies",
    operation_id="list_index_currencies",
    summary="List the currencies of amounts",
    tag=TAG,
    scope="read:market",
    datasets=["marts.fct_exchange_rates"],
    cache_control=operations.DAILY,
    example=Page([RATE], ABOUT),
)
async def list_currencies(reader: NamedDependency[Reader]) -> Page[Currency]:
    """Every currency that amounts can be asked for in, with its rate of the newest session."""
    return Page(await index_portfolios.currencies(reader), answers.meta())


@operations.read(
    "/index/assets/{ticker:str}/history",
    operation_id="list_index_member",
    summary="List an instrument's part of an index",
    tag=TAG,
    scope="read:market",
    datasets=[
        "research.index_values",
        "research.index_allocations",
        "marts.fct_daily_prices",
        "marts.fct_exchange_rates",
        "marts.dim_instruments",
    ],
    cache_control=operations.DAILY,
    problems=[307, 404, 410, 422],
    example=Page([MEMBER], ABOUT),
)
async def list_member(
    reader: NamedDependency[Reader],
    cursors: NamedDependency[Cursors],
    instrument: NamedDependency[Instrument],
    index: Index = "main",
    start: Start = None,
    end: End = None,
    limit: Limit = 252,
    cursor: Cursor = None,
) -> Page[MemberDay]:
    """Its units and weight at each close since the index knows it, the newest sessions, oldest first."""
    first, last = _range(start, end)
    await require_known(reader, index)
    before = cursors.read(cursor, tuple[dt.date])[0] if cursor else dt.date.max
    rows = await index_portfolios.member(
        reader, index, instrument.instrument_id, start=first, end=last, before=before, limit=limit + 1
    )
    if not rows:
        raise NothingInRange(f"{instrument.ticker} in {index}", start=first, end=last)
    shown, oldest = answers.first_page(rows, limit=limit)
    about = answers.meta(instrument=instrument, index=index, as_of_date=shown[0].as_of_date)
    return Page(shown[::-1], about, cursors.after(oldest.as_of_date) if oldest else None)


@operations.read(
    "/benchmark/sp500",
    operation_id="compare_with_benchmark",
    summary="Compare an index with the benchmark",
    tag=TAG,
    scope="read:market",
    datasets=["research.index_values", "marts.fct_exchange_rates"],
    cache_control=operations.DAILY,
    problems=[404, 422],
    example=Page([BESIDE], ABOUT),
)
async def compare_with_benchmark(
    reader: NamedDependency[Reader],
    index: Index = "main",
    currency: CurrencyCode = None,
    start: Start = None,
    end: End = None,
) -> Page[BesideBenchmark]:
    """Index and benchmark (the market index of the installation), both 100 at the first close of the range."""
    first, last = _range(start, end)
    await require_known(reader, index)
    if currency is not None:
        _require_currency(currency, await index_portfolios.currencies(reader))
    rows = await index_portfolios.beside_benchmark(reader, index, currency=currency, start=first, end=last)
    if not rows:
        raise NothingInRange(f"levels of {index}", start=first, end=last)
    return Page(rows, answers.meta(index=index, as_of_date=rows[-1].as_of_date))


@jobs.asking(
    "/strategy/rebalance",
    operation_id="rebalance_index",
    summary="Let an index rebalance",
    scope="admin",
    problems=[404, 409, 422, 429],
)
async def rebalance(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    data: Annotated[
        RebalanceParameters,
        Body(title="Index", description="Which index.", examples=[Example(value={"index": "main"})]),
    ],
    idempotency_key: KeyWelcome,
) -> Response[One[Job]]:
    """Let an index decide at its newest close, beside the days of its calendar; the next session's close trades.

    The job computes the index again for that session; the trade comes with the session after it.
    """

    async def decide(write: Write) -> None:
        await require_known(write.transaction, data.index)
        newest = await index_portfolios.newest_date(write.transaction, data.index)
        if newest is None:
            raise BeforeFirstDate(f"index {data.index}", as_of=None, first_date=None)
        await index_portfolios.ask_to_rebalance(
            write.transaction, data.index, newest, user_id=write.user_id, now=write.now
        )
        write.note("index.rebalance_requested", data.index, decided_date=newest.isoformat())

    return await jobs.ask(request, database, principal, "rebalance", data, idempotency_key, also=decide)


async def _require_sectors(reader: Reader, asked: Sequence[str] | None) -> None:
    """Refuse a sector that nobody is in: the index would hold nothing."""
    known = await instruments.known_sectors(reader) if asked else []
    if unknown := [name for name in asked or () if name not in known]:
        raise ParameterConflict(
            f"rules.sectors: must be among {', '.join(known)}; got {', '.join(unknown)}. Choose from these."
        )


async def _require_new(reader: Reader, index: str, data: NewRules) -> None:
    """Refuse a new index before those that an installation begins with, one too many, or one that begins later."""
    known = await index_levels.names(reader)
    if not 0 < len(known) < MOST_INDICES:
        raise ParameterConflict(
            f"index: must be a known one, or a new one once there are 1 to {MOST_INDICES - 1}; got {index} and "
            f"{len(known)}. Give a known one other rules; the first run of the pipeline makes some."
        )
    if data.effective_date is not UNSET:
        raise ParameterConflict(
            f"effective_date: must be left out for a new index, which has a history from the first ranked session; got "
            f"{data.effective_date} for {index}. Leave it out."
        )
    if data.rules.currency is not None:
        codes = [one.currency_code for one in await index_portfolios.currencies(reader)]
        if data.rules.currency not in codes:
            raise ValueUnknown("rules.currency", data.rules.currency, codes)


def _require_same_currency(index: str, first: IndexRules, asked: IndexRules) -> None:
    """Refuse another currency: levels of an index stay comparable."""
    if asked.currency != first.currency:
        raise ParameterConflict(
            f"rules.currency: must be that of all versions of {index}, {first.currency or 'null'}; "
            f"got {asked.currency or 'null'}. Write the rules under another name of an index."
        )


def _require_currency(wanted: str, known: Sequence[Currency]) -> None:
    codes = [one.currency_code for one in known]
    if wanted not in codes:
        raise ValueUnknown("currency", wanted, codes)


def _range(start: dt.date | None, end: dt.date | None) -> tuple[dt.date, dt.date]:
    first, last = start or dt.date.min, end or dt.date.max
    if first > last:
        raise ParameterConflict(f"start: must not be after end; got {first} and {last}. Exchange them.")
    return first, last
