"""Commits of main as GitHub knows them: which are searched, what stands at one, and what is said on it."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from slipway.errors import UserError
from slipway.github.github import COMMENT_LIMIT, GitHub
from slipway.release.pin import EXPERIMENT, inputs, is_of

MAIN = "main"
_DESCRIPTION = 140
_FEW = 100


def is_searched(files: Iterable[str]) -> bool:
    """Whether a change of these files is one of what is searched: data, parameters, code, or the pinned image."""
    patterns = [*inputs(), str(EXPERIMENT)]
    return any(is_of(name, patterns) for name in files)


def superseded_by(github: GitHub, sha: str) -> str:
    """The head of main when what is searched has changed since ``sha``, else "". A promotion supersedes nothing.

    Raises:
        UserError: ``sha`` is not on main.
    """
    # GitHub names at most 300 files of a comparison; who changes more than that has changed what is searched.
    since = github.call("GET", f"compare/{sha}...{MAIN}")
    if since["status"] not in ("ahead", "identical"):
        raise UserError(f"commit {sha} is not on {MAIN} ({since['status']}): nothing is searched that was not merged.")
    files = list(_names(since["files"]))
    if not is_searched(files) and len(files) < 300:
        return ""
    head: str = since["commits"][-1]["sha"] if since["commits"] else ""
    return head


def newest_first(github: GitHub) -> Iterator[tuple[str, list[str]]]:
    """The newest hundred states of main, each with the files that it changed: a merge counts as one."""
    ref = MAIN
    for _ in range(_FEW):
        commit = github.call("GET", f"commits/{ref}")
        yield commit["sha"], list(_names(commit["files"]))
        if not commit["parents"]:
            return
        ref = commit["parents"][0]["sha"]


def _names(files: Iterable[dict[str, Any]]) -> Iterator[str]:
    for file in files:
        yield file["filename"]
        if "previous_filename" in file:
            yield file["previous_filename"]


def unpack(github: GitHub, sha: str, folder: Path) -> None:
    """The files of a commit, into a new folder.

    Raises:
        UserError: GitHub does not give them, or what it gives is no archive.
    """
    folder.mkdir(parents=True)
    archive = folder.with_suffix(".tar.gz")
    github.tarball(sha, archive)
    try:
        with tarfile.open(archive) as tar:
            for member in filter(tarfile.TarInfo.isfile, tar):
                path = PurePosixPath(*PurePosixPath(member.name).parts[1:])  # one folder is around all
                content = tar.extractfile(member)
                if ".." in path.parts or path.is_absolute() or content is None:
                    raise tarfile.TarError(f"it holds {member.name}")
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content.read())
    except (tarfile.TarError, OSError) as error:
        raise UserError(f"what GitHub packed of commit {sha} cannot be unpacked ({error}).") from None
    finally:
        archive.unlink(missing_ok=True)


def merged_pull_request(github: GitHub, sha: str) -> int | None:
    """The number of the pull request whose merge made this commit, None for a direct push."""
    for pull in github.pages(f"commits/{sha}/pulls"):
        if pull["merge_commit_sha"] == sha and pull["merged_at"]:
            return int(pull["number"])
    return None


def latest_status(github: GitHub, sha: str, context: str) -> dict[str, Any] | None:
    """The newest status of this name on a commit."""
    for status in github.call("GET", f"commits/{sha}/status")["statuses"]:  # the newest of each context
        if status["context"] == context:
            found: dict[str, Any] = status
            return found
    return None


def set_status(github: GitHub, sha: str, context: str, state: str, description: str, url: str = "") -> None:
    """Set a status, unless it stands there already."""
    if len(description) > _DESCRIPTION:
        description = description[: _DESCRIPTION - 1].rstrip() + "…"
    wanted = {"state": state, "description": description, "target_url": url or None}
    now = latest_status(github, sha, context)
    if now is None or any(now[key] != value for key, value in wanted.items()):
        github.call("POST", f"statuses/{sha}", wanted | {"context": context})


def say(github: GitHub, sha: str, text: str, mark: str) -> str:
    """Write ``text`` once on the pull request that a commit merged, or on the commit itself; over what stood there.

    Args:
        github: the repository.
        sha: the commit.
        text: Markdown.
        mark: a line that nobody sees, by which the comment is known again.

    Returns:
        The comment's address.
    """
    number = merged_pull_request(github, sha)
    there, those = (
        (f"issues/{number}/comments", "issues/comments") if number else (f"commits/{sha}/comments", "comments")
    )
    room = COMMENT_LIMIT - len(mark) - 2
    body = {"body": f"{text[:room].rstrip()}\n\n{mark}"}
    for comment in github.pages(there):
        if mark in (comment["body"] or ""):
            same = comment["body"].replace("\r\n", "\n") == body["body"]
            found = comment if same else github.call("PATCH", f"{those}/{comment['id']}", body)
            return str(found["html_url"])
    return str(github.call("POST", there, body)["html_url"])
