"""Finding Java, Maven and the broker's jars: each failure is one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamproc.brokers.jars import KafkaError, cache_directory, find_java, kafka_version, resolve_jars

_COPYING = """#!/bin/sh
for word; do case $word in -DoutputDirectory=*) mkdir "${word#*=}"; : > "${word#*=}/kafka.jar";; esac; done
"""
_FAILING = """#!/bin/sh
echo "[ERROR] Failed to execute goal: repository unreachable"
exit 1
"""


def command(folder: Path, name: str, script: str) -> dict[str, str]:
    """Write an executable and return an environment that finds nothing else (and a cache under `folder`)."""
    (folder / "bin").mkdir(exist_ok=True)
    path = folder / "bin" / name
    path.write_text(script)
    path.chmod(0o755)
    return {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "STREAMPROC_CACHE": str(folder / "cache")}


def test_the_compose_file_runs_the_same_kafka() -> None:
    compose = Path(__file__).parents[3] / "docker-compose.yml"
    assert f"image: apache/kafka:{kafka_version()}\n" in compose.read_text()


def test_cache_follows_the_environment(tmp_path: Path) -> None:
    name = f"kafka-{kafka_version()}"
    assert cache_directory({"STREAMPROC_CACHE": str(tmp_path)}) == tmp_path / name
    assert cache_directory({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "streamproc" / name
    assert cache_directory({}) == Path.home() / ".cache" / "streamproc" / name


def test_java_home_comes_first(tmp_path: Path) -> None:
    environ = command(tmp_path, "java", "#!/bin/sh\n")
    assert find_java({"JAVA_HOME": str(tmp_path), "PATH": ""}) == str(tmp_path / "bin" / "java")
    assert find_java(environ) == str(tmp_path / "bin" / "java")


def test_no_java_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(KafkaError, match=r"^a real Kafka broker needs Java 17 or newer"):
        find_java({"PATH": str(tmp_path)})


def test_no_maven_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(KafkaError, match=r"needs Maven: no `mvn` on the PATH$"):
        resolve_jars({"PATH": str(tmp_path), "STREAMPROC_CACHE": str(tmp_path)})


def test_jars_are_resolved_once(tmp_path: Path) -> None:
    environ = command(tmp_path, "mvn", _COPYING)
    jars = resolve_jars(environ)
    assert [path.name for path in jars.iterdir()] == ["kafka.jar"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [jars.name]
    (tmp_path / "bin" / "mvn").unlink()
    assert resolve_jars({**environ, "PATH": ""}) == jars


def test_a_failing_maven_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    environ = command(tmp_path, "mvn", _FAILING)
    with pytest.raises(KafkaError, match=r"^Maven could not resolve Apache Kafka .*: Failed to execute goal"):
        resolve_jars(environ)
    assert list((tmp_path / "cache").iterdir()) == []
