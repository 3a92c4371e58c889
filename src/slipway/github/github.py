"""GitHub, and CML in front of it: the one place that knows either.

CML opens the pull request and writes the report on it. Every effect CML was asked for is then looked up, and what is
not there is done with GitHub's own command line, `gh api`: CML down, absent or wrong costs a line in the log, never the
report.

Needs nothing but Python's own library and what GitHub's runners have (git, gh), so that the job which may write to the
repository installs no package.

How CML 0.20.6 is held (its behaviour was read in its source and tried):
  - `--publish=false` always: by default it uploads every local file a link names to a public host;
  - it runs in a throw-away clone with its own HOME, since it leaves the token in .git/config and
    `safe.directory = *` in the global configuration;
  - `comment update` reads only the 30 oldest comments, so beyond these we update the comment ourselves;
  - `pr create` takes another pull request for ours when the end of our branch's name is that one's branch.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.actions import Markdown
from slipway.away import UnavailableError
from slipway.errors import UserError

COMMENT_LIMIT = 65_536
"""Characters GitHub takes in one comment."""

IDENTITY = ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com")
"""Who commits: GitHub's own name and address for what a workflow writes."""
TITLE = "slipway"
_WATERMARK = re.compile(rf'!\[\]\(https://cml\.dev/watermark\.png#[0-9a-fA-F]+ "CML watermark {TITLE}"\)')
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_CML_SEES = 30  # `cml comment update` reads one page of comments, the oldest
_CML_SECONDS = 180
_GH_SECONDS = 60
_PAUSES = (0, 1, 2)
_VERSION = "--header=X-GitHub-Api-Version:2022-11-28"
_PLAIN = {
    "GH_PROMPT_DISABLED": "1",
    "GH_NO_UPDATE_NOTIFIER": "1",
    "GH_TELEMETRY": "false",
    "GH_DEBUG": "0",
    "GH_FORCE_TTY": "",
    "CLICOLOR_FORCE": "0",
}
"""Nothing asks, nothing is added to the output, nothing is coloured."""
_NO_GH = (
    "`gh`, GitHub's command line, is not installed, and GitHub is asked through it: GitHub's own runners have it; "
    "on a machine of yours install it, as https://cli.github.com says."
)
_WAYS = {
    "not permitted to create or approve pull requests": (
        "Turn on Settings, Actions, General, 'Allow GitHub Actions to create and approve pull requests'."
    ),
    "HTTP 401": "There is no token, or it is not valid; at the keyboard, `gh auth login` gets one.",
    "HTTP 403": "The token lacks the permission; docs/github.md lists what each workflow needs.",
    "not accessible": "The token lacks the permission; docs/github.md lists what each workflow needs.",
}
"""What to do about GitHub's words."""


