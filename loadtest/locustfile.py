"""What the users of the model do: mostly one row, sometimes many, now and then a mistake.

`python -m slipway load` runs this with Locust. For Locust's own page: `locust --locustfile loadtest/locustfile.py`.
"""

from __future__ import annotations

import json
import math
import os
import random
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, LoadTestShape, constant, events, task

from slipway.files import write_json
from slipway.serving.load import SETTINGS, Recorder

DEFAULTS = {
    "rows": "data/prepared/sample.json", "name": "model", "bad_share": 0.02, "pause_ms": 0.0, "shape": "steady",
    "record": "", "seconds": 60, "users": 8,
}  # fmt: skip
RUN: dict[str, Any] = DEFAULTS | json.loads(os.environ.get(SETTINGS, "{}"))
ROWS: list[dict[str, Any]] = json.loads(Path(RUN["rows"]).read_text(encoding="utf-8"))
RECORDER = Recorder()
MANY = 32
KEYS = ("probabilities", "predictions", "scores")
BAD: tuple[Any, ...] = (
    lambda row: {**row, _column(row): _of_another_kind(row[_column(row)])},
    lambda row: {name: value for name, value in row.items() if name != _column(row)},
    lambda row: [row],
)


def _column(row: dict[str, Any]) -> str:
    """A column that has a value in this row."""
    return next(name for name, value in row.items() if value is not None)


def _of_another_kind(value: Any) -> Any:
    return 7 if isinstance(value, str) else "no number"


class Client(FastHttpUser):
    """A user that sends the next request as soon as the last one is answered and the pause is over."""

    wait_time = constant(RUN["pause_ms"] / 1000)
    connection_timeout = network_timeout = 30.0

    @task(16)
    def one_row(self) -> None:
        if random.random() < RUN["bad_share"]:
            self.wrong_on_purpose()
        else:
            self.predict("one row", "/predict", {"rows": [random.choice(ROWS)]}, 1)

    @task(2)
    def many_rows(self) -> None:
        self.predict("32 rows", "/predict", {"rows": random.choices(ROWS, k=MANY)}, MANY)

    @task(2)
    def v2(self) -> None:
        row = random.choice(ROWS)
        inputs = [
            {"name": name, "shape": [1], "datatype": "BYTES" if isinstance(value, str) else "FP64", "data": [value]}
            for name, value in row.items()
        ]
        self.predict("V2, one row", f"/v2/models/{RUN['name']}/infer", {"inputs": inputs}, 1)

    def predict(self, kind: str, path: str, body: Any, rows: int) -> None:
        """Send a right request and see that it has as many answers as rows, all of them finite."""
        with self.client.post(path, json=body, name=kind, catch_response=True) as response:
            outcome = outcome_of(response)
            if outcome == "answered" and not right(response.text, rows):
                outcome = "wrong_answer"
            if outcome != "answered":
                response.failure(f"{outcome}: {response.status_code}")
            RECORDER.good(kind, outcome, response.request_meta["response_time"], self.environment.runner.user_count)

    def wrong_on_purpose(self) -> None:
        """Send a wrong row; a 4xx that says why is the right answer."""
        body = {"rows": [random.choice(BAD)(random.choice(ROWS))]}
        with self.client.post("/predict", json=body, name="wrong on purpose", catch_response=True) as response:
            outcome = outcome_of(response)
            if outcome in ("refused", "turned_away"):
                response.success()
            else:
                response.failure(f"{outcome}: {response.status_code}")
            RECORDER.bad(outcome)


def right(text: str, rows: int) -> bool:
    """Whether an answer is JSON with as many answers as rows were sent: a finite number each, or several."""
    try:
        answer = json.loads(text)
        if "outputs" in answer:
            (output,) = answer["outputs"]
            found, whole = (
                output["data"],
                output["shape"][0] == rows and len(output["data"]) == math.prod(output["shape"]),
            )
        else:
            found = next(answer[key] for key in KEYS if key in answer)
            whole = len(found) == rows
        return whole and all(
            map(math.isfinite, (n for one in found for n in (one if isinstance(one, list) else [one])))
        )
    except (ValueError, KeyError, IndexError, TypeError, StopIteration):
        return False


def outcome_of(response: Any) -> str:
    """One of ``slipway.serving.load.OUTCOMES``."""
    status = response.status_code
    if not status:
        return "no_answer"
    if status in (429, 503):
        return "turned_away"
    return "server_error" if status >= 500 else "refused" if status >= 400 else "answered"


@events.init.add_listener
def start_the_clock(**_: Any) -> None:
    """gevent's clock stands still while modules are imported, which took that time off the run."""
    gevent.get_hub().loop.update_now()
    RECORDER.start()


@events.quitting.add_listener
def write_record(environment: Any, **_: Any) -> None:
    if RUN["record"]:
        write_json(Path(RUN["record"]), RECORDER.report())


if RUN["shape"] in ("ramp", "spike"):

    class Shape(LoadTestShape):
        """ramp adds users all along; spike has a fifth of them before and after the middle third."""

        def tick(self) -> tuple[int, float] | None:
            done = self.get_run_time() / RUN["seconds"]
            if done >= 1:
                return None
            share = done if RUN["shape"] == "ramp" else 1.0 if 1 / 3 <= done < 2 / 3 else 0.2
            return max(1, round(RUN["users"] * share)), max(10.0, RUN["users"])
