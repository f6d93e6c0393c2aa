"""The one list of routers."""

from fastapi import APIRouter

from app.api.endpoint import points as endpoint
from app.api.message import points as message

router = APIRouter(prefix="/api/v1")
router.include_router(message.publishing)
router.include_router(endpoint.router)
