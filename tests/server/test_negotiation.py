"""What `Accept`, `Accept-Language` and `Accept-Encoding` choose (RFC 9110, 12.5)."""

from __future__ import annotations

import pytest

from server.compression import coding_of
from server.negotiation import MEDIA, choose_format, choose_language
from stadtgrund.errors import InvalidParameter, NotAcceptable

ITEMS = (("json", MEDIA["geojson"]), ("geojson", MEDIA["geojson"]), ("html", MEDIA["html"]), ("csv", MEDIA["csv"]))


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "json"),
        ("", "json"),
        (",", "json"),
        ("*/*", "json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "html"),  # a browser
        ("application/geo+json, application/json", "json"),  # GDAL
        ("application/json", "json"),
        ("text/csv", "csv"),
        ("text/*", "html"),
        ("text/*;q=0.5, text/csv", "csv"),
        ("text/csv;q=0.5, text/html;q=0.4", "csv"),
        ("application/geo+json;q=0.1, */*;q=0.8", "html"),  # the most specific range counts
        ("*/*, application/geo+json;q=0", "html"),
        ("application/*;q=0.2, text/html;q=0.1", "json"),
        ("TEXT/HTML", "html"),
        ("text/html;level=1;q=0.7, application/json;q=0.6", "html"),
        ("image/png, */*;q=0.01", "json"),
        ("text/html;q=nan, text/csv;q=0.1", "csv"),
        ("text/html;q=7, text/csv;q=0.1", "csv"),
    ],
)
def test_the_media_type_that_is_weighed_most(accept: str | None, chosen: str) -> None:
    assert choose_format(None, accept, ITEMS) == chosen


@pytest.mark.parametrize(
    "accept", ["image/png", "application/xml, image/*", "*/*;q=0", "text/html;q=abc", "application/geo+json;q=0", "json"]
)
def test_what_nothing_satisfies_is_not_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="application/geo\\+json"):
        choose_format(None, accept, ITEMS)


def test_the_parameter_goes_before_the_header() -> None:
    assert choose_format("csv", "image/png", ITEMS) == "csv"
    with pytest.raises(InvalidParameter, match="json, geojson, html, csv"):
        choose_format("xml", "text/html", ITEMS)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "de"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("de;q=0.8, en;q=0.9", "en"),
        ("fr, en;q=0.3", "en"),
        ("en;q=0, de;q=0.1", "de"),
        ("fr", "de"),
        ("EN-us", "en"),
    ],
)
def test_language(accept: str | None, chosen: str) -> None:
    assert choose_language(None, accept) == chosen


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("br, deflate", None),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("gzip ; q=0.5", "gzip"),
        ("*", "zstd"),
        ("*;q=0", None),
        ("zstd;q=0, *", "gzip"),
        ("gzip;q=0, zstd;q=0", None),
        ("identity;q=0, gzip", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("gzip;q=nan", None),
        ("gzip;q=2", None),
    ],
)
def test_content_coding(accept: str | None, chosen: str | None) -> None:
    assert coding_of(accept) == chosen
