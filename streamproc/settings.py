"""Every setting, in one place. Flags win over the environment (`STREAMPROC_...`), which wins over a TOML file."""

import difflib
import os
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, FilePath, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from streamproc.errors import StreamprocError
from streamproc.setting_types import Count, Port, Seconds, Share, TopicName, brokers, enough_noise, legal_name

PREFIX = "STREAMPROC_"
CONFIG_VARIABLE = PREFIX + "CONFIG"


class SettingsError(StreamprocError):
    """A setting that cannot be used; the message names the variable and what is allowed."""

    exit_code = 2


class Settings(BaseSettings):
    """All settings of all processes.

    Examples
    --------
    >>> settings = Settings(topic_prefix="shop.")
    >>> settings.topic("training-examples")
    'shop.training-examples'
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True
    )

    bootstrap_servers: Annotated[str, AfterValidator(brokers)] = Field(
        default="127.0.0.1:9092", description="Kafka brokers, `HOST:PORT`, separated by commas."
    )
    application_id: TopicName = Field(
        default="streamproc",
        description="Name of the application: consumer group and transactional ids derive from it.",
    )
    processing_guarantee: Literal["exactly_once", "at_least_once"] = Field(
        default="exactly_once", description="`at_least_once` is for brokers without transactions."
    )

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How to talk to the brokers."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="PLAIN", description="How to log in when the protocol is SASL."
    )
    sasl_username: str | None = Field(default=None, description="User name for SASL.")
    sasl_password: SecretStr | None = Field(default=None, description="Password for SASL; never shown.")
    ssl_cafile: FilePath | None = Field(default=None, description="Certificate authority of the brokers (PEM).")
    ssl_certfile: FilePath | None = Field(default=None, description="Certificate of this client (PEM).")
    ssl_keyfile: FilePath | None = Field(default=None, description="Its key (PEM).")

    topic_prefix: Annotated[str, Field(max_length=69), AfterValidator(legal_name)] = Field(
        default="", description="Put before every topic name, for example `shop.`."
    )
    topic_clicks: TopicName = Field(default="clicks", description="Clicks and cart events, keyed by user.")
    topic_purchases: TopicName = Field(default="purchases", description="Purchases, keyed by user.")
    topic_items: TopicName = Field(default="items", description="The catalogue, compacted.")
    topic_recommendation_requests: TopicName = Field(
        default="recommendation-requests", description="Requests for a list now."
    )
    topic_recommendations: TopicName = Field(default="recommendations", description="Lists, one per user and batch.")
    topic_drift_signals: TopicName = Field(default="drift-signals", description="Alarms and commands to adapt.")
    topic_model_updates: TopicName = Field(default="model-updates", description="Model versions, compacted.")
    topic_item_stats: TopicName = Field(default="item-stats", description="Item knowledge shared by all workers.")
    topic_training_examples: TopicName = Field(
        default="training-examples", description="What the trainer learns from, binary."
    )
    topic_dead_letters: TopicName = Field(default="dead-letters", description="Records that could not be used.")
    topic_user_state: TopicName = Field(
        default="streamproc-user-state-changelog", description="Changelog of the per-user state, compacted."
    )
    partitions: Count = Field(default=4, description="Partitions of the topics that `topics create` makes.")
    replication_factor: Count = Field(default=1, description="Their copies; three for production.")

    store: Literal["memory", "rocksdb"] = Field(
        default="memory", description="Where a worker keeps user state; RocksDB restarts faster with many users."
    )
    data_dir: Path = Field(default=Path(".streamproc"), description="Folder for local state.")
    artefact_uri: str = Field(
        default="",
        description="Where model artefacts lie, for all processes alike: a folder, or a URL of any store that fsspec "
        "has a driver for, such as `s3://bucket/models`; empty: `artefacts` in `data_dir`.",
    )
    keep_versions: Count = Field(default=20, description="Model artefacts to keep.")

    commit_interval_seconds: Annotated[float, Field(ge=0.01, le=60)] = Field(
        default=0.1, description="Longest time between commits under load."
    )
    snapshot_interval_seconds: Annotated[float, Field(ge=0)] = Field(
        default=120,
        description="How often a worker writes what it has learned to `data_dir`, for a faster restart; 0 never.",
    )
    max_poll_records: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=500, description="Largest micro-batch of one partition."
    )
    session_timeout_seconds: Annotated[float, Field(ge=1, le=300)] = Field(
        default=10, description="A worker silent for so long loses its partitions."
    )
    group_instance_id: Annotated[str, Field(max_length=249), AfterValidator(legal_name)] = Field(
        default="",
        description="Name of this worker over restarts, unique among workers: one that is back within the session "
        "timeout keeps its partitions, and nobody else is interrupted; empty: none.",
    )
    state_ttl_days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=0, description="Forget users who did nothing for so many days, by the time of the events; 0: never."
    )
    max_event_bytes: Annotated[int, Field(ge=256, le=10_000_000)] = Field(
        default=65_536, description="Longer values go to the dead letters."
    )
    max_future_seconds: Seconds = Field(
        default=86_400, description="Events further ahead of the clock go to the dead letters."
    )

    repartition: bool = Field(
        default=False,
        description="Send events whose key is not their user_id on to the right partition, not to the dead letters.",
    )

    http_host: str = Field(
        default="127.0.0.1",
        description="Address of `/metrics`, `/healthz`, `/readyz`; `0.0.0.0` opens it to the network.",
    )
    worker_http_port: Port = Field(default=6066, description="Port of the worker; 0: any free one.")
    trainer_http_port: Port = Field(default=6067, description="Port of the trainer; 0: any free one.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="What to log.")
    worker_id: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}"[-128:],
        description="Name of this process; default: host and process id.",
    )

    k: Annotated[int, Field(ge=1, le=200)] = Field(default=20, description="Length of a recommendation list.")
    filter_seen: bool = Field(default=False, description="Never recommend what the user has seen lately.")
    filter_purchased: bool = Field(default=False, description="Never recommend what the user has bought lately.")
    repeatable_categories: str = Field(
        default="",
        description="Categories, separated by commas, that the two filters let pass: consumables are bought again.",
    )
    category_cap: Annotated[int, Field(ge=0)] = Field(
        default=0, description="At most so many items of one category in a list; 0: no cap."
    )
    block_list_file: FilePath | None = Field(default=None, description="Items never to recommend, one id per line.")
    diversity: Share = Field(default=0.0, description="Weight of diversity (MMR) against score; 0: off.")
    exploration: Share = Field(default=0.0, description="Share of places given to chance, with logged propensities.")
    newcomer_places: Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="At least so many items of a list are ones nobody has touched yet, while there are any.",
    )
    max_items: Count = Field(default=1_000_000, description="Items to know at most; the least used are forgotten.")
    served_lists: Annotated[int, Field(ge=0)] = Field(
        default=2_048,
        description="Lists whose candidates are kept in memory, 66 KB each, until their users' next events, which then "
        "cost a fifth less: best as many as users are active at a time.",
    )
    shuffle_seed: int = Field(default=0, description="Seed of everything random.")

    publish_every: Count = Field(default=1_000, description="Examples between published refreshes of the base model.")
    meta_interval_seconds: Seconds = Field(default=600, description="Time between meta-updates without a drift signal.")
    meta_cooldown_seconds: Annotated[float, Field(ge=0)] = Field(
        default=30, description="Least time between two meta-updates caused by drift."
    )

    privacy_noise_multiplier: Annotated[float, Field(le=100), AfterValidator(enough_noise)] = Field(
        default=0,
        description="Noise on meta-updates, in clips: protects each user's window of events there, and there alone, as "
        "refreshes learn from every event without noise. `models list` tells the epsilon spent; 0: off.",
    )
    privacy_clip: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=10, description="With noise: largest L2 norm of one user's contribution to a step of a meta-update."
    )
    privacy_delta: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=1e-6, description="With noise: chance with which epsilon may fail; well below one in so many users."
    )

    promotion_margin_nats: Annotated[float, Field(gt=0, le=0.2)] = Field(
        default=0.02, description="Log loss per event by which a refresh may at most be worse than what it replaces."
    )
    promotion_error: Annotated[float, Field(gt=0, le=0.5)] = Field(
        default=0.05, description="Largest chance that a worse version is promoted, or a better one rejected as worse."
    )
    promotion_comparisons: Count = Field(
        default=200, description="Shadow comparisons after which a version that has proven nothing is rejected."
    )
    promotion_timeout_seconds: Seconds = Field(
        default=300, description="Time for a verdict from live traffic; then held-out examples decide."
    )
    probation_comparisons: Count = Field(
        default=1_000, description="Shadow comparisons for which a promoted version may lose its place to its parent."
    )

    @model_validator(mode="after")
    def _complete_login(self) -> "Settings":
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and self.sasl_password):
            raise ValueError(f"{PREFIX}SASL_USERNAME and {PREFIX}SASL_PASSWORD are needed with SASL")
        if bool(self.ssl_certfile) != bool(self.ssl_keyfile):
            raise ValueError(f"{PREFIX}SSL_CERTFILE and {PREFIX}SSL_KEYFILE go together")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings  # a .env file found by chance must not change a running system

    def topic(self, name: str) -> str:
        """Real name of a topic, by its default name, `"drift-signals"` say; the changelog is `"user-state"`."""
        real: str = getattr(self, "topic_" + name.replace("-", "_"))
        return self.topic_prefix + real

    @property
    def artefacts(self) -> str:
        """Where artefacts lie, with the default filled in."""
        return self.artefact_uri or str(self.data_dir / "artefacts")


def load_settings(config: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """Read settings from a TOML file, the environment and flags.

    Parameters
    ----------
    config
        TOML file; default: the one that `STREAMPROC_CONFIG` names, if any.
    flags
        Values that win over environment and file; those that are None are left out.

    Raises
    ------
    SettingsError
        In one line: which variable is wrong, and how.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    for name in given:
        _known(name, "setting")
    path = config or (Path(named) if (named := os.environ.get(CONFIG_VARIABLE)) else None)
    file_values = _read_toml(path) if path else {}
    # What the environment sets wins over the file: leave it out of what is passed on.
    merged = {name: value for name, value in file_values.items() if not os.environ.get(PREFIX + name.upper())}
    try:
        return Settings(**(merged | given))
    except ValidationError as error:
        raise SettingsError(_in_one_line(error, given, merged, path)) from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {path} is not valid TOML: {error}") from None
    for name in values:
        _known(name, f"setting in {path}")
    return values


def _known(name: str, what: str) -> None:
    if name not in Settings.model_fields:
        near = difflib.get_close_matches(name, Settings.model_fields, 1)
        hint = f"did you mean {near[0]!r}?" if near else "`streamproc config show` lists them all"
        raise SettingsError(f"unknown {what}: {name!r}; {hint}")


def _in_one_line(
    error: ValidationError, flags: Mapping[str, Any], file_values: Mapping[str, Any], path: Path | None
) -> str:
    parts = []
    for detail in error.errors(include_url=False):
        message = detail["msg"].removeprefix("Value error, ")
        if not detail["loc"]:
            parts.append(message)
            continue
        name = str(detail["loc"][0])
        source = " (from a flag)" if name in flags else f" (from {path})" if name in file_values else ""
        value = "" if "password" in name else f"; it is {str(detail['input'])[:80]!r}"
        parts.append(f"{PREFIX}{name.upper()}{source}: {message}{value}")
    return "; ".join(parts)
