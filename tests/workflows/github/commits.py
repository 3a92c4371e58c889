"""Commits, as the stand-in's repositories have them: one, a comparison of two, statuses, and the files packed."""

from __future__ import annotations

import copy
import subprocess
from pathlib import Path
from typing import Any

_CODES = {"A": "added", "M": "modified", "D": "removed", "R": "renamed", "T": "changed"}


class History:
    """A bare repository, read in GitHub's shapes; ``example`` is GitHub's own commit."""

    def __init__(self, folder: Path, example: dict[str, Any]) -> None:
        self.folder, self.example = folder, example

    def sha_of(self, ref: str) -> str:
        """The commit that a name or a sha stands for; "" where there is none."""
        done = self._git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", check=False)
        return done.decode().strip()

    def commit(self, sha: str) -> dict[str, Any]:
        """GET /commits/{ref}: its parents, and the files that differ from the first of them."""
        parents = self._git("show", "--no-patch", "--format=%P", sha).decode().split()
        whole = self._short(sha, parents)
        before = parents[0] if parents else "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # the empty tree
        return whole | {"files": self._files(before, sha), "stats": {"additions": 1, "deletions": 1, "total": 2}}

    def comparison(self, base: str, head: str, example: dict[str, Any]) -> dict[str, Any]:
        """GET /compare/{base}...{head}: what head has since the two parted."""
        merge_base = self._git("merge-base", base, head).decode().strip()
        ahead, behind = (self._count(f"{one}..{other}") for one, other in ((base, head), (head, base)))
        status = "diverged" if ahead and behind else "ahead" if ahead else "behind" if behind else "identical"
        listed = self._git("rev-list", "--reverse", f"{base}..{head}").decode().split()
        commits = [
            self._short(sha, self._git("show", "--no-patch", "--format=%P", sha).decode().split()) for sha in listed
        ]
        return copy.deepcopy(example) | {
            "status": status,
            "ahead_by": ahead,
            "behind_by": behind,
            "total_commits": len(commits),
            "base_commit": self._short(base, []),
            "merge_base_commit": self._short(merge_base, []),
            "commits": commits,
            "files": self._files(merge_base, head),
        }

    def packed(self, sha: str, name: str) -> bytes:
        """What GitHub's codeload sends."""
        prefix = f"{name.replace('/', '-')}-{sha[:7]}/"
        return self._git("archive", "--format=tar.gz", f"--prefix={prefix}", sha)

    def _short(self, sha: str, parents: list[str]) -> dict[str, Any]:
        whole = copy.deepcopy(self.example) | {"sha": sha}
        for key in ("files", "stats"):
            whole.pop(key, None)
        link = whole["parents"][0]
        whole["parents"] = [link | {"sha": parent} for parent in parents]
        return whole

    def _files(self, before: str, after: str) -> list[dict[str, Any]]:
        fields = self._git("diff", "--name-status", "-z", "-M", before, after).decode().split("\0")[:-1]
        found = []
        while fields:
            code, name = fields.pop(0), fields.pop(0)
            file = {"sha": "0" * 40, "status": _CODES[code[0]], "additions": 1, "deletions": 0, "changes": 1}
            for key in ("blob_url", "raw_url", "contents_url"):
                file[key] = f"https://github.com/octocat/{key}"
            if code[0] == "R":
                file["previous_filename"], name = name, fields.pop(0)
            found.append(file | {"filename": name})
        return found

    def _count(self, span: str) -> int:
        return int(self._git("rev-list", "--count", span))

    def _git(self, *words: str, check: bool = True) -> bytes:
        return subprocess.run(["git", "-C", str(self.folder), *words], check=check, capture_output=True).stdout


def status_of(
    statuses: list[dict[str, Any]], sha: str, example: dict[str, Any], full: dict[str, Any]
) -> dict[str, Any]:
    """GET /commits/{ref}/status: the newest of each context."""
    newest = {it.get("context", "default"): it for it in statuses}
    shape, said = example["statuses"][0], ("state", "description", "target_url")
    kept = [
        copy.deepcopy(shape) | {key: it.get(key) for key in said} | {"context": name} for name, it in newest.items()
    ]
    states = {it["state"] for it in kept}
    state = (
        "failure" if states & {"error", "failure"} else "pending" if not states or "pending" in states else "success"
    )
    return full | {"sha": sha, "state": state, "statuses": kept, "total_count": len(kept)}
