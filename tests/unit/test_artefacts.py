"""Artefacts: whole or not at all, verified, and errors in one line."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.base import initial_parameters
from streamproc.artefacts import ArtefactError, load, remove, save

BASE = replace(initial_parameters(), version=12, parent=9)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    uri, digest = save(BASE, str(tmp_path / "new" / "folder"))
    loaded = load(uri, digest)
    assert (loaded.version, loaded.parent) == (12, 9)
    np.testing.assert_array_equal(loaded.w1, BASE.w1)
    (file,) = (tmp_path / "new" / "folder").iterdir()
    assert file.name == f"base-00000012-{digest[:12]}.safetensors"
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_file_uri_with_blanks_is_a_folder(tmp_path: Path) -> None:
    uri, digest = save(BASE, (tmp_path / "with blank").as_uri())
    assert "%20" in uri
    assert load(uri, digest).version == 12


def test_damage_is_found(tmp_path: Path) -> None:
    uri, digest = save(BASE, str(tmp_path))
    (path,) = tmp_path.iterdir()
    raw = path.read_bytes()
    for damaged in (raw[:-1], raw[:100], b"", raw[:-1] + bytes([raw[-1] ^ 1])):
        path.write_bytes(damaged)
        with pytest.raises(ArtefactError, match="is damaged"):
            load(uri, digest)


def test_bytes_that_match_but_are_no_model_are_refused(tmp_path: Path) -> None:
    broken = replace(BASE, skip=BASE.skip * np.float32(np.nan))
    uri, digest = save(broken, str(tmp_path))
    with pytest.raises(ArtefactError, match="skip is not finite"):
        load(uri, digest)


def test_a_missing_artefact_says_what_to_share(tmp_path: Path) -> None:
    uri, digest = save(BASE, str(tmp_path))
    remove(uri)
    remove(uri)
    with pytest.raises(ArtefactError, match="STREAMPROC_ARTEFACT_URI") as caught:
        load(uri, digest)
    assert "\n" not in str(caught.value)


def test_places_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtefactError, match="cannot write artefact"):
        save(BASE, str(tmp_path / "file"))
    with pytest.raises(ArtefactError, match="s3://bucket"):
        save(BASE, "s3://bucket/models")


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtefactError, match="No space left"):
        save(BASE, str(tmp_path))
    assert list(tmp_path.iterdir()) == []
