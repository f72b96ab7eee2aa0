"""`factorloom alerts ...`: what a person does about alerts. Every command imports what it needs when it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    import psycopg

    from warehouse.settings import Settings

alerts = typer.Typer(help="Alerts: where they go, and what became of them.", no_args_is_help=True)

DAY_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


When = Annotated[
    list[str] | None,
    typer.Option("--when", help="Condition, such as 'price at_or_above 100'; several must all hold."),
]
AnyOf = Annotated[bool, typer.Option("--any", help="One of several conditions is enough.")]
RuleBody = Annotated[str | None, typer.Option("--rule", help="The whole rule as JSON, or a file that holds it.")]
On = Annotated[str | None, typer.Option("--on", help="Tickers, separated by commas.")]
PortfolioId = Annotated[str | None, typer.Option("--portfolio", help="Each holding of a portfolio, by its id.")]
SectorName = Annotated[str | None, typer.Option("--sector", help="Each instrument of a sector.")]
WholeUniverse = Annotated[bool, typer.Option("--universe", help="Each member of the universe.")]
TopOf = Annotated[str | None, typer.Option("--top", help="The best of a profile, such as 20:balanced.")]
ForBars = Annotated[int | None, typer.Option(help="Closes in a row that it must hold at.")]
Cooldown = Annotated[float | None, typer.Option(help="Hours before it fires anew.")]
Repeat = Annotated[float | None, typer.Option(help="Hours after which it is told again while it lasts.")]
OneShot = Annotated[bool | None, typer.Option("--one-shot", help="Once for each instrument.")]


@alerts.command()
def add(
    name: Annotated[str, typer.Argument(help="A name of your own.")],
    when: When = None,
    any_of: AnyOf = False,
    on: On = None,
    portfolio: PortfolioId = None,
    sector: SectorName = None,
    universe: WholeUniverse = False,
    top: TopOf = None,
    for_bars: ForBars = None,
    cooldown_hours: Cooldown = None,
    repeat_hours: Repeat = None,
    one_shot: OneShot = None,
    rule: RuleBody = None,
) -> None:
    """Wait for something: a rule that is held against each close and quote from now on."""
    from factorloom.alert_rules import rule_of, scope_of
    from warehouse.clock import clock_of
    from warehouse.queries.alerts import create_alert
    from warehouse.records.alert_sentences import explain
    from warehouse.secrets import LOCAL_OWNER_ID

    scope = scope_of(on=on, portfolio=portfolio, sector=sector, universe=universe, top=top)
    options = {
        "for_bars": for_bars, "cooldown_hours": cooldown_hours, "repeat_hours": repeat_hours, "one_shot": one_shot,
    }  # fmt: skip
    made = rule_of(when or [], any_of=any_of, scope=scope, options=options, body=rule)
    with _warehouse() as (settings, connection):
        alert_id = create_alert(connection, made, user_id=LOCAL_OWNER_ID, name=name, now=clock_of(settings)())
    print(f"Alert {alert_id}: {explain(made)}")


@alerts.command(name="list")
def list_rules() -> None:
    """Show what is waited for, and for how many instruments it holds now."""
    from factorloom.alert_rules import rules_table
    from warehouse.clock import clock_of
    from warehouse.queries.alerts import read_alerts
    from warehouse.secrets import LOCAL_OWNER_ID

    with _warehouse() as (settings, connection):
        rules = read_alerts(connection, user_id=LOCAL_OWNER_ID)
        Console().print(rules_table(rules, now=clock_of(settings)()))


@alerts.command()
def mute(
    name: Annotated[str, typer.Argument(help="Name of the rule.")],
    hours: Annotated[float, typer.Option(min=0, max=87_600, help="For how long; 0 lifts it.")] = 24.0,
) -> None:
    """Announce nothing of a rule for some hours; what still holds when they are over is told then."""
    import datetime as dt

    from factorloom.errors import RuleUnclear
    from warehouse.clock import clock_of
    from warehouse.queries.alerts import mute_alert
    from warehouse.secrets import LOCAL_OWNER_ID

    with _warehouse() as (settings, connection):
        now = clock_of(settings)()
        until = now + dt.timedelta(hours=hours) if hours else None
        if not mute_alert(connection, name, user_id=LOCAL_OWNER_ID, until=until, now=now):
            raise RuleUnclear(name, must="the name must be that of a rule, see `factorloom alerts list`")
    print(f"{name}: {f'muted until {until:%Y-%m-%d %H:%M} UTC' if until else 'not muted'}.")


@alerts.command(name="test")
def try_rule(
    when: When = None,
    any_of: AnyOf = False,
    on: On = None,
    portfolio: PortfolioId = None,
    sector: SectorName = None,
    universe: WholeUniverse = False,
    top: TopOf = None,
    for_bars: ForBars = None,
    cooldown_hours: Cooldown = None,
    repeat_hours: Repeat = None,
    one_shot: OneShot = None,
    rule: RuleBody = None,
) -> None:
    """Try a rule on the last year: it would have fired so many times, then and there. Nothing is stored."""
    from factorloom.alert_rules import rule_of, scope_of, trial_table, tried
    from warehouse.clock import clock_of
    from warehouse.secrets import LOCAL_OWNER_ID

    scope = scope_of(on=on, portfolio=portfolio, sector=sector, universe=universe, top=top)
    options = {
        "for_bars": for_bars, "cooldown_hours": cooldown_hours, "repeat_hours": repeat_hours, "one_shot": one_shot,
    }  # fmt: skip
    asked = rule_of(when or [], any_of=any_of, scope=scope, options=options, body=rule)
    with _warehouse() as (settings, connection):
        trial = tried(connection, asked, user_id=LOCAL_OWNER_ID, today=clock_of(settings)().date())
    Console().print(trial_table(trial))


@alerts.command()
def sink(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port on 127.0.0.1 to listen on.")] = 9000,
) -> None:
    """Receive alerts on this machine as a webhook would, verify their signatures, and show them; until Ctrl-C."""
    from factorloom.sink import run

    with _warehouse() as (settings, connection):
        run(settings, connection, port=port, console=Console())


@alerts.command()
def channels() -> None:
    """Show where alerts go, and how well their receivers do."""
    from factorloom.channel_tables import channels_table
    from warehouse.queries.channels import read_channels
    from warehouse.secrets import LOCAL_OWNER_ID

    with _warehouse() as (_, connection):
        Console().print(channels_table(read_channels(connection, user_id=LOCAL_OWNER_ID)))


@alerts.command()
def connect(
    kind: Annotated[str, typer.Argument(help="webhook, email or slack.")],
    address: Annotated[str, typer.Argument(help="URL of the webhook or of Slack's incoming webhook, or mail address.")],
    events: Annotated[str, typer.Option(help="Types of events, separated by commas.")] = "alert.*,incident.*,channel.*",
    owners: Annotated[str, typer.Option(help="Incidents of tables of these owners alone, separated by commas.")] = "",
) -> None:
    """Add a place that alerts go to; its receiver is asked first whether it wants them."""
    from warehouse.clock import machine_clock
    from warehouse.queries.channels import create_channel
    from warehouse.secrets import LOCAL_OWNER_ID, webhook_keys

    with _warehouse() as (settings, connection):
        made = create_channel(
            connection, kind, address, user_id=LOCAL_OWNER_ID, keys=webhook_keys(settings), now=machine_clock(),
            allow=settings.webhook_allow, event_types=_split(events), owners=_split(owners),
        )  # fmt: skip
    print(f"Channel {made.channel_id} waits for its receiver to confirm: see `factorloom alerts channels`.")
    if made.secret is not None:
        print(f"It signs with {made.secret}\nKeep that in the receiver: it is shown this once.")


@alerts.command()
def disconnect(channel: Annotated[str, typer.Argument(help="Id of the channel.")]) -> None:
    """Switch a channel off; what waits for it is dropped."""
    from uuid import UUID

    from warehouse.clock import machine_clock
    from warehouse.queries.channels import close_channel

    with _warehouse() as (_, connection):
        was_on = close_channel(connection, UUID(channel), reason="its owner switched it off", now=machine_clock())
    print("Switched off." if was_on else "No channel that is on has this id.")


@alerts.command()
def deliveries(
    state: Annotated[str | None, typer.Option(help="pending, leased, done, dead or cancelled.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
) -> None:
    """Show what was sent, the newest first; `--state dead` shows what was given up."""
    from factorloom.channel_tables import deliveries_table
    from warehouse.queries.deliveries import read_deliveries

    with _warehouse() as (_, connection):
        Console().print(deliveries_table(read_deliveries(connection, state=state, limit=limit)))


@alerts.command()
def replay(
    delivery: Annotated[str | None, typer.Argument(help="Id of one delivery, however it has ended.")] = None,
    since: Annotated[datetime | None, typer.Option(formats=DAY_FORMATS, help="Those made from then on, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(formats=DAY_FORMATS, help="Those made until then, UTC.")] = None,
    channel: Annotated[str | None, typer.Option(help="Those of one channel.")] = None,
    all_states: Annotated[bool, typer.Option("--all", help="Also those that were received or dropped.")] = False,
) -> None:
    """Send again what was given up: one delivery by its id, or a range; under the same ids, with all tries anew."""
    from factorloom.errors import NothingNamed
    from warehouse.clock import machine_clock
    from warehouse.queries.deliveries import BEGINNING, END, replay

    if delivery is None and since is None and channel is None:
        raise NothingNamed("alerts replay", must="an id, --since or --channel must say what is sent again")
    with _warehouse() as (_, connection):
        n_replayed = replay(
            connection,
            now=machine_clock(),
            delivery_id=delivery,
            channel_id=channel,
            since=since.replace(tzinfo=UTC) if since else BEGINNING,
            until=until.replace(tzinfo=UTC) if until else END,
            states=("dead", "cancelled", "done") if all_states or delivery else ("dead",),
        )
    print(f"{n_replayed} deliveries go out again.")


def _split(given: str) -> list[str]:
    return [part.strip() for part in given.split(",") if part.strip()]


@contextmanager
def _warehouse() -> "Iterator[tuple[Settings, psycopg.Connection]]":
    """Open a connection as the pipelines do; commits at the end, unless an error leaves it."""
    from warehouse.connect import connect, writer_url
    from warehouse.migrate import prepare
    from warehouse.settings import current_settings

    settings = current_settings()
    if settings.is_embedded:
        prepare(settings)
    with connect(writer_url(settings)) as connection:
        yield settings, connection
