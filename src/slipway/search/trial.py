"""Trials: their processes, and what came of each."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from slipway.search.experiment import Command
from slipway.search.katib import FAILED, KILLED, STOPPED, SUCCEEDED, UNAVAILABLE
from slipway.search.observation import MetricsReader

_GRACE_SECONDS = 5.0
"""From asking a trial's processes to end until they are made to."""


@dataclass
class Trial:
    """One run of the trial's command."""

    name: str
    assignments: dict[str, str]
    started: datetime
    state: str = "Running"
    ended: datetime | None = None
    observation: list[dict[str, str]] = field(default_factory=list)
    reports: list[float] = field(default_factory=list)
    untimed: bool = False
    last_line: str = ""


class Processes:
    """The processes of the trials that run; once they were ended, none starts any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._over = False

    def start(self, command: Command, threads: int) -> subprocess.Popen[str] | None:
        """Start a trial's process in its own process group, with ``threads`` OpenMP threads; None when all is over.

        ``python`` is the Python that runs this, as in the image it is the image's.
        """
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        environment = {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1", "PATH": path} | command.environment
        with self._lock:
            if self._over:
                return None
            process = subprocess.Popen(
                command.words, env=os.environ | environment, text=True, errors="replace", start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            self._running.add(process)
        # A pod ends with its main process. What that left behind would hold the pipe open and never be waited for.
        threading.Thread(target=self._sweep, args=(process,), daemon=True).start()
        return process

    def _sweep(self, process: subprocess.Popen[str]) -> None:
        process.wait()
        _signal(process, signal.SIGKILL)
        with self._lock:
            self._running.discard(process)

    def end_all(self) -> None:
        """End every process and start no more; returns when they are gone."""
        with self._lock:
            self._over = True
            running = list(self._running)
        end(*running)


def end(*processes: subprocess.Popen[str]) -> None:
    """End trials and whatever they started: politely, then by force."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()


def _signal(process: subprocess.Popen[str], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def run_trial(
    trial: Trial,
    command: Command,
    reader: MetricsReader,
    metric: str,
    stop: Callable[[list[float]], bool],
    processes: Processes,
    threads: int,
    log: Path,
) -> None:
    """Run one trial to its end, or until ``stop`` says so of its reports; books its state.

    Args:
        trial: is filled in.
        command: how it is run.
        reader: of its output.
        metric: the objective's name.
        stop: whether a trial with these reports of the objective is to end early.
        processes: where its process is known from its first moment.
        threads: OpenMP threads it may have.
        log: gets its output.
    """
    try:
        process = processes.start(command, threads)
    except OSError as error:
        trial.state, trial.last_line = FAILED, f"{command.words[0]}: {error.strerror}"
        trial.ended = datetime.now(UTC)
        return
    if process is None:
        trial.state, trial.ended = KILLED, datetime.now(UTC)
        return
    stopped = False
    assert process.stdout
    with log.open("w", encoding="utf-8") as file, process.stdout as lines:
        for line in lines:
            file.write(line)
            file.flush()
            trial.last_line = line.strip() or trial.last_line
            if metric in reader.read(line) and not stopped and stop(reader.values[metric]):
                stopped = True
                end(process)
    code = process.wait()
    trial.ended = datetime.now(UTC)
    trial.observation, trial.reports, trial.untimed = reader.observation(), reader.values[metric], reader.untimed
    trial.state = STOPPED if stopped else SUCCEEDED if code == 0 else FAILED
    if trial.state != SUCCEEDED:
        trial.last_line = trial.last_line or f"exit code {code}, and not a word"
    elif metric in reader.spoilt:
        trial.state, trial.last_line = UNAVAILABLE, f"printed a {metric} that is no number: {trial.last_line}"
    elif not trial.reports:
        trial.state, trial.last_line = UNAVAILABLE, f"printed no {metric}"
