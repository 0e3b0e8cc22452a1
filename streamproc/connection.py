"""How every client of ours reaches the brokers: one place turns the settings into client options."""

from typing import Any

from aiokafka.helpers import create_ssl_context

from streamproc.settings import Settings, SettingsError


def aiokafka_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments that aiokafka's producer, consumer and admin client share.

    Raises
    ------
    SettingsError
        When a certificate cannot be used.

    >>> aiokafka_options(Settings(bootstrap_servers="kafka:9092"))
    {'bootstrap_servers': 'kafka:9092', 'security_protocol': 'PLAINTEXT'}
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.endswith("SSL"):
        try:
            options["ssl_context"] = create_ssl_context(
                cafile=settings.ssl_cafile, certfile=settings.ssl_certfile, keyfile=settings.ssl_keyfile
            )
        except OSError as error:  # SSLError is one
            raise SettingsError(f"cannot use the certificates of STREAMPROC_SSL_...: {error}") from None
    if settings.security_protocol.startswith("SASL") and settings.sasl_password:
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": settings.sasl_password.get_secret_value(),
        }
    return options


def librdkafka_options(settings: Settings) -> dict[str, str]:
    """The same for confluent-kafka.

    >>> librdkafka_options(Settings(bootstrap_servers="kafka:9092"))
    {'bootstrap.servers': 'kafka:9092', 'security.protocol': 'PLAINTEXT'}
    """
    options = {"bootstrap.servers": settings.bootstrap_servers, "security.protocol": settings.security_protocol}
    if settings.security_protocol.endswith("SSL"):
        files = {
            "ssl.ca.location": settings.ssl_cafile,
            "ssl.certificate.location": settings.ssl_certfile,
            "ssl.key.location": settings.ssl_keyfile,
        }
        options |= {name: str(path) for name, path in files.items() if path}
    if settings.security_protocol.startswith("SASL") and settings.sasl_password:
        options |= {
            "sasl.mechanism": settings.sasl_mechanism,
            "sasl.username": settings.sasl_username or "",
            "sasl.password": settings.sasl_password.get_secret_value(),
        }
    return options
