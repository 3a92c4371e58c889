"""Predictions: from a request's body to its answer. What comes in one turn of the event loop shares an engine call."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import orjson

from slipway.serving.metrics import Metrics
from slipway.serving.model import Model
from slipway.serving.requests import Refusal, parsed
from slipway.serving.traffic import Traffic

MAX_BODY = 4 * 1024 * 1024
INLINE_ROWS = 64
"""Up to this many rows the answer takes under a millisecond, less than handing it to a thread and back."""
_DISCARDED = 16
"""How many times the largest body is read and thrown away before the connection is cut."""
_DUMP = orjson.OPT_SERIALIZE_NUMPY
_FAILED = orjson.dumps({"error": "the server failed; its log says why."})
_THREADS = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large-batch")
_LOG = logging.getLogger("uvicorn.error")

Headers = list[tuple[bytes, bytes]]
Finish = Callable[[np.ndarray], Any]
Read = Callable[["Loaded", bytes], tuple[np.ndarray, Finish]]


@dataclass(frozen=True)
class Target:
    """What a path asks for: a model, in one of the two forms of a request."""

    loaded: Loaded
    read: Read
    path: str
    """As it is counted, one of :data:`slipway.serving.metrics.PATHS`."""


class Prediction:
    """One request: a connection fills it, its target's model answers it.

    Args:
        target: what it asks for.
        headers: names in lower case.
        started: when its first byte came, by the performance counter.
        keep_alive: whether the connection stays open after the answer.
        reply: called with this, the status, the body and whether to close; puts them on the wire.

    Attributes:
        admitted: there was room for it.
        counted: it is among those in flight: not while its body is waited for.
        whole: its body has come to its end.
        late: what ends the wait for the body.
        response_complete, disconnected, message_event: as uvicorn has them; to it this is the connection's cycle.
    """

    __slots__ = (
        "_parts", "admitted", "counted", "disconnected", "headers", "keep_alive", "late", "message_event", "reply",
        "response_complete", "size", "started", "target", "whole",
    )  # fmt: skip

    def __init__(
        self, target: Target, headers: Headers, started: float, keep_alive: bool, reply: Callable[..., None]
    ) -> None:
        self.target, self.headers, self.started = target, headers, started
        self.keep_alive, self.reply = keep_alive, reply
        self.admitted = self.counted = self.whole = self.response_complete = self.disconnected = False
        self.late: asyncio.TimerHandle | None = None
        self.message_event = _NOBODY_WAITS
        self.size = 0
        self._parts: list[bytes] = []

    def add(self, part: bytes, max_body: int) -> None:
        """Take a piece of the body.

        Raises:
            Refusal: it is many times too large. What is a little too large is read to its end and thrown away: a
                client that is still sending would see a reset and not the reason.
        """
        self.size += len(part)
        if self.size <= max_body:
            self._parts.append(part)
        elif self.size > _DISCARDED * max_body:
            raise too_large(max_body)
        else:
            self._parts.clear()

    def body(self) -> bytes:
        """All of it."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def answer(self, status: int, content: bytes, close: bool = False) -> None:
        """Send the answer, then count it."""
        self._over()
        self.reply(self, status, content, close)
        self.target.loaded.metrics.answered(self.target.path, status, perf_counter() - self.started)

    def gone(self) -> None:
        """Count that the client left before its request was whole."""
        self._over()
        self.target.loaded.metrics.answered(self.target.path, 499, perf_counter() - self.started)

    def refuse(self, refusal: Refusal) -> None:
        """Send the sentence, then count what was refused."""
        self.answer(refusal.status, orjson.dumps({"error": refusal.sentence}), refusal.status in (408, 413))
        loaded = self.target.loaded
        loaded.metrics.refused.labels(loaded.model.name, refusal.column, refusal.reason).inc()

    def _over(self) -> None:
        self.response_complete = True
        if self.late is not None:
            self.late.cancel()


