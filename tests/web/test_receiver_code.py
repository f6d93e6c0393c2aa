"""The receivers that are shown are run: each accepts what is signed, and refuses everything else."""

import base64
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

import app.web.receiver_code
from app.delivery.signing import SigningKey, sign
from app.web.receiver_code import receiver_codes

FOLDER: Final = Path(app.web.receiver_code.__file__).parent
GUIDE: Final = Path(__file__).resolve().parents[2] / "docs/how-to/verify-signatures.md"
KEY: Final = SigningKey("hmac256", bytes(range(200, 232)))
OTHER: Final = SigningKey("hmac256", bytes(32))
PAIR: Final = SigningKey("ed25519", bytes(32))
BODY: Final = '{"name": "Zoë", "n": 1.10}\n'.encode()
ID: Final = "msg_2abc"


@dataclass(frozen=True)
class Vector:
    """A request, and whether a receiver must accept it."""

    name: str
    accepted: bool
    headers: dict[str, str]
    body: bytes = BODY


def _headers(signature: str, stamp: str, family: str = "webhook") -> dict[str, str]:
    return {f"{family}-id": ID, f"{family}-timestamp": stamp, f"{family}-signature": signature}


def vectors(now: int) -> list[Vector]:
    stamp = str(now)

    def signed(*keys: SigningKey, body: bytes = BODY, at: int = now) -> str:
        return sign(ID, at, body, keys)

    good = signed(KEY)
    webhook, svix = _headers(good, stamp), _headers(good, stamp, "svix")
    raw = bytes(range(256))
    refused = {
        "another secret": _headers(signed(OTHER), stamp),
        "no version": _headers(good.removeprefix("v1,"), stamp),
        "another version": _headers(good.replace("v1,", "v2,"), stamp),
        "the other algorithm's name": _headers(good.replace("v1,", "v1a,"), stamp),
        "a part of the signature": _headers(good[:-6], stamp),
        "nothing after the version": _headers("v1,", stamp),
        "no base64": _headers("v1,%%% v1 , ,", stamp),
        "another time than was signed": _headers(good, str(now - 1)),
        "six minutes old": _headers(signed(KEY, at=now - 360), str(now - 360)),
        "six minutes in the future": _headers(signed(KEY, at=now + 360), str(now + 360)),
        "no number as time": _headers(good, "1e9"),
        "a negative time": _headers(good, "-1"),
        "a time beyond all numbers": _headers(good, "9" * 40),
        "another id": {**webhook, "webhook-id": "msg_other"},
        "no id": {name: value for name, value in webhook.items() if name != "webhook-id"},
        "no time": {name: value for name, value in webhook.items() if name != "webhook-timestamp"},
        "no signature": {name: value for name, value in webhook.items() if name != "webhook-signature"},
        "nothing": {},
        "two families mixed": {**_headers(good, stamp, "svix"), "webhook-signature": "v1,AAAA"} | {"svix-id": "msg_x"},
    }
    return [
        Vector("webhook-*", True, webhook),
        Vector("svix-*", True, svix),
        Vector("both families", True, {**webhook, **svix}),
        Vector("the second of two signatures", True, _headers(f"{signed(OTHER)} {good}", stamp)),
        Vector("the last of three, beside Ed25519", True, _headers(signed(PAIR, OTHER, KEY), stamp)),
        Vector("four minutes old", True, _headers(signed(KEY, at=now - 240), str(now - 240))),
        Vector("an empty body", True, _headers(signed(KEY, body=b""), stamp), b""),
        Vector("bytes that are no text", True, _headers(signed(KEY, body=raw), stamp), raw),
        Vector("a changed body", False, webhook, BODY.replace(b"1.10", b"1.1")),
        Vector("a body without its line end", False, webhook, BODY.strip()),
        *(Vector(name, False, headers) for name, headers in refused.items()),
    ]


