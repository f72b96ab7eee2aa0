"""`factorloom deliver`: the outbox emptied as it fills, in a process of its own."""

from collections.abc import Callable

from factorloom.up import stop_signals
from orchestration.senders import senders_of
from orchestration.worker import work
from warehouse.clock import machine_clock
from warehouse.connect import writer_url
from warehouse.migrate import prepare
from warehouse.secrets import webhook_keys
from warehouse.settings import Settings


def deliver(settings: Settings, say: Callable[[str], None]) -> None:
    """Send what falls due until a signal comes; what is under way then is waited for.

    Parameters
    ----------
    settings
        Of the installation; an embedded server is started if it does not run.
    say
        Is told when the outbox is reached, left or out of reach.
    """
    if settings.is_embedded:
        prepare(settings)
    with stop_signals() as stop:
        work(
            writer_url(settings),
            senders_of(settings),
            webhook_keys(settings),
            clock=machine_clock,
            stop=stop.event,
            say=say,
        )