@dataclass(frozen=True)
class GitHub:
    """A repository on GitHub, reached through GitHub's own command line, `gh api`."""

    repository: str
    token: str
    """Empty for whoever logged in with `gh auth login`."""
    server: str

    @classmethod
    def from_environment(cls) -> GitHub:
        """The repository this runs in, with REPO_TOKEN (an App's) before GITHUB_TOKEN (the run's own).

        Raises:
            UserError: there is no repository or no token in the environment.
        """
        repository = os.environ.get("GITHUB_REPOSITORY", "")
        token = os.environ.get("REPO_TOKEN") or os.environ.get("GITHUB_TOKEN") or os.environ.get("GH_TOKEN") or ""
        if not repository or not token:
            raise UserError("GITHUB_REPOSITORY and GITHUB_TOKEN are not both set: this verb is for GitHub Actions.")
        return cls(repository, token, server_url())

    @property
    def starts_checks(self) -> bool:
        """Whether what this token pushes starts workflows: GitHub starts none for its own GITHUB_TOKEN."""
        return self.token != os.environ.get("GITHUB_TOKEN")

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request to /repos/<repository>/<path>; the answer's JSON, None when it has none.

        Asks again after a 5xx or no answer, unless that could do a thing twice (POST).

        Raises:
            UserError: GitHub refused, or did not answer; or `gh` is not installed.
        """
        said = self._gh(method, self._endpoint(path), body=body)
        return json.loads(said) if said else None

    def pages(self, path: str) -> list[Any]:
        """Every item of a list, whatever number of pages it has."""
        said = self._gh("GET", self._endpoint(path), "--paginate", "--jq=.[]")
        return [json.loads(item) for item in said.split("\n") if item]

    def tarball(self, sha: str, target: Path) -> None:
        """Write the files of a commit to ``target``, as GitHub packs them: a gzipped tar with one folder around all."""
        self._gh("GET", self._endpoint(f"tarball/{sha}"), into=target)

    def graphql(self, query: str, **variables: str) -> Any:
        """What a GraphQL query answers."""
        return json.loads(self._gh("POST", "graphql", body={"query": query, "variables": variables}))["data"]

    def _endpoint(self, path: str) -> str:
        return f"repos/{self.repository}{'/' if path else ''}{path}"

    def _gh(self, method: str, endpoint: str, *flags: str, body: Any = None, into: Path | None = None) -> str:
        command = ["gh", "api", f"--method={method}", _VERSION, endpoint, *flags, *(["--input=-"] if body else [])]
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | _PLAIN
            if self.token:  # where no process list shows it; and no person's configuration beside it
                environment |= {"GH_TOKEN": self.token, "GH_ENTERPRISE_TOKEN": self.token, "GH_CONFIG_DIR": folder}
                environment["GH_HOST"] = urllib.parse.urlsplit(self.server).netloc
            for pause in _PAUSES[: 1 if method == "POST" else None]:
                time.sleep(pause)
                try:
                    with Path(into or os.devnull).open("wb") as file:
                        done = subprocess.run(
                            command,
                            env=environment,
                            input=json.dumps(body),
                            stdout=file if into else subprocess.PIPE,
                            stderr=subprocess.PIPE,
                            encoding="utf-8",
                            timeout=_GH_SECONDS,
                        )
                except FileNotFoundError:
                    raise UserError(_NO_GH) from None
                except subprocess.TimeoutExpired:
                    said = f"no answer in {_GH_SECONDS} seconds"
                    continue
                if done.returncode == 0:
                    return done.stdout or ""
                said = " ".join(done.stderr.removeprefix("gh: ").split()) or "no reason given"
                if "HTTP 4" in said:
                    break
        way = next((f" {way}" for words, way in _WAYS.items() if words in said), "")
        refused = UserError if "HTTP 4" in said else UnavailableError
        raise refused(f"GitHub did not do {method} {endpoint}: {said.rstrip('.')}.{way}")

    def open_pull_request(self, head: str, base: str) -> dict[str, Any] | None:
        """The open pull request from branch ``head`` of this repository to ``base``, or None."""
        owner = self.repository.split("/")[0]
        query = urllib.parse.urlencode({"state": "open", "head": f"{owner}:{head}", "base": base})
        # The filter is GitHub's; the comparison is ours, since a stand-in or a proxy may drop the query.
        for pull in self.pages(f"pulls?{query}"):
            home = (pull["head"]["repo"] or {}).get("full_name")  # null once a fork is deleted
            if (pull["head"]["ref"], pull["base"]["ref"], home) == (head, base, self.repository):
                found: dict[str, Any] = pull
                return found
        return None


def pull_request(github: GitHub, head: str, base: str, title: str, body: Markdown) -> tuple[dict[str, Any], str]:
    """Open the pull request from ``head`` to ``base``, or bring title and body of the open one up to date.

    Returns the pull request and who opened it: "cml", "gh", or "updated" when it was there.

    Raises:
        UserError: neither CML nor gh could open it.
    """
    pull = github.open_pull_request(head, base)
    if pull:
        if (pull["title"], pull["body"]) != (title, body):
            pull = github.call("PATCH", f"pulls/{pull['number']}", {"title": title, "body": body})
        assert pull
        return pull, "updated"
    if _cml_pull_request(github, head, base, title, body):
        pull = github.open_pull_request(head, base)
        if pull:
            return pull, "cml"
        print("CML said it opened the pull request, but there is none: opening it with gh.", file=sys.stderr)
    pull = github.call("POST", "pulls", {"title": title, "head": head, "base": base, "body": body})
    assert pull
    return pull, "gh"


def comment(github: GitHub, number: int, report: Markdown, sha: str) -> str:
    """Write ``report`` as the one report comment of pull request ``number``, over the earlier one if there is one.

    Returns who wrote it: "cml" or "gh".

    Raises:
        UserError: neither could.
    """
    text = fitted(report)
    comments = github.pages(f"issues/{number}/comments")
    ours = [place for place, it in enumerate(comments) if _WATERMARK.search(it["body"] or "")]
    within_sight = not ours or ours[-1] < _CML_SEES
    if within_sight and _cml_comment(github, number, text, sha, update=bool(ours)):
        if any(_is(it["body"], text) for it in github.pages(f"issues/{number}/comments")):
            return "cml"
        print("CML said it wrote the report, but it is not there: writing it with gh.", file=sys.stderr)
    body = {"body": f"{text}\n\n{watermark(sha)}"}
    if ours:
        github.call("PATCH", f"issues/comments/{comments[ours[-1]]['id']}", body)
    else:
        github.call("POST", f"issues/{number}/comments", body)
    return "gh"


def watermark(sha: str) -> str:
    """The mark by which CML, and we, know the report among the comments."""
    return f'![](https://cml.dev/watermark.png#{sha} "CML watermark {TITLE}")'


def fitted(report: str) -> str:
    """``report`` so that it and the watermark fit in a comment; cut at a line, and said so.

    Without control characters: gh shows them as `^[`, and what was written is looked for as it was written.
    """
    room = COMMENT_LIMIT - len(watermark("0" * 40)) - 2
    report = _CONTROL.sub("", report).strip()
    if len(report) <= room:
        return report
    note = "\n\n*The report goes on: it is whole in the summary of the run that wrote this.*"
    head = report[: room - len(note) - len("\n```\n</details>")]
    head = head[: head.rfind("\n")] if "\n" in head else head
    if f"\n{head}".count("\n```") % 2:
        head += "\n```"
    if head.count("<details") > head.count("</details>"):
        head += "\n</details>"
    return head + note


def git_environment(github: GitHub) -> dict[str, str]:
    """What git needs to push with this token; nothing is written to a file or shown in a process list."""
    basic = base64.b64encode(f"x-access-token:{github.token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{github.server}/.extraheader",
        "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {basic}",
        "GIT_TERMINAL_PROMPT": "0",
    }


def server_url() -> str:
    """The GitHub this is about: github.com, or a company's own."""
    return os.environ.get("GITHUB_SERVER_URL") or "https://github.com"


