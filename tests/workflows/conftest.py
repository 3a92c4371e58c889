"""A GitHub, an S3 server, a container registry and small repositories on this machine; and act to run workflows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from slipway.names import load_names
from tests.conftest import TEMPLATE, copy_repository, missing
from tests.services.processes import NotInstalled, Server, free_ports
from tests.services.s3 import S3
from tests.workflows.github.server import ACTIONS_TOKEN, APP_TOKEN, Stand, State

ROOT = Path(__file__).resolve().parents[2]
ACTIONS: dict[str, Any] = json.loads((ROOT / "tests/workflows/actions.json").read_text(encoding="utf-8"))
NAMES = load_names(TEMPLATE / "slipway.yaml")
BUCKET = urlsplit(NAMES.storage.data).netloc
RULES = json.loads((ROOT / ".github/rulesets/main.json").read_text(encoding="utf-8"))
BRANCH = "data/june"
PROPOSED = f"slipway/{BRANCH}"
WITH, WITHOUT = "with", "without"
needs_registry = pytest.mark.usefixtures("registry")
_SUMMARY = "Summary - "
_BIN = Path(sys.executable).parent


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Hold a test to its marks `runs(workflow, event, WITH or WITHOUT)`: green runs that it must have made."""
    result = yield
    claimed = {mark.args for mark in pyfuncitem.iter_markers("runs")}
    if claimed:
        made = pyfuncitem.funcargs.get("light") or pyfuncitem.funcargs.get("repository")
        assert isinstance(made, Repository)
        assert claimed <= made.ran, f"claimed and not run: {claimed - made.ran}"
    return result


@pytest.fixture(scope="session")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """The stand-in for GitHub."""
    with Stand(tmp_path_factory.mktemp("github")) as stand:
        yield stand


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A real S3 server with the DVC bucket."""
    try:
        server = S3(tmp_path_factory.mktemp("s3"), BUCKET)
    except NotInstalled as error:
        missing(f"workflows: no S3 server runs here: {error}")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def registry_host() -> str:
    """Host and port of the container registry that slipway.yaml names, whether or not it runs."""
    return f"127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture(scope="session")
def registry(registry_host: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A real container registry, for what builds an image or looks for one."""
    program = shutil.which("docker-registry")
    if not program:
        missing("workflows that build an image: no docker-registry (Debian's package of that name)")
    folder = tmp_path_factory.mktemp("registry")
    settings = {"version": 0.1, "http": {"addr": registry_host}, "log": {"level": "error"}}
    settings["storage"] = {"filesystem": {"rootdirectory": str(folder / "store")}}
    config = folder / "config.yml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    server = Server("docker-registry", [program, "serve", config], folder / "log", os.environ)

    def answers() -> bool:
        try:
            return bool(urllib.request.urlopen(f"http://{registry_host}/v2/", timeout=2).status == 200)
        except OSError:
            return False

    try:
        server.wait(answers, 30)
        yield
    finally:
        server.stop()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, small_repository: Path, s3: S3, registry_host: str) -> Path:
    """A bare repository: this one, with small data that is in the DVC remote and a pipeline that has run."""
    work = tmp_path_factory.mktemp("template")
    _copy(work, registry_host)
    for name in ("data/flights", "reports"):
        shutil.rmtree(work / name, ignore_errors=True)
    shutil.copytree(small_repository, work, dirs_exist_ok=True)
    environment = dvc_environment(s3.env)

    def run(*command: str) -> None:
        done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"

    run("git", "init", "--quiet", "--initial-branch=main")
    run("dvc", "add", "--quiet", "data/flights")
    run("dvc", "commit", "--quiet", "--force")  # it ran when the small repository was made
    run("dvc", "push", "--quiet")
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "-m", "A team's repository")
    bare = tmp_path_factory.mktemp("bare") / "template.git"
    run("git", "clone", "--quiet", "--bare", ".", str(bare))
    return bare


@pytest.fixture(scope="session")
def light_template(tmp_path_factory: pytest.TempPathFactory, registry_host: str) -> Path:
    """A bare repository whose data, pipeline and report cost nothing: for what comes before and after them."""
    work = tmp_path_factory.mktemp("light")
    _copy(work, registry_host)
    for name, text in LIGHT.items():
        (work / name).write_text(text, encoding="utf-8")
    environment = dvc_environment({})
    bare = tmp_path_factory.mktemp("bare") / "light.git"
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        ["commit", "--quiet", "-m", "Light"],
    ):
        subprocess.run(["git", *command], cwd=work, env=environment, check=True)
    subprocess.run(["git", "clone", "--quiet", "--bare", str(work), str(bare)], check=True)
    return bare


