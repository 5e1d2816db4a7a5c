"""Reference lists, and the addresses for operators' machines: open to all."""

from importlib.metadata import version

import pytest
from httpx2 import AsyncClient

LISTS = {
    "countries": {"code", "name", "kind"},
    "purposes": {"code", "name"},
    "bases": {"code", "name"},
    "document-types": {"code", "name"},
    "checkpoints": {"code", "name", "mode", "zone", "synthetic"},
    "problems": {"code", "name"},
}


@pytest.mark.parametrize("name", LISTS)
async def test_a_reference_is_whole_with_codes_and_names_in_both_languages(anonymous: AsyncClient, name: str) -> None:
    english = (await anonymous.get(f"/v1/reference/{name}")).json()
    russian = (await anonymous.get(f"/v1/reference/{name}", headers={"Accept-Language": "ru"})).json()
    assert english["next"] is None
    assert all(item.keys() == LISTS[name] for item in english["items"])
    codes = [item["code"] for item in english["items"]]
    assert len(set(codes)) == len(codes) > 5
    assert codes == [item["code"] for item in russian["items"]]
    cyrillic = [item for item in russian["items"] if any("а" <= letter.lower() <= "я" for letter in item["name"])]
    assert len(cyrillic) > 0.95 * len(codes)
    assert not any("а" <= letter.lower() <= "я" for item in english["items"] for letter in item["name"])


async def test_what_varies_by_language_says_so(anonymous: AsyncClient) -> None:
    answer = await anonymous.get("/v1/reference/purposes", headers={"Accept-Language": "ru"})
    assert answer.headers.get("vary") == "Accept-Language"


async def test_purposes_and_bases_are_those_of_the_card(anonymous: AsyncClient) -> None:
    async def codes(name: str) -> str:
        items = (await anonymous.get(f"/v1/reference/{name}")).json()["items"]
        return " ".join(item["code"] for item in items)

    assert await codes("purposes") == "official tourism business education employment private transit"
    assert await codes("bases") == (
        "visa_free visa e_visa eaeu_contract eaeu_family patent education residence_application treaty "
        "highly_qualified compatriot"
    )
    assert await codes("document-types") == (
        "passport id_card service_passport diplomatic_passport travel_document_1954 travel_document_1951 "
        "laissez_passer seafarer birth_certificate return_certificate"
    )


async def test_checkpoints_are_marked_synthetic_and_have_their_zones(anonymous: AsyncClient) -> None:
    items = (await anonymous.get("/v1/reference/checkpoints")).json()["items"]
    assert all(item["synthetic"] is True for item in items)
    assert {item["mode"] for item in items} <= {"air", "road", "rail", "sea", "river", "foot"}
    zones = {item["zone"] for item in items}
    assert {"Europe/Moscow", "Europe/Kaliningrad", "Asia/Kamchatka", "Europe/Minsk"} <= zones


async def test_machines_are_told_alive_ready_and_which_version(anonymous: AsyncClient) -> None:
    assert (await anonymous.get("/livez")).json() == {"status": "alive"}
    assert (await anonymous.get("/readyz")).json() == {"status": "ready"}
    assert (await anonymous.get("/version")).json() == {"name": "migcard", "version": version("migcard")}
