"""Every setting, read once from the environment and `.env`. docs/reference/settings.md is generated from this file.

Names are `POSTRIDER_<NAME>`; where Svix has the same setting, `SVIX_<NAME>` is the fallback, so that an existing
environment file starts Postrider.
"""

import ipaddress
import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, BeforeValidator, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from app import setting_values as values
from app.page_settings import PageSettings
from app.setting_values import Network, setting


class SettingsError(Exception):
    """A setting is missing or wrong. The text is one line that names the variable and says what to set."""


class Settings(PageSettings):
    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, populate_by_name=True, hide_input_in_errors=True
    )

    listen_address: Annotated[str, AfterValidator(values.address)] = setting(
        "LISTEN_ADDRESS",
        "0.0.0.0:8071",
        "Host and port of the API. `postrider up` listens on 127.0.0.1:8071 unless this is set.",
        "LISTEN_ADDRESS",
    )
    db_dsn: Annotated[str, AfterValidator(values.postgres)] | None = setting(
        "DB_DSN", None, "The Postgres server, `postgresql://user:password@host/database`.", "DB_DSN"
    )
    db_read_dsn: Annotated[str, AfterValidator(values.postgres)] | None = setting(
        "DB_READ_DSN", None, "A read replica for lists; unset: the server of `DB_DSN`."
    )
    db_pool_max_size: int = setting(
        "DB_POOL_MAX_SIZE", 20, "Most Postgres connections of one process.", "DB_POOL_MAX_SIZE", ge=4, le=1000
    )
    db_statement_timeout: float = setting(
        "DB_STATEMENT_TIMEOUT", 5.0, "Seconds after which the API gives up on a statement (503).", gt=0, le=300
    )
    redis_dsn: Annotated[str, AfterValidator(values.redis)] | None = setting(
        "REDIS_DSN", None, "The Redis or Valkey server, `redis://host:6379/0`; Celery's broker.", "REDIS_DSN"
    )
    queue_prefix: str = setting("QUEUE_PREFIX", "postrider", "Prefix of every key in Redis.", "QUEUE_PREFIX")
    data_dir: Path = setting("DATA_DIR", Path(".postrider"), "Where `postrider up` keeps its embedded servers' data.")
    embedded: bool = setting(
        "EMBEDDED", False, "Set by `postrider up` for its children: deliveries to loopback are allowed by default."
    )

    jwt_secret: SecretStr | None = setting(
        "JWT_SECRET", None, "Signs API tokens (HS256). Required; `postrider up` makes and keeps its own.", "JWT_SECRET"
    )
    jwt_algorithm: Literal["HS256", "HS384", "HS512"] = setting(
        "JWT_ALGORITHM", "HS256", "How API tokens are signed.", "JWT_ALGORITHM"
    )
    main_secret: SecretStr | None = setting(
        "MAIN_SECRET",
        None,
        "Encrypts secrets at rest. Required; several, comma-separated, during a rotation: the first one seals.",
        "MAIN_SECRET",
    )
    default_signature_type: Literal["hmac256", "ed25519"] = setting(
        "DEFAULT_SIGNATURE_TYPE", "hmac256", "Kind of the secrets that are generated.", "DEFAULT_SIGNATURE_TYPE"
    )

    public_url: Annotated[str, AfterValidator(values.web_address)] | None = setting(
        "PUBLIC_URL",
        None,
        "Where providers reach this server: what the URLs of sources begin with; unset: the address that the API was "
        "called by. Some providers sign the URL, so that it must be the one that they were told.",
    )

    max_body_bytes: int = setting(
        "MAX_BODY_BYTES", 1_048_576, "Largest request body, in bytes; a larger one gets a 413.", ge=1024
    )
    header_timeout: float = setting(
        "HEADER_TIMEOUT", 10.0, "Seconds in which a request's headers must have arrived.", gt=0, le=600
    )
    body_timeout: float = setting(
        "BODY_TIMEOUT", 30.0, "Seconds in which a request's body must have arrived.", gt=0, le=600
    )
    idle_timeout: float = setting(
        "IDLE_TIMEOUT", 30.0, "Seconds after which an idle connection to the API is closed.", gt=0, le=3600
    )

    max_connections: int = setting(
        "MAX_CONNECTIONS",
        10_000,
        "Most connections to one API process. One more closes those that were idle for longest; without any, it is "
        "refused (503). Also bounded by three quarters of the process's file descriptors.",
        ge=16,
        le=1_000_000,
    )

    retry_schedule: Annotated[
        tuple[int, ...], NoDecode, BeforeValidator(values.schedule), AfterValidator(values.bounded_schedule)
    ] = setting(
        "RETRY_SCHEDULE",
        (5, 300, 1800, 7200, 18000, 36000, 36000),
        "Seconds before each retry; the first attempt is immediate.",
        "RETRY_SCHEDULE",
    )
    worker_request_timeout: float = setting(
        "WORKER_REQUEST_TIMEOUT",
        30,
        "Seconds for one whole delivery attempt.",
        "WORKER_REQUEST_TIMEOUT",
        ge=0.1,
        le=300,
    )
    worker_max_tasks: int = setting(
        "WORKER_MAX_TASKS",
        2000,
        "Most deliveries in flight in one worker process; one endpoint gets at most half of them.",
        "WORKER_MAX_TASKS",
        ge=1,
        le=20_000,
    )
    endpoint_failure_disable_after: int = setting(
        "ENDPOINT_FAILURE_DISABLE_AFTER",
        120,
        "Hours of steady failure after which an endpoint is disabled.",
        "ENDPOINT_FAILURE_DISABLE_AFTER",
        ge=1,
        le=8760,
    )
    whitelist_subnets: Annotated[tuple[Network, ...] | None, NoDecode, BeforeValidator(values.networks)] = setting(
        "WHITELIST_SUBNETS",
        None,
        "Networks (CIDR) that deliveries may reach although they are not public. Unset: none, or loopback under "
        "`postrider up`; empty: none.",
        "WHITELIST_SUBNETS",
    )
    endpoint_https_only: bool = setting(
        "ENDPOINT_HTTPS_ONLY",
        False,
        "Refuse endpoints whose URL is not https, and send nothing to those that there are.",
        "ENDPOINT_HTTPS_ONLY",
    )
    dangerous_disable_tls_verification: bool = setting(
        "DANGEROUS_DISABLE_TLS_VERIFICATION",
        False,
        "Deliver to receivers whose certificate cannot be verified.",
        "DANGEROUS_DISABLE_TLS_VERIFICATION",
    )
    ca_file: Annotated[Path, AfterValidator(values.authorities)] | None = setting(
        "CA_FILE", None, "Certificates (PEM) of authorities that deliveries trust in addition to the system's."
    )
    proxy_addr: Annotated[SecretStr, AfterValidator(values.proxy)] | None = setting(
        "PROXY_ADDR",
        None,
        "The proxy that deliveries go through, `http://`, `https://` or `socks5://user:password@host:port`. It is "
        "asked for addresses that were looked up and judged here.",
        "PROXY_ADDR",
    )
    noproxy: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(values.words)] = setting(
        "NOPROXY",
        None,
        "What deliveries reach without the proxy: host names (with all names below them), addresses, networks (CIDR).",
        "NOPROXY",
    )
    whitelabel_headers: bool = setting(
        "WHITELABEL_HEADERS", False, "Send only the `webhook-*` headers, not `svix-*` too.", "WHITELABEL_HEADERS"
    )

    retention_days: int = setting(
        "RETENTION_DAYS", 90, "Days that history is kept; it leaves by whole weeks. 0: for ever.", ge=0, le=36_500
    )
    payload_store: Annotated[SecretStr, AfterValidator(values.payload_store)] | None = setting(
        "PAYLOAD_STORE",
        None,
        "Where large payloads are kept instead of in Postgres: `file:///folder`, which all processes share, or "
        "`s3://key:secret@bucket/prefix?endpoint=https://…&region=…`.",
    )
    payload_store_min_bytes: int = setting(
        "PAYLOAD_STORE_MIN_BYTES", 65_536, "Least size in bytes of a payload that goes to `PAYLOAD_STORE`.", ge=8192
    )

    audit_retention_days: int = setting(
        "AUDIT_RETENTION_DAYS", 400, "Days that entries of the audit log are kept.", ge=1, le=36_500
    )

    metrics_token: SecretStr | None = setting(
        "METRICS_TOKEN", None, "Bearer token that `/metrics` asks for; unset: it answers this machine only."
    )
    log_level: Literal["trace", "debug", "info", "warning", "error"] = setting(
        "LOG_LEVEL",
        "info",
        "Least level that is logged; `debug` has a line for every request and attempt.",
        "LOG_LEVEL",
    )
    log_format: Literal["auto", "default", "json"] = setting(
        "LOG_FORMAT",
        "auto",
        "`default` for people, `json` for machines; auto: by whether stderr is a terminal.",
        "LOG_FORMAT",
    )

    @field_validator(
        *("db_dsn", "db_read_dsn", "redis_dsn", "jwt_secret", "main_secret", "app_portal_url", "ca_file", "proxy_addr"),
        *("public_url", "payload_store", "metrics_token", "oidc_issuer", "oidc_client_id", "oidc_client_secret"),
        "oidc_default_role",
        mode="before",
    )
    @classmethod
    def _blank_is_missing(cls, value: object) -> object:
        """A variable that is set to nothing, as templates of environments leave it, is one that is not set."""
        return None if isinstance(value, str) and not value.strip(" ,") else value

    @property
    def host(self) -> str:
        return self.listen_address.rpartition(":")[0].strip("[]") or "0.0.0.0"  # noqa: S104 - as `:8071` says

    @property
    def port(self) -> int:
        return int(self.listen_address.rpartition(":")[2])

    @property
    def allowed_networks(self) -> tuple[Network, ...]:
        """Networks that are not public and may be delivered to all the same."""
        if self.whitelist_subnets is not None:
            return self.whitelist_subnets
        loopback = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
        return loopback if self.embedded else ()

    @property
    def main_secrets(self) -> tuple[str, ...]:
        value = self.main_secret.get_secret_value() if self.main_secret else ""
        return tuple(part.strip() for part in value.split(",") if part.strip())


