"""Keeps services running: starts them by stages, asks whether they answer, restarts those that fail, ends them all.

One thread decides; questions to services run in a pool, since an answer may take seconds. Each pass of `step` looks at
every service once:

1. not started: start it when the stages before it have answered once
2. starting: its first answer makes it running; too long without one is a failure
3. running: an ended process, or silence for too long, is a failure
4. failed: what is left of it is killed, and it starts again after a pause that doubles each time
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import factorloom.watchdog
from factorloom.processes import trim_log
from factorloom.services import Service
from warehouse.errors import WarehouseError

State = Literal["waiting", "starting", "running", "restarting", "stopped"]


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long the supervisor waits for what; seconds."""

    first_pause: float = 1.0
    longest_pause: float = 60.0
    steady_after: float = 60.0
    silent_for: float = 60.0
    stop: float = 20.0
    between_questions: float = 3.0
    between_questions_while_starting: float = 0.3


@dataclass
class Kept:
    """A service and what the supervisor knows about it."""

    service: Service
    state: State = "waiting"
    detail: str = ""
    restarts: int = 0
    failures_in_a_row: int = 0
    has_answered: bool = False
    started_at: float = 0.0
    answered_at: float = 0.0
    next_question: float = 0.0
    next_start: float = 0.0
    question: Future[bool] | None = None


class Supervisor:
    """Keeps services running until it is told to stop; use it as a context manager, which ends them."""

    def __init__(self, services: Sequence[Service], *, patience: Patience | None = None) -> None:
        self.kept = [Kept(service) for service in services]
        self.patience = patience or Patience()
        self._pool = ThreadPoolExecutor(max_workers=max(1, len(services)), thread_name_prefix="question")
        self._watchdog = Watchdog()

    def __enter__(self) -> "Supervisor":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def is_ready(self) -> bool:
        """True once every service runs."""
        return all(kept.state == "running" for kept in self.kept)

    def step(self) -> None:
        """Look at every service once."""
        now = time.monotonic()
        self._watchdog.keep({kept.service.pid for kept in self.kept if kept.service.has_group} - {None})
        for kept in self.kept:
            self._look_at(kept, now)

    def stop(self) -> None:
        """End all services, the last stage first."""
        for stage in sorted({kept.service.stage for kept in self.kept}, reverse=True):
            self._stop_stage([kept for kept in self.kept if kept.service.stage == stage])
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._watchdog.close()

    def kill(self) -> None:
        """End at once what can be ended at once; `stop` need then not wait for it."""
        for kept in self.kept:
            kept.service.kill()

    # -- inside

    def _look_at(self, kept: Kept, now: float) -> None:
        is_due = kept.state == "restarting" and now >= kept.next_start
        if is_due or (kept.state == "waiting" and self._stage_is_open(kept.service.stage)):
            self._start(kept, now)
        elif kept.state in ("starting", "running"):
            self._check(kept, now)
        trim_log(kept.service.log)

    def _stage_is_open(self, stage: int) -> bool:
        return all(kept.has_answered for kept in self.kept if kept.service.stage < stage)

    def _start(self, kept: Kept, now: float) -> None:
        kept.state, kept.started_at, kept.answered_at = "starting", now, now
        kept.next_question, kept.question = now, None
        try:
            kept.service.start()
        except (OSError, WarehouseError) as error:
            self._fail(kept, str(error).splitlines()[0])

    def _check(self, kept: Kept, now: float) -> None:
        if not kept.service.is_alive():
            self._fail(kept, "its process ended")
            return
        self._hear(kept, now)
        self._ask(kept, now)
        silence = now - kept.answered_at
        if kept.state == "starting" and silence > kept.service.start_timeout_seconds:
            self._fail(kept, f"no answer within {kept.service.start_timeout_seconds:.0f} s of its start")
        elif kept.state == "running" and silence > self.patience.silent_for:
            self._fail(kept, f"no answer for {self.patience.silent_for:.0f} s")

    def _hear(self, kept: Kept, now: float) -> None:
        if kept.question is None or not kept.question.done():
            return
        question, kept.question = kept.question, None
        # Whatever a check runs into, its service has not answered, and the others go on.
        if question.exception() is not None or not question.result():
            return
        kept.state, kept.detail, kept.has_answered, kept.answered_at = "running", "", True, now
        if now - kept.started_at > self.patience.steady_after:
            kept.failures_in_a_row = 0

    def _ask(self, kept: Kept, now: float) -> None:
        if kept.question is not None or now < kept.next_question:
            return
        is_starting = kept.state == "starting"
        pause = self.patience.between_questions_while_starting if is_starting else self.patience.between_questions
        kept.next_question = now + pause
        kept.question = self._pool.submit(kept.service.answers)

    def _fail(self, kept: Kept, reason: str) -> None:
        kept.service.stop(timeout_seconds=self.patience.stop)
        pause = min(self.patience.first_pause * 2**kept.failures_in_a_row, self.patience.longest_pause)
        kept.failures_in_a_row += 1
        kept.restarts += 1
        kept.state, kept.detail = "restarting", f"{reason}; next start in {pause:g} s"
        kept.next_start = time.monotonic() + pause

    def _stop_stage(self, stage: list[Kept]) -> None:
        with ThreadPoolExecutor(max_workers=max(1, len(stage))) as pool:
            list(pool.map(lambda kept: kept.service.stop(timeout_seconds=self.patience.stop), stage))
        for kept in stage:
            kept.state, kept.detail = "stopped", ""


class Watchdog:
    """Tells a small process of its own which groups live; it ends them when we are killed."""

    def __init__(self) -> None:
        self._groups: set[int | None] = set()
        self._process: subprocess.Popen[str] | None = None

    def keep(self, groups: set[int | None]) -> None:
        """Say which groups are ours now."""
        if self._process is None or self._process.poll() is not None:
            self._start()
            self._groups = set()
        self._say(
            [*(f"+{group}" for group in groups - self._groups), *(f"-{group}" for group in self._groups - groups)]
        )
        self._groups = groups

    def close(self) -> None:
        """End it; what it still has on its list has ended before."""
        if self._process is None:
            return
        self._say([f"-{group}" for group in self._groups])
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(timeout=15)
        self._process = None

    def _start(self) -> None:
        script = Path(factorloom.watchdog.__file__)
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-I", "-S", str(script)], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    def _say(self, lines: list[str]) -> None:
        if lines and self._process is not None and self._process.stdin is not None:
            try:
                self._process.stdin.write("".join(f"{line}\n" for line in lines))
                self._process.stdin.flush()
            except BrokenPipeError:
                self._groups = set()  # it was killed: the next call starts another
