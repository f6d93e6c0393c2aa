"""Transformations over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from app.api.deps import (
    ApplicationDep,
    ApplicationRef,
    DatabaseDep,
    EndpointRef,
    PrincipalDep,
    ReadApplicationDep,
    ReadSessionDep,
    SealerDep,
    SessionDep,
    SettingsDep,
    find_application,
)
from app.api.strict import StrictRoute
from app.api.transformation.models import (
    EndpointTransformationOut,
    EndpointTransformationPatch,
    TransformationSimulateIn,
    TransformationSimulateOut,
)
from app.api.transformation.service import TransformationService, Trial, require_usable, simulate
from app.transformation.pool import TransformationPool

router = APIRouter(
    prefix="/app/{app_id}/endpoint/{endpoint_id}/transformation", tags=["Endpoint"], route_class=StrictRoute
)


def _writing(session: SessionDep, sealer: SealerDep) -> TransformationService:
    return TransformationService(session, sealer)


def _reading(session: ReadSessionDep, sealer: SealerDep) -> TransformationService:
    return TransformationService(session, sealer)


async def _pool(request: Request) -> TransformationPool:
    found: TransformationPool = request.app.state.transformations
    return found


async def _checked(
    app_id: ApplicationRef,
    reference: EndpointRef,
    caller: PrincipalDep,
    database: DatabaseDep,
    sealer: SealerDep,
    pool: Annotated[TransformationPool, Depends(_pool)],
    body: EndpointTransformationPatch,
) -> EndpointTransformationPatch:
    # Before the transaction of the change begins, for the same reason as below. Not in the replica's session, which may
    # not know yet of an endpoint that was made just now.
    if body.code is not None:
        async with database.transaction() as session:
            app = await find_application(session, caller, app_id)
            await TransformationService(session, sealer).require_place(caller, app, reference)
        await require_usable(pool, app.id, body.code)
    return body


async def _on_trial(
    app_id: ApplicationRef,
    reference: EndpointRef,
    caller: PrincipalDep,
    database: DatabaseDep,
    sealer: SealerDep,
    settings: SettingsDep,
    body: TransformationSimulateIn,
) -> Trial:
    # Closed again before the code runs: a connection that waits for a stranger's code would be missed by others.
    async with database.reading() as session:
        app = await find_application(session, caller, app_id)
        transformations = TransformationService(session, sealer)
        await transformations.require_trust(caller)
        return await transformations.on_trial(app, reference, body, https_only=settings.endpoint_https_only)


TransformationsDep = Annotated[TransformationService, Depends(_writing, scope="function")]
ReadTransformationsDep = Annotated[TransformationService, Depends(_reading, scope="function")]
PoolDep = Annotated[TransformationPool, Depends(_pool)]
TrialDep = Annotated[Trial, Depends(_on_trial)]
CheckedDep = Annotated[EndpointTransformationPatch, Depends(_checked)]


@router.get("", operation_id="v1.endpoint.transformation.get", response_model_exclude_none=True)
async def get_transformation(
    app: ReadApplicationDep, reference: EndpointRef, transformations: ReadTransformationsDep
) -> EndpointTransformationOut:
    """Get the code that changes what is sent to the endpoint, and its variables."""
    return await transformations.get(app, reference)


@router.patch("", status_code=204, operation_id="v1.endpoint.transformation.patch")
async def patch_transformation(
    body: CheckedDep,
    app: ApplicationDep,
    reference: EndpointRef,
    transformations: TransformationsDep,
    caller: PrincipalDep,
) -> None:
    """Set, enable or take away the code that changes what is sent to the endpoint."""
    await transformations.require_trust(caller)
    await transformations.patch(app, reference, body)


@router.post("/simulate", operation_id="v1.endpoint.transformation.simulate", response_model_exclude_none=True)
async def simulate_transformation(trial: TrialDep, pool: PoolDep) -> TransformationSimulateOut:
    """Run code on a payload, and see what would be sent to the endpoint; nothing is."""
    return await simulate(pool, trial)
