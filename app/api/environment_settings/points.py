"""Environment settings over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.api.deps import OrganizationDep, PrincipalDep, ReadSessionDep, SessionDep
from app.api.environment_settings.models import (
    EnvironmentSettingsOut,
    SettingsInternalIn,
    SettingsInternalOut,
    SettingsInternalPatch,
)
from app.api.environment_settings.service import EnvironmentSettingsService
from app.api.strict import StrictRoute

router = APIRouter(tags=["Environment-Settings"], route_class=StrictRoute)


def _writing(session: SessionDep) -> EnvironmentSettingsService:
    return EnvironmentSettingsService(session)


def _reading(session: ReadSessionDep) -> EnvironmentSettingsService:
    return EnvironmentSettingsService(session)


SettingsServiceDep = Annotated[EnvironmentSettingsService, Depends(_writing, scope="function")]
ReadSettingsServiceDep = Annotated[EnvironmentSettingsService, Depends(_reading, scope="function")]


@router.get("/environment/settings", operation_id="v1.environment.get-settings", response_model_exclude_none=True)
async def get_portal_settings(caller: PrincipalDep, settings: ReadSettingsServiceDep) -> EnvironmentSettingsOut:
    """Get those settings of the organization that are for its portals."""
    return await settings.of_portal(caller.organization_id)


@router.get(
    "/management/environment-settings",
    operation_id="v1.management.environment-settings.get",
    response_model_exclude_none=True,
)
async def get_settings(caller: OrganizationDep, settings: ReadSettingsServiceDep) -> SettingsInternalOut:
    """Get all settings of the organization."""
    return await settings.get(caller.organization_id)


@router.put(
    "/management/environment-settings",
    operation_id="v1.management.environment-settings.update",
    response_model_exclude_none=True,
)
async def update_settings(
    caller: OrganizationDep, body: SettingsInternalIn, settings: SettingsServiceDep
) -> SettingsInternalOut:
    """Replace all settings of the organization; what is left out has its default."""
    return await settings.put(caller.organization_id, body)


@router.patch(
    "/management/environment-settings",
    operation_id="v1.management.environment-settings.patch",
    response_model_exclude_none=True,
)
async def patch_settings(
    caller: OrganizationDep, body: SettingsInternalPatch, settings: SettingsServiceDep
) -> SettingsInternalOut:
    """Change some settings of the organization."""
    return await settings.patch(caller.organization_id, body)
