"""What was signed instead of `id.timestamp.body`."""

from collections.abc import Iterator
from typing import Final

from app.receiving.debugging.findings import Repair

Around = tuple[bytes, bytes]
"""What is signed before and after the body."""

_ADVICE: Final = (
    "What is signed is the id, a full stop, the timestamp, a full stop, and the body, with nothing between."
)
_AS_SENT: Final = "Take the id and the timestamp from the headers, as they are: they are part of what is signed."


def right_content(message_id: str, stamp: str) -> Around:
    """As the standard says."""
    return f"{message_id}.{stamp}.".encode("utf-8", "surrogatepass"), b""


def other_contents(ids: list[str], stamps: list[str]) -> Iterator[tuple[Around, Repair]]:
    """The likeliest first. `ids` and `stamps` are those of all families of headers; the first is the one that counts.

    Both may be empty: a header is missing.
    """
    message_id, stamp = (ids or [""])[0], (stamps or [""])[0]
    yield from _altered(ids, stamps)
    forms = (
        ("", "", "the body alone", "Only the body was signed."),
        (f"{stamp}.", "", "the timestamp and the body, without the id", "The id was left out of what is signed."),
        (f"{message_id}.", "", "the id and the body, without the timestamp", "The timestamp was left out."),
        (f"{stamp}.{message_id}.", "", "the timestamp before the id", "Id and timestamp are in the wrong order."),
        (f"{message_id}{stamp}", "", "the parts without full stops", "The full stops were left out."),
        (f"{message_id}.{stamp}", "", "the parts without the second full stop", "The second full stop was left out."),
        (f"{message_id}:{stamp}:", "", "the parts with colons", "The parts were joined with colons."),
        (f"{message_id},{stamp},", "", "the parts with commas", "The parts were joined with commas."),
        (f"{message_id}\n{stamp}\n", "", "the parts with line ends", "The parts were joined with line ends."),
        (f"v1.{message_id}.{stamp}.", "", "the parts after v1.", "v1. stands before what is signed."),
        (f"v0:{stamp}:", "", "v0:timestamp:body, which is Slack's rule", "It was signed by Slack's rule."),
        ("", f".{message_id}.{stamp}", "the body before the id", "The parts are in the wrong order."),
        ("", f".{stamp}", "the body before the timestamp", "The parts are in the wrong order."),
    )
    for before, after, right_for, title in forms:
        yield (
            (before.encode("utf-8", "surrogatepass"), after.encode("utf-8", "surrogatepass")),
            Repair("content", title, right_for, _ADVICE),
        )


def _altered(ids: list[str], stamps: list[str]) -> Iterator[tuple[Around, Repair]]:
    """Ids and timestamps as they may have been when they were signed."""
    seen = {(ids[0], stamps[0])} if ids and stamps else set()
    for message_id in ids:
        for stamp in stamps:
            if (message_id, stamp) not in seen:
                seen.add((message_id, stamp))
                yield (
                    right_content(message_id, stamp),
                    Repair(
                        "headers-mixed",
                        "The two families of headers, webhook-* and svix-*, are of different requests.",
                        "an id and a timestamp of different families",
                        "Take all three headers of one request, and of one family.",
                    ),
                )
    if not ids or not stamps:
        return
    message_id, stamp = ids[0], stamps[0]
    for other, right_for in _ids(message_id):
        repair = Repair("content", "The id was altered.", f"the id {right_for}", _AS_SENT)
        yield right_content(other, stamp), repair
    for other, right_for in _stamps(stamp):
        repair = Repair("content", "The timestamp was altered.", f"the timestamp {right_for}", _AS_SENT)
        yield right_content(message_id, other), repair


def _ids(message_id: str) -> Iterator[tuple[str, str]]:
    yield message_id.strip(" \t\"'<>"), "without what is around it"
    yield message_id.removeprefix("msg_"), "without msg_"
    yield f"msg_{message_id}", "with msg_ before it"
    yield message_id.lower(), "in lower case"


def _stamps(stamp: str) -> Iterator[tuple[str, str]]:
    yield stamp.strip(" \t\"'"), "without what is around it"
    if stamp.isascii() and stamp.isdigit():
        yield stamp[:-3], "in seconds, not in milliseconds"
        yield f"{stamp}000", "in milliseconds, not in seconds"
    yield stamp.partition(".")[0], "without its fraction"
    yield f"{stamp}.0", "with a fraction (.0)"
