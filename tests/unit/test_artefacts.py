"""Artefacts in stores of all kinds: whole or not at all, verified, and errors in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from models.base import initial_parameters
from streamproc.artefacts import ArtefactError, check, load, remove, save

BASE = replace(initial_parameters(), version=12, parent=9)


class ClientError(Exception):
    """As clients of stores have their own."""


class Remote(MemoryFileSystem):
    """A store that writes in pieces, and moves; `broken` names what it refuses."""

    protocol = "remote"
    cachable = False
    store: ClassVar[dict[str, Any]] = {}
    broken: ClassVar[set[str]] = set()

    def pipe_file(self, path: str, value: bytes, **_: Any) -> None:
        with self.open(path, "wb") as file:
            file.write(value[:10])
        if "write" in self.broken:
            raise ClientError("AccessDenied:\nno")
        super().pipe_file(path, value)

    def cat_file(self, path: str, **where: Any) -> bytes:
        if "read" in self.broken:
            raise ClientError("EndpointConnectionError:\nno")
        return bytes(super().cat_file(path, **where))

    def rm_file(self, path: str) -> None:
        if "delete" in self.broken:
            raise ClientError("AccessDenied:\nno")
        super().rm_file(path)


@pytest.fixture
def remote() -> Iterator[type[Remote]]:
    fsspec.register_implementation("remote", Remote, clobber=True)
    yield Remote
    Remote.store.clear()
    Remote.broken.clear()


@pytest.fixture(params=["folder", "file", "memory", "remote"])
def location(request: pytest.FixtureRequest, tmp_path: Path, remote: type[Remote]) -> str:
    """Where nothing is yet."""
    folder = tmp_path / "new" / "with blank"
    return {
        "folder": str(folder),
        "file": folder.as_uri(),
        "memory": f"memory://{tmp_path.name}/models/",
        "remote": "remote://bucket/models",
    }[request.param]


def files(uri: str) -> list[str]:
    """Everything beside an artefact, hidden things too."""
    store, path = fsspec.core.url_to_fs(uri.replace("%20", " "))
    return [name.rpartition("/")[2] for name in store.find(path.rpartition("/")[0])]


def write(uri: str, raw: bytes) -> None:
    with fsspec.open(uri.replace("%20", " "), "wb") as file:
        file.write(raw)


def test_what_was_saved_is_loaded(location: str) -> None:
    uri, digest = save(BASE, location)
    assert save(BASE, location) == (uri, digest)  # a trainer that starts anew may write it again
    loaded = load(uri, digest)
    assert (loaded.version, loaded.parent) == (12, 9)
    np.testing.assert_array_equal(loaded.w1, BASE.w1)
    assert files(uri) == [f"base-00000012-{digest[:12]}.safetensors"]


def test_the_uri_of_a_folder_is_that_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    uri, _ = save(BASE, "with blank")
    (file,) = (tmp_path / "with blank").iterdir()
    assert uri == file.as_uri()
    assert "%20" in uri


def test_damage_is_found(location: str) -> None:
    uri, digest = save(BASE, location)
    raw = BASE.to_bytes()
    for damaged in (raw[:-1], raw[:100], b"", raw[:-1] + bytes([raw[-1] ^ 1])):
        write(uri, damaged)
        with pytest.raises(ArtefactError, match="is damaged"):
            load(uri, digest)


def test_what_is_too_large_to_be_one_is_not_read_to_its_end(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    uri, digest = save(BASE, location)
    monkeypatch.setattr("streamproc.artefacts.MAX_BYTES", 1_000)
    with pytest.raises(ArtefactError, match="larger than 1000 bytes"):
        load(uri, digest)


def test_bytes_that_match_but_are_no_model_are_refused(location: str) -> None:
    broken = replace(BASE, skip=BASE.skip * np.float32(np.nan))
    uri, digest = save(broken, location)
    with pytest.raises(ArtefactError, match="skip is not finite"):
        load(uri, digest)


def test_a_missing_artefact_says_what_to_share(location: str) -> None:
    uri, digest = save(BASE, location)
    remove(uri)
    remove(uri)
    assert files(uri) == []
    with pytest.raises(ArtefactError, match="STREAMPROC_ARTEFACT_URI") as caught:
        load(uri, digest)
    assert "\n" not in str(caught.value)


def test_places_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtefactError, match="cannot write artefact"):
        save(BASE, str(tmp_path / "file"))


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtefactError, match="No space left"):
        save(BASE, str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_whatever_a_driver_raises_is_one_line_and_leaves_nothing_behind(remote: type[Remote]) -> None:
    remote.broken |= {"write"}
    with pytest.raises(ArtefactError, match=r"cannot write artefact remote://bucket/base-\S+: AccessDenied: no$"):
        save(BASE, "remote://bucket")
    assert files("remote://bucket/any") == []
    remote.broken.clear()
    uri, digest = save(BASE, "remote://bucket")
    remote.broken |= {"read", "delete"}
    with pytest.raises(ArtefactError, match=r"cannot read artefact .*: EndpointConnectionError: no; all processes"):
        load(uri, digest)
    with pytest.raises(ArtefactError, match=r"cannot delete artefact .*: AccessDenied: no$"):
        remove(uri)


@pytest.mark.parametrize(
    ("location", "message"),
    [("s3://bucket/models", "s3fs"), ("gs://bucket", "gcsfs"), ("no-such://place", "no-such")],
)
def test_a_missing_driver_is_one_line_that_names_its_package(
    location: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("s3fs", "gcsfs"):
        monkeypatch.setitem(sys.modules, package, None)
    for use in (check, lambda where: save(BASE, where)):
        with pytest.raises(ArtefactError, match=rf"{location}.*{message}") as caught:
            use(location)
        assert "\n" not in str(caught.value)


def test_checking_a_location_makes_nothing(tmp_path: Path) -> None:
    check(str(tmp_path / "folder"))
    check("memory://anywhere")
    assert list(tmp_path.iterdir()) == []
