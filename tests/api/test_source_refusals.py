"""What is refused of a source because it would not do what its owner means, and how that is said."""

import httpx
import pytest
from svix.models import (
    CronConfig,
    GithubConfig,
    HubspotConfig,
    IngestSourceIn,
    PandaDocConfig,
    ShopifyConfig,
    SlackConfig,
    StripeConfig,
    SvixConfig,
    TailscaleConfig,
)

from app.db.session import Database
from tests import factories
from tests.factories import INGEST, Json

SOURCE = f"{INGEST}/source"
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
JWT_SECRET = "t2vK9xQ4mZ7wLb1NcR8yHs5dGf3jTa6e"


def body(kind: str = "stripe", **fields: object) -> Json:
    return {"name": "Payments", "type": kind, "config": {"secret": SECRET}, **fields}


def refusal(answer: httpx.Response) -> tuple[str, str]:
    """The place and the text of what is wrong, if that is one thing."""
    assert answer.status_code == 422, answer.text
    (found,) = answer.json()["detail"]
    assert found["loc"][0] == "body"
    return ".".join(found["loc"][1:]), found["msg"]


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        ("allowedIP", "allowedIps"),
        ("forwad", "forward"),
        ("pausd", "paused"),
        ("conf", "config"),
        ("Methods", "methods"),
        ("applicationID", "applicationId"),
    ],
)
async def test_a_misspelt_field_is_refused_with_the_one_that_is_meant(
    client: httpx.AsyncClient, field: str, meant: str
) -> None:
    made = await factories.create_source(client, uid="till")
    for answer in (
        await client.post(SOURCE, json={**body(), field: None}),
        await client.put(f"{SOURCE}/till", json={**body(), field: True}),
        await client.patch(f"{SOURCE}/till", json={field: True}),
    ):
        assert refusal(answer) == (field, f"there is no such field: is {meant} meant?")
    assert (await client.get(SOURCE)).json()["data"] == [made]


async def test_a_field_that_is_like_none_is_refused_with_those_that_there_are(client: httpx.AsyncClient) -> None:
    place, text = refusal(await client.post(SOURCE, json=body(xyzzy=1)))
    assert (place, "none like it" in text, "allowedIps" in text) == ("xyzzy", True, True)
    answer = await client.post(SOURCE, json=body() | {f"xyzzy{number}": 1 for number in range(1000)})
    assert (answer.status_code, len(answer.json()["detail"])) == (422, 20)
    assert len((await client.post(SOURCE, json=body() | {"x" * 100_000: 1})).content) < 1000


async def test_the_type_of_a_source_stays(client: httpx.AsyncClient) -> None:
    made = await factories.create_source(client)
    answer = await client.patch(f"{SOURCE}/{made['id']}", json={"type": "github"})
    assert refusal(answer) == ("type", "the type of a source cannot be changed: create another")


async def test_what_is_only_told_is_not_set(client: httpx.AsyncClient) -> None:
    made = await factories.create_source(client)
    told = set(made) - {"name", "uid", "type", "config", "metadata", "applicationId", "paused"}
    for field in told - {"keepRejected", "forward"}:
        place, text = refusal(await client.put(f"{SOURCE}/{made['id']}", json={**body(), field: made[field]}))
        assert (place, text) == (field, "it is told, and not set: leave it out")


async def test_a_misspelt_field_of_a_config_is_refused_with_the_one_that_is_meant(client: httpx.AsyncClient) -> None:
    made = await factories.create_source(client)
    wrong = {"secret": SECRET, "otherSecret": ["x"]}
    for answer in (
        await client.post(SOURCE, json=body(config=wrong)),
        await client.patch(f"{SOURCE}/{made['id']}", json={"config": wrong}),
    ):
        assert refusal(answer) == ("config.otherSecret", "there is no such field: is otherSecrets meant?")
    place, text = refusal(await client.post(SOURCE, json=body(config={"secret": SECRET, "tolerance": 5})))
    assert (place, text.endswith("the fields are secret, otherSecrets")) == ("config.tolerance", True)


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("stripee", "is stripe meant?"),
        ("Stripe", "is stripe meant?"),
        ("sns", "is aws-sns meant?"),
        ("webhook", "is generic-webhook meant?"),
        ("x", "there are hmac, jwt, basic and api-key."),
    ],
)
async def test_an_unknown_type_is_refused_with_the_one_that_is_meant(
    client: httpx.AsyncClient, kind: str, hint: str
) -> None:
    place, text = refusal(await client.post(SOURCE, json=body(kind)))
    assert (place, hint in text) == ("type", True)


