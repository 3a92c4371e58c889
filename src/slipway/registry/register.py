"""Make a model a version in the registry.

  register                models/current
  register --model models/challenger
                          another folder that `slipway train --final --out` wrote

The version holds the members, the compiled ensemble that the runtime serves, schema, profile, golden rows and metadata,
and is tagged with where it comes from: the Git commit, DVC's md5 of the data, the image it was trained in, the
experiment and its trials. It gets the alias challenger. The same files are never registered twice: the version that
holds them is named again.

Writes build/register/version, which names it.

MLFLOW_TRACKING_URI says where, else `mlflow:` in slipway.yaml; a name in there that only a cluster knows stands for
mlflow.db in this folder. In a container without Git, SLIPWAY_GIT_SHA names the commit and SLIPWAY_IMAGE the image.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
from pathlib import Path
from typing import Any

from slipway.errors import UserError
from slipway.files import finite, read_json, read_yaml, whole_folder, write_json, write_text
from slipway.git import changed, newest_change
from slipway.learning.ensemble import MADE_BY, MARK, load_ensemble
from slipway.learning.provenance import code_of_a_model, made_of
from slipway.model.problem import PROBLEM
from slipway.names import load_names
from slipway.params import load_params
from slipway.stretches import in_words

CHALLENGER = "challenger"
DATA_DVC = Path(f"{PROBLEM.parts.folder}.dvc")
VERSION = "version"
"""The file in --out that names the version, for whoever goes on with it."""
_SHA = re.compile(r"[0-9a-f]{40}")
_NO_IMAGE = "none: trained outside an image"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway register`."""
    parser.add_argument(
        "--model", type=Path, default=Path("models/current"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--out", type=Path, default=Path("build/register"), metavar="DIR", help="default: %(default)s")


def run(args: argparse.Namespace) -> None:
    """Register and set the alias challenger."""
    from slipway.registry.registry import open_registry

    name = load_names().model
    needed = ("data_md5", "experiment", "trials", "trained_on", "made_of")
    metadata = read_json(args.model / "metadata.json", MADE_BY, *needed)
    if others := other_makings(metadata["made_of"], made_of(load_params())):
        raise UserError(
            f"{args.model} was made by other code or parameters than stand here now ({', '.join(others)}), so the "
            f"version could not be traced back: run `dvc repro`, or prepare and train it again."
        )
    origin = lineage(metadata)
    folder = deployable(args.model, origin, args.out / "model")
    registry = open_registry()
    metadata = read_json(folder / "metadata.json", MADE_BY)
    version = registry.register_folder(
        name, folder, tags=origin, params=_run_params(metadata), metrics=_run_metrics(metadata)
    )
    registry.set_alias(name, CHALLENGER, version.version)
    write_text(args.out / VERSION, version.spec)
    print(f"{version.spec}  {CHALLENGER}, {metadata['members']} members, content {version.tags['content_sha256'][:12]}")


def other_makings(then: Any, now: dict[str, str]) -> list[str]:
    """The names of what differs between two answers of :func:`slipway.learning.provenance.made_of`."""
    if not isinstance(then, dict):
        return ["it was trained by an older release"]
    return sorted(name for name in {**then, **now} if then.get(name) != now.get(name))


def what_a_model_is_made_of() -> list[str]:
    """The files in Git that decide what a model becomes."""
    return [*map(str, code_of_a_model()), "params.yaml", "dvc.yaml", str(DATA_DVC)]


def lineage(metadata: dict[str, Any]) -> dict[str, str]:
    """Where a model comes from, as the version's tags: git_sha, data_md5, train_image, experiment, trials.

    Raises:
        UserError: the commit is not known, or what stands in the folder is not what the commit says.
    """
    return {
        "git_sha": _git_sha(metadata["data_md5"]),
        "data_md5": metadata["data_md5"],
        "train_image": os.environ.get("SLIPWAY_IMAGE") or _NO_IMAGE,
        "experiment": metadata["experiment"] or "none: parameters of params.yaml",
        "trials": ", ".join(trial["name"] for trial in metadata["trials"]) or "none: parameters of params.yaml",
        "trained_on": in_words(metadata["trained_on"]),
    }


def _git_sha(data_md5: str) -> str:
    """The newest commit that changed what a model is made of."""
    if sha := os.environ.get("SLIPWAY_GIT_SHA"):
        if not _SHA.fullmatch(sha):
            raise UserError(f"SLIPWAY_GIT_SHA is {sha!r}, expected the 40 hexadecimal digits of a commit.")
        return sha
    made_of_files = what_a_model_is_made_of()
    if dirty := changed(*made_of_files):
        raise UserError(
            f"{dirty[0]} differs from the commit, so the version could not be traced back: commit it first "
            f"({len(dirty)} such files)."
        )
    tracked = tracked_md5()
    if tracked != data_md5:
        raise UserError(
            f"the model was prepared from data with md5 {data_md5}, and {DATA_DVC} says {tracked}: "
            f"run `dvc add {PROBLEM.parts.folder}`, commit it, and `dvc repro`."
        )
    # Not HEAD: a commit that changes nothing of these would make the same files another version.
    return newest_change(*made_of_files)


def tracked_md5() -> str | None:
    """DVC's address of the data at this commit; None when the data is not tracked."""
    if not DATA_DVC.exists():
        return None
    try:
        md5: str = read_yaml(DATA_DVC)["outs"][0]["md5"]
    except (KeyError, IndexError, TypeError):
        raise UserError(f"{DATA_DVC} names no md5: make it again with `dvc add {PROBLEM.parts.folder}`.") from None
    return md5


def deployable(model: Path, origin: dict[str, str], out: Path) -> Path:
    """A model folder, checked, with its origin in metadata.json and compiled for the runtime."""
    from slipway.learning.compile import compile_ensemble
    from slipway.learning.golden import check_compiled

    metadata = load_ensemble(model).metadata
    with whole_folder(out, MARK) as folder:
        shutil.copytree(model, folder, dirs_exist_ok=True)
        write_json(folder / "metadata.json", metadata | {"lineage": origin})
        compile_ensemble(folder)
        check_compiled(folder)
    return out


def _run_params(metadata: dict[str, Any]) -> dict[str, Any]:
    return {f"{i}.{name}": value for i, recipe in enumerate(metadata["recipes"]) for name, value in recipe.items()}


def _run_metrics(metadata: dict[str, Any]) -> dict[str, float]:
    return {f"{t['metric']}.{i}": finite(t["value"]) for i, t in enumerate(metadata["trials"])}
