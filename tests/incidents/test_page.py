"""The page in a real browser, while service and answers are hindered: it shows what is open, and truly.

A browser is no client of the harness, so no scenario can guard `page_pulls_what_is_open`: the same checks run
here with the defence off, and have to fail.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("selenium", reason="the tests of the page drive a browser by selenium")

from tests.incidents.browsing import (
    CHROMEDRIVER,
    CHROMIUM,
    POLL_S,
    Browser,
    Service,
    browser,
    service,
    until,
)
from unstuck.campaign import ProcessStage
from unstuck.links.rules import DOWN, UP, Answer

pytestmark = [
    pytest.mark.incidents,
    pytest.mark.process,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not (CHROMIUM and CHROMEDRIVER),
        reason="needs chromium and chromedriver: apt-get install chromium-driver",
    ),
]

DEFENCE = "page_pulls_what_is_open"
NO_ABORT = "AbortController.prototype.abort = () => {}"


@pytest.fixture(scope="module")
def stage() -> Iterator[ProcessStage]:
    with ProcessStage(stop=threading.Event()) as one:
        yield one


@pytest.fixture(scope="module")
def place(stage: ProcessStage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(stage, tmp_path_factory.mktemp("page")) as one:
        yield one


@pytest.fixture(scope="module")
def undefended(stage: ProcessStage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(stage, tmp_path_factory.mktemp("page"), (DEFENCE,)) as one:
        yield one


@pytest.fixture
def at(place: Service, request: pytest.FixtureRequest) -> Service:
    """The service; in tests that say `defended` False, the one whose page is not."""
    callspec = getattr(request.node, "callspec", None)
    defended = callspec is None or callspec.params.get("defended", True)
    return place if defended else request.getfixturevalue("undefended")


@pytest.fixture
def window(at: Service) -> Iterator[Browser]:
    with browser(at) as one:
        one.sign_in()
        yield one


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Begins the projects of one test: a run is shared by many."""
    return str(abs(hash(request.node.name)) % 10**6)


@pytest.mark.parametrize("aborted", [True, False], ids=["request ends", "answer comes"])
@pytest.mark.parametrize("defended", [True, False], ids=["defended", "defence off"])
def test_a_late_answer_for_a_leaves_the_view_of_b(
    at: Service, window: Browser, name: str, defended: bool, aborted: bool
) -> None:
    """1. An answer for A is on its way. 2. The user opens B. 3. It comes, and B is shown all the time."""
    a, b = f"a-{name}", f"b-{name}"
    in_a, in_b = at.start(a), at.start(b)
    window.go(a)
    window.shows(in_a, "stage captions")
    if not aborted:
        window.driver.execute_script(NO_ABORT)
    at.hold_answer(f"late {name}", f"name={a}")
    at.seen(f"late {name}", "held")
    window.choose(b)
    titles = window.watch_titles()
    at.release(f"late {name}")
    at.seen(f"late {name}", "done")
    at.finish(in_b)
    until("the end of B's job is seen", lambda: "succeeded" in window.jobs.get(in_b, "") or a in titles())
    stays = set(titles()) == {b} and set(window.jobs) == {in_b}
    assert stays is defended, titles()
    at.finish(in_a)


@pytest.mark.parametrize("defended", [True, False], ids=["defended", "defence off"])
def test_nothing_is_asked_about_what_is_not_open(
    at: Service, window: Browser, name: str, defended: bool
) -> None:
    """Once B is open, no request is about A, although its job runs."""
    a, b = f"a-{name}", f"b-{name}"
    in_a, in_b = at.start(a), at.start(b)
    window.go(a)
    window.shows(in_a, "stage captions")
    window.choose(b)
    window.shows(in_b, "stage captions")
    window.forget_requests()
    until("five looks at B", lambda: sum(f"name={b}" in url for _, url in window.requests()) >= 5)
    asked = {url for _, url in window.requests() if f"name={a}" in url}
    assert (not asked) is defended, asked
    at.finish(in_a)
    at.finish(in_b)


def test_whoever_comes_back_sees_the_true_state(at: Service, window: Browser, name: str) -> None:
    """A's job ends while B is open; going back, by a click or the browser's button, shows that it has."""
    a, b = f"a-{name}", f"b-{name}"
    in_a, in_b = at.start(a), at.start(b)
    window.go(a)
    window.shows(in_a, "stage captions")
    window.choose(b)
    at.finish(in_a)
    window.driver.back()
    window.shows(in_a, "succeeded")
    window.choose(b)
    window.shows(in_b, "stage captions")
    window.choose(a)
    window.shows(in_a, "succeeded")
    at.finish(in_b)


def test_a_browser_that_is_opened_again_sees_the_true_state(at: Service, window: Browser, name: str) -> None:
    """The session outlives the browser, and the page knows nothing that the service does not."""
    job = at.start(name)
    window.go(name)
    window.shows(job, "stage captions")
    window.close()
    at.finish(job)
    window.open()
    window.go(name)
    assert window.title == name
    window.shows(job, "succeeded")


def test_the_page_outlives_the_api(at: Service, window: Browser, name: str) -> None:
    """The API dies and comes back: the page says so, goes on by itself, and shows what happened meanwhile."""
    job = at.start(name)
    window.go(name)
    window.shows(job, "stage captions")
    at.running.link_state("browser.api", DOWN)  # else it is back before the page has asked
    at.world.signal("api-1", "SIGKILL")
    until("the page says that nobody answers", lambda: "No answer" in window.note)
    at.finish(job)
    at.running.link_state("browser.api", UP)
    window.shows(job, "succeeded")
    assert window.title == name
    until("nothing is the matter any more", lambda: not window.note)


