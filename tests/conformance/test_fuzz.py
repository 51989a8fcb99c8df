"""Requests that nobody thought of: made from the OpenAPI document of both profiles, and from odd values of each parameter of items.

All are drawn from `SEED`, so that a run can be repeated; what a database stumbles over most easily stands in `TRICKY` and is asked in
every run. What a run finds goes there too.
"""

from __future__ import annotations

import string
from itertools import count
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS
from support.client import Client

from server.params import PAGE_PARAMETERS

from .conftest import KEY

CHECKED = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
METHODS = ("get", "post", "put", "patch", "delete")
SEED = 20260307
LEAST = 2500
"""Requests of each profile, at least."""
FIXED = {
    "suppress_health_check": list(HealthCheck),
    "deadline": None,
    "database": None,
    "phases": [Phase.explicit, Phase.generate],
}


def operations_of(document: dict[str, Any]) -> set[str]:
    """Return what schemathesis calls the operations of a document."""
    return {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods if method in METHODS}


EACH_KIND = {
    "GET /collections/orte/items",
    "GET /collections/zahlen/items",
    "GET /collections/zahlen_flaechen/tiles",
    "GET /collections/tiefe/files/tiefe.tif",
    "GET /collections/flaechen/files/{name}",
    "GET /collections/wege/download",
    "GET /tiles/{tileMatrixSetId}",
    "POST /processes/{processID}/execution",
    "GET /jobs/{jobId}/results",
    "DELETE /jobs/{jobId}",
}
ONLY_WITH_A_KEY = "GET /collections/leitungen/items"


