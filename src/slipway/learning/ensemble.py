"""The unit that is trained, registered and served: k members whose answers are averaged, as one folder.

members/0.bst … members/<k-1>.bst   the members; XGBoost's can be loaded by Seldon's and MLServer's servers as they are
schema.json                         all of the problem that an answer needs
profile.json                        what the training data, and the answers to it, looked like in drift buckets
golden.json                         requests and their answers, predicted again whenever the model is loaded
metadata.json                       where it comes from, and the digest of each member
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slipway.errors import UserError
from slipway.files import read_json, whole_folder, write_json
from slipway.learning.learners.learner import learner_named
from slipway.problem import Binary, MultiClass, Ranking, Regression, Task
from slipway.problem.features import row_encoder
from slipway.problem.folder import MADE_BY, out_of_tolerance

MARK = "golden.json"
"""What every model folder holds."""
GOLDEN_ROWS = 32


@dataclass
class Ensemble:
    """A loaded model folder."""

    members: list[Any]
    schema: dict[str, Any]
    metadata: dict[str, Any]
    folder: Path

    @property
    def learner(self) -> Any:
        """What made the members: see :class:`slipway.learning.learners.learner.Learner`."""
        return learner_named(self.metadata["learner"])

    @property
    def task(self) -> Task:
        """What the answers are."""
        return task_of(self.schema)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The mean of the members' answers.

        Args:
            features: float32, shape (rows, features), NaN where nothing is known.

        Returns:
            float32, shape (rows,), or (rows, classes).
        """
        return average(self.learner, self.members, features)


def average(learner: Any, members: Sequence[Any], features: np.ndarray) -> np.ndarray:
    """The mean of the members' answers: float32, shape (rows,) or (rows, classes)."""
    total: Any = 0.0
    for member in members:
        total = total + learner.predict(member, features).astype(np.float64)
    return np.asarray(total / len(members)).astype(np.float32)


def task_of(schema: Mapping[str, Any]) -> Task:
    """The task that a ``schema.json`` says; of a regression its loss is not known any more, and not needed."""
    task = schema["task"]
    kind = task["kind"]
    if kind == "binary":
        return Binary(task["positive"])
    if kind == "multiclass":
        return MultiClass(tuple(task["classes"]))
    return Regression(task["unit"]) if kind == "regression" else Ranking(task["group"])


def tolerance(task: Task, answers: np.ndarray) -> dict[str, float]:
    """How far an answer may be off: float32 sums over a few hundred trees, on another processor or in another order.

    Chances are of the order of 1. Of other answers the rounding grows with the numbers that are summed, which are of
    the order of the answers' own spread.

    Args:
        task: of the model.
        answers: the model's, to its training rows.
    """
    if isinstance(task, Binary | MultiClass):
        return {"absolute": 1e-5, "relative": 0.0}
    spread = float(np.std(answers, dtype=np.float64)) or 1.0
    return {"absolute": float(f"{1e-4 * spread:.3g}"), "relative": 1e-4}


def save_ensemble(
    folder: Path,
    members: Sequence[Any],
    schema: dict[str, Any],
    profile: dict[str, Any],
    sample: list[dict[str, Any]],
    metadata: dict[str, Any],
) -> None:
    """Write a model folder, whole or not at all. ``sample`` gives the golden requests; metadata names the learner."""
    learner = learner_named(metadata["learner"])
    encode = row_encoder(schema)
    rows = sample[:: max(1, len(sample) // GOLDEN_ROWS)][:GOLDEN_ROWS]
    answers = average(learner, members, np.array([encode(row) for row in rows], dtype=np.float32))
    with whole_folder(folder, MARK) as partial:
        (partial / "members").mkdir()
        digests = []
        for position, member in enumerate(members):
            content = learner.save(member)
            (partial / "members" / f"{position}{learner.SUFFIX}").write_bytes(content)
            digests.append(hashlib.sha256(content).hexdigest())
        write_json(partial / "schema.json", schema)
        write_json(partial / "profile.json", profile)
        write_json(partial / "golden.json", {"rows": rows, "answers": answers.astype(float).tolist()})
        write_json(partial / "metadata.json", metadata | {"sha256": digests})


def load_ensemble(folder: Path) -> Ensemble:
    """Load a model folder and predict its golden requests.

    Raises:
        UserError: a file is missing, broken or another than was saved, or the golden answers differ: then this library
            reads the members otherwise than the one that wrote them, as XGBoost's releases before 3.1 silently do.
    """
    schema = read_json(folder / "schema.json", MADE_BY, "columns", "features", "task", "tolerance")
    metadata = read_json(folder / "metadata.json", MADE_BY, "members", "sha256", "learner", "library")
    golden = read_json(folder / "golden.json", MADE_BY, "rows", "answers")
    learner = learner_named(metadata["learner"])
    paths = [folder / "members" / f"{position}{learner.SUFFIX}" for position in range(metadata["members"])]
    found = {path.name for path in (folder / "members").glob("*")}
    if found != {path.name for path in paths}:
        names = ", ".join(sorted(found)) or "nothing"
        raise UserError(f"{folder / 'members'} holds {names}, and metadata.json says {metadata['members']} members.")
    members = []
    for path, digest in zip(paths, metadata["sha256"], strict=True):
        content = path.read_bytes()
        # XGBoost ends the whole process on some broken files, so none is given to it.
        if hashlib.sha256(content).hexdigest() != digest:
            raise UserError(
                f"{path} is not the file that was saved: its digest is not metadata.json's. Make it again with "
                f"`{MADE_BY}`, or fetch the model again."
            )
        try:
            members.append(learner.load(content))
        except ValueError as error:
            raise UserError(f"{path} is not a model that {learner.library()} can read ({error}).") from None
    encode = row_encoder(schema)
    ensemble = Ensemble(members, schema, metadata, folder)
    answers = ensemble.predict(np.array([encode(row) for row in golden["rows"]], dtype=np.float32))
    expected = np.array(golden["answers"], dtype=np.float32)
    if answers.shape != expected.shape or out_of_tolerance(answers, expected, schema["tolerance"]):
        worst = float(np.abs(answers - expected).max()) if answers.shape == expected.shape else float("nan")
        raise UserError(
            f"{folder} answers its golden rows wrongly (off by {worst:.3g}) with {learner.library()}; it was "
            f"trained with {metadata['library']}: use that version."
        )
    return ensemble
