"""slipway init: a repository made from the template gets its own names wherever they stand, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from slipway.__main__ import main
from slipway.names import load_names
from slipway.template.renaming import renamed
from tests.conftest import ROOT, TEMPLATE, as_the_template, names_of_the_template

PLACES = ("slipway.yaml", ".dockerignore", ".dvc/config", "dvc.yaml", ".github", "docs", "argo", "k8s")
BEFORE = load_names(TEMPLATE / "slipway.yaml")
OWNER, NAME = BEFORE.repository.split("/")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What init looks through, with the template's names, in Git, with a remote."""
    for name in PLACES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name)
        else:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    names_of_the_template(tmp_path)
    as_the_template(tmp_path)
    for command in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["-c", "user.name=s", "-c", "user.email=s@example.org", "commit", "--quiet", "-m", "From the template"],
        ["remote", "add", "origin", "git@github.com:Acme/Flights.git"],
    ):
        subprocess.run(["git", *command], check=True)
    return tmp_path


def changed() -> set[str]:
    """The files that differ from the commit."""
    done = subprocess.run(["git", "diff", "--name-only"], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_every_place_gets_the_names_of_the_remote(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    names = load_names(clone / "slipway.yaml")
    assert names.repository == "Acme/Flights"
    assert names.images.model_dump() == {
        target: f"ghcr.io/acme/flights/{target}" for target in ("train", "serve", "loop", "mlflow")
    }, "a registry takes lower case only"
    assert names == BEFORE.model_copy(update={"repository": names.repository, "images": names.images})
    old = subprocess.run(
        ["git", "grep", "-il", f"{BEFORE.repository}\\|@{OWNER}/", "--", ":!docs"], capture_output=True, text=True
    )
    assert old.stdout == "", "nothing speaks of the template any more"
    assert "@Acme/" in Path(".github/CODEOWNERS").read_text(encoding="utf-8")
    assert "https://github.com/Acme/Flights.git" in Path("argo/cd/production.yaml").read_text(encoding="utf-8")
    assert not {name for name in changed() if name.startswith(".github/workflows/")}
    said = capsys.readouterr().out
    assert "`slipway.yaml`" in said and "`@Acme/platform`" in said and "`python -m slipway rules`" in said


def test_twice_is_as_good_as_once_and_a_renamed_repository_is_followed(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init"]) == 0
    once = {path: path.read_bytes() for path in map(Path, changed())}
    assert main(["init"]) == 0
    assert "Every file says Acme/Flights already." in capsys.readouterr().out
    assert {path: path.read_bytes() for path in map(Path, changed())} == once
    assert main(["init", "--repository", "acme-air/late-flights"]) == 0
    assert main(["init", "--repository", BEFORE.repository]) == 0
    assert changed() == set(), "there and back again"


def test_a_mode_a_picture_and_owners_that_are_gone(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script, picture = Path("k8s/apply.sh"), Path("argo/loop.png")
    script.write_text(f"# {BEFORE.repository}\n", encoding="utf-8")
    script.chmod(0o755)
    picture.write_bytes(b"\x89PNG\xff" + BEFORE.repository.encode())
    Path(".github/CODEOWNERS").unlink()
    subprocess.run(["git", "add", "--all"], check=True)
    assert main(["init"]) == 0
    assert (script.read_text(encoding="utf-8"), script.stat().st_mode & 0o777) == ("# Acme/Flights\n", 0o755)
    assert BEFORE.repository.encode() in picture.read_bytes()
    assert "Make the teams" not in capsys.readouterr().out


def test_buckets_are_changed_wherever_they_are_repeated(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    buckets = {"data": "s3://acme-data/dvc", "models": "s3://acme-models", "artifacts": "s3://acme-flows/steps"}
    assert main(["init", *(f"--{kind}={bucket}" for kind, bucket in buckets.items())]) == 0
    storage = load_names(clone / "slipway.yaml").storage
    assert storage.model_dump() == buckets
    for old in BEFORE.storage.model_dump().values():
        bucket = old.removeprefix("s3://").partition("/")[0]
        assert said_in("argo", "k8s", word=rf"(s3://|bucket: ){bucket}") == [], "an S3 client's bucket, too"
    assert "url = s3://acme-data/dvc\n" in Path(".dvc/config").read_text(encoding="utf-8")
    assert "--artifacts-destination s3://acme-models --" in Path("docs/mlflow.md").read_text(encoding="utf-8")
    assert "Choose your buckets" not in capsys.readouterr().out
    assert main(["init"]) == 0
    assert load_names(clone / "slipway.yaml").storage == storage


def test_namespaces_are_changed_wherever_they_are_repeated(clone: Path) -> None:
    before = BEFORE.namespaces.model_dump()
    new = {purpose: f"ml-{purpose}" for purpose in before}
    assert main(["init", *(f"--namespace={purpose}={name}" for purpose, name in new.items())]) == 0
    names = load_names(clone / "slipway.yaml")
    assert names.namespaces.model_dump() == new
    assert names.mlflow == "http://mlflow.ml-platform.svc.cluster.local:5000"
    for old in before.values():
        assert said_in("argo", "k8s", "slipway.yaml", word=old) == []
    swapped = ["--namespace=staging=ml-production", "--namespace=production=ml-staging"]
    assert main(["init", *swapped]) == 0, "two may change places"
    assert load_names(clone / "slipway.yaml").namespaces.staging == "ml-production"
    back = [f"--namespace={purpose}={name}" for purpose, name in before.items()]
    assert main(["init", "--repository", BEFORE.repository, *back]) == 0
    assert changed() == set(), "there and back again"


def said_in(*places: str, word: str) -> list[str]:
    """The lines with a name that stands for itself, and is not part of a longer one."""
    found = subprocess.run(
        ["git", "grep", "-P", rf"(?<![\w-]){word}(?![\w-])", "--", *places], capture_output=True, text=True
    )
    return found.stdout.splitlines()


@pytest.mark.parametrize(
    ("address", "repository"),
    [
        ("https://github.com/acme/flights", "https://github.com/acme/flights.git"),
        ("https://x-access-token:t@github.com/acme/flights.git", "https://github.com/acme/flights.git"),
        ("ssh://git@github.com/acme/flights.git", "https://github.com/acme/flights.git"),
        ("git@git.acme.example:acme/flights.io.git", "https://git.acme.example/acme/flights.io.git"),
    ],
)
def test_a_remote_is_understood_however_it_is_written(clone: Path, address: str, repository: str) -> None:
    subprocess.run(["git", "remote", "set-url", "origin", address], check=True)
    assert main(["init"]) == 0
    assert f"repoURL: {repository}\n" in Path("argo/cd/staging.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--repository", "flights"], "'flights' is not OWNER/REPO as GitHub writes it"),
        (["--repository", "acme/flights/deep"], "is not OWNER/REPO"),
        (["--repository=-acme/flights"], "is not OWNER/REPO"),
        (["--repository", "acme/fli ghts"], "is not OWNER/REPO"),
        (["--data", "acme-data"], "--data is 'acme-data', expected s3://bucket or s3://bucket/folder"),
        (["--models", "s3://Acme_Models"], "--models is 's3://Acme_Models', expected s3://bucket"),
        (["--artifacts", "artifacts"], "--artifacts is 'artifacts', expected s3://bucket"),
        (["--namespace", "jobs=x"], "--namespace is 'jobs=x', expected PURPOSE=NAME: a purpose of trials, workflows,"),
        (["--namespace", "trials=A_B"], "--namespace is 'trials=A_B', expected PURPOSE=NAME"),
        (["--namespace", "trials=mlops"], "two purposes would share a namespace"),
        (["--namespace", "trials=namespace"], "'namespace' is a word of"),
    ],
)
def test_a_name_that_is_none_changes_nothing(
    clone: Path, flags: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", *flags]) == 2
    assert sentence in capsys.readouterr().err
    assert changed() == set()


@pytest.mark.parametrize("address", [None, "/srv/git/flights.git", "../flights.git"])
def test_without_a_remote_on_github_it_says_what_to_give(
    clone: Path, address: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "remote", "remove", "origin"], check=True)
    if address:
        subprocess.run(["git", "remote", "add", "origin", address], check=True)
    assert main(["init"]) == 2
    assert "give --repository OWNER/REPO" in capsys.readouterr().err
    assert main(["init", "--repository", "acme/flights"]) == 0


@pytest.mark.parametrize(
    "text",
    [
        "image: ghcr.io/your-org/your-repository/train",
        "see https://github.com/your-org/your-repo-old",
        "repository: not-your-org/your-repo",
        "write to me@your-org.example",
        "mail a.b@your-org/x",
    ],
)
def test_what_only_looks_alike_stays(text: str) -> None:
    assert renamed(text, "your-org/your-repo", "acme/flights") == text


def test_a_model_and_a_data_folder_get_their_names_wherever_they_stand(clone: Path) -> None:
    assert main(["init", "--repository", BEFORE.repository, "--model", "late-rides", "--data-folder", "rides"]) == 0
    names = load_names(clone / "slipway.yaml")
    assert (names.model, names.folder) == ("late-rides", "data/rides")
    old = subprocess.run(
        ["git", "grep", "-nE", f"{BEFORE.model}|{BEFORE.folder}", "--", *PLACES, ":!docs", ":!.github"],
        capture_output=True,
        text=True,
    )
    assert old.stdout == "", "nothing speaks of the sample any more"
    assert "!data/rides/" in Path(".dockerignore").read_text(encoding="utf-8")
    assert "      - data/rides\n" in Path("dvc.yaml").read_text(encoding="utf-8")
    assert "--name=late-rides" in Path("k8s/serving/base/seldondeployment.yaml").read_text(encoding="utf-8")
    assert "late-rides-graph" in Path("k8s/serving/overlays/graph/seldondeployment.yaml").read_text(encoding="utf-8")
    again = ["--model", BEFORE.model, "--data-folder", BEFORE.folder]
    assert main(["init", "--repository", BEFORE.repository, *again]) == 0
    assert changed() == set(), "there and back again"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--model", "Late Rides"], "--model is 'Late Rides', expected a name of at most 40 lower-case letters"),
        (["--model", "container"], "--model: 'container' is a word of"),
        (["--model", BEFORE.namespaces.trials], "that no namespace has"),
        (["--data-folder", "prepared"], "--data-folder is 'prepared', expected the name of a folder in data"),
        (["--data-folder", "../rides"], "--data-folder is '../rides'"),
    ],
)
def test_names_that_would_break_something_are_refused_and_nothing_is_changed(
    flags: list[str], said: str, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "--repository", BEFORE.repository, *flags]) == 2
    assert said in capsys.readouterr().err and changed() == set()
