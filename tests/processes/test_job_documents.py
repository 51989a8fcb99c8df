"""What is told of jobs and their results, in which form, and how lists go on."""

from __future__ import annotations

import httpx
import pytest
from support.jobs import KEYED, ended, execute, get, keyed, one
from support.served import City


def test_the_next_page_of_jobs_can_be_followed(api: str) -> None:
    for _ in range(2):
        ended(keyed, execute(api, "echo", {"inputs": {}}, job=True, headers=KEYED).headers["location"])
    page = keyed(f"{api}/jobs?f=html&limit=1&lang=de").text
    before, _, _ = page.partition("Nächste Seite</a>")
    href = before.rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    answer = keyed(href)
    assert answer.status_code == 200, (href, answer.text[:300])


def test_a_refused_removal_removes_nothing(api: str) -> None:
    location = execute(api, "echo", {"inputs": {}}, job=True).headers["location"]
    ended(get, location)
    refused = httpx.delete(f"{location}?lang=fr", trust_env=False)
    assert refused.status_code == 200 or get(location).status_code == 200, "400, and the job is gone"


def test_the_error_of_a_job_is_a_page_for_who_asks_for_one(api: str) -> None:
    location = execute(api, "construction_overlay", {"inputs": {"baustelle": "weg"}}, job=True).headers["location"]
    ended(get, location)
    url = f"{api}/processes/construction_overlay/execution"
    waited = httpx.post(url, json={"inputs": {"baustelle": "weg"}}, headers={"accept": "text/html"}, timeout=60, trust_env=False)
    kept = get(f"{location}/results", accept="text/html")
    assert waited.headers["content-type"].startswith("text/html") and waited.status_code == kept.status_code == 404
    assert kept.headers["content-type"].startswith("text/html"), kept.headers["content-type"]


def test_a_format_that_there_is_not_is_refused(api: str) -> None:
    location = execute(api, "echo", {"inputs": {}}, job=True).headers["location"]
    ended(get, location)
    assert get(f"{location}?f=quatsch").status_code == 400
    assert get(f"{location}/results?f=quatsch").status_code == 400
    assert (
        get(f"{location}/results?f=html").headers["content-type"].startswith("text/html")
        or get(f"{location}/results?f=html").status_code == 400
    )


def test_an_error_that_is_kept_does_not_say_to_come_again(api: str, planted: City) -> None:
    """Who waits is told to with Retry-After; what is kept stays as it is."""
    number = one(
        planted,
        "INSERT INTO meta.job (profile, process, status, started, finished, epoch, problem) SELECT 'open', 'echo', 'failed', now(), now(),"
        """ epoch, '{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"zu lange"}'"""
        " FROM meta.job_epoch WHERE profile = 'open' RETURNING job",
    )
    answer = get(f"{api}/jobs/{number}/results")
    assert (answer.status_code, answer.json()["detail"]) == (503, "zu lange") and "retry-after" not in answer.headers


def test_times_at_the_edges(api: str) -> None:
    for moment in ("0001-01-01", "9999-12-31", "../9999-12-31", "0001-01-01/..", "2024-06-01T00:00:60Z", "2020-01-01/P1Y"):
        answer = keyed(f"{api}/jobs?datetime={moment}")
        assert answer.status_code in (200, 400), (moment, answer.status_code, answer.text)


@pytest.mark.parametrize("path", ["/jobs/0642062f-ad40-4ddd-8585-87257c659252", "/jobs"])
def test_head_and_caches(api: str, path: str) -> None:
    answer, head = get(f"{api}{path}"), httpx.head(f"{api}{path}", trust_env=False)
    assert answer.status_code == head.status_code and head.content == b"" and answer.headers["cache-control"].endswith("no-store")
    assert head.headers["content-length"] == answer.headers["content-length"]
    assert "etag" not in answer.headers


def test_the_list_links_itself_as_it_was_asked(api: str) -> None:
    answer = keyed(f"{api}/jobs?limit=1&status=successful").json()
    (own_link,) = (link["href"] for link in answer["links"] if link["rel"] == "self")
    assert "status=successful" in own_link