def test_the_page_comes_again_when_it_is_asked_to(at: Service, window: Browser, name: str) -> None:
    """A 503 with Retry-After is kept to, and said."""
    job = at.start(name)
    window.go(name)
    window.shows(job, "stage captions")
    window.forget_requests()
    refusal = Answer(status=503, headers={"Retry-After": "3"}, body="{}")
    at.arm(f"busy {name}", "GET /web/rows", refusal, about=f"name={name}")
    at.seen(f"busy {name}", "done")
    until("it is said", lambda: "takes no requests now (503). Next try in 3 s." in window.note)
    until("the page looks again", lambda: len(window.waits_after(503)) > 0)
    assert 3.0 <= window.waits_after(503)[0] < 30  # 3 s, and what a busy machine adds
    until("it is over", lambda: not window.note)
    at.finish(job)


def test_two_jobs_at_once_stay_apart(at: Service, window: Browser, name: str) -> None:
    """One ends while the other stands: each shows its own, in one project and in two."""
    a, b = f"a-{name}", f"b-{name}"
    first, second, other = at.start(a), at.start(a), at.start(b)
    window.go(a)
    window.shows(first, "stage captions")
    window.shows(second, "stage captions")
    at.finish(first)
    window.shows(first, "succeeded")
    assert "stage captions" in window.jobs[second]
    window.choose(b)
    assert set(window.jobs) == {other}
    at.finish(second)
    assert "stage captions" in window.jobs[other]
    at.finish(other)
    window.shows(other, "succeeded")


def test_a_new_job_appears(at: Service, window: Browser, name: str) -> None:
    """What is announced while its project is open comes up by itself, at the top."""
    first = at.start(name)
    window.go(name)
    window.shows(first, "stage captions")
    second, _ = at.announce(name)
    window.shows(second, "awaits its upload")
    assert list(window.jobs) == [second, first]
    until("the sum", lambda: "2 jobs" in window.driver.page_source)
    at.finish(first)


def test_only_rows_on_screen_are_asked_for(at: Service, window: Browser, name: str) -> None:
    """Of a long list no row is pulled that nobody sees, until somebody scrolls to it."""
    jobs = [at.announce(name)[0] for _ in range(30)]
    window.go(name)
    until("all are shown", lambda: len(window.jobs) == len(jobs))

    def asked(job: str) -> bool:
        return any("/web/rows" in url and job in url for _, url in window.requests())

    until("the newest is asked for", lambda: asked(jobs[-1]))
    assert not asked(jobs[0])
    window.driver.execute_script("scrollTo(0, document.body.scrollHeight)")
    window.forget_requests()
    until("the oldest is asked for", lambda: asked(jobs[0]))


def test_a_row_that_comes_into_sight_is_asked_for_at_once(at: Service, window: Browser, name: str) -> None:
    """Also while the page, with nothing in sight that may change, has put off its next look by seconds."""
    job = at.announce(name)[0]
    at.end([at.announce(name)[0] for _ in range(30)])
    window.go(name)

    def idles() -> bool:
        began = [start_s for start_s, url in window.requests() if "/web/rows" in url]
        return len(began) > 1 and began[-1] - began[-2] > 20 * POLL_S

    until("the page looks seldom", idles)
    waited_s = window.scroll_to(job)
    assert waited_s < 10 * POLL_S  # the next look was due after twice the last wait


def test_an_object_store_that_hangs_stops_no_pull(at: Service, window: Browser, name: str) -> None:
    """The service is asked to reconcile, and has not answered: what is on screen is pulled all the same."""
    job = at.start(name)
    at.hold_answer(f"hang {name}", f"name={name}", "POST /web/reconcile*")
    window.go(name)
    at.seen(f"hang {name}", "held")
    at.finish(job)
    window.shows(job, "succeeded")
    at.release(f"hang {name}")


def test_a_window_that_nobody_sees_asks_for_nothing(at: Service, window: Browser, name: str) -> None:
    """Hidden, it stops; seen again, it looks at once."""
    job = at.start(name)
    window.go(name)
    window.shows(job, "stage captions")
    hidden_at = window.driver.execute_script(
        """Object.defineProperty(document, "hidden", {get: () => window.unseen, configurable: true});
        window.unseen = true; document.dispatchEvent(new Event("visibilitychange"));
        return performance.now() / 1000;"""
    )
    window.driver.set_script_timeout(60)
    window.driver.execute_async_script("setTimeout(arguments[1], arguments[0])", 10 * POLL_S * 1000)
    assert [url for at_s, url in window.requests() if at_s > hidden_at] == []
    at.finish(job)
    window.driver.execute_script(
        "window.unseen = false; document.dispatchEvent(new Event('visibilitychange'))"
    )
    window.shows(job, "succeeded")


def test_opening_a_project_takes_an_upload_that_is_there(at: Service, window: Browser, name: str) -> None:
    """Nobody completed it, no notification came, no sweeper looks: whoever opens the project has it taken."""
    at.running.ability("notifications_off", {})
    job, url = at.announce(name)
    at.put(url)
    assert at.state_of(job) == "awaiting_upload"
    window.go(name)
    window.shows(job, "succeeded")


def test_opening_a_project_announces_a_job_whose_event_was_lost(
    at: Service, window: Browser, name: str
) -> None:
    """The queue never had its event: no worker hears of it before somebody opens the project."""
    at.arm(f"swallow {name}", "AmazonSQS.SendMessage*", Answer(), link="relay.queue")
    job = at.submit(name)
    at.seen(f"swallow {name}", "done")
    assert at.state_of(job) == "queued"

    def opened() -> bool:
        window.go(name)
        return at.state_of(job) != "queued"

    until("it is on its way", opened)
    window.shows(job, "succeeded")
