"""A small deployment folder, written as text, and the language of its messages."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.catalog_folder import CITY, Folder


@pytest.fixture(autouse=True)
def german(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are asserted in German unless a test says otherwise."""
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Write a deployment folder: datasets by name, other files by path."""

    def write(city: str = CITY, files: dict[str, str] | None = None, **datasets: str) -> Path:
        root = tmp_path / "teststadt"
        (root / "datasets").mkdir(parents=True, exist_ok=True)
        (root / "deployment.yml").write_text(city, encoding="utf-8")
        for name, text in datasets.items():
            (root / "datasets" / f"{name}.yaml").write_text(text, encoding="utf-8")
        for name, text in (files or {}).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        return root

    return write
