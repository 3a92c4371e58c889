"""A model folder, ready to answer: all that is known of the model, and of its task, is in the folder."""

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
from slipway.problem.folder import COMPILED, FORMAT, MADE_BY, out_of_tolerance
from slipway.problem.tasks import Output
from slipway.serving.requests import MAX_ROWS, Refusal, RequestReader
from slipway.serving.traffic import Traffic


class Engine(Protocol):
    """What computes: the mean of the members' answers."""

    name: str

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Args: float32, shape (rows, features). Returns: float32, shape (rows,) or (rows, output's width)."""
        ...


class CompiledEngine:
    """``ensemble.onnx`` in ONNX Runtime, on the calling thread: a server's own threads would only fight for the cores.

    Args:
        path: of the file.
        output: the tensor that holds the answers.
        features: how many it takes.

    Raises:
        UserError: the file cannot be read, or takes or gives something else.
    """

    def __init__(self, path: Path, output: str, features: int) -> None:
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
        inputs = [(value.name, value.shape[1:]) for value in self._session.get_inputs()]
        outputs = [value.name for value in self._session.get_outputs()]
        if inputs != [("features", [features])] or outputs != [output]:
            raise UserError(
                f"{path} is of another model than schema.json: it makes {', '.join(outputs)} of {inputs}, expected "
                f"{output} of {features} features."
            )
        self._output = [output]
        self.name = f"onnxruntime {onnxruntime.__version__}"

    def predict(self, features: np.ndarray) -> np.ndarray:
        answers: np.ndarray = self._session.run(self._output, {"features": features})[0]
        return answers


@dataclass(frozen=True)
class Model:
    """A model that has answered its golden rows rightly."""

    name: str
    version: str
    engine: Engine
    reader: RequestReader
    output: Output
    schema: dict[str, Any]
    profile: dict[str, Any]
    metadata: dict[str, Any]
    loaded: datetime
    created: datetime
    """When the version was registered, or loaded where nobody says."""


class _Drift(msgspec.Struct):
    feature: int
    edges: list[float]
    buckets: list[str]


class _Column(msgspec.Struct):
    name: str
    kind: Literal["clock", "integer", "number", "category", "date", "text"]
    nullable: bool
    categories: list[str]
    other: bool
    hashed: int
    minimum: float | None
    maximum: float | None
    expectation: str
    drift: _Drift


class _Feature(msgspec.Struct):
    name: str
    source: str
    encoding: str


class _Name(msgspec.Struct):
    answer: str


class _Task(msgspec.Struct):
    kind: Literal["binary", "multiclass", "regression", "ranking"]
    classes: list[str] = []
    unit: str = ""
    group: str = ""


class _Tolerance(msgspec.Struct):
    absolute: float
    relative: float


class _Schema(msgspec.Struct):
    """What the server reads of schema.json; a file may hold more."""

    name: _Name
    task: _Task
    output: Output
    tolerance: _Tolerance
    columns: list[_Column]
    features: list[_Feature]
    question: str = ""


class _Seen(msgspec.Struct):
    buckets: dict[str, int]
    missing: int


class _Scores(msgspec.Struct):
    edges: list[float]
    buckets: list[str]
    counts: list[int]


class _Profile(msgspec.Struct):
    columns: dict[str, _Seen]
    scores: _Scores


class _Metadata(msgspec.Struct):
    lineage: dict[str, Any] = {}


def load_model(
    folder: Path, name: str, version: str = "", max_rows: int = MAX_ROWS, registered: datetime | None = None
) -> Model:
    """Load a model folder and predict its golden rows, from the request's JSON to the answer.

    Args:
        folder: as `slipway register` stores it: docs/architecture.md says what each file holds.
        name: what the protocol calls it.
        version: the registry's number; "local" when empty.
        max_rows: how many rows one request may bring.
        registered: when the version was; the model counts as new when None.

    Raises:
        UserError: a file is missing or broken, or a golden answer differs.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    schema, profile, golden, metadata = _read(folder)
    output = msgspec.convert(schema["output"], Output)
    engine = CompiledEngine(folder / COMPILED, output.name, len(schema["features"]))
    try:
        reader = RequestReader(schema, max_rows)
        features = reader.read(orjson.dumps({"rows": golden["rows"]}))
        answers = engine.predict(features)
        expected = np.array(golden["answers"], dtype=np.float32)
        if not answers.shape == expected.shape == output.shape(len(features)):
            raise ValueError(f"answers of shape {answers.shape}, golden.json's {expected.shape}, for {output}")
        Traffic(schema, profile).count([(features, answers)])
    except Refusal as refusal:
        raise UserError(f"{folder}: schema.json refuses golden.json: {refusal.sentence}") from None
    except (LookupError, TypeError, ValueError) as error:
        raise UserError(
            f"{folder}: schema.json, profile.json and golden.json do not fit each other ({error!r})."
        ) from None
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
        output=output,
        schema=schema,
        profile=profile,
        metadata=metadata,
        loaded=loaded,
        created=registered or loaded,
    )


def _read(folder: Path) -> tuple[Any, Any, Any, Any]:
    """schema.json, profile.json, golden.json and metadata.json, each of its form.

    Raises:
        UserError: one is missing or of another form, or the ensemble was never compiled.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: name a model folder, as `{MADE_BY}` makes one.")
    schema = read_json(folder / "schema.json", MADE_BY, "columns")
    if schema.get("format") != FORMAT:
        raise UserError(
            f"{folder / 'schema.json'}: format is {schema.get('format', 1)}, and this server reads {FORMAT}: train and "
            "register the model again with the code that serves it."
        )
    profile = read_json(folder / "profile.json", MADE_BY, "rows", "columns", "scores")
    golden = read_json(folder / "golden.json", MADE_BY, "rows", "answers")
    metadata = read_json(folder / "metadata.json", MADE_BY, "members")
    for file, content, form in (
        ("schema.json", schema, _Schema), ("profile.json", profile, _Profile), ("metadata.json", metadata, _Metadata),
    ):  # fmt: skip
        try:
            msgspec.convert(content, form)
        except msgspec.ValidationError as error:
            raise UserError(f"{folder / file}: {error}; expected a file as `{MADE_BY}` writes it.") from None
    classes = schema["task"].get("classes", [])
    if len(classes) != schema["output"]["width"]:
        raise UserError(
            f"{folder / 'schema.json'}: task has {len(classes)} classes and output a width of "
            f"{schema['output']['width']}; expected a file as `{MADE_BY}` writes it."
        )
    if not (folder / COMPILED).exists():
        raise UserError(
            f"{folder} holds no {COMPILED}: `python -m slipway register` writes it; or start the server with "
            "--compile, where the library is installed that the model was trained with."
        )
    return schema, profile, golden, metadata
