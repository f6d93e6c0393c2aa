"""The guard that keeps the suite off the network, tried on itself."""

import socket

import pycares
import pytest

from app.delivery.resolver import SystemResolver
from tests import loopback


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "::ffff:192.0.2.1", "2001:db8::1", "169.254.169.254"])
def test_a_connection_to_another_machine_is_refused_and_remembered(address: str) -> None:
    with pytest.raises(ConnectionRefusedError, match="loopback only"):
        socket.create_connection((address, 80), timeout=1)
    assert len(loopback.attempts) == 1
    assert address in loopback.attempts[0]
    # Else this very test would fail for it.
    loopback.attempts.clear()


def test_a_datagram_to_another_machine_is_refused_and_remembered() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        pytest.raises(ConnectionRefusedError, match="loopback only"),
    ):
        sender.sendto(b"x", ("192.0.2.1", 53))
    assert len(loopback.attempts) == 1
    loopback.attempts.clear()


def test_a_name_is_not_looked_up() -> None:
    with pytest.raises(socket.gaierror, match="looks no name up"):
        socket.getaddrinfo("example.com", 80)
    assert loopback.attempts == []


async def test_a_name_is_not_asked_for_by_the_delivery_engine_either() -> None:
    resolver = SystemResolver()
    with pytest.raises(socket.gaierror):
        await resolver("example.com", 443)
    resolver.close()
    channel = pycares.Channel()
    assert channel.servers == ["127.0.0.1:1"]
    channel.close()


def test_loopback_is_reached(closed_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        socket.create_connection(("localhost", listener.getsockname()[1]), timeout=1).close()
    with pytest.raises(ConnectionRefusedError) as refused:
        socket.create_connection(("127.0.0.1", closed_port), timeout=1)
    assert "loopback only" not in str(refused.value)
    assert loopback.attempts == []
