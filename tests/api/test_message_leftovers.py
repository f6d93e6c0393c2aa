"""What was put into the payload store for a message that is not stored does not stay there."""

import asyncio
from pathlib import Path

from pydantic import SecretStr

from app.settings import Settings
from tests import factories
from tests.api.test_message_introduction import with_application


def stored_in(folder: Path) -> list[str]:
    """The messages whose payloads are there."""
    return sorted(path.name for path in folder.rglob("msg_*"))


async def test_of_twenty_who_bring_one_application_at_once_no_payload_is_left_over(
    settings: Settings, empty_dsn: str, tmp_path: Path, token: str
) -> None:
    values = {"db_dsn": empty_dsn, "payload_store": SecretStr(f"file://{tmp_path}"), "payload_store_min_bytes": 8192}
    large, uid = {"text": "x" * 10_000}, factories.unique("acme")
    async with (
        factories.running(settings.model_copy(update=values)) as own,
        factories.client_of(own, token) as client,
    ):
        requests = [client.post(f"/app/{uid}/msg", json=with_application(uid, payload=large)) for _ in range(20)]
        answers = await asyncio.gather(*requests)
    assert {answer.status_code for answer in answers} == {202}
    assert stored_in(tmp_path) == sorted(answer.json()["id"] for answer in answers)
