"""Every verb, typed wrongly as people type: one sentence, exit code 2, and nothing written, replaced or lost."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway.__main__ import VERBS, main
from tests.conftest import ROOT, TEMPLATE

Spoil = Callable[[], object]
HERE = Path()


def nothing() -> None:
    """The mistake is in the words alone."""


def text(path: str, content: str | bytes) -> Spoil:
    """Give a file other content."""
    return lambda: Path(path).write_bytes(content.encode() if isinstance(content, str) else content)


def gone(path: str) -> Spoil:
    """Remove a file."""
    return lambda: Path(path).unlink()


def folder(path: str) -> Spoil:
    """Put a folder where a file should be."""

    def spoil() -> None:
        Path(path).unlink(missing_ok=True)
        Path(path).mkdir()

    return spoil


def replaced(path: str, old: str, new: str) -> Spoil:
    """Change a line of a file."""

    def spoil() -> None:
        before = Path(path).read_text()
        assert old in before
        Path(path).write_text(before.replace(old, new))

    return spoil


def overlay(name: str) -> Spoil:
    """Bring one of the repository's overlays."""
    place = f"k8s/serving/overlays/{name}"
    return lambda: shutil.copytree(ROOT / place, place)


def commit() -> None:
    """Make a repository of the folder."""
    for words in ("init -q", "add .", "-c user.name=a -c user.email=a@b -c commit.gpgsign=false commit -qm x"):
        subprocess.run(["git", *words.split()], check=True)


