"""The rules of endpoints."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids
from app.api.endpoint import headers as header_rules
from app.api.endpoint.expected import expected_types, none_expected
from app.api.endpoint.models import (
    EndpointAttemptStats,
    EndpointHeadersIn,
    EndpointHeadersOut,
    EndpointHeadersPatch,
    EndpointIn,
    EndpointOut,
    EndpointPatch,
    EndpointSecretOut,
    EndpointSecretRotateIn,
    EndpointStats,
    EndpointUpdate,
)
from app.api.endpoint.rules import check, check_room
from app.api.endpoint.secrets import GRACE_SECONDS, rotated
from app.api.paging import ListOut, Paging, list_out
from app.db.application.model import ApplicationRow
from app.db.endpoint.model import (
    EndpointRow,
    LiveSecret,
    open_headers,
    open_secrets,
    seal_headers,
    seal_secrets,
)
from app.db.endpoint.statistics import DeliveryCounts
from app.db.endpoint.table import EndpointsTable
from app.db.endpoint_health.table import forget_health
from app.db.event_type.expected import unknown_names
from app.db.operational_webhook.table import OperationalEvents
from app.db.organization.settings import Rules, rules_of
from app.db.pending_delivery.table import PendingDeliveriesTable
from app.db.shard.model import shard_of
from app.delivery.signing import SigningKey
from app.errors import BadRequest, Conflict, NotFound, ValidationFailed, Violation, existing
from app.sealing import Sealer
from app.settings import Settings

_LONGEST_STATS: Final = timedelta(days=28)
_HOUR: Final = timedelta(hours=1)
# For callers whose clock is not quite ours.
_CLOCK_SKEW: Final = timedelta(minutes=5)
_BEFORE_ALL_IDS: Final = datetime(2014, 1, 1, tzinfo=UTC)
# A client that does not know of them replaces an endpoint without them, and does not mean to turn them off.
_KEPT: Final = {"ordered_by", "timeout_seconds"}
_COLUMNS: Final = {"throttle_rate": "rate_limit", "metadata": "metadata_"}


class EndpointService:
    """Keeps the endpoints of an application, and what is sealed in them.

    For an organization (not for a portal) event types that its sources will bring come to be by being named.
    """

    def __init__(
        self, session: AsyncSession, sealer: Sealer, settings: Settings, *, for_organization: bool = False
    ) -> None:
        self._session = session
        self._endpoints = EndpointsTable(session)
        self._events = OperationalEvents(session)
        self._pending = PendingDeliveriesTable(session)
        self._counts = DeliveryCounts(session)
        self._sealer = sealer
        self._settings = settings
        self._expect = expected_types if for_organization else none_expected

    async def page(self, app: ApplicationRow, paging: Paging) -> ListOut[EndpointOut]:
        """The application's endpoints, newest first unless asked otherwise."""
        page = await self._endpoints.page(app.id, paging.window(ascending=False, ids_of="ep"))
        return list_out(page.rows, page.done, key=lambda row: row.id, item=_out)

    async def get(self, app: ApplicationRow, reference: str) -> EndpointOut:
        """The endpoint with that id or uid."""
        return _out(existing(await self._endpoints.find(app.id, reference)))

    async def create(self, app: ApplicationRow, body: EndpointIn) -> EndpointOut:
        """A new endpoint, with a signing secret made for it unless one is given. Conflict if the uid is taken."""
        rules = await self._check(app, body)
        await self._check_room(app, rules)
        row = self._new_row(app, body.secret)
        row.headers = seal_headers(self._sealer, row.id, body.headers or {})
        _change(row, body, EndpointUpdate.model_fields)
        await self._save(row, None)
        return _out(row)

    async def put(self, app: ApplicationRow, reference: str, body: EndpointUpdate) -> tuple[EndpointOut, bool]:
        """Replace the endpoint with that id or uid, or create it with that uid; says whether it was created."""
        rules = await self._check(app, body)
        row = await self._endpoints.find_to_change(app.id, reference)
        if row is None:
            await self._check_room(app, rules)
            row = self._new_row(app, None)
            try:
                return await self._replace(row, reference, body, None), True
            except Conflict:
                # Either another request created it this moment, or the uid in the body belongs to another endpoint.
                row = await self._endpoints.find_to_change(app.id, reference)
                if row is None:
                    raise
        return await self._replace(row, reference, body, row.disabled), False

    async def patch(self, app: ApplicationRow, reference: str, body: EndpointPatch) -> EndpointOut:
        """Change those fields of an endpoint that the body holds."""
        await self._check(app, body)
        row = existing(await self._endpoints.find_to_change(app.id, reference))
        was_disabled = row.disabled
        _change(row, body, body.model_fields_set)
        await self._save(row, was_disabled)
        return _out(row)

    async def delete(self, app: ApplicationRow, reference: str) -> None:
        """Delete an endpoint and cancel what is still to be delivered to it."""
        row = existing(await self._endpoints.find_to_change(app.id, reference))
        await self._endpoints.soft_delete(app.id, row.id, clock.now())
        await self._pending.cancel_of_endpoint(app.id, row.id)
        await self._events.tell_of_endpoint(row.id, {"endpoint.deleted": {}})

    async def headers(self, app: ApplicationRow, reference: str) -> EndpointHeadersOut:
        """The endpoint's custom headers; credentials only by name."""
        row = existing(await self._endpoints.find(app.id, reference))
        headers = open_headers(self._sealer, row.id, row.headers)
        shown = {name: value for name, value in headers.items() if not header_rules.is_sensitive(name)}
        return EndpointHeadersOut(headers=shown, sensitive=[name for name in headers if name not in shown])

    async def set_headers(self, app: ApplicationRow, reference: str, body: EndpointHeadersIn) -> None:
        """Replace all custom headers of an endpoint."""
        row = existing(await self._endpoints.find_to_change(app.id, reference))
        await self._save_headers(row, body.headers)

    async def patch_headers(self, app: ApplicationRow, reference: str, body: EndpointHeadersPatch) -> None:
        """Set and remove some custom headers of an endpoint."""
        row = existing(await self._endpoints.find_to_change(app.id, reference))
        current = open_headers(self._sealer, row.id, row.headers)
        without = header_rules.merged(current, dict.fromkeys(body.delete_headers))
        await self._save_headers(row, header_rules.merged(without, body.headers))

    async def secret(self, app: ApplicationRow, reference: str) -> EndpointSecretOut:
        """What the endpoint's receiver verifies signatures with: the current secret, or the public key of it."""
        row = existing(await self._endpoints.find(app.id, reference))
        current = open_secrets(self._sealer, row.id, row.secrets)[0]
        return EndpointSecretOut(key=SigningKey.parse(current.key).public_text)

    async def rotate_secret(
        self, app: ApplicationRow, reference: str, body: EndpointSecretRotateIn
    ) -> EndpointSecretOut:
        """Sign with a new secret, and with the current one too for a while. BadRequest if too many are live."""
        row = existing(await self._endpoints.find_to_change(app.id, reference))
        secrets = open_secrets(self._sealer, row.id, row.secrets)
        grace = GRACE_SECONDS if body.grace_period_seconds is None else body.grace_period_seconds
        secrets = rotated(secrets, body.key or self._new_secret(), grace, int(clock.unix()))
        row.secrets = seal_secrets(self._sealer, row.id, secrets)
        row.updated_at = clock.now()
        await self._save(row, row.disabled)
        return EndpointSecretOut(key=SigningKey.parse(secrets[0].key).public_text)

    async def stats(
        self, app: ApplicationRow, reference: str, since: datetime | None, until: datetime | None
    ) -> EndpointStats:
        """The endpoint's deliveries by state, of messages from `since` to `until`. BadRequest beyond 28 days."""
        start, end = _stats_range(since, until, clock.now())
        row = existing(await self._endpoints.find(app.id, reference))
        counts = await self._counts.by_state(app.id, row.id, start, end)
        return EndpointStats(
            success=counts.get(0, 0),
            pending=counts.get(1, 0),
            sending=0,
            fail=counts.get(2, 0),
            canceled=counts.get(4, 0),
        )

    async def attempt_stats(
        self, app: ApplicationRow, reference: str, since: datetime | None, until: datetime | None
    ) -> EndpointAttemptStats:
        """How the endpoint's deliveries of whole hours ended, those of `since` and `until` among them.

        BadRequest beyond 28 days.
        """
        start, end = _stats_range(since, until, clock.now())
        row = existing(await self._endpoints.find(app.id, reference))
        first, last = _hour_of(start), _hour_of(end) + _HOUR
        counts = await self._counts.by_state(app.id, row.id, first, last)
        return EndpointAttemptStats(success=counts.get(0, 0), fail=counts.get(2, 0), canceled=counts.get(4, 0))

    async def _check(self, app: ApplicationRow, body: EndpointUpdate | EndpointPatch) -> Rules:
        """The organization's rules, which the body keeps; they are not for its own endpoints. ValidationFailed."""
        unknown: list[str] = []
        if body.event_types and not app.operational:
            unknown = await unknown_names(self._session, app, body.event_types, self._expect)
        rules = Rules() if app.operational else await rules_of(self._session, app.organization_id)
        check(body, rules, unknown, https_only=self._settings.endpoint_https_only)
        return rules

    async def _check_room(self, app: ApplicationRow, rules: Rules) -> None:
        if rules.most_endpoints is not None:
            check_room(rules, await self._endpoints.count(app.id))

    def _new_row(self, app: ApplicationRow, secret: str | None) -> EndpointRow:
        endpoint_id, now = ids.new_id("ep"), clock.now()
        secrets = [LiveSecret(secret or self._new_secret(), None)]
        return EndpointRow(
            id=endpoint_id,
            application_id=app.id,
            url="",
            secrets=seal_secrets(self._sealer, endpoint_id, secrets),
            shard=shard_of(endpoint_id),
            created_at=now,
            updated_at=now,
        )

    def _new_secret(self) -> str:
        return SigningKey.generate(self._settings.default_signature_type).text

    async def _replace(
        self, row: EndpointRow, reference: str, body: EndpointUpdate, was_disabled: bool | None
    ) -> EndpointOut:
        _change(row, body, EndpointUpdate.model_fields)
        if row.uid is None and reference != row.id:
            if reference.startswith(ids.PREFIXES):
                raise NotFound
            # It was named by its uid, and stays findable by it.
            row.uid = reference
        await self._save(row, was_disabled)
        return _out(row)

    async def _save_headers(self, row: EndpointRow, headers: dict[str, str]) -> None:
        try:
            header_rules.check_total(headers)
        except ValueError as error:
            raise ValidationFailed(Violation(("body", "headers"), str(error))) from None
        row.headers = seal_headers(self._sealer, row.id, headers)
        row.updated_at = clock.now()
        await self._save(row, row.disabled)

    async def _save(self, row: EndpointRow, was_disabled: bool | None) -> None:
        """Write a row and tell the organization of it; `was_disabled` is None for a new one. Conflict as in the table.

        One that is enabled again begins without a past: else its next failure would end it again.
        """
        events: dict[str, dict[str, str]] = {"endpoint.created" if was_disabled is None else "endpoint.updated": {}}
        if was_disabled is False and row.disabled:
            events["endpoint.disabled"] = {"trigger": "manual"}
        elif was_disabled and not row.disabled:
            events["endpoint.enabled"] = {}
            row.disabled_reason = None
            await forget_health(self._session, row.id)
        await self._endpoints.save(row)
        await self._events.tell_of_endpoint(row.id, events)


