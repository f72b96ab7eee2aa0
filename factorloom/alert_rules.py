"""What the commands about alert rules do: put a rule together from words, list rules, try one on history."""

import datetime as dt
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from rich.table import Column, Table

from api.alert_trials import Trial, try_on
from factorloom.errors import RuleUnclear
from warehouse.queries.alert_history import history
from warehouse.queries.alerts import Listed, resolution
from warehouse.queries.dialogue import hold
from warehouse.records.alert_sentences import explain, sentence_of
from warehouse.records.alerts import AnyRule, decode_rule, modern

YEAR = dt.timedelta(days=365)
MOST_SHOWN = 20
# A level that is a metric: `sma_200d`, `0.95*sma_200d`, `index_values.value@index_id=main`.
LEVEL = re.compile(r"(?:([0-9.]+)\*)?([a-z][a-z0-9_.]*)(?:@(.+))?")


def rule_of(
    whens: Sequence[str], *, any_of: bool, scope: dict[str, Any] | None, options: dict[str, Any], body: str | None
) -> AnyRule:
    """Put a rule together.

    Parameters
    ----------
    whens
        Conditions in words; see `condition_of`.
    any_of
        Whether one of them is enough.
    scope
        As the JSON of a rule has it.
    options
        As the JSON of a rule has them; None is left out.
    body
        The whole rule as JSON, or the name of a file that holds it, in place of all that.

    Raises
    ------
    RuleUnclear, RuleRefused
        Saying which words are not understood, or what must hold.
    """
    if body is not None:
        return decode_rule(body if body.lstrip().startswith("{") else Path(body).read_text())
    if not whens:
        raise RuleUnclear("nothing", must="a condition be given by --when, or a rule by --rule")
    conditions = [condition_of(when) for when in whens]
    group = {"operator": "or" if any_of else "and", "conditions": conditions}
    given = {name: value for name, value in options.items() if value is not None}
    return decode_rule(
        {
            "version": 2,
            "when": group if len(conditions) > 1 else conditions[0],
            **({"scope": scope} if scope else {}),
            **given,
        }
    )


def condition_of(when: str) -> dict[str, Any]:
    """Read a condition such as `price at_or_above 100` or `rank@profile=balanced at_or_below 10`.

    After the operator comes its level, a number or a metric (`price crosses_above sma_200d`,
    `price at_or_below 0.95*sma_200d`), its words (`signal@profile=balanced enters buy,strong_buy`), its size with an
    optional number of sessions (`price changes_by 0.05 over 5`), or for new_high and new_low the number of sessions.
    """
    name, *rest = when.split()
    metric, _, series = name.partition("@")
    if len(rest) not in (2, 4) or (len(rest) == 4 and rest[2] != "over"):
        raise RuleUnclear(when, must="a condition read like `price at_or_above 100` or `price changes_by 0.05 over 5`")
    operator, argument = rest[:2]
    condition: dict[str, Any] = {"operator": operator, "metric": metric}
    if series:
        condition["of"] = dict(part.partition("=")[::2] for part in series.split(","))
    if operator in ("enters", "leaves"):
        return {**condition, "values": argument.split(",")}
    if operator in ("new_high", "new_low"):
        return {**condition, "bars": int(_number(argument, when))}
    if operator == "changes_by":
        bars = int(_number(rest[3], when)) if len(rest) == 4 else 1
        return {**condition, "by": _number(argument, when), "bars": bars}
    if (level := LEVEL.fullmatch(argument)) is not None:
        return {**condition, "level": _moving_level(level)}
    return {**condition, "level": _number(argument, when)}


def _moving_level(level: re.Match[str]) -> dict[str, Any]:
    times, metric, series = level.groups()
    of = {"of": dict(part.partition("=")[::2] for part in series.split(","))} if series else {}
    return {"metric": metric, **of, **({"times": float(times)} if times else {})}


def scope_of(
    *, on: str | None, portfolio: str | None, sector: str | None, universe: bool, top: str | None
) -> dict[str, Any] | None:
    """Return the scope that the options name, at most one of them; None for none."""
    n, _, profile = (top or "").partition(":")
    scopes = [
        {"kind": "instruments", "instruments": [name.strip() for name in on.split(",")]} if on else None,
        {"kind": "portfolio", "portfolio_id": portfolio} if portfolio else None,
        {"kind": "sector", "sector": sector} if sector else None,
        {"kind": "universe"} if universe else None,
        {"kind": "top", "n": int(_number(n, top or "")), "profile": profile} if top else None,
    ]
    given = [scope for scope in scopes if scope is not None]
    if len(given) > 1:
        raise RuleUnclear(
            str(given), must="one of --on, --portfolio, --sector, --universe and --top be given, not more"
        )
    return given[0] if given else None


def tried(connection: psycopg.Connection, rule: AnyRule, *, user_id: str, today: dt.date) -> Trial:
    """Hold a rule against the closes of the last year."""
    stored = modern(hold(connection, resolution(modern(rule), user_id=user_id)))
    seen = hold(connection, history(stored, user_id=user_id, first=today - YEAR, last=today))
    return try_on(stored, seen, explanation=explain(stored, tickers=seen.tickers))


def rules_table(rules: Sequence[Listed], *, now: dt.datetime) -> Table:
    """Return the rules as a table, as they stand now."""
    table = Table("name", "fires", "no data", "rule", Column("id", no_wrap=True), title="alert rules")
    for rule in rules:
        said = sentence_of(rule.rule, tickers=dict(rule.tickers))
        if rule.muted_until is not None and rule.muted_until > now:
            said = f"muted until {rule.muted_until.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC: {said}"
        table.add_row(
            rule.name, str(rule.n_firing), str(rule.n_without_data), said if rule.is_active else f"off: {said}",
            str(rule.alert_id),
        )  # fmt: skip
    return table


def trial_table(trial: Trial) -> Table:
    """Return what a trial came to as a table, the newest first."""
    table = Table("session", "ticker", "event", "values", title=trial.summary, caption=trial.explanation)
    for one in trial.events[:MOST_SHOWN]:
        values = ", ".join("unknown" if value is None else f"{value:.6g}" for value in one.values)
        table.add_row(one.observed_date.isoformat(), one.ticker or "", one.event, values)
    return table


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError as exc:
        raise RuleUnclear(whole, must=f"a number stand where there is {text!r}") from exc
