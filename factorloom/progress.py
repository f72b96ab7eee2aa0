"""What a person sees while a run goes on: one line per run, its steps as they come and go."""

import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from factorloom.stages import Intake

if TYPE_CHECKING:
    import dagster as dg
    from dagster import DagsterEvent, EventLogEntry


def console_on_own_copy() -> Console:
    """Return a console on a copy of standard output: while steps run, Dagster turns the original into their log."""
    return Console(file=os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8"))


class RunProgress:
    """Shows the steps of one run while it goes on, and keeps how long each took.

    Attributes
    ----------
    seconds_by_step
        Of each step that ended, seconds.
    intake
        What came in, by table.
    first_failure
        First line of the first error; None while there is none.
    """

    def __init__(
        self, console: Console, instance: "dg.DagsterInstance", run_id: str, label: str, *, steps: int
    ) -> None:
        self.seconds_by_step: dict[str, float] = {}
        self.intake: dict[str, Intake] = {}
        self.first_failure: str | None = None
        self._label = label
        self._started: dict[str, float] = {}
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"), TextColumn("{task.description}"), BarColumn(bar_width=20),
            MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("[dim]{task.fields[step]}"), console=console,
            # Each picture costs the run a millisecond of its own; where nobody watches, only the last one is made.
            refresh_per_second=4, auto_refresh=console.is_terminal,
        )  # fmt: skip
        self._task = self._progress.add_task(label, total=steps, step="")
        instance.add_event_listener(run_id, self._on_event)

    def __enter__(self) -> Self:
        """Show the line."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the line as it stands."""
        self._progress.update(self._task, step="")
        self._progress.stop()

    def _on_event(self, entry: "EventLogEntry") -> None:
        event = entry.dagster_event
        if event is None or event.step_key is None:
            return
        step = event.step_key
        if event.event_type_value == "STEP_START":
            self._started[step] = time.monotonic()
            self._progress.update(self._task, step=step.replace("__", "."))
        elif event.event_type_value in ("STEP_SUCCESS", "STEP_FAILURE"):
            self.seconds_by_step[step] = time.monotonic() - self._started.get(step, time.monotonic())
            self._progress.advance(self._task)
        elif event.event_type_value == "ASSET_MATERIALIZATION":
            self._note_intake(event)
        if event.event_type_value == "STEP_FAILURE" and self.first_failure is None:
            self.first_failure = f"{step}: {_innermost_reason(event)}"

    def _note_intake(self, event: "DagsterEvent") -> None:
        """Keep the counts of an ingestion; a range writes the same ones for each of its partitions."""
        materialization = event.step_materialization_data.materialization
        metadata = materialization.metadata
        if "received" in metadata:
            counts = {name: int(str(metadata[name].value)) for name in Intake.__struct_fields__ if name in metadata}
            self.intake[".".join(materialization.asset_key.path)] = Intake(**counts)


def _innermost_reason(event: "DagsterEvent") -> str:
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "no reason given"
