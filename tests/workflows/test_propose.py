"""What a data push can come to, in the verb that decides it: `propose`, on what `refresh` handed over.

That data-pushed hands the one's work to the other is shown by act in test_data_pushed.py, once for each way it goes.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest

from slipway.__main__ import main
from slipway.github.github import COMMENT_LIMIT, watermark
from slipway.release.handover import HANDOVER, Verdict, write_patch, write_verdict
from tests.report.reader import HOSTILE, harmless
from tests.workflows.conftest import BRANCH, PROPOSED, pull_request, report_comments
from tests.workflows.github.server import Stand, State, write_comment

REPORT = "## Model report\n\nAUC 0.7\n"
IMAGE = "ghcr.io/acme/flights/train@sha256:" + "ab" * 32


@dataclass
class Push:
    """A push of data/june as the second job finds it: the clone is the working folder, the handover is there."""

    state: State
    remote: str
    output: pytest.CaptureFixture[str]

    def git(self, *words: str) -> str:
        """Git in the clone, as somebody."""
        someone = ["-c", "user.name=s", "-c", "user.email=s@example.org"]
        done = subprocess.run(["git", *someone, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def at(self, branch: str) -> str:
        """What a branch is at on GitHub."""
        return self.git("ls-remote", self.remote, f"refs/heads/{branch}").partition("\t")[0]

    def propose(self, verdict: Verdict | None = None, report: str = REPORT) -> tuple[int, str, str]:
        """Propose in a clean clone. Returns the exit code, the run's summary, and what was said of mistakes."""
        self.git("reset", "--quiet", "--hard")
        write_verdict(verdict or Verdict(image=IMAGE), HANDOVER)
        (HANDOVER / "report.md").write_text(report, encoding="utf-8")
        self.output.readouterr()
        code = main(["propose", "--source", BRANCH, "--handover", str(HANDOVER)])
        return code, *self.output.readouterr()

    def proposed(self, verdict: Verdict | None = None, report: str = REPORT) -> str:
        """The same, and it has to work. Returns the summary."""
        code, summary, mistake = self.propose(verdict, report)
        assert code == 0, mistake
        return summary


@pytest.fixture
def push(state: State, cml: None, github: Stand, capsys: pytest.CaptureFixture[str]) -> Push:
    """Such a push, whose handover pins an image."""
    name = next(key for key, value in github.states.items() if value is state)
    made = Push(state, str(github.git_folder(name)), capsys)
    Path("experiment.yaml").write_text("image: none\n", encoding="utf-8")
    Path(".git/info/exclude").write_text("/build/\n/bin/\n", encoding="utf-8")
    made.git("add", "experiment.yaml")
    made.git("commit", "--quiet", "--message", "June")
    made.git("push", "--quiet", made.remote, f"HEAD:refs/heads/{BRANCH}", f":refs/heads/{PROPOSED}")
    Path("experiment.yaml").write_text(f"image: {IMAGE}\n", encoding="utf-8")
    write_patch()
    return made


def test_what_was_proposed_is_not_proposed_twice(push: Push) -> None:
    for said in [push.proposed(), push.proposed()]:
        assert "[Pull request 1]" in said and f"from `{PROPOSED}` (" in said and "report by cml" in said
    assert len(push.state.pulls) == len(report_comments(push.state)) == len(push.state.dispatches) == 1
    assert push.git("show", f"{push.at(PROPOSED)}:experiment.yaml") == f"image: {IMAGE}"
    assert push.state.violations == []


def test_what_the_base_has_already_is_not_proposed(push: Push) -> None:
    push.proposed()
    push.git("push", "--quiet", push.remote, f"{push.at(PROPOSED)}:refs/heads/main")
    push.state.pulls[1]["state"] = "closed"
    assert "Nothing to propose: this is what `main` already has." in push.proposed()
    assert len(push.state.pulls) == 1


def test_a_pull_request_opened_by_hand_is_used(push: Push) -> None:
    push.state.pulls[1] = pull_request(BRANCH)
    push.proposed()
    assert len(push.state.pulls) == 1 and len(report_comments(push.state)) == 1
    assert push.at(PROPOSED) == ""
    assert push.git("show", f"{push.at(BRANCH)}:experiment.yaml") == f"image: {IMAGE}"
    assert push.git("log", "-1", "--format=%s", push.at(BRANCH)) == f"slipway: pin what {BRANCH} came to"


def test_with_31_earlier_comments_the_report_is_still_one(push: Push) -> None:
    # CML looks at the first thirty only.
    push.state.pulls[1] = pull_request(PROPOSED)
    for number in range(31):
        write_comment(push.state, 1, f"talk {number}")
    write_comment(push.state, 1, f"the report of an earlier push\n\n{watermark('a' * 40)}")
    push.proposed()
    assert len(push.state.comments[1]) == 32
    (report,) = report_comments(push.state)
    assert "AUC 0.7" in report
    assert push.state.violations == []


