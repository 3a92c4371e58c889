"""A model folder, ready to answer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
import orjson

from slipway.errors import UserError
from slipway.files import read_json
from slipway.learning.ensemble import MADE_BY, load_ensemble, out_of_tolerance
from slipway.serving.requests import MAX_ROWS, Refusal, RequestReader
from slipway.serving.traffic import Traffic

COMPILED = "ensemble.onnx"


class Engine(Protocol):
    """What computes: the mean of the members' probabilities."""

    name: str

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Args: float32, shape (rows, features). Returns: float32, shape (rows,)."""
        ...


class CompiledEngine:
    """``ensemble.onnx`` in ONNX Runtime, on the calling thread: a server's own threads would only fight for the cores.

    Raises:
        UserError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors have no common base
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"{path} is not a model ONNX Runtime {onnxruntime.__version__} can read ({reason})."
            ) from None
        self.name = f"onnxruntime {onnxruntime.__version__}"

    def predict(self, features: np.ndarray) -> np.ndarray:
        probabilities: np.ndarray = self._session.run(["probability"], {"features": features})[0]
        return probabilities


class MemberEngine:
    """The members in XGBoost itself, on one thread: for a folder that was never compiled."""

    def __init__(self, folder: Path) -> None:
        ensemble = load_ensemble(folder)
        self.name = str(ensemble.metadata["library"])
        self.predict = ensemble.predict


@dataclass(frozen=True)
class Model:
    """A model that has answered its golden rows rightly."""

    name: str
    version: str
    engine: Engine
    reader: RequestReader
    schema: dict[str, Any]
    profile: dict[str, Any]
    metadata: dict[str, Any]
    loaded: datetime
    created: datetime
    """When the version was registered, or loaded where nobody says."""


class _Column(msgspec.Struct):
    name: str
    kind: Literal["clock", "integer", "number", "category", "date", "text"]
    nullable: bool
    categories: list[str]
    minimum: float | None
    maximum: float | None
    expectation: str


class _Feature(msgspec.Struct):
    name: str
    source: str
    encoding: str


class _Schema(msgspec.Struct):
    """What the server reads of schema.json; a file may hold more."""

    columns: list[_Column]
    features: list[_Feature]
    question: str = ""


class _Seen(msgspec.Struct):
    buckets: dict[str, int]
    missing: int


class _Profile(msgspec.Struct):
    columns: dict[str, _Seen]


class _Metadata(msgspec.Struct):
    lineage: dict[str, Any] = {}


def load_model(
    folder: Path, name: str, version: str = "", max_rows: int = MAX_ROWS, registered: datetime | None = None
) -> Model:
    """Load a model folder and predict its golden rows, from the request's JSON to the probability.

    Args:
        folder: as :func:`slipway.learning.ensemble.save_ensemble` writes it, with or without ``ensemble.onnx``.
        name: what the protocol calls it.
        version: the registry's number; "local" when empty.
        max_rows: how many rows one request may bring.
        registered: when the version was; the model counts as new when None.

    Raises:
        UserError: a file is missing or broken, or a golden answer differs.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: name a model folder, as `{MADE_BY}` makes one.")
    schema = read_json(folder / "schema.json", MADE_BY, "columns", "tolerance")
    profile = read_json(folder / "profile.json", MADE_BY, "rows", "columns")
    golden = read_json(folder / "golden.json", MADE_BY, "rows", "answers")
    metadata = read_json(folder / "metadata.json", MADE_BY, "members")
    for file, content, form in (
        ("schema.json", schema, _Schema), ("profile.json", profile, _Profile), ("metadata.json", metadata, _Metadata),
    ):  # fmt: skip
        try:
            msgspec.convert(content, form)
        except msgspec.ValidationError as error:
            raise UserError(f"{folder / file}: {error}; expected a file as `{MADE_BY}` writes it.") from None
    engine: Engine = CompiledEngine(folder / COMPILED) if (folder / COMPILED).exists() else MemberEngine(folder)
    try:
        reader = RequestReader(schema, max_rows)
        answers = engine.predict(reader.read(orjson.dumps({"rows": golden["rows"]})))
        expected = np.array(golden["answers"], dtype=np.float32)
        Traffic(schema, profile)
    except Refusal as refusal:
        raise UserError(f"{folder}: schema.json refuses golden.json: {refusal.sentence}") from None
    except (LookupError, TypeError, ValueError) as error:
        raise UserError(
            f"{folder}: schema.json, profile.json and golden.json do not fit each other ({error!r})."
        ) from None
    if answers.shape != expected.shape or not len(expected):
        raise UserError(f"{folder}: {answers.shape[0]} golden rows and {expected.shape[0]} answers: expected as many.")
    if out_of_tolerance(answers, expected, schema["tolerance"]):
        worst = float(np.abs(answers - expected).max())
        raise UserError(
            f"{folder} answers its golden rows wrongly (off by {worst:.3g}, which is more than rounding) "
            f"with {engine.name}: register the model again with the libraries that serve it."
        )
    loaded = datetime.now(UTC)
    return Model(
        name=name,
        version=version or "local",
        engine=engine,
        reader=reader,
        schema=schema,
        profile=profile,
        metadata=metadata,
        loaded=loaded,
        created=registered or loaded,
    )
