"""A URL is read in one way or refused: what is accepted is sent exactly there, byte for byte."""

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.delivery.url import LONGEST_URL, parse_url


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "authority", "path"),
    [
        ("http://example.com", "http", "example.com", 80, "example.com", "/"),
        ("https://example.com/", "https", "example.com", 443, "example.com", "/"),
        ("HTTPS://EXAMPLE.com:443/A", "https", "example.com", 443, "example.com", "/A"),
        ("http://example.com:8080", "http", "example.com", 8080, "example.com:8080", "/"),
        ("http://example.com:443/", "http", "example.com", 443, "example.com:443", "/"),
        ("http://example.com:/x", "http", "example.com", 80, "example.com", "/x"),
        ("http://example.com?a=b", "http", "example.com", 80, "example.com", "/?a=b"),
        ("http://example.com/?a=b?c&d=%20%zz", "http", "example.com", 80, "example.com", "/?a=b?c&d=%20%zz"),
        ("http://example.com/a/../b//c;d", "http", "example.com", 80, "example.com", "/a/../b//c;d"),
        ("http://example.com/ü?q=ß", "http", "example.com", 80, "example.com", "/%C3%BC?q=%C3%9F"),
        ('http://example.com/"<>`{}^', "http", "example.com", 80, "example.com", "/%22%3C%3E%60%7B%7D%5E"),
        ("http://example.com/a@b:c?u=http://x@y", "http", "example.com", 80, "example.com", "/a@b:c?u=http://x@y"),
        ("http://example.com./", "http", "example.com", 80, "example.com", "/"),
        ("http://my_service.internal/", "http", "my_service.internal", 80, "my_service.internal", "/"),
        ("http://localhost:9000/", "http", "localhost", 9000, "localhost:9000", "/"),
        ("http://192.0.2.1:8080/", "http", "192.0.2.1", 8080, "192.0.2.1:8080", "/"),
        ("http://[2001:DB8::0:1]:8080/", "http", "2001:db8::1", 8080, "[2001:db8::1]:8080", "/"),
        ("https://[::1]", "https", "::1", 443, "[::1]", "/"),
        ("http://bücher.example/", "http", "xn--bcher-kva.example", 80, "xn--bcher-kva.example", "/"),
        ("http://BÜCHER。example/", "http", "xn--bcher-kva.example", 80, "xn--bcher-kva.example", "/"),
        ("http://xn--bcher-kva.example/", "http", "xn--bcher-kva.example", 80, "xn--bcher-kva.example", "/"),
        ("http://1a.example.com/", "http", "1a.example.com", 80, "1a.example.com", "/"),
        ("http://example.com:65535/", "http", "example.com", 65535, "example.com:65535", "/"),
    ],
)
def test_an_acceptable_url_is_taken_apart(
    text: str, scheme: str, host: str, port: int, authority: str, path: str
) -> None:
    target = parse_url(text)
    assert (target.scheme, target.host, target.port) == (scheme, host, port)
    assert (target.authority, target.path_and_query) == (authority.encode(), path.encode())
    assert target.head == f"POST {path} HTTP/1.1\r\nhost: {authority}\r\naccept-encoding: identity\r\n".encode()


def test_spellings_of_one_origin_share_connections_and_others_do_not() -> None:
    same = ["https://a.example", "HTTPS://A.example:443/x", "https://a.example./?y"]
    assert {parse_url(text).origin for text in same} == {"https://a.example:443"}
    others = ["http://a.example", "http://a.example:443", "https://a.example:8443", "https://b.example"]
    assert len({parse_url(text).origin for text in [*same, *others]}) == 5


