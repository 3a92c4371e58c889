"""uvicorn, with the three things it lacks: turning away at once, a deadline for headers, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from asyncio.events import TimerHandle
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from slipway.errors import UserError
from slipway.serving.app import App

HEADER_SECONDS = 10.0
RETRY_AFTER_SECONDS = 1
_FULL = b'{"error":"the server is full; try again later."}'
_ANSWER_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
    b"retry-after: %d\r\ncontent-length: %d\r\n\r\n%s" % (RETRY_AFTER_SECONDS, len(_FULL), _FULL)
)


def bind(host: str, port: int) -> socket.socket:
    """A bound socket. It listens only once the server runs: until then a client is refused and not kept waiting.

    Raises:
        UserError: the address is taken or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot listen on {host}:{port}: {reason}; choose another --port or --host.") from None
    return listener


def make_server(
    app: App, capacity: int, drain_seconds: float = 0.0, announce: Callable[[], None] = lambda: None
) -> Server:
    """A server for ``app``; ``run(sockets=[bind(…)])`` answers until SIGTERM or SIGINT and finishes what was begun.

    Args:
        app: what answers.
        capacity: how many predictions may be in flight; the next one is answered 503 with Retry-After at once.
        drain_seconds: how long to go on answering after SIGTERM, not ready, so that balancers notice.
        announce: called once, when the first request can come.
    """

    class Protocol(_Protocol):
        slipway_app, slipway_capacity = app, capacity

    config = uvicorn.Config(
        app,
        http=Protocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=2048,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=30,
    )
    return Server(config, app, drain_seconds, announce)


class Server(uvicorn.Server):
    """Ends with exit code 0 on SIGTERM, after it has been not ready for a while."""

    def __init__(self, config: uvicorn.Config, app: App, drain_seconds: float, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._app, self._drain_seconds, self._announce = app, drain_seconds, announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's, then the word that it is done."""
        await super().startup(sockets)
        self._announce()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn's own raises the signal again at the end, which makes an orderly stop look like a crash."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self._stop, number)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def _stop(self, number: int) -> None:
        wait = self._drain_seconds if number == signal.SIGTERM and not self._app.draining else 0.0
        self._app.draining = True
        asyncio.get_running_loop().call_later(wait, setattr, self, "should_exit", True)


class _Protocol(HttpToolsProtocol):
    """Decides at the end of the headers, before any Python of the application runs, whether there is room."""

    slipway_app: App
    slipway_capacity: int
    _deadline: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["slipway.received"] = perf_counter()  # type: ignore[typeddict-unknown-key]
        if self._deadline is None:
            self._watch()

    def on_headers_complete(self) -> None:
        self._unwatch()
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if not self.slipway_app.admit(cycle.scope, self.slipway_capacity):
            cycle.response_started = cycle.response_complete = True
            self.transport.write(_ANSWER_FULL)
            if not cycle.keep_alive:
                self.transport.close()
            self.on_response_complete()
            return
        super()._start_asgi_task(cycle, app)

    def _watch(self) -> None:
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.close()
