"""The verbs behind the workflows, one by one: what act would take too long to show in every shade."""

from __future__ import annotations

import argparse
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from slipway.__main__ import main
from slipway.errors import UserError
from slipway.github import auto_merge, redeliver, rules
from slipway.github import github as gh
from slipway.github.refresh import meaning
from slipway.release import oci, pin
from slipway.report.markdown import line
from slipway.search.experiment import read_experiment
from tests.conftest import TEMPLATE
from tests.workflows.conftest import PROPOSED, ROOT, RULES, program, pull_request
from tests.workflows.github.server import ACTIONS_TOKEN, APP_TOKEN, READ_TOKEN, Stand, State, write_comment

DIGEST = "sha256:" + "ab" * 32
EXPERIMENT = (TEMPLATE / "k8s/katib/experiment.yaml").read_text(encoding="utf-8")


def test_a_pin_changes_the_image_and_the_note_and_nothing_else(tmp_path: Path) -> None:
    once = pin.pinned(EXPERIMENT, "ghcr.io/acme/flights/train", DIGEST, "1" * 16)
    changed = set(once.splitlines()) - set(EXPERIMENT.splitlines())
    assert changed == {
        f"                image: ghcr.io/acme/flights/train@{DIGEST}",
        "  annotations:",
        f'    {pin.ANNOTATION}: "{"1" * 16}"',
    }
    assert once.count("#") == EXPERIMENT.count("#"), "comments stay"
    assert pin.pinned(once, "ghcr.io/acme/flights/train", DIGEST, "1" * 16) == once
    assert yaml.safe_load(once)["metadata"]["annotations"] == {pin.ANNOTATION: "1" * 16}
    (tmp_path / "experiment.yaml").write_text(once, encoding="utf-8")
    assert read_experiment(tmp_path / "experiment.yaml").name == "tune", "Katib's own types take it"


def test_a_pin_goes_beside_other_annotations() -> None:
    text = EXPERIMENT.replace("metadata:\n", "metadata:\n  annotations:\n    owner: me\n", 1)
    assert yaml.safe_load(pin.pinned(text, "a/b", DIGEST, "x"))["metadata"]["annotations"] == {
        "owner": "me",
        pin.ANNOTATION: "x",
    }


