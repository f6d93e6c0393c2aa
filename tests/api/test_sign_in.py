"""Signing in with a password: who guesses is made to wait, and learns nothing about who there is."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from app.api.sign_in.gate import WRONG, Gate, Limits
from app.db.session import Database
from app.db.sign_in_failure.counting import forget_failures
from app.errors import AuthenticationFailed, TooManyRequests, Unavailable
from app.passwords import Passwords
from tests import factories
from tests.api.people import PASSWORD, email, person


@pytest.fixture
async def gate(database: Database) -> AsyncIterator[Gate]:
    passwords = Passwords()
    yield Gate(database.pool, passwords)
    passwords.close()


MOST_OF_BOTH = Limits().of_both


def address() -> str:
    """One that no other test uses."""
    number = abs(hash(factories.unique("address")))
    return f"10.{number % 251}.{number // 251 % 251}.{number // 63001 % 251}"


async def outcome(gate: Gate, email: str, password: str, address: str | None) -> type[Exception] | None:
    try:
        await gate.admit(email, password, address)
    except (AuthenticationFailed, TooManyRequests, Unavailable) as error:
        return type(error)
    return None


async def test_unknown_users_and_wrong_passwords_get_the_same_answer(
    app: FastAPI, client: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    known, invited = await person(client), email()
    assert (await client.post("/user", json={"email": invited, "role": "viewer"})).is_success
    answers = []
    for name in (known.email, invited, email(), "no email at all"):
        answer = await anonymous.post("/auth/sign-in", json={"email": name, "password": "wrong, whatever it is"})
        answers.append((answer.status_code, answer.json()["code"], answer.json()["detail"]))
    assert set(answers) == {(401, "authentication_failed", WRONG)}


async def test_unknown_users_take_as_long_as_wrong_passwords(client: httpx.AsyncClient, gate: Gate) -> None:
    known, here = await person(client), address()

    async def seconds(name: str) -> float:
        begun = time.perf_counter()
        assert await outcome(gate, name, "wrong, whatever it is", here) is AuthenticationFailed
        return time.perf_counter() - begun

    unknown = min([await seconds(email()) for _ in range(5)])
    wrong = min([await seconds(known.email) for _ in range(5)])
    # A hash takes more than ten milliseconds, all the rest together less than five.
    assert unknown > 0.01
    assert abs(unknown - wrong) < 0.6 * max(unknown, wrong)


async def test_after_ten_failures_an_address_may_not_try_an_account_even_with_the_right_password(
    client: httpx.AsyncClient, gate: Gate
) -> None:
    known, here, there = await person(client), address(), address()
    tries = [outcome(gate, known.email, "wrong, whatever it is", here) for _ in range(MOST_OF_BOTH + 5)]
    answers = await asyncio.gather(*tries)
    assert answers.count(AuthenticationFailed) == MOST_OF_BOTH
    assert answers.count(TooManyRequests) == 5
    with pytest.raises(TooManyRequests) as refused:
        await gate.admit(known.email, PASSWORD, here)
    assert 0 < refused.value.retry_after <= 900
    # The user is not locked out by it, and a neighbour at the same address may go on.
    assert await outcome(gate, known.email, PASSWORD, there) is None
    assert await outcome(gate, email(), PASSWORD, here) is AuthenticationFailed


async def test_who_signs_in_has_not_failed(client: httpx.AsyncClient, gate: Gate) -> None:
    known, here = await person(client), address()
    for _ in range(2):
        for _ in range(MOST_OF_BOTH - 1):
            assert await outcome(gate, known.email, "wrong, whatever it is", here) is AuthenticationFailed
        assert await outcome(gate, known.email, PASSWORD, here) is None


async def test_an_address_and_an_account_have_limits_of_their_own(database: Database, gate: Gate) -> None:
    strict, here, name = Gate(database.pool, gate.passwords, Limits(of_address=2, of_account=3)), address(), email()
    of_address = [await outcome(strict, email(), "wrong", here) for _ in range(3)]
    assert of_address == [AuthenticationFailed, AuthenticationFailed, TooManyRequests]
    of_account = [await outcome(strict, name, "wrong", address()) for _ in range(4)]
    assert of_account == [*[AuthenticationFailed] * 3, TooManyRequests]


async def test_who_is_refused_leaves_nothing_to_be_remembered(database: Database, gate: Gate) -> None:
    strict, here = Gate(database.pool, gate.passwords, Limits(of_address=2)), address()
    counted = "SELECT count(*) FROM sign_in_failures"
    for _ in range(2):
        assert await outcome(strict, email(), "wrong", here) is AuthenticationFailed
    before = await database.pool.fetchval(counted)
    for _ in range(3):
        assert await outcome(strict, email(), "wrong", here) is TooManyRequests
    assert await database.pool.fetchval(counted) == before


async def test_a_network_of_ipv6_is_one_address(client: httpx.AsyncClient, gate: Gate) -> None:
    name = email()
    answers = [await outcome(gate, name, "wrong", f"2001:db8:77:1::{n:x}") for n in range(1, MOST_OF_BOTH + 2)]
    assert answers[-1] is TooManyRequests


async def test_failures_are_forgotten_when_their_time_is_over(database: Database, gate: Gate) -> None:
    name, here = email(), address()
    answers = [await outcome(gate, name, "wrong", here) for _ in range(MOST_OF_BOTH + 1)]
    assert answers[-1] is TooManyRequests
    await database.pool.execute("UPDATE sign_in_failures SET ends_at = ends_at - interval '15 minutes'")
    assert await outcome(gate, name, "wrong", here) is AuthenticationFailed
    await database.pool.execute("UPDATE sign_in_failures SET ends_at = ends_at - interval '15 minutes'")
    await forget_failures(database.pool)
    assert await database.pool.fetchval("SELECT count(*) FROM sign_in_failures") == 0


async def test_too_many_at_once_are_refused_and_neither_computed_nor_counted(gate: Gate, database: Database) -> None:
    spacious, name, here = Gate(database.pool, gate.passwords, Limits(of_both=100)), email(), address()
    answers = await asyncio.gather(*(outcome(spacious, name, "wrong", here) for _ in range(60)))
    assert {AuthenticationFailed, Unavailable} == set(answers)
    # No other statement is under way: what was taken back is.
    strict = Gate(database.pool, gate.passwords, Limits(of_both=answers.count(AuthenticationFailed) + 1))
    assert await outcome(strict, name, "wrong", here) is AuthenticationFailed
    assert await outcome(strict, name, "wrong", here) is TooManyRequests


async def test_a_password_that_was_hashed_at_another_cost_is_hashed_anew(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient, database: Database
) -> None:
    known = await person(client)
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD).encode()
    await database.pool.execute("UPDATE users SET password = $1 WHERE id = $2", cheap, known.id)
    for _ in range(2):
        answer = await anonymous.post("/auth/sign-in", json={"email": known.email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
    kept = await database.pool.fetchval("SELECT password FROM users WHERE id = $1", known.id)
    assert kept.startswith(b"$argon2id$v=19$m=19456,")
