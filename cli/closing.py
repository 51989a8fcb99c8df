"""Take from the public what contracts close now and the database still shows."""

from __future__ import annotations

__all__ = ["close", "tell_unowned"]

from cli import context
from cli.console import tell
from stadtgrund.catalog.contract import Text
from stadtgrund.errors import by_locale
from stadtgrund.query.form_filter import compile_text, compile_tiles, compile_where
from stadtgrund.store import applied, forms
from stadtgrund.store.database import Database

_WRONG = Text(de="Nur Verwaltung, bis der Vertrag berichtigt ist.", en="Administration only until the contract is put right.")


def close(db: Database, *, only_joins: bool) -> None:
    """Close what is exposed: by its contract where that is right, else as a whole; each is told.

    Parameters
    ----------
    only_joins : bool
        Only joins that show what a part closes; else every dataset of which the public sees more than its contract allows.
    """
    deployment, right = context.readable(told=False), context.right()
    for dataset in applied.exposing_joins(db, deployment) if only_joins else applied.exposed(db, deployment):
        if contract := right.contracts.get(dataset):
            forms.reconcile(db, right, contract, compile_where=compile_where, compile_text=compile_text, compile_tiles=compile_tiles)
            tell(
                by_locale(
                    f"{dataset} zeigte mehr, als öffentlich sein darf; es gilt jetzt der Vertrag.",
                    f"{dataset} showed more than may be public; now its contract holds.",
                )
            )
        else:
            applied.hide(db, dataset, _WRONG)
            tell(
                by_locale(
                    f"{dataset} zeigte mehr, als öffentlich sein darf, und ist nicht mehr öffentlich. "
                    f"Berichtigen Sie den Vertrag, dann: stadtgrund apply {dataset}",
                    f"{dataset} showed more than may be public, and is public no more. "
                    f"Put the contract right, then: stadtgrund apply {dataset}",
                )
            )


def tell_unowned(db: Database) -> None:
    """Name the public datasets that have no contract any more, with what to do."""
    for dataset in context.unowned(applied.public(db)):
        tell(
            by_locale(
                f"{dataset} ist öffentlich und hat keinen Vertrag mehr. Legen Sie ihn zurück, oder: stadtgrund withdraw {dataset}",
                f"{dataset} is public and has no contract any more. Put it back, or: stadtgrund withdraw {dataset}",
            )
        )
