"""Events of sources on the wire."""

from pydantic import Field

from app.api.exact import RawJson
from app.api.fields import Dto, Timestamp, example


class IngestEventOut(Dto):
    """What arrived, as it came; what is not known, or no longer kept, is left out."""

    model_config = example(
        id="msg_1srOrx2ZWZBpBUvZwXKQmoEYga2",
        eventType="stripe.invoice.paid",
        eventId="src_0iSXRtZQskBRr7dIpN7xCw.evt_1",
        createdAt="2026-01-31T23:59:59Z",
        method="POST",
        query="",
        headers=[["content-type", "application/json"]],
        contentType="application/json",
        body='{"id":"evt_1"}',
        payload={"id": "evt_1"},
    )

    id: str = Field(description="The message that came of it.", examples=["msg_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    event_type: str = Field(examples=["stripe.invoice.paid"])
    event_id: str | None = Field(
        default=None,
        description="The source's id and the provider's id of the event.",
        examples=["src_0iSXRtZQskBRr7dIpN7xCw.evt_1"],
    )
    created_at: Timestamp = Field(examples=["2026-01-31T23:59:59Z"])
    method: str | None = Field(
        default=None, description="Missing once the content is expunged, or has expired.", examples=["POST"]
    )
    query: str | None = Field(default=None, description="Of the URL, without its `?`.", examples=[""], repr=False)
    headers: list[tuple[str, str]] | None = Field(
        default=None,
        description="Name and value of each, in their order; `(not kept)` is in place of credentials.",
        examples=[[["content-type", "application/json"]]],
        repr=False,
    )
    content_type: str | None = Field(default=None, examples=["application/json"])
    body: str | None = Field(default=None, description="If it is UTF-8.", examples=['{"id":"evt_1"}'], repr=False)
    body_base64: str | None = Field(default=None, description="If it is not.", examples=["/9j/4AA="], repr=False)
    payload: RawJson | None = Field(
        default=None, description="The body, if it is a JSON object.", examples=[{"id": "evt_1"}], repr=False
    )


class ReceivedOut(Dto):
    """The request in which a message arrived at a source, without its body."""

    source_id: str = Field(examples=["src_0iSXRtZQskBRr7dIpN7xCw"])
    method: str = Field(examples=["POST"])
    query: str = Field(description="Of the URL, without its `?`.", examples=[""], repr=False)
    headers: list[tuple[str, str]] = Field(
        description="Name and value of each, in their order; `(not kept)` is in place of credentials.",
        examples=[[["content-type", "application/json"]]],
        repr=False,
    )


class IngestEventsOut(Dto):
    """What follows in the feed."""

    data: list[IngestEventOut]
    iterator: str = Field(
        description="From here the feed goes on: keep it, and pass it next time, also if there was nothing.",
        examples=["3MQjNnoC3ZsQ733qax9ssyrukn9.2f4.1a2b3c4d5e6"],
    )
    done: bool = Field(description="Whether there is no more for now.", examples=[True])
