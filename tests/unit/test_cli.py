"""The command line: quick help, one clear line for a user's mistake, the right exit code."""

import json
import os
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streamproc.cli import COMMANDS, main


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("STREAMPROC_"):
            monkeypatch.delenv(name)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def mistake(result: Result) -> str:
    """The one line of an expected failure with exit code 2."""
    assert result.exit_code == 2, (result.exit_code, result.output, result.exception)
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line and not line.startswith(("Usage:", "Try "))]
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def test_help_lists_every_command_without_importing_any() -> None:
    code = (
        "import sys; from streamproc.cli import main\n"
        "try: main(['--help'], prog_name='streamproc')\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numba', 'faust', 'aiokafka', 'pydantic', 'pyarrow', 'confluent_kafka'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    for name in COMMANDS:
        assert f"  {name} " in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("Usage: ")


@pytest.mark.parametrize(
    "command", ["worker", "trainer", "replay F", "evaluate F", "recommend U", "topics create", "config show"]
)
def test_every_command_takes_the_shared_flags(command: str) -> None:
    assert "unknown setting: 'kk'; did you mean 'k'?" in mistake(run(*command.split(), "--set", "kk=1"))
    assert "cannot read the settings file none.toml" in mistake(run(*command.split(), "--config", "none.toml"))
    assert "STREAMPROC_BOOTSTRAP_SERVERS (from a flag)" in mistake(run(*command.split(), "--bootstrap-servers", "x"))


def test_a_bad_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMPROC_STORE", "redis")
    line = mistake(run("worker"))
    assert line == "Error: STREAMPROC_STORE: Input should be 'memory' or 'rocksdb'; it is 'redis'"


def test_an_assignment_without_a_value_and_an_unknown_command() -> None:
    assert mistake(run("config", "show", "--set", "k")) == "Error: --set needs NAME=VALUE, not 'k'"
    assert "No such command 'workers'" in mistake(run("workers"))


@pytest.mark.parametrize("command", ["replay", "evaluate"])
def test_a_missing_file_is_one_line(command: str, tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    assert mistake(run(command, str(path))) == f"Error: cannot read {path}: No such file or directory"


def test_a_missing_column_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("user_id,item_id\nu,i\n")
    assert f"{path}: no column timestamp_ms" in mistake(run("evaluate", str(path)))


@pytest.mark.parametrize("speed", ["fast", "0", "-1", "nan"])
def test_a_speed_is_max_realtime_or_a_number(speed: str) -> None:
    assert "is not max, realtime or a number above 0" in mistake(run("replay", "f", "--speed", speed))


@pytest.mark.parametrize("command", ["topics check", "recommend u1", "replay FILE"])
def test_no_broker_is_one_line(command: str, nobody: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamproc.topics._TIMEOUT_SECONDS", 0.5)
    path = tmp_path / "events.csv"
    path.write_text("timestamp_ms,user_id,item_id\n1700000000000,u,i\n")
    line = mistake(run(*command.replace("FILE", str(path)).split(), "--bootstrap-servers", nobody))
    assert nobody in line


def test_config_show_is_a_settings_file_without_secrets(tmp_path: Path) -> None:
    login = ["security_protocol=SASL_SSL", "sasl_username=me", "sasl_password=s3cret", "k=7"]
    shown = run("config", "show", *(part for pair in login for part in ("--set", pair)))
    assert shown.exit_code == 0
    assert "s3cret" not in shown.output
    assert "# sasl_password is set and not shown" in shown.output
    path = tmp_path / "saved.toml"
    path.write_text(run("config", "show", "--set", "k=7", "--set", "topic_prefix=a.").output)
    assert tomllib.loads(path.read_text())["topic_prefix"] == "a."
    again = json.loads(run("config", "show", "--json", "--config", str(path)).output)
    assert (again["k"], again["topic_prefix"], again["store"]) == (7, "a.", "memory")
    assert "worker_id" not in tomllib.loads(path.read_text())


def test_config_show_warns_of_variables_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMPROC_STOER", "rocksdb")
    result = run("config", "show")
    assert result.exit_code == 0
    assert "STREAMPROC_STOER is not a setting" in result.stderr


def test_no_traceback_reaches_the_terminal() -> None:
    command = [sys.executable, "-m", "streamproc", "evaluate", "/no/such/file"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: cannot read /no/such/file: No such file or directory\n"


def test_what_a_kafka_client_raises_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from aiokafka import errors
    from confluent_kafka import KafkaError, KafkaException

    for error, code, says in [
        (
            errors.KafkaConnectionError("Unable to bootstrap"),
            2,
            "no Kafka broker reachable: start one with `make kafka`",
        ),
        (errors.MessageSizeTooLargeError("too\nlarge"), 1, "Kafka: MessageSizeTooLargeError: [Error 10]"),
        (KafkaException(KafkaError(KafkaError._TRANSPORT)), 1, "Kafka: KafkaException: "),
    ]:

        def fail(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr("streamproc.topics.check", fail)
        result = run("topics", "check")
        assert result.exit_code == code
        assert result.stderr.startswith(f"Error: {says}")
        assert result.stderr.count("\n") == 1


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("streamproc.topics.check", broken)
    assert isinstance(run("topics", "check").exception, ZeroDivisionError)
