"""The ASGI application: /predict, the Open Inference Protocol V2, its repository calls, and /metrics.

The two paths that predict are answered before Starlette's router sees them; everything else is Starlette's.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import numpy as np
import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from slipway.errors import UserError
from slipway.serving.metrics import CONTENT_TYPE, Metrics
from slipway.serving.model import Model, load_model
from slipway.serving.requests import MAX_ROWS, Refusal
from slipway.serving.source import fetched
from slipway.serving.traffic import Traffic

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Respond = Callable[["Loaded", Any], tuple[np.ndarray, Callable[[np.ndarray], Any]]]

MAX_BODY = 4 * 1024 * 1024
BODY_SECONDS = 10.0
INLINE_ROWS = 64
"""Up to this many rows the answer takes under a millisecond, less than handing it to a thread and back."""
_DISCARDED = 16
"""How many times the largest body is read and thrown away before the connection is cut."""
_DUMP = orjson.OPT_SERIALIZE_NUMPY
_JSON = (b"content-type", b"application/json")


class Loaded:
    """A model with what it is asked.

    Requests that arrived in the same turn of the event loop are answered by one call of the engine: 32 rows at once
    cost a third of 32 rows one by one. Nobody waits for a batch to fill, and what is joined has been checked before,
    row by row, so that no request can harm another.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.traffic = Traffic(model.schema, model.profile)
        self.signature = {"name": model.name, "version": model.version}
        self._waiting: deque[tuple[np.ndarray, asyncio.Future[np.ndarray]]] = deque()

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Answer now, on this thread."""
        probabilities = self.model.engine.predict(features)
        self.traffic.add(features, probabilities)
        return probabilities

    async def predict_with_others(self, features: np.ndarray) -> np.ndarray:
        """Answer together with what else has arrived by now."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._predict_waiting)
        future = loop.create_future()
        self._waiting.append((features, future))
        return await future

    def _predict_waiting(self) -> None:
        parts: list[tuple[np.ndarray, asyncio.Future[np.ndarray]]] = []
        rows = 0
        while self._waiting and (not parts or rows + len(self._waiting[0][0]) <= INLINE_ROWS):
            parts.append(self._waiting.popleft())
            rows += len(parts[-1][0])
        if self._waiting:  # let these answers go out first
            asyncio.get_running_loop().call_soon(self._predict_waiting)
        try:
            answers = self.predict(np.concatenate([features for features, _ in parts]))
        except Exception as error:
            for _, future in parts:
                if not future.done():
                    future.set_exception(error)
            return
        start = 0
        for features, future in parts:
            if not future.done():
                future.set_result(answers[start : start + len(features)])
            start += len(features)


