"""serve-image, run by act with a real container registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.release.manifest import read_model_patch
from slipway.release.oci import digest_of
from slipway.release.pin import KUSTOMIZATIONS
from tests.workflows.conftest import WITH, Repository, needs_registry
from tests.workflows.test_data_pushed import BUILD

HEAD = "slipway/serve-image"


@needs_registry
@pytest.mark.runs("serve-image", "push", WITH)
@pytest.mark.runs("serve-image", "workflow_dispatch", WITH)
def test_the_images_without_data_are_built_once_and_proposed_where_they_run(light: Repository, tmp_path: Path) -> None:
    light.settings["MLFLOW_TRACKING_URI"] = "http://mlflow.example"
    main = light.github.head_of(light.name, "main")
    run = light.pushed("main", "serve-image")
    assert run.green, run
    builds = {build["target"]: build for build in run.inputs_of(BUILD)}
    assert set(builds) == {"serve", "loop", "mlflow"}
    digests = {}
    for target, build in builds.items():
        assert build["push"] == "true" and build["build-args"] == f"REVISION={main}"
        image, _, tag = build["tags"].rpartition(":")
        digests[target] = f"{image}@{digest_of(image, tag)}"
    pinned = digests["serve"]
    changed = light.git("-C", str(light.github.git_folder(light.name)), "diff", "--name-only", main, HEAD).split()
    served_by = [f"k8s/serving/overlays/{env}/model.yaml" for env in ("graph", "kserve", "production", "staging")]
    assert changed == [*map(str, KUSTOMIZATIONS.values()), *served_by]
    for target, kustomization in KUSTOMIZATIONS.items():
        digest = digests[target].partition("@")[2]
        assert f"    digest: {digest}\n" in light.show(HEAD, str(kustomization))
    for path in served_by:
        (tmp_path / "model.yaml").write_text(light.show(HEAD, path), encoding="utf-8")
        served = read_model_patch(tmp_path / "model.yaml")
        assert (served.serve_image, served.version) == (pinned, ""), "the model is another promotion's affair"
    assert [it["head"] for it in light.state.pulls.values()] == [HEAD] and light.state.labels[1] == ["serve-image"]

    # A new month is no new server.
    light.edit("Dockerfile", "# data: end", "COPY --from=data /layers/2013-06 /\n# data: end")
    light.push("main", "June")
    again = light.run("serve-image", "workflow_dispatch", {})
    assert again.green and again.inputs_of(BUILD) == [], "the registry has this content already"
    assert len(light.state.pulls) == 1
    assert light.state.violations == []
