"""Pin an image where it runs: the training image in k8s/katib/experiment.yaml, the others by --target.

  pin --tag               print the image, its registry, its tag, which is of its content, and the commit
  pin --find TAG          print the digest the tag has in the registry already, if any
  pin --digest sha256:…   write that digest, and the inputs it was built of; nothing else in the file moves
  pin --check             is the pinned image of this data, these parameters, this model and its packages? CI asks
  pin --target serve …    --tag, --find and --digest of the server's image, which every overlay's model.yaml names
  pin --target loop …     of the workflow's small steps, which argo/workflows names
  pin --target mlflow …   of the registry's server, which k8s/platform/mlflow names

The tag is a hash of every file that goes into the image, so a push that changes none of them builds nothing.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from slipway.actions import write_output
from slipway.errors import UserError
from slipway.files import write_text
from slipway.git import git
from slipway.learning.provenance import PREPARE, code_of, code_of_a_model
from slipway.learning.provenance import TRAIN as TRAINING
from slipway.release.handover import HANDOVER, Verdict, read_verdict, write_patch, write_verdict
from slipway.release.image import DOCKERFILE, with_block

EXPERIMENT = Path("k8s/katib/experiment.yaml")
ANNOTATION = "slipway.dev/inputs"
NO_IMAGE = "sha256:" + "0" * 64
SETTINGS = ["data/*.dvc", "dvc.lock", "dvc.yaml", "params.yaml", "Dockerfile", "requirements/train.txt"]
CONTENT = [*SETTINGS, ".dockerignore", "slipway.yaml", "src"]
TRAIN, SERVE, LOOP, MLFLOW = "train", "serve", "loop", "mlflow"
"""The targets of the Dockerfile, and the keys of `images` in slipway.yaml."""
_LIGHT = {
    SERVE: ["Dockerfile", ".dockerignore", "requirements/serve.txt", "src"],
    LOOP: ["Dockerfile", ".dockerignore", "requirements/loop.txt", "slipway.yaml", "src"],
    MLFLOW: ["Dockerfile", ".dockerignore", "requirements/mlflow.txt"],
}
"""What goes into the images without data."""
KUSTOMIZATIONS = {
    LOOP: Path("argo/workflows/kustomization.yaml"),
    MLFLOW: Path("k8s/platform/mlflow/kustomization.yaml"),
}
"""Where an image that one kustomization runs is pinned."""
_IMAGE = re.compile(r"^(?P<indent>\s*(?:- )?image: )(?P<image>[^\s@#]+)@(?P<digest>sha256:[0-9a-f]{64})", re.MULTILINE)
_NOTED = re.compile(rf'^(?P<key>\s*{re.escape(ANNOTATION)}: )"(?P<inputs>[^"]*)"', re.MULTILINE)
_ANNOTATIONS = re.compile(r"^  annotations:[^\n]*\n", re.MULTILINE)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_OF_A_KUSTOMIZATION = re.compile(r"^(?P<indent> +digest: )sha256:[0-9a-f]{64}(?: +#[^\n]*)?$", re.MULTILINE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `slipway pin`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--tag", action="store_true", help="print image, registry and tag")
    what.add_argument("--find", metavar="TAG", help="print the digest of this tag; nothing when there is none")
    what.add_argument("--digest", metavar="sha256:…", help="pin this digest")
    what.add_argument("--check", action="store_true", help="exit code 2 when the pinned image is of other inputs")
    parser.add_argument("--target", choices=[TRAIN, *_LIGHT], default=TRAIN, help="which image, default: %(default)s")
    parser.add_argument("--image", help="default: what slipway.yaml has under images")
    parser.add_argument("--file", type=Path, default=EXPERIMENT, help="default: %(default)s")


def run(args: argparse.Namespace) -> None:
    """Print, pin or check."""
    if args.check:
        if args.target != TRAIN:
            raise UserError("--check is about the training image: what the others are of is not noted anywhere.")
        print(check(args.file))
        return
    image = args.image or _image_of_names(args.target)
    if args.tag:
        write_output("image", image)
        write_output("registry", image.partition("/")[0])
        write_output("tag", content_tag(args.target))
        write_output("revision", git("rev-parse", "HEAD"))
        return
    if args.find:
        write_output("digest", _known_digest(image, args.find))
        return
    if args.target == SERVE:
        pin_server(image, args.digest)
        return
    if args.target in KUSTOMIZATIONS:
        pin_kustomization(KUSTOMIZATIONS[args.target], args.digest)
        print(f"{KUSTOMIZATIONS[args.target]}  {image}@{args.digest}")
        return
    text = pinned(_read(args.file), image, args.digest, inputs_hash(), args.file)
    write_text(args.file, text)
    print(f"{args.file}  {image}@{args.digest}")
    if (HANDOVER / "verdict.json").exists():  # in the workflow: hand the pin over, too
        write_patch()
        write_verdict(replace(Verdict(), image=f"{image}@{args.digest}"))


def pinned(text: str, image: str, digest: str, inputs: str, path: Path = EXPERIMENT) -> str:
    """``text`` of an experiment with the one image in it replaced and the inputs noted; all else as it was.

    Raises:
        UserError: the digest is none, or the file has no image pinned by digest, or several.
    """
    _check_digest(digest)
    found = _IMAGE.findall(text)
    if len(found) != 1:
        raise UserError(f"{path}: {len(found)} lines have an image pinned by digest; there must be exactly one.")
    text = _IMAGE.sub(lambda line: f"{line['indent']}{image}@{digest}", text)
    if _NOTED.search(text):
        return _NOTED.sub(lambda line: f'{line["key"]}"{inputs}"', text)
    note = f'    {ANNOTATION}: "{inputs}"'  # quoted: a hash may look like a number
    block = _ANNOTATIONS.search(text)
    if block:
        if not block[0].rstrip().endswith("annotations:"):
            raise UserError(f"{path}: write metadata.annotations with one key a line.")
        return text[: block.end()] + note + "\n" + text[block.end() :]
    return re.sub(r"^metadata:[^\n]*\n", lambda line: f"{line[0]}  annotations:\n{note}\n", text, count=1, flags=re.M)


def pin_server(image: str, digest: str) -> None:
    """Have every environment serve with this image, from its next deployment on; the model stays.

    Raises:
        UserError: the digest is none, or a manifest is not as ``slipway promote`` writes it; then none is changed.
    """
    from slipway.release.manifest import read_model_patch, render_model_patch
    from slipway.release.promote import environments, manifest_of

    _check_digest(digest)
    manifests = {path: read_model_patch(path) for path in map(manifest_of, environments())}
    for path, served in manifests.items():
        write_text(path, render_model_patch(replace(served, serve_image=f"{image}@{digest}")))
        print(f"{path}  {image}@{digest}")


def pin_kustomization(path: Path, digest: str) -> None:
    """Have a kustomization run its image at this digest; the comment that said that there was none goes.

    Raises:
        UserError: the digest is none, or the file has not exactly one.
    """
    _check_digest(digest)
    text = _read(path)
    if (count := len(_OF_A_KUSTOMIZATION.findall(text))) != 1:
        raise UserError(f"{path}: {count} images have a digest; there must be exactly one: restore it from Git.")
    write_text(path, _OF_A_KUSTOMIZATION.sub(lambda line: line["indent"] + digest, text))


def check(path: Path = EXPERIMENT, root: Path | None = None) -> str:
    """What is pinned, in a sentence; ``root`` is a folder with the files of one commit, None the work tree.

    Raises:
        UserError: an image is pinned, and it is of other data, parameters or model code than the work tree has.
    """
    text = _read(path)
    found = _IMAGE.search(text)
    if not found or found["digest"] == NO_IMAGE:
        return f"{path}: no image is pinned yet; the first data push builds one."
    noted = _NOTED.search(text)
    if not noted or noted["inputs"] != inputs_hash(root):
        raise UserError(
            f"{path}: the pinned image is of other inputs than this commit's ({', '.join(SETTINGS)}, "
            "the code that prepares and trains). "
            "Let the data-pushed workflow build one: push the branch to the repository itself, or run it on the branch."
        )
    return f"{path}: {found['image']}@{found['digest']} is of this commit's inputs."


def pinned_image(path: Path = EXPERIMENT) -> str | None:
    """The image that searches, name@digest; None before the first one was built.

    Raises:
        UserError: there is no such file, or no image in it.
    """
    found = _IMAGE.search(_read(path))
    if found is None:
        raise UserError(f"{path} has no image pinned by digest: restore the line from Git.")
    return None if found["digest"] == NO_IMAGE else f"{found['image']}@{found['digest']}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run this in the repository's root.") from None


def inputs_hash(root: Path | None = None) -> str:
    """A hash of what a search's results depend on; the workflow `data-pushed` starts when any of it is pushed.

    ``root`` is a folder with the files of one commit and nothing else; None the work tree.
    """
    if root is None:
        return _hash_of(inputs())[:16]
    names = {path.relative_to(root).as_posix() for path in root.rglob("*")}
    return _hash_of_files({name for name in names if is_of(name, inputs(root))}, root, with_data=True)[:16]


def inputs(root: Path | None = None) -> list[str]:
    """What a search's results depend on: settings, and the code that prepares and trains."""
    code = code_of_a_model() if root is None else code_of(PREPARE, TRAINING, source=root / "src")
    return [*SETTINGS, *map(str, code)]


