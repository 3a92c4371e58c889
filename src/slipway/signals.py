"""An end that is asked for is an orderly one, also where no verb of the command line runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def orderly_end() -> Iterator[None]:
    """Have Ctrl-C, SIGTERM and a closed terminal leave the block as an exception does, so that it ends what it started.

    Who asks again, or in two ways, is heard once. What somebody handles already, such as the command line, or what this
    process was started to ignore, stays as it is. The exit code is the shell's for the signal: 130 after Ctrl-C, 143
    after SIGTERM. Does nothing outside the main thread.
    """
    heard: list[int] = []

    def leave(number: int, frame: object) -> None:
        if not heard:
            heard.append(number)
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    unhandled = (signal.default_int_handler, signal.SIG_DFL)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: handler for number in numbers if (handler := signal.getsignal(number)) in unhandled}
    for number in before:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
