"""A full server says so at once, goes on answering those it took, and is itself again right after."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from slipway.serving.metrics import Metrics
from slipway.serving.model import load_model
from slipway.serving.predictions import MAX_BODY, Loaded, Prediction, Target, read_rows
from tests.serving.conftest import Server, serving


async def post(server: Server, bodies: list[bytes], connections: int) -> Counter[int]:
    """Send every body once over ``connections`` kept-alive connections at full speed; how often each status came."""
    host, port = server.url.removeprefix("http://").split(":")
    waiting = list(bodies)
    statuses: Counter[int] = Counter()

    async def client() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while waiting:
            body = waiting.pop()
            head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            status = int(answer.split()[1])
            length = next(int(line.split(b":")[1]) for line in answer.lower().splitlines() if b"content-length" in line)
            content = json.loads(await reader.readexactly(length))
            statuses[status] += 1
            if status == 503:
                assert b"retry-after: 1" in answer.lower()
                assert "full" in content["error"]
            else:
                assert status == 200 and content["probabilities"]
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    return statuses


def test_past_its_capacity_it_turns_away_cleanly_and_recovers(folder: Path, rows: Any) -> None:
    bodies = [json.dumps({"rows": rows[i % 100 : i % 100 + 50]}).encode() for i in range(1000)]
    with serving("--model", str(folder), "--capacity", "4") as small:
        crowded = asyncio.run(post(small, list(bodies), connections=64))
        assert crowded.total() == len(bodies) and set(crowded) == {200, 503}
        assert small.metric('slipway_requests_total{code="503",path="full"}') == crowded[503]
        assert small.metric('slipway_requests_total{code="200",path="/predict"}') == crowded[200]
        assert small.metric("slipway_in_flight") == small.metric("slipway_waiting") == 0
        assert asyncio.run(post(small, bodies[:20], connections=2)) == {200: 20}


def test_a_full_server_still_answers_probes_and_metrics(folder: Path, rows: Any) -> None:
    body = json.dumps({"rows": rows[:50]}).encode()
    with serving("--model", str(folder), "--capacity", "1") as small:
        with ThreadPoolExecutor(1) as pool:
            crowd = pool.submit(asyncio.run, post(small, [body] * 2000, connections=16))
            while not crowd.done():
                assert small.call("/v2/health/ready")[0] == 200
                assert small.metric("slipway_capacity") == 1
        assert set(crowd.result()) == {200, 503}


def test_what_waits_for_the_engine_is_counted(folder: Path, rows: Any) -> None:
    class Slow:
        name = "slow"

        def predict(self, features: np.ndarray) -> np.ndarray:
            assert go_on.wait(30)
            return np.full(len(features), 0.5, np.float32)

    go_on = Event()
    loaded = Loaded(replace(load_model(folder, "flight-delay"), engine=Slow()), Metrics(8))
    answered = []

    async def three_large_requests() -> None:
        for _ in range(3):
            target = Target(loaded, read_rows, "/predict")
            prediction = Prediction(target, [], 0.0, True, lambda _, status, *__: answered.append(status))
            prediction.add(json.dumps({"rows": rows[:100]}).encode(), MAX_BODY)
            loaded.ask(prediction)
        assert loaded.waiting() == 3
        async with asyncio.timeout(30):
            while loaded.waiting() != 2:  # the first is being answered
                await asyncio.sleep(0.01)
            go_on.set()
            while len(answered) < 3:
                await asyncio.sleep(0.01)

    asyncio.run(three_large_requests())
    assert answered == [200] * 3 and loaded.waiting() == 0


def test_joined_answers_are_everyone_s_own(folder: Path, rows: Any) -> None:
    """Many clients at once, one of them sending rubbish: each gets what it would have got alone."""
    with serving("--model", str(folder)) as running:
        alone = {i: running.call("/predict", {"rows": [rows[i]]})[1]["probabilities"][0] for i in range(40)}
        host, port = running.url.removeprefix("http://").split(":")

        async def client(i: int) -> None:
            reader, writer = await asyncio.open_connection(host, int(port))
            for _ in range(20):
                row = rows[i] if i < 40 else rows[0] | {"temp": "hot"}
                body = json.dumps({"rows": [row]}).encode()
                writer.write(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                answer = json.loads(await reader.readexactly(length))
                if i < 40:
                    assert abs(answer["probabilities"][0] - alone[i]) < 1e-6
                else:
                    assert "column temp" in answer["error"]
            writer.close()

        async def everyone() -> None:
            await asyncio.gather(*(client(i) for i in range(45)))

        asyncio.run(everyone())
        single = running.metric('slipway_batch_rows_bucket{le="1",model="flight-delay",version="local"}')
        assert running.metric('slipway_batch_rows_count{model="flight-delay",version="local"}') > single


def test_slow_clients_take_no_room(folder: Path, rows: Any) -> None:
    with serving("--model", str(folder), "--capacity", "2") as small:
        host, port = small.url.removeprefix("http://").split(":")
        slow = [socket.create_connection((host, int(port))) for _ in range(8)]
        try:
            for connection in slow[:4]:
                connection.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{")
            for connection in slow[4:]:
                connection.sendall(b"POST /predict HTTP/1.1\r\nhost")
            time.sleep(0.2)
            assert [small.call("/predict", {"rows": rows[:1]})[0] for _ in range(5)] == [200] * 5
            slow[0].settimeout(30)
            assert slow[0].recv(100).startswith(b"HTTP/1.1 408")  # its ten seconds are over
            slow[4].settimeout(30)
            assert slow[4].recv(100) == b""  # never finished its headers
        finally:
            for connection in slow:
                connection.close()
