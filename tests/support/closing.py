"""A city whose contracts are changed behind the database's back, and what the public sees of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from stadtgrund.catalog import registry
from stadtgrund.store.database import Database
from support.deployment import checked, write_contract

JOIN = "einwohner_ortsteile"


def public(db: Database) -> set[str]:
    """Return what the public sees: the rows of its state, which are those of its views."""
    with db.connect("open") as connection:
        state = {name for (name,) in connection.execute("SELECT dataset FROM p_open.sg_state")}
        views = connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'p_open' AND viewname !~ '^(sg)?_'")
        assert state == {name for (name,) in views if not name.startswith("sg_")}
    return state


def path(folder: Path, dataset: str) -> Path:
    return folder / "datasets" / f"{dataset}.yaml"


def misspell(folder: Path, dataset: str) -> None:
    """Give a contract a key that there is not."""
    with path(folder, dataset).open("a", encoding="utf-8") as file:
        file.write("titel: x\n")


def edit(folder: Path, dataset: str, **changes: Any) -> None:
    text = path(folder, dataset).read_text(encoding="utf-8")
    path(folder, dataset).write_text(yaml.safe_dump({**yaml.safe_load(text), **changes}, allow_unicode=True, sort_keys=False))


def closed(folder: Path, dataset: str) -> None:
    """Write into the file that the dataset is closed, and tell nobody."""
    write_contract(folder, checked(registry.read(folder).contract(dataset), "personal_data"))
