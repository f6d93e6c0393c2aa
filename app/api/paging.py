"""Lists on the wire: `limit`, `iterator` and `order` in; `data`, `iterator`, `prevIterator` and `done` out.

An iterator is the key of the last item that was seen; with a leading `-` it is the key of the first one and walks back.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Generic, Literal, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from app import ids
from app.db.base import Window
from app.errors import ValidationFailed, Violation

_MOST = 250

ItemT = TypeVar("ItemT")
SourceT = TypeVar("SourceT")


class ListOut(BaseModel, Generic[ItemT]):
    """One page of a list."""

    model_config = ConfigDict(populate_by_name=True)

    data: Sequence[ItemT]
    iterator: str | None = Field(description="Pass it as `iterator` for the next page.")
    prev_iterator: str | None = Field(
        default=None, alias="prevIterator", description="Pass it as `iterator` for the page before."
    )
    done: bool = Field(description="Whether this was the last page in the direction of reading.")

    @model_serializer(mode="wrap")
    def _keep_iterator(self, serialize: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]  # see below
        """The SDKs need `iterator` even where it is null and fields that are None are left out.

        A declared return type would replace the model in the OpenAPI document.
        """
        page = serialize(self)
        page.setdefault("iterator", None)
        return page


class Paging(BaseModel):
    """What the caller asked for. `order` is None where the caller left it to the list."""

    limit: int
    iterator: str | None
    order: Literal["ascending", "descending"] | None

    def window(self, *, ascending: bool, ids_of: ids.Prefix | ids.ShortPrefix | None = None) -> Window:
        """The part of the list that this asks for; `ascending` is the list's own order.

        `ids_of` is the kind of the list's ids, if it has any; ValidationFailed if the iterator is none of them.
        """
        cursor, backwards = self.iterator, False
        if cursor is not None and cursor.startswith("-"):
            cursor, backwards = cursor[1:], True
        if ids_of is not None and cursor and not ids.is_id(cursor, ids_of):
            text = "The iterator is not one that this list returned; leave it out to begin with the first page."
            raise ValidationFailed(Violation(("query", "iterator"), text))
        if self.order is not None:
            ascending = self.order == "ascending"
        return Window(self.limit, cursor or None, ascending, backwards)


def _limit(
    limit: Annotated[
        int, Query(description="Most items to return.", ge=1, json_schema_extra={"maximum": _MOST}, examples=[50])
    ] = 50,
) -> int:
    if limit > _MOST:
        raise ValidationFailed(Violation(("query", "limit", "limit"), f"Given limit must not exceed {_MOST}"))
    return limit


LimitDep = Annotated[int, Depends(_limit)]


def _paging(
    limit: LimitDep,
    iterator: Annotated[str | None, Query(description="The `iterator` or `prevIterator` of another page.")] = None,
    order: Annotated[Literal["ascending", "descending"] | None, Query(description="The order of the list.")] = None,
) -> Paging:
    if iterator is not None and "\0" in iterator:
        raise ValidationFailed(Violation(("query", "iterator"), "The iterator is not one that a list returned"))
    return Paging(limit=limit, iterator=iterator, order=order)


PagingDep = Annotated[Paging, Depends(_paging)]


def list_out(
    rows: Sequence[SourceT],
    done: bool,
    key: Callable[[SourceT], str],
    item: Callable[[SourceT], ItemT],
    *,
    reached: str | None = None,
    backwards: bool = False,
) -> ListOut[ItemT]:
    """The page that goes on the wire, of the rows that were read.

    `reached`: how far was looked, if that was not to the list's end and the page is not full. It goes on there.
    """
    iterator, previous = (key(rows[-1]), key(rows[0])) if rows else (None, None)
    if reached is not None:
        iterator, previous = (iterator, reached) if backwards else (reached, previous)
    return ListOut[ItemT](
        data=[item(row) for row in rows],
        iterator=iterator,
        prev_iterator=None if previous is None else f"-{previous}",
        done=done,
    )
