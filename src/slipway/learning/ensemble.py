"""The unit that is trained, registered and served: k boosters whose probabilities are averaged, as one folder.

members/0.bst … members/<k-1>.bst   XGBoost models; Seldon's and MLServer's XGBoost servers load each as it is
schema.json                         columns and features: enough to check and encode a request
profile.json                        what the training data looked like, in drift buckets
golden.json                         requests and their answers, predicted again whenever the model is loaded
metadata.json                       where it comes from, and the digest of each member
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.errors import UserError
from slipway.files import read_json, whole_folder, write_json
from slipway.model.features import row_encoder

if TYPE_CHECKING:
    import xgboost as xgb

MADE_BY = "python -m slipway train --final --out models/current"
MARK = "members/*.bst"
"""What every model folder holds."""
GOLDEN_ROWS = 32
GOLDEN_TOLERANCE = 1e-5
"""How far a golden answer may be off: float32 sums over a few hundred trees, on another processor."""


_UNUSED = ("sklearn", "xgboost.sklearn")


def import_xgboost() -> Any:
    """XGBoost, without scikit-learn and without the part that imitates it.

    XGBoost imports scikit-learn whenever it is installed, which costs seconds of every trial, and for its estimators
    much of SciPy, a third of its own import; it does without either, and neither is used here.
    """
    if "xgboost" not in sys.modules and "sklearn" not in sys.modules:
        sys.modules.update(dict.fromkeys(_UNUSED))  # type: ignore[arg-type]
        try:
            import xgboost
        finally:
            for name in _UNUSED:
                del sys.modules[name]
        return xgboost
    import xgboost

    return xgboost


@dataclass
class Ensemble:
    """A loaded model folder."""

    members: list[xgb.Booster]
    schema: dict[str, Any]
    metadata: dict[str, Any]
    folder: Path

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The mean of the members' probabilities of being late.

        Args:
            features: float32, shape (rows, features), NaN where nothing is known.

        Returns:
            float32, shape (rows,).
        """
        return average(self.members, features)


def average(members: list[xgb.Booster], features: np.ndarray) -> np.ndarray:
    """The mean of the members' probabilities: float32, shape (rows,)."""
    total = np.zeros(len(features), dtype=np.float64)
    for member in members:
        total += member.inplace_predict(features)
    return (total / len(members)).astype(np.float32)


def save_ensemble(
    folder: Path,
    members: list[xgb.Booster],
    schema: dict[str, Any],
    profile: dict[str, Any],
    sample: list[dict[str, Any]],
    metadata: dict[str, Any],
) -> None:
    """Write a model folder, whole or not at all. ``sample`` gives the golden requests."""
    encode = row_encoder(schema)
    rows = sample[:: max(1, len(sample) // GOLDEN_ROWS)][:GOLDEN_ROWS]
    answers = average(members, np.array([encode(row) for row in rows], dtype=np.float32))
    with whole_folder(folder, MARK) as partial:
        (partial / "members").mkdir()
        digests = []
        for position, member in enumerate(members):
            # UBJSON under the name the prepackaged servers look for; XGBoost tells the format by its content.
            content = bytes(member.save_raw("ubj"))
            (partial / "members" / f"{position}.bst").write_bytes(content)
            digests.append(hashlib.sha256(content).hexdigest())
        write_json(partial / "schema.json", schema)
        write_json(partial / "profile.json", profile)
        write_json(partial / "golden.json", {"rows": rows, "answers": [float(a) for a in answers]})
        write_json(partial / "metadata.json", metadata | {"sha256": digests})


def load_ensemble(folder: Path) -> Ensemble:
    """Load a model folder and predict its golden requests.

    Raises:
        UserError: a file is missing, broken or another than was saved, or the golden answers differ: then this XGBoost
            reads the members otherwise than the one that wrote them, as releases before 3.1 silently do.
    """
    xgb = import_xgboost()
    schema = read_json(folder / "schema.json", MADE_BY, "columns")
    metadata = read_json(folder / "metadata.json", MADE_BY, "members", "sha256")
    golden = read_json(folder / "golden.json", MADE_BY, "rows", "answers")
    paths = [folder / "members" / f"{position}.bst" for position in range(metadata["members"])]
    found = {path.name for path in (folder / "members").glob("*.bst")}
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
            member = xgb.Booster({"nthread": 1}, model_file=bytearray(content))
        except xgb.core.XGBoostError as error:
            reason = str(error).splitlines()[-1].strip()
            raise UserError(f"{path} is not a model XGBoost {xgb.__version__} can read ({reason}).") from None
        members.append(member)
    encode = row_encoder(schema)
    answers = average(members, np.array([encode(row) for row in golden["rows"]], dtype=np.float32))
    worst = float(np.abs(answers - np.array(golden["answers"], dtype=np.float32)).max())
    if not worst <= GOLDEN_TOLERANCE:
        raise UserError(
            f"{folder} answers its golden rows wrongly (off by {worst:.3g}) with XGBoost {xgb.__version__}; it was "
            f"trained with {metadata['xgboost']}: use that version."
        )
    return Ensemble(members, schema, metadata, folder)
