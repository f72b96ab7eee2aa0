"""Serve the API from this process."""

import gc
import socket

import uvicorn

from api import logs
from api.app import create_app
from api.outermost import Outermost
from api.protocol import PatientProtocol
from warehouse import traces
from warehouse.clock import clock_of
from warehouse.settings import Settings

SHUTDOWN_SECONDS = 5


def run(settings: Settings) -> None:
    """Serve the API at the address of the settings until the process is told to stop."""
    logs.configure(level=settings.log_level, clock=clock_of(settings), folder=settings.home / "logs" / "daily")
    traces.configure(settings, service="factorloom-api")
    Server(configuration(settings)).run()


def configuration(settings: Settings) -> uvicorn.Config:
    """Return how the API is served."""
    return uvicorn.Config(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        loop="uvloop",
        http=PatientProtocol,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Only what a proxy says that we know: anybody can send these headers.
        proxy_headers=bool(settings.api_trusted_proxies),
        forwarded_allow_ips=list(settings.api_trusted_proxies),
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


class Server(uvicorn.Server):
    """A server whose collector leaves alone what was there at the start, and that ends its streams."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then let the collector forget what stays anyway: a quarter of the time to encode went there."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams of events first: the other requests end by themselves."""
        if isinstance(self.config.app, Outermost):
            self.config.app.end()
        await super().shutdown(sockets)
