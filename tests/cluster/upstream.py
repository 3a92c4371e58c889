"""Upstream's manifests without the internet: what k8s/platform names on GitHub is served from the Go modules.

A kustomization names a repository, a folder and a version; kustomize fetches that with Git. Here Git is told that each
of these repositories is a folder of this machine, whose only commit holds the manifests of the module that the
controllers are built from. The files in k8s/platform are applied as they are.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.programs.build import ARGO_EVENTS, ARGO_WORKFLOWS, ARGO_WORKFLOWS_PINNED, KATIB, OUT, module_folder

_FOLDER = OUT / "upstream"


@dataclass(frozen=True)
class Upstream:
    """A repository on GitHub, and the module that holds its manifests."""

    repository: str
    module: str
    version: str
    pinned: str
    """The version that k8s/platform asks for, where the module's own cannot be had."""


REPOSITORIES = (
    Upstream("argoproj/argo-workflows", "github.com/argoproj/argo-workflows/v4", ARGO_WORKFLOWS, ARGO_WORKFLOWS_PINNED),
    Upstream("argoproj/argo-events", "github.com/argoproj/argo-events", ARGO_EVENTS, ARGO_EVENTS),
    Upstream("kubeflow/katib", "github.com/kubeflow/katib", KATIB, KATIB),
)


def git_settings() -> Path:
    """The file for GIT_CONFIG_GLOBAL with which Git finds these repositories here.

    Raises:
        CannotBuild: a module cannot be had.
    """
    lines = []
    for it in REPOSITORIES:
        folder = _FOLDER / f"{it.repository}-{it.pinned}-{it.version}"
        if not folder.exists():
            _make(it, folder)
        lines += [f'[url "file://{folder}"]', f"insteadOf = https://github.com/{it.repository}.git"]
        lines += [f"insteadOf = https://github.com/{it.repository}"]
    settings = _FOLDER / "gitconfig"
    settings.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return settings


def _make(it: Upstream, folder: Path) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(module_folder(it.module, it.version) / "manifests", partial / "manifests", copy_function=_copied)
    who = {f"GIT_{role}_{what}": "upstream" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {"PATH": os.environ["PATH"], "HOME": str(partial), **who}
    for words in (
        ["init", "--quiet"],
        ["add", "."],
        ["commit", "--quiet", "-m", it.version],
        ["tag", f"v{it.pinned}"],
    ):
        subprocess.run(["git", *words], cwd=partial, env=env, check=True, capture_output=True)
    partial.rename(folder)


def _copied(source: str, target: str) -> None:
    """Copied without its mode: the module cache is read-only."""
    shutil.copyfile(source, target)
