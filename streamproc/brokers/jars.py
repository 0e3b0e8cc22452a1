"""The jars of a real Apache Kafka broker: resolved once by the user's own Maven, then kept in a cache folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from streamproc.errors import StreamprocError

_POM = Path(__file__).with_name("pom.xml")


class KafkaError(StreamprocError):
    """The broker cannot be had on this machine; the message is one line that says what to do."""


def kafka_version() -> str:
    """Return the Kafka release that ``pom.xml`` names.

    >>> kafka_version().split(".")[0]
    '4'
    """
    found = re.search(r"<kafka\.version>(.+?)</kafka\.version>", _POM.read_text(encoding="utf-8"))
    if found is None:
        raise KafkaError(f"{_POM} names no kafka.version")
    return found[1]


def cache_directory(environ: Mapping[str, str] = os.environ, name: str = "kafka") -> Path:
    """Return the folder of the jars: ``STREAMPROC_CACHE``, else the user's cache folder, plus ``NAME-VERSION``.

    >>> cache_directory({"STREAMPROC_CACHE": "/tmp/cache"}).parent.as_posix()
    '/tmp/cache'
    """
    if chosen := environ.get("STREAMPROC_CACHE"):
        root = Path(chosen)
    else:
        root = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streamproc"
    return root / f"{name}-{kafka_version()}"


def find_java(environ: Mapping[str, str] = os.environ) -> str:
    """Return the path of ``java``: that of ``JAVA_HOME`` first, then the one on ``PATH``.

    Raises
    ------
    KafkaError
        If there is neither.
    """
    candidates = [str(Path(home) / "bin" / "java")] if (home := environ.get("JAVA_HOME")) else []
    for candidate in [*candidates, "java"]:
        if found := shutil.which(candidate, path=environ.get("PATH")):
            return found
    raise KafkaError("a real Kafka broker needs Java 17 or newer: no `java` on the PATH and none in JAVA_HOME")


def resolve_jars(environ: Mapping[str, str] = os.environ, pom: Path = _POM, name: str = "kafka") -> Path:
    """Return the folder that holds the jars that `pom` names; ask Maven for them the first time (the broker's: 43 MB).

    The user's own Maven settings (mirrors, proxies, an offline repository) decide where they come from.

    Parameters
    ----------
    pom
        The property ``kafka.version`` is set to the broker's release.
    name
        Of the folder in the cache.

    Raises
    ------
    KafkaError
        If Maven is missing or fails.
    """
    target = cache_directory(environ, name)
    if target.is_dir():
        return target
    maven = shutil.which("mvn", path=environ.get("PATH"))
    if maven is None:
        raise KafkaError(
            f"the jars of {name} are not in {target} yet and getting them needs Maven: no `mvn` on the PATH"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    # Resolved aside and renamed whole: an interrupted download never looks complete, and two processes may race.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="resolving-") as aside:
        jars = Path(aside) / "jars"
        command = [maven, "--batch-mode", "--quiet", "-f", str(pom), "dependency:copy-dependencies"]
        # Maven writes its own `target` folder beside the pom unless told otherwise; the package may be read-only.
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={jars}", f"-Dkafka.version={kafka_version()}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=aside, env=dict(environ))
        if done.returncode != 0:
            errors = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
            first = errors[0].split("ERROR", 1)[1].lstrip("] ")[:300] if errors else "no message"
            raise KafkaError(f"Maven could not resolve Apache Kafka {kafka_version()}: {first}")
        try:
            jars.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    return target
