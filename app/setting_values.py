"""How the values of settings are written: each function reads one kind of value, or says what it must look like.

All raise ValueError with the end of a sentence that begins with the variable's name; no text repeats the value, which
may hold a password.
"""

import ipaddress
import json
import re
import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from pydantic import AliasChoices, Field, SecretStr

# As a Content-Security-Policy may name it: a star stands for the first labels of a host name.
_ORIGIN: Final = re.compile(r"https?://(\*\.)?[A-Za-z0-9.-]+(:[0-9]{1,5})?")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PROXY_SCHEMES: Final = frozenset({"http", "https", "socks5", "socks5h"})
_LONGEST_WAIT: Final = 30 * 86400
_MOST_WAITS: Final = 100


def setting(name: str, default: Any, description: str, svix: str | None = None, **limits: Any) -> Any:
    """A field of the settings: the variables that it is read from, its default, what it means, its bounds."""
    names = [f"POSTRIDER_{name}", *([f"SVIX_{svix}"] if svix else [])]
    if name == "DB_DSN":
        names.append("DATABASE_URL")
    # Addresses of servers have passwords in them.
    shown = not name.endswith("_DSN")
    return Field(default, validation_alias=AliasChoices(*names), description=description, repr=shown, **limits)


def schedule(value: object) -> object:
    """Waits in seconds: `[5, 300]` as Svix writes it, or `5,300`."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        if text.startswith("[") != text.endswith("]"):
            raise ValueError("unbalanced")
        parts = text.removeprefix("[").removesuffix("]").split(",")
        return tuple(int(part) for part in parts if part.strip())
    except ValueError:
        raise ValueError("it must be whole seconds, like 5,300,1800 or [5,300,1800]") from None


def bounded_schedule(value: tuple[int, ...]) -> tuple[int, ...]:
    """The same waits, if they are not too many or too long."""
    if any(not 0 <= wait <= _LONGEST_WAIT for wait in value) or len(value) > _MOST_WAITS:
        raise ValueError(f"each of at most {_MOST_WAITS} waits must be from 0 to {_LONGEST_WAIT} seconds")
    return value


def networks(value: object) -> object:
    """Networks: `["10.0.0.0/8"]` as Svix writes it, or `10.0.0.0/8,fd00::/8`."""
    if not isinstance(value, str):
        return value
    try:
        parts = json.loads(value) if value.strip().startswith("[") else value.split(",")
    except ValueError:
        raise ValueError("it must be networks, like 10.0.0.0/8,fd00::/8") from None
    return tuple(ipaddress.ip_network(text) for part in parts if (text := str(part).strip()))


def words(value: object) -> object:
    """Words, separated by commas."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def proxy(value: SecretStr) -> SecretStr:
    """The URL of a proxy. `socks5h` is what some programs call `socks5`: names are never resolved by the proxy here."""
    wrong = "it must be http://, https:// or socks5://, with host, port and nothing after it, as in http://proxy:3128"
    try:
        parts = urlsplit(value.get_secret_value())
        is_proxy = parts.scheme in _PROXY_SCHEMES and parts.hostname and parts.port
    except ValueError:  # The port is not one.
        raise ValueError(wrong) from None
    if not is_proxy or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(wrong)
    return value


def authorities(value: Path) -> Path:
    """A file of certificates in PEM."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=value)
    except OSError:  # ssl.SSLError is one.
        raise ValueError("it must name a file of certificates in PEM that this process can read") from None
    return value


def payload_store(value: SecretStr) -> SecretStr:
    """The URL of a folder or of an S3 bucket."""
    url = urlsplit(value.get_secret_value())
    options = dict(parse_qsl(url.query))
    if url.scheme == "file":
        if url.netloc or len(url.path) < 2 or url.query:
            raise ValueError("a folder must be named from the root on, as in file:///var/lib/postrider/payloads")
    elif url.scheme != "s3" or not url.hostname or bool(url.username) != bool(url.password):
        raise ValueError("it must be file:///folder or s3://bucket/prefix, with both key and secret or neither")
    elif not options.keys() <= {"endpoint", "region"} or "://" not in options.get("endpoint", "://"):
        raise ValueError("it may say ?endpoint=https://… and region=…, and nothing else")
    return value


def address(value: str) -> str:
    """Host and port."""
    _, separator, port = value.rpartition(":")
    if not separator or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("it must be host:port, with a port from 1 to 65535")
    return value


def postgres(value: str) -> str:
    """The address of a Postgres server; accepts SQLAlchemy's spelling too."""
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in {"postgres", "postgresql", "postgresql+asyncpg"}:
        raise ValueError("it must begin with postgresql://")
    return f"postgresql://{rest}"


def redis(value: str) -> str:
    """The address of a Redis server."""
    if not value.startswith(("redis://", "rediss://")):
        raise ValueError("it must begin with redis:// or rediss://")
    return value


def origins(value: object) -> object:
    """Origins, separated by commas or spaces, as `https://app.example.com` or `https://*.example.com`."""
    if not isinstance(value, str):
        return value
    found = tuple(value.replace(",", " ").split())
    for origin in found:
        if _ORIGIN.fullmatch(origin) is None:
            raise ValueError("each must be an origin without a path or a slash at its end: https://app.example.com")
    return found


def issuer(value: str) -> str:
    """The address of a provider of OpenID Connect, exactly as it calls itself."""
    parts = urlsplit(web_address(value))
    is_here = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if parts.query or parts.fragment or not (parts.scheme == "https" or is_here):
        raise ValueError("it must be a URL that begins with https://, without ? and #")
    return value


def web_address(value: str) -> str:
    """The URL of something that browsers open."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("it must be a URL that begins with http:// or https://")
    return value
