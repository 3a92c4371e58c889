"""The whole loop on four problems that are not the sample, each in a clone in which only the docs' files are changed.

Those are src/slipway/model, params.yaml, the experiment, slipway.yaml by `init`, and the data (docs/yours.md).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, url2pathname, urlopen

import pytest
import yaml

from tests.problems import HERE, MODEL, ROOT, Workplace, write
from tests.services.processes import Server, free_ports

SEARCH = {"eta": ("double", {"min": "0.05", "max": "0.4"}), "max_depth": ("int", {"min": "2", "max": "5"})}
KEYS = {"houses": "predictions", "queries": "scores", "tickets": "probabilities", "visits": "probabilities"}
PARTS = {"houses": (1, 2), "queries": (9, 10), "tickets": (4, 5), "visits": (5, 6)}
WORSE = ("--rounds", "1", "--eta", "0.01", "--max_depth", "1")
PRODUCTION = Path("k8s/serving/overlays/production/model.yaml")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One MLflow server for all four: each has a model's name of its own."""
    folder, port = tmp_path_factory.mktemp("registry"), free_ports(1)[0]
    command = [
        sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", f"--port={port}", "--workers=1",
        f"--backend-store-uri=sqlite:///{folder}/mlflow.db", "--no-serve-artifacts",
        f"--default-artifact-root={(folder / 'mlruns').as_uri()}",
    ]  # fmt: skip
    server = Server("MLflow", command, folder / "log", os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
    try:
        server.wait(lambda: _answers(port), 120)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Repository(Workplace):
    """A clone of the template that became a team's, and what happens to it."""

    @property
    def environment(self) -> dict[str, str]:
        """As a person's shell: nothing leads to the template's own folder."""
        return super().environment | {"PYTHONPATH": "src"}

    def git(self, *words: str) -> str:
        """What `git <words>` prints."""
        return self.run("git", *words).stdout

    def commit(self, message: str) -> None:
        """Commit all there is."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", message)


def become(name: str, folder: Path) -> Repository:
    """The docs' steps from a clone of the template to the problem ``name``, with its first parts."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for file in filter(None, files.split("\0")):
        if not file.startswith(("tests/", "docs/", "benchmarks/", "data/")) and (ROOT / file).exists():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, folder / file, follow_symlinks=False)
    it = Repository(folder)
    it.git("init", "--quiet", "--initial-branch=main")
    it.git("config", "user.name", "A team")
    it.git("config", "user.email", "team@example.org")
    it.git("add", "--all")
    it.slipway("init", "--repository", "acme/loop", "--model", f"our-{name}", "--data-folder", name)
    shutil.rmtree(folder / MODEL)
    shutil.copytree(HERE / name, folder / MODEL, ignore=shutil.ignore_patterns("data.py", "*.yaml", "__pycache__"))
    shutil.copy(HERE / name / "params.yaml", folder)
    experiment(name, it)
    (folder / "dvc.lock").unlink()
    for report in (folder / "reports").glob("*.json"):
        report.unlink()
    it.run("dvc", "remote", "modify", "--local", "storage", "url", str(folder.parent / "dvc-remote"))
    it.commit("Ours")
    write(name, folder, PARTS[name][0])
    return it


def experiment(name: str, it: Repository) -> None:
    """Search two parameters, by what the problem decides by."""
    path = it.folder / "k8s/katib/experiment.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    decides, up = it.python(
        "import json; from slipway.model.problem import PROBLEM as p; "
        "print(json.dumps([p.decides.name, p.decides.higher_is_better]))"
    )
    spec = found["spec"]
    spec["objective"] = {
        "type": "maximize" if up else "minimize",
        "objectiveMetricName": f"validation-{decides}",
        "metricStrategies": [{"name": f"validation-{decides}", "value": "latest"}],
    }
    spec["parameters"] = [
        {"name": key, "parameterType": kind, "feasibleSpace": space} for key, (kind, space) in SEARCH.items()
    ]
    trial = spec["trialTemplate"]
    trial["trialParameters"] = [{"name": key, "reference": key} for key in SEARCH]
    (container,) = trial["trialSpec"]["spec"]["template"]["spec"]["containers"]
    container["args"] = ["--members=1", *(f"--{key}=${{trialParameters.{key}}}" for key in SEARCH)]
    path.write_text(yaml.safe_dump(found, sort_keys=False), encoding="utf-8")


