"""The learner that the template brings: XGBoost's boosted trees, for every task.

Its own names are used, except ``rounds`` (num_boost_round). Members are stored as UBJSON under the name that the
prepackaged servers look for.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from slipway.learning.learners.learner import Report
from slipway.learning.matrices import Part, Rows
from slipway.problem import MultiClass, Problem, Ranking, Regression, Task

if TYPE_CHECKING:
    import onnx
    import xgboost as xgb

SUFFIX = ".bst"
_UNUSED = ("sklearn", "xgboost.sklearn")
_LOSSES = {
    "squared": "reg:squarederror", "absolute": "reg:absoluteerror", "poisson": "count:poisson", "gamma": "reg:gamma",
}  # fmt: skip
_COMPILED = {"binary:logistic", "multi:softprob", "rank:ndcg", *_LOSSES.values()}


class HyperParameters(BaseModel):
    """What a search may turn; the names are XGBoost's own, except ``rounds`` (its num_boost_round)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rounds: Annotated[int, Field(ge=1, le=10_000)]
    eta: Annotated[float, Field(gt=0, le=1)]
    max_depth: Annotated[int, Field(ge=1, le=16)]
    min_child_weight: Annotated[float, Field(ge=0)]
    subsample: Annotated[float, Field(gt=0, le=1)]
    colsample_bytree: Annotated[float, Field(gt=0, le=1)]
    reg_lambda: Annotated[float, Field(ge=0)]
    max_bin: Annotated[int, Field(ge=2, le=1024)]
    grow_policy: Literal["depthwise", "lossguide"]


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


def library() -> str:
    """XGBoost and its version."""
    return f"xgboost {import_xgboost().__version__}"


def fit(
    problem: Problem,
    learn: Rows,
    validation: Rows | None,
    recipes: Sequence[tuple[Any, int]],
    report: tuple[int, Report] | None,
) -> Iterator[tuple[xgb.Booster, np.ndarray | None]]:
    """Boost one member for each recipe: see :class:`slipway.learning.learners.learner.Learner`."""
    xgb_ = import_xgboost()
    start = base_score(problem.task, learn)

    class Reporting(xgb_.callback.TrainingCallback):  # type: ignore[name-defined]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            assert report
            if epoch % report[0] == 0:
                report[1](model.predict(scored))
            return False

    quantized: dict[int, tuple[Any, Any]] = {}
    for recipe, seed in recipes:
        if recipe.max_bin not in quantized:
            matrix = binned(learn, recipe.max_bin, problem)
            quantized = {
                recipe.max_bin: (matrix, validation and binned(validation, recipe.max_bin, problem, reference=matrix))
            }
        matrix, scored = quantized[recipe.max_bin]
        member = xgb_.train(
            parameters(recipe, seed, problem.task, start),
            matrix,
            num_boost_round=recipe.rounds,
            callbacks=[Reporting()] if scored is not None and report else [],
            verbose_eval=False,
        )
        # The margins of all rounds but the last few are held since the last report.
        yield member, None if scored is None else member.predict(scored)


def parameters(recipe: Any, seed: int, task: Task, start: float) -> dict[str, Any]:
    """XGBoost's parameters of one member."""
    own = recipe.model_dump()
    del own["rounds"]
    found = {"objective": "binary:logistic", "tree_method": "hist", **own, "seed": seed, "base_score": start}
    if isinstance(task, MultiClass):
        found |= {"objective": "multi:softprob", "num_class": len(task.classes)}
    elif isinstance(task, Regression):
        found["objective"] = _LOSSES[task.loss]
    elif isinstance(task, Ranking):
        found["objective"] = "rank:ndcg"
    return found


def base_score(task: Task, learn: Rows) -> float:
    """Where boosting starts, in the answers' own scale: their mean, or their median for the absolute loss.

    Of classes, chances and ranks 0.5: releases before 3.1 cannot read the intercept that 3.1 and later write, and take
    this value without a word. A regression starts at its answers, and the golden rows catch who reads it otherwise.
    """
    if not isinstance(task, Regression):
        return 0.5
    answers = learn.answers().astype(np.float64)
    start = float(np.median(answers) if task.loss == "absolute" else answers.mean())
    return max(start, 1e-6) if task.logarithmic else start


