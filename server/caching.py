"""ETag, 304 and Cache-Control.

A tag is made of the state that the answer was read from, so that it is known before anything is asked of the database,
and equal for equal requests to two workers. What it stands for: digest of the collection's state (version, form, contract,
style), the deployment's own files, build, base URL, request, language and media type; the content coding is a suffix that the
compression layer adds.
"""

from __future__ import annotations

__all__ = ["NO_STORE", "PRIVATE", "build", "cache_control", "etag", "matching"]

import hashlib
from functools import cache
from pathlib import Path

import stadtgrund
from stadtgrund import identity

NO_STORE = ("cache-control", "no-store")
_PUBLIC = ("cache-control", "public, max-age=30, must-revalidate")
PRIVATE = ("cache-control", "private, no-store")
_PACKAGES = ("stadtgrund", "server", "providers", "processes")


def cache_control(profile: str) -> tuple[str, str]:
    """Return the header for an answer of this profile: open data may be kept anywhere, all else nowhere."""
    return _PUBLIC if profile == identity.OPEN else PRIVATE


@cache
def build() -> str:
    """Return a digest of the code and the templates that make answers: another build, other tags."""
    root = Path(stadtgrund.__file__).resolve().parent.parent
    digest = hashlib.sha256(stadtgrund.__version__.encode())
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*")):
            if path.suffix in {".py", ".html", ".css", ".js", ".sql", ".json"} and "node_modules" not in path.parts:
                digest.update(path.relative_to(root).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def etag(*parts: str) -> str:
    """Return a strong tag of these parts, quoted."""
    return '"' + hashlib.blake2b("\0".join((build(), *parts)).encode(), digest_size=12).hexdigest() + '"'


def matching(tag: str, if_none_match: str | None, coding: str | None) -> str | None:
    """Return the tag of `If-None-Match` that says the client has the current answer, or None.

    `coding` is the content coding that the client would get: a copy in another one is another representation.
    """
    if not if_none_match:
        return None
    mine = {tag, *(tag[:-1] + f'-{coding}"' for _ in [0] if coding)}
    for given in if_none_match.split(","):
        bare = given.strip().removeprefix("W/")
        if bare == "*":
            return tag
        if bare in mine:
            return bare
    return None
