"""Artefacts of the base model: one safetensors file per version in a folder that all processes share.

A file is named by its version and content, written beside its place and moved there, so that a reader sees all of it or
nothing. What a reader loads is checked against the SHA-256 in the record that named it.
"""

from __future__ import annotations

import os
import tempfile
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote, urlsplit

from models.base import BaseParameters
from streamproc.errors import StreamprocError

MAX_BYTES = 64 * 1024 * 1024
"""A larger file is not one of ours."""


class ArtefactError(StreamprocError):
    """An artefact that cannot be written, is missing or is not what its record says."""


def save(parameters: BaseParameters, directory_uri: str) -> tuple[str, str]:
    """Write an artefact.

    Parameters
    ----------
    parameters
        The version to keep.
    directory_uri
        A folder, as a path or `file://` URI; made if it is missing.

    Returns
    -------
    tuple
        URI of the artefact, and the SHA-256 of its bytes in hexadecimal.

    Raises
    ------
    ArtefactError
        The folder cannot be written to, or is not local.

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
    folder = _local(directory_uri)
    path = folder / f"base-{parameters.version:08d}-{digest[:12]}.safetensors"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".base-", suffix=".part", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())  # the record that names it must never outlive it
            Path(temporary).chmod(0o644)  # mkstemp's 0600 would shut out workers that run as somebody else
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ArtefactError(f"cannot write artefact {path}: {error.strerror}") from error
    return path.resolve().as_uri(), digest


def load(uri: str, digest: str) -> BaseParameters:
    """Read an artefact and verify it.

    Raises
    ------
    ArtefactError
        It is missing, has other bytes than its record says, or is not fit to serve.
    """
    path = _local(uri)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ArtefactError(f"artefact {path} is larger than {MAX_BYTES} bytes")
        raw = path.read_bytes()
    except OSError as error:
        raise ArtefactError(
            f"cannot read artefact {path}: {error.strerror}; all processes must share STREAMPROC_ARTEFACT_URI"
        ) from error
    if sha256(raw).hexdigest() != digest:
        raise ArtefactError(f"artefact {path} is damaged: its SHA-256 is not the one in its record")
    try:
        return BaseParameters.from_bytes(raw)
    except ValueError as error:
        raise ArtefactError(f"artefact {path}: {error}") from error


def remove(uri: str) -> None:
    """Delete an artefact; one that is gone already is no error."""
    try:
        _local(uri).unlink(missing_ok=True)
    except OSError as error:
        raise ArtefactError(f"cannot delete artefact {uri}: {error.strerror}") from error


def _local(uri: str) -> Path:
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return Path(unquote(parts.path))
    if "://" in uri:
        raise ArtefactError(f"artefacts lie in a local or mounted folder, not at {uri!r}: set STREAMPROC_ARTEFACT_URI")
    return Path(uri)