class Loaded:
    """A model with what it is asked.

    Requests that arrived in the same turn of the event loop are answered by one call of the engine: 32 rows at once
    cost a third of 32 rows one by one. Nobody waits for a batch to fill, and what is joined has been checked before,
    row by row, so that no request can harm another.
    """

    def __init__(self, model: Model, metrics: Metrics) -> None:
        self.model, self.metrics = model, metrics
        self.traffic = Traffic(model.schema, model.profile)
        self.plain = _plain(model)
        self._waiting: deque[Prediction] = deque()
        self._in_thread: set[Future[np.ndarray]] = set()

    def waiting(self) -> int:
        """How many whole requests no call of the engine has begun for."""
        return len(self._waiting) + sum(not (it.running() or it.done()) for it in self._in_thread)

    def ask(self, prediction: Prediction) -> None:
        """Answer a whole request together with what else has arrived by the end of this turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._answer_waiting)
        self._waiting.append(prediction)

    def _answer_waiting(self) -> None:
        batch: list[tuple[Prediction, np.ndarray, Finish]] = []
        rows = 0
        while self._waiting and rows < INLINE_ROWS:
            prediction = self._waiting.popleft()
            try:
                features, finish = prediction.target.read(self, prediction.body())
            except Refusal as refusal:
                prediction.refuse(refusal)
            except Exception:
                self._failed([prediction])
            else:
                if len(features) > INLINE_ROWS:
                    self._answer_in_thread(prediction, features, finish)
                else:
                    batch.append((prediction, features, finish))
                    rows += len(features)
        if self._waiting:  # let these answers go out first
            asyncio.get_running_loop().call_soon(self._answer_waiting)
        if batch:
            self._answer_batch(batch)

    def _answer_batch(self, batch: list[tuple[Prediction, np.ndarray, Finish]]) -> None:
        try:
            features = batch[0][1] if len(batch) == 1 else np.concatenate([features for _, features, _ in batch])
            answers = self.model.engine.predict(features)
        except Exception:
            self._failed(prediction for prediction, _, _ in batch)
            return
        start = 0
        for prediction, part, finish in batch:
            end = start + len(part)
            self._answer(prediction, finish, answers[start:end])
            start = end
        self.traffic.add(features, answers)

    def _answer_in_thread(self, prediction: Prediction, features: np.ndarray, finish: Finish) -> None:
        loop = asyncio.get_running_loop()

        def answered(future: Future[np.ndarray]) -> None:
            self._in_thread.discard(future)
            try:
                answers = future.result()
            except Exception:
                self._failed([prediction])
                return
            self._answer(prediction, finish, answers)
            self.traffic.add(features, answers)

        future = _THREADS.submit(self.model.engine.predict, features)
        self._in_thread.add(future)
        future.add_done_callback(lambda future: loop.call_soon_threadsafe(answered, future))

    def _answer(self, prediction: Prediction, finish: Finish, answers: np.ndarray) -> None:
        try:
            content = orjson.dumps(finish(answers), option=_DUMP)
        except Exception:
            self._failed([prediction])
            return
        prediction.answer(200, content)

    def _failed(self, predictions: Iterable[Prediction]) -> None:
        _LOG.exception("a prediction failed")
        for prediction in predictions:
            prediction.answer(500, _FAILED)


def check_headers(headers: Headers, max_body: int) -> bool:
    """Whether the client asks before it sends (Expect: 100-continue).

    Args:
        headers: names in lower case.
        max_body: how many bytes it may send.

    Raises:
        Refusal: what is to come is no JSON, or too large for a client that asks.
    """
    length, asks_first = 0, False
    for name, value in headers:
        if name == b"content-length":
            length = int(value)
        elif name == b"content-type":
            kind = value.partition(b";")[0].strip().lower()
            if kind != b"application/json":
                raise _not_json("content-type", kind, "application/json")
        elif name == b"content-encoding" and value.strip().lower() != b"identity":
            raise _not_json("content-encoding", value, "none")
        elif name == b"inference-header-content-length":
            raise _not_json("inference-header-content-length", value, "JSON tensors (binary_data=False)")
        elif name == b"expect":
            asks_first = True
    if asks_first and length > max_body:
        raise too_large(max_body)
    return asks_first


def _not_json(header: str, found: bytes, expected: str) -> Refusal:
    sentence = f"{header}: found {found.decode('latin-1')[:60]}, expected {expected}."
    return Refusal(sentence, status=415, reason="content_type")


def too_large(max_body: int) -> Refusal:
    """A body over ``max_body`` bytes."""
    return Refusal(f"the body is larger than {max_body} bytes: send several requests.", status=413, reason="size")


def too_slow(seconds: float) -> Refusal:
    """A body that took longer than ``seconds``."""
    return Refusal(f"the body was not whole after {seconds:g} s.", status=408, reason="slow")


def read_rows(loaded: Loaded, raw: bytes) -> tuple[np.ndarray, Finish]:
    """``/predict``: rows of raw columns."""
    return loaded.model.reader.read(raw), loaded.plain


def read_tensors(loaded: Loaded, raw: bytes) -> tuple[np.ndarray, Finish]:
    """V2's ``infer``."""
    body = parsed(raw)
    output = loaded.model.output
    features = loaded.model.reader.tensors(body)
    identity = body.get("id")
    if identity is not None and type(identity) is not str:
        raise Refusal("id: expected a string.")
    outputs = body.get("outputs")
    if outputs is not None:
        names = [one.get("name") if type(one) is dict else None for one in outputs] if type(outputs) is list else []
        if names != [output.name]:
            raise Refusal(f'outputs: expected [{{"name": "{output.name}"}}] or nothing.')

    def finish(answers: np.ndarray) -> Any:
        tensor = {"name": output.name, "datatype": "FP32", "shape": answers.shape, "data": answers.ravel()}
        answer = {"model_name": loaded.model.name, "model_version": loaded.model.version, "outputs": [tensor]}
        if identity is not None:
            answer["id"] = identity
        return answer

    return features, finish


def _plain(model: Model) -> Finish:
    """From answers to the body of `/predict`'s: their list by its key, and of several classes the likeliest's name."""
    key, signature = model.output.key, {"name": model.name, "version": model.version}
    classes = model.schema["task"].get("classes")
    if not classes:
        return lambda answers: {key: answers, "model": signature}

    def with_classes(answers: np.ndarray) -> Any:
        return {key: answers, "classes": [classes[at] for at in answers.argmax(axis=1)], "model": signature}

    return with_classes


class _NoEvent:
    """uvicorn sets an event when the client leaves; nobody waits for it here."""

    def set(self) -> None:
        """Nothing."""


_NOBODY_WAITS = _NoEvent()
