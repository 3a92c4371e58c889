"""The same server, the same request, a constant for an answer: what nothing can be faster than."""

import sys

from slipway.serving.app import App
from slipway.serving.metrics import Metrics
from slipway.serving.server import bind, make_server

BODY = b'{"probabilities":[0.12413791],"model":{"name":"flight-delay","version":"local"}}'


class Floor(App):
    async def __call__(self, scope, receive, send):
        await receive()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": BODY})


make_server(Floor(Metrics(64), "flight-delay"), 256).run(sockets=[bind("127.0.0.1", int(sys.argv[1]))])
