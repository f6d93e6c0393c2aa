"""URLs that must not be delivered to, in the order of a list of known attacks; with `{port}` where a canary listens.

Those of `REFUSED` are no URLs for us and are refused when they are saved. Those of `DIALLED` are, and only what their
names lead to, or the address itself, makes them forbidden: they are refused each time that they are dialled.
"""

from typing import Final

from tests.delivery.nameserver import NXDOMAIN, SERVFAIL, Zone

REFUSED: Final = [
    # Addresses that are not written out: short, decimal, hexadecimal, octal, in other digits, encoded.
    *["http://127.1:{port}/", "http://127.0.1:{port}/", "http://2130706433:{port}/", "http://0x7f000001:{port}/"],
    *["http://0x7f.1:{port}/", "http://0x7f.0.0.0x1:{port}/", "http://0177.0.0.1:{port}/", "http://017700000001/"],
    *["http://0:{port}/", "http://0x0/", "http://00000000000000000000000000000177.1/", "http://127.0.0.1.:{port}/"],
    *["http://127.0.0.01:{port}/", "http://127.000.000.001/", "http://0XA9.0XFE.0XA9.0XFE/", "http://2852039166/"],
    *["http://0251.0376.0251.0376/", "http://169.254.43518/", "http://169.16689662/", "http://4294967297:{port}/"],
    *["http://127。0。0。1:{port}/", "http://127．0．0．1/", "http://127｡0｡0｡1/", "http://①②⑦.⓪.⓪.①:{port}/"],
    *[
        "http://１２７.０.０.１:{port}/",
        "http://١٢٧.٠.٠.١/",
        "http://%31%32%37.0.0.1:{port}/",
        "http://127%2e0%2e0%2e1/",
    ],
    *["http://256.256.256.256/", "http://127.0.0.256/", "http://1.2.3.4.5/", "http://127.0.0x0.1/"],
    # IPv6 with zones, without brackets, with what follows them.
    *["http://[fe80::1%25eth0]:{port}/", "http://[fe80::1%eth0]/", "http://[::1%25lo]:{port}/", "http://::1:{port}/"],
    *["http://[::1]x:{port}/", "http://[[::1]]/", "http://[::ffff:127.1]/", "http://[127.0.0.1]/", "http://[v1.a]/"],
    *["http://[::1]@example.com/", "http://[0:0:0:0:0:0:0:0:1]/", "http://[::1", "http://[]/"],
    # Where one reader of a URL sees another host than the next.
    *["http://evil.com@127.0.0.1:{port}/", "http://127.0.0.1:{port}@evil.com/", "http://evil.com:80@127.0.0.1/"],
    *["http://evil.com\\@127.0.0.1:{port}/", "http://127.0.0.1\\@evil.com/", "http://127.0.0.1:{port}\\.evil.com/"],
    *[
        "http://1.1.1.1 &@2.2.2.2# @3.3.3.3/",
        "http://evil.com#@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}#.evil.com/",
    ],
    *[
        "http://user:pass@127.0.0.1/",
        "http://@127.0.0.1:{port}/",
        "http://:@127.0.0.1/",
        "http://evil.com%40127.0.0.1/",
    ],
    *["http://127.0.0.1%00.evil.com/", "http://127.0.0.1%0d%0a.evil.com/", "http://evil.com;127.0.0.1/"],
    *["http://evil.com,127.0.0.1/", "http:127.0.0.1/", "http:/127.0.0.1/", "http:///127.0.0.1:{port}/", "http:///x"],
    *["http:\\\\127.0.0.1\\", "//127.0.0.1:{port}/", "///127.0.0.1/", "http//127.0.0.1/", "h\nttp://127.0.0.1/"],
    # Other schemes.
    *["file:///etc/passwd", "file://127.0.0.1/etc/passwd", "gopher://127.0.0.1:{port}/_x", "ftp://127.0.0.1:{port}/"],
    *[
        "ws://127.0.0.1:{port}/",
        "wss://127.0.0.1/",
        "data:text/plain,x",
        "unix:/var/run/docker.sock",
        "dict://127.0.0.1/",
    ],
    *[
        "unix:///var/run/docker.sock",
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
        "ldap://127.0.0.1/",
        "tftp://127.0.0.1/",
    ],
    *[
        "jar:http://127.0.0.1!/",
        "javascript:alert(1)",
        "http+x://127.0.0.1/",
        "netdoc:///etc/passwd",
        "smb://127.0.0.1/",
    ],
    # Ports of other protocols, and what is none.
    *["http://example.com:0/", "http://example.com:22/", "http://example.com:25/", "http://example.com:53/"],
    *["http://example.com:99999/", "http://example.com:65536/", "http://example.com:-1/", "http://example.com:8o/"],
    *["http://example.com:6000/", "http://example.com:6667/", "http://example.com:5060/", "http://example.com:2049/"],
    *["http://example.com:10080/", "http://example.com:1723/", "http://example.com:80:{port}/", "http://a:٨٠/"],
    # Names that are none, or look like others.
    *["http://a..b/", "http://.a/", "http://-a.com/", "http://a-.com/", "http://*.localhost/", "http://local host/"],
    *["http://" + "a" * 64 + ".com/", "http://" + "a." * 127 + "com/", "http://" + "ü" * 64 + ".com/", "http:// /"],
    *[
        "http://local\u00adhost:{port}/",
        "http://local\u200bhost/",
        "http://\u202elocalhost/",
        "http://localhost\u2028/",
    ],
    *["http://a\r\nb.com/", "http://a\tb.com/", " http://127.0.0.1:{port}/", "\thttp://127.0.0.1/", "http://a\0.com/"],
    *["http://localhost..:{port}/", "http://127.0.0.1:{port}/\r\nX: y", "http://example.com/" + "a" * 8000],
    *["", "http://", "https://", "http://?", "http://:{port}/", "http://:@:{port}/", "http://%/"],
]

