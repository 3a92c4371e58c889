"""Run k8s/katib/experiment.yaml on this machine.

  tune                    run the experiment as it is written
  tune --max-trials 6     the same, but end after six trials
  tune --parallel 1       one trial at a time, which makes the search repeatable

The file that a cluster's Katib runs is read as it is: parameters, objective, goal, parallelTrialCount, maxTrialCount,
maxFailedTrialCount, early stopping and metricsFormat all hold. Optuna proposes the parameters, each trial is a process
of the primary container's command, and what it prints is read as Katib's collector reads it.

Writes build/tune/trials.json, a list of Katib Trials as `kubectl get trials -o json` would give it, and each trial's
output beside it. Exit code 1 when as many trials failed as maxFailedTrialCount says, or none succeeded.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any

from slipway.errors import UserError
from slipway.files import check_replaceable, whole_folder, write_json
from slipway.model.problem import PROBLEM
from slipway.search.experiment import Experiment, read_experiment
from slipway.search.katib import EXPERIMENT_LABEL, FAILED, KILLED, OUT, STOPPED, SUCCEEDED, TRIALS, UNAVAILABLE
from slipway.search.objective import check_objective
from slipway.search.trial import Processes, Trial, run_trial

EXPERIMENT = Path("k8s/katib/experiment.yaml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway tune`."""
    parser.add_argument("--experiment", type=Path, default=EXPERIMENT, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--max-trials", type=int, metavar="N", help="end after N trials, below maxTrialCount")
    parser.add_argument("--parallel", type=int, metavar="N", help="trials at once, below parallelTrialCount")
    parser.add_argument("--seed", type=int, metavar="N", help="of the proposals; default: random_state, or 0")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Search; returns 0 when the experiment succeeded, 1 when it failed."""
    for flag, least in (("max_trials", 1), ("parallel", 1), ("seed", 0)):
        if (count := getattr(args, flag)) is not None and count < least:
            raise UserError(f"--{flag.replace('_', '-')} is {count}, expected at least {least}.")
    check_replaceable(args.out, TRIALS)
    experiment = read_experiment(args.experiment)
    if _trains(experiment):
        check_objective(experiment, PROBLEM)
    most = min(args.max_trials or sys.maxsize, experiment.spec.max_trial_count or sys.maxsize)
    if most == sys.maxsize and experiment.goal is None and experiment.algorithm != "grid":
        raise UserError(f"{experiment.path} has no maxTrialCount and no goal, so it never ends: add --max-trials.")
    if lacking := experiment.missing_variables():
        raise UserError(
            f"{experiment.path}: the trial takes {lacking[0]} from the cluster: set it in this environment as well."
        )
    with whole_folder(args.out, TRIALS) as folder:
        search = Search(experiment, folder, args.seed)
        succeeded = search.run(most, min(args.parallel or sys.maxsize, experiment.parallel))
        write_json(folder / TRIALS, search.as_trial_list())
    print(f"{args.out / TRIALS}  {search.verdict}")
    return 0 if succeeded else 1


def _trains(experiment: Experiment) -> bool:
    """Whether the trials are `slipway train`, of which it is known what they print and take."""
    return {"slipway", "train"} <= set(experiment.container.command or [])


class Search:
    """The experiment's controller: starts trials, books them, stops when Katib's would.

    https://github.com/kubeflow/katib/blob/v0.19.0/pkg/controller.v1beta1/experiment/util/status_util.go
    """

    def __init__(self, experiment: Experiment, folder: Path, seed: int | None) -> None:
        from slipway.search.suggest import suggester

        self.experiment = experiment
        self.folder = folder
        self.trials: list[Trial] = []
        self.best: tuple[float, Trial] | None = None
        self.verdict = ""
        self._suggester = suggester(experiment, seed)
        self._processes = Processes()
        self._failed = False
        self._began = time.monotonic()

    def run(self, most: int, parallel: int) -> bool:
        """Run up to ``most`` trials, ``parallel`` at once; whether the experiment succeeded."""
        limit = "until it reaches its goal" if most == sys.maxsize else f"{most} trials at most"
        print(f"{self.experiment.name}: {self.experiment.algorithm}, {limit}, {parallel} at a time", flush=True)
        running: dict[Future[None], tuple[Any, Trial]] = {}
        with ThreadPoolExecutor(parallel) as pool:
            try:
                while True:
                    while len(running) < parallel and len(self.trials) < most and not self.verdict:
                        if (proposal := self._suggester.ask()) is None:
                            most = len(self.trials)
                            break
                        token, trial = proposal[0], self._new_trial(proposal[1])
                        running[self._submit(pool, trial, max(1, (os.cpu_count() or 1) // parallel))] = (token, trial)
                    if not running:
                        break
                    # With a limit: a signal that came just before this began to wait would wait as well.
                    for ended in wait(running, timeout=0.5, return_when=FIRST_COMPLETED).done:
                        token, trial = running.pop(ended)
                        ended.result()
                        self._take(token, trial, most)
                    if self.verdict:
                        self._processes.end_all()
            except BaseException:
                self._processes.end_all()
                raise
        return self._conclude()

    def _new_trial(self, assignments: dict[str, str]) -> Trial:
        trial = Trial(f"{self.experiment.name}-{len(self.trials) + 1:03}", assignments, datetime.now(UTC))
        self.trials.append(trial)
        return trial

    def _submit(self, pool: ThreadPoolExecutor, trial: Trial, threads: int) -> Future[None]:
        return pool.submit(
            run_trial,
            trial,
            self.experiment.command_for(trial.name, trial.assignments),
            self.experiment.reader(),
            self.experiment.metric,
            self._stop_rule(),
            self._processes,
            threads,
            self.folder / f"{trial.name}.log",
        )

    def _take(self, token: Any, trial: Trial, most: int) -> None:
        """Book a trial's end, tell the suggester, and see whether the search is over."""
        if self.verdict and trial.state != SUCCEEDED:
            trial.state, trial.last_line = KILLED, "the search was over"
        value = self.experiment.objective_of(trial.observation) if trial.state in (SUCCEEDED, STOPPED) else None
        if (
            trial.state == SUCCEEDED
            and value is not None
            and (self.best is None or self.experiment.better(value, self.best[0]))
        ):
            self.best = (value, trial)
        self._suggester.tell(token, value)
        self._show(trial, value, most)
        if trial.untimed and not any(earlier.untimed for earlier in self.trials if earlier is not trial):
            print(
                "note: the trial's lines do not begin with an RFC 3339 time and a blank; on a cluster `latest` and "
                "medianstop cannot be trusted then",
                flush=True,
            )
        failures = sum(trial.state in (FAILED, UNAVAILABLE) for trial in self.trials)
        allowed = self.experiment.spec.max_failed_trial_count
        if self.verdict:
            return
        if self.best and self.experiment.reached(self.best[0]):
            self.verdict = f"reached its goal {self.experiment.goal:g} after {self._ended()} trials"
        elif allowed is not None and failures and failures >= allowed:
            self._failed = True
            self.verdict = f"failed: {failures} trials failed, and maxFailedTrialCount is {allowed}"

    def _show(self, trial: Trial, value: float | None, most: int) -> None:
        shown = f"{self.experiment.metric}={value:.6g}" if value is not None else trial.last_line[:100]
        best = f"best {self.best[0]:.6g}" if self.best else "no best yet"
        count = f"{self._ended()}" if most == sys.maxsize else f"{self._ended()} of {most}"
        assigned = " ".join(f"{name}={text}" for name, text in trial.assignments.items())
        print(
            f"{time.monotonic() - self._began:6.1f} s  {count}  {trial.name}  {trial.state}  {shown}  ({best})"
            f"  {assigned}",
            flush=True,
        )

    def _ended(self) -> int:
        return sum(trial.ended is not None for trial in self.trials)

    def _conclude(self) -> bool:
        self.verdict = self.verdict or f"ended after {len(self.trials)} trials"
        if self.best is None:
            self.verdict += "; none succeeded"
            return False
        value, trial = self.best
        self.verdict += f"; best is {trial.name} with {self.experiment.metric}={value:.6g}"
        return not self._failed

    def _stop_rule(self) -> Callable[[list[float]], bool]:
        """Katib's medianstop, as it stands when a trial starts: it compares with a mean, in spite of its name.

        https://github.com/kubeflow/katib/blob/v0.19.0/pkg/earlystopping/v1beta1/medianstop/service.py
        """
        rule = self.experiment.median_stop()
        histories = [trial.reports for trial in self.trials if trial.state == SUCCEEDED]
        if rule is None or len(histories) < rule.min_trials_required:
            return lambda reports: False
        threshold = mean(mean(history[: rule.start_step]) for history in histories)
        best = max if self.experiment.maximize else min
        return lambda reports: len(reports) >= rule.start_step and self.experiment.better(threshold, best(reports))

    def as_trial_list(self) -> dict[str, Any]:
        """The trials as Katib's API shows them."""
        labels = {EXPERIMENT_LABEL: self.experiment.name}
        return {
            "apiVersion": "v1",
            "kind": "List",
            "items": [
                {
                    "apiVersion": "kubeflow.org/v1beta1",
                    "kind": "Trial",
                    "metadata": {"name": t.name, "namespace": self.experiment.namespace, "labels": labels},
                    "spec": {
                        "objective": self.experiment.objective,
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
