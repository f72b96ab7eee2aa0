"""How long an alert takes by the daemon's sensor alone: from the commit of its event to a receiver on this machine.

`factorloom up` runs on the installation that the settings name, which `factorloom refresh` should have filled: what the
daemon has to carry on would be measured too.
"""

import datetime as dt
import os
import random
import signal
import statistics
import subprocess
import sys
import time

import psycopg

from benchmarks.deliveries import Receiver, wait, write
from warehouse.connect import owner_url
from warehouse.queries.channels import create_channel
from warehouse.secrets import LOCAL_OWNER_ID, webhook_keys
from warehouse.settings import read_settings

N_EVENTS, SEED = 100, 7
# Between two events, so that they fall anywhere between two ticks. Seconds.
PAUSES = (0.5, 2.5)


def main() -> None:
    """Measure and print."""
    before, receiver = os.getloadavg()[0], Receiver()
    environment = {**os.environ, "FACTORLOOM_WEBHOOK_ALLOW": receiver.address}
    up = subprocess.Popen(
        [sys.executable, "-m", "factorloom", "up"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert up.stdout is not None
        if not any(line.startswith("Ready.") for line in iter(up.stdout.readline, "")):
            raise RuntimeError("factorloom up must say that it is ready; it ended. Look at what it printed.")
        delays = sorted(measured(receiver))
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(timeout=120)
        receiver.close()
    p50, p95, p99 = (delays[min(int(share * N_EVENTS), N_EVENTS - 1)] for share in (0.5, 0.95, 0.99))
    print(f"commit to receiver by the sensor, {N_EVENTS} events: p50 {p50:.1f} s, p95 {p95:.1f} s, p99 {p99:.1f} s")
    print(
        f"mean {statistics.mean(delays):.1f} s; load average before and after: {before:.1f}, {os.getloadavg()[0]:.1f}"
    )


def measured(receiver: Receiver) -> list[float]:
    """Return seconds from commit to receiver of events written at random moments."""
    settings, dice = read_settings(), random.Random(SEED)
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
        connection.execute("delete from app.channels where address = %s", [f"http://{receiver.address}/"])
    return [receiver.came_at[number] - committed for number, committed in enumerate(committed_at)]


if __name__ == "__main__":
    main()
