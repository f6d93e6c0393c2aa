"""The gate: emails and passwords are compared here, and who guesses too often is made to wait."""

import hashlib
import ipaddress
from dataclasses import dataclass
from math import ceil
from typing import Final

import asyncpg
from loguru import logger

from app.db.sign_in_failure.counting import Counted, count_failure, forget_failures_of, take_back_failures
from app.db.user.credentials import Credentials, email_of, find_credentials
from app.errors import AuthenticationFailed, TooManyRequests, Unavailable
from app.passwords import Passwords

WINDOW_SECONDS: Final = 900.0
WRONG: Final = (
    "The email or the password is wrong, or this user may not sign in. Try again, or ask an administrator for a new "
    "invitation."
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How often it may fail in WINDOW_SECONDS: of one account from one address, of one address, of one account.

    The last is larger than the first, so that who guesses from one address keeps nobody out but themselves.
    """

    of_both: int = 10
    of_address: int = 100
    of_account: int = 100


class Gate:
    """Lets in who knows a user's password. What it answers, and how fast, does not say which users there are."""

    def __init__(self, pool: asyncpg.Pool, passwords: Passwords, limits: Limits | None = None) -> None:
        self._pool = pool
        self._limits = limits or Limits()
        self.passwords = passwords

    async def admit(self, email: str, password: str, address: str | None) -> Credentials:
        """Whose email and password these are. AuthenticationFailed, TooManyRequests, or Unavailable.

        A failure is counted before it is known to be one: many at once cannot all be the last.
        """
        account, network = _hash("account", email), _hash("address", _network(address))
        both = _hash("both", email, _network(address))
        # One after the other: who is refused for one of them makes no more to remember of the others.
        for subject, most in (
            (network, self._limits.of_address),
            (both, self._limits.of_both),
            (account, self._limits.of_account),
        ):
            await self._count(subject, most)
        try:
            found = await find_credentials(self._pool, email)
            fits = await self.passwords.fits(password, None if found is None else found.password)
        except Unavailable:
            # Nothing was compared.
            await take_back_failures(self._pool, [both, account, network])
            raise
        if found is None or not fits:
            # Whose email it was is not said: it may be a password in the wrong field.
            logger.info("a sign-in failed, from {}", address)
            raise AuthenticationFailed(WRONG)
        await forget_failures_of(self._pool, both)
        await take_back_failures(self._pool, [account, network])
        return found

    async def email_of(self, organization_id: str, user_id: str) -> str | None:
        """A user's email; None if there is no such user."""
        return await email_of(self._pool, organization_id, user_id)

    async def _count(self, subject: bytes, most: int) -> None:
        counted = await count_failure(self._pool, subject, WINDOW_SECONDS)
        if counted.failures > most:
            logger.info("a sign-in was refused, because too many have failed")
            raise _later(counted)


def _later(counted: Counted) -> TooManyRequests:
    seconds = max(1, ceil(counted.seconds_left))
    text = f"Too many sign-ins have failed. Try again in {ceil(seconds / 60)} minutes."
    return TooManyRequests(text, retry_after=seconds)


def _hash(*parts: str) -> bytes:
    """What is counted under: a password that was typed for an email is nothing to keep."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


def _network(address: str | None) -> str:
    """Of IPv6 the /64, which is what one customer has of a provider."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
