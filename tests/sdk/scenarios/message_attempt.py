"""Attempts."""

from svix.api.message_attempt import (
    MessageAttemptListAttemptedMessagesOptions,
    MessageAttemptListByEndpointOptions,
    MessageAttemptListByMsgOptions,
)
from svix.models import MessageIn, MessageStatus

from tests.sdk.stage import Stage, covers, eventually


@covers(
    *("message_attempt.list_by_endpoint", "message_attempt.list_by_msg", "message_attempt.get"),
    *("message_attempt.list_attempted_messages", "message_attempt.list_attempted_destinations"),
    *("message_attempt.resend", "message_attempt.expunge_content", "message.create"),
    waits=True,
)
async def attempts_are_made_read_repeated_and_forgotten(stage: Stage) -> None:
    svix = stage.svix
    app, endpoint = await stage.receiving_application(uid="till")
    message = (await svix.message.create(app, MessageIn(event_type="invoice.paid", payload={"n": 1}))).id

    async def made(count: int) -> list[str]:
        found = await svix.message_attempt.list_by_msg(app, message, MessageAttemptListByMsgOptions(limit=10))
        return [item.id for item in found.data] if len(found.data) >= count else []

    (first,) = await eventually(lambda: made(1), stage.world)
    attempt = await svix.message_attempt.get(app, message, first)
    assert (attempt.endpoint_id, attempt.msg_id, attempt.response_status_code) == (endpoint, message, 204)
    assert (attempt.status, attempt.status_text, attempt.trigger_type) == (MessageStatus.SUCCESS, "success", 0)
    await svix.message_attempt.resend(app, message, "till")
    assert await eventually(lambda: made(2), stage.world)
    options = MessageAttemptListByEndpointOptions(status=MessageStatus.SUCCESS, with_msg=True, with_content=True)
    listed = (await svix.message_attempt.list_by_endpoint(app, "till", options)).data
    assert sorted((item.msg_id, item.trigger_type) for item in listed) == [(message, 0), (message, 1)]
    assert [item.msg.event_type for item in listed if item.msg is not None] == ["invoice.paid"] * 2
    filtered = MessageAttemptListAttemptedMessagesOptions(event_types=["invoice.paid"], status=MessageStatus.SUCCESS)
    messages = (await svix.message_attempt.list_attempted_messages(app, endpoint, filtered)).data
    assert [(item.id, item.status) for item in messages] == [(message, MessageStatus.SUCCESS)]
    destinations = (await svix.message_attempt.list_attempted_destinations(app, message)).data
    assert [(item.id, item.uid, item.status) for item in destinations] == [(endpoint, "till", MessageStatus.SUCCESS)]
    await svix.message_attempt.expunge_content(app, message, first)
    assert (await svix.message_attempt.get(app, message, first)).response == "EXPUNGED"