def binned(
    rows: Rows, max_bin: int, problem: Problem, reference: xgb.QuantileDMatrix | None = None
) -> xgb.QuantileDMatrix:
    """Rows binned for boosting, part by part, so that the whole matrix never stands in memory.

    Args:
        rows: which.
        max_bin: bins a feature.
        problem: what the features are called, and whether rows have groups.
        reference: the training matrix, whose bins a validation matrix must share.
    """
    xgb_ = import_xgboost()
    names, ranked = list(problem.feature_names), isinstance(problem.task, Ranking)

    class ByPart(xgb_.DataIter):  # type: ignore[name-defined]
        def __init__(self, parts: tuple[Part, ...]) -> None:
            self.parts, self.position, self.groups = parts, 0, 0
            super().__init__()

        def next(self, input_data: Any) -> bool:
            if self.position == len(self.parts):
                return False
            part = self.parts[self.position]
            matrix = part.load()
            more = {}
            if ranked:
                numbers = np.unique(part.id("group"), return_inverse=True)[1] + self.groups
                self.groups = int(numbers[-1]) + 1
                more["qid"] = numbers
            input_data(data=np.ascontiguousarray(matrix[:, :-1]), label=matrix[:, -1], feature_names=names, **more)
            self.position += 1
            return True

        def reset(self) -> None:
            self.position = self.groups = 0

    return xgb_.QuantileDMatrix(ByPart(rows.parts), max_bin=max_bin, ref=reference)


def predict(member: xgb.Booster, features: np.ndarray) -> np.ndarray:
    """A member's answers: float32, shape (rows,) or (rows, classes)."""
    answers: np.ndarray = member.inplace_predict(features)
    return answers


def importance(member: xgb.Booster, names: Sequence[str]) -> np.ndarray:
    """All loss reduction that splits on each feature brought (``total_gain``): shape (features,)."""
    gain = member.get_score(importance_type="total_gain")
    return np.array([np.sum(gain.get(name, 0.0)) for name in names], dtype=float)


def save(member: xgb.Booster) -> bytes:
    """UBJSON; XGBoost tells the format by its content."""
    return bytes(member.save_raw("ubj"))


def load(content: bytes) -> xgb.Booster:
    """The member again, on one thread; ValueError where it cannot be read."""
    xgb_ = import_xgboost()
    try:
        member: xgb.Booster = xgb_.Booster({"nthread": 1}, model_file=bytearray(content))
    except xgb_.core.XGBoostError as error:
        raise ValueError(str(error).splitlines()[-1].strip()) from None
    return member


def compile(members: Sequence[xgb.Booster], task: Task, features: int) -> onnx.ModelProto:
    """One TreeEnsembleRegressor for each member, its link, and their mean.

    Written here because the usual converter, onnxmltools, brings scikit-learn, which costs seconds of every start and
    130 MB of the image, while what is converted is numeric splits: a table of nodes that both formats share.
    """
    from onnx import helper

    from slipway.learning.learners.onnx_graph import mean_of

    nodes, links = [], []
    for i, member in enumerate(members):
        trees, targets, margins, objective = _trees(member)
        nodes.append(
            helper.make_node(
                "TreeEnsembleRegressor",
                ["features"],
                [f"margin_{i}"],
                domain="ai.onnx.ml",
                n_targets=len(margins),
                base_values=margins,
                **_attributes(trees, targets),
            )
        )
        if objective == "binary:logistic":
            nodes.append(helper.make_node("Sigmoid", [f"margin_{i}"], [f"member_{i}"]))
        elif objective == "multi:softprob":
            nodes.append(helper.make_node("Softmax", [f"margin_{i}"], [f"member_{i}"], axis=1))
        elif objective in ("count:poisson", "reg:gamma"):
            nodes.append(helper.make_node("Exp", [f"margin_{i}"], [f"member_{i}"]))
        else:
            nodes.append(helper.make_node("Identity", [f"margin_{i}"], [f"member_{i}"]))
        links.append(f"member_{i}")
    return mean_of(nodes, links, task.output, features)


