"""The API under a constant rate for a long time: does it grow, and does it become slower? `make soak`.

It serves the data of this installation from a process of its own. The rate is open-loop: a request is due at its moment
whether the one before has been answered or not, and its time counts from that moment, so a pause of the server is seen
in every request that fell into it. SOAK_SECONDS (1800) and SOAK_RATE (100 a second) change length and load.
"""

import asyncio
import os
import socket
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from typing import NamedTuple

import httpx
import psutil

WARM_UP_SECONDS = 20.0
CONNECTIONS = 32
SERVE = "from warehouse.settings import read_settings; from api.server import run; run(read_settings())"


class Sample(NamedTuple):
    """One request: when it was due (s from the start), how long it took (s), and its status; 0 = none."""

    due: float
    seconds: float
    status: int


class Look(NamedTuple):
    """The process at one moment: s from the start, resident bytes."""

    at: float
    rss: int


async def soak(seconds: float, rate: float) -> int:
    """Run the load and print what was measured; returns the number of requests that failed."""
    async with served() as (base, process):
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        async with httpx.AsyncClient(base_url=base, limits=limits, timeout=30, trust_env=False) as client:
            paths = cycle(await questions(client))
            await drive(client, paths, WARM_UP_SECONDS, rate, process)
            samples, looks = await drive(client, paths, seconds, rate, process, is_told=True)
    return report(samples, looks, seconds, rate)


@asynccontextmanager
async def served() -> AsyncIterator[tuple[str, psutil.Process]]:
    """Serve the API from a process of its own, without a limit of its rate."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "FACTORLOOM_API_PORT": str(port), "FACTORLOOM_API_RATE_LIMIT": "0"}
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    base = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            for _ in range(300):
                try:
                    await client.get(f"{base}/livez")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        yield base, psutil.Process(server.pid)
    finally:
        server.terminate()
        await server.wait()


async def questions(client: httpx.AsyncClient) -> list[str]:
    """Return what is asked, in turn: what a desk asks all day, and what its browser does."""
    ranked = (await client.get("/v1/rankings", params={"limit": 20})).raise_for_status().json()["data"]
    backtests = (await client.get("/v1/backtests")).json()["data"]
    of_tickers = [
        path.format(row["ticker"])
        for row in ranked
        for path in ("/v1/history/{}?period=5y", "/v1/quotes/{}", "/v1/indicators/{}", "/ui/instruments/{}")
    ]
    of_day = [
        "/v1/rankings",
        "/v1/rankings?limit=500",
        "/v1/instruments?limit=500",
        "/v1/index/history",
        "/ui/rankings",
    ]
    return [path for pair in zip(of_tickers, cycle([*of_day, "/readyz"])) for path in pair] + [
        f"/v1/backtests/{row['backtest_id']}" for row in backtests[:3]
    ]


async def drive(
    client: httpx.AsyncClient,
    paths: Iterator[str],
    seconds: float,
    rate: float,
    process: psutil.Process,
    *,
    is_told: bool = False,
) -> tuple[list[Sample], list[Look]]:
    """Ask at a constant rate, and look at the process each second."""
    samples: list[Sample] = []
    looks: list[Look] = []
    started = time.perf_counter()

    async def ask(path: str, due: float) -> None:
        try:
            status = (await client.get(path)).status_code
        except httpx.HTTPError:
            status = 0
        samples.append(Sample(due, time.perf_counter() - started - due, status))

    pending: set[asyncio.Task[None]] = set()
    for number in range(int(seconds * rate)):
        due = number / rate
        await asyncio.sleep(max(started + due - time.perf_counter(), 0))
        task = asyncio.create_task(ask(next(paths), due))
        pending.add(task)
        task.add_done_callback(pending.discard)
        if number % rate < 1:
            looks.append(Look(due, process.memory_info().rss))
        if is_told and number and number % (60 * rate) < 1:
            recent = [sample for sample in samples if sample.due >= due - 60]
            print(f"  {due / 60:4.0f} min  {line(recent)}  RSS {looks[-1].rss / 1e6:6.1f} MB", flush=True)
    await asyncio.gather(*pending)
    return samples, looks


def report(samples: Sequence[Sample], looks: Sequence[Look], seconds: float, rate: float) -> int:
    """Print the first fifth beside the last; returns the number of failures."""
    first = [sample for sample in samples if sample.due < seconds / 5]
    last = [sample for sample in samples if sample.due >= seconds * 4 / 5]
    rss_first = statistics.median(look.rss for look in looks if look.at < seconds / 5)
    rss_last = statistics.median(look.rss for look in looks if look.at >= seconds * 4 / 5)
    failed = sum(not 200 <= sample.status < 400 for sample in samples)
    statuses = sorted(Counter(sample.status for sample in samples).items())
    print(f"{len(samples)} requests in {seconds:.0f} s at {rate:.0f} a second, {failed} failed")
    print(f"  statuses (0: no answer within 30 s)  {', '.join(f'{status}: {n}' for status, n in statuses)}")
    print(f"  first fifth  {line(first)}  RSS {rss_first / 1e6:6.1f} MB")
    print(f"  last fifth   {line(last)}  RSS {rss_last / 1e6:6.1f} MB")
    ratio = quantile(last, 0.99) / quantile(first, 0.99)
    print(f"RSS drift {rss_last / rss_first - 1:+.1%} (aim: under 5%), p99 {ratio:.2f} x of the start (aim: within 2)")
    return failed


def line(samples: Sequence[Sample]) -> str:
    """Return median and 99th percentile as a line says them."""
    return f"p50 {quantile(samples, 0.5) * 1e3:7.1f} ms  p99 {quantile(samples, 0.99) * 1e3:7.1f} ms"


def quantile(samples: Sequence[Sample], share: float) -> float:
    """Return a quantile of the times, s."""
    times = sorted(sample.seconds for sample in samples)
    return times[min(int(share * len(times)), len(times) - 1)] if times else float("nan")


if __name__ == "__main__":
    n_failed = asyncio.run(
        soak(float(os.environ.get("SOAK_SECONDS", "1800")), float(os.environ.get("SOAK_RATE", "100")))
    )
    sys.exit(1 if n_failed else 0)
