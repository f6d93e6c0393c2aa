"""What a diagnosis is made of, and what a repair says of itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Code = Literal[
    "right",
    "not-found",
    "secret",
    "secret-form",
    "secret-other",
    "key-kind",
    "body-serialised",
    "body-whitespace",
    "body-encoding",
    "content",
    "signature-form",
    "one-of-several",
    "header-missing",
    "header-twice",
    "headers-mixed",
    "headers-unread",
    "headers-unknown",
    "provider",
    "clock",
    "milliseconds",
    "timestamp-form",
    "computed",
]
Level = Literal["right", "mistake", "warning", "note"]
"""`mistake`: a receiver that does as the standard says refuses the request. `warning`: some do, or will later."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What undoes one mistake."""

    code: Code
    # The mistake, as a sentence.
    title: str
    # What the signature is right for: "the body without its last line end".
    right_for: str
    advice: str
    level: Level = "mistake"

    def finding(self, subject: str, others: Sequence["Repair"] = ()) -> "Finding":
        """What is said once the repair made the signature right, and the others with it. `subject`: which signature."""
        wanted = " and ".join([self.right_for, *(other.right_for for other in others if other != self)])
        return Finding(self.code, self.level, self.title, f"{subject} is right for {wanted}.", self.advice)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found: what is wrong (or right), how that is known, and what to do."""

    code: Code
    level: Level
    title: str
    how: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found, the gravest first. It holds no secret, no signature, and nothing of the body."""

    findings: tuple[Finding, ...]

    @property
    def is_valid(self) -> bool:
        """Whether a receiver that does as the standard says takes the request, with what it was given."""
        levels = {finding.level for finding in self.findings}
        return "right" in levels and "mistake" not in levels

    @property
    def codes(self) -> frozenset[Code]:
        """What was found, in short."""
        return frozenset(finding.code for finding in self.findings)
