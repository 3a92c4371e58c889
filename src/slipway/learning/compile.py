"""Compile the members into ``ensemble.onnx``: the same trees, the same average, one call.

XGBoost answers one row through a path made for matrices; ONNX Runtime walks the same trees in a fraction of the time
and needs no thread pool for it (figures: docs/serving.md). The converter is Slipway's own because the usual one,
onnxmltools, brings scikit-learn, which costs seconds of every start and 130 MB of the image, while what is converted
here is one objective and numeric splits: a table of nodes that both formats share. Everything else is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.errors import UserError
from slipway.learning.ensemble import average, load_ensemble

if TYPE_CHECKING:
    import onnx
    import xgboost as xgb

COMPILED = "ensemble.onnx"
TOLERANCE = 1e-6
"""How far the compiled ensemble may be from XGBoost: the rounding of float32 sums in another order."""
PROBE_ROWS = 4096
_OPSET, _ML_OPSET, _IR = 17, 3, 8  # old enough for every ONNX Runtime since 2022


def compile_ensemble(folder: Path) -> None:
    """Write ``ensemble.onnx`` into a model folder, after proving that it answers as the members do.

    The proof: the golden rows, and 4,096 rows whose every value stands on a split's threshold, one float below it, or
    is missing, so that a wrong comparison or a wrong default direction shows. The largest difference is stored in the
    file (metadata ``max_difference``).

    Raises:
        UserError: the folder is not a model, a member is of a kind that is not converted, or an answer differs by
            more than ``TOLERANCE``.
    """
    import onnx
    import onnxruntime

    ensemble = load_ensemble(folder)
    trees = [_trees(member, folder / "members" / f"{i}.bst") for i, member in enumerate(ensemble.members)]
    features = len(ensemble.schema["features"])
    model = _build(trees, features)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    probes = boundary_rows(trees, features)
    (answers,) = session.run(None, {"features": probes})
    worst = float(np.abs(answers - average(ensemble.members, probes)).max())
    if not worst <= TOLERANCE:
        raise UserError(f"{folder}: the compiled ensemble is off by {worst:.3g} from XGBoost, more than {TOLERANCE:g}.")
    onnx.helper.set_model_props(model, {"max_difference": f"{worst:.3g}", "probe_rows": str(len(probes))})
    partial = folder / f".{COMPILED}.partial"
    try:
        partial.write_bytes(model.SerializeToString(deterministic=True))
        partial.replace(folder / COMPILED)
    finally:
        partial.unlink(missing_ok=True)


def boundary_rows(members: list[list[dict[str, Any]]], features: int, rows: int = PROBE_ROWS) -> np.ndarray:
    """Rows made of the trees' own thresholds, always the same ones: float32, shape (rows, features)."""
    random = np.random.default_rng(0)
    probes = np.empty((rows, features), dtype=np.float32)
    thresholds: list[set[float]] = [set() for _ in range(features)]
    for tree in (tree for trees in members for tree in trees):
        for feature, left, value in zip(
            tree["split_indices"], tree["left_children"], tree["split_conditions"], strict=True
        ):
            if left != -1:
                thresholds[feature].add(value)
    for feature, values in enumerate(thresholds):
        at = np.array(sorted(values) or [0.0], dtype=np.float32)
        choices = np.concatenate([at, np.nextafter(at, np.float32(-np.inf)), np.full(len(at), np.nan, np.float32)])
        probes[:, feature] = random.choice(choices, rows)
    return probes


def _trees(member: xgb.Booster, path: Path) -> list[dict[str, Any]]:
    """The trees of one member as XGBoost's JSON has them, refused where the conversion would not be exact."""
    learner = json.loads(bytes(member.save_raw("json")))["learner"]
    objective = learner["objective"]["name"]
    if objective != "binary:logistic":
        raise UserError(f"{path} has objective {objective}: only binary:logistic is compiled.")
    booster = learner["gradient_booster"]
    if booster["name"] != "gbtree":
        raise UserError(f"{path} is a {booster['name']} booster: only gbtree is compiled.")
    base = float(learner["learner_model_param"]["base_score"].strip("[]"))
    trees: list[dict[str, Any]] = booster["model"]["trees"]
    if any(any(tree["split_type"]) for tree in trees):
        raise UserError(f"{path} splits on categories: only numeric splits are compiled.")
    for tree in trees:
        tree["margin"] = 0.0
    trees[0]["margin"] = float(np.log(base / (1 - base)))
    return trees


def _build(members: list[list[dict[str, Any]]], features: int) -> onnx.ModelProto:
    """One TreeEnsembleRegressor for each member, its logistic, and their mean.

    Input ``features``: float32, shape (rows, features). Output ``probability``: float32, shape (rows,).
    """
    from onnx import TensorProto, helper

    nodes = []
    for i, trees in enumerate(members):
        nodes.append(
            helper.make_node(
                "TreeEnsembleRegressor",
                ["features"],
                [f"margin_{i}"],
                domain="ai.onnx.ml",
                n_targets=1,
                base_values=[sum(tree["margin"] for tree in trees)],
                **_attributes(trees),
            )
        )
        nodes.append(helper.make_node("Sigmoid", [f"margin_{i}"], [f"probability_{i}"]))
    nodes.append(helper.make_node("Mean", [f"probability_{i}" for i in range(len(members))], ["mean"]))
    shape = helper.make_tensor("shape", TensorProto.INT64, [1], [-1])
    nodes.append(helper.make_node("Reshape", ["mean", "shape"], ["probability"]))
    graph = helper.make_graph(
        nodes,
        "ensemble",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, features])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None])],
        initializer=[shape],
    )
    return helper.make_model(
        graph,
        producer_name="slipway",
        ir_version=_IR,
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)],
    )


def _attributes(trees: Iterable[dict[str, Any]]) -> dict[str, Any]:
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
                lists["target_ids"].append(0)
                lists["target_weights"].append(tree["split_conditions"][node])
    return lists
