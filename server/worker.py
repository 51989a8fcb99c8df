"""What runs in each process of the server: logging, the watch over the parent, the application."""

from __future__ import annotations

__all__ = ["application", "end_with_parent", "keep_freed_memory"]

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time

from server.app import App, create_app
from server.loglines import LineHandler
from stadtgrund.settings import Settings

_LOOK_S = 0.5
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_GRACE_S = 10.0


def application() -> App:
    """Return the application of this worker; the settings are in the environment."""
    logging.basicConfig(level=logging.INFO, handlers=[LineHandler(sys.stderr)])
    # Nothing of these stands in a line; asking for them costs more than the rest of it.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.logAsyncioTasks = False  # type: ignore[attr-defined]  # documented, and missing in the stubs
    # It reports each 404 as an error; ours is the access line.
    logging.getLogger("pygeoapi").setLevel(logging.CRITICAL)
    end_with_parent()
    keep_freed_memory()
    return create_app(Settings.from_environment())


def keep_freed_memory() -> None:
    """Keep up to 16 MiB of what was freed for the next answer, and give back at once what was larger than 4 MiB (glibc only).

    By default each page of a megabyte is new memory, whose pages the kernel must first hand out: 1.5 of 4 ms of CPU a page [measured].
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 4 * 2**20)
        mallopt(_M_TRIM_THRESHOLD, 16 * 2**20)


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
        logging.shutdown()
        os._exit(1)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
