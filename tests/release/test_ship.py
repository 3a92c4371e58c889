"""register, promote, trace: a model becomes a version, a version a commit, and the way back is always there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from slipway.__main__ import main
from slipway.registry.registry import Registry, open_registry
from slipway.release.manifest import ServedModel, read_model_patch, render_model_patch
from slipway.release.pin import KUSTOMIZATIONS
from tests.conftest import ROOT, TEMPLATE, inside

MODEL = "flight-delay"
PRODUCTION = Path("k8s/serving/overlays/production/model.yaml")


def git(*words: str) -> str:
    who = {f"GIT_{role}_{what}": "x@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(["git", *words], check=True, capture_output=True, text=True, env=os.environ | who)
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def nobody_elses_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "SLIPWAY_GIT_SHA", "SLIPWAY_IMAGE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def before_any_version(small_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small repository in Git with the serving manifests, and an empty registry: MLflow makes its tables once."""
    folder = tmp_path_factory.mktemp("ship") / "empty"
    shutil.copytree(small_repository, folder)
    with inside(folder):
        shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
        shutil.copy(TEMPLATE / "slipway.yaml", "slipway.yaml")
        shutil.copytree(ROOT / "k8s/serving", "k8s/serving")
        for path in Path("k8s/serving/overlays").glob("*/model.yaml"):
            path.write_text(render_model_patch(ServedModel()))
        Path(".gitignore").write_text(
            "build/\n.dvc/tmp/\n.dvc/cache/\nmlflow.db\nmlruns/\nmodels/\ndata/prepared/\ndata/flights/\n"
        )
        subprocess.run([Path(sys.executable).with_name("dvc"), "init", "--quiet", "--no-scm"], check=True)
        subprocess.run([Path(sys.executable).with_name("dvc"), "add", "--quiet", "data/flights"], check=True)
        git("init", "--quiet", "--initial-branch=main")
        git("add", "--all")
        git("commit", "--quiet", "--message", "January to May")
        train("models/current")
        assert registry().versions(MODEL) == []
    return folder


@pytest.fixture(scope="module")
def with_a_champion(before_any_version: Path) -> Path:
    """The same after version 1 became the champion and production serves it."""
    folder = before_any_version.with_name("champion")
    shutil.copytree(before_any_version, folder)
    with inside(folder):
        assert main(["register"]) == 0
        registry().set_alias(MODEL, "champion", 1)
        assert main(["promote", "--env", "production"]) == 0
        git("add", "--all")
        git("commit", "--quiet", "--message", "Serve the first champion")
    return folder


