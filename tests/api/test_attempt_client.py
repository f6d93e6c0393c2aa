"""The official client reads history, and has a message sent again, over a real connection."""

from datetime import timedelta

import pytest
from svix.api import SvixAsync
from svix.api.message import MessageGetOptions, MessageListOptions
from svix.api.message_attempt import (
    MessageAttemptListAttemptedMessagesOptions,
    MessageAttemptListByEndpointOptions,
    MessageAttemptListByMsgOptions,
)
from svix.exceptions import HttpError
from svix.models import MessageStatus, StatusCodeClass

from tests.api.shop import Shop


async def test_the_official_client_filters_attempts(svix: SvixAsync, shop: Shop) -> None:
    message = await shop.message(channels=["eu"])
    failed = await shop.attempt(message, age=20, code=500, response=b"broken")
    await shop.attempt(message, age=10)
    options = MessageAttemptListByEndpointOptions(
        limit=5,
        status=MessageStatus.FAIL,
        status_code_class=StatusCodeClass.CODE5XX,
        channel="eu",
        before=shop.now,
        with_content=True,
        event_types=["invoice.paid", "order.made"],
    )
    page = await svix.message_attempt.list_by_endpoint(shop.application, shop.endpoint, options)
    assert [(item.id, item.response, item.status_text) for item in page.data] == [(failed, "broken", "fail")]
    after = MessageAttemptListByMsgOptions(after=shop.now - timedelta(seconds=15), endpoint_id="till")
    page = await svix.message_attempt.list_by_msg(shop.application, message, after)
    assert [item.response_status_code for item in page.data] == [200]
    assert (page.done, page.iterator, page.prev_iterator) == (True, page.data[0].id, f"-{page.data[0].id}")


async def test_the_official_client_follows_a_delivery(svix: SvixAsync, shop: Shop) -> None:
    message = await shop.message(event_id="paid-1")
    attempt = await shop.attempt(message, code=503, response=b"busy")
    await shop.delivery(message, 2)
    with_content = MessageAttemptListAttemptedMessagesOptions(with_content=True)
    (failed,) = (await svix.message_attempt.list_attempted_messages(shop.application, "till", with_content)).data
    assert (failed.id, failed.status, failed.next_attempt, failed.payload) == (message, 2, None, {"id": "in_1"})
    await svix.message_attempt.resend(shop.application, "paid-1", "till")
    (destination,) = (await svix.message_attempt.list_attempted_destinations(shop.application, "paid-1")).data
    assert (destination.id, destination.uid, destination.status) == (shop.endpoint, "till", 1)
    assert destination.next_attempt is not None
    await svix.message_attempt.expunge_content(shop.application, message, attempt)
    assert (await svix.message_attempt.get(shop.application, message, attempt)).response == "EXPUNGED"


async def test_the_official_client_reads_messages_and_forgets_them(svix: SvixAsync, shop: Shop) -> None:
    made = [await shop.message(age=10 * (number + 1)) for number in range(3)]
    page = await svix.message.list(shop.application, MessageListOptions(limit=2, with_content=False))
    assert ([item.id for item in page.data], page.data[0].payload, page.done) == (made[:2], {}, False)
    page = await svix.message.list(shop.application, MessageListOptions(limit=2, iterator=page.iterator))
    assert ([item.id for item in page.data], page.done) == (made[2:], True)
    await svix.message.expunge_content(shop.application, made[0])
    message = await svix.message.get(shop.application, made[0], MessageGetOptions(with_content=True))
    assert message.payload == {"expired": True}
    with pytest.raises(HttpError) as refused:
        await svix.message_attempt.resend(shop.application, made[0], "till")
    assert (refused.value.status_code, refused.value.code) == (400, "missing_payload")
