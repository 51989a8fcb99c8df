"""What a process gives, as an answer: at once or as the result of a job."""

from __future__ import annotations

__all__ = ["delivered", "sheet_policy"]

import base64
import hashlib
from typing import Any

from processes import sheet
from server.answer import Answer, as_json
from server.caching import NO_STORE
from server.negotiation import MEDIA
from server.pages import HTML


def sheet_policy() -> str:
    """Return the content security policy of the printed page: its one style sheet, nothing else."""
    digest = base64.b64encode(hashlib.sha256(sheet.STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def delivered(media_type: str, body: Any) -> Answer:
    """Return the answer with the output of a process: JSON as a value or as its bytes, a page as text or as its bytes."""
    if media_type == MEDIA["html"]:
        page = body if isinstance(body, bytes) else str(body).encode()
        return Answer(200, page, HTML, (NO_STORE, ("content-security-policy", sheet_policy())))
    return Answer(200, body if isinstance(body, bytes) else as_json(body), media_type, (NO_STORE,))
