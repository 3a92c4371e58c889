"""The whole loop, in a scratch folder.

  demo                    push new data, search, gate, promote, serve, load, refuse a worse model, roll back; then open
                          build/demo/index.html
  demo --trials 12        search longer

A scratch clone of the commit you are on gets a Git remote, a DVC remote and a registry of its own, all under
build/demo; the repository you stand in is not touched. Every step is a command you could type, and is printed as
one. A second run starts afresh. Ctrl-C ends every process it started.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, url2pathname, urlopen

from slipway.errors import UserError
from slipway.files import write_json, write_text
from slipway.git import git
from slipway.learning.data import sample
from slipway.model.problem import PROBLEM
from slipway.names import load_names
from slipway.problem import Binary, Regression
from slipway.release.promote import PRODUCTION
from slipway.serving.served import free_port, served

OUT = Path("build/demo")
_DATA = PROBLEM.parts.folder
_ROWS_ASKED = 5
_REGISTRY_SECONDS = 120
_END_SECONDS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway demo`."""
    parser.add_argument("--trials", type=int, default=5, metavar="N", help="of the search; default: %(default)s")
    parser.add_argument("--seconds", type=int, default=10, metavar="N", help="of load; default: %(default)s")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="default: %(default)s")


def run(args: argparse.Namespace) -> None:
    """Run the loop and write the page."""
    from slipway.demo.demo_page import render

    if args.out.is_file() or (args.out.exists() and not (args.out / "loop.json").exists() and any(args.out.iterdir())):
        raise UserError(f"{args.out} holds something that is not a demo: name another folder with --out.")
    if args.trials < 1 or args.seconds < 1:
        raise UserError("--trials and --seconds must be 1 or more.")
    git("rev-parse", "--verify", "HEAD")  # a commit is what is cloned; where there is none, that is said now
    if git("rev-parse", "--is-shallow-repository") == "true":
        raise UserError("this clone is shallow, and cannot be cloned further: `git fetch --unshallow` first.")
    shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True)
    write_json(args.out / "loop.json", {"steps": []})  # marks the folder as ours
    loop = Loop(args.out.resolve())
    try:
        loop.run(args.trials, args.seconds)
    except subprocess.CalledProcessError as error:
        raise UserError(f"`{' '.join(error.cmd)}` ended with exit code {error.returncode}; see above.") from None
    write_json(args.out / "loop.json", loop.as_json())
    write_text(args.out / "index.html", render(loop.as_json()))
    minutes, seconds = divmod(round(loop.seconds), 60)
    print(f"\nThe loop took {minutes} min {seconds:02} s. Open {args.out / 'index.html'}")


@dataclass
class Step:
    """One step of the loop: what a person would type, and what came of it."""

    title: str
    why: str
    seconds: float = 0.0
    commands: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    shows: dict[str, Any] = field(default_factory=dict)


