"""Files are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.errors import UserError
from slipway.files import finite, read_json, whole_folder, write_json, write_text


def test_a_failure_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "model", "*") as folder:
        (folder / "a").write_text("old")
    with pytest.raises(RuntimeError), whole_folder(tmp_path / "model", "*") as folder:
        (folder / "a").write_text("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model/a").read_text() == "old"


def test_a_failure_before_there_was_a_folder_leaves_none(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "deep/model", "*") as folder:
        (folder / "a").write_text("half")
        raise KeyboardInterrupt
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_new_folder_replaces_the_old_whole(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with whole_folder(tmp_path / "model", "*") as folder:
            (folder / name).write_text(name)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["second"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model").stat().st_mode & 0o777 == 0o755


def test_text_is_replaced_in_one_move(tmp_path: Path) -> None:
    path = tmp_path / "deep/file"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert path.read_text() == "old"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_never_written(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "metrics.json", {"auc": value})
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="not a number"):
        finite(value)


def test_finite_rounds() -> None:
    assert finite(0.123456789) == 0.123457


def test_a_missing_or_broken_json_says_how_to_make_it(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    with pytest.raises(UserError, match=r"data\.json is missing: make it with `dvc repro`"):
        read_json(path, "dvc repro")
    for content in (b"{", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"data\.json is not JSON .*: make it again with `dvc repro`"):
            read_json(path, "dvc repro")


def test_a_folder_that_cannot_take_its_place_leaves_the_old_one_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with whole_folder(tmp_path / "model", "*") as folder:
        (folder / "a").write_text("old")
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if self.suffix == ".partial":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "model", "*") as folder:
        (folder / "a").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model/a").read_text() == "old"
