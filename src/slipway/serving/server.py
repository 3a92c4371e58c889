"""uvicorn, with what it lacks: a short way for predictions, turning away at once, deadlines, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from asyncio.events import TimerHandle
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from slipway.errors import UserError
from slipway.serving.app import App
from slipway.serving.predictions import Prediction, check_headers, too_large, too_slow
from slipway.serving.requests import Refusal

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
    """uvicorn's, except that predictions are answered without ASGI: no scope, no task, no messages.

    Whether there is room is decided at the end of the headers. Everything else is uvicorn's and the application's, but
    for requests that offer another protocol (``Upgrade: h2c``, as curl --http2 and Java's client do). The parser takes
    everything behind such a request's headers for that other protocol. No offer is taken here, which RFC 9110 §7.8
    allows, so what follows is the request's body and the next request: the headers are parsed once more without the
    offer, by a new parser, and what follows goes there. One parser alone says where a body ends, always.
    """

    slipway_app: App
    slipway_capacity: int
    _deadline: TimerHandle | None = None
    _started = 0.0
    """When the first byte of a request came whose headers are not whole yet, else 0."""
    _offers = False
    """Whether the request whose headers were just parsed offers another protocol."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        cycle = self.cycle
        if type(cycle) is Prediction and cycle.admitted and not cycle.whole and not cycle.response_complete:
            self._release(cycle)
            cycle.gone()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("Invalid HTTP request received.")
            return
        # Deadlines are for what did not come whole, and nearly everything does.
        if self._started and self._deadline is None:
            self._watch()
        cycle = self.cycle
        if type(cycle) is Prediction and cycle.counted and not cycle.whole:
            self._wait_for_body(cycle)

    def _parse(self, data: bytes) -> None:
        """Feed the parser, and feed it anew whenever a request offers another protocol.

        Raises:
            HttpParserError: this is no HTTP.
        """
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if not self._offers:  # CONNECT: there is nobody to connect to
                    raise httptools.HttpParserError("CONNECT") from None
                data = self._without_offer() + data[upgrade.args[0] :]
            else:
                return

    def _without_offer(self) -> bytes:
        """The headers of the request at hand but for ``Upgrade``, and a new parser to read them."""
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self._offers = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        return b"\r\n".join([*lines, b"", b""])

    def on_message_begin(self) -> None:
        self._started = perf_counter()
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._offers = True
            return
        self._unwatch()
        started, self._started = self._started, 0.0
        target = self.slipway_app.target(self.url) if self.parser.get_method() == b"POST" else None
        if target is None:
            url, headers, expect = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expect
            self.headers.extend(headers)  # they are the scope's
            super().on_headers_complete()
            return
        keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        busy = self.cycle is not None and not self.cycle.response_complete
        cycle = Prediction(target, self.headers, started, keep_alive, self._reply)
        self.cycle = cycle  # type: ignore[assignment]
        if busy:  # the client did not wait for the answer before
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))  # type: ignore[arg-type]
        else:
            self._admit(cycle)

    def on_body(self, body: bytes) -> None:
        cycle = self.cycle
        if type(cycle) is not Prediction:
            super().on_body(body)
        elif not cycle.response_complete:
            try:
                cycle.add(body, self.slipway_app.max_body)
            except Refusal as refusal:
                cycle.refuse(refusal)

    def on_message_complete(self) -> None:
        if self._offers:  # it is not: the parser passed over the body
            return
        cycle = self.cycle
        if type(cycle) is not Prediction:
            super().on_message_complete()
        elif not cycle.response_complete:
            cycle.whole = True
            if cycle.admitted:
                self._ask(cycle)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if type(cycle) is not Prediction:
            super()._start_asgi_task(cycle, app)
            return
        self._admit(cycle)  # it stood in the line behind another of this connection
        if cycle.counted and not cycle.whole:
            self._wait_for_body(cycle)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.flow.resume_reading()

    def _admit(self, prediction: Prediction) -> None:
        """Take it in if there is room, and answer it at once if there is nothing to wait for."""
        app = self.slipway_app
        if app.in_flight >= self.slipway_capacity:
            app.metrics.requests["full", 503] += 1
            prediction.response_complete = True
            self.transport.write(_ANSWER_FULL)
            self._finish(prediction.keep_alive)
            return
        app.in_flight += 1
        prediction.admitted = prediction.counted = True
        try:
            asks_first = check_headers(prediction.headers, app.max_body)
        except Refusal as refusal:
            prediction.refuse(refusal)
            return
        if prediction.whole:
            self._ask(prediction)
        elif asks_first:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _wait_for_body(self, prediction: Prediction) -> None:
        """A client that is slow to send takes no room, and not forever."""
        self._release(prediction)
        seconds = self.slipway_app.body_seconds
        prediction.late = self.loop.call_later(seconds, prediction.refuse, too_slow(seconds))

    def _ask(self, prediction: Prediction) -> None:
        if not prediction.counted:
            prediction.counted = True
            self.slipway_app.in_flight += 1
        if prediction.size > self.slipway_app.max_body:
            prediction.refuse(too_large(self.slipway_app.max_body))
        else:
            prediction.target.loaded.ask(prediction)

    def _reply(self, prediction: Prediction, status: int, content: bytes, close: bool) -> None:
        self._release(prediction)
        stays = prediction.keep_alive and not close and not self.slipway_app.draining
        if not self.transport.is_closing():
            self.transport.write(
                b"%b%bcontent-type: application/json\r\ncontent-length: %d\r\n%b\r\n%b"
                % (
                    STATUS_LINE[status],
                    b"".join([b"%b: %b\r\n" % header for header in self.server_state.default_headers]),
                    len(content),
                    b"" if stays else b"connection: close\r\n",
                    content,
                )
            )
        self._finish(stays)

    def _finish(self, stays: bool) -> None:
        if not stays:
            self.transport.close()
        self.on_response_complete()
        if self.pipeline or self.flow.write_paused:  # whoever sends ahead, or reads no answers, is not read on
            self.flow.pause_reading()

    def _release(self, prediction: Prediction) -> None:
        self.slipway_app.in_flight -= prediction.counted
        prediction.counted = False

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
