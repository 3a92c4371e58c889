"""Where a served model came from and what was said of it: enough to load it once more."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from slipway.errors import UserError
from slipway.problem.folder import COMPILED
from slipway.serving.model import Model, load_model
from slipway.serving.source import fetched


@dataclass(frozen=True)
class Origin:
    """An address, and what only the command line, the environment or a caller knows of what lies there.

    Attributes:
        uri: as :func:`slipway.serving.source.fetched` takes it.
        version: the registry's number, with or without the registry's name before it; "": what the address says.
        registered: when that version was; None: nobody said.
        compiled: compile a copy first where the folder holds no compiled ensemble.
    """

    uri: str
    version: str = ""
    registered: datetime | None = None
    compiled: bool = False

    def asked(self, uri: str, version: str) -> Origin:
        """The origin that a caller names, "" for what is as before; what was said of one version holds for no other."""
        if uri in ("", self.uri) and version in ("", self.version, self._number()):
            return self
        return replace(self, uri=uri or self.uri, version=version, registered=None)

    def load(self, name: str, max_rows: int) -> Model:
        """The model, proven.

        Raises:
            UserError: it cannot be had, or is not right.
        """
        with (
            fetched(self.uri) as (folder, known),
            tempfile.TemporaryDirectory(prefix="slipway-compiled-") as scratch,
        ):
            if self.compiled and not (folder / COMPILED).exists():
                folder = _compiled(folder, Path(scratch) / "model")
            number = self._number()
            # An alias may have moved since: the registry's word on what it gave out counts.
            registered = self.registered if known in ("", number) or not number else None
            return load_model(folder, name, known or number, max_rows, registered)

    def _number(self) -> str:
        return self.version.rpartition("/")[2]  # the manifest says NAME/NUMBER


def _compiled(folder: Path, copy: Path) -> Path:
    """A compiled copy of a model folder, which stays as it is: DVC knows its bytes."""
    from slipway.learning.compile import compile_ensemble

    shutil.copytree(folder, copy)
    try:
        compile_ensemble(copy)
    except ModuleNotFoundError as error:
        raise UserError(
            f"--compile needs {error.name}, which is not here; `python -m slipway register` compiles a model for good."
        ) from None
    return copy
