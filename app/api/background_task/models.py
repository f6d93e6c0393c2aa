"""Background tasks on the wire."""

from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from app.api.fields import Dto, Timestamp
from app.db.background_task.model import HIDDEN, BackgroundTaskRow, TaskKind, TaskStatus

TASK_ID = "qtask_1srOrx2ZWZBpBUvZwXKQmoEYga2"
TASK_ID_PATTERN = r"^qtask_[A-Za-z0-9]{27}$"
_SHOWN: Final = [kind.value for kind in TaskKind if kind not in HIDDEN]
SHOWN_KINDS: JsonDict = {"enum": [*_SHOWN]}


def _shown(value: str) -> str:
    if value not in _SHOWN:
        raise PydanticCustomError("enum", "Input should be one of {names}", {"names": ", ".join(_SHOWN)})
    return value


ShownKind = Annotated[TaskKind, BeforeValidator(_shown)]
"""A kind that a caller asks for."""


class BackgroundTaskStarted(Dto):
    """A task that was started."""

    id: str = Field(examples=[TASK_ID])
    status: TaskStatus = Field(examples=["running"])
    task: TaskKind = Field(description="What it does.", examples=["endpoint.recover"], json_schema_extra=SHOWN_KINDS)
    updated_at: Timestamp = Field(description="When a bite of it was last done.", examples=["2026-01-31T23:59:59Z"])

    @classmethod
    def of(cls, row: BackgroundTaskRow) -> Self:
        return cls(id=row.id, status=TaskStatus(row.status), task=TaskKind(row.kind), updated_at=row.updated_at)


class BackgroundTaskOut(BackgroundTaskStarted):
    """A task, and what came of it so far."""

    data: dict[str, object] = Field(
        description="What came of it so far; which fields there are depends on the task. `error` says why one failed.",
        examples=[{"messagesSent": 2}],
    )
