"""A commit to compare with: which one it is, and what its files hold. Nothing is checked out."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from slipway.errors import UserError
from slipway.git import HOW_TO_FETCH, cut_off

MAIN = ("origin/main", "main")
FIRST_OF_BRANCH = "the commit this branch left main at"
LAST_COMMIT = "the last commit"
COMMIT_BEFORE = "the commit before"


@dataclass(frozen=True)
class Revision:
    """A commit: its full id and how it was named."""

    sha: str
    name: str

    @property
    def short(self) -> str:
        """The first 12 characters of its id, as everywhere in the loop."""
        return self.sha[:12]

    def text(self, path: str | Path) -> str | None:
        """A file's text at this commit; None when it is not there or is no text."""
        done = subprocess.run(["git", "show", f"{self.sha}:./{path}"], capture_output=True)
        if done.returncode:
            return None
        try:
            return done.stdout.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def json(self, path: str | Path) -> Any:
        """A JSON file's content at this commit; None when it is not there or is not JSON."""
        text = self.text(path)
        try:
            return None if text is None else json.loads(text)
        except json.JSONDecodeError:
            return None

    def yaml(self, path: str | Path) -> Any:
        """A YAML file's content at this commit; None when it is not there or is not YAML."""
        text = self.text(path)
        try:
            return None if text is None else yaml.safe_load(text)
        except yaml.YAMLError:
            return None


def base_revision(asked: str | None) -> Revision | None:
    """The commit to compare with: the one asked for, or a sensible one.

    On a branch that is the commit it left main at. On main itself it is the last commit while the work tree holds
    changes, and the commit before it when there are none. None when there is no such commit yet.

    Raises:
        UserError: the commit that was asked for does not exist here; which one it is lies behind the end of a shallow
            clone, or main is not in this clone; or this folder is in no Git repository.
    """
    if git("rev-parse", "--git-dir") is None:
        raise UserError("this folder is in no Git repository: make it one with `git init`, or go to the repository.")
    if asked is not None:
        sha = commit(asked)
        if sha is None:
            raise UserError(
                f"--base {asked}: no such commit here. "
                + (
                    f"This clone is shallow: {HOW_TO_FETCH}."
                    if cut_off()
                    else "`git fetch` brings what others pushed; `git log --oneline` shows what there is."
                )
            )
        return Revision(sha, asked)
    head = commit("HEAD")
    if head is None:
        return None
    heads = [found for main in MAIN if (found := commit(main))]
    if not heads and git("remote"):
        raise UserError(
            "this clone has no main, so nobody knows where this branch left it: `git fetch origin "
            "main:refs/remotes/origin/main`, or name a commit with --base."
        )
    if cut_off() and not (head in heads[:1] and uncommitted()):
        raise UserError(f"what this is to be compared with is not known, this clone is shallow: {HOW_TO_FETCH}.")
    for main in MAIN:
        left = git("merge-base", "HEAD", main)
        if left and left != head:
            return Revision(left, FIRST_OF_BRANCH)
    if uncommitted():
        return Revision(head, LAST_COMMIT)
    before = commit("HEAD~1")
    return Revision(before, COMMIT_BEFORE) if before else None


def commit(name: str) -> str | None:
    """The full id of the commit that ``name`` stands for, or None."""
    return git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")


def uncommitted() -> bool:
    """Does a tracked file differ from the last commit?"""
    return bool(git("status", "--porcelain", "--untracked-files=no"))


def git(*arguments: str) -> str | None:
    """What a git command says, without the last line's end; None when it fails.

    Raises:
        UserError: git is not installed.
    """
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        raise UserError("git is not installed, and the report compares commits: install it.") from None
    return None if done.returncode else done.stdout.strip()
