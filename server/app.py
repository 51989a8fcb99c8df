"""`create_app(settings)`: the ASGI application, its layers in one visible order and its routes in one table."""

from __future__ import annotations

__all__ = ["App", "create_app"]

import asyncio
import logging

from starlette.routing import Route, Router

from server.answer import Answer, ASGIApp, Receive, Scope, Send
from server.auth import AuthLayer, KeyRing
from server.call import Endpoint, Handler
from server.city import City
from server.compression import CompressionLayer
from server.connections import Connections
from server.dispatch import Dispatcher
from server.documents import Documents
from server.doors import Doors, static
from server.downloads import Downloads
from server.errorpages import ErrorPage
from server.execution import Execution
from server.files import Files
from server.forwarded import Forwarding
from server.host import Profile
from server.items import Items
from server.job_store import JobStore
from server.jobs import JobDoor, Jobs
from server.layers import CorsLayer, HeadLayer, LimitsLayer, LogLayer, PathLayer, ProblemLayer
from server.openapi import OpenApi
from server.openapi_processes import process_paths
from server.pages import Pages
from server.planner import Planner
from server.processes import Processes
from server.references import References
from server.styling import Styling
from server.tile_cache import TileCache
from server.tile_dataset import DatasetTiles
from server.tile_hot import HotLayer
from server.tiles import Tiles
from server.tilesets import Tilesets
from stadtgrund import identity
from stadtgrund.errors import NotFound, StadtgrundError
from stadtgrund.identity import Principal
from stadtgrund.settings import Settings
from stadtgrund.store.database import Database
from stadtgrund.store.shelf import Shelf

log = logging.getLogger(__name__)

PROFILES = (identity.OPEN, identity.VERWALTUNG)
_JOB_CONNECTIONS = 2
"""A profile, open while there are jobs."""


