"""The rules of sources."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids
from app.api.application.models import ApplicationIn
from app.api.application.service import ApplicationService
from app.api.paging import ListOut, Paging, list_out
from app.api.source.configs import Kept, kept, partial_config_model, shown, verifies
from app.api.source.models import IngestSourceIn, IngestSourceOut, IngestSourcePatch
from app.api.source.schedule import next_run
from app.api.source.svix_types import STANDS_IN, SVIX_TYPES
from app.db.application.model import ApplicationRow
from app.db.application.table import ApplicationsTable
from app.db.audit.trail import note
from app.db.source.model import CRON, SourceRow, open_sealed, seal
from app.db.source.table import SourcesTable, SourceTokensTable
from app.errors import BadRequest, Conflict, NotFound, ValidationFailed, Violation, existing
from app.sealing import Sealer

ROTATED_TOKEN_IS_GOOD: Final = timedelta(hours=48)
_MOST_ROTATIONS: Final = 3
_HIDDEN: Final = (
    "This source is of type {0}, which the Svix API does not have: change it with another client, or delete it first."
)
_COLUMNS: Final = {
    "allowed_ips": "allowed_networks",
    "keep_rejected": "keeps_rejected",
    "forward": "forwards_original",
    "metadata": "metadata_",
}
# Of a source itself; a replacement sets them whether it has them or not.
_REPLACED: Final = {"name", "uid", "metadata"}
# What the Svix API does not have: a client that does not know of them does not mean to change them.
_EXTENSIONS: Final = {"methods", "allowed_ips", "paused", "keep_rejected", "forward"}
_CONFIG: Final = ("body", "config")
_MOST_VIOLATIONS: Final = 100
_LONGEST_NAME: Final = 256


class SourceService:
    """Keeps the sources of organizations. `base_url` is where providers reach this server."""

    def __init__(self, session: AsyncSession, sealer: Sealer, base_url: str) -> None:
        self._session = session
        self._sources = SourcesTable(session)
        self._tokens = SourceTokensTable(session, sealer)
        self._applications = ApplicationService(session)
        self._targets = ApplicationsTable(session)
        self._sealer = sealer
        self._base_url = base_url

    async def page(self, organization_id: str, paging: Paging) -> ListOut[IngestSourceOut]:
        """The organization's sources, oldest first unless asked otherwise."""
        page = await self._sources.page(organization_id, paging.window(ascending=True, ids_of="src"))
        tokens = await self._tokens.current(page.rows)
        return list_out(
            page.rows, page.done, key=lambda row: row.id, item=lambda row: self._out(row, tokens.get(row.id))
        )

    async def get(self, organization_id: str, reference: str) -> IngestSourceOut:
        """The source with that id or uid."""
        return await self._shown(existing(await self._sources.find(organization_id, reference)))

    async def create(self, organization_id: str, body: IngestSourceIn) -> IngestSourceOut:
        """A new source, with a URL unless it is CRON's. Conflict if the uid is taken.

        ValidationFailed for an application that there is not.
        """
        row = await self._new_row(organization_id, body)
        await self._replace(row, body)
        return await self._shown(row)

    async def put(
        self, organization_id: str, reference: str, body: IngestSourceIn, *, by_sdk: bool = False
    ) -> tuple[IngestSourceOut, bool]:
        """Replace the source with that id or uid, or create it with that uid; says whether it was created.

        `by_sdk`: ValidationFailed for STANDS_IN in place of a type that an SDK was not shown: it would end the
        verification of what arrives.
        """
        row = await self._sources.find_to_change(organization_id, reference)
        if row is not None and by_sdk and body.type == STANDS_IN and row.provider not in SVIX_TYPES:
            raise ValidationFailed(Violation(("body", "type"), _HIDDEN.format(row.provider)))
        if row is None:
            if reference.startswith("src_"):
                raise NotFound
            # Another request may be creating it this moment.
            await self._sources.reserve(organization_id, reference)
            row = await self._sources.find_to_change(organization_id, reference)
        if row is None:
            # It is named by its uid, and stays findable by it.
            body = body if body.uid is not None else body.model_copy(update={"uid": reference})
            return await self.create(organization_id, body), True
        uid = body.uid if body.uid is not None or reference == row.id else row.uid
        await self._retarget(row, body)
        await self._replace(row, body.model_copy(update={"uid": uid}))
        return await self._shown(row), False

    async def patch(self, organization_id: str, reference: str, body: IngestSourcePatch) -> IngestSourceOut:
        """Change those fields of a source that the body holds."""
        row = existing(await self._sources.find_to_change(organization_id, reference))
        config = self._changed(row, body) if "config" in body.model_fields_set else None
        await self._retarget(row, body)
        _change(row, body, body.model_fields_set & (_REPLACED | _EXTENSIONS))
        await self._save(row, config)
        return await self._shown(row)

    async def delete(self, organization_id: str, reference: str) -> None:
        """Delete a source, and its URLs at once; with it the application that was made for it, if no other uses it."""
        row = existing(await self._sources.find_to_change(organization_id, reference))
        await self._sources.soft_delete(organization_id, row.id, clock.now())
        await self._tokens.delete(row)
        if row.owns_application and not await self._sources.count_of_application(organization_id, row.application_id):
            await self._applications.delete(organization_id, row.application_id)

    async def rotate_token(self, organization_id: str, reference: str) -> str:
        """Another URL for a source; earlier ones stay good for ROTATED_TOKEN_IS_GOOD.

        Conflict after three rotations in that time; BadRequest for CRON, which has none.
        """
        row = existing(await self._sources.find_to_change(organization_id, reference))
        if row.provider == CRON:
            raise BadRequest("A source of type cron has no URL: nothing is posted to it.")
        if await self._tokens.count_ending(row) >= _MOST_ROTATIONS:
            raise Conflict(
                f"The URL was rotated {_MOST_ROTATIONS} times in 48 hours, and all of those are still good. Wait until "
                "one ends; if one is known to somebody who should not know it, make another source.",
                code="limit_reached",
            )
        note(self._session, "source", row.id, {"url": {"changed": True}})
        await self._tokens.end_current(row, ROTATED_TOKEN_IS_GOOD)
        return self._url(await self._tokens.begin(row))

    async def rotate_inbound(self, app: ApplicationRow) -> str:
        """Another URL at which an application receives whatever is posted; earlier ones end at once."""
        uid = f"inbound-{app.id}"
        row = await self._sources.find_to_change(app.organization_id, uid)
        if row is None:
            fields = {"name": f"Inbound of {app.id}", "uid": uid, "type": STANDS_IN, "applicationId": app.id}
            source, created = await self.put(app.organization_id, uid, IngestSourceIn.model_validate(fields))
            if created and source.ingest_url:
                return source.ingest_url
            row = existing(await self._sources.find_to_change(app.organization_id, uid))
        note(self._session, "source", row.id, {"url": {"changed": True}})
        await self._tokens.delete(row)
        return self._url(await self._tokens.begin(row))

    async def _new_row(self, organization_id: str, body: IngestSourceIn) -> SourceRow:
        source_id, now = ids.new_short_id("src"), clock.now()
        # First, so that the audit log says that it is about the source, and not about what is made with it.
        note(self._session, "source", source_id, {"name": {"after": body.name}})
        owns = body.application_id is None
        if body.application_id is None:
            new = ApplicationIn(name=body.name, metadata={"source": source_id})
            application, _ = await self._applications.create(organization_id, new, get_if_exists=False)
            application_id = application.id
        else:
            application_id = (await self._target(organization_id, body.application_id)).id
        return SourceRow(
            id=source_id,
            organization_id=organization_id,
            application_id=application_id,
            owns_application=owns,
            name=body.name,
            provider="",
            created_at=now,
            updated_at=now,
        )

    async def _target(self, organization_id: str, reference: str) -> ApplicationRow:
        found = await self._targets.find(organization_id, reference)
        if found is None:
            text = "There is no such application: name one by its id or uid, or leave it out to have one made."
            raise ValidationFailed(Violation(("body", "applicationId"), text))
        return found

    async def _retarget(self, row: SourceRow, body: IngestSourceIn | IngestSourcePatch) -> None:
        """Deliver to the application that the body names. One that was made for the source stays, on its own."""
        if body.application_id is not None:
            application_id = (await self._target(row.organization_id, body.application_id)).id
            row.owns_application = row.owns_application and application_id == row.application_id
            row.application_id = application_id

    async def _replace(self, row: SourceRow, body: IngestSourceIn) -> None:
        try:
            config = kept(body.type, body.checked_config)
        except ValueError as error:
            raise ValidationFailed(Violation(_CONFIG, str(error))) from None
        _change(row, body, _REPLACED | (body.model_fields_set & _EXTENSIONS))
        if row.provider != body.type:
            row.provider, row.next_run_at = body.type, None
        await self._save(row, config)

    def _changed(self, row: SourceRow, body: IngestSourcePatch) -> Kept:
        """The row's config after a change. ValidationFailed says what is wrong with that."""
        try:
            given = partial_config_model(row.provider).model_validate(body.config)
        except ValidationError as error:
            raise ValidationFailed(
                *(
                    Violation((*_CONFIG, *_loc(failure["loc"])), failure["msg"].removeprefix("Value error, "))
                    for failure in error.errors(include_url=False, include_input=False)[:_MOST_VIOLATIONS]
                )
            ) from None
        try:
            return kept(row.provider, given, Kept(open_sealed(self._sealer, row), row.options))
        except ValueError as error:
            raise ValidationFailed(Violation(_CONFIG, str(error))) from None

    async def _save(self, row: SourceRow, config: Kept | None) -> None:
        """Write a row, with its config if that changes; it begins or ends to have a URL, as its kind does."""
        if config is not None:
            row.sealed = seal(self._sealer, row.id, config.sealed)
            if row.options != config.options:
                row.options, row.next_run_at = dict(config.options), None
        if row.provider != CRON or row.paused:
            row.next_run_at = None
        elif row.next_run_at is None:
            row.next_run_at = next_run(row.options["schedule"], clock.now())
        row.updated_at = clock.now()
        await self._sources.save(row)
        if row.provider == CRON:
            await self._tokens.delete(row)
        elif row.id not in await self._tokens.current([row]):
            await self._tokens.begin(row)

    async def _shown(self, row: SourceRow) -> IngestSourceOut:
        return self._out(row, (await self._tokens.current([row])).get(row.id))

    def _url(self, token: str) -> str:
        return f"{self._base_url}/in/{token}"

    def _out(self, row: SourceRow, token: str | None) -> IngestSourceOut:
        return IngestSourceOut(
            id=row.id,
            uid=row.uid,
            name=row.name,
            type=row.provider,
            provider=row.provider,
            config=shown(row.provider, row.options),
            verifies=verifies(row.provider, row.options, is_sealed=row.sealed is not None),
            ingest_url=None if token is None else self._url(token),
            metadata=row.metadata_,
            application_id=row.application_id,
            methods=row.methods,
            allowed_ips=None if row.allowed_networks is None else [_address(one) for one in row.allowed_networks],
            paused=row.paused,
            keep_rejected=row.keeps_rejected,
            forward="original" if row.forwards_original else "payload",
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


def _change(row: SourceRow, body: IngestSourceIn | IngestSourcePatch, fields: set[str]) -> None:
    for name in fields:
        value = getattr(body, name)
        setattr(row, _COLUMNS.get(name, name), value == "original" if name == "forward" else value)


def _address(network: str) -> str:
    """A network as it was given, if it is one address."""
    return network.removesuffix("/32") if ":" not in network else network.removesuffix("/128")


def _loc(place: Sequence[int | str]) -> list[str]:
    """The path to what is wrong, of which whoever sent it may have made up a part."""
    return [f"[{part}]" if isinstance(part, int) else part[:_LONGEST_NAME] for part in place]
