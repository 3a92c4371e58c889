"""The Docker engine, for the tests and benchmarks that build the images."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path


class NoEngine(Exception):
    """No Docker engine answers, or no client here can build with BuildKit; the message says which."""


def client() -> str:
    """The first `docker` on the PATH that reaches an engine (DOCKER_HOST is respected) and can build with BuildKit.

    Clients from release 23 build with the plugin buildx, older ones by themselves.

    Raises:
        NoEngine: there is none.
    """
    reasons = []
    for folder in os.get_exec_path():
        docker = shutil.which("docker", path=folder)
        if not docker:
            continue
        info = subprocess.run([docker, "version", "--format", "{{.Client.Version}}"], capture_output=True, text=True)
        if info.returncode:
            reasons.append(f"{docker}: {info.stderr.strip() or 'no engine answers'}")
        elif (
            int(info.stdout.split(".")[0]) >= 23
            and subprocess.run([docker, "buildx", "version"], capture_output=True).returncode
        ):
            reasons.append(f"{docker} {info.stdout.strip()} has no buildx")
        else:
            return docker
    raise NoEngine("; ".join(dict.fromkeys(reasons)) or "no docker client is installed")


class Engine:
    """Builds, runs and looks into images with one client."""

    def __init__(self) -> None:
        self.docker = client()

    def __call__(self, *arguments: str, check: bool = True, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run one docker command; its output is in the result."""
        done = subprocess.run(
            [self.docker, *arguments],
            env=os.environ | {"DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode:
            raise RuntimeError(
                f"docker {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done

    def has_image(self, name: str) -> bool:
        """Is an image of this name on the engine?"""
        return self("image", "inspect", name, check=False).returncode == 0

    def build(self, context: Path, target: str, tag: str, dockerfile: Path | None = None) -> str:
        """Build one target of the Dockerfile in ``context``, or of another one; returns ``tag``."""
        self(
            "build", "--target", target, "--tag", tag, "--file", str(dockerfile or context / "Dockerfile"), str(context)
        )
        return tag

    def build_without_packages(self, context: Path, tag: str, instead: str = "") -> str:
        """Build the train image's upper layers alone, on nothing, or on the instruction ``instead``; returns ``tag``.

        A layer is its content and nothing else, so these are the layers of the whole image, bit for bit, and 800 MB
        of base and packages need not be looked through to find them.
        """
        lines = (context / "Dockerfile").read_text(encoding="utf-8").splitlines()
        lines[lines.index("FROM base AS train")] = "FROM scratch AS train"
        lines[lines.index("COPY --from=train-packages /layer /")] = instead
        with tempfile.NamedTemporaryFile("w", suffix=".Dockerfile") as light:
            light.write("\n".join(lines) + "\n")
            light.flush()
            return self.build(context, "train", tag, Path(light.name))

    def remove(self, repository: str) -> None:
        """Remove every image of this name, whatever its tag. What was built stays in the build cache."""
        if names := self("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository).stdout.split():
            self("image", "rm", "--force", *names)

    def layers(self, image: str) -> list[str]:
        """The digests of the image's uncompressed layers (its diff ids), lowest first."""
        return list(json.loads(self("image", "inspect", "--format", "{{json .RootFS.Layers}}", image).stdout))

    def compressed(self, image: str) -> dict[str, int]:
        """The bytes of each of an image's layers as a registry holds them: gzip, level 6."""
        with tempfile.TemporaryDirectory() as scratch:
            saved = Path(scratch, "image.tar")
            self("save", "--output", str(saved), image)
            with tarfile.open(saved) as archive:

                def content(member: str) -> bytes:
                    source = archive.extractfile(member)
                    assert source
                    return source.read()

                members = json.loads(content("manifest.json"))[0]["Layers"]
                return {
                    layer: gzipped(content(member)) for layer, member in zip(self.layers(image), members, strict=True)
                }


def gzipped(content: bytes) -> int:
    """How many bytes gzip, level 6, makes of ``content``."""
    return len(gzip.compress(content, compresslevel=6, mtime=0))
