"""Which language a person at this machine reads: German unless the locale names another (`bin/say.sh` decides alike)."""

from __future__ import annotations

__all__ = ["BadValue", "Language", "language", "say"]

import os
from collections.abc import Mapping
from typing import Literal

Language = Literal["de", "en"]


def language(env: Mapping[str, str] | None = None) -> Language:
    """Return the language of the locale: the first of LC_ALL, LC_MESSAGES, LANG that names one; German when none does.

    C and POSIX, with or without an encoding, name none: machines are set up with them where nobody chose anything.
    """
    env = os.environ if env is None else env
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        name = env.get(variable, "").partition(".")[0].lower()
        if name not in ("", "c", "posix"):
            return "de" if name.startswith("de") else "en"
    return "de"


def say(de: str, en: str) -> str:
    """Return the text in the language of the locale."""
    return de if language() == "de" else en


class BadValue(ValueError):
    """A value that does not fit, said in both languages; which one is chosen when it is told, as most are counted only."""

    def __init__(self, de: str, en: str) -> None:
        super().__init__(de, en)

    def __str__(self) -> str:
        return say(*self.args)