LITERALS: Final = [
    *[
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "172.17.0.1",
        "172.31.255.255",
        "192.168.0.1",
    ],
    *["100.64.0.1", "100.100.100.200", "169.254.169.254", "169.254.170.2", "168.63.129.16", "192.0.0.1", "192.0.0.192"],
    *["198.18.0.1", "192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"],
    *["[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:0:7f00:1]", "[::7f00:1]"],
    *["[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]", "[fec0::1]"],
    *["[2002:7f00:1::1]", "[2002:a9fe:a9fe::1]", "[2001:0:4136:e378:8000:63bf:80ff:fffe]", "[2001:0:7f00:1::]"],
    *["[fe80::5efe:7f00:1]", "[2606:4700::5efe:7f00:1]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]"],
    *["[3fff::1]", "[5f00::1]", "[2001:db8::1]", "[100::1]"],
]

NAMES: Final[dict[str, Zone]] = {
    "localhost": Zone(["127.0.0.1", "::1"]),
    "metadata.google.internal": Zone(["169.254.169.254"]),
    "instance-data": Zone(["169.254.169.254"]),
    "127.0.0.1.nip.example": Zone(["127.0.0.1"]),
    "7f000001.example": Zone(["127.0.0.1"]),
    "postgres": Zone(["172.18.0.2"]),
    "redis.default.svc.cluster.local": Zone(["10.96.0.10"]),
    "host.docker.internal": Zone(["172.17.0.1"]),
    "kubernetes.default.svc": Zone(["10.96.0.1"]),
    "one-of-two.example": Zone(["8.8.8.8", "127.0.0.1"]),
    "public-a-private-aaaa.example": Zone(["8.8.8.8", "::1"]),
    "chain.example": Zone(alias="chain2.example"),
    "chain2.example": Zone(["127.0.0.1"]),
    "alias-of-localhost.example": Zone(alias="localhost"),
    "mapped.example": Zone(["::ffff:127.0.0.1"]),
    "nat64.example": Zone(["64:ff9b::7f00:1"]),
    "any.example": Zone(["0.0.0.0"]),
    "any6.example": Zone(["::"]),
    "crowd.example": Zone([f"8.8.{number // 100}.{number % 100}" for number in range(500)]),
    "xn--bcher-kva.example": Zone(["127.0.0.1"]),
    "nowhere.example": NXDOMAIN,
    "broken.example": SERVFAIL,
    "empty.example": Zone(),
}

DIALLED: Final = [
    *(f"{scheme}://{host}:{{port}}/" for scheme in ("http", "https") for host in LITERALS),
    *(f"http://{host}:{{port}}/x?y=z" for host in NAMES),
    *["http://LOCALHOST:{port}/", "http://localhost.:{port}/", "http://LocalHost.:{port}/", "http://127.0.0.1/"],
    *["http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/", "http://ＬＯＣＡＬＨＯＳＴ:{port}/", "http://bücher.example:{port}/"],
    *["http://METADATA.google.internal./computeMetadata/v1/", "http://localhost:80/", "https://localhost/"],
    *["http://a.localhost:{port}/", "http://[::FFFF:127.0.0.1]:{port}/", "http://127.0.0.1:{port}?@evil.com/"],
    *[
        "http://127.0.0.1:{port}/@evil.com/",
        "http://localhost:{port}/http://evil.com/",
        "http://127.0.0.1:{port}/%0d%0aX:y",
    ],
]
