"""`python -m demo`: what it says and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.__main__ import main


def test_writes_the_city_and_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "neu"), "--scale", "0.02", "--seed", "7"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "gebaeude" in said.err
    assert (tmp_path / "neu" / "liegenschaften.gpkg").is_file()


@pytest.mark.parametrize("option", [["--scale", "0"], ["--scale", "1.5"], ["--seed", "-1"], ["--seed", "x"]])
def test_refuses_what_is_not_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "neu"), *option])
    assert ended.value.code == 2
    assert option[0] in capsys.readouterr().err
    assert not (tmp_path / "neu").exists()


def test_says_when_the_folder_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken = tmp_path / "datei"
    taken.write_text("")
    assert main([str(taken), "--scale", "0.02"]) == 1
    assert str(taken) in capsys.readouterr().err