class App:
    """Serves the models it holds.

    Args:
        metrics: where requests are counted.
        default: the name of the model that ``/predict`` asks.
        token: what repository calls must bring; they are refused altogether when it is empty.
        max_rows: how many rows one request may bring.
        max_body: how many bytes one request may bring.
        body_seconds: how long a client may take to send them.

    Attributes:
        draining: set when the process is about to end; readiness is then denied.
        in_flight: how many predictions are being answered or wait for it.
        receiving: how many of them wait for the rest of their body.
    """

    def __init__(
        self,
        metrics: Metrics,
        default: str,
        token: str = "",
        max_rows: int = MAX_ROWS,
        max_body: int = MAX_BODY,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self.metrics, self.default = metrics, default
        self.max_rows, self.max_body, self.body_seconds = max_rows, max_body, body_seconds
        self.draining = False
        self.in_flight = self.receiving = 0
        metrics.in_flight.set_function(lambda: self.in_flight)
        self._token = token.encode()
        self._models: dict[str, Loaded] = {}
        self._predicting: dict[str, tuple[Loaded, Respond, str]] = {}
        self._sources: dict[str, str] = {}
        self._changing = asyncio.Lock()
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large-batch")
        self._rest = Starlette(routes=self._routes(), exception_handlers={HTTPException: _http_error})

    def put(self, model: Model, source: str = "") -> None:
        """Serve ``model`` from the next request on, in the place of the one of its name."""
        self._models = {**self._models, model.name: Loaded(model)}
        self._sources[model.name] = source
        self._index()

    def remove(self, name: str) -> None:
        """Serve no model of this name from the next request on."""
        self._models = {key: loaded for key, loaded in self._models.items() if key != name}
        self._index()

    def _index(self) -> None:
        self.metrics.models = {name: (loaded.model, loaded.traffic) for name, loaded in self._models.items()}
        paths: dict[str, tuple[Loaded, Respond, str]] = {}
        for name, loaded in self._models.items():
            for path in (name, f"{name}/versions/{loaded.model.version}"):
                paths[f"/v2/models/{path}/infer"] = (loaded, _infer, "infer")
        if self.default in self._models:
            paths["/predict"] = (self._models[self.default], _predict, "/predict")
        self._predicting = paths

    def admit(self, scope: Scope, capacity: int) -> bool:
        """Whether there is room for a request, before its task is made; a client that is slow to send takes none.

        Only predictions are counted: a full server still answers probes, metrics and repository calls.
        """
        if scope["method"] != "POST" or scope["path"] not in self._predicting:
            return True
        if self.in_flight - self.receiving >= capacity:
            self.metrics.requests["full", 503] += 1
            return False
        self.in_flight += 1
        scope["slipway.admitted"] = True
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            target = self._predicting.get(scope["path"])
            if target is not None:
                try:
                    await self._answer(scope, receive, send, *target)
                finally:
                    self.in_flight -= "slipway.admitted" in scope
                return
        await self._rest(scope, receive, send)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, loaded: Loaded, respond: Respond, path: str
    ) -> None:
        started = scope.get("slipway.received") or perf_counter()
        status, headers = 200, []
        try:
            raw = await self._body(scope, receive)
            try:
                body = orjson.loads(raw)
            except orjson.JSONDecodeError as error:
                raise Refusal(f"the body is not JSON: {error}.", reason="json") from None
            features, finish = respond(loaded, body)
            if len(features) > INLINE_ROWS:
                loop = asyncio.get_running_loop()
                probabilities = await loop.run_in_executor(self._threads, loaded.model.engine.predict, features)
                loaded.traffic.add(features, probabilities)
            elif self.in_flight - self.receiving > 1:
                probabilities = await loaded.predict_with_others(features)
            else:
                probabilities = loaded.predict(features)
            content = orjson.dumps(finish(probabilities), option=_DUMP)
        except Refusal as refusal:
            status = refusal.status
            content = orjson.dumps({"error": refusal.sentence})
            self.metrics.refused.labels(loaded.model.name, refusal.column, refusal.reason).inc()
            if status in (408, 413):
                headers = [(b"connection", b"close")]
        except ClientGone:
            self.metrics.answered(path, 499, perf_counter() - started)
            return
        if self.draining:
            headers = [(b"connection", b"close")]
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [_JSON, (b"content-length", b"%d" % len(content)), *headers],
            }
        )
        await send({"type": "http.response.body", "body": content})
        self.metrics.answered(path, status, perf_counter() - started)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body.

        Raises:
            Refusal: it is no JSON by its headers, too large, or too slow.
            ClientGone: the client left before it was whole.
        """
        length, asks_first = 0, False
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = int(value)
            elif name == b"content-type":
                kind = value.partition(b";")[0].strip().lower()
                if kind != b"application/json":
                    raise Refusal(
                        f"content-type: found {kind.decode('latin-1')[:60]}, expected application/json.",
                        status=415,
                        reason="content_type",
                    )
            elif name == b"content-encoding" and value.strip().lower() != b"identity":
                raise Refusal(
                    f"content-encoding: found {value.decode('latin-1')[:60]}, expected none.",
                    status=415,
                    reason="content_type",
                )
            elif name == b"expect":
                asks_first = True
        if asks_first and length > self.max_body:
            raise self._too_large()
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        if not message.get("more_body"):
            body: bytes = message.get("body", b"")
            if len(body) > self.max_body:
                raise self._too_large()
            return body
        self.receiving += 1
        try:
            async with asyncio.timeout(self.body_seconds):
                parts, size = [message.get("body", b"")], len(message.get("body", b""))
                while message.get("more_body"):
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGone
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self.max_body:
                        # Read on for a while: a client that is still sending would see a reset and not the reason.
                        parts.clear()
                        if size > _DISCARDED * self.max_body:
                            raise self._too_large()
                if size > self.max_body:
                    raise self._too_large()
                return b"".join(parts)
        except TimeoutError:
            raise Refusal(f"the body was not whole after {self.body_seconds:g} s.", status=408, reason="slow") from None
        finally:
            self.receiving -= 1

    def _too_large(self) -> Refusal:
        return Refusal(
            f"the body is larger than {self.max_body} bytes: send several requests.", status=413, reason="size"
        )

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
        loaded = self._models.get(request.path_params["name"])
        ready = loaded is not None and not self.draining
        return _json(
            {"name": request.path_params["name"], "ready": ready}, 200 if ready else 404 if not loaded else 503
        )

    async def _model_metadata(self, request: Request) -> Response:
        loaded = self._loaded(request)
        model = loaded.model
        kinds = {"number": "FP64", "clock": "INT32", "integer": "INT32"}
        columns = [
            {
                "name": name,
                "datatype": kinds.get(column["kind"], "BYTES"),
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
                "outputs": [{"name": "probability", "datatype": "FP32", "shape": [-1]}],
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
        uri = parameters.get("uri") or self._sources.get(name)
        version = parameters.get("version", "")
        if type(uri) is not str or type(version) is not str or not uri:
            raise HTTPException(400, 'the body must be {"parameters": {"uri": "...", "version": "..."}}.')

        def load() -> Model:
            with fetched(uri) as (folder, known):
                return load_model(folder, name, version or known, self.max_rows)

        async with self._changing:
            try:
                model = await asyncio.get_running_loop().run_in_executor(None, load)
            except UserError as error:
                self.metrics.loads.labels("refused").inc()
                raise HTTPException(400, f"{name} stays as it was: {error}") from None
            self.put(model, uri)
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
        given = request.headers.get("authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, b"Bearer " + self._token):
            raise HTTPException(401, "repository calls need the header `Authorization: Bearer <token>`.")

    async def _parameters(self, request: Request) -> dict[str, Any]:
        try:
            body = orjson.loads(await self._body(request.scope, request.receive) or b"{}")
        except orjson.JSONDecodeError as error:
            raise HTTPException(400, f"the body is not JSON: {error}.") from None
        except Refusal as refusal:
            raise HTTPException(refusal.status, refusal.sentence) from None
        except ClientGone:
            raise HTTPException(400, "the client left.") from None
        parameters = body.get("parameters", {}) if isinstance(body, dict) else None
        if not isinstance(parameters, dict):
            raise HTTPException(400, 'the body must be {"parameters": {"uri": "...", "version": "..."}}.')
        return parameters


class ClientGone(Exception):
    """The client closed the connection before its request was whole."""


def _predict(loaded: Loaded, body: Any) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
    def finish(probabilities: np.ndarray) -> Any:
        return {"probabilities": probabilities, "model": loaded.signature}

    return loaded.model.reader.rows(body), finish


def _infer(loaded: Loaded, body: Any) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
    features = loaded.model.reader.tensors(body)
    identity = body.get("id")
    if identity is not None and type(identity) is not str:
        raise Refusal("id: expected a string.")
    outputs = body.get("outputs")
    if outputs is not None:
        names = (
            [output.get("name") if type(output) is dict else None for output in outputs]
            if type(outputs) is list
            else []
        )
        if names != ["probability"]:
            raise Refusal('outputs: expected [{"name": "probability"}] or nothing.')

    def finish(probabilities: np.ndarray) -> Any:
        answer = {
            "model_name": loaded.model.name,
            "model_version": loaded.model.version,
            "outputs": [
                {"name": "probability", "datatype": "FP32", "shape": [len(probabilities)], "data": probabilities}
            ],
        }
        if identity is not None:
            answer["id"] = identity
        return answer

    return features, finish


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = _json({"error": error.detail}, error.status_code)
    response.headers.update(error.headers or {})
    return response
