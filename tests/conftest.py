"""What many tests need: the sample's months, a small repository with data and a model, and a loud word on gaps."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml
from filelock import FileLock

from slipway.__main__ import main
from slipway.names import load_names
from slipway.release.image import DOCKERFILE, data_block, with_block
from slipway.release.manifest import ServedModel, render_model_patch

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "tests/fixtures/template"
"""What a team changes by the docs, as the tests were written for it: parameters, names, owners, the search."""
MONTHS = [f"2013-{number:02}" for number in range(1, 7)]
_EVERY = 12  # of the real flights, one in so many: about 2,300 a month
_NOT_TESTED = "NOT TESTED: "
_CLUSTER = ROOT / "tests/cluster"


_TOGETHER = ("tests/demo", "tests/image", "tests/services")
"""Folders whose tests share what is dear: a demo, images, servers."""
_FIRST = ("tests/demo", "tests/image", "tests/workflows", "tests/services")
"""What takes longest, longest first."""


for _name in [name for name in os.environ if name.startswith(("SLIPWAY_", "GIT_"))]:
    del os.environ[_name]  # whoever runs the tests in a Git hook or in a pod has these
os.environ |= {"LC_ALL": "C.UTF-8"}  # git speaks the reader's language
os.environ |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "commit.gpgsign", "GIT_CONFIG_VALUE_0": "false"}
os.environ |= {name: f"{os.environ.get(name, '')},127.0.0.1,localhost" for name in ("no_proxy", "NO_PROXY")}
os.environ.setdefault("OMP_NUM_THREADS", "1")
"""Two processes run tests on two cores: more threads only wait for one another."""


def pytest_configure() -> None:
    """Take Ctrl-C as in a terminal: what is started in the background ignores it, as would all that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out tests/cluster unless it was asked for by name: it starts a Kubernetes (`make cluster-test`)."""
    named = any(Path(it.partition("::")[0]).absolute().is_relative_to(_CLUSTER) for it in config.args)
    return True if collection_path == _CLUSTER and not named else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: next((n for n, it in enumerate(_FIRST) if item.nodeid.startswith(it)), len(items)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give a folder of `_TOGETHER`, and elsewhere a file, to one process: what they share is then made once.

    pytest-xdist's own mark for this, `xdist_group`, is not seen by pytest 9.2: the demo ran twice, and nobody was told.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((it for it in _TOGETHER if nodeid.startswith(it)), nodeid.partition("::")[0])

    config.option.loadscopereorder = False
    return Together(config, log)


def missing(what: str) -> NoReturn:
    """Skip a test that cannot run here, so that nobody takes it for passed: the end of the run lists them."""
    pytest.skip(f"{_NOT_TESTED}{what}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what could not be tested, after everything else."""
    gaps = [
        report.longrepr[2]
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and _NOT_TESTED in report.longrepr[2]
    ]
    if gaps:
        terminalreporter.section("NOT TESTED HERE", sep="!", red=True, bold=True)
        for gap in sorted(set(gaps)):
            terminalreporter.line(gap.removeprefix("Skipped: ").removeprefix(_NOT_TESTED))


def names_of_the_template(folder: Path) -> None:
    """In a copy of this repository, have `init` put the template's names back wherever a team's are repeated."""
    names = load_names(TEMPLATE / "slipway.yaml")
    back = ["--repository", names.repository, "--model", names.model, "--data-folder", names.folder]
    back += ["--data", names.storage.data, "--models", names.storage.models, "--artifacts", names.storage.artifacts]
    back += [f"--namespace={purpose}={name}" for purpose, name in names.namespaces.model_dump().items()]
    with inside(folder):
        for words in (["init", "--quiet"], ["add", "--all"]):  # init asks Git which files there are
            subprocess.run(["git", *words], check=True)
        assert main(["init", *back]) == 0
    shutil.rmtree(folder / ".git")


def as_the_template(folder: Path, months: Sequence[str] = MONTHS[:5]) -> None:
    """In a copy of this repository, put what a team has changed back to what the template had."""
    shutil.copytree(TEMPLATE, folder, dirs_exist_ok=True)
    for path in folder.glob("k8s/serving/overlays/*/model.yaml"):
        path.write_text(render_model_patch(ServedModel()), encoding="utf-8")
    dockerfile = folder / DOCKERFILE
    if dockerfile.exists():
        text = dockerfile.read_text(encoding="utf-8")
        dockerfile.write_text(with_block(text, data_block(months), dockerfile), encoding="utf-8")


def copy_repository(to: Path, *without: str) -> None:
    """This repository's files, as the template has them, but for those under ``without``; data is not among them."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.split("\0"):
        if name and not name.startswith(without) and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)
    names_of_the_template(to)
    as_the_template(to)


@contextmanager
def inside(folder: Path) -> Iterator[Path]:
    """Work in another folder for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that is made once for the whole run, also where several processes run tests."""
    shared = factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    folder = shared / name
    with FileLock(str(folder) + ".lock"):
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            make(partial)
            partial.rename(folder)
    return folder


@pytest.fixture(scope="session")
def full_months(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with January to June as `slipway data make` writes them. Read only."""

    def make(folder: Path) -> None:
        assert main(["data", "make", "--out", str(folder), "--parts", *MONTHS]) == 0

    return _once(tmp_path_factory, "full-months", make)


@pytest.fixture(scope="session")
def small_months(full_months: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """January to June, one real flight in twelve. Read only."""

    def make(folder: Path) -> None:
        for path in sorted(full_months.glob("*.csv")):
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            (folder / path.name).write_text("".join([lines[0], *lines[1::_EVERY]]), encoding="utf-8")

    return _once(tmp_path_factory, "small-months", make)


@pytest.fixture(scope="session")
def small_repository(small_months: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """params.yaml, January to May, what `prepare` makes of them, a small model and its evaluation. Read only."""

    def make(folder: Path) -> None:
        (folder / "data/flights").mkdir(parents=True)
        for path in sorted(small_months.glob("*.csv"))[:5]:
            shutil.copy(path, folder / "data/flights")
        params = yaml.safe_load((TEMPLATE / "params.yaml").read_text(encoding="utf-8"))
        params["train"] |= {"members": 2, "rounds": 12, "eta": 0.3, "max_depth": 4, "report_every": 5}
        (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
        with inside(folder):
            assert main(["prepare"]) == 0
            assert main(["train", "--final", "--out", "models/current"]) == 0
            assert main(["evaluate"]) == 0

    return _once(tmp_path_factory, "small-repository", make)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new mlflow.db: making its 65 tables takes seconds, so it is made once and copied."""
    from slipway.registry.registry import open_registry

    def make(folder: Path) -> None:
        open_registry(f"sqlite:///{folder}/mlflow.db")

    return _once(tmp_path_factory, "empty-database", make) / "mlflow.db"


@pytest.fixture
def workspace(small_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the small repository to work in, and the working directory of the test."""
    folder = tmp_path / "repository"
    shutil.copytree(small_repository, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def set_params(workspace: Path) -> Callable[..., None]:
    """Change params.yaml of the workspace: ``set_params(train={"eta": 0.2})``."""

    def change(**sections: dict[str, object]) -> None:
        path = workspace / "params.yaml"
        params = yaml.safe_load(path.read_text(encoding="utf-8"))
        for section, values in sections.items():
            params[section].update(values)
        path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    return change


@pytest.fixture
def read() -> Callable[[str], object]:
    """A JSON file's content, from the working directory."""
    return lambda path: json.loads(Path(path).read_text(encoding="utf-8"))
