"""How long an alert takes by the daemon's sensor alone: from the commit of its event to a receiver on this machine.

`factorloom up` runs on a small installation of its own, which the pipeline has filled before: what the daemon has to
carry on would be measured too.
"""

import datetime as dt
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg

from benchmarks.api import free_port
from benchmarks.deliveries import Receiver, wait, write
from benchmarks.measured import ROOT, environment, install, run
from warehouse.connect import owner_url
from warehouse.embedded import EmbeddedServer
from warehouse.queries.channels import create_channel
from warehouse.secrets import LOCAL_OWNER_ID, webhook_keys
from warehouse.settings import read_settings

N_EVENTS, SEED = 100, 7
MARKET = {"FACTORLOOM_SIMULATED_INSTRUMENTS": "60", "FACTORLOOM_SIMULATED_FIRST_SESSION": "2024-01-02"}
PORTS = ("FACTORLOOM_UI_PORT", "FACTORLOOM_API_PORT", "FACTORLOOM_CODE_SERVER_PORT")
# Between two events, so that they fall anywhere between two ticks. Seconds.
PAUSES = (0.5, 2.5)


def main() -> None:
    """Measure and print."""
    before, receiver, home = os.getloadavg()[0], Receiver(), Path(tempfile.mkdtemp(prefix="fl-bench-"))
    settings = {**MARKET, **{port: str(free_port()) for port in PORTS}, "FACTORLOOM_WEBHOOK_ALLOW": receiver.address}
    try:
        install(home)
        run(home, ["refresh"], settings)
        delays = sorted(while_up(home, settings, receiver))
    finally:
        receiver.close()
        EmbeddedServer(home / "postgres").stop()
        shutil.rmtree(home, ignore_errors=True)
    p50, p95, p99 = (delays[min(int(share * N_EVENTS), N_EVENTS - 1)] for share in (0.5, 0.95, 0.99))
    print(f"commit to receiver by the sensor, {N_EVENTS} events: p50 {p50:.1f} s, p95 {p95:.1f} s, p99 {p99:.1f} s")
    print(
        f"mean {statistics.mean(delays):.1f} s; load average before and after: {before:.1f}, {os.getloadavg()[0]:.1f}"
    )


def while_up(home: Path, settings: Mapping[str, str], receiver: Receiver) -> list[float]:
    """Measure while all services run."""
    known = environment(home, settings)
    up = subprocess.Popen(
        [sys.executable, "-m", "factorloom", "up"], cwd=ROOT, env=known, stdout=subprocess.PIPE, text=True
    )
    try:
        assert up.stdout is not None
        if not any(line.startswith("Ready.") for line in iter(up.stdout.readline, "")):
            raise RuntimeError("factorloom up must say that it is ready; it ended. Look at what it printed.")
        return measured(known, receiver)
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(timeout=120)


def measured(known: Mapping[str, str], receiver: Receiver) -> list[float]:
    """Return seconds from commit to receiver of events written at random moments."""
    settings, dice = read_settings(known), random.Random(SEED)
    committed_at = []
    with psycopg.connect(owner_url(settings), autocommit=True) as connection:
        create_channel(
            connection, "webhook", f"http://{receiver.address}/", user_id=LOCAL_OWNER_ID, keys=webhook_keys(settings),
            now=dt.datetime.now(dt.UTC), allow=[receiver.address], is_verified=True,
        )  # fmt: skip
        for number in range(N_EVENTS):
            committed_at.append(write(connection, range(number, number + 1)))
            time.sleep(dice.uniform(*PAUSES))
        wait(receiver, N_EVENTS)
    return [receiver.came_at[number] - committed for number, committed in enumerate(committed_at)]


if __name__ == "__main__":
    main()
