"""Execute requests: what makes no answer, and what is told at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from support.jobs import KEYED, execute, get, keyed


def test_one_request_of_many_numbers_does_not_stop_the_server(api: str) -> None:
    """jsonschema looks at each of half a million numbers in the event loop: nobody else is answered meanwhile."""
    body = b'{"inputs":{"numbers":[' + b",".join([b"1"] * 500_000) + b"]}}"
    assert len(body) < 1024 * 1024
    get(f"{api}/conformance?f=json")
    slowest, done = 0.0, threading.Event()

    def look() -> None:
        nonlocal slowest
        while not done.is_set():
            began = time.monotonic()
            get(f"{api}/conformance?f=json")
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.02)

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        time.sleep(0.2)
        execute(api, "echo", body)
        done.set()
        looking.result()
    assert slowest < 1, f"another request waited {slowest:.1f} s"


def test_depth_is_that_of_the_json_and_not_of_its_texts(api: str) -> None:
    """Closing brackets in a text make room for as many open ones: the parser recurses all the same."""
    deep = 200_000
    body = b'{"inputs":{"message":"' + b"]" * deep + b'","content":' + b"[" * deep + b"]" * deep + b"}}"
    answer = execute(api, "echo", body)
    assert answer.status_code == 400, (answer.status_code, answer.text[:200])
    texts = execute(api, "echo", {"inputs": {"message": "[" * 41}})
    assert texts.status_code == 200, texts.text  # and a text may hold as many as it likes


@pytest.mark.parametrize("job", [False, True])
def test_a_number_that_is_no_number_of_json(api: str, job: bool) -> None:
    """1e999 becomes infinity, which no answer can say."""
    answer = execute(api, "echo", b'{"inputs":{"content":{"a":1e999}}}', job=job)
    assert answer.status_code == 400, (answer.status_code, answer.text)


def test_a_request_that_is_refused_makes_no_job(api: str) -> None:
    before = {job["jobID"] for job in keyed(f"{api}/jobs?limit=1000").json()["jobs"]}
    refused = execute(api, "echo", {"inputs": {}}, job=True, headers=KEYED)
    after = {job["jobID"] for job in keyed(f"{api}/jobs?limit=1000").json()["jobs"]}
    assert refused.status_code == 201 or after == before, "refused with 400, and made all the same: nobody knows its address"


def test_a_preference_is_not_found_in_the_text_of_another(api: str) -> None:
    answer = httpx.post(
        f"{api}/processes/echo/execution", json={"inputs": {}}, headers={"prefer": 'note="later, respond-async"'}, trust_env=False
    )
    assert answer.status_code == 200


def test_a_page_of_processes_leads_to_the_next(api: str) -> None:
    answer = get(f"{api}/processes?limit=1").json()
    assert len(answer["processes"]) == 2 or any(link["rel"] == "next" for link in answer["links"])


@pytest.mark.parametrize(("numbers", "status"), [(3, 400), (4, 200), (5, 400), (6, 200), (7, 400), (100_000, 400)])
def test_a_box_has_four_numbers_or_six(api: str, numbers: int, status: int) -> None:
    assert execute(api, "echo", {"inputs": {"box": {"bbox": [1] * numbers}}}).status_code == status
