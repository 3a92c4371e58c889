"""The plan: which commits are searched, and with what."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest
import yaml

from slipway.__main__ import main
from slipway.kubeapi import json_sha256
from tests.steps.conftest import DIGEST, EXPERIMENT, NAMES, Team

MODEL = "k8s/serving/overlays/staging/model.yaml"


def plan(sha: str) -> int:
    return main(["plan", f"--sha={sha}"])


def left(name: str) -> str:
    return Path("build/plan", name).read_text(encoding="utf-8")


def test_the_head_of_main_is_searched_with_its_own_files(team: Team) -> None:
    sha = team.merge("June")
    assert plan(sha) == 0
    experiment = json.loads(left("experiment.json"))
    assert (experiment["metadata"]["name"], experiment["metadata"]["namespace"]) == (
        f"tune-{sha[:12]}",
        "slipway-trials",
    )
    assert experiment["metadata"]["labels"] == {"slipway.dev/commit": sha}
    assert experiment["spec"] == EXPERIMENT["spec"]
    assert left("verdict") == "go"
    assert left("image") == f"ghcr.io/acme/numbers/train@{DIGEST}"
    assert left("mlflow") == NAMES["mlflow"]
    assert left("top") == "2", "a member for each of the best"
    assert left("sha256") == json_sha256(experiment)
    assert left("sentence") == (
        "at most 6 trials, 2 at once; each requests 1 CPU and 1 GiB, for 10 minutes at most: 60 pod-minutes at most"
    )


def test_it_is_the_same_to_the_byte_whenever_it_is_asked(team: Team) -> None:
    sha = team.merge("June")
    assert plan(sha) == 0
    first = left("experiment.json")
    team.write(MODEL, "version: numbers/7\n")
    team.merge("Promote numbers/7 to staging")
    assert plan(sha) == 0
    assert left("verdict") == "go", "a promotion changes nothing that is searched"
    assert left("experiment.json") == first


def test_a_commit_that_a_newer_one_overtook_is_not_searched(team: Team) -> None:
    old = team.merge("June")
    team.write("data/numbers.dvc", "outs:\n- md5: bb\n")
    team.pin()
    new = team.merge("July")
    assert plan(old) == 0
    assert left("verdict") == "superseded"
    assert new[:12] in left("sentence")
    assert json.loads(left("experiment.json")) == {}
    assert plan(new) == 0
    assert left("verdict") == "go"


def test_a_file_that_moved_out_of_what_is_searched_counts(team: Team) -> None:
    team.write("data/more.dvc", "\n".join(f"# {n}" for n in range(50)))
    team.pin()
    old = team.merge("June")
    (team.folder / "attic").mkdir()
    team.git("mv", "data/more.dvc", "attic/more.dvc")
    team.merge("Move")
    assert plan(old) == 0
    assert left("verdict") == "superseded"


def test_before_the_first_image_there_is_nothing_to_search(team: Team) -> None:
    fresh = copy.deepcopy(EXPERIMENT)
    container = fresh["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "ghcr.io/acme/numbers/train@sha256:" + "0" * 64
    team.write("k8s/katib/experiment.yaml", yaml.safe_dump(fresh))
    sha = team.merge("The template")
    assert plan(sha) == 0
    assert left("verdict") == "nothing"


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        ("data/numbers.dvc", "aa", "bb", "k8s/katib/experiment.yaml: the pinned image is of other inputs"),
        ("slipway.yaml", "acme/numbers", "your-org/your-repo", "run `python -m slipway init`"),
        ("k8s/katib/experiment.yaml", "maxTrialCount", "maxTrailCount", "spec.maxTrailCount: no such field"),
        ("params.yaml", "members: 2", "members: 0", "params.yaml: train.members"),
    ],
)
def test_what_a_person_got_wrong_is_a_sentence(
    team: Team, capsys: pytest.CaptureFixture[str], path: str, old: str, new: str, said: str
) -> None:
    text = (team.folder / path).read_text(encoding="utf-8")
    assert old in text
    team.write(path, text.replace(old, new))
    if path == "params.yaml":
        team.pin()
    sha = team.merge("A slip")
    assert plan(sha) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not re.search(r"[ (]/", error), "a scratch folder's name says nothing to whoever reads this"
    assert not Path("build/plan").exists()


def test_a_commit_that_was_not_merged(team: Team, capsys: pytest.CaptureFixture[str]) -> None:
    team.merge("June")
    team.git("checkout", "--quiet", "-b", "other")
    team.git("commit", "--quiet", "--allow-empty", "--message", "not merged")
    team.git("push", "--quiet", str(team.github.git_folder("acme/numbers")), "HEAD:other")
    assert plan(team.git("rev-parse", "HEAD")) == 2
    assert "is not on main" in capsys.readouterr().err


def test_in_a_pod_the_sentence_stays_with_the_pod(team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Argo shows of a failed step is this, or the end of a log that its own lines fill."""
    kept = tmp_path / "termination-log"
    monkeypatch.setattr("slipway.__main__._TERMINATION_LOG", kept)
    assert plan("main") == 2
    assert not kept.exists(), "not in a pod"
    kept.touch()
    assert plan("main") == 2
    assert kept.read_text(encoding="utf-8").startswith("slipway plan: --sha is 'main', expected the 40")


def test_without_its_token(team: Team, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    assert plan("a" * 40) == 2
    assert "the secret github-read with the key token" in (said := capsys.readouterr().err)
    assert "kubectl create secret generic github-read --namespace slipway-workflows --from-file=token=FILE" in said


def test_while_github_is_ill_it_may_be_tried_again(team: Team, capsys: pytest.CaptureFixture[str]) -> None:
    sha = team.merge("June")
    team.state.ill = 99
    assert plan(sha) == 75
    assert "HTTP 502" in capsys.readouterr().err
    team.state.ill = 1
    assert plan(sha) == 0