MISTAKES: list[tuple[str, Spoil, str]] = [
    # words, what was done before, what is said
    ("data make --parts 2013-6", nothing, r"--parts: the sample has 2013-01 to 2013-12, not '2013-6'\."),
    ("data make --parts 2013-01 --out params.yaml", nothing, r"params\.yaml/2013-01\.csv cannot be written \(.*\):"),
    ("data check data/flights", nothing, r"data/flights is a folder: name files, or none"),
    ("data check nope/2013-06.csv", nothing, r"nope/2013-06\.csv is missing: `dvc pull`"),
    ("prepare --data nope", nothing, r"nope holds no data: `dvc pull`"),
    ("prepare", folder("data/flights/2013-06.csv"), r"data/flights holds 2013-06\.csv/, which nothing reads: "),
    ("prepare --out params.yaml", nothing, r"params\.yaml is a file, so it is not replaced: name another folder"),
    ("prepare --out data", nothing, r"data holds something else \(no index\.json\), so it is not replaced"),
    ("prepare --report models", nothing, r"models cannot be written \(Is a directory\)"),
    ("train --prepared nope", nothing, r"nope/index\.json is missing: make it with `python -m slipway prepare`\."),
    ("train", text("data/prepared/index.json", "{}"), r"index\.json has no 'features': make it again with"),
    ("train", text("data/prepared/index.json", "[]"), r"index\.json has no 'features': make it again with"),
    ("train", gone("data/prepared/2013-01.npy"), r"data/prepared/2013-01\.npy cannot be read"),
    ("train", text("params.yaml", b"\xff\xfe"), r"params\.yaml is not in UTF-8 .*: save it as UTF-8\."),
    ("train", text("params.yaml", ""), r"params\.yaml: the file: expected keys and their values, not None\."),
    ("train", folder("params.yaml"), r"params\.yaml: Is a directory\."),
    ("train", replaced("params.yaml", "eta: 0.3", "eta: 0.3\n  eta: 0.9"), r"'eta' stands there twice.* line 10"),
    ("train", replaced("params.yaml", "eta: 0.3", "eta: '0.3'"), r"train\.eta: .*a valid number, not '0\.3'"),
    ("train", replaced("params.yaml", "members: 2", "members: true"), r"train\.members: .*a valid integer, not True"),
    ("train", replaced("params.yaml", "eta:", "etaa:"), r"train\.eta: is missing; add it; train\.etaa: no hyp"),
    ("train --rounds -3", nothing, r"--rounds: input should be greater than or equal to 1, not -3\."),
    ("train --trials params.yaml", nothing, r"params\.yaml is not JSON .*: make it again with `.* collect`"),
    ("train --trials models", nothing, r"models cannot be read \(Is a directory\)"),
    ("train --trials a.json", text("a.json", '{"experiment": "", "trials": []}'), r"a\.json holds no trial"),
    ("train --trials a.json", text("a.json", '{"experiment": "", "trials": [{}]}'), r"a\.json holds a trial without"),
    ("train --final --out params.yaml", nothing, r"params\.yaml is a file, so it is not replaced"),
    ("train --final --out data", nothing, r"data holds something else \(no golden\.json\), so it is not replaced"),
    ("train --final --out x", gone("data/prepared/sample.json"), r"sample\.json is missing: make it with"),
    ("train --final --out x", text("reports/data.json", "{}"), r"reports/data\.json has no 'parts': make it again"),
    ("evaluate --model data", nothing, r"data/schema\.json is missing: make it with"),
    ("evaluate", text("models/current/metadata.json", "[]"), r"metadata\.json has no 'members': make it again with"),
    ("evaluate", text("models/current/golden.json", "{}"), r"golden\.json has no 'rows': make it again with"),
    ("evaluate --out params.yaml", nothing, r"params\.yaml/metrics\.json cannot be written \(.*\)"),
    ("report", nothing, r"this folder is in no Git repository: make it one with `git init`, or go to the repository\."),
    ("tune --experiment nope", nothing, r"nope is missing: name the experiment with --experiment\."),
    ("tune --max-trials 0", nothing, r"--max-trials is 0, expected at least 1\."),
    ("tune --out data", nothing, r"data holds something else \(no trials\.json\), so it is not replaced"),
    ("collect", nothing, r"build/tune/trials\.json is missing: make it with `python -m slipway tune`\."),
    ("collect --trials models", nothing, r"models cannot be read \(Is a directory\)"),
    ("register", nothing, r"slipway\.yaml is missing: run this in the repository's root\."),
    ("gate --data nope", nothing, r"--data nope: there is no such folder\."),
    ("promote --env prod", nothing, r"there is no k8s/serving/overlays/prod/model\.yaml; --env is one of none"),
    (
        "promote --env staging --follow",
        overlay("staging"),
        r"--follow goes with --env production: that is what the alias champion stands for\.",
    ),
    (
        "promote --env production --follow --model flight-delay/7",
        overlay("production"),
        r"--follow takes no --model, --expect or --image: k8s/\S+/model\.yaml says which version it is\.",
    ),
    ("image --file models", text("reports/data.json", "{}"), r"reports/data\.json has no 'parts': make it again with"),
    ("image --file models", nothing, r"models: Is a directory\."),
    ("refresh", nothing, r"this folder is in no Git repository: make it one with `git init`"),
    ("refresh --base mian", commit, r"--base mian: no such commit here\. `git fetch` brings what others pushed"),
    ("refresh --plots-to s3://a", nothing, r"give --plots-to s3://… and --plots-url, or neither\."),
    ("pin --check", nothing, r"k8s/katib/experiment\.yaml is missing: run this in the repository's root\."),
    ("pin --tag --image a/b", nothing, r"`git ls-files .*` failed: fatal: not a git repository"),
    ("propose --source x", nothing, r"GITHUB_REPOSITORY and GITHUB_TOKEN are not both set"),
    ("comment --number 1 --report x --sha y", nothing, r"x is missing, and no stage has failed: name the report"),
    ("promotion --env prod", nothing, r"there is no k8s/serving/overlays/prod/model\.yaml"),
    ("plan --sha main", nothing, r"--sha is 'main', expected the 40 hexadecimal digits of a commit\."),
    ("sealed --opens a=b -- train", nothing, r"--opens is 'a=b', expected PATH=SHA256\."),
    ("sealed", nothing, r"there is no verb: write it after `--`\."),
    ("hand-over --version flight-delay@champion", nothing, r"--version is 'flight-delay@champion', expected NAME/NUM"),
    ("answer --workflow x", nothing, r"slipway\.yaml is missing: run this in the repository's root\."),
    ("catch-up", nothing, r"slipway\.yaml is missing: run this in the repository's root\."),
    ("needs token=true", nothing, r"'token=true' is not NAME=true or NAME=\."),
    ("needs A=true --names", nothing, r"slipway\.yaml: No such file or directory\."),
    ("redeliver", nothing, r"GITHUB_REPOSITORY and GITHUB_TOKEN are not both set"),
    ("rules", nothing, r"slipway\.yaml is missing: run this in the repository's root\."),
    ("platform check", nothing, r"slipway\.yaml is missing: run this in the repository's root\."),
    ("init", nothing, r"slipway\.yaml is missing: run this in the repository's root\."),
    ("init", text("slipway.yaml", ""), r"this clone has no remote `origin`: give --repository OWNER/REPO\."),
    ("init --repository a/b", text("slipway.yaml", ""), r"slipway\.yaml: repository: is missing: restore it from Git"),
    ("new nope.csv --answer x", nothing, r"nope\.csv is not there: name the file that holds your data\."),
    ("sync --from nope", nothing, r"slipway\.yaml is missing: run this in the repository's root\."),
    ("release", nothing, r"GITHUB_REPOSITORY and GITHUB_TOKEN are not both set"),
    ("serve --model nope", nothing, r"--model nope: there is no such folder\."),
    ("serve --model data --port 0", nothing, r"--model data: holds no schema\.json, so it is no model folder\."),
    ("serve --model models/current --port 0", text("models/current/schema.json", "{}"), r"has no 'columns'"),
    ("serve --model models/current --port 0", text("models/current/golden.json", "[]"), r"golden\.json has no 'rows'"),
    ("load --url foo", nothing, r"--url foo: expected http://host:port, with a path"),
    ("load --url http://127.0.0.1:9", nothing, r"no server listens at http:.*: `make serve` starts"),
    ("load --rows nope", nothing, r"nope is missing: make it with `python -m slipway prepare`\."),
    ("demo", nothing, r"`git rev-parse --verify HEAD` failed: fatal: not a git repository"),
    ("demo --out data", nothing, r"data holds something that is not a demo: name another folder with --out\."),
    ("demo --trials 0", nothing, r"--trials and --seconds must be 1 or more\."),
]  # fmt: skip


