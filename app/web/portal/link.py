"""What stands in a link to the portal, behind its `#key=`."""

import base64
import binascii
from typing import Annotated, Final

from pydantic import Field, ValidationError

from app.api.fields import Dto
from app.errors import BadRequest

INCOMPLETE: Final = "This link is not complete. Copy all of it, or open it again from where it is."


class LinkKey(Dto):
    """Whose portal it is, and what is exchanged for access to it."""

    app_id: Annotated[str, Field(max_length=256)] = Field(description="The application's id.", examples=["app_1"])
    one_time_token: Annotated[str, Field(min_length=1, max_length=256)] = Field(
        description="Good for one exchange.", examples=["ott_8f3kVvT0nq1wq0m2bXo4yXnqkC9S4mT7pUu5Yb2Jx1E"], repr=False
    )


def read_key(text: str) -> LinkKey:
    """The key of a link. BadRequest if it is none, or only a part of one."""
    try:
        content = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
        return LinkKey.model_validate_json(content)
    except (binascii.Error, ValueError, ValidationError) as error:
        raise BadRequest(INCOMPLETE) from error
