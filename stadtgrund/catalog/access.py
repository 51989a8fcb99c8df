"""Which form of a dataset a profile gets, and why."""

from __future__ import annotations

__all__ = ["Decision", "FormSpec", "decide", "narrows"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from stadtgrund.catalog.contract import Contract, Form, MinCount, Text
from stadtgrund.catalog.release import state, withheld
from stadtgrund.identity import OPEN, VERWALTUNG


@dataclass(frozen=True)
class FormSpec:
    """A form of release: columns, row filter, geometry rule, value rule. `full` is the data table itself."""

    name: Literal["full", "open", "verwaltung"]
    fields: tuple[str, ...]
    where: str | None = None
    geometry: Literal["full", "centroid", "none"] = "full"
    min_count: MinCount | None = None

    @property
    def is_view(self) -> bool:
        """Whether the form only drops columns, so that a view on the data table is enough."""
        return self.where is None and self.geometry != "centroid" and self.min_count is None


@dataclass(frozen=True)
class Decision:
    """`form` None = the profile does not see the dataset. `reason` names nothing that the form does not show.

    `withheld` has the fields that the protection check keeps out, with the reason each: for steward and administration only.
    """

    form: FormSpec | None
    reason: Text
    withheld: Mapping[str, Text] = field(default_factory=dict)


def decide(contract: Contract, profile: str) -> Decision:
    """Return which form of the dataset `profile` gets; a profile that is not known gets none."""
    current = state(contract)
    if profile == VERWALTUNG:
        form = contract.forms.get("verwaltung", Form())
        return Decision(_spec(contract, form, "verwaltung", ()), _internal(contract, current.reason), withheld(contract))
    if profile != OPEN:
        return Decision(None, Text(de=f"Das Profil „{profile}“ gibt es nicht.", en=f"There is no profile “{profile}”."))
    if not current.is_open:
        return Decision(None, current.reason)
    closed = withheld(contract)
    form = contract.forms.get("open", Form())
    spec = _spec(contract, form, "open", closed)
    id_columns = _id_columns(contract)
    hidden = [name for name in id_columns if name not in spec.fields]
    if hidden:
        return Decision(
            None,
            Text(
                de=f"Nur Verwaltung: Die Kennung der Objekte besteht aus {', '.join(hidden)}; das Feld ist nicht freigegeben.",
                en=f"Administration only: the id of the features is made of {', '.join(hidden)}, which is not released.",
            ),
            closed,
        )
    return Decision(spec, current.reason, closed)


def narrows(now: Contract, served: Contract) -> bool:
    """Whether `now` shows the public less than `served`: not all fields, other rows, a coarser geometry, stricter counts."""
    before, after = decide(served, OPEN).form, decide(now, OPEN).form
    if before is None:
        return False
    if after is None or not set(before.fields) <= set(after.fields):
        return True
    if after.where is not None and after.where != before.where:
        return True
    if after.geometry != before.geometry and after.geometry != "full" and before.geometry != "none":
        return True
    counted, strict = before.min_count, after.min_count
    shown = {*strict.fields} & {*before.fields} if strict else set()
    if strict is None or not shown:
        return False
    return counted is None or strict.minimum > counted.minimum or not shown <= {*counted.fields}


def _spec(contract: Contract, form: Form, name: Literal["open", "verwaltung"], closed: Mapping[str, Text] | tuple[()]) -> FormSpec:
    fields = tuple(item.name for item in contract.fields if item.name not in form.omit and item.name not in closed)
    geometry = form.geometry if contract.geometry else "full"
    if geometry == "centroid" and contract.geometry and contract.geometry.type == "Point":
        geometry = "full"
    min_count = form.min_count
    if min_count:
        shown = tuple(item for item in min_count.fields if item in fields)
        min_count = MinCount(minimum=min_count.minimum, fields=shown) if shown else None
    same = len(fields) == len(contract.fields) and form.where is None and geometry == "full" and min_count is None
    return FormSpec("full" if same else name, fields, form.where, geometry, min_count)


def _internal(contract: Contract, reason: Text) -> Text:
    """Return the reason as the administration reads it: with what the public form leaves out."""
    public = decide(contract, OPEN)
    if public.form is None:
        return public.reason
    hidden = [item.name for item in contract.fields if item.name not in public.form.fields]
    if hidden:
        return Text(de=f"{reason.de} Nicht öffentlich ist: {', '.join(hidden)}.", en=f"{reason.get('en')} Not public: {', '.join(hidden)}.")
    if public.form.name != "full":
        return Text(de=f"{reason.de} Die öffentliche Form ist eingeschränkt.", en=f"{reason.get('en')} The public form is restricted.")
    return reason


def _id_columns(contract: Contract) -> tuple[str, ...]:
    """Return the fields whose values a feature's id repeats."""
    if contract.id_field is None:
        return ()
    return (contract.id_field.column,) if contract.id_field.column else contract.id_field.columns
