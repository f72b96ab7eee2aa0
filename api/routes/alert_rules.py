"""What alert rules may say: their schema, the metrics there are, and what a rule would have come to in the past."""

import datetime as dt
from typing import Annotated, Any

import msgspec
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body
from msgspec import Meta

from api import answers, operations
from api.alert_trials import Happened, Trial, try_on
from api.answers import One, Page
from api.database import Database
from api.identity.principal import SIGNED_IN, Principal
from api.refusals import RuleInvalid
from api.writes import user_of
from warehouse.queries.alert_history import history
from warehouse.queries.alert_metrics import COLUMNS, Column, catalogue_of
from warehouse.queries.alerts import resolution
from warehouse.queries.dialogue import hold_async
from warehouse.queries.reader import Reader
from warehouse.records.alert_sentences import explain
from warehouse.records.alerts import decode_rule, modern, rule_schema
from warehouse.records.errors import RuleRefused

TAG = "Alerts"
YEAR = dt.timedelta(days=365)
RULE = {
    "version": 2,
    "when": {"operator": "crosses_above", "metric": "price", "level": 100.0},
    "scope": {"kind": "instruments", "instruments": ["ACME"]},
}
EXPLAINED = "Fires when price crosses above 100, for ACME; not anew within 24 hours."


class AlertMetric(msgspec.Struct, frozen=True):
    """Something that a rule may look at."""

    name: Annotated[str, Meta(description="As `metric` of a condition takes it.")]
    description: Annotated[str, Meta(description="What it is.")]
    unit: Annotated[str | None, Meta(description="Unit; null for a word.")]
    kind: Annotated[str, Meta(description="number, or word: something for enters and leaves.")]
    of: Annotated[list[str], Meta(description="What `of` of a condition must say: which of several series.")]
    has_instrument: Annotated[bool, Meta(description="Whether it is one of each instrument: then a rule has a scope.")]
    is_live: Annotated[bool, Meta(description="Whether quotes count during the session.")]
    words: Annotated[
        list[str], Meta(description="All that a word can be; empty for a number, or where any word may be.")
    ]


class RuleTried(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule to be tried on history."""

    rule: Annotated[dict[str, Any], Meta(description="The rule, by the schema of GET /v1/alerts/schema.")]
    start: Annotated[dt.date | None, Meta(description="First day; null = a year before the end.")] = None
    end: Annotated[dt.date | None, Meta(description="Last day; null = today.")] = None


@operations.read(
    "/alerts/schema",
    operation_id="get_alert_schema",
    summary="Get the JSON schema of alert rules",
    tag=TAG,
    scope=SIGNED_IN,
    example=One({"anyOf": [{"$ref": "#/$defs/LevelRule"}, {"$ref": "#/$defs/Rule"}]}, answers.Meta()),
)
async def get_alert_schema() -> One[dict[str, Any]]:
    """The body of a rule, of every version, as JSON Schema 2020-12: operators, groups, scopes and options."""
    return One(rule_schema(), answers.meta())


@operations.read(
    "/alerts/metrics",
    operation_id="list_alert_metrics",
    summary="List what alert rules may look at",
    tag=TAG,
    scope=SIGNED_IN,
    example=Page(
        [AlertMetric("rankings.rank", "Place in the order.", "places", "number", ["profile"], True, False, [])],
        answers.Meta(),
    ),
)
async def list_alert_metrics(reader: NamedDependency[Reader]) -> Page[AlertMetric]:
    """Every metric that the tables hold now, by name; all on one page."""
    catalogue = catalogue_of([msgspec.structs.astuple(row) for row in await reader.rows(Column, COLUMNS)])
    found = [
        AlertMetric(
            metric.name,
            metric.description,
            metric.unit,
            "word" if metric.is_word else "number",
            list(metric.relation.of),
            metric.relation.has_instrument,
            metric.quote is not None,
            list(metric.words),
        )
        for metric in catalogue.metrics.values()
    ]
    return Page(sorted(found, key=lambda metric: metric.name), answers.meta())


@operations.calculation(
    "/alerts/try",
    operation_id="try_alert",
    summary="Try an alert rule on history",
    tag=TAG,
    scope="write:alerts",
    problems=[422],
    example=One(
        Trial(
            explanation=EXPLAINED,
            summary="It would have fired once in 250 sessions from 2023-06-29 to 2024-06-26, on 1 instrument.",
            first_date=dt.date(2023, 6, 29),
            last_date=dt.date(2024, 6, 26),
            n_sessions=250,
            n_instruments=1,
            n_triggered=1,
            n_resolved=0,
            events=[Happened(dt.date(2024, 3, 5), "ACME", "i5f0c2a9b7d1e4c38", "triggered", 1, [101.5])],
        ),
        answers.Meta(),
    ),
)
async def try_alert(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    data: Annotated[RuleTried, Body(title="Rule to try", examples=[Example(value={"rule": RULE})])],
) -> One[Trial]:
    """Hold a rule against past closes, session by session, for what its scope names today; nothing is stored."""
    async with database.as_user(principal) as transaction:
        last = data.end or transaction.now.date()
        first = data.start or last - YEAR
        try:
            rule = modern(decode_rule(data.rule))
            stored = modern(await hold_async(transaction.connection, resolution(rule, user_id=user_of(principal))))
            asked = history(stored, user_id=user_of(principal), first=first, last=last)
            seen = await hold_async(transaction.connection, asked)
        except RuleRefused as refused:
            raise RuleInvalid(str(refused)) from refused
    return One(try_on(stored, seen, explanation=explain(stored, tickers=seen.tickers)), answers.meta())