def is_of(name: str, patterns: Iterable[str]) -> bool:
    """Whether Git would list a file for these path patterns."""
    return any(name == it or name.startswith(f"{it}/") or fnmatch.fnmatchcase(name, it) for it in patterns)


def content_tag(target: str = TRAIN) -> str:
    """A tag for the image, of the content of everything that goes into it."""
    return _hash_of(_LIGHT.get(target, CONTENT), with_data=target == TRAIN)[:20]


def _hash_of(patterns: list[str], *, with_data: bool = True) -> str:
    """SHA-256 over names and content of the files that Git tracks, or would: what it ignores is left out.

    Without data, a Dockerfile counts as one that copies no data: new data makes no new server.
    """
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns)
    return _hash_of_files({name for name in listed.split("\0") if name}, Path(), with_data)


def _hash_of_files(names: Iterable[str], root: Path, with_data: bool) -> str:
    whole = hashlib.sha256()
    for name in sorted(names):
        path = root / name
        if path.is_file():
            content = path.read_bytes()
            if Path(name) == DOCKERFILE and not with_data:
                content = with_block(content.decode(), [], path).encode()
            whole.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()


def _known_digest(image: str, tag: str) -> str:
    from slipway.release.oci import digest_of

    try:
        return digest_of(image, tag) or ""
    except UserError as error:
        if (HANDOVER / "verdict.json").exists():
            write_verdict(replace(read_verdict(), failed="image", sentence=str(error)))
        raise


def _check_digest(digest: str) -> None:
    if not _DIGEST.fullmatch(digest):
        raise UserError(f"--digest: {digest!r} is not sha256: and 64 hexadecimal digits.")


def _image_of_names(target: str) -> str:
    from slipway.names import load_names

    image: str = getattr(load_names().images, target)
    return image
