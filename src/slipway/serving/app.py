"""What the server holds and says: its models, the Open Inference Protocol V2 around them, and /metrics.

Predictions do not come this way: the server's protocol asks :meth:`App.target` what a request wants and answers it
without ASGI's task and messages for each, which cost more than a row's prediction (docs/serving.md).
"""

from __future__ import annotations

import asyncio
import hmac
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools
import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from slipway.errors import UserError
from slipway.serving.metrics import CONTENT_TYPE, Metrics
from slipway.serving.model import Model
from slipway.serving.origin import Origin
from slipway.serving.predictions import (
    MAX_BODY,
    Loaded,
    Target,
    check_headers,
    read_rows,
    read_tensors,
    too_large,
    too_slow,
)  # fmt: skip
from slipway.serving.requests import MAX_ROWS, Refusal

BODY_SECONDS = 10.0
_NOWHERE = Origin("")


class App:
    """Serves the models it holds.

    Args:
        metrics: where requests are counted.
        default: the name of the model that ``/predict`` asks.
        token: what repository calls must bring; they are refused altogether when it is empty.
        max_rows: how many rows one request may bring.
        max_body: how many bytes one request may bring.
        body_seconds: how long a client may take to send them.
        compiled: compile what is loaded while running, if nobody has.

    Attributes:
        draining: set when the process is about to end; readiness is then denied.
        in_flight: how many predictions are being answered or wait for it.
    """

    def __init__(
        self,
        metrics: Metrics,
        default: str,
        token: str = "",
        max_rows: int = MAX_ROWS,
        max_body: int = MAX_BODY,
        body_seconds: float = BODY_SECONDS,
        compiled: bool = False,
    ) -> None:
        self.metrics, self.default = metrics, default
        self.max_rows, self.max_body, self.body_seconds = max_rows, max_body, body_seconds
        self.compiled = compiled
        self.draining = False
        self.in_flight = 0
        metrics.in_flight.set_function(lambda: self.in_flight)
        metrics.waiting.set_function(lambda: sum(loaded.waiting() for loaded in self._models.values()))
        self._token = token.strip().encode()  # a file's last newline is no part of it
        self._models: dict[str, Loaded] = {}
        self._targets: dict[bytes, Target] = {}
        self._origins: dict[str, Origin] = {}
        self._changing = asyncio.Lock()
        self._rest = Starlette(routes=self._routes(), exception_handlers={HTTPException: _http_error})
        self._rest.router.redirect_slashes = False  # it would send the caller to whatever Host he named

    def put(self, model: Model, origin: Origin = _NOWHERE) -> None:
        """Serve ``model``, come from ``origin``, from the next request on, in the place of the one of its name."""
        self._models = {**self._models, model.name: Loaded(model, self.metrics)}
        self._origins[model.name] = origin
        self._index()

    def remove(self, name: str) -> None:
        """Serve no model of this name from the next request on."""
        self._models = {key: loaded for key, loaded in self._models.items() if key != name}
        self._index()

    def _index(self) -> None:
        self.metrics.models = {name: (loaded.model, loaded.traffic) for name, loaded in self._models.items()}
        targets: dict[bytes, Target] = {}
        for name, loaded in self._models.items():
            for path in (name, f"{name}/versions/{loaded.model.version}"):
                targets[f"/v2/models/{path}/infer".encode()] = Target(loaded, read_tensors, "infer")
        if self.default in self._models:
            targets[b"/predict"] = Target(self._models[self.default], read_rows, "/predict")
        self._targets = targets

    def target(self, url: bytes) -> Target | None:
        """What a POST to ``url``, as it stands in the request, is to predict; None when it is for :meth:`__call__`."""
        target = self._targets.get(url)
        return target or self._targets.get(unquote_to_bytes(httptools.parse_url(url).path))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Everything but predictions."""
        await self._rest(scope, receive, send)

    def _routes(self) -> list[Route]:
        model = "/v2/models/{name}"
        routes = []
        for path, methods, handler in (
            ("/metrics", ["GET"], self._metrics_text),
            ("/v2", ["GET"], self._server_metadata),
            ("/v2/health/live", ["GET"], self._live),
            ("/v2/health/ready", ["GET"], self._ready),
            (model, ["GET"], self._model_metadata),
            (f"{model}/versions/{{version}}", ["GET"], self._model_metadata),
            (f"{model}/ready", ["GET"], self._model_ready),
            (f"{model}/versions/{{version}}/ready", ["GET"], self._model_ready),
            (f"{model}/infer", ["POST"], self._unknown_model),
            (f"{model}/versions/{{version}}/infer", ["POST"], self._unknown_model),
            ("/predict", ["POST"], self._unknown_model),
            ("/v2/repository/index", ["POST"], self._repository_index),
            ("/v2/repository/models/{name}/load", ["POST"], self._repository_load),
            ("/v2/repository/models/{name}/unload", ["POST"], self._repository_unload),
        ):
            routes.append(Route(path, handler, methods=methods))
        return routes

    async def _metrics_text(self, request: Request) -> Response:
        return Response(self.metrics.text(), media_type=CONTENT_TYPE)

    async def _server_metadata(self, request: Request) -> Response:
        return _json({"name": "slipway", "version": "1", "extensions": ["model_repository"]})

    async def _live(self, request: Request) -> Response:
        return _json({"live": True})

    async def _ready(self, request: Request) -> Response:
        ready = bool(self._models) and not self.draining
        return _json({"ready": ready}, 200 if ready else 503)

    def _loaded(self, request: Request) -> Loaded:
        loaded = self._models.get(request.path_params["name"])
        version = request.path_params.get("version")
        if loaded is None or (version and version != loaded.model.version):
            raise HTTPException(404, self._who_is_here())
        return loaded

    def _who_is_here(self) -> str:
        here = ", ".join(f"{loaded.model.name} version {loaded.model.version}" for loaded in self._models.values())
        return f"no such model; here are: {here or 'none'}."

    async def _unknown_model(self, request: Request) -> Response:
        raise HTTPException(404, self._who_is_here())

    async def _model_ready(self, request: Request) -> Response:
        ready = not self.draining
        return _json({"name": self._loaded(request).model.name, "ready": ready}, 200 if ready else 503)

    async def _model_metadata(self, request: Request) -> Response:
        loaded = self._loaded(request)
        model = loaded.model
        columns = [
            {
                "name": name,
                "datatype": _datatype(column),
                "shape": [-1],
                "parameters": {"expectation": column["expectation"]},
            }
            for name, column in model.reader.columns.items()
        ]
        return _json(
            {
                "name": model.name,
                "versions": [model.version],
                "platform": model.engine.name.replace(" ", "_"),
                "inputs": columns,
                "outputs": [_output(model)],
                "parameters": {
                    "question": model.schema.get("question", ""),
                    "features": [feature["name"] for feature in model.reader.features],
                    "max_rows": model.reader.max_rows,
                },
            }
        )

    async def _repository_index(self, request: Request) -> Response:
        self._authorise(request)
        return _json(
            [
                {"name": name, "version": loaded.model.version, "state": "READY", "reason": ""}
                for name, loaded in self._models.items()
            ]
        )

    async def _repository_load(self, request: Request) -> Response:
        self._authorise(request)
        name = request.path_params["name"]
        parameters = await self._parameters(request)
        uri, version = parameters.get("uri", ""), parameters.get("version", "")
        before = self._origins.get(name, Origin("", compiled=self.compiled))
        if type(uri) is not str or type(version) is not str or not (uri or before.uri):
            raise HTTPException(400, 'the body must be {"parameters": {"uri": "...", "version": "..."}}.')
        origin = before.asked(uri, version)

        async with self._changing:
            try:
                model = await asyncio.get_running_loop().run_in_executor(None, origin.load, name, self.max_rows)
            except UserError as error:
                self.metrics.loads.labels("refused").inc()
                raise HTTPException(400, f"{name} stays as it was: {error}") from None
            self.put(model, origin)
            self.metrics.loads.labels("loaded").inc()
        return _json({"name": name, "version": model.version})

    async def _repository_unload(self, request: Request) -> Response:
        self._authorise(request)
        name = request.path_params["name"]
        async with self._changing:
            if name not in self._models:
                raise HTTPException(404, self._who_is_here())
            self.remove(name)
        return _json({"name": name})

    def _authorise(self, request: Request) -> None:
        if not self._token:
            raise HTTPException(403, "repository calls are off: start the server with SLIPWAY_ADMIN_TOKEN set.")
        scheme, _, given = request.headers.get("authorization", "").strip().partition(" ")
        right = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), self._token)
        if scheme.lower() != "bearer" or not right:
            sentence = "repository calls need the header `Authorization: Bearer <token>`."
            raise HTTPException(401, sentence, {"www-authenticate": "Bearer"})

    async def _parameters(self, request: Request) -> dict[str, Any]:
        raw = b""
        try:
            check_headers(request.headers.raw, self.max_body)
            async with asyncio.timeout(self.body_seconds):
                async for part in request.stream():
                    raw += part
                    if len(raw) > self.max_body:
                        raise too_large(self.max_body)
        except Refusal as refusal:
            raise HTTPException(refusal.status, refusal.sentence) from None
        except TimeoutError:
            raise HTTPException(408, too_slow(self.body_seconds).sentence) from None
        except ClientDisconnect:
            raise HTTPException(400, "the client left.") from None
        try:
            body = orjson.loads(raw or b"{}")
        except orjson.JSONDecodeError as error:
            raise HTTPException(400, f"the body is not JSON: {error}.") from None
        parameters = body.get("parameters", {}) if isinstance(body, dict) else None
        if not isinstance(parameters, dict):
            raise HTTPException(400, 'the body must be {"parameters": {"uri": "...", "version": "..."}}.')
        return parameters


def _datatype(column: dict[str, Any]) -> str:
    """A column's, as V2 calls it. Values are taken in any that can hold them."""
    if column["kind"] == "integer" and (column["minimum"] is None or column["maximum"] is None):
        return "INT64"
    return {"number": "FP64", "clock": "INT32", "integer": "INT32"}.get(column["kind"], "BYTES")


def _output(model: Model) -> dict[str, Any]:
    """What V2 says of the answer: its tensor, and what its numbers mean where the name does not say it."""
    width, task = model.output.width, model.schema["task"]
    tensor = {"name": model.output.name, "datatype": "FP32", "shape": [-1, width] if width else [-1]}
    meaning = {key: task[key] for key in ("classes", "unit", "group") if task.get(key)}
    return tensor | {"parameters": meaning} if meaning else tensor


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = _json({"error": error.detail}, error.status_code)
    response.headers.update(error.headers or {})
    return response
