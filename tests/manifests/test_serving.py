"""What Argo CD would apply: built by the real kustomize, held to the real types, before and after a promotion."""

from __future__ import annotations

import copy
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway.errors import UserError
from slipway.release.manifest import NO_IMAGE, ServedModel, read_model_patch, render_model_patch
from tests.manifests.strict import faults

ROOT = Path(__file__).resolve().parents[2]
SERVING = ROOT / "k8s/serving"
OVERLAYS = sorted(path.parent.name for path in SERVING.glob("overlays/*/model.yaml"))
PROMOTED = ServedModel(
    model_uri="s3://slipway-models/mlflow/1/models/m-0a/artifacts",
    serve_image=f"ghcr.io/your-org/your-repo/serve@sha256:{'a' * 64}",
    version="flight-delay/7",
    git_sha="b" * 40,
    data_md5=f"{'c' * 32}.dir",
    train_image=f"ghcr.io/your-org/your-repo/train@sha256:{'d' * 64}",
    experiment="tune-0123456789ab",
    registered_at="2026-11-24T12:00:00+00:00",
)


def build(folder: Path) -> list[dict[str, Any]]:
    """The objects of a kustomization."""
    built = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, timeout=60)
    assert built.returncode == 0, built.stderr
    return [value for value in yaml.safe_load_all(built.stdout) if value]


@pytest.fixture(scope="session")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Every overlay's objects after a promotion."""
    copied = tmp_path_factory.mktemp("k8s") / "serving"
    shutil.copytree(SERVING, copied)
    for overlay in OVERLAYS:
        (copied / "overlays" / overlay / "model.yaml").write_text(render_model_patch(PROMOTED))
    return {overlay: build(copied / "overlays" / overlay) for overlay in OVERLAYS}


def served(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """The one object that serves."""
    (found,) = (value for value in objects if value["kind"] in ("SeldonDeployment", "InferenceService"))
    return found


def test_staging_and_production_are_there() -> None:
    assert {"staging", "production"} <= set(OVERLAYS)
    assert all(read_model_patch(SERVING / "overlays" / overlay / "model.yaml") for overlay in OVERLAYS)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_fresh_clone_deploys_nothing(overlay: str, tmp_path: Path) -> None:
    shutil.copytree(SERVING, tmp_path / "serving")
    folder = tmp_path / "serving/overlays" / overlay
    (folder / "model.yaml").write_text(render_model_patch(ServedModel()))
    assert not [value for value in build(folder) if value["kind"] in ("SeldonDeployment", "InferenceService")]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_as_its_type_says(overlay: str, promoted: dict[str, Any]) -> None:
    assert promoted[overlay]
    for value in promoted[overlay]:
        assert faults(value) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_promotion_reaches_every_place(overlay: str, promoted: dict[str, Any]) -> None:
    value = served(promoted[overlay])
    notes = value["metadata"]["annotations"]
    assert notes["slipway.dev/model-version"] == PROMOTED.version
    assert notes["slipway.dev/git-sha"] == PROMOTED.git_sha
    assert notes["slipway.dev/data-md5"] == PROMOTED.data_md5
    assert notes["slipway.dev/train-image"] == PROMOTED.train_image
    assert notes["slipway.dev/experiment"] == PROMOTED.experiment
    text = yaml.safe_dump(value)
    assert PROMOTED.model_uri in text
    assert PROMOTED.serve_image in text or overlay == "graph"  # whose parts run in an image of their own
    assert NO_IMAGE not in text and "''" not in text, "a value was never filled in"


@pytest.mark.parametrize("overlay", ["staging", "production"])
def test_the_pod_is_fit_for_a_shared_node(overlay: str, promoted: dict[str, Any]) -> None:
    (predictor,) = served(promoted[overlay])["spec"]["predictors"]
    (component,) = predictor["componentSpecs"]
    (container,) = component["spec"]["containers"]
    assert {"name": "OMP_NUM_THREADS", "value": "1"} in container["env"]
    assert {"name": "SLIPWAY_MODEL_VERSION", "value": "flight-delay/7"} in container["env"]
    assert {"name": "SLIPWAY_MODEL_REGISTERED_AT", "value": PROMOTED.registered_at} in container["env"]
    assert container["resources"]["requests"]["cpu"] and "cpu" not in container["resources"]["limits"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/v2/health/ready"
    assert component["spec"]["securityContext"]["runAsNonRoot"] is True
    assert component["spec"]["topologySpreadConstraints"] and component["pdbSpec"]
    assert predictor["graph"]["envSecretRefName"] == "slipway-models"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_container_has_rights_or_a_writable_root(overlay: str, promoted: dict[str, Any]) -> None:
    spec = served(promoted[overlay])["spec"]
    pods = [spec["predictor"]] if "predictor" in spec else [p["componentSpecs"][0]["spec"] for p in spec["predictors"]]
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001
        for container in pod["containers"]:
            rights = container["securityContext"]
            assert rights["readOnlyRootFilesystem"] and not rights["allowPrivilegeEscalation"]
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]


def test_the_graph_s_image_has_the_base_of_the_others() -> None:
    bases = [
        next(line.split()[1] for line in (ROOT / path).read_text().splitlines() if line.startswith("FROM "))
        for path in ("Dockerfile", "k8s/serving/overlays/graph/Dockerfile")
    ]
    assert bases[0] == bases[1]


def test_the_graph_has_the_ensemble_s_members_one_by_one(promoted: dict[str, Any]) -> None:
    (predictor,) = served(promoted["graph"])["spec"]["predictors"]
    (combiner,) = predictor["graph"]["children"]
    assert [unit["parameters"][1]["value"] for unit in combiner["children"]] == [
        str(number) for number in range(len(combiner["children"]))
    ]
    assert all(unit["modelUri"] == PROMOTED.model_uri for unit in [predictor["graph"], *combiner["children"]])


def test_the_flags_in_the_manifest_are_the_server_s(promoted: dict[str, Any]) -> None:
    import argparse

    from slipway.serving import serve

    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    (predictor,) = served(promoted["production"])["spec"]["predictors"]
    args = parser.parse_args(predictor["componentSpecs"][0]["spec"]["containers"][0]["args"])
    assert args.name == predictor["graph"]["name"]
    assert args.port == predictor["componentSpecs"][0]["spec"]["containers"][0]["ports"][0]["containerPort"]


@pytest.mark.parametrize(
    ("component", "expected"),
    [("canary", [(90, False), (10, False)]), ("shadow", [(None, False), (100, True)])],
)
def test_a_second_model_beside_the_first(component: str, expected: list[Any], tmp_path: Path) -> None:
    shutil.copytree(SERVING, tmp_path / "serving")
    overlay = tmp_path / "serving/overlays/production"
    second = replace(PROMOTED, version="flight-delay/8", model_uri="s3://slipway-models/mlflow/1/models/m-0b/artifacts")
    (overlay / "model.yaml").write_text(render_model_patch(PROMOTED))
    (overlay / "second.yaml").write_text(render_model_patch(second).replace("name: served", "name: second"))
    kustomization = yaml.safe_load((overlay / "kustomization.yaml").read_text())
    kustomization["resources"].append("second.yaml")
    kustomization["components"].append(f"../../components/{component}")
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    objects = build(overlay)
    assert [faults(value) for value in objects] == [[]] * len(objects)
    predictors = served(objects)["spec"]["predictors"]
    assert [(p.get("traffic"), p.get("shadow", False)) for p in predictors] == expected
    assert [p["graph"]["modelUri"] for p in predictors] == [PROMOTED.model_uri, second.model_uri]
    versions = [p["componentSpecs"][0]["spec"]["containers"][0]["env"][0]["value"] for p in predictors]
    assert versions == [PROMOTED.version, second.version]


def _misspell(value: Any, *path: Any) -> Any:
    """``value`` with the key at the end of ``path`` written wrongly."""
    changed = copy.deepcopy(value)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1] + "x"] = at.pop(path[-1])
    return changed


