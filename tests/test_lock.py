"""dvc.lock is what the commit's code, parameters and data say; the locks of Python packages agree with each other."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

OF_ITS_OWN = "graph.txt"
"""Seldon's wrapper agrees with nothing else, and runs in an image of its own."""
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)


def test_the_pipelines_lock_is_not_stale() -> None:
    """Every file a stage depends on has the md5 that dvc.lock says, without running anything."""
    import hashlib

    lock = yaml.safe_load(Path("dvc.lock").read_text(encoding="utf-8"))
    pipeline = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))
    stale = []
    for name, stage in lock["stages"].items():
        assert stage["cmd"] == pipeline["stages"][name]["cmd"]
        assert {dep["path"] for dep in stage["deps"]} == set(pipeline["stages"][name]["deps"])
        for dep in stage["deps"]:
            path = Path(dep["path"])
            if path.suffix == ".py":
                md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
                stale += [f"{name}: {path}"] if md5 != dep["md5"] else []
    assert stale == [], "run `dvc repro` and commit dvc.lock"


def test_what_a_model_says_it_is_made_of_is_what_dvc_trains_again_for() -> None:
    from slipway.learning.train import CODE

    stage = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]["train"]
    assert [dep for dep in stage["deps"] if dep.endswith(".py")] == [f"src/slipway/{name}" for name in CODE]
    assert stage["params"] == ["split", "train"]


def test_no_two_jobs_disagree_on_a_version() -> None:
    versions: dict[str, dict[str, str]] = {}
    shared = [lock for lock in Path("requirements").glob("*.txt") if lock.name != OF_ITS_OWN]
    for lock in [Path("requirements.txt"), *shared]:
        for name, version in PIN.findall(lock.read_text(encoding="utf-8")):
            versions.setdefault(name, {})[lock.name] = version
    assert {name: found for name, found in versions.items() if len(set(found.values())) > 1} == {}


def test_training_and_serving_have_the_same_xgboost() -> None:
    pins = {
        lock: dict(PIN.findall(Path(f"requirements/{lock}.txt").read_text(encoding="utf-8")))
        for lock in ("train", "serve", "dev")
    }
    assert pins["train"]["xgboost-cpu"] == pins["serve"]["xgboost-cpu"] == pins["dev"]["xgboost"]


def test_every_package_is_pinned_by_hash_and_none_names_a_registry() -> None:
    for lock in [Path("requirements.txt"), *Path("requirements").glob("*.txt")]:
        text = lock.read_text(encoding="utf-8")
        assert "http" + "://" not in text and "https" + "://" not in text
        if lock.name in ("constraints.txt", "overrides.txt"):
            continue
        for requirement in re.split(r"\n(?=\S)", text.strip()):
            assert "--hash=sha256:" in requirement, (lock, requirement[:80])
