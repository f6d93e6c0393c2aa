"""The rules of transformations: keeping them, and trying them out."""

import json
from dataclasses import dataclass
from typing import Final, assert_never

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.api.endpoint import headers as header_rules
from app.api.transformation.models import (
    EndpointTransformationOut,
    EndpointTransformationPatch,
    TransformationSimulateIn,
    TransformationSimulateOut,
)
from app.db.application.model import ApplicationRow
from app.db.endpoint.model import EndpointRow
from app.db.endpoint.table import EndpointsTable
from app.db.operational_webhook.table import OperationalEvents
from app.db.organization.settings import rules_of
from app.db.transformation.model import (
    SealedTransformation,
    TransformationRow,
    open_transformation,
    seal_transformation,
)
from app.db.transformation.table import TransformationsTable
from app.delivery.url import target_of
from app.errors import InsufficientAccess, Unavailable, ValidationFailed, Violation, existing
from app.sealing import Sealer
from app.tokens import Principal
from app.transformation.contract import Canceled, Draft, Failed, Transformation, Transformed
from app.transformation.pool import Busy, TransformationPool

# Of one application, whose runs come one after the other.
_MOST_IN_LINE: Final = 4
_BUSY: Final = "Too much code of this application is tried out at once. Try again."


class TransformationService:
    """Keeps the code of an application's endpoints. All raise NotFound for an endpoint that is not there."""

    def __init__(self, session: AsyncSession, sealer: Sealer) -> None:
        self._session = session
        self._endpoints = EndpointsTable(session)
        self._rows = TransformationsTable(session)
        self._events = OperationalEvents(session)
        self._sealer = sealer

    async def get(self, app: ApplicationRow, reference: str) -> EndpointTransformationOut:
        """The endpoint's code and variables."""
        endpoint = existing(await self._endpoints.find(app.id, reference))
        row = await self._rows.get(app.id, endpoint.id)
        if row is None:
            return EndpointTransformationOut()
        opened = open_transformation(self._sealer, endpoint.id, row.sealed)
        return EndpointTransformationOut(
            code=opened.code, enabled=row.enabled, variables=opened.variables, updated_at=row.updated_at
        )

    async def require_trust(self, caller: Principal) -> None:
        """InsufficientAccess for a portal whose organization does not let portals bring code of their own."""
        if caller.application_id is None:
            return
        if not (await rules_of(self._session, caller.organization_id)).transformations_of_portals:
            raise InsufficientAccess(
                "Portals may not write code here: the environment's setting enableTransformations would allow it."
            )

    async def require_place(self, caller: Principal, app: ApplicationRow, reference: str) -> None:
        """NotFound or InsufficientAccess unless the caller may bring code for that endpoint."""
        await self.require_trust(caller)
        existing(await self._endpoints.find(app.id, reference))

    async def patch(self, app: ApplicationRow, reference: str, body: EndpointTransformationPatch) -> None:
        """Change those fields that the body holds. Workers use them from their next reading on."""
        # Locked: two who change different fields at once must not undo each other.
        endpoint = existing(await self._endpoints.find_to_change(app.id, reference))
        row = await self._rows.get(app.id, endpoint.id)
        before = SealedTransformation()
        now = clock.now()
        if row is None:
            row = TransformationRow(endpoint_id=endpoint.id, application_id=app.id, sealed=b"", updated_at=now)
        else:
            before = open_transformation(self._sealer, endpoint.id, row.sealed)
        given = body.model_fields_set
        after = SealedTransformation(
            body.code if "code" in given else before.code,
            body.variables if "variables" in given else before.variables,
        )
        row.sealed = seal_transformation(self._sealer, endpoint.id, after)
        row.enabled = body.enabled if "enabled" in given else row.enabled
        row.updated_at = now
        await self._rows.save(row)
        await self._touch(endpoint)

    async def on_trial(
        self, app: ApplicationRow, reference: str, body: TransformationSimulateIn, *, https_only: bool
    ) -> "Trial":
        """What a simulation is to run, for a moment at which the session is closed. `https_only`: the installation."""
        endpoint = existing(await self._endpoints.find(app.id, reference))
        variables = body.variables
        if variables is None:
            variables = (await self.get(app, endpoint.id)).variables
        channels = tuple(dict.fromkeys(body.channels or ()))
        payload = json.dumps(body.payload, ensure_ascii=False, separators=(",", ":")).encode()
        draft = Draft(endpoint.url, payload, body.event_type, channels)
        https_only = https_only or (await rules_of(self._session, app.organization_id)).enforce_https
        return Trial(app.id, Transformation(body.code, variables or {}), draft, https_only)

    async def _touch(self, endpoint: EndpointRow) -> None:
        """Give the endpoint its next revision, by which workers know that what they keep of it is stale."""
        endpoint.updated_at = clock.now()
        await self._endpoints.save(endpoint)
        await self._events.tell_of_endpoint(endpoint.id, {"endpoint.updated": {}})


@dataclass(frozen=True, slots=True)
class Trial:
    """Code of an application, and what it is tried on."""

    application_id: str
    transformation: Transformation
    draft: Draft
    https_only: bool
    """Whether the code may choose https URLs only."""


async def require_usable(pool: TransformationPool, application_id: str, code: str) -> None:
    """ValidationFailed if no message could be sent through the code; Unavailable if too much runs at once."""
    try:
        failed = await pool.check(application_id, code, _MOST_IN_LINE)
    except Busy:
        raise Unavailable(_BUSY) from None
    if failed is not None:
        raise _refused(failed.reason)


async def simulate(pool: TransformationPool, trial: Trial) -> TransformationSimulateOut:
    """What would be sent. ValidationFailed if the code fails; Unavailable if too much is tried out at once."""
    draft = trial.draft
    try:
        result = await pool.run(trial.application_id, trial.transformation, draft, _MOST_IN_LINE)
    except Busy:
        raise Unavailable(_BUSY) from None
    match result:
        case Canceled():
            return TransformationSimulateOut(url=draft.url, payload=draft.payload.decode(), cancel=True)
        case Failed(reason=reason):
            raise _refused(reason)
        case Transformed(method=method, url=url, headers=headers):
            # As the worker does: the endpoint's own URL was judged when it was set.
            if isinstance(target := target_of(url, None, https_only=trial.https_only and url != draft.url), str):
                raise _refused(target)
            try:
                header_rules.check_of_code(headers)
            except ValueError as error:
                raise _refused(str(error)) from None
            payload = draft.payload if result.body is None else result.body
            return TransformationSimulateOut(
                url=url, payload=payload.decode(), method=method, headers=headers or None, cancel=False
            )
        case _:
            assert_never(result)


def _refused(reason: str) -> ValidationFailed:
    return ValidationFailed(Violation(("body", "code"), reason))