class Loop:
    """The scratch clone and the steps taken in it."""

    def __init__(self, out: Path) -> None:
        self._sample = sample()
        self._new = next(part for part in self._sample.ALL if part > self._sample.PARTS[-1])
        self.steps: list[Step] = []
        self.seconds = 0.0
        self.clone = out / "clone"
        self._origin, self._data = out / "origin.git", out / "dvc-remote"
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")} | {
            "PYTHONPATH": "src",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}",
            "DVC_NO_ANALYTICS": "1",
        }

    def run(self, trials: int, seconds: int) -> None:
        """Take every step."""
        began = time.monotonic()
        with ExitStack() as while_the_loop_runs:
            self._clone()
            registry = while_the_loop_runs.enter_context(self._registry())
            self._first_parts()
            self._first_champion(registry)
            self._push_data()
            self._report()
            self._search(trials)
            self._ship()
            self._answer(seconds)
            self._refuse_a_worse_one()
            self._roll_back()
            self.seconds = time.monotonic() - began

    def _clone(self) -> None:
        with self._step("Clone", "A clone with a Git remote and a DVC remote of its own."):
            self._do("git", "init", "--quiet", "--bare", "--initial-branch=main", str(self._origin), at=Path.cwd())
            self._do("git", "push", "--quiet", str(self._origin), "HEAD:refs/heads/main", at=Path.cwd())
            self._do("git", "clone", "--quiet", str(self._origin), str(self.clone), at=Path.cwd())
            # In its own settings, so that who goes on in it (docs/data.md) can commit on a machine without a name.
            self._do("git", "config", "user.name", "Slipway demo")
            self._do("git", "config", "user.email", "demo@localhost")
            self._do("dvc", "remote", "modify", "--local", "storage", "url", str(self._data))

    @contextmanager
    def _registry(self) -> Iterator[subprocess.Popen[bytes]]:
        """An MLflow server on the clone's own mlflow.db and mlruns, which a verb without a server would use.

        Verbs that ask a server start several seconds sooner than those that open the database themselves.
        """
        address = urlsplit(self._environment["MLFLOW_TRACKING_URI"])
        with (self.clone.parent / "mlflow.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(address.port),
                    "--workers", "1", "--backend-store-uri", f"sqlite:///{self.clone / 'mlflow.db'}",
                    "--no-serve-artifacts", "--default-artifact-root", (self.clone / "mlruns").as_uri(),
                ],
                env=self._environment | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            yield process
        finally:
            _end(process)

    def _wait_for(self, registry: subprocess.Popen[bytes]) -> None:
        """Wait until the MLflow server answers: its first start makes the tables of its database."""
        deadline = time.monotonic() + _REGISTRY_SECONDS
        while time.monotonic() < deadline and registry.poll() is None:
            with suppress(OSError), urlopen(f"{self._environment['MLFLOW_TRACKING_URI']}/health", timeout=2):
                return
            time.sleep(0.1)
        raise UserError(f"the demo's MLflow server does not answer; its log is {self.clone.parent / 'mlflow.log'}.")

    def _first_parts(self) -> None:
        first, last = self._sample.PARTS[0], self._sample.PARTS[-1]
        with self._step("Data", f"{first} to {last}, made byte for byte as Git expects them, and an MLflow server."):
            self._slipway("data", "make")
            self._do("dvc", "add", "--quiet", _DATA)
            if changed := git("status", "--porcelain", at=self.clone):
                raise UserError(f"`make data` made other bytes than Git expects: {changed}; see docs/data.md.")
            self._do("dvc", "push", "--quiet")

    def _first_champion(self, registry: subprocess.Popen[bytes]) -> None:
        with self._step("The first champion", "Trained on all but the newest. Nobody to beat yet, so floors decide."):
            self._do("dvc", "repro", "--quiet", "train")
            self._wait_for(registry)
            self._slipway("register")
            self._slipway("gate", "--set-champion")
            self._slipway("promote", "--env", PRODUCTION)
            self._commit("Serve the first champion")
            self._do("git", "push", "--quiet", "origin", "main")

    def _push_data(self) -> None:
        with self._step("Push data", f"{self._new} arrives on a branch: checked, tracked by DVC, pushed.") as step:
            self._do("git", "switch", "--quiet", "--create", f"data/{self._new}")
            self._slipway("data", "make", "--parts", self._new)
            self._slipway("data", "check")
            self._do("dvc", "add", "--quiet", _DATA)
            step.shows["diff"] = git("diff", "HEAD", "--", f"{_DATA}.dvc", at=self.clone)
            self._commit(f"{PROBLEM.name.many.capitalize()} of {self._new}")
            self._do("dvc", "push", "--quiet")
            self._do("git", "push", "--quiet", "origin", f"data/{self._new}")

    def _report(self) -> None:
        with self._step("Report", "What the pull request shows: data, parameters, metrics, before the merge.") as step:
            self._do("dvc", "repro", "--quiet")
            self._slipway("image")
            self._commit(f"What {self._new} changes")
            self._slipway("report", "--base", "main", "--out", "build/report")
            step.shows["report"] = (self.clone / "build/report/index.html").read_text(encoding="utf-8")
            self._do("git", "switch", "--quiet", "main")
            self._do("git", "merge", "--quiet", "--no-ff", "-m", f"Merge data/{self._new}", f"data/{self._new}")
            self._do("git", "push", "--quiet", "origin", "main")

    def _search(self, trials: int) -> None:
        with self._step("Search", "The merge starts the experiment that Katib would run.") as step:
            self._slipway("tune", "--max-trials", str(trials))
            self._slipway("collect", "--top", "3")
            self._slipway("train", "--final", "--trials", "build/tune/top.json", "--out", "models/challenger")
            step.shows["trials"] = self._read("build/tune/trials.json")["items"]

    def _ship(self) -> None:
        with self._step(
            "Gate and promote", f"The challenger against the champion on {self._new}, which neither has seen."
        ) as step:
            self._slipway("register", "--model", "models/challenger")
            self._slipway("gate", "--set-champion")
            step.shows["decision"] = self._read("build/gate/decision.json")
            self._slipway("promote", "--env", PRODUCTION)
            step.shows["diff"] = git("diff", "--", "k8s/serving", at=self.clone)
            self._commit("Serve the new champion")
            self._do("git", "push", "--quiet", "origin", "main")
            step.shows["lineage"] = self._slipway("trace", PRODUCTION)

    def _answer(self, seconds: int) -> None:
        with self._step("Serve", "What the manifest names, in a real server, asked by Locust's users.") as step:
            log = self.clone / "build/serve.log"
            with self._here(), served(self._served_model(), load_names().model, log) as address:
                rows = self._read("data/prepared/sample.json")[:_ROWS_ASKED]
                step.shows["rows"] = rows
                step.shows["asked"] = {"one": PROBLEM.name.one, "answer": answer_in_words()}
                step.shows["answers"] = self._ask(step, address, rows)
                self._slipway("load", "--url", address, "--seconds", str(seconds))
            step.shows["load"] = self._read("build/load/load.json")

    def _refuse_a_worse_one(self) -> None:
        with self._step("Refuse", "A worse challenger, which has learnt little. The gate says no, and why.") as step:
            worse = [word for name, value in self._sample.WORSE.items() for word in (f"--{name}", str(value))]
            self._slipway("train", "--final", *worse, "--out", "models/worse")
            self._slipway("register", "--model", "models/worse")
            self._slipway("gate", "--set-champion", expect=1)
            step.shows["decision"] = self._read("build/gate/decision.json")

    def _roll_back(self) -> None:
        with self._step("Roll back", "One git revert: the manifest is the old one, and the alias follows Git.") as step:
            self._do("git", "revert", "--no-edit", "HEAD")
            self._do("git", "push", "--quiet", "origin", "main")
            step.shows["diff"] = git("show", "--format=%s", "HEAD", "--", "k8s/serving", at=self.clone)
            self._slipway("promote", "--env", PRODUCTION, "--follow")
            step.shows["lineage"] = self._slipway("trace", PRODUCTION)

    @contextmanager
    def _step(self, title: str, why: str) -> Iterator[Step]:
        step = Step(title, why)
        self.steps.append(step)
        print(f"\n{len(self.steps)}. {title}. {why}", flush=True)
        began = time.monotonic()
        yield step
        step.seconds = time.monotonic() - began
        print(f"   {step.seconds:.1f} s", flush=True)

    def _slipway(self, *words: str, expect: int = 0) -> str:
        return self._do(sys.executable, "-m", "slipway", *words, expect=expect)

    def _do(self, *words: str, at: Path | None = None, expect: int = 0) -> str:
        """Run a command in the clone, show it and what it prints, and return that.

        Raises:
            subprocess.CalledProcessError: its exit code is not the one expected.
        """
        shown = " ".join("python" if word == sys.executable else word for word in words)
        step = self.steps[-1]
        step.commands.append(shown)
        print(f"   $ {shown}", flush=True)
        process = subprocess.Popen(
            words, cwd=at or self.clone, env=self._environment, text=True, errors="replace", start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        lines = []
        try:
            assert process.stdout
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                print(f"     {lines[-1]}", flush=True)
            code = process.wait()
        except BaseException:
            _end(process)
            raise
        step.output += [f"$ {shown}", *lines]
        if code != expect:
            raise subprocess.CalledProcessError(code, shown.split())
        return "\n".join(lines)

    def _commit(self, message: str) -> None:
        self._do("git", "add", "--all")
        self._do("git", "commit", "--quiet", "--allow-empty", "-m", message)

    def _read(self, path: str) -> Any:
        return json.loads((self.clone / path).read_text(encoding="utf-8"))

    def _served_model(self) -> Path:
        """The folder behind the model URI of the manifest."""
        from slipway.release.manifest import read_model_patch

        uri = read_model_patch(self.clone / f"k8s/serving/overlays/{PRODUCTION}/model.yaml").model_uri
        return Path(url2pathname(urlsplit(uri).path))

    def _ask(self, step: Step, address: str, rows: list[dict[str, Any]]) -> list[Any]:
        """Post rows as any HTTP client would."""
        body = json.dumps({"rows": rows})
        step.commands.append(f"curl --json '{body[:160]}…' {address}/predict")
        request = Request(f"{address}/predict", body.encode(), {"content-type": "application/json"})
        with urlopen(request, timeout=10) as answer:
            answers: list[Any] = json.load(answer)[PROBLEM.task.output.key]
        return answers

    @contextmanager
    def _here(self) -> Iterator[None]:
        """The demo's own process with the clone's environment, for what runs inside it."""
        before = dict(os.environ)
        os.environ.update(self._environment | {"PYTHONPATH": str(self.clone / "src")})
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def as_json(self) -> dict[str, Any]:
        """Everything the page shows."""
        return {
            "commit": git("rev-parse", "--short", "HEAD"),
            "seconds": round(self.seconds, 1),
            "steps": [vars(step) for step in self.steps],
            "history": git("log", "--oneline", "--graph", "-12", at=self.clone),
        }


def answer_in_words() -> str:
    """What stands over the answers: `chance of 15 minutes late or more`, `price (USD)`."""
    task = PROBLEM.task
    if isinstance(task, Binary):
        return f"chance of {task.positive}"
    return f"{PROBLEM.name.answer} ({task.unit})" if isinstance(task, Regression) and task.unit else PROBLEM.name.answer


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """End a step's process and all it started, in whatever group that runs: DVC's stages have one of their own."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.terminate()
        _, alive = psutil.wait_procs(family, timeout=_END_SECONDS)
        for member in alive:
            with suppress(psutil.NoSuchProcess):
                member.kill()
    process.wait()
