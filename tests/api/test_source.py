"""Sources: what their owner says, what is shown again, and what ends with them."""

import asyncpg
import httpx
import orjson
import pytest

from app import ids
from app.db.session import Database
from app.db.source.lookup import find_by_token
from app.db.source.model import parse_sealed
from app.sealing import Sealer
from app.settings import Settings
from tests import factories
from tests.factories import INGEST, Json

SOURCE = f"{INGEST}/source"
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OLDER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def body(**fields: object) -> Json:
    return {"name": "Payments", "type": "stripe", "config": {"secret": SECRET}, **fields}


async def create(client: httpx.AsyncClient, **fields: object) -> Json:
    answer = await client.post(SOURCE, json=body(**fields))
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def patch(client: httpx.AsyncClient, source: str, **fields: object) -> Json:
    answer = await client.patch(f"{SOURCE}/{source}", json=fields)
    assert answer.status_code == 200, answer.text
    changed: Json = answer.json()
    return changed


def token_of(url: str) -> str:
    return url.rpartition("/in/")[2]


async def secrets_of(pool: asyncpg.Pool, settings: Settings, url: str) -> tuple[str, ...]:
    """What verifies what is posted to a URL."""
    found = await find_by_token(pool, token_of(url))
    assert found is not None
    plain = None if found.sealed is None else Sealer(settings.main_secrets).open(found.sealed, found.id)
    return parse_sealed(plain).secrets


def violations(answer: httpx.Response) -> list[list[str]]:
    assert answer.status_code == 422, answer.text
    return [found["loc"] for found in answer.json()["detail"]]