@pytest.mark.slow
@pytest.mark.timeout(900)  # 100 s on a quiet machine
# The application runs in a thread beside, where a pool draws how long a connection may live.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("key", [None, KEY], ids=["open", "verwaltung"])
def test_each_operation_answers_as_the_document_says(fuzzed: Client, key: str | None) -> None:
    """schemathesis over all operations, valid and invalid values alike: no 5xx, no status, media type or body but the documented."""
    document = fuzzed.json("/api", key=key)
    stated = operations_of(document)
    assert stated >= EACH_KIND and (ONLY_WITH_A_KEY in stated) == (key is not None)
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url="http://localhost:5000")
    operations = [each.ok() for each in schema.get_all_operations()]
    checks = CHECKS.get_by_names(CHECKED)
    asked = {operation.label: 0 for operation in operations}

    def ask(case: Any) -> None:
        sent = case.as_transport_kwargs()
        headers = {**dict(sent.get("headers") or {}), **({"x-api-key": key} if key else {})}
        try:
            # As bytes, since httpx would take a text for a form.
            data = sent.get("data")
            content = {"content": data} if data is not None else {"json": sent["json"]} if sent.get("json") is not None else {}
            request = fuzzed.http.build_request(sent["method"], sent["url"], params=sent.get("params"), headers=headers, **content)
        except (httpx.InvalidURL, ValueError, TypeError):
            return  # no client could send it
        response = fuzzed.run(fuzzed.http.send(request))
        asked[case.operation.label] += 1
        case.validate_response(schemathesis.Response.from_httpx(response, verify=False), checks=checks)

    # Some operations have few parameters and are exhausted soon; the others are then asked more, from another seed.
    for turn in count():
        missing = LEAST - sum(asked.values())
        if missing <= 0:
            break
        for operation in operations:
            cases = operation.as_strategy() | operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)
            limited = settings(max_examples=-(-missing // len(operations)), **FIXED)  # type: ignore[arg-type]
            seed(SEED + turn)(limited(given(case=cases)(ask)))()
    assert asked.keys() == stated and sum(asked.values()) >= LEAST
    assert min(asked.values()) > 0, asked


ODD = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "",
            " ",
            "0",
            "-1",
            "1e999",
            "nan",
            "inf",
            "99999999999999999999999",
            "true",
            "null",
            "%",
            "'",
            "''",
            '"',
            "\\",
            "a\tb",
            "é",
            "\ud7ff",
            "2021-02-30",
            "0000-01-01",
            "9999-12-31T23:59:59Z",
            "../..",
            "/",
            "2021-01-01T00:00:60Z",
            "0001-01-01T00:00:00+14:00",
            "7,51,8,52",
            "51,7,52,8",
            "180,90,-180,-90",
            "7,51,7,51",
            "1,2,3,4,5,6",
            ",,,",
            "EPSG:25832",
            "[EPSG:4326]",
            "-name",
            "+name,-name",
            "name,name",
            "einwohner/0=1",
            "einwohner/0 = 1",
            "1/0=1",
            "einwohner^999=1",
            "2^99999=1",
            "einwohner % 0 = 1",
            "name LIKE '%'",
            "S_INTERSECTS(geometry,POINT(7 51))",
            "T_AFTER(von,TIMESTAMP('9999-12-31T23:59:59Z'))",
            '{"op":"and","args":[]}',
            '{"op":"=","args":[{"property":"nr"},{"property":"nr"}]}',
            "cql2-json",
        ]
    ),
    st.floats().map(str),
    st.integers().map(str),
    st.lists(st.floats(-200, 200).map(str), min_size=1, max_size=7).map(",".join),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
)
COLUMNS = ("nr", "name", "einwohner", "dichte", "abgabe", "hauptort", "beginn", "von")
NAMES = (*PAGE_PARAMETERS, *COLUMNS, "gibtesnicht")
NUMBERS = st.one_of(st.integers(-(10**40), 10**40).map(str), st.floats().map(str), st.floats(-200, 200).map(lambda x: f"{x:.6f}"))
MOMENTS = st.one_of(
    st.dates().map(str), st.datetimes().map(lambda moment: moment.isoformat() + "Z"), st.sampled_from(["", "..", "now", "2024", "24:00"])
)
LITERALS = st.one_of(
    NUMBERS,
    st.text(string.printable + "äß\u0301\U0001f333", max_size=12).map(lambda text: "'" + text.replace("'", "''") + "'"),
    MOMENTS.map(lambda moment: f"DATE('{moment}')"),
    MOMENTS.map(lambda moment: f"TIMESTAMP('{moment}')"),
    st.sampled_from(["TRUE", "NULL", "geom", "POINT(7 51)", "POLYGON((7 51,7 52,8 52,7 51))", "BBOX(7,51,8,52)", "LINESTRING(nan 0,1 1)"]),
)
OPERANDS = st.one_of(
    st.sampled_from([*COLUMNS, "gibtesnicht", '"name"', "CASEI(name)", "ACCENTI(name)", "einwohner + 1", "dichte / 0", "nr % 0"]), LITERALS
)
ATOMS = st.one_of(
    st.tuples(OPERANDS, st.sampled_from([" = ", " <> ", "<", ">=", " LIKE ", " + "]), OPERANDS).map("".join),
    st.tuples(OPERANDS, OPERANDS, OPERANDS).map(lambda parts: f"{parts[0]} BETWEEN {parts[1]} AND {parts[2]}"),
    st.tuples(OPERANDS, st.lists(LITERALS, max_size=4)).map(lambda parts: f"{parts[0]} IN ({','.join(parts[1])})"),
    OPERANDS.map("{} IS NULL".format),
    st.tuples(
        st.sampled_from(["S_INTERSECTS", "S_WITHIN", "S_RELATE", "T_AFTER", "T_DURING", "A_EQUALS", "sleep"]), OPERANDS, OPERANDS
    ).map(lambda parts: f"{parts[0]}({parts[1]},{parts[2]})"),
)
FILTERS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        inner.map("NOT ({})".format),
        inner.map("({})".format),
        st.tuples(inner, st.sampled_from([" AND ", " OR ", " "]), inner).map("".join),
    ),
    max_leaves=6,
)
LISTS = st.lists(st.sampled_from([*COLUMNS, "geom", "sg_id", "gibtesnicht", ""]), max_size=5)
CRSS = st.sampled_from(
    [f"http://www.opengis.net/def/crs/{name}" for name in ("OGC/1.3/CRS84", "EPSG/0/4326", "EPSG/0/25832", "EPSG/9.9/3857", "EPSG/0/1", "")]
)
FITTING = {
    "bbox": st.lists(NUMBERS, min_size=3, max_size=7).map(",".join),
    "bbox-crs": CRSS,
    "crs": CRSS,
    "filter-crs": CRSS,
    "datetime": MOMENTS | st.tuples(MOMENTS, MOMENTS).map("/".join),
    "filter": FILTERS,
    "sortby": LISTS.flatmap(lambda names: st.permutations([f"{sign}{name}" for sign, name in zip("+-+ -", names, strict=False)])).map(
        ",".join
    ),
    "properties": LISTS.map(",".join),
    "limit": NUMBERS,
    "offset": NUMBERS,
}
GROUPS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)
QUERIES = GROUPS.flatmap(lambda names: st.fixed_dictionaries({name: FITTING.get(name, ODD) | ODD for name in names}))


