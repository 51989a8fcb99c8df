"""`python -m cli`: the `stadtgrund` command without its script."""

from __future__ import annotations

__all__: list[str] = []

from cli.main import main

main()
