"""What is pasted into the debugger: headers in the forms in which people copy them, JSON as serialisers write it."""

import json
import shutil
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.delivery.signing import SigningKey, sign
from app.receiving.debugging.diagnosis import Question, diagnose
from app.receiving.debugging.headers_text import MOST_CHARACTERS, PastedHeaders, read_headers
from app.receiving.debugging.json_forms import other_forms
from app.receiving.debugging.key_readings import KnownSecret

WANTED = (
    ("webhook-id", "msg_1"),
    ("webhook-timestamp", "1795000000"),
    ("webhook-signature", "v1,a/b+c= v1a,Zm9v"),
)

PASTED = {
    "lines": "webhook-id: msg_1\nwebhook-timestamp: 1795000000\nwebhook-signature: v1,a/b+c= v1a,Zm9v",
    "other case, CRLF, blanks": "Webhook-Id:msg_1\r\n  WEBHOOK-TIMESTAMP :  1795000000 \r\n\r\n"
    "Webhook-Signature: v1,a/b+c= v1a,Zm9v\r\n",
    "curl -v": "> POST /in HTTP/1.1\n> webhook-id: msg_1\n> webhook-timestamp: 1795000000\n"
    "> webhook-signature: v1,a/b+c= v1a,Zm9v\n>\n< HTTP/1.1 200 OK\n<",
    "curl's arguments": "curl -X POST \\\n  -H 'webhook-id: msg_1' \\\n --header \"webhook-timestamp: 1795000000\" \\\n"
    "  -H 'webhook-signature: v1,a/b+c= v1a,Zm9v' \\",
    "JSON": '{"Webhook-Id": "msg_1", "webhook-timestamp": 1795000000, "webhook-signature": "v1,a/b+c= v1a,Zm9v"}',
    "JSON with lists": '{"webhook-id": ["msg_1"], "webhook-timestamp": ["1795000000"], '
    '"webhook-signature": ["v1,a/b+c= v1a,Zm9v"]}',
    "JSON of a gateway": '{"headers": {"webhook-id": "msg_1", "webhook-timestamp": "1795000000", '
    '"webhook-signature": "v1,a/b+c= v1a,Zm9v"}, "body": "{}"}',
    "JSON of a HAR": '[{"name": "webhook-id", "value": "msg_1"}, {"name": "webhook-timestamp", "value": "1795000000"}, '
    '{"name": "webhook-signature", "value": "v1,a/b+c= v1a,Zm9v"}]',
    "JSON of pairs": '[["webhook-id", "msg_1"], ["webhook-timestamp", "1795000000"], '
    '["webhook-signature", "v1,a/b+c= v1a,Zm9v"]]',
    "a dictionary of Python": "{'webhook-id': 'msg_1',\n 'webhook-timestamp': '1795000000',\n"
    " 'webhook-signature': 'v1,a/b+c= v1a,Zm9v'}",
    "a dictionary of Python in one line": "Headers({'webhook-id': 'msg_1', 'webhook-timestamp': '1795000000', "
    "'webhook-signature': \"v1,a/b+c= v1a,Zm9v\"})",
    "PHP": "Array\n(\n    [HTTP_WEBHOOK_ID] => msg_1\n    [HTTP_WEBHOOK_TIMESTAMP] => 1795000000\n"
    "    [HTTP_WEBHOOK_SIGNATURE] => v1,a/b+c= v1a,Zm9v\n)",
    "WSGI": "HTTP_WEBHOOK_ID: msg_1\nHTTP_WEBHOOK_TIMESTAMP: 1795000000\nHTTP_WEBHOOK_SIGNATURE: v1,a/b+c= v1a,Zm9v",
}


@pytest.mark.parametrize("name", PASTED)
def test_headers_are_read_in_the_form_in_which_they_are_copied(name: str) -> None:
    assert read_headers(PASTED[name]) == PastedHeaders(WANTED)


def test_a_header_that_is_there_twice_is_read_twice_and_values_keep_their_colons_and_quotes() -> None:
    found = read_headers('a: 1\nb: "x": y\nA: 2')
    assert found.headers == (("a", "1"), ("b", '"x": y'), ("a", "2"))
    assert found.all("a") == ["1", "2"]


def test_lines_that_are_no_headers_are_counted() -> None:
    assert read_headers("webhook-id: msg_1\nwhat is this\n\n{}\nb: 2\n!!!").unread == (2, 6)


def test_too_much_is_refused() -> None:
    for text in ("x" * (MOST_CHARACTERS + 1), "a: b\n" * 501):
        with pytest.raises(ValueError, match="those of one request"):
            read_headers(text)


