"""The steps of a publish, in two transactions of the owner: table, indexes and forms are made, then the version is shown."""

from __future__ import annotations

__all__ = ["LoadFacts", "Publication", "StoredFile", "make"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from stadtgrund.catalog.checks_of_release import CompileWhere
from stadtgrund.catalog.collection import Extent, JoinFacts
from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.registry import Deployment
from stadtgrund.store import closings, form_tables, forms, leftovers, tables, views
from stadtgrund.store.database import Database
from stadtgrund.store.failures import named
from stadtgrund.store.form_tables import FormTable
from stadtgrund.store.forms import FormState, VersionFacts
from stadtgrund.store.loaded import Loaded
from stadtgrund.store.locks import hold_lock, take_lock
from stadtgrund.store.text_tables import CompileText
from stadtgrund.store.tile_tables import CompileTiles

_NO_EXTENT = Extent()


@dataclass(frozen=True)
class LoadFacts:
    """What a load knows of its rows, to be kept with the version.

    `extent` is that of a grid; of rows it is measured. `rows_in` counts the source's rows, `rows_rejected` those not staged.
    """

    recipe: str
    source_hash: str
    source_time: datetime | None = None
    operation: str | None = None
    accuracy_m: float | None = None
    rows_in: int = 0
    rows_rejected: int = 0
    join_facts: JoinFacts | None = None
    extent: Extent = _NO_EXTENT


@dataclass(frozen=True)
class StoredFile:
    """A file of a version; `path` is relative to `paths.files`."""

    name: str
    path: str
    bytes: int
    sha256: str
    media_type: str


@dataclass(frozen=True)
class Publication:
    """What is to become a version.

    Attributes
    ----------
    origin : str
        `load` or `rollback:<n>`.
    source : (schema, table) or None
        Where the rows are; None of a grid.
    loaded : Loaded
        What the rows were loaded with.
    run : int or None
        The run that loaded them.
    compile_where, compile_text, compile_tiles, files, progress
        As in `versions.publish`.
    """

    db: Database
    deployment: Deployment
    contract: Contract
    facts: LoadFacts
    origin: str
    source: tuple[str, str] | None
    loaded: Loaded
    run: int | None
    compile_where: CompileWhere | None = None
    files: Callable[[int], Sequence[StoredFile]] | None = None
    progress: Callable[[str], None] | None = None
    compile_text: CompileText | None = None
    compile_tiles: CompileTiles | None = None


@dataclass
class _Work:
    """What the steps hand on to each other; `forms`: None of a grid, whose forms are made of what `_record` notes."""

    plan: Publication
    connection: psycopg.Connection[Any]
    version: int = 0
    rows: int = 0
    forms: dict[str, FormTable] | None = None
    states: tuple[FormState, ...] = ()

    @property
    def table(self) -> str | None:
        """Name of the version's table in `data`; None of a grid."""
        return tables.data_name(self.plan.contract, self.version) if self.plan.source else None


def make(plan: Publication) -> tuple[int, tuple[FormState, ...]]:
    """Make the version; until it is shown, the one before it serves. Return its number, and what each profile got.

    In two transactions: one makes the tables, which nobody reads yet, and has them written to the disk at its commit; the other, which
    is short, shows them, as readers wait for its locks until it is committed (0.8 s after 500,000 rows in one transaction [measured]).
    Between them, whatever closes the dataset closes it: withdrawn, its version is shown to the administration; else this is refused.

    Raises
    ------
    LoadStopped, Busy, SetupError, DatabaseUnavailable
        As `failures.named` says; nothing has been changed then.
    """
    dataset = plan.contract.id
    with plan.db.connect("owner", application=f"stadtgrund publish {dataset}") as connection, named(dataset):
        if plan.origin == "load":
            _announce(connection, plan.run)
        _tell(plan, "lock")
        hold_lock(connection, "publish", dataset)
        leftovers.drop(connection, dataset)
        work = _Work(plan, connection)
        with leftovers.dropped_on_failure(connection, dataset):
            for steps in (_MAKING, _SHOWING):
                with connection.transaction():
                    for name, step in steps:
                        _tell(plan, name)
                        step(work)
        leftovers.tidy(connection, dataset, pause=True)
    return work.version, work.states


def _tell(plan: Publication, step: str) -> None:
    if plan.progress:
        plan.progress(step)


def _announce(connection: psycopg.Connection[Any], run: int | None) -> None:
    """Note the backend that publishes, so that the next run can end it should this process die; committed on its own."""
    connection.execute(
        "UPDATE meta.run SET owner_pid = a.pid, owner_start = a.backend_start FROM pg_stat_activity a"
        " WHERE a.pid = pg_backend_pid() AND run = %s",
        (run,),
    )
    connection.commit()


def _draw(work: _Work) -> None:
    """Draw the version under the dataset's lock, so that numbers rise in the order of commits; one that was broken off had it too."""
    closings.refuse_outdated(work.connection, work.plan.contract, work.plan.deployment)
    drawn = "SELECT coalesce(max(version), 0) + 1 FROM meta.version WHERE dataset = %s"
    row = work.connection.execute(drawn, (work.plan.contract.id,)).fetchone()
    assert row is not None  # an aggregate
    work.version = row[0]


def _fill(work: _Work) -> None:
    """Draw the version, and build its table in Hilbert order; a row that is as in the version before keeps its revision."""
    _draw(work)
    if work.plan.source is None or work.table is None:
        return
    contract, before = work.plan.contract, _table_before(work)
    columns = [sql.Identifier("s", field.name) for field in contract.fields]
    if contract.geometry:
        columns.append(sql.Identifier("s", "geom"))
    revision: sql.Composable = sql.SQL("{}::integer").format(sql.Literal(work.version))
    join: sql.Composable = sql.SQL("")
    if before:
        revision = sql.SQL("coalesce(b.sg_revision, {})").format(revision)
        join = sql.SQL(" LEFT JOIN {} b ON b.sg_id = s.sg_id AND b.sg_hash = s.sg_hash").format(sql.Identifier("data", before))
    work.connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier("data", work.table)))  # of one that was broken off
    query = sql.SQL("CREATE TABLE {} AS SELECT {} FROM {} s{} ORDER BY {}").format(
        sql.Identifier("data", work.table),
        sql.SQL(", ").join([sql.SQL("s.sg_id, s.sg_hash"), sql.SQL("{} AS sg_revision").format(revision), *columns]),
        sql.Identifier(*work.plan.source),
        join,
        sql.SQL("s.geom, s.sg_id") if contract.geometry else sql.SQL("s.sg_id"),
    )
    work.connection.execute("SELECT set_config('work_mem', '128MB', true), set_config('maintenance_work_mem', '256MB', true)")
    work.rows = work.connection.execute(query).rowcount
    work.connection.execute(
        sql.SQL("ALTER TABLE {} ALTER sg_id SET NOT NULL, ALTER sg_hash SET NOT NULL, ALTER sg_revision SET NOT NULL").format(
            sql.Identifier("data", work.table)
        )
    )


