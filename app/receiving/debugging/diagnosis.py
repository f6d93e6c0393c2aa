"""Why a signature is refused, or that it is right."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from app.receiving.debugging.clocks import about_the_time
from app.receiving.debugging.families import ThreeHeaders, read_three
from app.receiving.debugging.findings import Diagnosis, Finding, Level
from app.receiving.debugging.headers_text import PastedHeaders
from app.receiving.debugging.key_readings import KnownSecret, kind_of
from app.receiving.debugging.other_providers import about_other_providers
from app.receiving.debugging.search import Match, Search, Signed
from app.receiving.debugging.signature_texts import Given, read_signatures

MOST_BODY: Final = 1024 * 1024
MOST_SECRETS: Final = 8
MOST_OF_SECRET: Final = 4096

_ORDER: Final[tuple[Level, ...]] = ("mistake", "right", "warning", "note")
# Bytes of a signature: HMAC-SHA256, Ed25519.
_LENGTHS: Final = frozenset({32, 64})
_HEADER: Final = "The signature in the header"
_COMPUTED: Final = "What your code computed"


@dataclass(frozen=True, slots=True)
class Question:
    """A request, the secrets that may have signed it, and what time it is (Unix, seconds)."""

    headers: PastedHeaders = field(repr=False)
    body: bytes = field(repr=False)
    secrets: tuple[KnownSecret, ...] = field(repr=False)
    now: float
    # Whether somebody said that it was that time when the request arrived: else it may have been copied long ago.
    now_is_given: bool = False
    # False for what a form of a browser sent, which makes all line ends CRLF.
    line_ends_known: bool = True
    # The signature that the receiver's own code made of the same request.
    computed: str = field(default="", repr=False)
    # The address that a provider was told: some sign it.
    url: str = ""


def diagnose(question: Question) -> Diagnosis:
    """What is wrong, by what was found when mistakes were undone. ValueError, with what to do, for too much."""
    if len(question.body) > MOST_BODY:
        raise ValueError(f"the body may have {MOST_BODY:,} bytes: debug with a smaller one")
    if len(question.secrets) > MOST_SECRETS:
        raise ValueError(f"up to {MOST_SECRETS} secrets can be tried at once")
    if any(len(each.text) > MOST_OF_SECRET for each in question.secrets):
        raise ValueError(f"a secret may have {MOST_OF_SECRET:,} characters: copy it alone")
    three = read_three(question.headers)
    findings = [*_unread(question.headers), *three.findings]
    if not three.is_absent:
        findings += _standard(question, three)
    if three.is_absent or (not three.is_standard and not _is_right(findings)):
        foreign = _foreign(question)
        if foreign:
            findings = [*_unread(question.headers), *foreign]
        elif three.is_absent:
            findings += three.findings or _no_headers()
    findings.sort(key=lambda finding: _ORDER.index(finding.level))
    return Diagnosis(tuple(dict.fromkeys(findings)))


def _is_right(findings: Sequence[Finding]) -> bool:
    return any(finding.level == "right" for finding in findings)


def _unread(pasted: PastedHeaders) -> list[Finding]:
    if not pasted.unread:
        return []
    lines = ", ".join(map(str, pasted.unread[:5])) + (", …" if len(pasted.unread) > 5 else "")
    return [
        Finding("headers-unread", "note", "Some lines are no headers.", f"Passed over: {lines}.", "Write name: value.")
    ]


def _no_headers() -> list[Finding]:
    return [
        Finding(
            "header-missing",
            "mistake",
            "There is no signature.",
            "None of webhook-signature, svix-signature, or a header of another provider that is known was found.",
            "Paste all headers of the request, as they arrived.",
        )
    ]


def _foreign(question: Question) -> list[Finding]:
    texts = [secret.text.strip() for secret in question.secrets]
    return about_other_providers(
        question.headers,
        question.body,
        texts,
        question.now,
        question.url,
        line_ends_known=question.line_ends_known,
    )


def _standard(question: Question, three: ThreeHeaders) -> list[Finding]:
    findings: list[Finding] = []
    signed = Signed(three.ids, three.stamps, question.body, question.line_ends_known)
    if three.stamps:
        findings += about_the_time(three.stamps[0], question.now, now_is_given=question.now_is_given)
    if not question.secrets:
        return [*findings, _no_secret()]
    match = None
    if three.signatures:
        read = [read_signatures(text) for text in three.signatures]
        given = [each for texts, _ in read for each in texts]
        search = Search(given, signed)
        match = search.find(question.secrets)
        findings += (
            [_not_found(question, given, search.tries)] if match is None else _found(question, match, read[0][1])
        )
    if question.computed:
        findings += _of_computed(question, signed, match)
    return findings


def _found(question: Question, match: Match, count: int) -> list[Finding]:
    findings = [repair.finding(_HEADER, match.repairs) for repair in dict.fromkeys(match.repairs)]
    others = [secret for secret in question.secrets if secret.origin == "given"]
    if match.secret.origin == "endpoint" and others:
        findings.append(_other_secret())
    elif match.secret.origin == "former":
        findings.append(_former_secret())
    if not any(finding.level == "mistake" for finding in findings):
        method = "an Ed25519 signature" if match.given.version == "v1a" else "HMAC-SHA256"
        whose = {"given": "the secret that you gave", "endpoint": "the endpoint's secret", "former": "the other secret"}
        findings.append(
            Finding(
                "right",
                "right",
                "The signature is right.",
                f"It is {method} of the id, the timestamp and the body, by {whose[match.secret.origin]}.",
            )
        )
    if count > 1:
        findings.append(
            Finding(
                "one-of-several",
                "note",
                f"The header holds {count} signatures; number {match.given.place} is this secret's.",
                "While a secret is rotated, the old and the new one sign; or an Ed25519 key signs beside it.",
                "Accept the request if any of them is right: never compare the header as a whole, or the first only.",
            )
        )
    return findings


def _other_secret() -> Finding:
    return Finding(
        "secret",
        "mistake",
        "The secret that you gave is not the endpoint's.",
        f"{_HEADER} is right for the endpoint's secret of now.",
        "Give the receiver the secret that the endpoint's page shows: it was rotated, or is another endpoint's.",
    )


def _former_secret() -> Finding:
    return Finding(
        "secret-other",
        "mistake",
        "It was signed with the other secret that you gave.",
        f"{_HEADER} is right for the second secret, not for the first.",
        "While a secret is rotated accept both; a request that was sent before has the old one's signature.",
    )


def _no_secret() -> Finding:
    return Finding(
        "secret",
        "mistake",
        "There is no secret to verify with.",
        "Nothing but the form was looked at.",
        "Give the endpoint's secret, or choose the endpoint.",
    )


def _not_found(question: Question, given: Sequence[Given], tries: int) -> Finding:
    versions = {each.version for each in given}
    kinds = {kind_of(secret.text) for secret in question.secrets}
    if not given:
        return Finding(
            "signature-form",
            "mistake",
            "The signature cannot be read.",
            "The header holds no base64 and no hexadecimal.",
            "It is v1, and base64: copy the header whole.",
        )
    lengths = {len(each.value) for each in given}
    if tries == 0 and lengths.isdisjoint(_LENGTHS):
        return Finding(
            "signature-form",
            "mistake",
            "The signature was cut off, or is none.",
            f"It has {' or '.join(map(str, sorted(lengths)))} bytes. Those of v1 have 32 (HMAC-SHA256), of v1a 64.",
            "Copy the header whole.",
        )
    if versions == {"v1a"} and kinds == {"symmetric"}:
        return Finding(
            "key-kind",
            "mistake",
            "The request is signed with Ed25519, and the secret is a shared one.",
            "The signature begins with v1a, and the secret with whsec_.",
            "Verify with the endpoint's public key, which begins with whpk_.",
        )
    if versions == {"v1"} and kinds <= {"public", "private"}:
        return Finding(
            "key-kind",
            "mistake",
            "The request is signed with a shared secret, and the key is an Ed25519 one.",
            "The signature begins with v1, and the key with whpk_ or whsk_.",
            "Verify with the endpoint's secret, which begins with whsec_.",
        )
    return Finding(
        "not-found",
        "mistake",
        "The signature is not this secret's, whatever was undone.",
        f"{tries:,} readings of the secret, the body and the headers were tried, and none is right.",
        "Most likely the secret is another endpoint's, or was rotated: copy it anew. Else the body, the id or the "
        "timestamp are not those that were sent: compare them with the attempt's page.",
    )


def _of_computed(question: Question, signed: Signed, header: Match | None) -> list[Finding]:
    given, _ = read_signatures(question.computed)
    match = Search(given, signed).find(question.secrets)
    if match is None:
        return [
            Finding(
                "computed",
                "warning",
                "How your code came to its signature was not found.",
                "No mistake that is known here leads to it.",
                "Print the bytes that you sign, in base64, and the key's length, and compare them with the request.",
            )
        ]
    # That the version is not in what a function returns is no mistake of it.
    repairs = [repair for repair in dict.fromkeys(match.repairs) if "version" not in repair.title]
    if repairs:
        return [repair.finding(_COMPUTED, repairs) for repair in repairs]
    advice = (
        "Compare it with each signature of the header, after v1, and in constant time."
        if header is not None
        else "So the header's signature is of another secret, or of another request."
    )
    return [Finding("computed", "note", "Your code computes the right signature of this request.", "", advice)]
