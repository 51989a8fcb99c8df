"""Take from the public what contracts close now and the database still shows."""

from __future__ import annotations

__all__ = ["close", "tell_unowned"]

from collections.abc import Iterable

from cli import context
from cli.console import tell
from stadtgrund.catalog.contract import Text
from stadtgrund.catalog.registry import Deployment
from stadtgrund.errors import Busy, StadtgrundError, by_locale
from stadtgrund.query.form_filter import compile_text, compile_tiles, compile_where
from stadtgrund.store import applied, forms
from stadtgrund.store.database import Database

_MEANWHILE = Text(de="Nur Verwaltung, bis der Vertrag übernommen ist.", en="Administration only until the contract is applied.")
_WRONG = Text(de="Nur Verwaltung, bis der Vertrag berichtigt ist.", en="Administration only until the contract is put right.")


def close(db: Database, ids: Iterable[str] | None = None) -> bool:
    """Close what is exposed: by its contract where that is right, else as a whole; each is told. Return whether all of it is closed.

    One that cannot be closed now keeps none of the others open.

    Parameters
    ----------
    ids : iterable of str, optional
        Datasets that are closed where the public sees more than their contracts allow; without it, all. Joins that show what a part
        closes are closed in any case.
    """
    deployment, right = context.readable(told=False), context.right()
    exposed = applied.exposed(db, deployment)
    if ids is not None:
        chosen = {*ids, *applied.exposing_joins(db, deployment)}
        exposed = [dataset for dataset in exposed if dataset in chosen]
    closed = True
    for dataset in exposed:
        try:
            _close(db, right, dataset)
        except StadtgrundError as error:
            tell(f"{dataset}: {error}")
            closed = False
    return closed


def _close(db: Database, right: Deployment, dataset: str) -> None:
    if contract := right.contracts.get(dataset):
        try:
            forms.reconcile(
                db, right, contract, compile_where=compile_where, compile_text=compile_text, compile_tiles=compile_tiles, wait=False
            )
        except Busy:
            applied.hide(db, dataset, _MEANWHILE)
            tell(
                by_locale(
                    f"{dataset} zeigte mehr, als öffentlich sein darf, und wird gerade veröffentlicht: Es ist nicht mehr öffentlich, bis "
                    f"sein Vertrag übernommen ist. Wenn jener Befehl fertig ist: stadtgrund apply {dataset}",
                    f"{dataset} showed more than may be public, and is being published: it is public no more until its contract is "
                    f"applied. When that command is done: stadtgrund apply {dataset}",
                )
            )
            return
        except StadtgrundError as error:  # of a filter, say, on a field that is not loaded yet
            tell(f"{dataset}: {error}")
        else:
            tell(
                by_locale(
                    f"{dataset} zeigte mehr, als öffentlich sein darf; es gilt jetzt der Vertrag.",
                    f"{dataset} showed more than may be public; now its contract holds.",
                )
            )
            return
    applied.hide(db, dataset, _WRONG)
    tell(
        by_locale(
            f"{dataset} zeigte mehr, als öffentlich sein darf, und ist nicht mehr öffentlich. "
            f"Berichtigen Sie den Vertrag, dann: stadtgrund apply {dataset}",
            f"{dataset} showed more than may be public, and is public no more. Put the contract right, then: stadtgrund apply {dataset}",
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
