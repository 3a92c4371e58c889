"""The shared libraries of a program, so that it runs in an image that holds nothing else."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def libraries(*programs: Path) -> dict[str, Path]:
    """Every library that they load, and the loader, by the places where they look for them.

    As `ldd` tells it. What lies beside a program (its RPATH) is left to whoever copies that folder.
    """
    found: dict[str, Path] = {}
    for program in programs:
        said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True).stdout
        for place in re.findall(r"(/\S+) \(0x", said):
            if place.startswith(("/lib", "/usr/lib")):
                found[place] = Path(place).resolve()
    return found