@contextmanager
def server(command: Sequence[str], tmp_path: Path, port: int, secret: str) -> Iterator[None]:
    """A receiver that answers HTTP, until the end of the block."""
    environment = {**os.environ, "WEBHOOK_SECRET": secret, "PORT": str(port)}
    log = tmp_path / "receiver.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()


def post(port: int, vector: Vector) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/", vector.body, vector.headers)
        status = connection.getresponse().status
    finally:
        connection.close()
    assert status in {204, 401}, (vector.name, status)
    return status == 204


Prepare = Callable[[Path, int], Sequence[str]]


def _compiled_csharp(tmp_path: Path, port: int) -> Sequence[str]:
    subprocess.run(["mcs", f"-out:{tmp_path}/receiver.exe", FOLDER / "csharp.cs"], check=True, capture_output=True)
    return ["mono", f"{tmp_path}/receiver.exe"]


def _compiled_go(tmp_path: Path, port: int) -> Sequence[str]:
    (tmp_path / "go.mod").write_text("module receiver\n")
    shutil.copy(FOLDER / "go.go", tmp_path)
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOPROXY": "off", "CGO_ENABLED": "0"}
    subprocess.run(["go", "build", "-o", "receiver", "."], cwd=tmp_path, env=environment, check=True)
    return [f"{tmp_path}/receiver"]


SERVERS: Final[dict[str, tuple[str, Prepare]]] = {
    "python": (sys.executable, lambda _path, _port: [sys.executable, str(FOLDER / "python.py")]),
    "javascript": ("node", lambda _path, _port: ["node", str(FOLDER / "javascript.js")]),
    "php": ("php", lambda _path, port: ["php", "-S", f"127.0.0.1:{port}", str(FOLDER / "php.php")]),
    "java": ("java", lambda _path, _port: ["java", "-XX:TieredStopAtLevel=1", str(FOLDER / "java.java")]),
    "go": ("go", _compiled_go),
    "csharp": ("mcs", _compiled_csharp),
}


@pytest.mark.parametrize(
    "name",
    [
        "python",
        "javascript",
        "php",
        pytest.param("java", marks=pytest.mark.chaos),
        pytest.param("go", marks=pytest.mark.chaos),
        pytest.param("csharp", marks=pytest.mark.chaos),
    ],
)
def test_the_receiver_accepts_what_is_signed_and_refuses_the_rest(name: str, tmp_path: Path) -> None:
    tool, prepare = SERVERS[name]
    if shutil.which(tool) is None:
        pytest.skip(f"there is no {tool} on this machine")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    tried = vectors(int(time.time()))
    with server(prepare(tmp_path, port), tmp_path, port, KEY.text):
        assert {each.name: post(port, each) for each in tried} == {each.name: each.accepted for each in tried}


RUBY: Final = """
JSON.parse($stdin.read).each do |each|
  env = each["headers"].to_h { |name, value| ["HTTP_" + name.upcase.tr("-", "_"), value] }
  puts RECEIVER.call(env.merge("rack.input" => StringIO.new(each["body"].unpack1("m0"))))[0] == 204
end
"""


def _told(tried: Sequence[Vector]) -> bytes:
    return json.dumps(
        [{"headers": each.headers, "body": base64.b64encode(each.body).decode()} for each in tried]
    ).encode()


@pytest.mark.skipif(shutil.which("ruby") is None, reason="there is no ruby on this machine")
def test_the_rack_application_accepts_what_is_signed_and_refuses_the_rest() -> None:
    tried = vectors(int(time.time()))
    command = ["ruby", "-rjson", "-rstringio", f"-r{FOLDER}/ruby.rb", "-e", RUBY]
    environment = {**os.environ, "WEBHOOK_SECRET": KEY.text}
    ran = subprocess.run(command, input=_told(tried), env=environment, capture_output=True, timeout=60)
    assert ran.returncode == 0, ran.stderr.decode()
    said = [line == "true" for line in ran.stdout.decode().split()]
    names = [each.name for each in tried]
    assert dict(zip(names, said, strict=True)) == {each.name: each.accepted for each in tried}


