"""What a transformation is given, and what may come of it, as values."""

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

Method = Literal["POST", "PUT", "PATCH"]
METHODS: Final[frozenset[str]] = frozenset(get_args(Method))

LONGEST_CODE: Final = 51_200
"""Characters of code, as the Svix API has it."""


@dataclass(frozen=True, slots=True)
class Transformation:
    """The code, which declares a function `handler`, and the variables that it finds in `webhook.env`."""

    code: str = field(repr=False)
    variables: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Draft:
    """What is about to be sent. `payload` and `params` (the message's transformationsParams) are JSON."""

    url: str
    payload: bytes = field(repr=False)
    event_type: str
    channels: tuple[str, ...] = ()
    params: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use up."""

    fuel: int = 500_000_000
    """Instructions of the virtual machine; about a tenth of a second."""
    fuel_per_byte: int = 2_000
    """More of them for each byte of the payload, which is parsed, and written again."""
    seconds: float = 2.0
    """By the clock, whatever else goes on on the machine."""
    memory: int = 33_554_432
    """Bytes, with the interpreter's own two million."""
    output: int = 1_048_576
    """Bytes of a body."""

    @classmethod
    def for_bodies_of(cls, most_bytes: int) -> "Limits":
        """Limits under which a payload of so many bytes can be handled: parsed, it takes ten times its size."""
        usual = cls()
        return cls(memory=max(usual.memory, 24 * most_bytes), output=max(usual.output, most_bytes))


@dataclass(frozen=True, slots=True)
class Transformed:
    """What is to be sent instead. Checked for its form only: the URL and the headers are still a stranger's.

    `body` is text in UTF-8; None if the code left the payload as it was, which is then sent byte for byte.
    """

    method: Method
    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Canceled:
    """Nothing is to be sent."""


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no result; the reason is for the code's owner to read, and may hold what the code threw."""

    reason: str = field(repr=False)


Result = Transformed | Canceled | Failed
