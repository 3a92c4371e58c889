"""Another learner: scikit-learn's ridge regression, as a team would put it into its model folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from slipway.learning.matrices import Rows
from slipway.problem import Problem, Task

if TYPE_CHECKING:
    import onnx

SUFFIX = ".json"


class HyperParameters(BaseModel):
    """What a search may turn."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alpha: Annotated[float, Field(gt=0)]


def library() -> str:
    """scikit-learn and its version."""
    import sklearn

    return f"scikit-learn {sklearn.__version__}"


def fit(
    problem: Problem, learn: Rows, validation: Rows | None, recipes: Sequence[tuple[Any, int]], report: Any
) -> Iterator[tuple[dict[str, Any], np.ndarray | None]]:
    """One line for each recipe; a missing value is the column's mean."""
    from sklearn.linear_model import Ridge

    features = learn.features()
    means = np.nan_to_num(np.nanmean(features, axis=0))
    filled = np.where(np.isnan(features), means, features)
    for recipe, _ in recipes:
        line = Ridge(alpha=recipe.alpha).fit(filled, learn.answers())
        member = {"means": means.tolist(), "weights": line.coef_.tolist(), "intercept": float(line.intercept_)}
        yield member, predict(member, validation.features()) if validation else None


def predict(member: dict[str, Any], features: np.ndarray) -> np.ndarray:
    """The line's height."""
    filled = np.where(np.isnan(features), np.float32(member["means"]), features)
    found: np.ndarray = (filled @ np.float32(member["weights"]) + np.float32(member["intercept"])).astype(np.float32)
    return found


def importance(member: dict[str, Any], names: Sequence[str]) -> np.ndarray:
    """How steep the line is in each direction."""
    return np.abs(member["weights"])


def save(member: dict[str, Any]) -> bytes:
    """JSON."""
    return json.dumps(member).encode()


def load(content: bytes) -> dict[str, Any]:
    """The member again."""
    member: dict[str, Any] = json.loads(content)
    return member


def compile(members: Sequence[dict[str, Any]], task: Task, features: int) -> onnx.ModelProto:
    """Fill, multiply, add."""
    from onnx import helper, numpy_helper

    from slipway.learning.learners.onnx_graph import mean_of

    nodes, heights = [helper.make_node("IsNaN", ["features"], ["unknown"])], []
    for i, member in enumerate(members):
        for name, value in (
            ("means", np.float32([member["means"]])),
            ("weights", np.float32(member["weights"])[:, None]),
            ("intercept", np.float32([member["intercept"]])),
        ):
            nodes.append(
                helper.make_node("Constant", [], [f"{name}_{i}"], value=numpy_helper.from_array(value, f"{name}_{i}"))
            )
        nodes.append(helper.make_node("Where", ["unknown", f"means_{i}", "features"], [f"filled_{i}"]))
        nodes.append(helper.make_node("MatMul", [f"filled_{i}", f"weights_{i}"], [f"sloped_{i}"]))
        nodes.append(helper.make_node("Add", [f"sloped_{i}", f"intercept_{i}"], [f"height_{i}"]))
        heights.append(f"height_{i}")
    return mean_of(nodes, heights, task.output, features)


def probes(members: Sequence[dict[str, Any]], features: int, rows: int) -> np.ndarray:
    """Around the means, and some of it missing."""
    random = np.random.default_rng(0)
    found = np.float32(members[0]["means"]) * random.uniform(0, 2, (rows, features)).astype(np.float32)
    found[random.random((rows, features)) < 0.1] = np.nan
    return found
