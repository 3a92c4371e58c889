"""uvicorn and nothing else, with a constant for an answer: what no Python server over ASGI is faster than."""

import sys

import uvicorn

BODY = b'{"probabilities":[0.12413791],"model":{"name":"flight-delay","version":"local"}}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


async def app(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


uvicorn.run(
    app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", log_level="warning",
    access_log=False, lifespan="off", server_header=False, proxy_headers=False,
)  # fmt: skip
