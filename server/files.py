"""The files of a collection, such as the Cloud Optimized GeoTIFF of a grid, whole or by ranges of bytes."""

from __future__ import annotations

__all__ = ["Files", "Stored"]

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from psycopg import sql
from starlette.responses import FileResponse

from server.answer import Answer, Receive, Scope, Send
from server.call import Call
from server.layers import header
from server.problems import FileMissing, NotSatisfiable
from stadtgrund.errors import NotFound

_RANGE = r"(\d{1,20}-\d{0,20}|-\d{1,20})"
_RANGES = re.compile(rf"bytes=\s*{_RANGE}(\s*,\s*{_RANGE})*\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Stored(Answer):
    """A file on disk as an answer; its bytes are read as they are sent."""

    path: Path = Path()

    def with_headers(self, *headers: tuple[str, str]) -> Answer:
        """Return the answer with more headers."""
        return replace(self, headers=(*self.headers, *headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or the ranges of it that are asked for."""
        found = self.path.stat()
        response = FileResponse(self.path, headers=dict(self.headers), media_type=self.media_type, stat_result=found)
        modified = response.headers["last-modified"]
        # That time and no later one: after a rollback the file is an older one than the client's.
        if header(scope, b"if-none-match") is None and header(scope, b"if-modified-since") == modified:
            kept = [(name, value) for name, value in self.headers if name in ("etag", "cache-control")]
            await Answer(304, None, None, (*kept, ("last-modified", modified)))(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        if header(scope, b"if-range") in (None, response.headers["etag"], modified):
            asked = _ranges(header(scope, b"range") or "", found.st_size)
            headers += [(b"range", asked)] if asked else []
        await response({**scope, "headers": headers}, receive, send)


def _ranges(text: str, size: int) -> bytes | None:
    """Return the header with those of its ranges that a file of this size has; None when it cannot be read, and counts for nothing.

    Raises
    ------
    NotSatisfiable
        The file has none of them.

    Source: RFC 9110, 14.1.2 and 14.2.
    """
    if not _RANGES.fullmatch(text):
        return None
    pairs = [each.strip().split("-") for each in text.removeprefix("bytes=").split(",")]
    if any(first and last and int(last) < int(first) for first, last in pairs):
        return None
    held = [f"{first}-{last}" for first, last in pairs if (int(first) < size if first else int(last) and size)]
    if not held:
        raise NotSatisfiable(size)
    return f"bytes={','.join(held)}".encode()


class Files:
    """The handler of `/collections/{dataset}/files/{name}`; `folder` is what the stored paths begin at.

    `of_rows` answers for a collection that has rows: its files are made of them.
    """

    def __init__(self, folder: Path, of_rows: Callable[[Call], Awaitable[Answer]]) -> None:
        self.folder, self.of_rows = folder.resolve(), of_rows

    async def file(self, call: Call) -> Answer:
        """Return a file of the collection as it is published now: the profile's own role is asked which one that is."""
        if not call.collection().collection.raster:
            return await self.of_rows(call)
        call.only()
        dataset, name = call.collection().collection.id, call.places["name"]
        question = sql.SQL("SELECT path, sha256, media_type FROM {} WHERE dataset = %s AND name = %s").format(
            sql.Identifier(f"p_{call.profile.name}", "sg_files")
        )
        async with call.profile.connection() as connection:
            row = await (await connection.execute(question, (dataset, name))).fetchone()
        if row is None:
            raise NotFound(f"Collection {dataset!r} has no file {name!r}.", remedy="Its description links the files that it has.")
        path = self.folder / row[0]
        if not path.resolve().is_relative_to(self.folder) or not path.is_file():
            raise FileMissing(
                f"The file {row[0]} of {dataset} is not in {self.folder}.", remedy=f"Load it again: stadtgrund load {dataset}"
            )
        tag = f'"{row[1][:24]}"'
        if unchanged := call.unchanged(tag):
            return unchanged
        headers = (("etag", tag), ("content-disposition", f'attachment; filename="{name}"'))
        return Stored(200, None, row[2], headers, path)
