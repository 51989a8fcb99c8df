"""Lines of the log: those with a record and those without look alike, and none is lost."""

from __future__ import annotations

import io
import logging
import re
import threading

import pytest

from server.loglines import LineHandler, one_line

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO server\.layers: GET / 200")


def record(message: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("server.layers", level, __file__, 0, message, None, None)


def test_both_kinds_of_line_look_alike() -> None:
    stream = io.StringIO()
    handler = LineHandler(stream)
    handler.handle(record("GET / 200"))
    handler.take("server.layers", "GET / 200")
    handler.flush()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2 and all(LINE.fullmatch(line) for line in lines)


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("/collections/Straße", "/collections/Straße"),
        ("/nix\nFAKE", "/nix\\nFAKE"),
        ("a\r\0\x1b[31m", "a\\r\\x00\\x1b[31m"),
        ("\u2028\u2029\x85\x9b", "\\u2028\\u2029\\x85\\x9b"),
        ("\ud800", "\\ud800"),
    ],
)
def test_nobody_writes_a_line_of_his_own(sent: str, written: str) -> None:
    assert one_line(sent) == written
    stream = io.StringIO()
    handler = LineHandler(stream)
    handler.handle(record(f"GET {sent}", logging.ERROR))
    assert stream.getvalue().endswith(f"GET {written}\n") and len(stream.getvalue().splitlines()) == 1


def test_a_warning_takes_what_waits_with_it() -> None:
    stream = io.StringIO()
    handler = LineHandler(stream)
    handler.take("server.layers", "before")
    handler.handle(record("now", logging.WARNING))
    assert [line.rsplit(": ")[-1] for line in stream.getvalue().splitlines()] == ["before", "now"]


def test_no_line_is_lost_between_threads() -> None:
    stream = io.StringIO()
    handler = LineHandler(stream)

    def write(name: str) -> None:
        for number in range(5000):
            handler.take(name, str(number))

    threads = [threading.Thread(target=write, args=(f"t{index}",)) for index in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        handler.flush()
    for thread in threads:
        thread.join()
    handler.flush()
    lines = [line.split(" INFO ")[1] for line in stream.getvalue().splitlines()]
    assert sorted(lines) == sorted(f"t{index}: {number}" for index in range(4) for number in range(5000))
