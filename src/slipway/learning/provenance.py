"""What decides what a model becomes beside its data: the code that prepares and trains, found in its own imports.

A list kept by hand forgets what somebody adds. Here the imports of a stage's module are followed through its source,
in functions too, as far as they stay under src/: into the template's own rooms, and into whatever a team's features
import. What is only read for types, or imported by a name that is put together while running, is not found.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from slipway.errors import UserError
from slipway.params import Params

SOURCE = Path(__file__).resolve().parents[2]
"""The folder that holds the package: src/."""
PREPARE, TRAIN = "slipway.learning.prepare", "slipway.learning.train"
"""The modules of the two stages that a model goes through."""
STAGES = {"prepare": PREPARE, "train": TRAIN, "evaluate": "slipway.learning.evaluate"}
"""The stages of dvc.yaml, which are named as their verbs, and the module of each."""
PROBLEM, XGBOOST = "slipway/model/problem.py", "slipway.learning.learners.xgboost"
SETTINGS = "params.yaml (split and train)"


def code_of(*modules: str, source: Path = SOURCE) -> list[Path]:
    """The files that importing ``modules`` runs, their own included: sorted, as src/….

    Args:
        modules: dotted names, each of a file under ``source``.
        source: the folder that names are looked for in; what is not in it (pandas, say) is somebody else's.
    """
    found: set[Path] = set()
    asked = list(modules)
    while asked:
        name = asked.pop()
        for path in _files_of(name, source) - found:
            found.add(path)
            asked += _imports(path, source)
    return sorted(path.relative_to(source.parent) for path in found)


def code_of_a_model() -> list[Path]:
    """The files that decide what a model becomes."""
    return code_of(PREPARE, TRAIN, learner())


def learner(source: Path = SOURCE) -> str:
    """The module that learns, which problem.py names and does not import; the template's own if it names none.

    Read from the source: who asks only for files need not have what a problem is declared with.
    """
    tree = ast.parse((source / PROBLEM).read_bytes())
    named = [
        keyword.value.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "learner" and isinstance(keyword.value, ast.Constant)
    ]
    return str(named[0]) if named else XGBOOST


@cache
def digests(*modules: str) -> dict[str, str]:
    """The SHA-256 of each file of :func:`code_of`, by its name."""
    return {
        path.as_posix(): hashlib.sha256((SOURCE.parent / path).read_bytes()).hexdigest() for path in code_of(*modules)
    }


def code_sha256(*modules: str) -> str:
    """One hash over :func:`digests`."""
    return _sha256(digests(*modules))


def made_of(params: Params) -> dict[str, str]:
    """What a model is made of beside its data: a digest of each file of code, and of split and train of params.yaml."""
    settings = {"split": params.split.model_dump(), "train": params.train.model_dump()}
    return digests(PREPARE, TRAIN, learner()) | {SETTINGS: _sha256(settings)}


def unknown_to_dvc(pipeline: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What DVC would not run a stage again for, though the stage runs it: pairs of a stage and a file of code.

    Args:
        pipeline: what dvc.yaml holds.
    """
    found = []
    for stage, module in STAGES.items():
        deps = [Path(dep) for dep in pipeline.get("stages", {}).get(stage, {}).get("deps", []) if isinstance(dep, str)]
        found += [
            (stage, path.as_posix())
            for path in code_of(module, *([] if stage == "prepare" else [learner()]))
            if not any(path == dep or dep in path.parents for dep in deps)
        ]
    return found


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _files_of(name: str, source: Path) -> set[Path]:
    """The file of a module, and those of the packages around it, which run first; none where it is not ours."""
    found = set()
    place = source
    for part in name.split("."):
        place = place / part
        if (module := place.with_suffix(".py")).is_file():
            found.add(module)
        if (package := place / "__init__.py").is_file():
            found.add(package)
    return found


def _imports(path: Path, source: Path) -> Iterator[str]:
    """Every name that a file imports, from anywhere in it; of `from a import b` both a and a.b, as b may be a module.

    Raises:
        UserError: the file is not Python.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise UserError(f"{path.relative_to(source.parent)}, line {error.lineno}: {error.msg}: correct it.") from None
    package = path.relative_to(source).with_suffix("").parts[:-1]
    for node in _running(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            around = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*around, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from (inner for other in node.orelse for inner in (other, *_running(other)))
            continue
        yield node
        yield from _running(node)
