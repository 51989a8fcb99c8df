"""A deployment whose every text tries to run a script, and one as it should be; both served by the real command."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.chromium import drive
from support.deployment import GEBIETE, MASTEN, ZAHLEN, checked, contract_of, write_deployment
from support.postgis import Server, environment
from support.rows import publish_rows
from support.served import City, free_port, running

from stadtgrund.catalog import registry
from stadtgrund.store import api_keys

FOLDER = Path(__file__).parent

TEXTS = (
    '<script>window.hit="script"</script>',
    '"><img src=x onerror="window.hit=1">',
    "'><svg onload=alert(1)>",
    "</title></style></script><script>alert(2)</script>",
    "{{ 7 * 7 }}{% set hit = 1 %}${alert(3)}`",
    '<a href="javascript:alert(4)">Text</a>',
    '=HYPERLINK("http://127.0.0.1/")',
    "<b>&lt;i&gt; & \\ ' \" Ä",
)
URLS = ("javascript:window.hit=5", " java\tscript:alert(6)", "data:text/html,<script>alert(7)</script>", "http://[")

Visits = Callable[..., list[dict[str, Any]]]


def hostile(number: int) -> dict[str, str]:
    """Return a text in both languages."""
    text = TEXTS[number % len(TEXTS)]
    return {"de": f"{text} {number}", "en": f"{text} {number} en"}


def hostile_contracts() -> list[dict[str, Any]]:
    """Return contracts of each kind with a bad text wherever the shape takes one."""
    made = []
    for place, values in enumerate((MASTEN, GEBIETE, ZAHLEN)):
        fields = [
            {**field, "title": hostile(number + place), "description": hostile(number + 1), **({"unit": TEXTS[1]} if number == 3 else {})}
            for number, field in enumerate(values["fields"])
        ]
        for field in fields:
            if field.get("values"):
                field["values"] = {TEXTS[0]: hostile(0), "stahl": hostile(1)}
        url = URLS[place]
        role = {"organisation": TEXTS[place], "unit": TEXTS[place + 1], "email": f'a"{TEXTS[1]}@example.org', "url": url}
        made.append(
            {
                **values,
                "title": hostile(place),
                "description": hostile(place + 3),
                "keywords": [*TEXTS[place:], TEXTS[0]],
                "attribution": TEXTS[1] + TEXTS[5],
                "identifiers": [TEXTS[0]],
                "responsibility": {name: role for name in ("owner", "steward", "operator", "contact")},
                "fields": fields,
            }
        )
    return made


POLES = [
    {
        "nummer": number,
        "name": TEXTS[number % len(TEXTS)],
        "art": TEXTS[0] if number % 2 else "stahl",
        "hoehe": number / 4,
        "technik": {TEXTS[0]: [TEXTS[1], {"x": TEXTS[2]}]},
        "gebaut": "2020-01-15",
        "geom": f"POINT({360000 + 10 * number} {5700000 + 10 * (number % 5)})",
    }
    for number in range(1, 13)
]
AREAS = [
    {
        "schluessel": f"{text}/{number}",
        "name": text,
        "beginn": "2020-01-01",
        "geom": f"MULTIPOLYGON((({x} 5700000, {x + 40} 5700000, {x + 40} 5700040, {x} 5700000)))",
    }
    for number, (text, x) in enumerate(zip(TEXTS, range(360000, 361000, 50), strict=False))
]
FIGURES = [{"schluessel": text, "jahr": 2020, "einwohner": 90} for text in TEXTS]


def write_rules(folder: Path, text: str) -> None:
    """Write the rules of a check, without which a deployment offers no process; `text` is said wherever a person wrote something."""
    rule = {
        "id": "nah",
        "kind": "near",
        "title": {"de": text},
        "class": "Hinweis",
        "office": text,
        "collection": "masten",
        "show": ["name"],
    }
    limits = {"max_area_ha": 20, "max_extent_km": 2, "max_vertices": 200}
    (folder / "rules").mkdir()
    (folder / "rules" / "construction_overlay.yaml").write_text(
        yaml.safe_dump({"version": text, **limits, "rules": [rule]}, allow_unicode=True), "utf-8"
    )


@pytest.fixture(scope="session")
def hostile_city(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """The deployment of bad texts, published."""
    folder = write_deployment(
        tmp_path_factory.mktemp("hostile") / "schreckstadt", *(checked(contract_of(values)) for values in hostile_contracts())
    )
    city = yaml.safe_load((folder / "deployment.yml").read_text("utf-8"))
    contact = {"organisation": TEXTS[0], "unit": TEXTS[1], "email": "geodaten@example.org", "url": URLS[0]}
    city |= {"title": hostile(0), "description": hostile(1), "contact": contact}
    (folder / "deployment.yml").write_text(yaml.safe_dump(city, allow_unicode=True), "utf-8")
    write_rules(folder, TEXTS[0])
    db = server.clone()
    deployment = registry.read(folder, folder / "data")
    for dataset, rows in (("masten", POLES), ("gebiete", AREAS), ("zahlen", FIGURES)):
        publish_rows(db, deployment, dataset, rows)
    yield City(db, folder, environment(server, db, folder))
    server.drop(db.name)


@pytest.fixture(scope="session")
def good_city(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """Three layers that are open and one that is not, published."""
    closed = {**GEBIETE, "id": "leitungen", "title": {"de": "Leitungen", "en": "Pipes"}}
    contracts = [checked(contract_of(values)) for values in (MASTEN, GEBIETE, ZAHLEN)]
    folder = write_deployment(tmp_path_factory.mktemp("pages") / "teststadt", *contracts, checked(contract_of(closed), "security_critical"))
    write_rules(folder, "Prüfung")
    db = server.clone()
    deployment = registry.read(folder, folder / "data")
    art = {True: "holz", False: "stahl"}
    poles = [{**row, "name": f"Mast „O'Neill“ {row['nummer']}", "art": art[bool(row["nummer"] % 2)], "technik": None} for row in POLES]
    areas = [{**row, "schluessel": f"0{number}/Ä b", "name": f"Gebiet {number}"} for number, row in enumerate(AREAS, 1)]
    figures = [{"schluessel": f"{number:02d}", "jahr": 2020, "einwohner": 90 + number} for number in range(20)]
    for dataset, rows in (("masten", poles), ("gebiete", areas), ("zahlen", figures), ("leitungen", areas)):
        publish_rows(db, deployment, dataset, rows)
    yield City(db, folder, environment(server, db, folder))
    server.drop(db.name)


@pytest.fixture(scope="session")
def key(good_city: City) -> str:
    """A key of the administration."""
    return api_keys.create(good_city.db, "Seiten", "verwaltung").reveal()


def _served(city: City, log: Path) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {**city.environment, "STADTGRUND_PORT": str(port), "STADTGRUND_WORKERS": "1", "PUBLIC_URL": url}
    with running([sys.executable, "-m", "cli", "serve"], env, url, log) as address:
        yield address


@pytest.fixture(scope="session")
def hostile_api(hostile_city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the deployment of bad texts."""
    yield from _served(hostile_city, tmp_path_factory.mktemp("hostile") / "log")


@pytest.fixture(scope="session")
def good_api(good_city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the deployment as it should be."""
    yield from _served(good_city, tmp_path_factory.mktemp("pages") / "log")


@pytest.fixture(scope="session")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Visits:
    """Returns what Chromium saw at each of some addresses."""

    def run(url: str, visits: Sequence[dict[str, Any]], key: str | None = None) -> list[dict[str, Any]]:
        folder = Path(os.environ.get("STADTGRUND_TEST_PICTURES") or tmp_path_factory.mktemp("pictures"))
        task = {"url": url, "folder": str(folder), "key": key, "visits": list(visits)}
        found: list[dict[str, Any]] = drive(FOLDER, task)
        return found

    return run


__all__ = ["AREAS", "POLES", "TEXTS", "URLS", "Visits"]