def copy_of(folder: Path, to: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(folder, to / "repository")
    monkeypatch.chdir(to / "repository")
    return to / "repository"


@pytest.fixture
def repository(before_any_version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository without a version, to work in."""
    return copy_of(before_any_version, tmp_path, monkeypatch)


@pytest.fixture
def champion(with_a_champion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose production serves version 1, to work in."""
    return copy_of(with_a_champion, tmp_path, monkeypatch)


def train(out: str, *flags: str) -> None:
    assert main(["train", "--final", "--out", out, *flags]) == 0


def registry() -> Registry:
    return open_registry()


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_a_version_is_the_folder_and_says_where_it_comes_from(repository: Path) -> None:
    assert main(["register"]) == 0
    version = registry().resolve(f"{MODEL}@challenger")
    assert version.tags["git_sha"] == git("rev-parse", "HEAD")
    assert version.tags["data_md5"] == yaml.safe_load(Path("data/flights.dvc").read_text())["outs"][0]["md5"]
    assert version.tags["train_image"].startswith("none")
    assert version.tags["trained_on"] == "2013-01 to 2013-04"
    folder = registry().download(version, Path("build/back"))
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "members/0.bst", "members/1.bst", "ensemble.onnx",
        "schema.json", "profile.json", "golden.json", "metadata.json",
    }  # fmt: skip
    lineage = json.loads((folder / "metadata.json").read_text())["lineage"]
    assert lineage["git_sha"] == version.tags["git_sha"]


def test_the_same_model_is_one_version_and_another_is_the_next(repository: Path) -> None:
    assert main(["register"]) == 0
    assert main(["register"]) == 0
    assert [v.version for v in registry().versions(MODEL)] == [1]
    train("models/other", "--seed", "7")
    assert main(["register", "--model", "models/other"]) == 0
    assert registry().aliases(MODEL) == {"challenger": 2}


def test_trials_and_image_are_part_of_the_lineage(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trials = [
        {"name": f"tune-00{i}", "parameters": {"eta": eta}, "metric": "validation-auc", "value": 0.7}
        for i, eta in enumerate(("0.1", "0.2", "0.3"))
    ]
    Path("build").mkdir(exist_ok=True)
    Path("build/top.json").write_text(json.dumps({"experiment": "tune-0123456789ab", "trials": trials}))
    train("models/challenger", "--trials", "build/top.json")
    monkeypatch.setenv("SLIPWAY_IMAGE", "ghcr.io/your-org/your-repo/train@sha256:" + "5" * 64)
    assert main(["register", "--model", "models/challenger"]) == 0
    version = registry().resolve(f"{MODEL}/1")
    assert version.tags["experiment"] == "tune-0123456789ab"
    assert version.tags["trials"] == "tune-000, tune-001, tune-002"
    assert version.tags["train_image"].endswith("5" * 64)
    params, metrics = registry().run_values(version)
    assert [params[f"{i}.eta"] for i in range(3)] == ["0.1", "0.2", "0.3"]
    assert metrics["validation-auc.0"] == 0.7


def test_a_commit_that_changes_nothing_of_the_model_makes_no_other_version(repository: Path) -> None:
    assert main(["register"]) == 0
    trained = git("rev-parse", "HEAD")
    Path("README.md").write_text("More words.\n")
    git("add", "--all")
    git("commit", "--quiet", "--message", "More words")
    assert main(["register"]) == 0
    (version,) = registry().versions(MODEL)
    assert version.tags["git_sha"] == trained


def test_a_model_of_other_parameters_than_the_commits_is_not_registered(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["gate"]["margin"] = 0.01  # no model is made of that
    Path("params.yaml").write_text(yaml.safe_dump(params))
    git("commit", "--quiet", "--all", "--message", "A stricter gate")
    assert main(["register"]) == 0
    params["train"]["eta"] = 0.21
    Path("params.yaml").write_text(yaml.safe_dump(params))
    git("commit", "--quiet", "--all", "--message", "Learn slower")
    capsys.readouterr()
    assert main(["register"]) == 2
    assert (
        "models/current was made by other code or parameters than stand here now (params.yaml (split and train))"
        in said(capsys)
    )
    assert len(registry().versions(MODEL)) == 1
    train("models/current")
    assert main(["register"]) == 0


@pytest.mark.parametrize("path", ["params.yaml", "data/flights.dvc"])
def test_what_differs_from_the_commit_is_not_registered(
    repository: Path, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(path).write_text(Path(path).read_text() + "\n# changed\n")
    assert main(["register"]) == 2
    assert f"{path} differs from the commit" in said(capsys)
    assert registry().versions(MODEL) == []


def test_data_that_dvc_does_not_know_is_not_registered(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("data/flights/2013-01.csv")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert main(["prepare"]) == 0
    train("models/current")
    git("commit", "--quiet", "--all", "--message", "The report of other data", "--allow-empty")
    assert main(["register"]) == 2
    assert "run `dvc add data/flights`" in said(capsys)


def test_what_a_server_would_refuse_is_not_registered(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A compiled ensemble that is another model's passes for one until the golden rows are asked."""
    from slipway.learning import compile as compiler

    train("models/other", "--rounds", "1")
    compiler.compile_ensemble(Path("models/other"))
    other = Path("models/other/ensemble.onnx").read_bytes()
    monkeypatch.setattr(compiler, "compile_ensemble", lambda folder: (folder / "ensemble.onnx").write_bytes(other))
    assert main(["register"]) == 2
    assert "the compiled ensemble answers the golden rows of the model wrongly (off by 0." in said(capsys)
    assert registry().versions(MODEL) == [] and not Path("build/register/model").exists()


def test_without_git_the_commit_comes_from_the_environment(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(".git")
    monkeypatch.setenv("SLIPWAY_GIT_SHA", "main")
    assert main(["register"]) == 2
    assert "SLIPWAY_GIT_SHA is 'main', expected the 40 hexadecimal digits" in said(capsys)
    monkeypatch.setenv("SLIPWAY_GIT_SHA", "c" * 40)
    assert main(["register"]) == 0
    assert registry().resolve(f"{MODEL}/1").tags["git_sha"] == "c" * 40


def test_a_model_that_is_not_there_is_a_sentence(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["register", "--model", "models/nowhere"]) == 2
    assert "models/nowhere/metadata.json is missing: make it with" in said(capsys)


def test_a_promotion_changes_one_file_to_what_cannot_move(champion: Path) -> None:
    assert git("show", "--name-only", "--format=").split() == [str(PRODUCTION)]
    served = read_model_patch(PRODUCTION)
    version = registry().resolve(f"{MODEL}/1")
    assert served.version == f"{MODEL}/1"
    assert served.model_uri == registry().storage_uri(version)
    assert version.run_id in served.model_uri
    assert "@champion" not in PRODUCTION.read_text() and "latest" not in PRODUCTION.read_text()


@pytest.mark.parametrize(("how", "why"), [("files", "there are no files of it at"), ("run", "its run .* was deleted")])
def test_what_is_gone_is_neither_promoted_nor_traced_nor_taken_for_the_model(
    champion: Path, how: str, why: str, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    version = registry().resolve(f"{MODEL}/1")
    if how == "files":
        stored = Path(unquote(urlsplit(registry().storage_uri(version)).path))  # beside the first database: shared
        hidden = stored.rename(stored.with_name("hidden"))
        request.addfinalizer(lambda: hidden.rename(stored))
    else:
        registry()._client.delete_run(version.run_id)
    for env in ("staging", "production"):
        assert main(["promote", "--env", env]) == 2
        refused = rf"{MODEL}/1 cannot be served, {why}.* Promote another version, or register it again"
        assert re.search(refused, said(capsys))
    assert git("status", "--porcelain") == ""
    assert re.search(why, links(capsys, "production", code=1)["served from"]["broken"])
    assert main(["register"]) == 0
    assert registry().aliases(MODEL)["challenger"] == 2, "the same files, which are there again"
    assert main(["promote", "--env", "staging", "--model", f"{MODEL}/2"]) == 0


def test_promoting_again_changes_nothing(champion: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["promote", "--env", "production"]) == 0
    assert "nothing to change" in capsys.readouterr().out
    assert git("status", "--porcelain") == ""


def test_an_alias_that_moved_meanwhile_is_not_promoted(champion: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train("models/other", "--seed", "7")
    assert main(["register", "--model", "models/other"]) == 0
    registry().set_alias(MODEL, "champion", 2)
    assert main(["promote", "--env", "production", "--expect", "1"]) == 2
    assert "stands for flight-delay/2 now, not for version 1" in said(capsys)
    assert git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--env", "prod"], "--env is one of"),
        (["--env", "staging", "--model", f"{MODEL}@champoin"], "has no alias 'champoin'; its aliases: challenger"),
        (["--env", "staging", "--model", f"{MODEL}/9"], "has no version 9; its versions: 1"),
        (["--env", "staging", "--image", "ghcr.io/x/serve:latest"], "expected NAME@sha256:"),
    ],
)
def test_mistakes_are_sentences_and_change_nothing(
    champion: Path, flags: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["promote", *flags]) == 2
    assert sentence in said(capsys)
    assert git("status", "--porcelain") == ""


def test_the_image_is_kept_until_another_is_named(champion: Path) -> None:
    image = "ghcr.io/your-org/your-repo/serve@sha256:" + "a" * 64
    assert main(["promote", "--env", "production", "--image", image]) == 0
    assert read_model_patch(PRODUCTION).serve_image == image
    assert main(["promote", "--env", "production"]) == 0
    assert read_model_patch(PRODUCTION).serve_image == image


def test_a_revert_rolls_back_and_the_alias_follows_git(champion: Path) -> None:
    train("models/other", "--seed", "7")
    assert main(["register", "--model", "models/other"]) == 0
    registry().set_alias(MODEL, "champion", 2)
    assert main(["promote", "--env", "production"]) == 0
    git("commit", "--quiet", "--all", "--message", "Serve the second")
    git("revert", "--no-edit", "HEAD")
    assert main(["promote", "--env", "production", "--follow"]) == 0
    assert registry().aliases(MODEL)["champion"] == 1
    assert read_model_patch(PRODUCTION).version == f"{MODEL}/1"
    assert main(["promote", "--env", "production", "--follow"]) == 0


def links(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["trace", *words, "--json"]) == code
    return {link["name"]: link for link in json.loads(capsys.readouterr().out)}


def test_a_trace_leads_from_the_manifest_to_the_commit_of_the_data(
    champion: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = links(capsys, "production")
    assert chain["manifest"]["value"].endswith("Serve the first champion")
    assert chain["version"]["value"].startswith(f"{MODEL}/1 (challenger, champion)")
    assert chain["code"]["value"].endswith("January to May")
    assert re.fullmatch(r"md5 [0-9a-f]{32}\.dir, since [0-9a-f]+ \S+ January to May", chain["data"]["value"])
    assert links(capsys, f"{MODEL}@champion")["data"] == chain["data"]
    assert links(capsys, str(PRODUCTION)).keys() == chain.keys()


def test_an_edited_manifest_is_a_broken_link(champion: Path, capsys: pytest.CaptureFixture[str]) -> None:
    PRODUCTION.write_text(re.sub(r'git-sha: "\w+"', f'git-sha: "{"d" * 40}"', PRODUCTION.read_text()))
    assert "the registry says git_sha" in links(capsys, "production", code=1)["served from"]["broken"]


def test_a_commit_that_is_not_in_the_clone_is_a_broken_link(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLIPWAY_GIT_SHA", "c" * 40)
    assert main(["register"]) == 0
    assert "does not have the commit" in links(capsys, f"{MODEL}/1", code=1)["code"]["broken"]


def cut(repository: Path, depth: int) -> Path:
    """A shallow clone, with what Git does not hold beside it."""
    clone = repository.with_name("cut")
    git("clone", "--quiet", f"--depth={depth}", f"file://{repository}", str(clone))
    for name in ("models", "mlflow.db", "mlruns", "data/flights", "data/prepared", ".dvc/cache"):
        if (repository / name).exists():
            (clone / name).symlink_to(repository / name)
    return clone


def test_a_shallow_clone_registers_under_no_commit_that_it_merely_ends_at(
    champion: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learnt_from = git("rev-parse", "HEAD~1")
    monkeypatch.chdir(cut(champion, 1))
    assert main(["register"]) == 2
    assert "this clone is shallow: fetch the rest with `git fetch --unshallow`" in said(capsys)
    git("fetch", "--quiet", "--unshallow")
    assert main(["register"]) == 0
    assert registry().resolve(f"{MODEL}@challenger").tags["git_sha"] == learnt_from


def test_a_trace_in_a_shallow_clone_makes_up_no_dates(
    champion: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    git("commit", "--quiet", "--allow-empty", "--message", "Something else")
    monkeypatch.chdir(cut(champion, 1))
    chain = links(capsys, "production", code=1)
    assert chain["manifest"]["value"] == str(PRODUCTION) and "is shallow" in chain["manifest"]["broken"]
    assert "since" not in chain["data"]["value"] and "is shallow" in chain["data"]["broken"]
    assert "fetch it" in chain["code"]["broken"]
    git("fetch", "--quiet", "--unshallow")
    assert chain["manifest"]["value"] in links(capsys, "production")["manifest"]["value"]


def test_where_nothing_is_served_no_alias_moves(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["register"]) == 0
    registry().set_alias(MODEL, "champion", 1)
    assert main(["promote", "--env", "production", "--follow"]) == 0
    assert "serves no model, so champion stays where it is" in capsys.readouterr().out
    assert registry().aliases(MODEL)["champion"] == 1


def test_the_servers_image_is_pinned_in_all_environments_or_in_none(
    champion: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = f"sha256:{'5' * 64}"
    model = read_model_patch(PRODUCTION).version
    before = {path: path.read_text() for path in Path("k8s/serving/overlays").glob("*/model.yaml")}
    broken = Path("k8s/serving/overlays/staging/model.yaml")
    broken.write_text("by hand")
    assert main(["pin", "--target", "serve", "--digest", digest]) == 2
    assert "staging/model.yaml is no ServedModel" in said(capsys)
    assert {path: path.read_text() for path in before} == before | {broken: "by hand"}
    broken.write_text(before[broken])
    assert main(["pin", "--target", "serve", "--digest", digest]) == 0
    assert {read_model_patch(path).serve_image for path in before} == {f"ghcr.io/your-org/your-repo/serve@{digest}"}
    assert read_model_patch(PRODUCTION).version == model == f"{MODEL}/1"
    assert main(["pin", "--target", "serve", "--digest", "latest"]) == 2


@pytest.mark.parametrize("target", KUSTOMIZATIONS)
def test_an_image_that_the_cluster_runs_is_pinned_in_its_kustomization_alone(
    champion: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, digest = KUSTOMIZATIONS[target], f"sha256:{'6' * 64}"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = (ROOT / path).read_text()
    path.write_text(text)
    assert main(["pin", "--target", target, "--digest", digest]) == 0
    before, now = text.splitlines(), path.read_text().splitlines()
    assert [line for line in now if line not in before] == [f"    digest: {digest}"] and len(now) == len(before)
    assert main(["pin", "--target", target, "--digest", "latest"]) == 2
    path.write_text("resources: []\n")
    capsys.readouterr()
    assert main(["pin", "--target", target, "--digest", digest]) == 2
    assert f"{path}: 0 images have a digest; there must be exactly one" in said(capsys)


def test_a_promotion_can_be_reverted_after_another_server_was_pinned_and_the_other_way_round(champion: Path) -> None:
    promotion = git("rev-parse", "HEAD")
    assert main(["pin", "--target", "serve", "--digest", f"sha256:{'5' * 64}"]) == 0
    git("commit", "--quiet", "--all", "--message", "Another server")
    pin = git("rev-parse", "HEAD")
    git("revert", "--no-edit", promotion)
    served = read_model_patch(PRODUCTION)
    assert served.version == "" and served.serve_image.endswith("5" * 64)
    git("revert", "--no-edit", "HEAD")
    git("revert", "--no-edit", pin)
    served = read_model_patch(PRODUCTION)
    assert served.version == f"{MODEL}/1" and served.serve_image == ""


def test_nothing_to_trace_is_a_sentence(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "staging"]) == 2
    assert "serves no model yet" in said(capsys)
    assert main(["trace", "nowhere"]) == 2
    assert "is missing: name an environment" in said(capsys)
