"""Channels and deliveries as tables for a terminal."""

import datetime as dt
from collections.abc import Iterable

from rich.table import Column, Table

from warehouse.queries.channels import Channel
from warehouse.queries.deliveries import Delivery

STATE_STYLES = {"done": "green", "dead": "red", "cancelled": "dim", "pending": "yellow", "leased": "cyan"}


def channels_table(channels: Iterable[Channel]) -> Table:
    """Return a line per channel."""
    table = Table(Column("channel", no_wrap=True), "kind", "address", "events", "state")
    for channel in channels:
        table.add_row(
            str(channel.channel_id), channel.kind, channel.address, " ".join(channel.event_types), state_of(channel)
        )
    return table


def state_of(channel: Channel) -> str:
    """Say how a channel does."""
    if not channel.is_active:
        return f"[red]off: {channel.disabled_reason or 'its owner switched it off'}[/]"
    if channel.verified_at is None:
        return "[yellow]waits for its receiver to confirm[/]"
    if channel.failing_since is not None:
        return f"[red]failing since {_minute(channel.failing_since)} ({channel.n_failures} in a row)[/]"
    return "[green]on[/]"


def deliveries_table(deliveries: Iterable[Delivery]) -> Table:
    """Return a line per delivery."""
    table = Table("made", Column("delivery", no_wrap=True), "to", "what", "state", "tries", "last answer")
    for delivery in deliveries:
        style = STATE_STYLES.get(delivery.state, "")
        table.add_row(
            _minute(delivery.created_at),
            str(delivery.delivery_id),
            f"{delivery.kind} {delivery.address}",
            delivery.message,
            f"[{style}]{delivery.state}[/]",
            str(delivery.attempts),
            delivery.last_error or (str(delivery.last_status) if delivery.last_status else ""),
        )
    return table


def _minute(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M}"
