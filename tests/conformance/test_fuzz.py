"""Requests that nobody thought of: made from the OpenAPI document of both profiles, and from odd values of each parameter of items."""

from __future__ import annotations

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
SEED = 20260307
TOTAL = 2600
"""Requests for each profile."""
FIXED = {
    "suppress_health_check": list(HealthCheck),
    "deadline": None,
    "database": None,
    "phases": [Phase.explicit, Phase.generate],
}


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("key", [None, KEY], ids=["open", "verwaltung"])
def test_each_operation_answers_as_the_document_says(client: Client, key: str | None) -> None:
    """schemathesis over all operations, valid and invalid values alike: no 5xx, no status, media type or body but the documented."""
    document = client.json("/api", key=key)
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url="http://localhost:5000")
    operations = [each.ok() for each in schema.get_all_operations()]
    checks = CHECKS.get_by_names(CHECKED)
    asked = 0
    for operation in operations:
        cases = operation.as_strategy() | operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)

        @seed(SEED)
        @settings(max_examples=-(-TOTAL // len(operations)), **FIXED)  # type: ignore[arg-type]
        @given(case=cases)
        def ask(case: Any) -> None:
            nonlocal asked
            sent = case.as_transport_kwargs()
            headers = {**dict(sent.get("headers") or {}), **({"x-api-key": key} if key else {})}
            try:
                request = client.http.build_request(sent["method"], sent["url"], params=sent.get("params"), headers=headers)
            except (httpx.InvalidURL, ValueError):
                return  # no client could send it
            response = client.run(client.http.send(request))
            asked += 1
            case.validate_response(schemathesis.Response.from_httpx(response, verify=False), checks=checks)

        ask()
    assert asked > TOTAL * 0.8


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
NAMES = st.sampled_from([*PAGE_PARAMETERS, "nr", "name", "einwohner", "dichte", "abgabe", "hauptort", "beginn", "von", "gibtesnicht"])


@pytest.mark.slow
@pytest.mark.parametrize("collection", ["orte", "flaechen"])
def test_any_parameter_of_items_is_answered(client: Client, collection: str) -> None:
    """200, or a 4xx whose body is a problem document."""

    @seed(SEED)
    @settings(max_examples=700, **FIXED)  # type: ignore[arg-type]
    @given(query=st.dictionaries(NAMES, ODD, min_size=1, max_size=4))
    def ask(query: dict[str, str]) -> None:
        try:
            text = "&".join(f"{quote(name)}={quote(value)}" for name, value in query.items())
        except UnicodeEncodeError:
            return
        response = client.get(f"/collections/{collection}/items?{text}")
        if response.status_code != 200:
            assert response.status_code in (400, 406), (response.status_code, text)
            assert response.headers["content-type"] == "application/problem+json", text
            assert response.json()["status"] == response.status_code and response.json()["detail"]

    ask()