@pytest.fixture(scope="session")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of stubs, one for each pinned action, with exactly the inputs and outputs upstream declares."""
    folder = tmp_path_factory.mktemp("stubs")
    for action, shape in ACTIONS.items():
        place = folder / action.replace("/", "+")
        place.mkdir()
        name = action.partition("@")[0]
        stub = {
            "name": name,
            "inputs": {key: {"description": key} for key in shape["inputs"]},
            "outputs": {key: {"value": f"${{{{ steps.stub.outputs.{key} }}}}"} for key in shape["outputs"]},
            "runs": {
                "using": "composite",
                "steps": [
                    {
                        "id": "stub",
                        "shell": "bash",
                        "env": {"INPUTS": "${{ toJSON(inputs) }}"},
                        "run": f"{sys.executable} -S {ROOT / 'tests/workflows/stub.py'} {name}",
                    }
                ],
            },
        }
        (place / "action.yml").write_text(yaml.safe_dump(stub), encoding="utf-8")
    return folder


@pytest.fixture
def state(github: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> State:
    """A repository on the stand-in, with a branch to propose, and the environment of a run in it."""
    name = f"acme/{abs(hash(request.node.nodeid))}"
    state = github.repository(name)
    monkeypatch.chdir(tmp_path)
    commit = "-c user.name=s -c user.email=s@example.org commit --quiet --allow-empty --message"
    for words in (
        "init --quiet --initial-branch=main",
        f"{commit} one",
        f"push --quiet {github.git_folder(name)} main",
        f"{commit} two",
        f"push --quiet {github.git_folder(name)} main:slipway/data/june",
    ):
        subprocess.run(["git", *words.split()], check=True)
    for key, value in {
        "GITHUB_REPOSITORY": name,
        "GITHUB_TOKEN": ACTIONS_TOKEN,
        "GITHUB_SERVER_URL": github.url,
        "SSL_CERT_FILE": str(github.certificate),
        "GIT_SSL_CAINFO": str(github.certificate),
        "GIT_SSL_CAPATH": str(github.repositories),
    }.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    for key in ("REPO_TOKEN", "GH_TOKEN", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
        monkeypatch.delenv(key, raising=False)
    return state


@pytest.fixture
def cml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CML's double on the PATH."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/cml").symlink_to(ROOT / "tests/workflows/github/cml.py")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")


@dataclass
class Run:
    """What came of one workflow run."""

    code: int
    log: str
    summary: str
    stubbed: list[dict[str, Any]]
    place: Path

    @property
    def green(self) -> bool:
        """Whether every job that ran succeeded."""
        return self.code == 0

    def inputs_of(self, action: str) -> list[dict[str, str]]:
        """The inputs of each call of an action."""
        return [call["inputs"] for call in self.stubbed if call["action"] == action]

    def __repr__(self) -> str:
        return f"exit {self.code}\n{self.summary}\n---\n{self.log[-16000:]}"


@dataclass
class Repository:
    """One repository on the stand-in, and a person's clone of it."""

    name: str
    github: Stand
    state: State
    clone: Path
    folder: Path
    stubs: Path
    programs: Path  # comes first on the PATH
    settings: dict[str, str]
    secrets: dict[str, str]
    storage: dict[str, str] = field(default_factory=dict)
    ran: set[tuple[str, str, str]] = field(default_factory=set)
    """Of the green runs the workflow, the event, and WITH or WITHOUT its settings; see test_events.py."""

    def git(self, *arguments: str) -> str:
        """Git in the clone."""
        done = subprocess.run(["git", *arguments], cwd=self.clone, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace text in a file of the clone."""
        path = self.clone / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def push(self, branch: str, message: str) -> str:
        """Commit everything on ``branch`` and push it, as a person does. Returns the commit."""
        self.git("checkout", "--quiet", "-B", branch)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        self.git("push", "--quiet", str(self.github.git_folder(self.name)), f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD")

    def show(self, branch: str, path: str) -> str:
        """A file on GitHub."""
        folder = self.github.git_folder(self.name)
        done = subprocess.run(["git", "-C", str(folder), "show", f"{branch}:{path}"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def pushed(self, branch: str, workflow: str = "data-pushed", by: str = "User", **more: Any) -> Run:
        """Run a workflow for a push of what ``branch`` is at, by a User or by a Bot."""
        sha = self.github.head_of(self.name, branch)
        author = {"name": self._log(sha, "%an"), "email": self._log(sha, "%ae")}
        commit = {"id": sha, "message": self._log(sha, "%B"), "author": author}
        event = {"ref": f"refs/heads/{branch}", "after": sha, "head_commit": commit, "sender": {"type": by}}
        return self.run(workflow, "push", event, branch, **more)

    def run(self, workflow: str, name: str, event: dict[str, Any], branch: str = "main", **more: Any) -> Run:
        """Run a workflow for an event, in a fresh clone of ``branch``, as a runner would."""
        runs = self.folder / "runs"
        place = runs / f"{workflow}-{len(list(runs.glob('*'))) if runs.exists() else 0}-{branch.replace('/', '-')}"
        state = place / "state"
        state.mkdir(parents=True)
        for action in more.pop("broken", []):
            (state / "broken").mkdir(exist_ok=True)
            (state / "broken" / action.replace("/", "+")).touch()
        work = place / "work"
        source = str(self.github.git_folder(self.name))
        subprocess.run(["git", "clone", "--quiet", "--branch", branch, source, str(work)], check=True)
        subprocess.run(
            ["git", "-C", str(work), "remote", "set-url", "origin", f"{self.github.url}/{self.name}"], check=True
        )
        owner, _, short = self.name.partition("/")
        event = {
            "repository": {
                "full_name": self.name,
                "name": short,
                "owner": {"login": owner},
                "private": self.state.private,
                "is_template": self.state.is_template,
                "default_branch": "main",
            },
            **event,
        }
        (place / "event.json").write_text(json.dumps(event), encoding="utf-8")
        secrets = self.secrets | more.pop("secrets", {})
        settings = self.settings | more.pop("settings", {})
        environment = {
            "STUBS": str(state),
            **{f"STUB_{key}": value for key, value in self.storage.items()},
            "SSL_CERT_FILE": str(self.github.certificate),
            "GIT_SSL_CAINFO": str(self.github.certificate),
            "GIT_SSL_CAPATH": str(self.github.repositories),  # none there; unset, git reads all the machine's
            "DVC_NO_ANALYTICS": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache/uv")),
            "UV_BREAK_SYSTEM_PACKAGES": "1",  # uv finds this machine's Python; it has nothing to install into it
            "CML_DOUBLE": "",
        }
        environment |= more.pop("environment", {})
        assert not more, more
        command = [str(_BIN / "act"), name, "-W", f".github/workflows/{workflow}.yaml", "-e", str(place / "event.json")]
        command += [
            "-P",
            "ubuntu-24.04=-self-hosted",
            "--action-offline-mode",
            "--no-cache-server",
            "--no-skip-checkout",
            "-a",
            "octocat",
            "--json",
        ]
        command += ["--github-instance", self.github.host, "--defaultbranch", "main"]
        command += [f"--local-repository={it}={self.stubs / it.replace('/', '+')}" for it in ACTIONS]
        command += [
            f"--secret={key}={value}" for key, value in {"GITHUB_TOKEN": ACTIONS_TOKEN, **secrets}.items() if value
        ]
        command += [f"--var={key}={value}" for key, value in settings.items() if value]
        command += [f"--env={key}={value}" for key, value in environment.items()]
        home = place / "home"
        home.mkdir()
        shell = {
            "HOME": str(home),
            "PATH": f"{self.programs}:{_BIN}:{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(home / "cache"),
        }
        done = subprocess.run(command, cwd=work, env=shell, capture_output=True, text=True, timeout=240)
        calls = state / "calls.jsonl"
        lines = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
        said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        # A composite action's summary is told twice: by its step and by the action.
        summaries = {(it["job"], it["msg"].partition(_SUMMARY)[2]): None for it in said if _SUMMARY in it["msg"]}
        log = "".join(f"[{it.get('job', '')}] {it['msg'].rstrip()}\n" for it in said if "LocalRepo" not in it["msg"])
        (place / "log").write_text(log + done.stderr, encoding="utf-8")
        asks = "actions/needs" in (work / f".github/workflows/{workflow}.yaml").read_text(encoding="utf-8")
        if done.returncode == 0 and ("ready=" in log or not asks):
            self.ran.add((workflow, name, WITHOUT if "ready=false" in log else WITH))
        return Run(
            done.returncode,
            log + done.stderr,
            "\n".join(text for _, text in summaries),
            [json.loads(line) for line in lines],
            state,
        )

    def _log(self, sha: str, what: str) -> str:
        folder = str(self.github.git_folder(self.name))
        done = subprocess.run(
            ["git", "-C", folder, "log", "-1", f"--format={what}", sha], capture_output=True, text=True
        )
        return done.stdout.strip()


@pytest.fixture
def repository(
    request: pytest.FixtureRequest, tmp_path: Path, github: Stand, template: Path, stubs: Path, s3: S3
) -> Repository:
    """A repository with every secret and variable set, except an App's."""
    made = _repository(request.node.name, tmp_path, github, template, stubs)
    made.settings["AWS_ENDPOINT_URL_S3"] = s3.endpoint
    made.storage = s3.env
    return made


@pytest.fixture
def light(
    request: pytest.FixtureRequest, tmp_path: Path, github: Stand, light_template: Path, stubs: Path
) -> Repository:
    """The same with data, pipeline and report that cost nothing."""
    made = _repository(request.node.name, tmp_path, github, light_template, stubs)
    program(made.programs / "dvc", "echo dvc $*")
    return made


def _repository(test: str, tmp_path: Path, github: Stand, template: Path, stubs: Path) -> Repository:
    name = f"acme/{re.sub('[^a-z0-9]+', '-', test.removeprefix('test_').lower()).strip('-')}"
    state = github.repository(name, template)
    clone = tmp_path / "clone"
    person = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
    subprocess.run(["git", "clone", "--quiet", *person, str(template), str(clone)], check=True)
    settings = {"AWS_ROLE": "arn:aws:iam::000000000000:role/slipway"}
    programs = tmp_path / "programs"
    # Nothing is to be installed here, and pip takes seconds to find that out.
    program(programs / "python", f'[ "$2" = pip ] || exec {sys.executable} "$@"')
    return Repository(name, github, state, clone, tmp_path, stubs, programs, settings, {})


def program(path: Path, script: str) -> None:
    """A program to put on the PATH."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def app() -> dict[str, dict[str, str]]:
    """The settings that make a GitHub App's token be used."""
    assert APP_TOKEN != ACTIONS_TOKEN
    return {"settings": {"APP_CLIENT_ID": "Iv1.app"}, "secrets": {"APP_PRIVATE_KEY": "a-key"}}


def report_comments(state: State) -> list[str]:
    """The report comments of the first pull request."""
    return [it["body"] for it in state.comments.get(1, []) if "CML watermark slipway" in it["body"]]


def pull_request(head: str) -> dict[str, Any]:
    """A pull request that somebody opened."""
    return {"number": 1, "state": "open", "title": "Mine", "body": "", "head": head, "base": "main", "by": ""}


def dvc_environment(storage: dict[str, str]) -> dict[str, str]:
    """What DVC needs to reach the S3 server, and git to commit."""
    return os.environ | {
        "PATH": f"{_BIN}:{os.environ['PATH']}",
        "PYTHONPATH": "src",
        **storage,
        "DVC_NO_ANALYTICS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        **{f"GIT_{who}_{what}": f"someone{at}" for who in ("AUTHOR", "COMMITTER") for what, at in _NAMES},
    }


_NAMES = [("NAME", ""), ("EMAIL", "@example.org")]


LIGHT = {
    "src/slipway/learning/data.py": """
def add_arguments(parser): parser.add_argument("action")
def run(args): print("as the schema says")
""",
    "src/slipway/report/report.py": """
from pathlib import Path
def add_arguments(parser): parser.add_argument("--base"), parser.add_argument("--out", type=Path)
def run(args):
    (args.out / "plots").mkdir(parents=True)
    (args.out / "report.md").write_text(Path("reports/light.md").read_text())
""",
    "reports/light.md": "## Model report\n\nAUC 0.7\n",
}


def _copy(work: Path, registry: str) -> None:
    """The template's files, with this machine's registry, and requirements that are all there already."""
    copy_repository(work, "tests/", "docs/")
    for name in ("ci", "uv"):
        (work / f"requirements/{name}.txt").write_text("# this test's environment has them\n", encoding="utf-8")
    names = (work / "slipway.yaml").read_text(encoding="utf-8")
    for target, image in NAMES.images.model_dump().items():
        names = names.replace(image, f"{registry}/acme/flights/{target}")
    names = names.replace(NAMES.repository, "acme/flights")
    (work / "slipway.yaml").write_text(names, encoding="utf-8")
