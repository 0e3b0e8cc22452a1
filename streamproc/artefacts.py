"""Artefacts of the base model: one safetensors file per version, in a store that all processes share.

The store is a folder or whatever fsspec has a driver for. A file is named by its version and content, and comes into
being whole: object stores put it at once, elsewhere it is written beside its place and moved there. What a reader loads
is checked against the SHA-256 in the record that named it. Whatever a driver raises becomes an `ArtefactError` here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from models.base import BaseParameters
from streamproc.errors import StreamprocError

MAX_BYTES = 64 * 1024 * 1024
"""A larger file is not one of ours."""

_PUT_WHOLE = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"}
"""Protocols of stores where an object is there with all its bytes or not at all."""


class ArtefactError(StreamprocError):
    """An artefact that cannot be written, is missing or is not what its record says."""


def check(location: str) -> None:
    """Verify that there is a driver for a location; whether the store answers shows when it is used.

    Raises
    ------
    ArtefactError
        There is none; the message names the package to install.
    """
    with _one_line(f"artefacts cannot lie at {location!r}, see STREAMPROC_ARTEFACT_URI"):
        _open(location)


def save(parameters: BaseParameters, location: str) -> tuple[str, str]:
    """Write an artefact.

    Parameters
    ----------
    parameters
        The version to keep.
    location
        A folder, as a path or `file://` URI, made if it is missing; or a URL that fsspec knows, `s3://bucket/models`
        say.

    Returns
    -------
    tuple
        URI of the artefact, and the SHA-256 of its bytes in hexadecimal.

    Raises
    ------
    ArtefactError
        The location cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> from models.base import initial_parameters
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     uri, digest = save(initial_parameters(), folder)
    ...     uri.startswith("file://"), load(uri, digest).version
    (True, 0)
    """
    raw = parameters.to_bytes()
    digest = sha256(raw).hexdigest()
    uri = f"{location.rstrip('/')}/base-{parameters.version:08d}-{digest[:12]}.safetensors"
    with _one_line(f"cannot write artefact {uri}"):
        store, path = _open(uri)
        _write(store, path, raw)
        if isinstance(store, LocalFileSystem):
            uri = Path(path).resolve().as_uri()
    return uri, digest


def load(uri: str, digest: str) -> BaseParameters:
    """Read an artefact and verify it.

    Raises
    ------
    ArtefactError
        It is missing or out of reach, has other bytes than its record says, or is not fit to serve.
    """
    with _one_line(f"cannot read artefact {uri}", "all processes must share STREAMPROC_ARTEFACT_URI"):
        store, path = _open(uri)
        raw = store.cat_file(path, start=0, end=MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise ArtefactError(f"artefact {uri} is larger than {MAX_BYTES} bytes")
    if sha256(raw).hexdigest() != digest:
        raise ArtefactError(f"artefact {uri} is damaged: its SHA-256 is not the one in its record")
    try:
        return BaseParameters.from_bytes(raw)
    except ValueError as error:
        raise ArtefactError(f"artefact {uri}: {error}") from error


def remove(uri: str) -> None:
    """Delete an artefact; one that is gone already is no error."""
    with _one_line(f"cannot delete artefact {uri}"), contextlib.suppress(FileNotFoundError):
        store, path = _open(uri)
        store.rm_file(path)


def _open(location: str) -> tuple[Any, str]:
    """The file system of a location, and the path in it."""
    if location.startswith("file://"):
        location = unquote(urlsplit(location).path)  # which fsspec does not do
    opened: tuple[Any, str] = url_to_fs(location)
    return opened


def _write(store: AbstractFileSystem, path: str, raw: bytes) -> None:
    protocols = {store.protocol} if isinstance(store.protocol, str) else set(store.protocol)
    if protocols & _PUT_WHOLE:
        store.pipe_file(path, raw)
        return
    folder, _, name = path.rpartition("/")
    beside = f"{folder}/.{name}.{uuid4().hex[:8]}.part"
    store.makedirs(folder, exist_ok=True)
    try:
        store.pipe_file(beside, raw)
        if isinstance(store, LocalFileSystem):
            with Path(beside).open("rb") as file:
                os.fsync(file.fileno())  # the record that names it must never outlive it
        store.mv(beside, path)
    except BaseException:
        with contextlib.suppress(Exception):
            store.rm_file(beside)
        raise


@contextlib.contextmanager
def _one_line(what: str, hint: str = "") -> Iterator[None]:
    """Turn any error of a store into one line: drivers raise OSErrors, and whatever their clients do."""
    try:
        yield
    except Exception as error:
        words = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise ArtefactError("; ".join(filter(None, (f"{what}: {words}", hint)))) from error