def _change(row: EndpointRow, body: EndpointUpdate | EndpointPatch, fields: Iterable[str]) -> None:
    for name in fields:
        if name in _KEPT and name not in body.model_fields_set:
            continue
        value = getattr(body, name)
        setattr(row, _COLUMNS.get(name, name), 1 if name == "version" and value is None else value)
    row.updated_at = clock.now()


def _stats_range(since: datetime | None, until: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    end = until or now
    if end > now + _CLOCK_SKEW:
        raise BadRequest("'until' cannot be in the future", code="invalid_range")
    # The bound keeps the subtraction in range; there are no ids from before it.
    start = since or max(end, _BEFORE_ALL_IDS) - _LONGEST_STATS
    if end - start > _LONGEST_STATS + _CLOCK_SKEW:
        raise BadRequest(f"'since' cannot be more than 28 days prior to {end}", code="invalid_range")
    return start, end


def _hour_of(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)


def endpoint_view(row: EndpointRow) -> dict[str, Any]:
    """The fields of an EndpointView: both names of what has two."""
    same = ("id", "uid", "url", "description", "version", "disabled", "rate_limit", "event_types", "channels")
    view: dict[str, Any] = {name: getattr(row, name) for name in (*same, "created_at", "updated_at")}
    return view | {"throttle_rate": row.rate_limit, "filter_types": row.event_types}


def _out(row: EndpointRow) -> EndpointOut:
    reason = row.disabled_reason if row.disabled else None
    return EndpointOut(
        metadata=row.metadata_,
        timeout_seconds=row.timeout_seconds,
        ordered_by=row.ordered_by,
        disabled_reason=reason,
        **endpoint_view(row),
    )
