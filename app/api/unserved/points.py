"""What is not served over HTTP: routes outside of the OpenAPI document."""

from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from fastapi import APIRouter

from app.api.deps import OrganizationDep, PrincipalDep
from app.api.unserved.operations import UNSERVED, UnservedOperation
from app.errors import NotServed


def _refusal(operation: UnservedOperation) -> Callable[[PrincipalDep], Awaitable[NoReturn]]:
    async def refuse(_caller: PrincipalDep) -> NoReturn:
        raise NotServed(f"{operation.reason} {operation.instead}")

    return refuse


router: Final = APIRouter()


@router.post("/api/v1/admin/redrive-dlq", status_code=204, operation_id="v1.admin.redrive-dlq", include_in_schema=False)
async def redrive(_caller: OrganizationDep) -> None:
    """Do nothing: there is no dead letter queue. What failed is delivered by recover, bulk-replay and resend."""


for _operation in UNSERVED:
    router.add_api_route(
        _operation.path,
        _refusal(_operation),
        methods=[_operation.method],
        operation_id=_operation.operation_id,
        response_model=None,
        include_in_schema=False,
    )
