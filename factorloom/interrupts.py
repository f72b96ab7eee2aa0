"""Ctrl-C during a long piece of work: it ends at once, with one sentence."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

# What a shell reports of a program that Ctrl-C has ended.
STATUS = 128 + signal.SIGINT
# Python's helper for semaphores tidies up after us, and would say so in a line of its own.
QUIET_HELPER = "ignore:resource_tracker:UserWarning"


def make_deaf() -> None:
    """Make this thread, and all that it starts from now on, deaf to Ctrl-C; before imports, as some start threads."""
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), QUIET_HELPER]))
    # Now: it would make the thread that starts it hear again.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


@contextmanager
def ended_by_interrupt(last_words: Callable[[], None]) -> Iterator[None]:
    """While inside, Ctrl-C says the last words and ends this process with status 130.

    Dagster takes the interrupt of a step that may be tried again for one more reason to do so, database drivers put
    handlers of their own in place, and a library in the middle of a computation hears nothing for minutes. So a thread
    of its own waits for the signal, to which all others are deaf, and with them the processes that Dagster starts for
    the logs of steps; it ends the process without unwinding it. What was not committed the database undoes, as after
    a `kill -9`. Nobody hears anything where `make_deaf` was not called first.

    Parameters
    ----------
    last_words
        Called in that thread; what it raises does not keep the process from ending.
    """
    is_over = threading.Event()

    def listen() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        signal.sigwait({signal.SIGINT})
        if is_over.is_set():
            return
        try:
            last_words()
        finally:
            os._exit(STATUS)

    listener = threading.Thread(target=listen, name="interrupts", daemon=True)
    listener.start()
    try:
        yield
    finally:
        is_over.set()
        signal.pthread_kill(listener.ident or 0, signal.SIGINT)
        listener.join()