def probes(members: Sequence[xgb.Booster], features: int, rows: int) -> np.ndarray:
    """Rows whose every value stands on a split's threshold, one float below it, or is missing."""
    random = np.random.default_rng(0)
    found = np.empty((rows, features), dtype=np.float32)
    thresholds: list[set[float]] = [set() for _ in range(features)]
    for member in members:
        for tree in _trees(member)[0]:
            for feature, left, value in zip(
                tree["split_indices"], tree["left_children"], tree["split_conditions"], strict=True
            ):
                if left != -1:
                    thresholds[feature].add(value)
    for feature, values in enumerate(thresholds):
        at = np.array(sorted(values) or [0.0], dtype=np.float32)
        choices = np.concatenate([at, np.nextafter(at, np.float32(-np.inf)), np.full(len(at), np.nan, np.float32)])
        found[:, feature] = random.choice(choices, rows)
    return found


def _trees(member: xgb.Booster) -> tuple[list[dict[str, Any]], list[int], list[float], str]:
    """The trees as XGBoost's JSON has them, each one's target, where each target starts, and the objective.

    Raises:
        ValueError: the conversion would not be exact.
    """
    learner = json.loads(bytes(member.save_raw("json")))["learner"]
    objective = learner["objective"]["name"]
    if objective not in _COMPILED:
        raise ValueError(f"has objective {objective}: only {', '.join(sorted(_COMPILED))} are compiled")
    booster = learner["gradient_booster"]
    if booster["name"] != "gbtree":
        raise ValueError(f"is a {booster['name']} booster: only gbtree is compiled")
    trees: list[dict[str, Any]] = booster["model"]["trees"]
    if any(any(tree["split_type"]) for tree in trees):
        raise ValueError("splits on categories: only numeric splits are compiled")
    targets = max(int(learner["learner_model_param"]["num_class"]), 1)
    written = learner["learner_model_param"]["base_score"].strip("[]").split(",")
    base = np.array(written * (targets // len(written)), dtype=np.float64)
    if objective == "binary:logistic":
        base = np.log(base / (1 - base))
    elif objective in ("count:poisson", "reg:gamma"):
        base = np.log(base)
    return trees, booster["model"]["tree_info"], base.tolist(), objective


def _attributes(trees: Sequence[dict[str, Any]], targets: Sequence[int]) -> dict[str, Any]:
    """The operator's parallel lists. A node goes left ("true") when value < threshold, as in XGBoost."""
    lists: dict[str, Any] = {
        name: []
        for name in (
            "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes", "nodes_truenodeids",
            "nodes_falsenodeids", "nodes_missing_value_tracks_true", "target_treeids", "target_nodeids", "target_ids",
            "target_weights",
        )
    }  # fmt: skip
    for number, tree in enumerate(trees):
        for node, left in enumerate(tree["left_children"]):
            leaf = left == -1
            lists["nodes_treeids"].append(number)
            lists["nodes_nodeids"].append(node)
            lists["nodes_featureids"].append(0 if leaf else tree["split_indices"][node])
            lists["nodes_values"].append(0.0 if leaf else tree["split_conditions"][node])
            lists["nodes_modes"].append("LEAF" if leaf else "BRANCH_LT")
            lists["nodes_truenodeids"].append(0 if leaf else left)
            lists["nodes_falsenodeids"].append(0 if leaf else tree["right_children"][node])
            lists["nodes_missing_value_tracks_true"].append(0 if leaf else tree["default_left"][node])
            if leaf:
                lists["target_treeids"].append(number)
                lists["target_nodeids"].append(node)
                lists["target_ids"].append(targets[number])
                lists["target_weights"].append(tree["split_conditions"][node])
    return lists