IMPOSSIBLE = [
    ("hmac", {"secret": "k", "content": "{timestamp}.{body}"}, "timestampHeader"),
    ("hmac", {"secret": "k", "content": "{id}.{body}"}, "idHeader"),
    ("hmac", {"secret": "zz", "secretEncoding": "hex"}, "not hex"),
    ("hmac", {"secret": "?", "secretEncoding": "base64"}, "not base64"),
    ("hmac", {"secret": "00", "otherSecrets": ["zz"], "secretEncoding": "hex"}, "not hex"),
    ("jwt", {}, "set secret, publicKey or jwksUrl"),
    ("jwt", {"audience": "https://hooks.example.com"}, "set secret, publicKey or jwksUrl"),
    ("plaid", {}, "give clientId and secret"),
    ("plaid", {"secret": "k"}, "give clientId and secret"),
]


@pytest.mark.parametrize(("kind", "config", "text"), IMPOSSIBLE)
async def test_a_config_with_which_nothing_could_be_verified_is_refused(
    client: httpx.AsyncClient, kind: str, config: Json, text: str
) -> None:
    place, told = refusal(await client.post(SOURCE, json=body(kind, config=config)))
    assert (place, text in told) == ("config", True)
    assert refusal(await client.put(f"{SOURCE}/till", json=body(kind, config=config))) == (place, told)


async def test_a_change_is_checked_together_with_what_stays(client: httpx.AsyncClient) -> None:
    config = {"secret": "k", "content": "{timestamp}.{body}", "timestampHeader": "x-time"}
    made = await factories.create_source(client, "hmac", config=config)
    path = f"{SOURCE}/{made['id']}"
    for change, text in (({"timestampHeader": None}, "timestampHeader"), ({"secretEncoding": "hex"}, "not hex")):
        place, told = refusal(await client.patch(path, json={"config": change}))
        assert (place, text in told) == ("config", True)
    assert (await client.get(path)).json() == made
    changed = await client.patch(path, json={"config": {"timestampHeader": None, "content": None}})
    assert changed.json()["config"] == {}
    token = await factories.create_source(client, "jwt", config={"secret": JWT_SECRET})
    place, _ = refusal(await client.patch(f"{SOURCE}/{token['id']}", json={"config": {"secret": None}}))
    assert place == "config"


async def test_a_config_that_was_stored_before_stays_as_it_is(client: httpx.AsyncClient, database: Database) -> None:
    made = await factories.create_source(client, "hmac", config={"secret": "k"})
    options = '{"content": "{timestamp}.{body}"}'
    await database.pool.execute("UPDATE sources SET options = $2::text::jsonb WHERE id = $1", made["id"], options)
    answer = await client.patch(f"{SOURCE}/{made['id']}", json={"name": "Renamed"})
    assert (answer.status_code, answer.json()["config"]) == (200, {"content": "{timestamp}.{body}"})


async def test_a_user_with_a_colon_cannot_be_sent(client: httpx.AsyncClient) -> None:
    for kind in ("basic", "postmark"):
        place, text = refusal(await client.post(SOURCE, json=body(kind, config={"username": "a:b", "secret": "k"})))
        assert (place, "colon" in text) == ("config.username", True)


@pytest.mark.parametrize("secret", [f" {SECRET}", f"{SECRET}\n", f"\t{SECRET}", f"{SECRET}\u00a0"])
async def test_white_space_around_a_secret_was_not_meant(client: httpx.AsyncClient, secret: str) -> None:
    made = await factories.create_source(client)
    place, text = refusal(await client.post(SOURCE, json=body(config={"secret": secret})))
    assert (place, "white space" in text) == ("config.secret", True)
    change = {"config": {"otherSecrets": [SECRET, secret]}}
    place, text = refusal(await client.patch(f"{SOURCE}/{made['id']}", json=change))
    assert (place, "white space" in text) == ("config.otherSecrets.[1]", True)
    verifying = {"secret": "k", "verifyToken": secret}
    assert refusal(await client.post(SOURCE, json=body("meta", config=verifying)))[0] == "config.verifyToken"


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 4,6 *", "never comes"),
        ("61 * * * *", "minute (the first field): 0 to 59"),
        ("* 24 * * *", "hour (the second field): 0 to 23"),
        ("* * 0 * *", "day of the month (the third field): 1 to 31"),
        ("* * * 13 *", "month (the fourth field): 1 to 12"),
        ("* * * * 8", "day of the week (the fifth field): 0 to 7"),
        ("@daily", "five fields"),
    ],
)
async def test_a_schedule_is_refused_for_what_is_wrong_with_it(
    client: httpx.AsyncClient, schedule: str, text: str
) -> None:
    config = {"schedule": schedule, "payload": "{}"}
    place, told = refusal(await client.post(SOURCE, json=body("cron", config=config)))
    assert (place, text in told) == ("config.schedule", True)


async def test_a_link_to_the_portal_needs_no_body(client: httpx.AsyncClient) -> None:
    made = await factories.create_source(client)
    path = f"{SOURCE}/{made['id']}/dashboard"
    for answer in (await client.post(path), await client.post(path, json={}), await client.post(path, json=None)):
        assert (answer.status_code, "/login#key=" in answer.json()["url"]) == (200, True)
    assert refusal(await client.post(path, json={"expiry": 1}))[0] == "expiry"


async def test_an_answer_says_whether_a_source_verifies(client: httpx.AsyncClient) -> None:
    path = f"{SOURCE}/{(await factories.create_source(client, 'github', config={}))['id']}"
    assert (await client.get(path)).json()["verifies"] is False
    assert (await client.patch(path, json={"config": {"secret": "k"}})).json()["verifies"] is True
    assert [source["verifies"] for source in (await client.get(SOURCE)).json()["data"]] == [True]
    assert (await client.patch(path, json={"config": {"secret": None}})).json()["verifies"] is False
    named = await factories.create_source(client, "generic-webhook", config={"eventPath": "type"})
    assert named["verifies"] is False


@pytest.mark.parametrize(
    "model",
    [
        IngestSourceIn(name="Payments", uid="a", metadata={"a": "b"}, type="stripe", config=StripeConfig(secret="k")),
        IngestSourceIn(name="Payments", type="generic-webhook", config={}),
        IngestSourceIn(name="Payments", type="github", config=GithubConfig()),
        IngestSourceIn(name="Payments", type="github", config=GithubConfig(secret=None)),
        IngestSourceIn(name="Payments", type="hubspot", config=HubspotConfig(secret="k")),
        IngestSourceIn(name="Payments", type="panda-doc", config=PandaDocConfig(secret="k")),
        IngestSourceIn(name="Payments", type="shopify", config=ShopifyConfig(secret="k")),
        IngestSourceIn(name="Payments", type="slack", config=SlackConfig(secret="k")),
        IngestSourceIn(name="Payments", type="clerk", config=SvixConfig(secret=SECRET)),
        IngestSourceIn(name="Payments", type="tailscale", config=TailscaleConfig(secret="k")),
        IngestSourceIn(name="Payments", type="cron", config=CronConfig(schedule="0 4 * * *", payload="{}")),
    ],
    ids=lambda model: model.type,
)
async def test_what_the_official_client_sends_has_no_field_too_many(
    client: httpx.AsyncClient, model: IngestSourceIn
) -> None:
    sent = model.model_dump_json(exclude_unset=True, by_alias=True)
    answer = await client.post(SOURCE, content=sent)
    assert answer.status_code == 201, answer.text
    assert (await client.put(f"{SOURCE}/{answer.json()['id']}", content=sent)).status_code == 200
