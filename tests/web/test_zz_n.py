import time, statistics
from tests import factories
from tests.web.browsing import signed_in
async def test_times(app, client, token):
    op = await signed_in(app, token)
    a = (await factories.create_application(client))["id"]
    for i in range(5): e = (await factories.create_endpoint(client, a))["id"]
    import httpx
    c2 = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x/api/v1", headers={"authorization": f"Bearer {token}"})
    for p in ("/app/"+a, f"/stats/now?app_id={a}", f"/stats/series?app_id={a}&period=24h", f"/stats/series?app_id={a}&period=1h", f"/app/{a}/stats/attempts?since=2026-11-15T00:00:00Z&until=2026-11-22T00:00:00Z", f"/app/{a}/endpoint/{e}/stats", f"/app/{a}/attempt/endpoint/{e}?limit=10", f"/app/{a}/endpoint/{e}/rate-limit-status"):
        ts = []; cs = []
        for _ in range(15):
            t = time.perf_counter(); k = time.process_time(); r = await c2.get(p); ts.append(time.perf_counter() - t); cs.append(time.process_time() - k)
            assert r.status_code == 200, r.text
        print(f"{statistics.median(ts)*1000:6.1f} ms cpu {statistics.median(cs)*1000:6.1f} min {min(ts)*1000:6.1f} {p[-40:]}")
    for p in (f"/app/{a}", f"/app/{a}/endpoint/{e}"):
        ts = []; cs = []
        for _ in range(9):
            t = time.perf_counter(); k = time.process_time(); r = await op.get(p); ts.append(time.perf_counter() - t); cs.append(time.process_time() - k)
        print(f"{statistics.median(ts)*1000:6.1f} ms cpu {statistics.median(cs)*1000:6.1f} min {min(ts)*1000:6.1f} {p[-40:]}")
