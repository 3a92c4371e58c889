"""dvc.lock is what the commit's code, parameters and data say; the locks of Python packages agree with each other."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import yaml

OF_THEIR_OWN = {"graph.txt", "clients.txt", "mlserver.txt"}
"""What agrees with nothing else here and lives elsewhere: Seldon's wrapper, callers and servers of other makers."""
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)


def test_the_pipelines_lock_is_not_stale() -> None:
    """Every file a stage depends on has the md5 that dvc.lock says, without running anything."""
    lock = yaml.safe_load(Path("dvc.lock").read_text(encoding="utf-8"))
    pipeline = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))
    stale = []
    for name, stage in lock["stages"].items():
        assert stage["cmd"] == pipeline["stages"][name]["cmd"]
        assert {dep["path"] for dep in stage["deps"]} == set(pipeline["stages"][name]["deps"])
        for dep in stage["deps"]:
            path = Path(dep["path"])
            if path.parts[0] == "src":
                stale += [f"{name}: {path}"] if _dvc_md5(path) != dep["md5"] else []
    assert stale == [], "run `dvc repro` and commit dvc.lock"


def _dvc_md5(path: Path) -> str:
    """DVC's address of a file, or of a folder without what Python writes into it."""
    from slipway.learning.prepare import data_md5

    if path.is_dir():
        return data_md5(path, ignored="__pycache__")
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def test_dvc_runs_a_stage_again_for_all_the_code_that_the_stage_runs() -> None:
    from slipway.learning.provenance import unknown_to_dvc

    pipeline = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))
    assert unknown_to_dvc(pipeline) == [], "add it to the stage's deps in dvc.yaml"
    assert pipeline["stages"]["train"]["params"] == ["split", "train"]


def test_no_two_jobs_disagree_on_a_version() -> None:
    versions: dict[str, dict[str, str]] = {}
    shared = [lock for lock in Path("requirements").glob("*.txt") if lock.name not in OF_THEIR_OWN]
    for lock in [Path("requirements.txt"), *shared]:
        for name, version in PIN.findall(lock.read_text(encoding="utf-8")):
            versions.setdefault(name, {})[lock.name] = version
    assert {name: found for name, found in versions.items() if len(set(found.values())) > 1} == {}


def test_the_image_trains_with_the_xgboost_of_this_machine_and_the_server_needs_none() -> None:
    pins = {
        lock: dict(PIN.findall(Path(f"requirements/{lock}.txt").read_text(encoding="utf-8")))
        for lock in ("train", "serve", "dev")
    }
    assert pins["train"]["xgboost-cpu"] == pins["dev"]["xgboost"]
    assert not {"xgboost", "xgboost-cpu", "scipy"} & set(pins["serve"])
    assert pins["serve"]["onnxruntime"] == pins["dev"]["onnxruntime"]


def test_every_package_is_pinned_by_hash_and_none_names_a_registry() -> None:
    for lock in [Path("requirements.txt"), *Path("requirements").glob("*.txt")]:
        text = lock.read_text(encoding="utf-8")
        assert "http" + "://" not in text and "https" + "://" not in text
        if lock.name == "constraints.txt" or lock.name.endswith("overrides.txt"):
            continue
        for requirement in re.split(r"\n(?=\S)", text.strip()):
            assert "--hash=sha256:" in requirement, (lock, requirement[:80])
