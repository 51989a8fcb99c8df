"""The protection check (Schutzprüfung): what was checked, what it says, and which fields are open by it.

No check is *entwurf*; a changed source or CRS too. Without a ground a checked dataset is public; with one it is closed until a
weighing is recorded. A field without an equal digest, or with a ground of its own and no weighing, is not in the open form.
"""

from __future__ import annotations

__all__ = [
    "QUESTIONS",
    "Question",
    "State",
    "StateName",
    "digest_of_field",
    "digest_of_source",
    "questions",
    "record",
    "state",
    "unchecked",
    "withheld",
]

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from stadtgrund.catalog.contract import Contract, Field, Geometry, Ground, Protection, Source, Text
from stadtgrund.catalog.questions import QUESTIONS, Question, names_of, questions

StateName = Literal["entwurf", "geprueft_offen", "abgewogen_offen", "geschlossen"]


@dataclass(frozen=True)
class State:
    """Where a dataset stands: a name for machines, a sentence for people."""

    name: StateName
    reason: Text

    @property
    def is_open(self) -> bool:
        """Whether the dataset as a whole may be public (its fields have their own say)."""
        return self.name in ("geprueft_offen", "abgewogen_offen")


def digest(value: Any) -> str:
    """Return the first 12 hex digits of the SHA-256 of the canonical JSON of `value`."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def digest_of_field(field: Field) -> str:
    """Return the digest of what is checked of a field: name, origin, type, unit, key, values, grounds (not its texts)."""
    values = {code: text.model_dump(exclude_none=True) for code, text in field.values.items()} if field.values is not None else None
    return digest(
        {
            "name": field.name,
            "from": field.source_name,
            "type": field.type,
            "unit": field.unit,
            "key": field.key,
            "values": values,
            "grounds": sorted(field.grounds),
        }
    )


def digest_of_source(source: Source, geometry: Geometry | None = None) -> str:
    """Return the digest of where the rows come from: all of `source` but the promised rhythm, and the storage CRS."""
    stated = source.model_dump(mode="json", exclude_defaults=True, exclude={"rhythm"})
    return digest({"source": stated, "crs": geometry.crs if geometry else None})


def state(contract: Contract) -> State:
    """Return where the dataset stands by its protection check."""
    check = contract.protection
    if check.checked is None:
        return State("entwurf", Text(de="Entwurf: noch keine Schutzprüfung.", en="Draft: no protection check yet."))
    if check.source != digest_of_source(contract.source, contract.geometry):
        return State(
            "entwurf",
            Text(
                de=f"Entwurf: Quelle oder Koordinatenbezug hat sich seit der Schutzprüfung vom {check.checked:%d.%m.%Y} geändert.",
                en=f"Draft: source or CRS has changed since the protection check of {check.checked.isoformat()}.",
            ),
        )
    by = f" ({check.by})" if check.by else ""
    head_de, head_en = f"Schutzprüfung vom {check.checked:%d.%m.%Y}", f"protection check of {check.checked.isoformat()}"
    if not check.grounds:
        return State(
            "geprueft_offen",
            Text(de=f"Öffentlich: {head_de} ohne Schutzgrund{by}.", en=f"Public: {head_en}, no ground for protection{by}."),
        )
    de, en = names_of(check.grounds)
    if check.weighing:
        return State(
            "abgewogen_offen",
            Text(
                de=f"Öffentlich nach Abwägung: {head_de}, Schutzgrund {de}, Abwägung dokumentiert{by}.",
                en=f"Public after weighing: {head_en}, ground {en}, weighing recorded{by}.",
            ),
        )
    return State(
        "geschlossen", Text(de=f"Nur Verwaltung: {head_de}, Schutzgrund {de}{by}.", en=f"Administration only: {head_en}, ground {en}{by}.")
    )


def withheld(contract: Contract) -> dict[str, Text]:
    """Return the fields that the protection check keeps out of the open form, each with the reason (for steward and administration)."""
    check, result = contract.protection, {}
    for field in contract.fields:
        if field.grounds and not check.weighing:
            de, en = names_of(field.grounds)
            result[field.name] = Text(de=f"Schutzgrund {de}.", en=f"Ground: {en}.")
        elif field.name not in check.fields:
            result[field.name] = Text(de="Das Feld ist seit der Schutzprüfung neu.", en="The field is new since the protection check.")
        elif check.fields[field.name] != digest_of_field(field):
            result[field.name] = Text(
                de="Das Feld hat sich seit der Schutzprüfung geändert.", en="The field has changed since the protection check."
            )
    return result


def unchecked(contract: Contract) -> tuple[str, ...]:
    """Return the fields that wait for a check: new or changed since the last one, and without a ground that closes them anyhow."""
    check = contract.protection
    return tuple(
        field.name
        for field in contract.fields
        if check.fields.get(field.name) != digest_of_field(field) and (check.weighing or not field.grounds)
    )


def record(
    contract: Contract,
    *,
    checked: date,
    by: str,
    grounds: Collection[Ground] = (),
    field_grounds: Mapping[str, Collection[Ground]] | None = None,
    weighing: str | None = None,
) -> Contract:
    """Return the contract with the answers of a protection check: `protection`, and the grounds of the fields that were answered.

    Parameters
    ----------
    field_grounds : mapping, optional
        Field name → grounds; a field that is not in it keeps what the contract says.
    weighing : str, optional
        Path or text of the recorded weighing.
    """
    answers = field_grounds or {}
    fields = tuple(
        field.model_copy(update={"grounds": tuple(answers[field.name])}) if field.name in answers else field for field in contract.fields
    )
    protection = Protection(
        checked=checked,
        by=by,
        grounds=tuple(grounds),
        weighing=weighing,
        source=digest_of_source(contract.source, contract.geometry),
        fields={field.name: digest_of_field(field) for field in fields},
    )
    return contract.model_copy(update={"fields": fields, "protection": protection})
