"""Serve the API from this process."""

import gc
import socket

import uvicorn

from api import logs
from api.app import create_app
from warehouse.clock import clock_of
from warehouse.settings import Settings

SHUTDOWN_SECONDS = 5


def run(settings: Settings) -> None:
    """Serve the API at the address of the settings until the process is told to stop."""
    logs.configure(level=settings.log_level, clock=clock_of(settings))
    config = uvicorn.Config(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    _Server(config).run()


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then let the collector forget what stays anyway: a quarter of the time to encode went there."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
