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
