"""Answer requests with a model.

  serve --model models/current
                          a model folder
  serve --model s3://slipway-models/mlflow/…/model
                          an S3 prefix; credentials and endpoint from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
                          AWS_ENDPOINT_URL_S3
  serve --model models:/churn@champion
                          a version in MLflow's registry; MLFLOW_TRACKING_URI says where

Answers POST /predict and the Open Inference Protocol V2 (/v2), and is measured at /metrics. Says that it is ready
only after the model has answered its golden rows as it did when it was made. SIGTERM ends it with exit code 0, after
every request that was begun.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import datetime

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread answers; more only fight it for the cores

from slipway.errors import UserError
from slipway.serving.served import name_here

CAPACITY = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway serve`."""
    parser.add_argument(
        "--model", required=True, metavar="WHERE", help="a folder, s3://…, models:/name/3 or models:/name@alias"
    )
    parser.add_argument(
        "--compile", action="store_true", help="compile a copy first if `slipway register` has not; needs onnx"
    )
    parser.add_argument("--name", help="what the protocol calls it, default: as slipway.yaml, where there is one")
    parser.add_argument(
        "--version",
        default=os.environ.get("SLIPWAY_MODEL_VERSION", ""),
        help="the registry's version, default: SLIPWAY_MODEL_VERSION, or what --model says",
    )
    parser.add_argument(
        "--registered-at",
        default=os.environ.get("SLIPWAY_MODEL_REGISTERED_AT", ""),
        metavar="TIME",
        help="when the version was registered, as RFC 3339, default: SLIPWAY_MODEL_REGISTERED_AT, or now",
    )
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one, default: %(default)s")
    parser.add_argument(
        "--capacity",
        type=int,
        default=CAPACITY,
        metavar="N",
        help="predictions in flight before 503, default: %(default)s",
    )
    parser.add_argument("--max-rows", type=int, default=1024, metavar="N", help="rows a request, default: %(default)s")
    parser.add_argument(
        "--drain-seconds",
        type=float,
        default=0.0,
        metavar="S",
        help="go on answering after SIGTERM, default: %(default)s",
    )


def run(args: argparse.Namespace) -> None:
    """Load, listen, answer.

    Raises:
        UserError: the model or the address cannot be had.
    """
    from slipway.serving.app import App
    from slipway.serving.metrics import Metrics
    from slipway.serving.origin import Origin
    from slipway.serving.server import bind, make_server

    if args.capacity < 1 or args.max_rows < 1 or args.drain_seconds < 0:
        raise UserError("--capacity and --max-rows must be 1 or more, --drain-seconds 0 or more.")
    name = args.name or name_here()
    origin = Origin(args.model, args.version, _moment(args.registered_at), args.compile)
    listener = bind(args.host, args.port)
    model = origin.load(name, args.max_rows)
    token = os.environ.get("SLIPWAY_ADMIN_TOKEN", "")
    app = App(Metrics(args.capacity), name, token, args.max_rows, compiled=args.compile)
    app.put(model, origin)
    host, port = listener.getsockname()[:2]
    where = f"[{host}]" if ":" in host else host
    line = f"serving {model.name} version {model.version} with {model.engine.name} on http://{where}:{port}"
    server = make_server(app, args.capacity, args.drain_seconds, lambda: print(line, flush=True))
    server.run(sockets=[listener])
    print("stopped: every request that was begun is answered.", file=sys.stderr)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        moment = None
    if text and (moment is None or moment.tzinfo is None):
        raise UserError(f"--registered-at is {text!r}, expected a time as RFC 3339, such as 2026-11-24T12:00:00+00:00.")
    return moment
