"""Real servers for tests: started on free loopback ports, waited for with a bound, ended by their process group."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

GRPC_OFFSET = 10_000


class NotInstalled(Exception):
    """There is no such server here that this user may run."""


class NotAnswering(Exception):
    """The server ended, or did not answer in time: a failure, not a test that cannot run here. Ends with its log."""


def free_ports(count: int, offset: int = 0) -> list[int]:
    """Loopback ports that nobody listens on; with ``offset``, port + offset is free as well.

    They are below those that the system gives to whoever asks for any, so that nobody is given one before it is used,
    and each of two test processes has a range of its own.
    """
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 2
    candidates = range(12_000 + 5_000 * process, 17_000 + 5_000 * process)
    found: list[int] = []
    with ExitStack() as held:
        for port in random.sample(candidates, len(candidates)):
            try:
                for number in (port, port + offset) if offset else (port,):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", number))
            except OSError:
                continue
            found.append(port)
            if len(found) == count:
                return found
    raise AssertionError("no port is free")


class Server:
    """A process that serves, its log in a file."""

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, env: Mapping[str, str], **popen: Any
    ) -> None:
        self.name, self.log = name, log
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=dict(env),
                start_new_session=True,  # so that it is ended with its children, and Ctrl-C reaches only the tests
                **popen,
            )

    def wait(self, answers: Callable[[], bool], seconds: float) -> None:
        """Return as soon as ``answers``.

        Raises:
            NotAnswering: the process ended, or the seconds passed.
        """
        deadline = time.monotonic() + seconds
        while not answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                how = f"ended with {self.process.returncode}" if self.process.poll() is not None else "does not answer"
                raise NotAnswering(f"{self.name} {how} after {seconds:.0f} s at most; its log:\n{self.tail()}")
            time.sleep(0.1)

    def tail(self, characters: int = 4000) -> str:
        """The end of the log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-characters:]

    def stop(self, first: signal.Signals = signal.SIGTERM, seconds: float = 15) -> None:
        """End the process and its children, the hard way if it must be."""
        for how in (first, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, how)
            except ProcessLookupError:
                break
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
        self.process.wait(seconds)
