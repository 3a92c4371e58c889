"""What a push moves of the train image: a new month, and a change of code.

  python -m benchmarks.image             January to May, then June

Builds the image for real before and after, and adds up the layers that the registry does not have yet, as it stores
them (gzip). A new month is measured against that month's CSV and matrix after the same gzip.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.engine import Engine, NoEngine, gzipped
from benchmarks.report import show
from benchmarks.workplace import YEAR, context, slipway

DATA_RATIO_AT_MOST = 1.1
CODE_BYTES_AT_MOST = 1_000_000
BEFORE, NEW = YEAR[:5], YEAR[5]
IMAGE = "slipway-benchmark"


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    try:
        engine = Engine()
    except NoEngine as reason:
        print(f"NOT MEASURED: no Docker engine: {reason}", file=sys.stderr)
        return 1
    try:
        return measure(engine, context("image", BEFORE))
    finally:
        engine.remove(IMAGE)


def measure(engine: Engine, folder: Path) -> int:
    """Build, push June, build, change the code, build; compare the layers."""
    whole = engine.layers(engine.build(folder, "train", f"{IMAGE}:whole"))
    before = engine.build_without_packages(folder, f"{IMAGE}:before")
    held = set(engine.layers(before))
    if whole[-len(held) :] != engine.layers(before):
        raise RuntimeError("the upper layers are not those of the whole image")

    code = folder / "src/slipway/learning/train.py"
    text = code.read_text()
    code.write_text(f"{text}\n# a change\n")
    code_layers = new_layers(engine, folder, "code", held)
    code.write_text(text)

    slipway(folder, "data", "make", "--parts", NEW)
    slipway(folder, "prepare")
    slipway(folder, "image")
    data_layers = new_layers(engine, folder, "data", held)
    csv, matrix = (
        gzipped((folder / name).read_bytes()) for name in (f"data/flights/{NEW}.csv", f"data/prepared/{NEW}.npy")
    )
    moved, changed = sum(data_layers.values()), sum(code_layers.values())
    return show(
        "image",
        ["what", "bytes, compressed"],
        [
            [f"{NEW}: the CSV", f"{csv:,}"],
            [f"{NEW}: its matrix", f"{matrix:,}"],
            [f"layers that a push of {NEW} moves ({len(data_layers)})", f"{moved:,}"],
            [f"layers that a change of code moves ({len(code_layers)})", f"{changed:,}"],
            ["÷ the CSV alone", f"{moved / csv:.2f}"],
        ],
        {
            "csv_bytes": csv,
            "matrix_bytes": matrix,
            "moved_bytes": list(data_layers.values()),
            "ratio_to_csv_alone": round(moved / csv, 3),
            "goals": [
                {
                    "goal": "data push: layers ÷ new data",
                    "measured": round(moved / (csv + matrix), 3),
                    "at_most": DATA_RATIO_AT_MOST,
                },
                {"goal": "code push: bytes", "measured": changed, "at_most": CODE_BYTES_AT_MOST},
            ],
        },
    )


def new_layers(engine: Engine, folder: Path, tag: str, held: set[str]) -> dict[str, int]:
    """The compressed bytes of each layer of the image in ``folder`` that is not in ``held``."""
    compressed = engine.compressed(engine.build_without_packages(folder, f"{IMAGE}:{tag}"))
    return {layer: size for layer, size in compressed.items() if layer not in held}


if __name__ == "__main__":
    sys.exit(main())
