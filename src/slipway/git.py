"""Questions to Git."""

from __future__ import annotations

import subprocess
from pathlib import Path

from slipway.errors import UserError


def git(*words: str, at: Path | None = None) -> str:
    """What `git <words>` prints, without the last newline.

    Raises:
        UserError: Git is not there, or refuses; its own words are in the message.
    """
    try:
        done = subprocess.run(["git", *words], cwd=at, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise UserError("git is not installed, and this asks it: install git.") from None
    except subprocess.CalledProcessError as error:
        raise UserError(f"`git {' '.join(words)}` failed: {error.stderr.strip() or error.stdout.strip()}") from None
    return done.stdout.rstrip("\n")


def changed(*paths: str) -> list[str]:
    """Which of ``paths`` differ from the commit that is checked out, untracked files included."""
    # -z: without it, names with blanks or accents come quoted.
    return [line[3:] for line in git("status", "--porcelain", "-z", "--no-renames", "--", *paths).split("\0") if line]


HOW_TO_FETCH = "fetch the rest with `git fetch --unshallow` (in a workflow: `fetch-depth: 0`)"


def cut_off() -> frozenset[str]:
    """The commits at which a shallow clone ends, each of which Git takes for a first one; none in a whole clone.

    What Git says of the commits behind these is no answer: "the newest that changed a file", "where a branch began",
    "the one before" all end there.
    """
    listed = Path(git("rev-parse", "--path-format=absolute", "--git-path", "shallow"))
    return frozenset(listed.read_text(encoding="ascii").split()) if listed.is_file() else frozenset()


def newest_change(*paths: str) -> str:
    """The id of the newest commit that changed one of ``paths``; empty when none did.

    Raises:
        UserError: the answer lies behind the end of a shallow clone.
    """
    commit = git("log", "-1", "--format=%H", "--", *paths)
    if commit in cut_off():
        raise UserError(f"which commit changed {paths[0]} last is not known, this clone is shallow: {HOW_TO_FETCH}.")
    return commit