async def test_a_source_has_a_url_by_which_it_is_found_and_an_application_of_its_own(
    client: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    made = await create(client, uid="stripe", metadata={"plan": "gold"})
    assert ids.is_id(made["id"], "src")
    assert made["ingestUrl"].startswith("http://postrider.test/in/")
    assert (made["uid"], made["metadata"], made["config"]) == ("stripe", {"plan": "gold"}, {})
    found = await find_by_token(database.pool, token_of(made["ingestUrl"]))
    assert found is not None
    assert (found.id, found.application_id) == (made["id"], made["applicationId"])
    assert await secrets_of(database.pool, settings, made["ingestUrl"]) == (SECRET,)
    application = (await client.get(f"/app/{made['applicationId']}")).json()
    assert (application["name"], application["metadata"]) == ("Payments", {"source": made["id"]})
    assert (await client.get(f"{SOURCE}/stripe")).json() == (await client.get(f"{SOURCE}/{made['id']}")).json() == made


async def test_what_is_secret_is_sealed_and_told_by_nothing(
    client: httpx.AsyncClient, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    made = await create(client, uid="told", type="meta", config={"secret": "s3cr3t-one", "verifyToken": "s3cr3t-two"})
    url = made["ingestUrl"]
    answers = [
        await client.get(f"{SOURCE}/told"),
        await client.get(SOURCE),
        await client.patch(
            f"{SOURCE}/told", json={"config": {"secret": "s3cr3t-three", "otherSecrets": ["s3cr3t-one"]}}
        ),
        await client.patch(f"{SOURCE}/told", json={"config": {"verifyToken": ["s3cr3t-four"]}}),
        await client.post(SOURCE, json=body(config={"secret": {"s3cr3t-five": 1}})),
        await client.post(f"{SOURCE}/told/token/rotate"),
    ]
    rotated = answers[-1].json()["ingestUrl"]
    answers.append(await client.get("/audit-log"))
    assert [answer.status_code for answer in answers] == [200, 200, 200, 422, 422, 200, 200]
    log = answers.pop().text
    assert all("s3cr3t-" not in answer.text for answer in answers)
    assert not any(secret in log for secret in ("s3cr3t-", token_of(url), token_of(rotated)))
    rows = await database.pool.fetch(
        "SELECT s::text FROM sources s WHERE id = $1"
        " UNION ALL SELECT t::text FROM source_tokens t WHERE source_id = $1",
        made["id"],
    )
    stored = " ".join(row[0] for row in rows)
    hidden = [text.encode().hex() for text in ("s3cr3t-", token_of(url), token_of(rotated))]
    assert len(rows) == 3
    assert not any(secret in stored for secret in ("s3cr3t-", token_of(url), *hidden))
    assert "s3cr3t-" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"config": None}, ["body", "config"]),
        ({"config": {}}, ["body", "config", "secret"]),
        ({"config": {"secret": ""}}, ["body", "config", "secret"]),
        ({"config": {"secret": SECRET, "Secret": SECRET}}, ["body", "config", "Secret"]),
        ({"config": {"secret": SECRET, "otherSecrets": [OLDER] * 5}}, ["body", "config", "otherSecrets"]),
        ({"type": "svix", "config": {"secret": "no base64"}}, ["body", "config", "secret"]),
        (
            {"type": "svix", "config": {"secret": SECRET, "otherSecrets": ["?"]}},
            ["body", "config", "otherSecrets", "[0]"],
        ),
        ({"type": "github", "config": {"otherSecrets": ["old"]}}, ["body", "config"]),
        (
            {"type": "tailscale", "config": {"secret": "a", "timestampGraceSeconds": "1"}},
            ["body", "config", "timestampGraceSeconds"],
        ),
        ({"type": "cron", "config": {"schedule": "61 * * * *", "payload": "{}"}}, ["body", "config", "schedule"]),
        ({"type": "cron", "config": {"schedule": "* * * * * *", "payload": "{}"}}, ["body", "config", "schedule"]),
        ({"type": "cron", "config": {"schedule": "0 0 30 2 *", "payload": "{}"}}, ["body", "config", "schedule"]),
        ({"type": "cron", "config": {"schedule": "* * * * *"}}, ["body", "config", "payload"]),
        ({"type": "nobodys"}, ["body", "type"]),
        ({"name": "x"}, ["body", "name"]),
        ({"uid": "src_mine"}, ["body", "uid"]),
        ({"uid": "a.b"}, ["body", "uid"]),
        ({"allowedIps": ["203.0.113.1/24"]}, ["body", "allowedIps", "[0]"]),
        ({"methods": ["TRACE"]}, ["body", "methods", "[0]"]),
        ({"forward": "nothing"}, ["body", "forward"]),
        ({"applicationId": "nobodys"}, ["body", "applicationId"]),
    ],
)
async def test_what_cannot_work_is_refused_where_it_stands(
    client: httpx.AsyncClient, fields: Json, place: list[str]
) -> None:
    assert violations(await client.post(SOURCE, json=body(**fields))) == [place]
    assert (await client.get(SOURCE)).json()["data"] == []
    assert (await client.get("/app")).json()["data"] == []


