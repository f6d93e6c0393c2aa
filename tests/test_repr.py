"""What is secret does not get into a `repr`, and so into no log, no traceback and no error report that prints one."""

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterator

import msgspec
import pytest
from pydantic import BaseModel, ValidationError

import app
import worker
from app.api.endpoint.models import EndpointIn
from app.delivery.signing import SigningKey
from app.delivery.tls import TlsSettings
from app.sealing import Sealer
from app.settings import Settings

SECRET = re.compile(
    r"(secrets?|password|token|payload|headers?|key|keys|value|body|response|identity|authentication|credential|dsn"
    r"|fingerprint|signature|authorities|proxy_addr)$",
    re.IGNORECASE,
)
# What has such a name and is nothing secret.
HARMLESS = {
    # Certificates, which are public.
    ("EndpointRow", "server_authorities"),
    # The SQL of a primary key.
    ("SealedColumns", "identity"),
    # Switches.
    ("Settings", "whitelabel_headers"),
    ("Candidate", "has_payload"),
    ("ExplainedMessage", "has_payload"),
    ("Message", "has_payload"),
    # Says which database was imported from: a digest of when it was made.
    ("Source", "identity"),
    # What is known of a provider in general: where its proof is, and which fields of a config are secrets.
    ("Provider", "header"),
    ("Field", "secret"),
    # Of a public specification: whether an operation has a body.
    ("Operation", "body"),
}
# Importing it makes a process of Celery's, with the settings of the environment.
PROGRAMS = {"worker.main"}
CANARY = "canary"


def classes() -> Iterator[type]:
    """Every class of the product that Python, Pydantic or msgspec writes a `repr` for."""
    for package in (app, worker):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name in PROGRAMS:
                continue
            for found in vars(importlib.import_module(module.name)).values():
                if isinstance(found, type) and found.__module__ == module.name and _is_made_of_fields(found):
                    yield found


def _is_made_of_fields(found: type) -> bool:
    return dataclasses.is_dataclass(found) or issubclass(found, BaseModel | msgspec.Struct)


def shown(kind: type) -> set[str]:
    """The names of the fields whose values its `repr` shows."""
    if issubclass(kind, BaseModel):
        # A SecretStr shows nothing, but its canary here is a plain text.
        names = [name for name, field in kind.model_fields.items() if "SecretStr" not in str(field.annotation)]
        made: object = kind.model_construct(None, **{name: f"{CANARY}-{name}-" for name in names})
    elif issubclass(kind, msgspec.Struct):
        names = list(kind.__struct_fields__)
        made = kind(**{name: f"{CANARY}-{name}-" for name in names})
    else:
        assert dataclasses.is_dataclass(kind)
        names = [field.name for field in dataclasses.fields(kind)]
        made = object.__new__(kind)
        for name in names:
            object.__setattr__(made, name, f"{CANARY}-{name}-")
    text = repr(made) + str(made)
    return {name for name in names if f"{CANARY}-{name}-" in text}


def test_no_field_with_a_secret_name_is_shown() -> None:
    kinds = list(dict.fromkeys(classes()))
    assert len(kinds) > 100
    leaks = {
        f"{kind.__module__}.{kind.__name__}.{name}"
        for kind in kinds
        for name in shown(kind)
        if SECRET.search(name) and (kind.__name__.strip("_"), name) not in HARMLESS
    }
    assert not leaks, "\n".join(sorted(leaks))


def test_the_rule_notices_a_leak() -> None:
    @dataclasses.dataclass(frozen=True, slots=True)
    class Leaking:
        payload: bytes
        hidden_secret: str = dataclasses.field(repr=False)

    assert shown(Leaking) == {"payload"}


def test_an_error_of_validation_does_not_repeat_what_it_was_given() -> None:
    with pytest.raises(ValidationError) as failure:
        EndpointIn.model_validate({"url": f"ftp://{CANARY}/", "secret": CANARY, "headers": {"X": f"{CANARY}\n"}})
    assert CANARY not in str(failure.value)


def test_what_holds_secrets_without_fields_does_not_show_them() -> None:
    key = SigningKey.generate("hmac256")
    settings = Settings(
        _env_file=None,
        main_secret=CANARY,
        jwt_secret=CANARY,
        db_dsn=f"postgresql://u:{CANARY}@h/d",
        db_read_dsn=f"postgresql://u:{CANARY}@h/d",
        redis_dsn=f"redis://:{CANARY}@h/0",
        proxy_addr=f"http://u:{CANARY}@h:1",
    )
    for held in (key, Sealer([CANARY]), TlsSettings(CANARY, CANARY), settings):
        assert CANARY not in repr(held) + str(held)
        assert key.text not in repr(held) + str(held)