def state() -> dict[str, str]:
    """Every file here and its hash."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(HERE.rglob("*"))
    }


@pytest.mark.parametrize(("words", "spoil", "said"), MISTAKES, ids=[f"{i}-{m[0]}" for i, m in enumerate(MISTAKES)])
def test_a_mistake_is_a_sentence_and_changes_nothing(
    workspace: Path,
    words: str,
    spoil: Spoil,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("GITHUB_REPOSITORY", "GITHUB_TOKEN", "GH_TOKEN", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(workspace.parent))
    spoil()
    before = state()
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert re.search(said, error), error
    assert error.startswith(f"slipway {words.split()[0]}: ") and error.count("\n") == 1
    assert state() == before


def test_every_verb_is_typed_wrongly_here() -> None:
    needs_a_registry = {"trace"}  # below, and in tests/services
    assert {words.split()[0] for words, _, _ in MISTAKES} | needs_a_registry == set(VERBS)


def test_what_trace_is_asked_for_is_not_there(
    workspace: Path, empty_database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_database, workspace / "mlflow.db")
    shutil.copy(ROOT / "slipway.yaml", workspace)
    for what in ("prod", "flight-delay", "nope.yaml"):
        assert main(["trace", what]) == 2
        assert "is missing: name an environment (none here: go to the root), a manifest, or a version" in (
            capsys.readouterr().err
        )


def test_outside_the_root_no_registry_is_made(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before = state()
    for words in (["trace", "flight-delay@champion"], ["serve", "--model", "models:/flight-delay@champion"]):
        assert main(words) == 2
        said = capsys.readouterr().err
        assert "slipway.yaml is missing, which says where MLflow is: run this in the repository's root, or set" in said
    assert state() == before


def test_a_flag_cut_short_is_not_taken_for_another(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["train", "--max_dep", "3"], ["data", "make", "--month", "2013-01"]):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 2
        assert f"unrecognized arguments: {words[-2]}" in capsys.readouterr().err


def test_a_disk_that_is_full_is_a_sentence(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.save", full)
    before = state()
    assert main(["prepare"]) == 2
    assert capsys.readouterr().err == "slipway prepare: writing: No space left on device.\n"
    assert state() == before


def test_an_error_of_ours_keeps_its_traceback(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr("slipway.learning.prepare.part_files", broken)
    with pytest.raises(ConnectionResetError):
        main(["prepare"])


def test_a_stop_that_comes_out_as_another_error_is_a_stop(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped_while_loading(*_: object) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("initialization failed") from None

    monkeypatch.setattr("slipway.learning.prepare.part_files", stopped_while_loading)
    before, handler = state(), signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(["prepare"]) == 130
    finally:
        signal.signal(signal.SIGINT, handler)
    assert capsys.readouterr().err == "slipway prepare: stopped.\n"
    assert state() == before


def test_names_are_those_that_the_registry_takes(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = (TEMPLATE / "slipway.yaml").read_text()
    for name in ('""', "a/b", '"a b"'):
        Path("slipway.yaml").write_text(re.sub(r"^model: \S+", f"model: {name}", names, flags=re.MULTILINE))
        assert main(["register"]) == 2
        assert "slipway.yaml: model: string should match pattern" in capsys.readouterr().err


def test_a_broken_measurement_is_not_reported_as_none(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit()
    for path, content in {
        "reports/metrics.json": "{",
        "reports/slices.json": json.dumps({}),
        "reports/data.json": json.dumps({"parts": {}}),
    }.items():
        kept = Path(path).read_text()
        Path(path).write_text(content)
        assert main(["report", "--base", "HEAD"]) == 2
        assert f"slipway report: {path} " in capsys.readouterr().err
        Path(path).write_text(kept)
