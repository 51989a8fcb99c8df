"""`python -m demo OUT [--seed 1] [--scale 1.0]` writes the files of Musterstadt."""

from __future__ import annotations

__all__ = ["main"]

import argparse
import sys
import time
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Build the city and write it; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description="Schreibt die Dateien der Demostadt Musterstadt.")
    parser.add_argument("out", type=Path, metavar="OUT", help="Ordner, in den geschrieben wird")
    parser.add_argument("--seed", type=int, default=1, help="Startwert; gleicher Wert, gleiche Stadt (Vorgabe 1)")
    parser.add_argument("--scale", type=float, default=1.0, help="Anteil an der Fläche der ganzen Stadt, 0.02 bis 1 (Vorgabe 1)")
    given = parser.parse_args(arguments)
    if not 0.02 <= given.scale <= 1:
        parser.error(f"--scale {given.scale}: erlaubt ist 0.02 bis 1.")
    if given.seed < 0:
        parser.error(f"--seed {given.seed}: erlaubt ist eine ganze Zahl ab 0.")
    from demo.city import build
    from demo.write import write_city

    start = time.perf_counter()
    try:
        counts = write_city(build(given.seed, given.scale), given.out, given.seed)
    except OSError as error:
        print(f"{given.out} lässt sich nicht beschreiben: {error.strerror or error}. Bitte einen anderen Ordner angeben.", file=sys.stderr)
        return 1
    rows = ", ".join(f"{name} {count}" for name, count in counts.items())
    print(f"Musterstadt in {given.out}: {rows} ({time.perf_counter() - start:.1f} s)", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
