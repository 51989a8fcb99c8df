"""The tree of errors: one class per cause.

::

    StadtgrundError
    ├── UsageError                  a command or a request was misused (exit 2, HTTP 400)
    │   ├── InvalidParameter        a query parameter: name, value, what is allowed
    │   ├── InvalidFilter           a CQL2 expression
    │   └── InvalidCursor           a page token that is not ours or not of this query
    ├── NotFound                    a collection, item, tile, version or command target (HTTP 404)
    │   └── UnknownName             a name that a person typed: known ones and the one that was probably meant (exit 2)
    ├── NotAcceptable               no representation in a media type that was asked for (HTTP 406)
    ├── Unauthorized                a credential that is not valid (HTTP 401)
    ├── TooLarge                    an answer or a request over a limit (HTTP 413)
    ├── ContractError               a deployment folder or contract is wrong: file, line, field
    ├── SourceError                 a source of a load cannot be read
    ├── LoadStopped                 a rule with on_fail: stop, or a gate, ended a load; the old version serves
    ├── ReleaseError                a protection check cannot be recorded as asked
    ├── SetupError                  the machine, the private PostGIS or a foreign database is not as needed
    └── TransientError              the same call may succeed later (HTTP 503, Retry-After)
        ├── DatabaseUnavailable
        ├── StatementTimeout
        └── Busy                    a lock or a queue did not become free in time

Every message has up to three parts: what failed, what was kept, what to do next. Facts are attributes too.
"""

from __future__ import annotations

__all__ = [
    "Busy",
    "ContractError",
    "DatabaseUnavailable",
    "InvalidCursor",
    "InvalidFilter",
    "InvalidParameter",
    "LoadStopped",
    "NotAcceptable",
    "NotFound",
    "Problem",
    "ReleaseError",
    "SetupError",
    "SourceError",
    "StadtgrundError",
    "StatementTimeout",
    "TooLarge",
    "TransientError",
    "Unauthorized",
    "UnknownName",
    "UsageError",
    "by_locale",
    "nearest",
    "unknown",
]

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

# Under another name: the command line has a `say` of its own.
from stadtgrund.language import say as by_locale


class StadtgrundError(Exception):
    """Base of all errors that we raise on purpose.

    Parameters
    ----------
    what : str
        What failed, naming the thing.
    kept : str, optional
        What was kept ("Version 4 wird weiter ausgeliefert").
    remedy : str, optional
        What to do next.
    """

    def __init__(self, what: str, *, kept: str = "", remedy: str = "") -> None:
        self.what, self.kept, self.remedy = what, kept, remedy
        super().__init__(" ".join(part for part in (what, kept, remedy) if part))


class UsageError(StadtgrundError):
    """A command or a request was misused."""


class InvalidParameter(UsageError):
    """A query parameter is wrong.

    Parameters
    ----------
    name, value : str
        The parameter as it came.
    allowed : str
        What is allowed, as half a sentence.
    """

    def __init__(self, name: str, value: str, allowed: str) -> None:
        self.name, self.value, self.allowed = name, value, allowed
        shown = value if len(value) <= 100 else value[:100] + "…"
        super().__init__(f"Parameter {name}={shown!r} is not valid.", remedy=f"Allowed: {allowed}.")


class InvalidFilter(UsageError):
    """A filter expression cannot be parsed or names something unknown."""


class InvalidCursor(UsageError):
    """A cursor is damaged or belongs to another query."""


class NotFound(StadtgrundError):
    """The thing asked for does not exist, or not for this caller: the two look the same."""


class UnknownName(NotFound):
    """Somebody named a thing that is not there: the command line was misused, which a failed command is not.

    Parameters
    ----------
    german, english : str
        What kind of thing it is ("Datensatz", "dataset").
    name : str
        As it was typed.
    known : iterable of str
        What there is; at most 30 of them are listed.
    """

    def __init__(self, german: str, english: str, name: str, known: Iterable[str]) -> None:
        self.name, self.known = name, tuple(known)
        guess = nearest(name, self.known)
        meant = by_locale(f" Gemeint: {guess}?", f" Did you mean {guess}?") if guess else ""
        shown, more = ", ".join(self.known[:30]) or "–", len(self.known) > 30
        super().__init__(
            by_locale(f"{german} „{name}“ ist unbekannt.{meant}", f"Unknown {english} {name!r}.{meant}"),
            remedy=by_locale(
                f"Bekannt sind: {shown}{f' … (insgesamt {len(self.known)})' if more else ''}.",
                f"Known are: {shown}{f' … ({len(self.known)} in all)' if more else ''}.",
            ),
        )


class NotAcceptable(StadtgrundError):
    """No representation in a media type that the client accepts."""


class Unauthorized(StadtgrundError):
    """A credential was given and is not valid."""


class TooLarge(StadtgrundError):
    """An answer or a request is over a stated limit."""


@dataclass(frozen=True)
class Problem:
    """One finding in a deployment folder: where, what, what is allowed."""

    file: str
    line: int | None
    field: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"


class ContractError(StadtgrundError):
    """A contract or a deployment folder is refused; all its problems are listed."""

    def __init__(self, problems: Iterable[Problem], *, kept: str = "", remedy: str = "") -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)), kept=kept, remedy=remedy)


class SourceError(StadtgrundError):
    """A source cannot be read: missing, unreadable, without a CRS, of the wrong encoding."""


class LoadStopped(StadtgrundError):
    """A gate ended the load before anything was published."""


class ReleaseError(StadtgrundError):
    """A protection check cannot be recorded as asked."""


class SetupError(StadtgrundError):
    """Machine, private PostGIS or foreign database are not as needed."""


class TransientError(StadtgrundError):
    """The same call may succeed later.

    Attributes
    ----------
    retry_after_s : int
        Seconds after which a retry makes sense.
    """

    retry_after_s = 5


class DatabaseUnavailable(TransientError):
    """PostGIS does not accept connections."""


class StatementTimeout(TransientError):
    """A statement took longer than its limit and was cancelled."""


class Busy(TransientError):
    """A lock or a place in a queue did not become free in time."""


def nearest(name: str, known: Iterable[str], cutoff: float = 0.65) -> str | None:
    """Return the one of `known` that was probably meant by `name`; short closed lists bear a lower `cutoff`."""
    lower = {other.lower(): other for other in known}
    found = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=cutoff)
    return lower[found[0]] if found else None


def unknown(kind: str, name: str, known: Iterable[str], *, german: str | None = None) -> str:
    """Say that `name` is not known, and which names are (at most 30 of them).

    `german` is the kind's German name where a person at a terminal reads it; without it the text is English, for clients of the API.
    """
    names = sorted(known)
    first = ", ".join(names[:30])
    more = len(names) > 30
    english = f"Unknown {kind} {name!r}; known: {first or '(none)'}{f' … ({len(names)} in all)' if more else ''}"
    if german is None:
        return english
    rest = f" … (insgesamt {len(names)})" if more else ""
    guess = nearest(name, names)
    meant = by_locale(f" Gemeint: {guess}?", f" Did you mean {guess}?") if guess else ""
    return by_locale(f"{german} „{name}“ ist unbekannt; bekannt: {first or '(keine)'}{rest}.", f"{english}.") + meant
