"""``k8s/serving/overlays/<env>/model.yaml``: the one file of an overlay that says what it serves.

A promotion rewrites it and nothing else, and `slipway pin` its image. It is a small resource of its own that never
reaches the cluster (kustomize leaves out what is marked local-config); ``k8s/serving/components/served-model`` copies
its fields into the SeldonDeployment or InferenceService. So a promotion's diff is the model and nothing else, and the
same file serves every kind of overlay. ``empty: "true"`` is an environment that has no model yet: then nothing is
deployed at all.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from slipway.errors import UserError

NO_IMAGE = f"not-built@sha256:{'0' * 64}"
_LOCAL = "config.kubernetes.io/local-config"
_ANNOTATIONS = {
    "version": "slipway.dev/model-version",
    "git_sha": "slipway.dev/git-sha",
    "data_md5": "slipway.dev/data-md5",
    "train_image": "slipway.dev/train-image",
    "experiment": "slipway.dev/experiment",
    "registered_at": "slipway.dev/registered-at",
}
_PLAIN = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True)
class ServedModel:
    """What an environment serves and where it comes from; every field is empty where none is known.

    Attributes:
        model_uri: the version's own address, such as s3://bucket/prefix.
        serve_image: the server, NAME@sha256:….
        version: the registry's, NAME/NUMBER; empty when nothing is served yet.
        git_sha: the commit with the code, the parameters and the data that the model was trained with.
        data_md5: DVC's address of the data.
        train_image: the image the model was trained in, NAME@sha256:….
        experiment: the search that found its hyper-parameters.
        registered_at: when the version was registered, as RFC 3339.
    """

    model_uri: str = ""
    serve_image: str = ""
    version: str = ""
    git_sha: str = ""
    data_md5: str = ""
    train_image: str = ""
    experiment: str = ""
    registered_at: str = ""


def render_model_patch(served: ServedModel) -> str:
    """The text of ``model.yaml``; a missing serve image becomes one that cannot be pulled, in plain sight.

    Raises:
        UserError: a value holds a line break or another character that is not printable ASCII.
    """
    for field in fields(served):
        value = getattr(served, field.name)
        if not _PLAIN.fullmatch(value):
            raise UserError(f"{field.name} is {value!r}, expected printable ASCII on one line.")
    quoted = json.dumps  # JSON's strings are YAML's
    lines = [
        "# What this environment serves. `slipway promote` and `slipway pin` write it; commit it and nothing else.",
        "apiVersion: slipway.dev/v1",
        "kind: ServedModel",
        "metadata:",
        "  name: served",
        "  annotations:",
        f'    {_LOCAL}: "true"',
        *(f"    {key}: {quoted(getattr(served, name))}" for name, key in _ANNOTATIONS.items()),
        "spec:",
        f"  modelUri: {quoted(served.model_uri)}",
        f'  empty: "{"false" if served.version else "true"}"',
        "  # The server. This line parts it from the model: either may be changed, or reverted, without the other.",
        f"  image: {quoted(served.serve_image or NO_IMAGE)}",
    ]
    return "\n".join(lines) + "\n"


def read_model_patch(path: Path) -> ServedModel:
    """The inverse of :func:`render_model_patch`.

    Raises:
        UserError: the file is missing, or is not one that ``slipway promote`` wrote.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} is missing: `slipway promote` writes it.") from None
    try:
        value = yaml.safe_load(text)
        annotations, spec = value["metadata"]["annotations"], value["spec"]
        served = ServedModel(
            model_uri=spec["modelUri"],
            serve_image="" if spec["image"] == NO_IMAGE else spec["image"],
            **{name: annotations[key] for name, key in _ANNOTATIONS.items()},
        )
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise UserError(f"{path} is no ServedModel ({' '.join(str(error).split())}): restore it from Git.") from None
    if not all(isinstance(getattr(served, field.name), str) for field in fields(served)):
        raise UserError(f"{path}: every value must be a string, in quotes.")
    if value != yaml.safe_load(render_model_patch(served)):
        raise UserError(f"{path} holds something that `slipway promote` does not write: restore it from Git.")
    return served
