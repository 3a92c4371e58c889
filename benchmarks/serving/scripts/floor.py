"""The same server, the same request, a constant for an answer: what this server cannot be faster than."""

import sys
from types import SimpleNamespace

from slipway.serving.app import App
from slipway.serving.metrics import Metrics
from slipway.serving.predictions import Target
from slipway.serving.server import bind, make_server

BODY = b'{"probabilities":[0.12413791],"model":{"name":"flight-delay","version":"local"}}'


class Floor(App):
    def target(self, url):
        return Target(
            SimpleNamespace(metrics=self.metrics, ask=lambda prediction: prediction.answer(200, BODY)), None, "/predict"
        )


make_server(Floor(Metrics(256), "flight-delay"), 256).run(sockets=[bind("127.0.0.1", int(sys.argv[1]))])