def remote_url(github: GitHub) -> str:
    """Where the repository is pushed to."""
    return f"{github.server}/{github.repository}.git"


def _is(body: str | None, text: str) -> bool:
    return (body or "").replace("\r\n", "\n").startswith(text) and _WATERMARK.search(body or "") is not None


def _cml_pull_request(github: GitHub, head: str, base: str, title: str, body: str) -> bool:
    # The branch is pushed already: CML then commits and pushes nothing, and opens the pull request.
    flags = [f"--branch={head}", f"--target-branch={base}", f"--title={title}", f"--body={body}"]
    flags += [f"--message={title}", f"--user-name={IDENTITY[0]}", f"--user-email={IDENTITY[1]}"]
    return _cml(github, ["pr", "create", *flags])


def _cml_comment(github: GitHub, number: int, text: str, sha: str, *, update: bool) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.md")
        report.write_text(text, encoding="utf-8")
        verb = "update" if update else "create"
        flags = [f"--target=pr/{number}", f"--watermark-title={TITLE}", "--publish=false"]
        return _cml(github, ["comment", verb, str(report), *flags], sha=sha)


def _cml(github: GitHub, arguments: list[str], *, sha: str | None = None) -> bool:
    """Run CML in a clone that is thrown away. False, with a line in the log, when it is absent or fails."""
    cml = shutil.which("cml")
    if not cml:
        print("CML is not installed here: using gh.", file=sys.stderr)
        return False
    with tempfile.TemporaryDirectory(prefix="cml-") as folder:
        clone = Path(folder, "clone")
        _run(["git", "clone", "--quiet", "--shared", "--no-checkout", ".", str(clone)])
        _run(["git", "-C", str(clone), "remote", "set-url", "origin", remote_url(github)])
        environment = os.environ | {
            "HOME": folder,
            "REPO_TOKEN": github.token,
            "CML_REPO": f"{github.server}/{github.repository}",
            "CML_COMMENT_PUBLISH": "false",
            "ITERATIVE_DO_NOT_TRACK": "1",
        }
        if sha:
            environment["GITHUB_SHA"] = sha
        try:
            done = subprocess.run(
                [cml, *arguments],
                cwd=clone,
                env=environment,
                capture_output=True,
                text=True,
                timeout=_CML_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            print(f"CML did not run ({type(error).__name__}): using gh.", file=sys.stderr)
            return False
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["no word"]
        print(f"CML failed ({last[0][:200].replace(github.token, '***')}): using gh.", file=sys.stderr)
    return done.returncode == 0


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"`{' '.join(command[:3])} …` failed: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()
