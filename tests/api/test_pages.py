"""The docs page as it is served: vendored, strict, and nothing from another host."""

import hashlib
import json
import re
from pathlib import Path

from httpx2 import AsyncClient

from app.api.docs import STATIC
from tests.api.conftest import DEMO_KEY

_LOADS = re.compile(r"""(?:src|href|action)\s*=\s*["']([^"']+)["']|url\(\s*["']?([^"')]+)""")


def _vendored() -> dict[str, str]:
    manifest = json.loads((STATIC / "manifest.json").read_text())
    for package in manifest.values():
        assert package.keys() == {"version", "registry", "license", "files"}
        assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
    return {name: digest for package in manifest.values() for name, digest in package["files"].items()}


def test_vendored_files_are_those_of_the_manifest() -> None:
    vendored = _vendored()
    for name, digest in vendored.items():
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest
    folders = {Path(name).parts[0] for name in vendored}
    present = {str(path.relative_to(STATIC)) for folder in folders for path in (STATIC / folder).rglob("*.*")}
    present |= {str(path.relative_to(STATIC)) for folder in folders for path in (STATIC / folder).iterdir()}
    assert present == vendored.keys()


def test_the_version_of_the_manifest_is_that_of_the_file() -> None:
    manifest = json.loads((STATIC / "manifest.json").read_text())
    bundle = (STATIC / "swagger-ui" / "swagger-ui-bundle.js").read_text()
    assert f'"{manifest["swagger-ui-dist"]["version"]}"' in bundle


async def test_pages_and_style_sheets_load_from_here_only(anonymous: AsyncClient) -> None:
    for path in ("/docs", "/problems/not-found", "/static/page.css", "/static/swagger-ui/swagger-ui.css"):
        answer = await anonymous.get(path)
        assert answer.status_code == 200
        for one in _LOADS.findall(answer.text):
            place = "".join(one)
            assert place.startswith(("/", "data:", "#")), place
            assert not place.startswith("//")


async def test_every_file_of_the_page_is_served(anonymous: AsyncClient) -> None:
    page = (await anonymous.get("/docs")).text
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(files) == 3
    for path in files:
        answer = await anonymous.get(path)
        assert answer.status_code == 200
        assert len(answer.content) > 100


async def test_pages_have_a_strict_policy(anonymous: AsyncClient) -> None:
    for path in ("/docs", "/problems/not-found"):
        policy = (await anonymous.get(path)).headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy


async def test_the_page_knows_the_demo_key_in_demo_mode(anonymous: AsyncClient) -> None:
    assert f'data-key="{DEMO_KEY}"' in (await anonymous.get("/docs")).text


async def test_the_way_in_is_the_docs_page(anonymous: AsyncClient) -> None:
    answer = await anonymous.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")


async def test_fresh_numbers_differ_every_time(anonymous: AsyncClient) -> None:
    first, second = [(await anonymous.get("/docs/fresh-numbers")).json() for _ in range(2)]
    assert first.keys() == second.keys()
    assert not set(first.values()) & set(second.values())
