"""What runs in each process of the server: logging, the watch over the parent, the application."""

from __future__ import annotations

__all__ = ["application", "end_with_parent"]

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time

from server.app import App, create_app
from stadtgrund.settings import Settings

_LOOK_S = 0.5
_GRACE_S = 10.0


def application() -> App:
    """Return the application of this worker; the settings are in the environment."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Nothing of these stands in a line; asking for them costs more than the rest of it.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.logAsyncioTasks = False  # type: ignore[attr-defined]  # documented, and missing in the stubs
    # It reports each 404 as an error; ours is the access line.
    logging.getLogger("pygeoapi").setLevel(logging.CRITICAL)
    end_with_parent()
    return create_app(Settings.from_environment())


def end_with_parent() -> None:
    """End this process when its parent is gone: granian's workers outlive a parent that was killed, and keep the port."""
    starter = multiprocessing.parent_process()
    # Who started us, even when it died before we came so far: getppid() would then name its heir.
    parent = starter.pid if starter else os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE_S)
        os._exit(1)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
