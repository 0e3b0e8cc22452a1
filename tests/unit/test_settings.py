"""Settings: where they come from, which source wins, and errors that name the variable."""

from pathlib import Path

import pytest

from streamproc.connection import aiokafka_options, librdkafka_options
from streamproc.settings import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("STREAMPROC_"):
            monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.toml"
    path.write_text('k = 5\nstore = "rocksdb"\ntopic_clicks = "views"\n')
    return path


def test_flags_win_over_environment_over_file_over_defaults(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMPROC_K", "6")
    monkeypatch.setenv("STREAMPROC_TOPIC_CLICKS", "looks")
    settings = load_settings(file, {"k": "7", "topic_purchases": None})
    assert settings.k == 7
    assert settings.topic_clicks == "looks"
    assert settings.store == "rocksdb"
    assert settings.topic_purchases == "purchases"


def test_the_environment_names_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMPROC_CONFIG", str(file))
    assert load_settings().k == 5


def test_an_empty_variable_counts_as_not_set(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMPROC_K", "")
    assert load_settings(file).k == 5
    assert load_settings().k == 20


def test_a_dotenv_file_found_by_chance_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("STREAMPROC_K=3\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings().k == 20


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("K", "0"),
        ("K", "many"),
        ("STORE", "redis"),
        ("PROCESSING_GUARANTEE", "at_most_once"),
        ("TOPIC_CLICKS", "my clicks"),
        ("TOPIC_PREFIX", "a/b"),
        ("COMMIT_INTERVAL_SECONDS", "0"),
        ("COMMIT_INTERVAL_SECONDS", "nan"),
        ("WORKER_HTTP_PORT", "65536"),
        ("EXPLORATION", "1.01"),
        ("FILTER_SEEN", "perhaps"),
        ("SSL_CAFILE", "/no/such/file.pem"),
        ("META_INTERVAL_SECONDS", "inf"),
        ("PRIVACY_NOISE_MULTIPLIER", "0.1"),
        ("PRIVACY_NOISE_MULTIPLIER", "nan"),
        ("PRIVACY_NOISE_MULTIPLIER", "-1"),
        ("PRIVACY_DELTA", "0"),
        ("BOOTSTRAP_SERVERS", ","),
        ("BOOTSTRAP_SERVERS", "kafka"),
        ("BOOTSTRAP_SERVERS", "PLAINTEXT://kafka:9092"),
    ],
)
def test_errors_name_the_variable_and_the_value(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"STREAMPROC_{variable}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"STREAMPROC_{variable}: ")
    assert value in str(caught.value)
    assert "\n" not in str(caught.value)


def test_errors_tell_the_source(file: Path) -> None:
    file.write_text("k = 0\n")
    with pytest.raises(SettingsError, match=rf"STREAMPROC_K \(from {file}\): .* it is '0'"):
        load_settings(file)
    with pytest.raises(SettingsError, match=r"STREAMPROC_K \(from a flag\): "):
        load_settings(flags={"k": "x"})


def test_a_slip_of_the_pen_gets_a_hint(file: Path) -> None:
    with pytest.raises(SettingsError, match="unknown setting: 'topic_click'; did you mean 'topic_clicks'"):
        load_settings(flags={"topic_click": "x"})
    file.write_text("stroe = 'memory'\n")
    with pytest.raises(SettingsError, match=rf"unknown setting in {file}: 'stroe'; did you mean 'store'"):
        load_settings(file)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read .*none\.toml: No such file"):
        load_settings(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("k = = 3")
    with pytest.raises(SettingsError, match=r"broken\.toml is not valid TOML: .*line 1"):
        load_settings(broken)


def test_a_login_must_be_complete_and_never_shows_the_password() -> None:
    with pytest.raises(SettingsError, match="STREAMPROC_SASL_USERNAME and STREAMPROC_SASL_PASSWORD"):
        load_settings(flags={"security_protocol": "SASL_SSL", "sasl_password": "s3cret"})
    settings = load_settings(
        flags={"security_protocol": "SASL_PLAINTEXT", "sasl_username": "me", "sasl_password": "s3cret"}
    )
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in settings.model_dump_json()
    assert aiokafka_options(settings)["sasl_plain_password"] == "s3cret"
    assert librdkafka_options(settings)["sasl.password"] == "s3cret"


def test_tls_options_reach_both_clients(tmp_path: Path) -> None:
    import ssl

    import certifi

    settings = load_settings(flags={"security_protocol": "SSL", "ssl_cafile": certifi.where()})
    context = aiokafka_options(settings)["ssl_context"]
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert librdkafka_options(settings)["ssl.ca.location"] == certifi.where()
    with pytest.raises(SettingsError, match="SSL_KEYFILE go together"):
        load_settings(flags={"ssl_certfile": certifi.where()})


def test_a_certificate_file_that_is_none_is_one_line(tmp_path: Path) -> None:
    nonsense = tmp_path / "ca.pem"
    nonsense.write_text("hello")
    settings = load_settings(flags={"security_protocol": "SSL", "ssl_cafile": str(nonsense)})
    with pytest.raises(SettingsError, match="cannot use the certificates"):
        aiokafka_options(settings)


def test_topics_have_the_prefix_and_stay_within_kafkas_limit() -> None:
    settings = Settings(topic_prefix="p" * 69, topic_clicks="c" * 180)
    assert len(settings.topic("clicks")) == 249
    assert settings.topic("user-state") == "p" * 69 + "streamproc-user-state-changelog"


def test_workers_of_one_host_have_different_names() -> None:
    import os

    assert Settings().worker_id.endswith(f"-{os.getpid()}")
