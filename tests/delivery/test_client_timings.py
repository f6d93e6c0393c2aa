"""Where the time of an attempt went is told as far as it came, and only of what had to be done."""

import asyncio
import ssl

import trustme

from app.delivery.client import DeliveryClient
from app.delivery.exchange import Timings
from app.delivery.outcome import Delivered, Refused, Unreachable
from app.delivery.tls import tls_context
from app.delivery.url import parse_url
from tests.delivery.rudeserver import OK, Request, RudeServer, hang, loopback_client, on_each_loop, refusing_port


@on_each_loop
async def test_a_new_connection_has_all_times_and_a_kept_one_says_that_it_was_reused(
    rude: RudeServer, client: DeliveryClient
) -> None:
    async def late(request: Request) -> None:
        await asyncio.sleep(0.05)
        request.writer.write(OK)

    target = rude.does(late)
    first, second = [await client.post(target, b"", b"{}") for _ in range(2)]
    assert isinstance(first, Delivered)
    assert isinstance(second, Delivered)
    assert first.timings is not None
    assert (first.timings.reused, first.timings.tls) == (False, None)
    assert first.timings.dns is not None
    assert first.timings.connect is not None
    assert first.timings.first_byte is not None
    assert 0.05 <= first.timings.first_byte <= first.milliseconds / 1000 + 0.001
    assert second.timings is not None
    assert second.timings[:4] == (True, None, None, None)
    assert second.timings.first_byte is not None
    assert second.timings.first_byte >= 0.05


@on_each_loop
async def test_tls_has_a_time_of_its_own() -> None:
    authority, server = trustme.CA(), RudeServer()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = tls_context(verify=True)
    authority.configure_trust(trusting)
    client = loopback_client(tls=trusting)
    await server.start(context)
    try:
        outcome = await client.post(server.says(OK), b"", b"{}")
    finally:
        await client.close()
        await server.stop()
    assert isinstance(outcome, Delivered)
    assert outcome.timings is not None
    assert outcome.timings.connect is not None
    assert outcome.timings.tls is not None
    # A handshake takes more than the connection on which it is made.
    assert outcome.timings.tls > outcome.timings.connect > 0


@on_each_loop
async def test_what_ends_before_an_answer_tells_how_far_it_came(client: DeliveryClient, rude: RudeServer) -> None:
    with refusing_port() as port:
        refused = await client.post(parse_url(f"http://127.0.0.1:{port}/"), b"", b"{}")
    assert isinstance(refused, Unreachable)
    assert refused.timings is not None
    assert refused.timings.dns is not None
    assert refused.timings._replace(dns=None) == Timings(False)
    late = await client.post(rude.does(hang), b"", b"{}", 0.1)
    assert isinstance(late, Unreachable)
    assert late.timings is not None
    assert late.timings.connect is not None
    assert late.timings.first_byte is None


@on_each_loop
async def test_a_refusal_brings_the_head_of_its_final_answer(rude: RudeServer, client: DeliveryClient) -> None:
    answer = b"HTTP/1.1 103 Hints\r\nx-a: 1\r\n\r\nHTTP/1.1 503 Busy\r\nX-B: 2\r\ncontent-length: 4\r\n\r\nbusy"
    outcome = await client.post(rude.says(answer), b"", b"{}")
    assert isinstance(outcome, Refused)
    assert outcome.head == b"HTTP/1.1 503 Busy\r\nX-B: 2\r\ncontent-length: 4"
