"""No delivery reaches an address that is not public, however it is spelled, resolved or wrapped."""

import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.delivery.addresses import Address, is_permitted
from app.delivery.guard import BlockedAddress, Guard, ResolutionFailed
from app.delivery.resolver import AddressInfo

FORBIDDEN_ADDRESSES = """
    0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.255.255.254
    168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.17.0.1 172.31.255.255 192.0.0.1 192.0.0.8
    192.0.0.9 192.0.0.10 192.0.0.170 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.88.99.2 192.168.0.1
    192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255
    240.0.0.1 255.255.255.254 255.255.255.255
    :: ::1 ::2 ::7f00:1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
    ::ffff:0.0.0.0 ::ffff:0:7f00:1 ::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8 ::fffe:7f00:1 ::1:ffff:7f00:1
    64:ff9b::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::10.0.0.1 64:ff9b::c0a8:1 64:ff9b::168.63.129.16
    64:ff9b::224.0.0.1 64:ff9b:1::1 64:ff9b:1::7f00:1 64:ff9b:1::8.8.8.8 64:ff9b:1:7f00:0:100:: 64:ff9b:2::1
    100::1 100:0:0:1::1 2001::1 2001:0:7f00:1:: 2001:0:4136:e378:8000:63bf:80ff:fffe
    2001:0:808:808:0:0:f7f7:f7f7 2001:1::1 2001:1::2 2001:1::3 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1
    2001:30::1 2001:1ff::1 2001:db8::1 2001:db8:ffff::1
    2002:7f00:1:: 2002:7f00:1::1 2002:a9fe:a9fe::1 2002:a00:1::1 2002:808:808::1 2620:4f:8000::1 3ffe::1 3fff::1
    3fff:fff::1 4000::1 5f00::1 8000::1 fc00::1 fd00::1 fd00:ec2::254 fdff:ffff::1 fe00::1 fe80::1 fe80::1%eth0
    2606:4700::1%eth0 ::ffff:8.8.8.8%1 fe80::5efe:7f00:1 ::5efe:7f00:1 2606:4700::5efe:7f00:1 2606:4700::5efe:8.8.8.8
    2606:4700::200:5efe:10.0.0.1 febf::1 fec0::1 feff::1 ff00::1 ff02::1 ff05::1 ff0e::1 ffff::1
"""
FORBIDDEN = FORBIDDEN_ADDRESSES.split()

PUBLIC_ADDRESSES = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 169.253.255.255
    172.15.255.255 172.32.0.0 192.0.1.1 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255
    2001:200::1 2001:4860:4860::8888 2606:4700:4700::1111 2a00:1450::1 3fff:1000::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8
