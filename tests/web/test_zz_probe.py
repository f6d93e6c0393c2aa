"""probe"""
import json, time
from tests.web.browsing import *
from tests import factories

async def test_deep(app, client, token):
    op = await signed_in(app, token)
    deep = {"type":"object","properties":{"a":1}}
    for _ in range(240): deep = {"x": deep}
    for n in (5, 20, 100, 300, 900):
        deep = {"type":"object"}
        for _ in range(n): deep = {"x": deep}
        name = factories.unique("deep")
        a = await client.post("/event-type", json={"name": name, "description": "", "schemas": {"1": deep}})
        b = await op.get(f"/event-type/{name}") ; c = await op.get(f"/event-type/{name}/edit")
        print(n, a.status_code, a.text[:100], b.status_code, c.status_code)
    application = (await client.post("/app", json={"name": "Acme"})).json()["id"]
    for n in (100, 300, 900, 5000):
        raw = b'{"eventType":"a.b","payload":' + b'{"a":'*n + b'1' + b'}'*n + b'}'
        a = await client.post(f"/app/{application}/msg", content=raw)
        print("payload", n, a.status_code, a.text[:80])
        if a.is_success:
            b = await op.get(f"/app/{application}/msg/{a.json()['id']}"); print(b.status_code, len(b.text))
        b = await op.post(f"/app/{application}/msg-new", {"event_type": "a.b", "payload": '{"a":'*n+"1"+"}"*n}); print("form", b.status_code, b.headers.get("location"))
        b = await op.post(f"/app-new", {"name": "x", "metadata": '{"a":'*n+"1"+"}"*n}); print("meta", b.status_code, b.headers.get("location"))
    ep = await factories.create_endpoint(client, application)
    for body in ({"headers": "A: b\r\nHost: evil\nContent-Length: 4"}, {"headers": "x" * 500000}, {"headers": "\n".join(f"h{i}: x" for i in range(1000))}):
        b = await op.post(f"/app/{application}/endpoint/{ep['id']}/headers", body); print("headers", b.status_code, len(b.text))
    for url in ("javascript:alert(1)", "http://127.0.0.1/", "http://x/\"><script>", "https://a@b/"):
        b = await op.post(f"/app/{application}/endpoint-new", {"url": url, "subscribed":"all"}); print(url, b.status_code, len(b.text))
    t = time.time(); b = await op.get(f"/app/{application}/msg?text=" + "%25"*50); print("search", b.status_code, time.time()-t)
    # huge 'other' event types
    b = await op.post(f"/app/{application}/endpoint-new", {"url": "https://a.example", "others": " ".join(f"e{i}" for i in range(50000))}); print("others", b.status_code, len(b.text))
    b = await op.post(f"/app/{application}/endpoint-new", {"url": "https://a.example", "event_type": [f"e{i}" for i in range(990)]}); print("types", b.status_code, len(b.text))
    b = await op.post("/event-type-import", {"specRaw": "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nopenapi: 3.1.0\nwebhooks: {z: {post: {requestBody: {content: {application/json: {schema: {x: *f}}}}}}}"}); print("yaml bomb", b.status_code, len(b.text), time.time()-t)