async def test_a_secret_is_rotated_while_the_older_one_is_still_good(
    client: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    made = await create(client)
    url, pool = made["ingestUrl"], database.pool
    await patch(client, made["id"], config={"secret": OLDER, "otherSecrets": [SECRET]})
    assert await secrets_of(pool, settings, url) == (OLDER, SECRET)
    await patch(client, made["id"], config={"otherSecrets": []})
    assert await secrets_of(pool, settings, url) == (OLDER,)
    await patch(client, made["id"], name="Renamed")
    assert await secrets_of(pool, settings, url) == (OLDER,)
    assert violations(await client.patch(f"{SOURCE}/{made['id']}", json={"config": {"secret": None}})) == [
        ["body", "config", "secret"]
    ]
    await client.put(f"{SOURCE}/{made['id']}", json=body())
    assert await secrets_of(pool, settings, url) == (SECRET,)


async def test_a_provider_that_needs_no_secret_can_be_given_one_and_lose_it(
    client: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    made = await create(client, type="github", config=None)
    assert await secrets_of(database.pool, settings, made["ingestUrl"]) == ()
    await patch(client, made["id"], config={"secret": "one", "otherSecrets": ["two"]})
    assert await secrets_of(database.pool, settings, made["ingestUrl"]) == ("one", "two")
    await patch(client, made["id"], config={"secret": None})
    assert await secrets_of(database.pool, settings, made["ingestUrl"]) == ()


async def test_what_is_no_secret_of_a_config_is_shown(client: httpx.AsyncClient) -> None:
    made = await create(client, type="postmark", config={"username": "acme", "secret": "hidden"})
    assert made["config"] == {"username": "acme"}
    assert (await patch(client, made["id"], config={"username": "other"}))["config"] == {"username": "other"}
    config = {"schedule": "*/5 * * * *", "payload": "{}", "contentType": "text/plain"}
    cron = await create(client, type="cron", config=config)
    assert (cron["config"], "ingestUrl" in cron) == (config, False)
    assert (await patch(client, cron["id"], config={"contentType": None}))["config"].keys() == {"schedule", "payload"}


async def test_what_the_svix_api_does_not_have_stays_unless_it_is_said(client: httpx.AsyncClient) -> None:
    own = (await factories.create_application(client, uid="shop"))["id"]
    extensions = {
        "methods": ["POST", "PUT"],
        "allowedIps": ["203.0.113.0/24", "2001:db8::1"],
        "paused": True,
        "keepRejected": False,
        "forward": "payload",
    }
    made = await create(client, uid="one", applicationId="shop", **extensions)
    assert {name: made[name] for name in extensions} == extensions
    assert made["applicationId"] == own
    replaced = (await client.put(f"{SOURCE}/one", json=body(name="Two"))).json()
    assert {name: replaced[name] for name in (*extensions, "applicationId", "ingestUrl", "uid")} == {
        name: made[name] for name in (*extensions, "applicationId", "ingestUrl", "uid")
    }
    changed = await patch(client, "one", methods=None, allowedIps=[], paused=False)
    assert ("methods" in changed, "allowedIps" in changed, changed["paused"]) == (False, False, False)


async def test_put_creates_by_uid_and_replaces_by_either_name(client: httpx.AsyncClient) -> None:
    first = await client.put(f"{SOURCE}/mine", json=body())
    again = await client.put(f"{SOURCE}/mine", json=body(name="Again"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert (again.json()["id"], again.json()["uid"], again.json()["name"]) == (first.json()["id"], "mine", "Again")
    by_id = await client.put(f"{SOURCE}/{first.json()['id']}", json=body())
    assert (by_id.status_code, "uid" in by_id.json()) == (200, False)
    assert (await client.put(f"{SOURCE}/{ids.new_short_id('src')}", json=body())).status_code == 404
    await create(client, uid="taken")
    assert (await client.post(SOURCE, json=body(uid="taken"))).status_code == 409
    assert (await client.put(f"{SOURCE}/{first.json()['id']}", json=body(uid="taken"))).status_code == 409


async def test_a_request_made_again_with_its_key_makes_no_second_source(client: httpx.AsyncClient) -> None:
    answers = [await client.post(SOURCE, json=body(), headers={"idempotency-key": "auto_1"}) for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert len((await client.get(SOURCE)).json()["data"]) == len((await client.get("/app")).json()["data"]) == 1


async def test_the_audit_log_says_what_changed_about_a_source(client: httpx.AsyncClient) -> None:
    made = await create(client)
    await patch(client, made["id"], paused=True, config={"secret": OLDER})
    await client.post(f"{SOURCE}/{made['id']}/token/rotate")
    await client.delete(f"{SOURCE}/{made['id']}")
    entries = (await client.get("/audit-log", params={"target": made["id"]})).json()["data"]
    assert [entry["operation"].rpartition(".")[2] for entry in entries] == ["delete", "rotate-token", "patch", "create"]
    (change,) = entries[2]["changes"]
    assert (change["entity"], change["id"]) == ("source", made["id"])
    assert change["fields"]["paused"] == {"before": False, "after": True, "changed": True}
    assert change["fields"]["sealed"]["changed"] is True


async def test_a_body_is_json_whatever_it_is_called(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await client.post(SOURCE, content=orjson.dumps(body()), headers=headers)
    assert answer.status_code == 201, answer.text