def checked_answer(client: Client, collection: str, query: dict[str, str]) -> None:
    """200, or a 4xx whose body is a problem document; of a 400, one that names a parameter that was sent."""
    text = "&".join(f"{quote(name)}={quote(value, errors='surrogatepass')}" for name, value in query.items())
    response = client.get(f"/collections/{collection}/items?{text}")
    if response.status_code == 200:
        return
    assert response.status_code in (400, 406, 413), (response.status_code, text)
    assert response.headers["content-type"] == "application/problem+json", text
    problem = response.json()
    assert problem["status"] == response.status_code and problem["detail"], text
    if response.status_code == 400:
        assert problem.get("parameter") in query or "not UTF-8" in problem["detail"], (text, problem)


@pytest.mark.slow
@pytest.mark.parametrize("collection", ["orte", "flaechen"])
def test_any_parameters_of_items_are_answered(client: Client, collection: str) -> None:
    @seed(SEED)
    @settings(max_examples=1000, **FIXED)  # type: ignore[arg-type]
    @given(query=QUERIES)
    def ask(query: dict[str, str]) -> None:
        checked_answer(client, collection, query)

    ask()


@pytest.mark.slow
def test_a_cursor_that_was_changed_is_refused_or_answered(client: Client) -> None:
    """Cut, doubled, with other characters: a 400 that names the cursor, or the page of a cursor that is still one."""
    taken = []
    for query in ("limit=5", "limit=5&sortby=-einwohner", "limit=5&sortby=name&filter=nr%3C50"):
        page = client.json(f"/collections/orte/items?{query}")
        following = next(link["href"] for link in page["links"] if link["rel"] == "next")
        taken.append(dict(httpx.URL(following).params))

    @seed(SEED)
    @settings(max_examples=400, **FIXED)  # type: ignore[arg-type]
    @given(query=st.sampled_from(taken), cut=st.integers(0, 200), put=st.text(string.ascii_letters + string.digits + "-_=.é", max_size=6))
    def ask(query: dict[str, str], cut: int, put: str) -> None:
        cursor = query["cursor"]
        for changed in (cursor[:cut], cursor[:cut] + put + cursor[cut + len(put) :], cursor + put, put):
            checked_answer(client, "orte", {**query, "cursor": changed})

    ask()


TRICKY: list[dict[str, str]] = [
    {"filter": "1 / (nr - nr) = 1"},
    {"filter": "einwohner * 99999999999999999999 > 1"},
    {"filter": "name LIKE '%\\'"},
    {"filter": "name = 'a\0b'"},
    {"filter": "((((((((((((((((((((((((((((((nr=1))))))))))))))))))))))))))))))"},
    {"filter": "S_INTERSECTS(geometry, POLYGON((7 51, nan 52, 8 52, 7 51)))"},
    {"bbox": "1e308,1e308,1e309,1e309"},
    {"bbox": "-0,-0,0,0"},
    {"datetime": "9999-12-31T23:59:60Z/.."},
    {"name": "\ud800"},
    {"cursor": "e30"},
    {"limit": "9" * 5000},
    {"filter": "nr % 0 = 1"},
    {"einwohner": "1e999"},
    {"datetime": "0001-01-01T00:00:00+14:00"},
]


@pytest.mark.parametrize("query", TRICKY, ids=str)
def test_what_is_tricky_is_answered(client: Client, query: dict[str, str]) -> None:
    for collection in ("orte", "flaechen"):
        checked_answer(client, collection, query)
