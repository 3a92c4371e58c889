"""params.yaml, checked: a misspelt key or a number out of range is a sentence, not a surprise an hour later."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slipway.errors import UserError

Model = TypeVar("Model", bound=BaseModel)
PARAMS_FILE = Path("params.yaml")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Split(_Section):
    """How much is held out, and how much a trial is scored on: newest parts, or shares of rows that are drawn.

    Which of the two is the problem's to say: :func:`slipway.learning.split.split_rows` checks it.
    """

    validation: Annotated[float, Field(gt=0)]
    holdout: Annotated[float, Field(gt=0)]


class Train(BaseModel):
    """What surrounds the hyper-parameters; they themselves are the other keys, and the learner's to check."""

    model_config = ConfigDict(extra="allow", frozen=True)

    members: Annotated[int, Field(ge=1, le=50)]
    seed: Annotated[int, Field(ge=0)]
    report_every: Annotated[int, Field(ge=1)]

    def hyper_parameters(self) -> dict[str, Any]:
        """What a search may turn, by name."""
        return dict(self.model_extra or {})


class Report(_Section):
    """From which population stability index the report warns of, or raises, drift."""

    drift_warning: Annotated[float, Field(ge=0)]
    drift_alert: Annotated[float, Field(ge=0)]


class Gate(_Section):
    """When a challenger may take the champion's place."""

    margin: Annotated[float, Field(ge=0)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    resamples: Annotated[int, Field(ge=100)]
    floors: dict[str, float] = {}
    ceilings: dict[str, float] = {}
    slice_min_rows: Annotated[int, Field(ge=1)]
    slice_max_drop: Annotated[float, Field(ge=0)]
    latency_p99_ms: Annotated[float, Field(gt=0)]


class Params(_Section):
    """The whole of params.yaml."""

    split: Split
    train: Train
    report: Report
    gate: Gate


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which does not take a key's second value for its first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """The values of a YAML document.

    Raises:
        yaml.YAMLError: it is none, or a key stands twice in one place.
    """
    return _Loader(text).get_single_data()


def read_yaml_model(model: type[Model], path: Path) -> Model:
    """Read a YAML file into a pydantic model.

    Raises:
        UserError: the file is missing, is not YAML, or a key in it is unknown, missing, there twice or out of range. A
            number in quotes is text, and no number.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run this in the repository's root.") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not in UTF-8 ({error}): save it as UTF-8.") from None
    try:
        return model.model_validate(load_yaml(text), strict=True)
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}.") from None
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {_said(fault)}" for fault in error.errors()
        )
        raise UserError(f"{path}: {faults}.") from None


def _said(fault: object) -> str:
    assert isinstance(fault, dict)
    if fault["type"] == "extra_forbidden":
        return "no such key; remove it or correct its spelling"
    if fault["type"] == "missing":
        return "is missing; add it"
    if fault["type"] == "model_type":
        return f"expected keys and their values, not {fault['input']!r}"
    return f"{fault['msg'][0].lower()}{fault['msg'][1:]}, not {fault['input']!r}"


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read params.yaml.

    Raises:
        UserError: see :func:`read_yaml_model`.
    """
    return read_yaml_model(Params, path)
