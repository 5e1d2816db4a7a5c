from tests.api.bodies import *
from tests.api.conftest import *
async def test_v(client, anonymous):
    n=(await client.post("/v1/cards", json=entering())).json()["number"]
    for r in [await client.post("/v1/cards",json={}), await client.get("/v1/cards"), await client.get("/v1/overstays"), await client.post("/v1/cards/lookup",json=by_document()),
      await client.post(f"/v1/cards/{n}/exit",json={"checkpoint":MOSCOW_AIR}), await client.post("/v1/mrz/parse",json={"lines":zone()}), await client.post("/v1/checks",json={"access_purpose":"test","items":[{"issuing_state":"UZB","number":"FA1"}]}), await anonymous.get("/problems/not-found"), await anonymous.get("/v1/reference/problems"), await anonymous.head("/livez"), await client.get("/v1/cards/", follow_redirects=False), await anonymous.get("/v1/cards/"), await anonymous.get("/docs/"), await anonymous.get("/favicon.ico"), await anonymous.get("//evil.example/docs/")]:
        print(r.request.method, r.request.url.path, r.status_code, r.headers.get("vary"), r.headers.get("cache-control"), r.headers.get("location"))