class App:
    """The application. Pools open with the first request of their profile, that of `open` at start when the database is there."""

    def __init__(self, settings: Settings) -> None:
        city = City.read(settings.deployment.config)
        database = Database.open(settings, settings.deployment.name, start=False)
        base_url = settings.server.public_url
        size = settings.database.pool_max
        self.profiles = {name: Profile(name, Connections.of(database, name, size), city, base_url) for name in PROFILES}
        self.dispatcher = Dispatcher()
        pages = Pages(city.templates)
        documents = Documents(self.dispatcher, pages)
        tilesets = Tilesets(documents)
        self.items = items = Items(pages)
        tile_cache = TileCache(database.paths.tiles / database.name, settings.tiles.max_bytes)
        self.tiles = tiles = Tiles(tile_cache, self.profiles.values)
        dataset_tiles = DatasetTiles(tiles)
        doors = Doors(documents)
        self.downloads = Downloads(settings, Shelf.of(database, settings.downloads.max_bytes))
        documents.enclosures = self.downloads.links
        for profile in self.profiles.values():
            profile.changed += [tiles.changed, self.downloads.renewing.changed]
        files = Files(database.paths.files, self.downloads.file)
        self.processes = Processes(documents, settings)
        stores = {name: JobStore(name, database.pool(name, _JOB_CONNECTIONS, kept=False, writes=True)) for name in PROFILES}
        forwarding = Forwarding(settings.server.proxies, base_url)
        references = References(self._routed, base_url)
        looking = self.profiles[identity.OPEN]
        self.jobs = jobs = Jobs(pages, self.processes, references, stores, looking, forwarding, listed=settings.jobs.listed)
        openapi = OpenApi(documents, process_paths(self.processes.offered))
        planner = Planner(city, settings.deployment.config, self.processes)
        styling = Styling(city, documents, planner.file)
        documents.more_links += [tilesets.links, self.processes.links, jobs.links, styling.links]

        def route(path: str, handler: Handler) -> Route:
            return Route(path, Endpoint(handler, self.profiles))

        collection = "/collections/{dataset}"
        matrix_set = collection + "/tiles/{tms}"
        self.routes = [
            # What is asked most stands first: the router goes through them in order.
            route(matrix_set + "/{z}/{y}/{x}", tiles.tile),
            route("/tiles/{tms}/{z}/{y}/{x}", dataset_tiles.tile),
            route(collection + "/items", items.page),
            route(collection + "/items/{fid:path}", items.item),
            route("/", documents.landing),
            route("/conformance", documents.conformance),
            route("/api", openapi.document),
            route("/openapi", openapi.document),
            route("/collections", documents.collections),
            route(collection, documents.collection),
            route(collection + "/schema", documents.schema),
            route(collection + "/queryables", documents.queryables),
            route(collection + "/sortables", documents.sortables),
            route(collection + "/api", openapi.collection),
            route(collection + "/files/{name}", files.file),
            route(collection + "/download", self.downloads.excerpt),
            route(collection + "/tiles", tilesets.of_collection),
            route(matrix_set, tilesets.tileset),
            route(matrix_set + "/metadata", tilesets.metadata),
            route("/tiles", tilesets.of_dataset),
            route("/tiles/{tms}", tilesets.dataset_tileset),
            route("/tiles/{tms}/metadata", tilesets.dataset_metadata),
            route("/tileMatrixSets", tilesets.matrix_sets),
            route("/tileMatrixSets/{tms}", tilesets.matrix_set),
            route("/styles", styling.styles),
            route("/styles/{dataset}", styling.style),
            route("/processes", self.processes.processes),
            route("/processes/{process}", self.processes.process),
            Route("/processes/{process}/execution", Execution(self.processes, jobs, references, self.profiles)),
            route("/jobs", jobs.listed),
            Route("/jobs/{job}", JobDoor(jobs, self.profiles)),
            route("/jobs/{job}/results", jobs.results),
            route("/viewer", planner.page),
            route("/viewer/config.json", planner.config),
            route("/viewer/vendor/{name}", planner.vendor),
            route("/viewer/{name}", planner.asset),
            route("/qgis.qgz", styling.project),
            route("/start/{door}", doors.door),
            route("/static/{name}", static),
            route("/favicon.ico", static),
        ]
        # Outermost first, as a request passes them. Lifespan events end in `__call__`.
        self._router = Router(self.routes, redirect_slashes=False, default=_nowhere)
        keys = KeyRing(self._principal)
        app: ASGIApp = AuthLayer(self._router, keys)
        app = LimitsLayer(app)
        app = PathLayer(app, settings.server.base_path)
        app = ProblemLayer(app, ErrorPage(pages, city, base_url))
        app = HeadLayer(CompressionLayer(app))
        app = CorsLayer(app)
        logged = LogLayer(app, forwarding)
        self._layers: ASGIApp = HotLayer(logged, keys) if settings.tiles.max_bytes else logged

    async def _routed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of our own, inside the layers."""
        await self._router(scope, receive, send)

    async def _principal(self, digest: str) -> Principal | None:
        """Ask the database whose key has this SHA-256."""
        open_ = self.profiles[identity.OPEN]
        await open_.start()
        async with open_.connection() as connection, connection.cursor() as cursor:
            await cursor.execute("SELECT label, profile FROM sg.principal(%s)", (digest,))
            row = await cursor.fetchone()
        return Principal(*row) if row and row[1] in self.profiles else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or the start and end of the process."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._layers(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.startup()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    async def startup(self) -> None:
        """Open the pool of `open` and read its state; without a database the server starts all the same and answers 503."""
        self.downloads.startup()
        self.jobs.start()
        try:
            await self.profiles[identity.OPEN].snapshot()
        except StadtgrundError as error:
            log.warning("started without a database: %s", error)

    async def shutdown(self) -> None:
        """End jobs, the children of processes and the polling, close the pools and the executor."""
        await self.jobs.close()
        await self.processes.close()
        await self.downloads.close()
        await self.tiles.close()
        await self.items.counts.close()
        await asyncio.gather(*(profile.close() for profile in self.profiles.values()))
        self.dispatcher.close()


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    if (scope["method"], scope["path"]) == ("OPTIONS", "*"):  # RFC 9110, 9.3.7: the server as a whole
        await Answer(204, None, None, (("allow", "GET, HEAD, POST, DELETE, OPTIONS"),))(scope, receive, send)
        return
    raise NotFound(f"There is nothing at {scope['path']!r}.", remedy="The landing page links all there is.")


def create_app(settings: Settings) -> App:
    """Return the ASGI application of a deployment.

    Raises
    ------
    ContractError
        deployment.yml or server.yml is wrong.
    SetupError, DatabaseUnavailable
        The database is not set up, or not reachable at start.
    """
    return App(settings)
