"""Builds Kubernetes, the controllers and NATS from Go modules into build/cluster/bin; a second time takes no second.

Each folder beside this file is a Go module that names upstream's programs at their versions; nothing of upstream is
copied here. A build that was whole leaves a key made of everything that it depends on, and is not done again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

HERE = Path(__file__).parent
OUT = Path(__file__).parents[3] / "build/cluster"
BIN = OUT / "bin"

KUBERNETES = "1.36.3"
ARGO_WORKFLOWS = "4.0.5"
ARGO_EVENTS = "1.9.11"
KATIB = "0.19.0"
NATS = "2.10.29"
"""Versions as in the go.mod files; a test holds them together."""

ARGO_WORKFLOWS_PINNED = "4.1.2"
"""What k8s/platform pins, which cannot be had as a Go module: 4.0.5 stands in for it, under its name."""

_EVENTS = "github.com/argoproj/argo-events"
_KATIB = "github.com/kubeflow/katib/cmd"
_WORKFLOWS = "github.com/argoproj/argo-workflows/v4"
_PARTS = "etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl coredns"


class CannotBuild(Exception):
    """A build failed; ends with what the compiler said."""


class NoGo(CannotBuild):
    """There is no Go here."""


@dataclass(frozen=True)
class Program:
    """One file in build/cluster/bin."""

    name: str
    package: str
    variables: tuple[str, ...] = ()
    """What the linker writes into it, such as its version: without this it names images of no version."""
    links: tuple[str, ...] = ()
    """Other names of the same file, for a program that is what it is called by."""


@dataclass(frozen=True)
class Module:
    """A folder with a go.mod, and the programs that are built in it."""

    name: str
    programs: tuple[Program, ...]
    flags: tuple[str, ...] = ()
    prepare: Callable[[Path], tuple[str, ...]] | None = None
    """Makes the folder ready to build in; returns further flags."""


def _vendored(folder: Path) -> tuple[str, ...]:
    """Lay out the packages' sources, and over them the two files that Argo Workflows needs; returns Go's flags.

    Its module holds no signal_linux.go (a symbolic link upstream, and those are not packed): it is what darwin's is.
    """
    _go("mod", "vendor", folder=folder)
    executor = folder / f"vendor/{_WORKFLOWS}/workflow/executor"
    over = {
        executor / "osspecific/signal_linux.go": executor / "osspecific/signal_darwin.go",
        executor / "lookup_of_slipway.go": HERE / "controllers/lookup.go",
    }
    (folder / "overlay.json").write_text(json.dumps({"Replace": {str(at): str(by) for at, by in over.items()}}))
    return ("-mod=vendor", "-overlay=overlay.json")


MODULES = (
    Module(
        "kubernetes",
        (
            Program(
                "kubernetes",
                ".",
                tuple(
                    f"k8s.io/component-base/version.{name}={value}"
                    for name, value in {
                        "gitVersion": f"v{KUBERNETES}",
                        "gitMajor": KUBERNETES.split(".")[0],
                        "gitMinor": KUBERNETES.split(".")[1],
                    }.items()
                ),
                tuple(_PARTS.split()),
            ),
        ),
        ("-mod=readonly", "-gcflags=all=-dwarf=false"),
    ),
    Module(
        "controllers",
        (
            Program("file-metricscollector", f"{_KATIB}/metricscollector/v1beta1/file-metricscollector"),
            Program("katib-controller", f"{_KATIB}/katib-controller/v1beta1"),
            Program("katib-db-manager", f"{_KATIB}/db-manager/v1beta1"),
            Program("goptuna-suggestion", f"{_KATIB}/suggestion/goptuna/v1beta1"),
            Program(
                "workflow-controller",
                f"{_WORKFLOWS}/cmd/workflow-controller",
                (f"{_WORKFLOWS}.version=v{ARGO_WORKFLOWS}",),
            ),
            Program("argoexec", f"{_WORKFLOWS}/cmd/argoexec", (f"{_WORKFLOWS}.version=v{ARGO_WORKFLOWS}",)),
            Program("argo-events", f"{_EVENTS}/cmd", (f"{_EVENTS}.version=v{ARGO_EVENTS}",)),
        ),
        prepare=_vendored,
    ),
    Module("nats", (Program("nats-server", "github.com/nats-io/nats-server/v2"),), ("-mod=readonly",)),
)


def build(say: Callable[[str], None] = print) -> None:
    """Build what is not built yet, a module after the other.

    Raises:
        CannotBuild: no Go, or a program that does not build.
    """
    OUT.mkdir(parents=True, exist_ok=True)
    with FileLock(OUT / "build.lock"):  # whoever comes second finds it done
        for module in MODULES:
            key, kept = _key(module), OUT / f"{module.name}.key"
            if kept.is_file() and kept.read_text() == key and all((BIN / it.name).is_file() for it in module.programs):
                continue
            began = time.monotonic()
            say(f"building {', '.join(it.name for it in module.programs)} (minutes, the first time)")
            kept.unlink(missing_ok=True)
            _build(module)
            kept.write_text(key)
            say(f"built {module.name} in {time.monotonic() - began:.0f} s")


def module_folder(path: str, version: str) -> Path:
    """Where a module's files are on this machine; its manifests are among them.

    Raises:
        CannotBuild: it cannot be had.
    """
    said = json.loads(_go("mod", "download", "-json", f"{path}@v{version}", folder=HERE / "controllers"))
    return Path(said["Dir"])


def _build(module: Module) -> None:
    folder, flags = HERE / module.name, module.flags
    if module.prepare:
        folder = OUT / "modules" / module.name
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("go.mod", "go.sum"):
            shutil.copy(HERE / module.name / name, folder)
        flags += module.prepare(folder)
    packages = [program.package for program in module.programs]
    if len(packages) > 1:  # one compile of all that they share, then a link each
        _go("build", *flags, "-ldflags=-s -w", *packages, folder=folder)
    for program in module.programs:
        linked = " ".join(["-s", "-w", *(f"-X {variable}" for variable in program.variables)])
        _go("build", *flags, f"-ldflags={linked}", f"-o={BIN / program.name}", program.package, folder=folder)
        for link in program.links:
            (BIN / link).unlink(missing_ok=True)
            (BIN / link).symlink_to(program.name)


def _key(module: Module) -> str:
    """A digest of all that the module's programs depend on."""
    digest = hashlib.sha256(_go("version", folder=HERE).encode())
    for file in (*sorted((HERE / module.name).iterdir()), Path(__file__)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _go(*words: str, folder: Path) -> str:
    """What Go says on stdout, run in ``folder``. It never changes a go.mod; its caches are where they always are."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise NoGo("no Go is installed (looked on the PATH and in /usr/local/go/bin)")
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-trimpath -buildvcs=false", "GOWORK": "off"}
    env["GOTOOLCHAIN"] = "local"
    done = subprocess.run([go, *words], cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode:
        raise CannotBuild(f"go {' '.join(words)} in {folder.name}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout
