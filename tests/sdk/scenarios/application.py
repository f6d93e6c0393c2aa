"""Applications, and who may see them."""

from functools import partial

import pytest
from svix.api import SvixAsync
from svix.api.application import ApplicationListOptions
from svix.exceptions import HttpError
from svix.models import ApplicationIn, ApplicationPatch, ApplicationTokenExpireIn, AppPortalAccessIn

from tests.sdk.stage import Stage, covers, eventually


@covers(
    *("application.create", "application.get", "application.get_or_create", "application.list"),
    *("application.patch", "application.upsert", "application.delete"),
)
async def applications_live_and_end(stage: Stage) -> None:
    svix = stage.svix
    made = await svix.application.create(ApplicationIn(name="One", uid="one", throttle_rate=9, metadata={"a": "b"}))
    assert (made.name, made.uid, made.throttle_rate, made.metadata) == ("One", "one", 9, {"a": "b"})
    assert await svix.application.get("one") == await svix.application.get(made.id) == made
    assert await svix.application.get_or_create(ApplicationIn(name="Another", uid="one")) == made
    second = await svix.application.upsert("two", ApplicationIn(name="Two", uid="two"))
    assert (await svix.application.upsert("two", ApplicationIn(name="Zwei", uid="two"))).id == second.id
    patched = await svix.application.patch("two", ApplicationPatch(metadata={"c": "d"}))
    assert (patched.name, patched.metadata) == ("Zwei", {"c": "d"})
    page = await svix.application.list()
    # Of what was made in the same milliseconds any may be first.
    assert ([item.id for item in page.data], page.done) == (sorted([made.id, second.id]), True)
    await svix.application.delete("one")
    with pytest.raises(HttpError) as refused:
        await svix.application.get(made.id)
    assert (refused.value.status_code, refused.value.code) == (404, "not_found")


@covers("application.list")
async def applications_are_paged_there_and_back(stage: Stage) -> None:
    svix = stage.svix
    made = [(await svix.application.create(ApplicationIn(name=f"{number}"))).id for number in range(5)]
    found: list[str] = []
    iterator, pages = None, []
    while True:
        page = await svix.application.list(ApplicationListOptions(limit=2, iterator=iterator))
        found += [item.id for item in page.data]
        pages.append(page)
        if page.done:
            break
        iterator = page.iterator
    assert (found, len(pages)) == (sorted(made), 3)
    back = await svix.application.list(ApplicationListOptions(limit=2, iterator=pages[-1].prev_iterator))
    assert [item.id for item in back.data] == sorted(made)[2:4]


@covers(
    "authentication.app_portal_access",
    "authentication.expire_all",
    "authentication.logout",
    "application.get",
    waits=True,
)
async def portal_access_is_given_and_ends(stage: Stage) -> None:
    application = await stage.application()
    access = await stage.svix.authentication.app_portal_access(application, AppPortalAccessIn(session_id="a"))
    assert access.url
    other = await stage.svix.authentication.app_portal_access(application, AppPortalAccessIn(session_id="b"))
    portal, second = stage.portal(access.token), stage.portal(other.token)
    assert (await portal.application.get(application)).id == application
    with pytest.raises(HttpError) as refused:
        await portal.application.list()
    assert refused.value.status_code == 403
    await portal.authentication.logout()
    await stage.svix.authentication.expire_all(application, ApplicationTokenExpireIn(session_ids=["b"]))
    for ended in (portal, second):
        assert await eventually(partial(_is_refused, ended, application), stage.world)


async def _is_refused(portal: SvixAsync, application: str) -> bool:
    """Whether the token has ended: processes learn of it within two seconds."""
    try:
        await portal.application.get(application)
    except HttpError as error:
        return bool(error.status_code == 401)
    return False


@covers("health.get")
async def health_is_asked_for(stage: Stage) -> None:
    # What is the matter would be an exception.
    await stage.svix.health.get()