def load(**overrides: Any) -> Settings:
    """Settings of the environment, with some replaced. SettingsError, one line, if one is wrong."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise SettingsError(f"{_variable(first['loc'][0])}: {first['msg'].removeprefix('Value error, ')}") from None


def _variable(place: int | str) -> str:
    """The variable that is set, of those that a setting is read from; all of them if `.env` sets it."""
    for field, info in Settings.model_fields.items():
        assert isinstance(info.validation_alias, AliasChoices)
        names = [str(name) for name in info.validation_alias.choices]
        if place in {field, *names}:
            return " or ".join([name for name in names if name in os.environ][:1] or names)
    return str(place)


@cache
def settings() -> Settings:
    """The process's settings, complete for serving: with servers and secrets. SettingsError says what is missing."""
    loaded = load()
    for name, value in (
        ("DB_DSN", loaded.db_dsn),
        ("REDIS_DSN", loaded.redis_dsn),
        ("JWT_SECRET", loaded.jwt_secret),
        ("MAIN_SECRET", loaded.main_secret),
    ):
        if value is None:
            raise SettingsError(f"POSTRIDER_{name} is not set: set it, or use `postrider up`, which brings its own")
    if loaded.oidc_issuer is not None and loaded.oidc_client_id is None:
        raise SettingsError("POSTRIDER_OIDC_CLIENT_ID is not set: set it beside POSTRIDER_OIDC_ISSUER")
    return loaded
