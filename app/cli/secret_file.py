"""The two secrets that `postrider up` makes for itself, and keeps in its data folder's `secrets.env`."""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.cli.process import CannotRun


@dataclass(frozen=True, slots=True)
class Secrets:
    """What signs API tokens, and what encrypts secrets at rest."""

    jwt: str
    main: str


def kept_secrets(data: Path, made: Callable[[], None] = lambda: None) -> Secrets:
    """The data folder's secrets, made at the first call, by whichever process is first, which then calls `made`.

    CannotRun if the folder cannot be written, or if the file is damaged.
    """
    path = data / "secrets.env"
    try:
        if not path.exists() and _create(path):
            made()
        text = path.read_text()
    except OSError as error:
        raise CannotRun(
            f"{path} cannot be read or written ({error.strerror}): "
            "make it so, or set POSTRIDER_DATA_DIR to another folder"
        ) from None
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    jwt, main = values.get("POSTRIDER_JWT_SECRET", ""), values.get("POSTRIDER_MAIN_SECRET", "")
    if not jwt or not main:
        raise CannotRun(
            f"{path} lacks POSTRIDER_JWT_SECRET or POSTRIDER_MAIN_SECRET: restore it from a backup; "
            "what is stored under the old main secret cannot be read without it"
        )
    return Secrets(jwt, main)


def _create(path: Path) -> bool:
    """Whether it was this process that made them."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
    unfinished = path.with_name(f"secrets.{os.getpid()}.unfinished")
    unfinished.touch(mode=0o600)
    unfinished.write_text(
        "# Made by `postrider up`. Keep a copy: without the main secret the stored endpoint secrets cannot be read.\n"
        f"POSTRIDER_JWT_SECRET={secrets.token_urlsafe(48)}\n"
        f"POSTRIDER_MAIN_SECRET={secrets.token_urlsafe(48)}\n"
    )
    try:
        # A link, not a rename: it fails if another process was first, whose secrets are then the ones to use.
        path.hardlink_to(unfinished)
    except FileExistsError:
        return False
    finally:
        unfinished.unlink()
    return True