@pytest.mark.demo
@pytest.mark.parametrize("name", sorted(PARTS))
def test_the_loop(name: str, tmp_path: Path, registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry)
    folder = tmp_path / "clone"
    folder.mkdir()
    it = become(name, folder)

    it.slipway("data", "check")  # 1: data, and what a pull request shows
    it.run("dvc", "add", "--quiet", f"data/{name}")
    it.run("dvc", "repro", "--quiet")
    it.slipway("image")
    it.commit("The first data")
    it.slipway("register")
    it.slipway("gate", "--set-champion")
    it.slipway("promote", "--env", "production")
    it.commit("Serve the first")
    first = (folder / PRODUCTION).read_text(encoding="utf-8")
    it.git("switch", "--quiet", "--create", "data/new")
    write(name, folder, PARTS[name][1])
    it.slipway("data", "check")
    it.run("dvc", "add", "--quiet", f"data/{name}")
    it.run("dvc", "repro", "--quiet")
    it.slipway("image")
    it.commit("More data")
    it.slipway("report", "--base", "main", "--out", "build/report")
    report = (folder / "build/report/report.md").read_text(encoding="utf-8")
    assert not re.search(r"\b(flights?|carriers?|late)\b|\bnan\b|1970", report, re.IGNORECASE), report

    it.slipway("tune", "--max-trials", "2")  # 2: search, and what became of it
    it.slipway("collect", "--top", "2")
    it.slipway("train", "--final", "--trials", "build/tune/top.json", "--out", "models/challenger")
    it.slipway("register", "--model", "models/challenger")
    done = subprocess.run(
        [sys.executable, "-m", "slipway", "gate", "--set-champion"],
        cwd=folder, env=it.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr  # two trials need not beat the first: what decides is real
    decision = it.read("build/gate/decision.json")
    assert decision["champion"] == f"our-{name}/1" and decision["challenger"] == f"our-{name}/2"
    it.slipway("promote", "--env", "production", "--model", f"our-{name}/2")  # 3
    it.commit("Serve the second")

    served(it, name)  # 4

    it.slipway("train", "--final", *WORSE, "--out", "models/worse")  # a worse one is refused
    it.slipway("register", "--model", "models/worse")
    it.slipway("gate", "--champion", f"our-{name}/2", ends=1)
    assert not it.read("build/gate/decision.json")["passed"]

    it.git("revert", "--no-edit", "HEAD")  # 5: and back
    assert (folder / PRODUCTION).read_text(encoding="utf-8") == first
    assert f"our-{name}/1" in it.slipway("promote", "--env", "production", "--follow").stdout
    assert f"our-{name}/1 (champion)" in it.slipway("trace", "production").stdout


def served(it: Repository, name: str) -> None:
    """Serve what the manifest names, ask it, and send it load."""
    patch = (it.folder / PRODUCTION).read_text(encoding="utf-8")
    [uri] = re.findall(r"file://\S+?(?=[\"'\s])", patch)
    model, port = url2pathname(urlsplit(uri).path), free_ports(1)[0]
    command = [sys.executable, "-m", "slipway", "serve", "--model", model, f"--port={port}"]
    server = Server("slipway serve", command, it.folder.parent / "serve.log", it.environment, cwd=it.folder)
    try:
        server.wait(lambda: f":{port}" in server.tail(), 60)
        rows = it.read("data/prepared/sample.json")[:5]
        body = json.dumps({"rows": rows}).encode()
        request = Request(f"http://127.0.0.1:{port}/predict", body, {"content-type": "application/json"})
        with urlopen(request, timeout=30) as answer:
            said = json.load(answer)
        assert len(said[KEYS[name]]) == len(rows) and said["model"]["name"] == f"our-{name}"
        it.slipway("load", "--url", f"http://127.0.0.1:{port}", "--seconds", "2", "--users", "2", "--p99-ms", "5000")
    finally:
        server.stop()