def _table_before(work: _Work) -> str | None:
    """Return the serving version's table when its ids have the same type, so that rows can be compared."""
    row = work.connection.execute(
        "SELECT table_name, loaded FROM meta.version WHERE dataset = %s AND dropped_at IS NULL ORDER BY version DESC LIMIT 1",
        (work.plan.contract.id,),
    ).fetchone()
    if row is None or row[0] is None:
        return None
    return row[0] if Loaded.model_validate(row[1]).id_field == work.plan.loaded.id_field else None


def _index(work: _Work) -> None:
    """Primary key, indexes, statistics; and ingest may read it, as a join's part."""
    if work.table is None:
        return
    table = ("data", work.table)
    columns = frozenset(field.name for field in work.plan.contract.fields)
    form_tables.index(work.connection, table, work.plan.contract, columns, geometry=work.plan.contract.geometry is not None)
    work.connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(sql.Identifier(*table), sql.Identifier(work.plan.db.role("ingest"))))


def _record(work: _Work) -> None:
    """Write the version's row, and the files of a grid under their final names before the commit that refers to them."""
    facts, dataset = work.plan.facts, work.plan.contract.id
    files = work.plan.files(work.version) if work.plan.files else ()
    work.connection.execute(
        "INSERT INTO meta.version (dataset, version, origin, run, table_name, recipe, source_hash, source_time, operation, accuracy_m,"
        " rows, rows_in, rows_rejected, join_facts, loaded, published_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp())",
        (
            dataset,
            work.version,
            work.plan.origin,
            work.plan.run,
            work.table,
            facts.recipe,
            facts.source_hash,
            facts.source_time,
            facts.operation,
            facts.accuracy_m,
            work.rows,
            facts.rows_in,
            facts.rows_rejected,
            Jsonb(facts.join_facts.model_dump(mode="json")) if facts.join_facts else None,
            Jsonb(work.plan.loaded.model_dump(mode="json", exclude_defaults=True)),
        ),
    )
    if work.plan.source is None:
        extent = Jsonb(facts.extent.model_dump(mode="json", exclude_none=True))
        work.connection.execute(
            "INSERT INTO meta.form (dataset, version, form, definition, count, extent) VALUES (%s, %s, 'full', '', %s, %s)",
            (dataset, work.version, len(files), extent),
        )
    for file in files:
        work.connection.execute(
            "INSERT INTO meta.file (dataset, version, form, name, path, bytes, sha256, media_type)"
            " VALUES (%s, %s, 'full', %s, %s, %s, %s, %s)",
            (dataset, work.version, file.name, file.path, file.bytes, file.sha256, file.media_type),
        )
    if work.plan.origin == "load":
        noted = "UPDATE meta.run SET version = %s, rows_published = %s WHERE run = %s"
        work.connection.execute(noted, (work.version, work.rows, work.plan.run))


def _prepare(work: _Work) -> None:
    """Make the forms aside."""
    if work.table is None:
        return
    plan, facts = work.plan, work.plan.facts
    version = VersionFacts(
        work.version,
        datetime.now(UTC),
        work.table,
        work.rows,
        facts.source_time,
        facts.operation,
        facts.accuracy_m,
        facts.join_facts,
        plan.loaded,
    )
    work.forms = forms.prepare(
        work.connection, plan.db, plan.deployment, plan.contract, version, plan.compile_where, plan.compile_text, plan.compile_tiles
    )


def _settle(work: _Work) -> None:
    """Write version, files and states, switch the views, tell the servers."""
    plan = work.plan
    views.lock_new(work.connection, work.forms or {})
    take_lock(work.connection, "show", plan.contract.id)
    closings.refuse_outdated(work.connection, plan.contract, plan.deployment)
    _record(work)
    states = forms.settle(
        work.connection, plan.db, plan.deployment, plan.contract, plan.compile_where, plan.compile_text, plan.compile_tiles, work.forms
    )
    work.states = tuple(states)


_Steps = tuple[tuple[str, Callable[[_Work], None]], ...]
_MAKING: _Steps = (("table", _fill), ("indexes", _index), ("forms", _prepare))
_SHOWING: _Steps = (("version", _settle),)