@pytest.mark.parametrize(
    ("text", "digest", "sentence"),
    [
        (EXPERIMENT, "sha256:beef", "is not sha256: and 64 hexadecimal digits"),
        ("kind: Experiment\n", DIGEST, "0 lines have an image pinned by digest"),
        (EXPERIMENT + f"  image: a@{DIGEST}\n", DIGEST, "2 lines have an image"),
        (EXPERIMENT.replace("metadata:\n", "metadata:\n  annotations: {a: b}\n", 1), DIGEST, "one key a line"),
    ],
)
def test_what_cannot_be_pinned_is_a_sentence(text: str, digest: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        pin.pinned(text, "a/b", digest, "x")


def test_the_check_is_of_the_inputs_and_only_once_an_image_was_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet"], check=True)
    Path("params.yaml").write_text("a: 1\n", encoding="utf-8")
    Path("experiment.yaml").write_text(EXPERIMENT, encoding="utf-8")
    path = Path("experiment.yaml")
    assert "no image is pinned yet" in pin.check(path)
    path.write_text(pin.pinned(EXPERIMENT, "a/b", DIGEST, pin.inputs_hash()), encoding="utf-8")
    assert "is of this commit's inputs" in pin.check(path)
    Path("README.md").write_text("words\n", encoding="utf-8")
    assert "is of this commit's inputs" in pin.check(path)
    Path("params.yaml").write_text("a: 2\n", encoding="utf-8")
    with pytest.raises(UserError, match="is of other inputs than this commit's"):
        pin.check(path)


@pytest.mark.parametrize("extra", [-1, 0, 1, 5000])
def test_a_comment_never_exceeds_githubs_limit(extra: int) -> None:
    room = gh.COMMENT_LIMIT - len(gh.watermark("0" * 40)) - 2
    line = "x" * 79 + "\n"
    text = "```diff\n" + (line * (room // 80 + 80))[: room + extra - 8]
    body = f"{gh.fitted(text)}\n\n{gh.watermark('a' * 40)}"
    assert len(body) <= gh.COMMENT_LIMIT
    assert ("The report goes on" in body) is (len(text.strip()) > room)
    if extra > 0:
        assert body.count("```") == 2, "what was opened is closed"


def test_a_cml_that_says_it_did_and_did_not_is_found_out(
    state: State, cml: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CML_DOUBLE", "idle")
    hub = gh.GitHub.from_environment()
    pull, opened_by = gh.pull_request(hub, "slipway/data/june", "main", "June", "body")
    assert opened_by == "gh" and pull["number"] == 1
    assert gh.comment(hub, 1, "the report", "a" * 40) == "gh"
    assert len(state.comments[1]) == 1


def test_cml_does_not_get_to_take_another_pull_request_for_ours(state: State, cml: None, github: Stand) -> None:
    # CML compares the ends of names: `slipway/data/june` ends with `june`.
    name = next(key for key, value in github.states.items() if value is state)
    subprocess.run(["git", "push", "--quiet", str(github.git_folder(name)), "HEAD:refs/heads/june"], check=True)
    state.pulls[1] = pull_request("june")
    pull, opened_by = gh.pull_request(gh.GitHub.from_environment(), "slipway/data/june", "main", "June", "body")
    assert (pull["number"], opened_by) == (2, "gh")
    assert state.pulls[1]["title"] == "Mine"


def change_the_model() -> None:
    """Something to propose."""
    Path("model.yaml").write_text("changed\n", encoding="utf-8")
    subprocess.run(["git", "add", "model.yaml"], check=True)


def test_a_report_that_is_not_there_proposes_nothing(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    change_the_model()
    assert main(["propose", "--head", "slipway/x", "--title", "x", "--report", "build/report.md"]) == 2
    assert "build/report.md is not there: write the report first" in capsys.readouterr().err
    assert not state.calls and not state.pushes


def test_cml_leaves_no_token_in_the_repository(state: State, cml: None) -> None:
    hub = gh.GitHub.from_environment()
    assert gh.pull_request(hub, "slipway/data/june", "main", "June", "body")[1] == "cml"
    assert ACTIONS_TOKEN not in Path(".git/config").read_text(encoding="utf-8")


def test_somebody_elses_words_are_never_overwritten(state: State, cml: None) -> None:
    state.pulls[1] = pull_request("slipway/data/june")
    write_comment(state, 1, "I looked at slipway's report; fine.")
    hub = gh.GitHub.from_environment()
    gh.comment(hub, 1, "first", "a" * 40)
    gh.comment(hub, 1, "second", "b" * 40)
    assert [it["body"].partition("\n")[0] for it in state.comments[1]] == [
        "I looked at slipway's report; fine.",
        "second",
    ]


def test_a_token_that_may_not_is_a_sentence_that_says_where_to_look(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPO_TOKEN", READ_TOKEN)
    with pytest.raises(
        UserError, match=r"POST \S+/pulls: Resource not accessible by integration \(HTTP 403\)\. The token lacks the"
    ):
        gh.GitHub.from_environment().call("POST", "pulls", {"title": "t", "head": "slipway/data/june", "base": "main"})


@pytest.mark.parametrize("extra", [{}, {"GH_DEBUG": "api", "CLICOLOR_FORCE": "1", "GH_FORCE_TTY": "80"}])
def test_a_list_is_read_to_its_end(state: State, extra: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in extra.items():
        monkeypatch.setenv(key, value)
    state.pulls[1] = pull_request("slipway/data/june")
    for number in range(201):
        write_comment(state, 1, f"{number}: \u2028, \x85 and café\n")
    found = gh.GitHub.from_environment().pages("issues/1/comments")
    assert [it["body"].partition(":")[0] for it in found] == [str(number) for number in range(201)]
    assert len([call for call in state.calls if call.startswith("GET")]) == 3, "a hundred a page"


def test_a_server_that_is_ill_is_asked_again_but_a_thing_is_never_done_twice(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gh, "_PAUSES", (0, 0, 0))
    hub = gh.GitHub.from_environment()
    state.ill = 2
    assert hub.call("GET", "")["full_name"] == hub.repository
    state.ill = 1
    with pytest.raises(UserError, match=r"did not do POST \S+/issues/1/labels: Server Error \(HTTP 502\)"):
        hub.call("POST", "issues/1/labels", {"labels": ["data"]})
    assert len(state.calls) == 4


def test_a_github_that_is_not_there_is_a_sentence(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gh, "_PAUSES", (0,))
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://localhost:1")
    with pytest.raises(UserError, match=r"did not do GET \S+/hooks: .*connection refused"):
        gh.GitHub.from_environment().pages("hooks")


def test_a_machine_without_gh_is_told_what_to_install(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match=r"`gh`, GitHub's command line, is not installed.*https://cli\.github\.com"):
        gh.GitHub.from_environment().call("GET", "")


@pytest.mark.parametrize("server", ["https://github.com", "https://git.example.org:8443"])
def test_gh_gets_the_token_where_no_process_list_shows_it(
    state: State, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in {"GITHUB_SERVER_URL": server, "GH_CONFIG_DIR": "/mine", "GITHUB_TOKEN": "s3cret"}.items():
        monkeypatch.setenv(key, value)
    program(tmp_path / "own/gh", 'echo "$@" > said\nenv >> said\ncat >> said\necho "{}"')
    monkeypatch.setenv("PATH", str(tmp_path / "own"), prepend=":")
    gh.GitHub.from_environment().call("PATCH", "pulls/1", {"title": "a title"})
    arguments, *rest = Path("said").read_text(encoding="utf-8").splitlines()
    assert "s3cret" not in arguments and "a title" not in arguments and "--method=PATCH" in arguments
    assert {"GH_TOKEN=s3cret", "GH_ENTERPRISE_TOKEN=s3cret", f"GH_HOST={server.partition('//')[2]}"} <= set(rest)
    assert "GH_CONFIG_DIR=/mine" not in rest and rest[-1] == '{"title": "a title"}'


def test_a_lost_webhook_is_found_behind_the_first_hundred(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    at = {"delivered_at": "2026-11-01T00:00:00Z", "event": "push"}
    state.hooks = [{"id": 7}]
    state.deliveries = [{"id": it, "guid": f"{it}", "status_code": 200} | at for it in range(120)]
    state.deliveries.append({"id": 500, "guid": "lost", "status_code": 502} | at)
    redeliver.run(argparse.Namespace(dry_run=False))
    assert state.redelivered == [500] and "was 502" in capsys.readouterr().out
    assert state.violations == []


def test_what_a_terminal_would_act_on_is_not_in_a_comment(state: State, cml: None) -> None:
    state.pulls[1] = pull_request("slipway/data/june")
    assert gh.comment(gh.GitHub.from_environment(), 1, "\x1b[31mred\x1b[0m\r\n| a\tb |", "a" * 40) == "cml"
    assert state.comments[1][0]["body"].startswith("[31mred[0m\n| a\tb |")
    assert len(state.comments[1]) == 1


def propose_merging_itself(capsys: pytest.CaptureFixture[str]) -> str:
    """Propose a change, to be merged by GitHub. Returns the summary."""
    change_the_model()
    assert main(["propose", "--head", PROPOSED, "--title", "June", "--auto-merge"]) == 0
    return capsys.readouterr().out


def test_asked_for_twice_it_still_merges_itself(state: State, cml: None, capsys: pytest.CaptureFixture[str]) -> None:
    state.allow_auto_merge, state.rulesets = True, [{"id": 1, **RULES}]
    for said in [propose_merging_itself(capsys), propose_merging_itself(capsys)]:
        assert "It merges itself once the rules of `main` are met." in said
    assert state.pulls[1]["auto_merge"] == "SQUASH"


@pytest.mark.parametrize(
    ("allowed", "rulesets", "why"),
    [
        (False, [RULES], "this repository does not allow it. `python -m slipway rules` turns it on"),
        (True, [], "nothing is left for GitHub to wait for"),
    ],
)
def test_where_github_does_not_wait_the_pull_request_stays_open_and_the_summary_says_why(
    state: State,
    cml: None,
    allowed: bool,
    rulesets: list[dict[str, object]],
    why: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    state.allow_auto_merge, state.rulesets = allowed, [{"id": 1, **it} for it in rulesets]
    assert f"**It does not merge itself**: {why}" in propose_merging_itself(capsys)
    assert state.pulls[1]["state"] == "open" and "auto_merge" not in state.pulls[1]


def test_where_github_would_wait_for_nothing_the_summary_says_so(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UserError("GitHub did not do POST graphql: Pull request is in unstable status.")

    monkeypatch.setattr(gh.GitHub, "graphql", refuse)
    said = line(*auto_merge.enable(gh.GitHub.from_environment(), {"node_id": "PR_1", "base": {"ref": "main"}}))
    assert said.startswith("**It does not merge itself**: ") and "ask for no check" in said


def test_a_token_that_may_not_ask_for_auto_merge_is_no_refusal_to_wait(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.pulls[1] = pull_request("slipway/data/june")
    pull = gh.GitHub.from_environment().call("GET", "pulls/1")
    monkeypatch.setenv("REPO_TOKEN", READ_TOKEN)
    with pytest.raises(UserError, match=r"Resource not accessible by integration\. The token lacks the permission"):
        auto_merge.enable(gh.GitHub.from_environment(), pull)


def test_the_rules_are_applied_once_and_then_kept_in_line(
    state: State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GH_TOKEN", APP_TOKEN)
    monkeypatch.setattr(rules, "RULESETS", ROOT / ".github/rulesets")
    monkeypatch.setattr("slipway.names.NAMES_FILE", TEMPLATE / "slipway.yaml")
    monkeypatch.setattr("slipway.names.load_names.__defaults__", (TEMPLATE / "slipway.yaml",))
    rules.run(argparse.Namespace(dry_run=True))
    assert state.rulesets == [] and state.settings == {} and not state.allow_auto_merge
    for _ in range(2):
        rules.run(argparse.Namespace(dry_run=False))
    assert state.allow_auto_merge
    assert [it["name"] for it in state.rulesets] == ["main"]
    assert state.settings == rules.WORKFLOW_RIGHTS
    said = capsys.readouterr().out
    assert "update the ruleset main" in said and "left auto-merge off" not in said
    state.may_auto_merge = False
    rules.run(argparse.Namespace(dry_run=False))
    assert "GitHub left auto-merge off: private repositories on its free plan" in capsys.readouterr().out
    assert state.violations == []


@pytest.fixture
def releasing(state: State) -> State:
    """The repository with a version, and a tag of it on main, for which ci has passed."""
    Path("pyproject.toml").write_text('[project]\nversion = "0.2.0"\n', encoding="utf-8")
    for command in (["tag", "v0.2.0"], ["tag", "v0.3.0"], ["update-ref", "refs/remotes/origin/main", "HEAD"]):
        subprocess.run(["git", *command], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    state.checks[head] = [{"id": 1, "name": "ci", "status": "completed", "conclusion": "success"}]
    return state


@pytest.mark.parametrize(
    ("tag", "sentence"),
    [
        ("v0.3.0", "the tag is v0.3.0 and pyproject.toml says 0.2.0: delete the tag, or raise the version"),
        ("v0.2", "the tag 'v0.2' is not v and three numbers"),
    ],
)
def test_a_tag_that_is_not_the_version_is_no_release(
    releasing: State, tag: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["release", "--tag", tag]) == 2
    assert sentence in capsys.readouterr().err
    assert releasing.releases == []


def test_a_tag_beside_main_is_no_release(releasing: State, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["git", "update-ref", "refs/remotes/origin/main", "HEAD~1"], check=True)
    assert main(["release", "--tag", "v0.2.0"]) == 2
    assert "is not on main: merge it first" in capsys.readouterr().err
    assert releasing.releases == []


@pytest.mark.parametrize(
    ("checks", "state_of_ci"),
    [
        ([], "never ran"),
        ([{"id": 3, "name": "lint", "status": "completed", "conclusion": "success"}], "never ran"),
        ([{"id": 3, "name": "ci", "status": "completed", "conclusion": "failure"}], "failure"),
        ([{"id": 3, "name": "ci", "status": "queued", "conclusion": None}], "is queued"),
    ],
)
def test_the_newest_ci_decides_whether_there_is_a_release(
    releasing: State, checks: list[dict[str, object]], state_of_ci: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (head,) = releasing.checks
    earlier = releasing.checks[head]
    releasing.checks[head] = earlier + checks if checks and checks[0]["name"] == "ci" else checks
    assert main(["release", "--tag", "v0.2.0"]) == 2
    assert f"ci {state_of_ci} for {head[:12]}: once it has passed there" in capsys.readouterr().err
    assert releasing.releases == []
    releasing.checks[head] = [*checks, earlier[0] | {"id": 9}]
    for said in ("Published [v0.2.0]", "was published before"):
        assert main(["release", "--tag", "v0.2.0"]) == 0
        assert said in capsys.readouterr().out
    assert [it["tag_name"] for it in releasing.releases] == ["v0.2.0"]
    assert releasing.violations == []


def test_the_required_check_is_one_that_ci_always_reports() -> None:
    ruleset = json.loads((ROOT / ".github/rulesets/main.json").read_text(encoding="utf-8"))
    (checks,) = (rule for rule in ruleset["rules"] if rule["type"] == "required_status_checks")
    ci = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text(encoding="utf-8"))
    for check in checks["parameters"]["required_status_checks"]:
        assert ci["jobs"][check["context"]]["if"] == "always()"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "lots\nslipway data: data/flights/2013-06.csv: no column dest.\n",
            "data/flights/2013-06.csv: no column dest.",
        ),
        ("ERROR: unexpected error - Unable to locate credentials", "no S3 credentials reached this run"),
        ("ERROR: unexpected error - Forbidden: An error occurred (403) when calling HeadObject", "S3 refused"),
        ("ERROR: failed to connect: Could not connect to the endpoint URL", "the S3 endpoint did not answer"),
        ("ERROR: failed to pull data from the cloud - Checkout failed", "`dvc push`"),
        ("Traceback\nValueError: that is odd\n", "that is odd"),
        ("", "no word was said"),
    ],
)
def test_what_a_failed_stage_said_becomes_a_sentence(said: str, sentence: str) -> None:
    assert sentence in meaning(said)


def test_a_setting_that_is_none_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["needs", "aws role"]) == 2
    assert "is not NAME=true" in capsys.readouterr().err


class _Registry(BaseHTTPRequestHandler):
    """A registry that wants a token first, as ghcr.io does."""

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""

    def do_HEAD(self) -> None:
        known = self.headers.get("Authorization") == "Bearer short-lived"
        self.send_response(200 if known and self.path.endswith("/known") else 404 if known else 401)
        host = self.headers["Host"]
        challenge = f'Bearer realm="http://{host}/token",service="here",scope="repository:acme/train:pull"'
        self.send_header("WWW-Authenticate", challenge)
        self.send_header("Docker-Content-Digest", DIGEST)
        self.end_headers()

    def do_GET(self) -> None:
        asked = self.path == "/token?service=here&scope=repository%3Aacme%2Ftrain%3Apull"
        known = self.headers.get("Authorization") == "Basic bWU6cGFzcw=="
        text = json.dumps({"token": "short-lived" if asked and known else "no"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def token_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Such a registry, and a `docker login` to it."""
    server = HTTPServer(("127.0.0.1", 0), _Registry)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    host = f"127.0.0.1:{server.server_port}"
    (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": "bWU6cGFzcw=="}}}), encoding="utf-8")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    yield host
    server.shutdown()
    server.server_close()


def test_a_registry_that_wants_a_token_gets_one(token_registry: str) -> None:
    assert oci.digest_of(f"{token_registry}/acme/train", "known") == DIGEST
    assert oci.digest_of(f"{token_registry}/acme/train", "unknown") is None


@pytest.mark.parametrize("image", ["ghcr.io/Acme/train", "train", "ghcr.io/acme/train:latest"])
def test_an_image_that_no_registry_takes_is_a_sentence(image: str) -> None:
    with pytest.raises(UserError, match=r"slipway\.yaml: images: "):
        oci.digest_of(image, "tag")