REFUSED = {
    "must begin with http": [
        *["", "example.com", "//example.com/", "/path", "http:example.com", "http:/example.com", "ftp://example.com/"],
        *["file:///etc/passwd", "gopher://127.0.0.1:6379/_x", "ws://example.com/", "data:text/plain,x", "unix:/run/x"],
        *["javascript:alert(1)", "httpx://example.com/", "https//example.com", "http+unix://x/", "ſhttp://example.com"],
    ],
    "spaces, control characters": [
        *[" http://example.com/", "http://example.com/ ", "http://exa mple.com/", "http://example.com/a b"],
        *["http://a\r\nb.com/", "http://example.com/\r\nx: y", "http://example.com/\n", "http://example.com/\t"],
        *["http://a\tb.com/", "http://example.com/\0", "http://example.com/\x7f", "http://example.com/\x85"],
        *["http://evil.com\\@127.0.0.1/", "http://127.0.0.1\\@evil.com/", "http:\\\\example.com\\", "h\nttp://a.com/"],
        *[
            "http://1.1.1.1 &@2.2.2.2# @3.3.3.3/",
            "http://a\u00adb.com/",
            "http://a\u200bb.com/",
            "http://a\u202eb.com/",
        ],
        *["http://a\u200d.com/", "http://example.com/\ud800", "http://example.com/\u2028", "http://a\u3000b.com/"],
        *["\ufeffhttp://example.com/", "http://example.com/\u00a0"],
    ],
    "user name or password": [
        *["http://user@example.com/", "http://user:pass@example.com/", "http://@example.com/", "http://:@example.com/"],
        *["http://evil.com@127.0.0.1/", "http://a@b@example.com/", "http://example.com:80@127.0.0.1/"],
    ],
    "fragment": ["http://example.com/#a", "http://example.com/#", "http://evil.com#@127.0.0.1/", "http://#/"],
    "name of letters, digits": [
        *[
            "http:///x",
            "http://",
            "http://::1/",
            "http://:80/",
            "http://./",
            "http://a..b/",
            "http://.a/",
            "http://a.com../",
        ],
        *["http://-a.com/", "http://a-.com/", f"http://{'a' * 64}.com/", "http://a,b/"],
        *["http://%31%32%37.0.0.1/", "http://127.0.0.1%2f@a/".replace("@", ""), "http://a%00.com/", "http://a*.com/"],
        *["http://*.example.com/", "http://exa$mple.com/", "http://a'b.com/", "http://a_b-.c/"],
    ],
    "four decimal numbers": [
        *["http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/"],
        *["http://0/", "http://127.0.1/", "http://0x7f.0x0.0x0.0x1/", "http://127.0.0.1./", "http://127.0.0.0x1/"],
        *["http://127.0.0.01/", "http://017700000001/", "http://00000177.0.0.1/", "http://1.2.3.4.5/", "http://a.0x/"],
        *["http://example.1/", "http://127。0。0。1/", "http://１２７.0.0.1/", "http://①②⑦.⓪.⓪.①/", "http://256/"],
        *["http://4294967296/", "http://999999999999999999999/", "http://0x100000000/", "http://127.0.0.1000/"],
    ],
    "not be above 255": ["http://256.1.1.1/", "http://127.0.0.999/"],
    "IPv6 address must be complete": [
        *["http://[::1/", "http://[]/", "http://[::1]x/", "http://[::1]80/", "http://[fe80::1%25eth0]/"],
        *["http://[fe80::1%eth0]/", "http://[127.0.0.1]/", "http://[::g]/", "http://[::1]]/", "http://[v1.x]/"],
        *["http://[::ffff:127.1]/", "http://[1:2:3]/", "http://[::1].example.com/"],
    ],
    "from 1 to 65535": [
        *["http://a.com:0/", "http://a.com:99999/", "http://a.com:65536/", "http://a.com:-1/", "http://a.com:8o/"],
        *["http://a.com:80:80/", "http://a.com:٨٠/", "http://a.com:000080/", "http://[::1]:x/"],
    ],
    "another protocol": [
        *["http://a.com:22/", "http://a.com:25/", "https://a.com:1/", "http://a.com:1023/", "http://a.com:6000/"],
        *["http://a.com:6667/", "http://a.com:2049/", "http://a.com:5061/", "http://a.com:10080/"],
    ],
    "international name": ["http://\u0300.com/", "http://xn--ü.com/", f"http://{'ü' * 64}.com/", "http://٠ab.ü/"],
    "not be longer than 253": [f"http://{'a.' * 126}com/", f"http://{'ü' * 7000}.com/", f"http://{'a' * 300}/"],
    "must not be longer": ["http://example.com/" + "a" * LONGEST_URL],
}


@pytest.mark.parametrize(
    ("complaint", "text"), [(complaint, text) for complaint, texts in REFUSED.items() for text in texts]
)
def test_any_other_url_is_refused_for_a_reason_that_its_owner_understands(complaint: str, text: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_url(text)


def test_a_url_of_the_greatest_length_is_accepted() -> None:
    text = "http://example.com/" + "a" * (LONGEST_URL - 19)
    assert len(parse_url(text).path_and_query) == LONGEST_URL - 18


@settings(deadline=None)
@given(
    st.text(max_size=40).map("http://".__add__) | st.text(max_size=40) | st.text("aA0.:/@?#[]%\\x-_ü。", max_size=30)
)
@example("http://a/\r\nx")
def test_no_text_raises_anything_else_or_gets_into_the_request_line(text: str) -> None:
    for candidate in (text, "http://" + text, "https://a.example/" + text):
        try:
            target = parse_url(candidate)
        except UnicodeError:
            pytest.fail("a UnicodeError has no text for the URL's owner")
        except ValueError:
            continue
        assert target.head.count(b"\r\n") == 3
        assert target.head.splitlines()[0].count(b" ") == 2
        assert 0 < target.port < 65536
        assert target.path_and_query.startswith(b"/")
        assert all(0x20 < byte < 0x7F for byte in target.path_and_query + target.authority)


def test_a_target_may_be_asked_with_another_method() -> None:
    target = replace(parse_url("https://example.com/a"), method="PATCH")
    assert target.head.startswith(b"PATCH /a HTTP/1.1\r\nhost: example.com\r\n")
    assert target.origin == parse_url("https://example.com/a").origin