def test_no_line_takes_long_to_be_read() -> None:
    many = MOST_CHARACTERS - 10
    for line in ("a:" + " " * many + "x", " " * many + "x", "a" * many, "a" + " " * many + "x", "curl " + "-" * many):
        start = time.process_time()
        read_headers(line)
        assert time.process_time() - start < 0.2


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_text_breaks_the_reading_of_headers(text: str) -> None:
    assert all(name == name.lower() and isinstance(value, str) for name, value in read_headers(text).headers)


DOCUMENT = {
    "type": "order.créé",
    "url": "https://x.test/a?b=1&c=<2>",
    "quote": 'she said "no" — it\'s + `x`\u2028',
    "list": [1, -2, 0, [], {}, None, True, 1.5],
    "nested": {"b": {"z": 1, "a": [{"k": "v"}]}, "a": "\t\n\\", "emoji": "🚀"},
}
PAYLOAD = json.dumps(DOCUMENT).encode()
# Commands that read JSON and write it anew.
WRITERS = {
    "JSON.stringify": ["node", "-e", "process.stdout.write(JSON.stringify(JSON.parse(fs.readFileSync(0))))"],
    "JSON.stringify, 2": [
        "node",
        "-e",
        "process.stdout.write(JSON.stringify(JSON.parse(fs.readFileSync(0)), null, 2))",
    ],
    "JSON.stringify, tabs": [
        *("node", "-e"),
        "process.stdout.write(JSON.stringify(JSON.parse(fs.readFileSync(0)), null, '\\t'))",
    ],
    "console.log": ["node", "-e", "console.log(JSON.stringify(JSON.parse(fs.readFileSync(0))))"],
    "json_encode": ["php", "-r", "echo json_encode(json_decode(file_get_contents('php://stdin')));"],
    "json_encode, pretty": ["php", "-r", "echo json_encode(json_decode(file_get_contents('php://stdin')), 128);"],
    "to_json": ["ruby", "-rjson", "-e", "print JSON.parse($stdin.read).to_json"],
    "pretty_generate": ["ruby", "-rjson", "-e", "puts JSON.pretty_generate(JSON.parse($stdin.read))"],
    "json.tool": [sys.executable, "-m", "json.tool"],
    "json.tool, sorted": [sys.executable, "-m", "json.tool", "--sort-keys", "--no-ensure-ascii"],
    "json.tool, compact": [sys.executable, "-m", "json.tool", "--compact"],
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_another_language_has_written_anew_is_recognized(name: str) -> None:
    """Signed as that language writes it, and pasted as Python does."""
    command = WRITERS[name]
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} on this machine")
    # Older ones of Ruby write what is empty over three lines.
    pasted = json.dumps(DOCUMENT | {"list": [1, None]}).encode() if name == "pretty_generate" else PAYLOAD
    written = subprocess.run(command, input=pasted, capture_output=True, check=True, timeout=30).stdout
    assert written != pasted
    key = SigningKey("hmac256", bytes(32))
    values = ("msg_1", "1795000000", sign("msg_1", 1_795_000_000, written, [key]))
    headers = PastedHeaders(tuple(zip(("webhook-id", "webhook-timestamp", "webhook-signature"), values, strict=True)))
    found = diagnose(Question(headers, pasted, (KnownSecret(key.text),), 1_795_000_000))
    assert found.codes == {"body-serialised"}, [finding.title for finding in found.findings]


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node on this machine")
def test_numbers_are_written_as_javascript_writes_them() -> None:
    numbers = [
        *("0", "-0", "-0.0", "1.0", "1.10", "100", "1e3", "1E+2", "123456789012345680000", "1e20", "1e21", "1.5e300"),
        *("0.1", "0.000001", "0.0000001", "1.25e-6", "1.25e-7", "-3.5e-10", "9007199254740993", "12345678901234567890"),
        *("5e-324", "1.7976931348623157e308", "0.30000000000000004", "-1e-7", "123.456", "1e-400"),
    ]
    text = f"[{','.join(numbers)}]"
    node = ["node", "-e", "process.stdout.write(JSON.stringify(JSON.parse(fs.readFileSync(0))))"]
    theirs = subprocess.run(node, input=text.encode(), capture_output=True, check=True, timeout=30).stdout.decode()
    named = {name: written for name, written in other_forms(text) if name.startswith("compact, as JSON")}
    assert list(named.values()) == [text, theirs]


@pytest.mark.parametrize("text", ["", "nul", "{", "[NaN]", "[Infinity]", "[" * 100_000, '{"a": "\ue000"}', '"\\ue000"'])
def test_what_is_no_json_has_no_other_forms(text: str) -> None:
    assert list(other_forms(text)) == []
