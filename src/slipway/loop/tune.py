"""Run k8s/katib/experiment.yaml on this machine.

  tune                    run the experiment as it is written
  tune --max-trials 6     the same, but end after six trials
  tune --parallel 1       one trial at a time, which makes the search repeatable

The file that a cluster's Katib runs is read as it is: parameters, objective, goal, parallelTrialCount, maxTrialCount,
maxFailedTrialCount, early stopping and metricsFormat all hold. Optuna proposes the parameters, each trial is a process
of the primary container's command, and what it prints is read as Katib's collector reads it.

Writes build/tune/trials.json, a list of Katib Trials as `kubectl get trials -o json` would give it, and each trial's
output beside it. Exit code 1 when more trials failed than maxFailedTrialCount allows, or none succeeded.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any

from slipway.errors import UserError
from slipway.files import whole_folder, write_json
from slipway.loop.experiment import Experiment, read_experiment

EXPERIMENT = Path("k8s/katib/experiment.yaml")
OUT = Path("build/tune")
SUCCEEDED, FAILED, STOPPED, UNAVAILABLE = "Succeeded", "Failed", "EarlyStopped", "MetricsUnavailable"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway tune`."""
    parser.add_argument("--experiment", type=Path, default=EXPERIMENT, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--max-trials", type=int, metavar="N", help="end after N trials, below maxTrialCount")
    parser.add_argument("--parallel", type=int, metavar="N", help="trials at once, below parallelTrialCount")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the proposals; default: %(default)s")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Search; returns 0 when the experiment succeeded, 1 when it failed."""
    for flag in ("max_trials", "parallel"):
        if (count := getattr(args, flag)) is not None and count < 1:
            raise UserError(f"--{flag.replace('_', '-')} is {count}, expected at least 1.")
    experiment = read_experiment(args.experiment)
    with whole_folder(args.out) as folder:
        search = Search(experiment, folder, args.seed)
        succeeded = search.run(
            min(args.max_trials or sys.maxsize, experiment.spec.max_trial_count or sys.maxsize),
            min(args.parallel or sys.maxsize, experiment.parallel),
        )
        write_json(folder / "trials.json", search.as_trial_list())
    print(f"{args.out / 'trials.json'}  {search.verdict}")
    return 0 if succeeded else 1


@dataclass
class Trial:
    """One run of the trial's command."""

    name: str
    assignments: dict[str, str]
    started: datetime
    state: str = "Running"
    ended: datetime | None = None
    observation: list[dict[str, str]] = field(default_factory=list)
    first_reports: list[float] = field(default_factory=list)
    last_line: str = ""


class Search:
    """The experiment's controller: starts trials, reads them, stops when Katib's would."""

    def __init__(self, experiment: Experiment, folder: Path, seed: int) -> None:
        from slipway.loop.suggest import suggester

        self.experiment = experiment
        self.folder = folder
        self.trials: list[Trial] = []
        self.best: tuple[float, Trial] | None = None
        self.verdict = ""
        self._suggester = suggester(experiment, seed)
        self._processes: set[subprocess.Popen[str]] = set()
        self._began = time.monotonic()

    def run(self, most: int, parallel: int) -> bool:
        """Run up to ``most`` trials, ``parallel`` at once; whether the experiment succeeded."""
        print(
            f"{self.experiment.name}: {self.experiment.algorithm}, {most} trials at most, {parallel} at a time",
            flush=True,
        )
        threads = max(1, (os.cpu_count() or 1) // parallel)
        running: dict[Future[None], tuple[Any, Trial]] = {}
        with ThreadPoolExecutor(parallel) as pool:
            try:
                while True:
                    while len(running) < parallel and len(self.trials) < most and not self.verdict:
                        if (proposal := self._suggester.ask()) is None:
                            most = len(self.trials)
                            break
                        token, assignments = proposal
                        trial = Trial(
                            f"{self.experiment.name}-{len(self.trials) + 1:03}", assignments, datetime.now(UTC)
                        )
                        self.trials.append(trial)
                        running[pool.submit(self._run_trial, trial, self._stop_rule(), threads)] = (token, trial)
                    if not running:
                        break
                    for ended in wait(running, return_when=FIRST_COMPLETED).done:
                        token, trial = running.pop(ended)
                        ended.result()
                        self._take(token, trial, most)
                    if self.verdict:
                        self._end_processes()
            except BaseException:
                self.verdict = "stopped"
                self._end_processes()
                raise
        self.verdict = self.verdict or f"ended after {len(self.trials)} trials"
        if self.best is None:
            self.verdict += "; none succeeded"
            return False
        value, trial = self.best
        self.verdict += f"; best is {trial.name} with {self.experiment.metric}={value:.6g}"
        return not self._too_many_failed()

    def _take(self, token: Any, trial: Trial, most: int) -> None:
        """Book a trial's end, tell the suggester, and see whether the search is over."""
        value = None
        if trial.state in (SUCCEEDED, STOPPED):
            value = self.experiment.objective_of(trial.observation)
            if trial.state == SUCCEEDED and (self.best is None or self.experiment.better(value, self.best[0])):
                self.best = (value, trial)
        self._suggester.tell(token, value)
        shown = f"{self.experiment.metric}={value:.6g}" if value is not None else trial.last_line[:100]
        best = f"best {self.best[0]:.6g}" if self.best else "no best yet"
        assigned = " ".join(f"{name}={text}" for name, text in trial.assignments.items())
        print(
            f"{time.monotonic() - self._began:6.1f} s  {trial.name} of {most}  {trial.state}  {shown}  ({best})"
            f"  {assigned}",
            flush=True,
        )
        if self.best and self.experiment.reached(self.best[0]):
            self.verdict = f"reached its goal {self.experiment.goal:g} after {len(self.trials)} trials"
        elif self._too_many_failed():
            allowed = self.experiment.spec.max_failed_trial_count
            self.verdict = f"failed: {self._failed()} trials failed, maxFailedTrialCount is {allowed}"

    def _failed(self) -> int:
        return sum(trial.state in (FAILED, UNAVAILABLE) for trial in self.trials)

    def _too_many_failed(self) -> bool:
        allowed = self.experiment.spec.max_failed_trial_count
        return allowed is not None and self._failed() > allowed

    def _stop_rule(self) -> Callable[[list[float]], bool]:
        """Katib's medianstop, as it stands when a trial starts: it compares with a mean, in spite of its name.

        https://github.com/kubeflow/katib/blob/v0.19.0/pkg/earlystopping/v1beta1/medianstop/service.py
        """
        rule = self.experiment.median_stop()
        histories = [trial.first_reports for trial in self.trials if trial.state == SUCCEEDED and trial.first_reports]
        if rule is None or len(histories) < rule.min_trials_required:
            return lambda reports: False
        threshold = mean(mean(history[: rule.start_step]) for history in histories)
        best = max if self.experiment.maximize else min
        return lambda reports: len(reports) >= rule.start_step and self.experiment.better(threshold, best(reports))

    def _run_trial(self, trial: Trial, stop: Callable[[list[float]], bool], threads: int) -> None:
        """Run one trial to its end, or until the rule stops it; books its state."""
        command = self.experiment.command_for(trial.assignments)
        if command[0] in ("python", "python3"):
            command[0] = sys.executable
        reader = self.experiment.reader()
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
        stopped = False
        with (self.folder / f"{trial.name}.log").open("w", encoding="utf-8") as log:
            try:
                process = subprocess.Popen(
                    command, env=environment, text=True, errors="replace", start_new_session=True,
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                )  # fmt: skip
            except OSError as error:
                trial.state, trial.last_line, trial.ended = FAILED, f"{command[0]}: {error.strerror}", datetime.now(UTC)
                return
            self._processes.add(process)
            assert process.stdout
            for line in process.stdout:
                log.write(line)
                trial.last_line = line.strip() or trial.last_line
                reported = [name for name, _ in reader.read(line)]
                if self.experiment.metric in reported and not stopped and stop(reader.values[self.experiment.metric]):
                    stopped = True
                    _end(process)
            code = process.wait()
            self._processes.discard(process)
        trial.ended = datetime.now(UTC)
        trial.observation = reader.observation()
        trial.first_reports = reader.values[self.experiment.metric]
        if code and not stopped:
            trial.state = FAILED
        elif not trial.first_reports:
            trial.state, trial.last_line = UNAVAILABLE, f"printed no {self.experiment.metric}"
        else:
            trial.state = STOPPED if stopped else SUCCEEDED

    def _end_processes(self) -> None:
        for process in list(self._processes):
            _end(process)

    def as_trial_list(self) -> dict[str, Any]:
        """The trials as Katib's API shows them."""
        assert self.experiment.spec.objective
        objective = self.experiment.spec.objective.to_dict()
        return {
            "apiVersion": "v1",
            "kind": "List",
            "items": [
                {
                    "apiVersion": "kubeflow.org/v1beta1",
                    "kind": "Trial",
                    "metadata": {"name": t.name, "labels": {"katib.kubeflow.org/experiment": self.experiment.name}},
                    "spec": {
                        "objective": objective,
                        "parameterAssignments": [{"name": n, "value": v} for n, v in t.assignments.items()],
                    },
                    "status": {
                        "startTime": _timestamp(t.started),
                        "completionTime": t.ended and _timestamp(t.ended),
                        "conditions": [{"type": t.state, "status": "True"}],
                        "observation": {"metrics": t.observation},
                    },
                }
                for t in self.trials
            ],
        }


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _end(process: subprocess.Popen[str]) -> None:
    """End a trial and whatever it started; its own session is its process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