RUST: Final = """
mod receiver;

use std::io::Read;

// Each line: body in hexadecimal, then name and value of each header, divided by tabs.
fn main() {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).unwrap();
    let arguments: Vec<String> = std::env::args().collect();
    for line in input.lines() {
        let parts: Vec<&str> = line.split('\\t').collect();
        let body: Vec<u8> = (0..parts[0].len() / 2)
            .map(|index| u8::from_str_radix(&parts[0][2 * index..2 * index + 2], 16).unwrap())
            .collect();
        let find = |name: &str| parts[1..].chunks(2).find(|pair| pair[0] == name).map(|pair| pair[1]);
        println!("{}", receiver::verify(find, &body, &arguments[1], arguments[2].parse().unwrap()));
    }
}
"""


@pytest.mark.chaos
@pytest.mark.skipif(shutil.which("cargo") is None, reason="there is no cargo on this machine")
def test_the_rust_function_accepts_what_is_signed_and_refuses_the_rest(tmp_path: Path) -> None:
    code = (FOLDER / "rust.rs").read_text()
    dependencies = re.findall(r'(\w+ = "[\d.]+")', code.splitlines()[0])
    assert len(dependencies) == 3
    (tmp_path / "src").mkdir()
    (tmp_path / "src/receiver.rs").write_text(code)
    (tmp_path / "src/main.rs").write_text(RUST)
    package = ["[package]", 'name = "receiver"', 'version = "0.0.0"', 'edition = "2021"', "[dependencies]"]
    (tmp_path / "Cargo.toml").write_text("\n".join([*package, *dependencies]))
    fetched = subprocess.run(["cargo", "fetch"], cwd=tmp_path, capture_output=True, timeout=240)
    if fetched.returncode:
        pytest.skip("cargo reaches no crates here")
    built = subprocess.run(["cargo", "build", "--offline"], cwd=tmp_path, capture_output=True, timeout=240)
    assert built.returncode == 0, built.stderr.decode()
    now = int(time.time())
    tried = vectors(now)
    lines = "\n".join(
        "\t".join([each.body.hex(), *(part for pair in each.headers.items() for part in pair)]) for each in tried
    )
    ran = subprocess.run(
        [tmp_path / "target/debug/receiver", KEY.text, str(now)], input=lines.encode(), capture_output=True, timeout=20
    )
    assert ran.returncode == 0, ran.stderr.decode()
    said = [line == "true" for line in ran.stdout.decode().split()]
    names = [each.name for each in tried]
    assert dict(zip(names, said, strict=True)) == {each.name: each.accepted for each in tried}


@pytest.mark.parametrize("name", ["python", "javascript", "php"])
def test_with_an_empty_secret_nobody_can_sign(name: str, tmp_path: Path) -> None:
    tool, prepare = SERVERS[name]
    if shutil.which(tool) is None:
        pytest.skip(f"there is no {tool} on this machine")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    now = int(time.time())
    signature = sign(ID, now, BODY, [SigningKey("hmac256", b"")])
    with server(prepare(tmp_path, port), tmp_path, port, "whsec_"):
        assert not post(port, Vector("empty", False, _headers(signature, str(now))))


def test_all_eight_languages_are_there_and_no_file_is_forgotten() -> None:
    languages = "Python, JavaScript, Go, Ruby, PHP, Java, C#, Rust"
    assert ", ".join(each.language for each in receiver_codes()) == languages
    files = {path.name for path in FOLDER.iterdir() if path.is_file() and path.name != "__init__.py"}
    assert {path.partition(".")[0] for path in files} == {each.name for each in receiver_codes()}


def test_the_guide_shows_the_same_code() -> None:
    shown = dict(re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    assert {name: shown.get(name) for name in (each.name for each in receiver_codes())} == {
        each.name: each.text for each in receiver_codes()
    }
