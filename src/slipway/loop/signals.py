"""An end that is asked for is an orderly one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def orderly_end() -> Iterator[None]:
    """Have Ctrl-C, SIGTERM and a closed terminal leave the block as an exception does, so that it ends what it started.

    Who is impatient and asks again, or asks in two ways, is not heard: that would leave behind what the first asked to
    end. What this process was started to ignore, it ignores. The exit code is the shell's for the signal: 130 after
    Ctrl-C, 143 after SIGTERM. Does nothing outside the main thread.
    """

    def leave(number: int, frame: object) -> None:
        for each in before:
            signal.signal(each, lambda number, frame: None)
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {each: handler for each in numbers if (handler := signal.getsignal(each)) not in (signal.SIG_IGN, None)}
    for each in before:
        signal.signal(each, leave)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
