"""Which language a person at this machine reads: German unless the locale says otherwise."""

from __future__ import annotations

__all__ = ["Language", "language", "say"]

import os
from collections.abc import Mapping
from typing import Literal

Language = Literal["de", "en"]


def language(env: Mapping[str, str] | None = None) -> Language:
    """Return the language of the locale: the first of LC_ALL, LC_MESSAGES, LANG that is set; German when none is."""
    env = os.environ if env is None else env
    chosen = env.get("LC_ALL") or env.get("LC_MESSAGES") or env.get("LANG") or "de"
    return "de" if chosen.lower().startswith("de") else "en"


def say(de: str, en: str) -> str:
    """Return the text in the language of the locale."""
    return de if language() == "de" else en
