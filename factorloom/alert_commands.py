"""`factorloom alerts ...`: what a person does about alerts. Every command imports what it needs when it runs."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    import psycopg

    from warehouse.records.alerts import AnyRule
    from warehouse.settings import Settings

alerts = typer.Typer(help="Alerts: where they go, and what became of them.", no_args_is_help=True)

DAY_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


Which = Annotated[str, typer.Argument(help="Id or name, as `factorloom alerts list` shows them.")]


def _rule(
    when: Annotated[
        list[str] | None,
        typer.Option("--when", help="Condition, such as 'price at_or_above 100'; several must all hold."),
    ] = None,
    any_of: Annotated[bool, typer.Option("--any", help="One of several conditions is enough.")] = False,
    on: Annotated[str | None, typer.Option("--on", help="Tickers, separated by commas.")] = None,
    portfolio: Annotated[
        str | None, typer.Option("--portfolio", help="Each holding of a portfolio, by its id.")
    ] = None,
    sector: Annotated[str | None, typer.Option("--sector", help="Each instrument of a sector.")] = None,
    universe: Annotated[bool, typer.Option("--universe", help="Each member of the universe.")] = False,
    top: Annotated[str | None, typer.Option("--top", help="The best of a profile, such as 20:balanced.")] = None,
    for_bars: Annotated[int | None, typer.Option(help="Closes in a row that it must hold at.")] = None,
    cooldown_hours: Annotated[float | None, typer.Option(help="Hours before it fires anew.")] = None,
    repeat_hours: Annotated[
        float | None, typer.Option(help="Hours after which it is told again while it lasts.")
    ] = None,
    one_shot: Annotated[bool | None, typer.Option("--one-shot", help="Once for each instrument.")] = None,
    body: Annotated[str | None, typer.Option("--rule", help="The whole rule as JSON, or a file that holds it.")] = None,
) -> "AnyRule":
    """Return the rule that options say."""
    from factorloom.alert_rules import rule_of, scope_of

    scope = scope_of(on=on, portfolio=portfolio, sector=sector, universe=universe, top=top)
    options = {
        "for_bars": for_bars, "cooldown_hours": cooldown_hours, "repeat_hours": repeat_hours, "one_shot": one_shot,
    }  # fmt: skip
    return rule_of(when or [], any_of=any_of, scope=scope, options=options, body=body)


def _with_rule(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `_rule`, and hand it the rule that they say as `rule`."""
    options = inspect.signature(_rule).parameters
    own = {name: one for name, one in inspect.signature(command).parameters.items() if name != "rule"}

    @wraps(command)
    def run(**given: Any) -> None:
        command(**{name: given[name] for name in own}, rule=_rule(**{name: given[name] for name in options}))

    taken = [*own.values(), *options.values()]
    run.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]  # what Typer reads
    run.__annotations__ = {one.name: one.annotation for one in taken}
    return run


@alerts.command()
@_with_rule
def add(name: Annotated[str, typer.Argument(help="A name of your own.")], rule: "AnyRule") -> None:
    """Wait for something: a rule that is held against each close and quote from now on."""
    from warehouse.clock import clock_of
    from warehouse.queries.alerts import create_alert
    from warehouse.records.alert_sentences import explain
    from warehouse.secrets import LOCAL_OWNER_ID

    with _warehouse() as (settings, connection):
        alert_id = create_alert(connection, rule, user_id=LOCAL_OWNER_ID, name=name, now=clock_of(settings)())
    print(f"Alert {alert_id}: {explain(rule)}")


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
    which: Which,
    hours: Annotated[float, typer.Option(min=0, max=87_600, help="For how long; 0 lifts it.")] = 24.0,
) -> None:
    """Announce nothing of a rule for some hours; what still holds when they are over is told then."""
    from warehouse.clock import clock_of
    from warehouse.queries.alerts import mute_alert
    from warehouse.secrets import LOCAL_OWNER_ID

    with _warehouse() as (settings, connection):
        now = clock_of(settings)()
        until = now + timedelta(hours=hours) if hours else None
        name = mute_alert(connection, which, user_id=LOCAL_OWNER_ID, until=until, now=now)
    print(f"Alert {name!r} is {f'muted until {until:%Y-%m-%d %H:%M} UTC' if until else 'not muted'}.")


@alerts.command()
def off(which: Which) -> None:
    """Switch a rule off: it is not looked at until it is switched on again, and goes on where it stood."""
    _switch(which, is_active=False)


@alerts.command()
def on(which: Which) -> None:
    """Switch a rule on again."""
    _switch(which, is_active=True)


def _switch(which: str, *, is_active: bool) -> None:
    from warehouse.clock import clock_of
    from warehouse.queries.alerts import switch_alert
    from warehouse.secrets import LOCAL_OWNER_ID

    with _warehouse() as (settings, connection):
        name = switch_alert(
            connection, which, user_id=LOCAL_OWNER_ID, is_active=is_active, now=clock_of(settings)()
        )  # fmt: skip
    print(f"Alert {name!r} is {'on' if is_active else 'off'}.")


@alerts.command()
def remove(which: Which) -> None:
    """Delete a rule with what it has announced; what is on its way is still sent."""
    from warehouse.queries.alerts import remove_alert
    from warehouse.secrets import LOCAL_OWNER_ID

    with _warehouse() as (_, connection):
        name = remove_alert(connection, which, user_id=LOCAL_OWNER_ID)
    print(f"Alert {name!r} is deleted.")


@alerts.command(name="test")
@_with_rule
def try_rule(rule: "AnyRule") -> None:
    """Try a rule on the last year: it would have fired so many times, then and there. Nothing is stored."""
    from factorloom.alert_rules import trial_table, tried
    from warehouse.clock import clock_of
    from warehouse.secrets import LOCAL_OWNER_ID

    with _warehouse() as (settings, connection):
        trial = tried(connection, rule, user_id=LOCAL_OWNER_ID, today=clock_of(settings)().date())
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