_CONTAINER = ("spec", "predictors", 0, "componentSpecs", 0, "spec", "containers", 0)


@pytest.mark.parametrize(
    "path",
    [
        ("spec", "protocol"),
        ("spec", "predictors", 0, "graph", "modelUri"),
        ("spec", "predictors", 0, "componentSpecs", 0, "hpaSpec"),
        ("spec", "predictors", 0, "componentSpecs", 0, "hpaSpec", "maxReplicas"),
        ("spec", "predictors", 0, "componentSpecs", 0, "spec", "topologySpreadConstraints"),
        (*_CONTAINER, "readinessProbe"),
        (*_CONTAINER, "readinessProbe", "httpGet", "path"),
        (*_CONTAINER, "securityContext", "capabilities", "drop"),
        (*_CONTAINER, "resources", "requests"),
        (*_CONTAINER, "name"),
    ],
    ids=lambda path: ".".join(map(str, path[-2:])),
)
def test_a_misspelt_field_is_caught(path: tuple[Any, ...], promoted: dict[str, Any]) -> None:
    value = served(promoted["production"])
    assert faults(value) == []
    assert faults(_misspell(value, *path))


def test_a_misspelt_kserve_field_is_caught(promoted: dict[str, Any]) -> None:
    value = served(promoted["kserve"])
    for path in (("spec", "predictor", "minReplicas"), ("spec", "predictor", "containers", 0, "readinessProbe")):
        assert faults(_misspell(value, *path))


def test_a_wrong_type_is_caught(promoted: dict[str, Any]) -> None:
    value = copy.deepcopy(served(promoted["production"]))
    value["spec"]["predictors"][0]["componentSpecs"][0]["spec"]["containers"][0]["env"][0]["value"] = 1
    assert faults(value)


def test_what_is_rendered_is_read_back(tmp_path: Path) -> None:
    for value in (ServedModel(), PROMOTED, ServedModel(version='odd "name"\\/1', model_uri="s3://b/ü".encode().hex())):
        (tmp_path / "model.yaml").write_text(render_model_patch(value))
        assert read_model_patch(tmp_path / "model.yaml") == value


def test_a_promotion_is_a_short_diff_of_values_only() -> None:
    before, after = (render_model_patch(value).splitlines() for value in (ServedModel(), PROMOTED))
    changed = [line for line, other in zip(after, before, strict=True) if line != other]
    assert len(after) < 20 and len(changed) == 9


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: ServedModel\n", "is no ServedModel"),
        ("a: [", "is no ServedModel"),
        (render_model_patch(PROMOTED).replace('"flight-delay/7"', "7"), "must be a string"),
        (render_model_patch(PROMOTED) + "  replicas: 3\n", "does not write"),
    ],
)
def test_an_edited_manifest_is_a_sentence(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text(text)
    with pytest.raises(UserError, match=says):
        read_model_patch(tmp_path / "model.yaml")


def test_a_value_with_a_line_break_is_refused() -> None:
    with pytest.raises(UserError, match="experiment is"):
        render_model_patch(ServedModel(experiment="a\nb: c"))
