"""The images, built for real: what moves when code or data change, and what never enters."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from benchmarks.engine import Engine, gzipped

from tests.conftest import ROOT
from tests.image.conftest import slipway

pytestmark = pytest.mark.docker

MEGABYTE = 1_000_000


def test_the_layers_alone_are_the_images_layers(engine: Engine, image: str, upper: list[str]) -> None:
    """What the other tests here look at without the packages below it."""
    assert engine.layers(image)[-len(upper) :] == upper


def test_a_change_of_code_moves_one_layer_of_kilobytes(engine: Engine, upper: list[str], changed: Path) -> None:
    code = changed / "src/slipway/learning/train.py"
    code.write_text(code.read_text() + "\n# a change\n")
    tag = engine.build_without_packages(changed, "slipway-test:code")
    *data, old, folder = upper
    new = engine.layers(tag)[-2]
    assert new != old
    assert engine.layers(tag) == [*data, new, folder]
    assert engine.compressed(tag)[new] < MEGABYTE


def test_a_new_month_moves_that_month_and_its_description(
    engine: Engine, upper: list[str], changed: Path, full_months: Path
) -> None:
    shutil.copy(full_months / "2013-06.csv", changed / "data/flights")
    slipway(changed, "prepare")
    slipway(changed, "image")
    tag = engine.build_without_packages(changed, "slipway-test:data")
    layers = engine.layers(tag)
    *months, _, code, folder = upper
    june, description = layers[-4:-2]
    assert layers == [*months, june, description, code, folder]
    assert not {june, description} & set(upper)
    compressed = engine.compressed(tag)
    new = sum(gzipped((changed / f).read_bytes()) for f in ("data/flights/2013-06.csv", "data/prepared/2013-06.npy"))
    assert (compressed[june] + compressed[description]) / new <= 1.1


def test_other_packages_and_a_cold_cache_give_the_same_layers(engine: Engine, upper: list[str], changed: Path) -> None:
    """A dependency's update, a fresh runner, another umask: no month and no code moves again."""
    for path in (changed / "data").rglob("*.*"):
        path.chmod(0o600)
    dockerfile = changed / "Dockerfile"
    text = dockerfile.read_text()
    for stage in ("data", "code"):  # a command that no earlier run had, so that no cache has what follows
        text = text.replace(f"FROM base AS {stage}\n", f"FROM base AS {stage}\nRUN echo {changed}\n")
    dockerfile.write_text(text)
    tag = engine.build_without_packages(changed, "slipway-test:cold", "COPY requirements/serve.txt /packages")
    packages, *layers = engine.layers(tag)
    assert packages not in upper
    description = len(layers) - 3  # which has the Dockerfile, changed above
    assert layers[:description] == upper[:description]
    assert layers[description + 1 :] == upper[description + 1 :]


def test_no_secret_in_the_context_reaches_a_layer(engine: Engine, upper: list[str], changed: Path) -> None:
    secrets = [
        ".env", ".aws/credentials", ".dvc/config.local", "credentials", "id_rsa", "data/.env", "data/flights/.netrc",
        "data/flights/credentials", "data/prepared/token.json", "k8s/katib/credentials", "k8s/katib/.env",
        "reports/.env", "src/slipway/.env", "src/slipway/credentials", "src/slipway/model/.aws/credentials",
        "src/slipway/registry/token.json", "src/slipway/serving/id_rsa", "requirements/.netrc", "mlflow.db",
    ]  # fmt: skip
    for name in secrets:
        (changed / name).parent.mkdir(parents=True, exist_ok=True)
        (changed / name).write_text("aws_secret_access_key = planted\n")
    assert engine.layers(engine.build_without_packages(changed, "slipway-test:secrets")) == upper


def test_every_source_file_is_in_the_image(engine: Engine, image: str) -> None:
    """A package that .dockerignore does not name would be missed only when a trial imports it."""
    listed = subprocess.run(["git", "ls-files", "src/slipway"], cwd=ROOT, capture_output=True, text=True, check=True)
    there = engine("run", "--rm", "--network=none", image, "find", "src/slipway", "-type", "f").stdout.split()
    assert set(listed.stdout.split()) <= set(there)


def test_a_dockerfile_that_misses_a_month_ends_the_build(engine: Engine, changed: Path) -> None:
    dockerfile = changed / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("COPY --from=data /layers/2013-05 /\n", ""))
    with pytest.raises(RuntimeError, match="Dockerfile is out of step with the data"):
        engine.build_without_packages(changed, "slipway-test:stale")
