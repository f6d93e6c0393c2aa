"""Environments over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from app.api.deps import ManagementDep, OrganizationDep, ReadSessionDep, SessionDep
from app.api.environment.models import (
    EnvironmentIn,
    EnvironmentModelIn,
    EnvironmentModelOut,
    EnvironmentModelUpdate,
    EnvironmentOut,
)
from app.api.environment.service import EnvironmentCopyService, EnvironmentService
from app.api.paging import ListOut, PagingDep
from app.api.strict import StrictRoute

router = APIRouter(prefix="/management/environment", tags=["Environment"], route_class=StrictRoute)
copying = APIRouter(prefix="/environment", tags=["Environment"], route_class=StrictRoute)


def _writing(session: SessionDep) -> EnvironmentService:
    return EnvironmentService(session)


def _reading(session: ReadSessionDep) -> EnvironmentService:
    return EnvironmentService(session)


def _copying(session: SessionDep) -> EnvironmentCopyService:
    return EnvironmentCopyService(session)


EnvironmentsDep = Annotated[EnvironmentService, Depends(_writing, scope="function")]
ReadEnvironmentsDep = Annotated[EnvironmentService, Depends(_reading, scope="function")]
CopyDep = Annotated[EnvironmentCopyService, Depends(_copying, scope="function")]
EnvironmentId = Annotated[
    str, Path(alias="env_id", description="The environment's id.", pattern=r"^org_[A-Za-z0-9]{27}$")
]


@router.get("", operation_id="v1.management.environment.list")
async def list_environments(
    _caller: ManagementDep, environments: ReadEnvironmentsDep, paging: PagingDep
) -> ListOut[EnvironmentModelOut]:
    """List all environments of the installation."""
    return await environments.page(paging)


@router.post("", status_code=201, operation_id="v1.management.environment.create")
async def create_environment(
    _caller: ManagementDep, body: EnvironmentModelIn, environments: EnvironmentsDep
) -> EnvironmentModelOut:
    """Create an environment; make a token for it with v1.management.authentication.create-api-token."""
    return await environments.create(body)


@router.get("/{env_id}", operation_id="v1.management.environment.get")
async def get_environment(
    _caller: ManagementDep, environment: EnvironmentId, environments: ReadEnvironmentsDep
) -> EnvironmentModelOut:
    """Get an environment."""
    return await environments.get(environment)


@router.put("/{env_id}", operation_id="v1.management.environment.update")
async def update_environment(
    _caller: ManagementDep, environment: EnvironmentId, body: EnvironmentModelUpdate, environments: EnvironmentsDep
) -> EnvironmentModelOut:
    """Rename an environment."""
    return await environments.rename(environment, body)


@router.delete("/{env_id}", status_code=204, operation_id="v1.management.environment.delete")
async def delete_environment(_caller: ManagementDep, environment: EnvironmentId, environments: EnvironmentsDep) -> None:
    """Delete an environment: its tokens end within seconds, and its applications are deleted in the background."""
    await environments.delete(environment)


@copying.post("/export", operation_id="v1.environment.export", response_model_exclude_none=True)
async def export_environment(caller: OrganizationDep, environment: CopyDep) -> EnvironmentOut:
    """Export the organization's event types and settings, for v1.environment.import."""
    return await environment.export(caller.organization_id)


@copying.post("/import", status_code=204, operation_id="v1.environment.import")
async def import_environment(caller: OrganizationDep, body: EnvironmentIn, environment: CopyDep) -> None:
    """Import event types and settings: what is there is replaced, and nothing is deleted."""
    await environment.take_in(caller.organization_id, body)