def test_a_report_over_githubs_limit_is_cut_and_says_where_the_rest_is(push: Push) -> None:
    lines = "\n".join(f"| row {number:05} | {'x' * 60} |" for number in range(1500))
    push.proposed(report=f"## Model report\n\n<details>\n\n{lines}\n\nthe end\n\n</details>\n")
    (report,) = report_comments(push.state)
    assert len(report) <= COMMENT_LIMIT
    assert "</details>" in report and "summary of the run" in report and "the end" not in report


@pytest.mark.parametrize("mode", ["down", "idle"])
def test_a_cml_that_fails_or_does_nothing_is_made_up_for(
    push: Push, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CML_DOUBLE", mode)
    assert "(gh; report by gh)" in push.proposed()
    assert len(push.state.pulls) == 1 and len(report_comments(push.state)) == 1


def test_what_cannot_ship_is_labelled_until_it_can(push: Push) -> None:
    pushed = push.at(BRANCH)
    said = push.proposed(Verdict("check", "data/flights/2013-06.csv: no column dest."))
    assert "**the data was refused: data/flights/2013-06.csv: no column dest.**" in said
    assert push.state.labels[1] == ["data", "cannot-ship"]
    assert push.at(PROPOSED) == pushed, "nothing is added to what cannot ship"
    push.proposed()
    assert push.state.labels[1] == ["data"]
    (report,) = report_comments(push.state)
    assert "AUC 0.7" in report
    assert [it["state"] for it in push.state.statuses[push.at(PROPOSED)]] == ["success"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_failure_calls_nobody_and_loads_nothing_whatever_the_data_holds(push: Push, text: str) -> None:
    push.git("commit", "--quiet", "--amend", "--message", text.splitlines()[0].replace("#", ";#"))
    push.git("push", "--quiet", "--force", push.remote, f"HEAD:refs/heads/{BRANCH}")
    said = push.proposed(Verdict("check", f"2013-06.csv: column carrier, line 2: found {text!r}, expected a carrier"))
    (report,) = report_comments(push.state)
    comment = report.partition("![](https://cml.dev/watermark.png")[0]
    pull = push.state.pulls[1]
    url = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}"
    ours = (f"{url}/tree/{BRANCH}", f"{url}/actions/runs/", f"{url}/pull/1")
    for shown in (harmless(comment), harmless(said, *ours)):
        assert " ".join(repr(text).split()) in " ".join(shown.split())
    assert BRANCH in harmless(pull["body"], *ours)
    assert "@octo" not in pull["title"] and "#1" not in pull["title"]


@pytest.mark.parametrize("branch", ["fix/#12", "a&b=(c)", "x@octo-org/everyone", "50%"])
def test_a_branch_is_linked_to_by_its_whole_name(push: Push, branch: str) -> None:
    push.git("push", "--quiet", push.remote, f"HEAD:refs/heads/{branch}")
    push.git("reset", "--quiet", "--hard")
    write_verdict(Verdict("check", "no"), HANDOVER)
    assert main(["propose", "--source", branch, "--handover", str(HANDOVER)]) == 0
    url = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}"
    tree = re.search(rf"{re.escape(url)}/tree/([^)]+)\)", push.state.pulls[1]["body"])
    assert tree and unquote(tree[1]) == branch and not set("#()&@") & set(tree[1])
    assert branch in harmless(push.state.pulls[1]["body"], tree[0][:-1], f"{url}/actions/runs/")


def test_an_older_run_leaves_the_newer_push_proposed(push: Push) -> None:
    older = push.at(BRANCH)
    push.git("reset", "--quiet", "--hard")
    push.git("commit", "--quiet", "--allow-empty", "--message", "The rest of June")
    push.git("push", "--quiet", push.remote, f"HEAD:refs/heads/{BRANCH}")
    push.proposed()
    proposed, calls = push.at(PROPOSED), len(push.state.calls)
    push.git("checkout", "--quiet", "--detach", older)
    assert f"`{BRANCH}` has moved on since {older[:12]}" in push.proposed()
    assert (push.at(PROPOSED), len(push.state.calls)) == (proposed, calls)
    assert push.state.pulls[1]["title"] == f"{BRANCH}: The rest of June"


def test_github_refusing_pull_requests_by_actions_is_a_sentence(push: Push) -> None:
    push.state.actions_may_open = False
    code, _, mistake = push.propose()
    assert code == 2 and "Allow GitHub Actions to create and approve pull requests" in mistake


def test_labels_that_github_refuses_to_make_cost_nothing_else(push: Push) -> None:
    push.state.may_create_labels = False
    said = push.proposed()
    assert "[Pull request 1]" in said and "**Its labels are not right**" in said and "permission" in said
    assert len(report_comments(push.state)) == len(push.state.dispatches) == 1
    assert [it["state"] for it in push.state.statuses[push.at(PROPOSED)]] == ["success"]


def test_checks_start_though_no_pull_request_could_be_opened_and_again_they_are_not(push: Push) -> None:
    push.state.actions_may_open = False
    assert push.propose()[0] == 2
    assert [it["ref"] for it in push.state.dispatches] == [PROPOSED], "the next try has nothing to push"
    push.state.actions_may_open = True
    push.proposed()
    assert len(push.state.dispatches) == 1