"""
PUBLIC = PUBLIC_ADDRESSES.split()


@pytest.mark.parametrize("text", FORBIDDEN)
def test_an_address_that_is_not_public_is_forbidden(text: str) -> None:
    assert not is_permitted(ip_address(text), ())


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_permitted(text: str) -> None:
    assert is_permitted(ip_address(text), ())


def wrapped(inside: IPv4Address) -> list[Address]:
    """An IPv4 address in every form in which an IPv6 address carries one."""
    low = int(inside)
    prefixes = (
        "::",
        "::ffff:0:0",
        "::ffff:0:0:0",
        "64:ff9b::",
        "64:ff9b:1::",
        "2606:4700::5efe:0:0",
        "fe80::200:5efe:0:0",
    )
    forms = [int(IPv6Address(prefix)) | low for prefix in prefixes]
    forms.append(int(IPv6Address("2002::1")) | low << 80)
    forms.append(int(IPv6Address("2001::")) | int(IPv4Address("8.8.8.8")) << 64 | low ^ 0xFFFF_FFFF)
    forms.append(int(IPv6Address("2001::")) | low << 64 | int(IPv4Address("8.8.8.8")) ^ 0xFFFF_FFFF)
    return [IPv6Address(form) for form in forms]


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_wrapping_never_makes_a_forbidden_address_reachable(inside: IPv4Address) -> None:
    if not is_permitted(inside, ()):
        assert [str(form) for form in wrapped(inside) if is_permitted(form, ())] == []


@settings(deadline=None)
@given(st.ip_addresses())
def test_nothing_that_python_calls_private_is_permitted(address: Address) -> None:
    if not address.is_global or address.is_multicast:
        mapped = isinstance(address, IPv6Address) and address.ipv4_mapped is not None
        assert mapped or not is_permitted(address, ())


def test_allowed_networks_hold_for_what_an_address_carries_too() -> None:
    allowed = [ip_network("127.0.0.0/8"), ip_network("fd00::/8")]
    for text in ("127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "::7f00:1", "2002:7f00:1::", "fd00::1"):
        assert is_permitted(ip_address(text), allowed), text
    half_allowed = "2001:0:7f00:1:0:0:f7f7:f7f7"  # Teredo: server 127.0.0.1, client 8.8.8.8
    for text in (
        half_allowed,
        "10.0.0.1",
        "::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "fe80::1",
        "fd00::1%eth0",
    ):
        assert not is_permitted(ip_address(text), allowed), text


def answering(answers: dict[str, list[str]]) -> Callable[[str, int], Awaitable[Sequence[AddressInfo]]]:
    async def resolver(host: str, port: int) -> Sequence[AddressInfo]:
        return [(0, 0, 0, "", (address, port)) for address in answers[host]]

    return resolver


async def test_every_public_answer_is_given_once_and_in_order() -> None:
    guard = Guard((), answering({"a.example": ["8.8.8.8", "2606:4700::1", "8.8.8.8", "1.1.1.1"]}))
    assert await guard.resolve("a.example", 443) == [
        ip_address(text) for text in ("8.8.8.8", "2606:4700::1", "1.1.1.1")
    ]


async def test_a_name_that_changes_its_mind_is_vetted_each_time_that_it_is_asked() -> None:
    answers = iter(["8.8.8.8", "127.0.0.1", "8.8.8.8", "169.254.169.254"])
    asked: list[str] = []
    clock = [0.0]

    async def rebinding(host: str, port: int) -> Sequence[AddressInfo]:
        asked.append(host)
        return [(0, 0, 0, "", (next(answers), port))]

    guard = Guard((), rebinding, clock=lambda: clock[0])
    for moment, is_public, look_ups in (
        (0, True, 1),
        (4.9, True, 1),
        (5, False, 2),
        (6.9, False, 2),
        (7, True, 3),
        (12, False, 4),
    ):
        clock[0] = moment
        if is_public:
            assert await guard.resolve("r.example", 80) == [ip_address("8.8.8.8")]
        else:
            with pytest.raises(BlockedAddress):
                await guard.resolve("r.example", 80)
        assert len(asked) == look_ups


async def test_vetted_answers_are_kept_for_a_bounded_number_of_names() -> None:
    asked: list[str] = []

    async def resolver(host: str, port: int) -> Sequence[AddressInfo]:
        asked.append(host)
        return [(0, 0, 0, "", ("8.8.8.8", port))]

    guard = Guard((), resolver, clock=lambda: 0.0)
    for number in range(4097):
        await guard.resolve(f"n{number}.example", 80)
    await guard.resolve("n1.example", 80)
    assert len(asked) == 4097
    await guard.resolve("n0.example", 80)
    assert len(asked) == 4098


@pytest.mark.parametrize("failure", [socket.gaierror(-2, "unknown"), UnicodeError("label too long"), OSError("down")])
async def test_a_resolver_that_fails_is_a_resolution_that_failed(failure: Exception) -> None:
    async def resolver(_host: str, _port: int) -> Sequence[AddressInfo]:
        raise failure

    with pytest.raises(ResolutionFailed):
        await Guard((), resolver).resolve("a.example", 80)
    with pytest.raises(ResolutionFailed):
        await Guard((), answering({"a.example": []})).resolve("a.example", 80)
