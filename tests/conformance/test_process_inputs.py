"""OGC API Processes Part 1: Core 1.0 (18-062r2, Annex A): the abstract tests of inputs, by their ids."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import pytest
from conformance.process_requests import (
    BASE,
    POINT,
    data,
    description,
    echoed,
    exception_of,
    execute,
    without_time,
)
from support.client import Client

pytestmark = pytest.mark.usefixtures("own_jobs")


def test_inputs_inline_and_by_reference(fuzzed: Client) -> None:
    """18-062r2 /conf/core/job-creation-inputs: both in one request."""
    place = {"href": data(POINT, "application/geo+json"), "type": "application/geo+json"}
    assert echoed(fuzzed, message="hier", place=place) == {"message": "hier", "place": POINT}


@pytest.mark.parametrize(
    ("name", "value"),
    [("message", ""), ("message", "Grüße 🌳 \"'\\"), ("pause", 0), ("pause", 0.01), ("content", "Text"), ("numbers", [])],
)
def test_input_inline(fuzzed: Client, name: str, value: Any) -> None:
    """18-062r2 /conf/core/job-creation-input-inline: a value as it is, and the same one as a value object."""
    assert echoed(fuzzed, **{name: value}) == echoed(fuzzed, **{name: {"value": value}}) == {name: value}


def test_input_array(fuzzed: Client, process: str) -> None:
    """18-062r2 /conf/core/job-creation-input-array: more than one value of an input would be a list; no input takes more than one.

    One whose value is itself a list, as its schema says, takes that.
    """
    assert all(each["maxOccurs"] == 1 for each in description(fuzzed, process)["inputs"].values())
    assert echoed(fuzzed, numbers=[1, -2, 3_000_000_000]) == {"numbers": [1, -2, 3_000_000_000]}
    name, value = next(iter({"echo": {"message": "a"}, "construction_overlay": {"baustelle": "a"}}[process].items()))
    assert exception_of(execute(fuzzed, process, {"inputs": {name: [value, value]}}), 400)["parameter"] == name


@pytest.mark.parametrize("value", [{}, {"a": {"b": [1, {"c": None}]}}, {"value": 1, "more": 2}, {"value": {"value": 1}}, {"href": "x"}])
def test_input_inline_object(fuzzed: Client, value: Any) -> None:
    """18-062r2 /conf/core/job-creation-input-inline-object: an object stands under `value`, whatever its own members are called."""
    assert echoed(fuzzed, content={"value": value}) == {"content": value}


def test_input_inline_object_of_a_check(fuzzed: Client) -> None:
    """18-062r2 /conf/core/job-creation-input-inline-object: also where it is more than given back."""
    report = execute(fuzzed, "construction_overlay", {"inputs": {"geometry": {"value": POINT, "mediaType": "application/geo+json"}}})
    other = execute(fuzzed, "construction_overlay", {"inputs": {"geometry": {"value": {**POINT, "coordinates": [7.3, 51.5]}}}})
    assert report.status_code == other.status_code == 200 and report.json()["project"] != other.json()["project"]


@pytest.mark.parametrize("value", ["ein Text", {"ein": "Objekt"}])
def test_input_inline_mixed(fuzzed: Client, value: Any) -> None:
    """18-062r2 /conf/core/job-creation-input-inline-mixed: each of the types that `oneOf` offers, with its format said."""
    assert len(description(fuzzed, "echo")["inputs"]["content"]["schema"]["oneOf"]) == 2
    media_type = "text/plain" if isinstance(value, str) else "application/json"
    assert echoed(fuzzed, content={"value": value, "mediaType": media_type}) == {"content": value}
    assert exception_of(execute(fuzzed, "echo", {"inputs": {"content": {"value": 5}}}), 400)["parameter"] == "content"


def test_input_inline_binary(fuzzed: Client) -> None:
    """18-062r2 /conf/core/job-creation-input-inline-binary: bytes as text in base64, by itself, as a value object, and by reference."""
    schema = description(fuzzed, "echo")["inputs"]["file"]["schema"]
    assert (schema["type"], schema["contentEncoding"], schema["contentMediaType"]) == ("string", "base64", "application/octet-stream")
    for content in (bytes(range(256)), b"", b"a", b"GIF89a"):
        text = base64.b64encode(content).decode()
        assert echoed(fuzzed, file=text) == {"file": text}
        assert echoed(fuzzed, file={"value": text, "encoding": "base64", "mediaType": "image/gif"}) == {"file": text}
    for wrong in ("?", "YQ", "a=b=", 5, ["YQ=="]):
        assert exception_of(execute(fuzzed, "echo", {"inputs": {"file": wrong}}), 400)["parameter"] == "file", wrong


@pytest.mark.parametrize("content", [b"GIF89a", b"\x00\x01\x02", bytes(range(256))], ids=["text", "controls", "all"])
def test_input_binary_by_reference(fuzzed: Client, content: bytes) -> None:
    """18-062r2 /conf/core/job-creation-input-ref: bytes that are referred to are those that would stand there in base64."""
    text = base64.b64encode(content).decode()
    assert echoed(fuzzed, file={"href": f"data:image/gif;base64,{text}", "type": "image/gif"}) == {"file": text}


@pytest.mark.parametrize(
    "box",
    [
        {"bbox": [6.9, 51.4, 7.1, 51.5]},
        {"bbox": [6.9, 51.4, 0, 7.1, 51.5, 100.5], "crs": "http://www.opengis.net/def/crs/OGC/0/CRS84h"},
        {"bbox": [6.9, 51.4, 7.1, 51.5], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"},
    ],
)
def test_input_inline_bbox(fuzzed: Client, box: Any) -> None:
    """18-062r2 /conf/core/job-creation-input-inline-bbox: four or six numbers with their CRS, without `value` around them."""
    assert echoed(fuzzed, box=box) == echoed(fuzzed, box={"value": box}) == {"box": box}
    for wrong in ({"bbox": [1, 2, 3]}, {"bbox": [1, 2, 3, "vier"]}, {"crs": "x"}, [6.9, 51.4, 7.1, 51.5]):
        assert exception_of(execute(fuzzed, "echo", {"inputs": {"box": wrong}}), 400)["parameter"] == "box"


def test_input_by_reference(fuzzed: Client) -> None:
    """18-062r2 /conf/core/job-creation-input-ref: a link, to what the server has and to what is in the address itself."""
    href = f"{BASE}/collections/flaechen/items/1"
    feature = fuzzed.json(href, headers={"accept": "application/geo+json"})
    place = echoed(fuzzed, place={"href": href, "type": "application/geo+json"})["place"]
    assert (place["id"], place["geometry"], place["properties"]) == (feature["id"], feature["geometry"], feature["properties"])
    assert place["geometry"]["type"] == "Polygon"
    text = base64.b64encode("Grüße".encode()).decode()
    for name, address, value in (
        ("message", f"data:text/plain;charset=utf-8,{quote('Grüße')}", "Grüße"),
        ("message", f"data:text/plain;charset=utf-8;base64,{text}", "Grüße"),
        ("numbers", data([1, 2]), [1, 2]),
        ("content", data({"value": 1}), {"value": 1}),
    ):
        assert echoed(fuzzed, **{name: {"href": address}}) == {name: value}
    plain = execute(fuzzed, "construction_overlay", {"inputs": {"geometry": {"value": POINT}}})
    linked = execute(fuzzed, "construction_overlay", {"inputs": {"geometry": {"href": data(POINT, "application/geo+json")}}})
    assert linked.status_code == 200 and without_time(linked.json()) == without_time(plain.json())


@pytest.mark.parametrize(
    ("process", "inputs", "named"),
    [
        ("echo", {"message": 5}, "message"),
        ("echo", {"message": "x", "numbers": [1, 1.5]}, "numbers"),
        ("echo", {"numbers": {"value": "1,2"}}, "numbers"),
        ("echo", {"content": [1]}, "content"),
        ("echo", {"pause": -1}, "pause"),
        ("echo", {"pause": 500}, "pause"),
        ("echo", {"place": {"value": {"type": "Kreis"}}}, "place"),
        ("echo", {"gibtesnicht": 1}, "gibtesnicht"),
        ("construction_overlay", {"geometry": {"value": POINT}, "buffer_m": "viel"}, "buffer_m"),
        ("construction_overlay", {"geometry": {"value": POINT}, "from": "gestern"}, "from"),
        ("construction_overlay", {"geometry": {"value": POINT}, "format": "pdf"}, "format"),
        ("construction_overlay", {"geometry": {"value": {"type": "Point"}}}, "geometry"),
        # What is referred to is checked as if it stood there.
        ("echo", {"message": {"href": data(5)}}, "message"),
        ("echo", {"place": {"href": data({"type": "Kreis"})}}, "place"),
        ("echo", {"place": {"href": "data:text/plain,hier"}}, "place"),
        ("echo", {"numbers": {"href": f"{BASE}/collections/orte/items/1"}}, "numbers"),
        ("construction_overlay", {"geometry": {"href": data({"type": "Point"})}}, "geometry"),
        # What cannot be read.
        ("echo", {"place": {"href": f"{BASE}/collections/orte/items/999999"}}, "place"),
        ("echo", {"place": {"href": f"{BASE}/collections/gibtesnicht/items/1"}}, "place"),
        ("echo", {"place": {"href": "data:application/json,{"}}, "place"),
        ("echo", {"place": {"href": "https://example.org/1"}}, "place"),
    ],
    ids=repr,
)
def test_input_validation(fuzzed: Client, process: str, inputs: Any, named: str) -> None:
    """18-062r2 /conf/core/job-creation-input-validation: a value against its definition; the exception names the input."""
    found = exception_of(execute(fuzzed, process, {"inputs": inputs}), 400)
    assert found["parameter"] == named and named in found["detail"]
