"""A real browser in front of the service: jobs that stand where a test wants them, answers that wait."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psycopg
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By

from unstuck.campaign import ProcessStage
from unstuck.clock import monotonic_ns, sleep
from unstuck.links.rules import Action, Hold
from unstuck.plan import make_plan
from unstuck.scenario import OnMessage
from unstuck.scenario_file import loads
from unstuck.targets.port import PointReached
from unstuck.targets.reference import catalogue
from unstuck.targets.reference.places import TOKEN
from unstuck.worlds.port import ProcessEvent, ProcessSpec, Restart, World
from unstuck.worlds.process.ports import free_port

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
WITHIN_S = 60.0
LOOK_EVERY_S = 0.05
POLL_S = 0.2
STAGE = "captions"  # where jobs that are held stand
POINT = "worker.stage.started"
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-dev-shm-usage",
)
# Nothing else brings back what a page that is opened should.
SERVICE = f"""
name: page
summary: A page is looked at.
settings:
  page_poll_s: {POLL_S}
  stage_timeout_s: 300
  job_timeout_s: 300
  upload_deadline_s: 600
  sweep_every_s: 600
  reconcile_after_s: 1
  instance_dead_after_s: 60
workload:
  - upload: {{count: 1}}
expect:
  no_job_lost: {{}}
"""


def until(what: str, holds: Callable[[], Any], within_s: float = WITHIN_S) -> Any:
    """What `holds` returned once it was true; fails after `within_s`, naming `what`."""
    deadline_ns = monotonic_ns() + int(within_s * 1e9)
    while True:
        try:
            found = holds()
        except StaleElementReferenceException:  # it was replaced between two looks
            found = None
        if found:
            return found
        assert monotonic_ns() < deadline_ns, f"not within {within_s:g} s: {what}"
        sleep(LOOK_EVERY_S)


class Gate:
    """Jobs that stand at the beginning of a stage until they are let go."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._standing: dict[str, PointReached] = {}
        self._changed = threading.Condition()

    def hold(self, job: str) -> None:
        self._held.add(job)

    def on_point(self, reached: PointReached) -> None:
        with self._changed:
            if reached.job in self._held and reached.facts.get("stage") == STAGE:
                self._standing[reached.job] = reached
                self._changed.notify_all()
                return
        reached.answer({"do": "go"})

    def wait(self, job: str) -> None:
        """Until it stands there."""
        with self._changed:
            assert self._changed.wait_for(lambda: job in self._standing, WITHIN_S), (
                f"{job} came to no {STAGE}"
            )

    def let_go(self, job: str) -> None:
        with self._changed:
            self._held.discard(job)
            self._standing.pop(job).answer({"do": "go"})


class Service:
    """The service in a run of its own, with a link between it and the browser."""

    def __init__(
        self, running: Any, world: World, gate: Gate, events: list[tuple[str, Mapping[str, Any]]]
    ) -> None:
        self.running, self.world, self.gate, self.events = running, world, gate, events
        self._numbers = iter(range(1, 1000))
        host, port = running._links.open(
            "browser-1", "api", ("127.0.0.1", running._api_ports["api-1"]), "http1"
        )
        self.url = f"http://{host}:{port}"

    def announce(self, project: str) -> tuple[str, str]:
        """A job that awaits its upload, and where that goes."""
        client = f"film-{next(self._numbers):02d}"
        values = {"client": client, "tag": project, "video": "tiny.mp4"}
        reply = self.running.call("initiate_upload", values)
        assert reply.phase == "ok", reply
        return str(reply.data["job"]), str(reply.data["url"])

    def put(self, url: str) -> None:
        assert self.running.call("put_object", {"url": url, "video": "tiny.mp4"}).phase == "ok"

    def submit(self, project: str) -> str:
        """A job that is on its way to its end."""
        job, url = self.announce(project)
        self.put(url)
        assert self.running.call("complete_upload", {"job": job}).phase == "ok"
        return job

    def start(self, project: str) -> str:
        """A job that stands at the beginning of a stage."""
        job, url = self.announce(project)
        self.gate.hold(job)
        self.put(url)
        assert self.running.call("complete_upload", {"job": job}).phase == "ok"
        self.gate.wait(job)
        return job

    def state_of(self, job: str) -> str:
        """By the row itself."""
        with psycopg.connect(self.running._places.database_url, autocommit=True) as connection:
            row = connection.execute("SELECT state FROM jobs WHERE id = %s", (job,)).fetchone()
        assert row is not None
        return str(row[0])

    def finish(self, job: str) -> None:
        """Lets a job that stands go on to its end."""
        self.gate.let_go(job)
        self.ends(job)

    def ends(self, job: str) -> None:
        until(f"{job} succeeds", lambda: self.state_of(job) == "succeeded")

    def end(self, jobs: Sequence[str]) -> None:
        """As if they had been cancelled."""
        with psycopg.connect(self.running._places.database_url, autocommit=True) as connection:
            connection.execute("UPDATE jobs SET state = 'cancelled' WHERE id = ANY(%s)", (list(jobs),))

    def arm(
        self, rule: str, message: str, action: Action, *, about: str = "", link: str = "browser.api"
    ) -> None:
        """Acts on the next such message: on its reply if that is to be held, else on the request."""
        on = "reply" if isinstance(action, Hold) else "request"
        when = OnMessage(link=link, message=message, contains=about or None, on=on)  # type: ignore[arg-type]  # one of two words, which a conditional expression hides
        self.running.arm_message(rule, when, action)

    def hold_answer(self, rule: str, about: str, message: str = "GET /web/*") -> None:
        """The next answer to a request whose address has `about` in it waits."""
        self.arm(rule, message, Hold(), about=about)

    def seen(self, rule: str, phase: str) -> None:
        """Waits until a rule has come so far: held, done."""
        until(f"{rule} {phase}", lambda: any(p == phase and e.get("rule") == rule for p, e in self.events))

    def release(self, rule: str) -> None:
        self.running.release_message(rule, "forward")


@contextmanager
def service(stage: ProcessStage, folder: Path, defences_off: tuple[str, ...] = ()) -> Iterator[Service]:
    """A run of the service that no client of the harness talks to."""
    case = loads(SERVICE, Path("page.yaml"), catalogue()).base_case()
    gate, events = Gate(), list[tuple[str, Mapping[str, Any]]]()

    def emit(kind: str, phase: str | None = None, **data: Any) -> None:
        if kind == "message":
            events.append((str(phase), data))

    (folder / "logs").mkdir(exist_ok=True)

    def ignore(_: ProcessEvent) -> None:
        pass

    with ExitStack() as closing:
        world = stage.world(folder.name, ignore, monotonic_ns())
        closing.callback(world.close)
        running = stage.target.start(
            world=world,
            scenario=case,
            plan=replace(make_plan(case, 1), watch=(POINT,)),
            folder=str(folder),
            emit=emit,
            on_point=gate.on_point,
            defences_off=defences_off,
        )
        closing.callback(running.close)
        yield Service(running, world, gate, events)


class Browser:
    """A window at the page. Opened again it is the same person's: profile and session are kept."""

    def __init__(self, driver_url: str, profile: Path, url: str) -> None:
        self._driver_url, self._profile, self._url = driver_url, profile, url
        self.open()

    def open(self) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for flag in (*FLAGS, f"--user-data-dir={self._profile}", "--window-size=1200,800"):
            options.add_argument(flag)
        self.driver = webdriver.Remote(self._driver_url, options=options)

    def close(self) -> None:
        self.driver.quit()

    def sign_in(self, token: str = TOKEN) -> None:
        self.driver.get(f"{self._url}/web/login")
        self.driver.find_element(By.ID, "token").send_keys(token)
        self.driver.find_element(By.TAG_NAME, "button").click()
        until("the page", lambda: self.title == "Projects")

    def go(self, project: str | None = None) -> None:
        """As by an address that somebody sent."""
        self.driver.get(f"{self._url}/web" + (f"?project={project}" if project is not None else ""))

    def choose(self, project: str) -> None:
        """Clicks on a project, and waits until its jobs are shown."""
        selector = f'#projects a[data-project="{project}"]'
        until(project, lambda: self.driver.find_elements(By.CSS_SELECTOR, selector))
        # Found and clicked in one go: a page that is yanked about replaces its links all the time.
        self.driver.execute_script("document.querySelector(arguments[0]).click()", selector)
        until(f"{project} is shown", lambda: self.title == project and self.jobs)

    @property
    def title(self) -> str:
        return str(self.driver.execute_script("return document.getElementById('title')?.textContent ?? ''"))

    @property
    def note(self) -> str:
        return str(
            self.driver.execute_script(
                "const n = document.getElementById('note'); return n.hidden ? '' : n.textContent"
            )
        )

    @property
    def jobs(self) -> Mapping[str, str]:
        """What is shown, from the top: job -> what stands beside it (state and stage)."""
        script = """return [...document.querySelectorAll("#jobs > li")].map(
            (row) => [row.dataset.job, row.querySelector(".how").innerText])"""
        return dict(self.driver.execute_script(script))

    def shows(self, job: str, words: str) -> None:
        """Waits until these words stand beside the job."""
        until(f"{job}: {words}", lambda: words in self.jobs.get(job, ""))

    def watch_titles(self) -> Callable[[], list[str]]:
        """From now on each title that the page shows is noted, however short; the function returns them."""
        self.driver.execute_script(
            """const title = document.getElementById("title");
            window.titles = [title.textContent];
            new MutationObserver(() => window.titles.push(title.textContent))
              .observe(title, {childList: true, characterData: true, subtree: true});"""
        )
        return lambda: list(self.driver.execute_script("return window.titles"))

    def requests(self) -> list[tuple[float, str]]:
        """When each request of this page began, in seconds since it was loaded, and its address."""
        script = """return performance.getEntriesByType("resource").map((r) => [r.startTime, r.name])"""
        return [(start / 1000, str(name)) for start, name in self.driver.execute_script(script)]

    def waits_after(self, status: int) -> list[float]:
        """How long after each answer with this status the next request began, in seconds."""
        script = """const all = performance.getEntriesByType("resource");
            return all.filter((one) => one.responseStatus === arguments[0]).map((one) =>
              Math.min(...all.map((r) => r.startTime - one.responseEnd).filter((wait) => wait > 0)) / 1000)
              .filter(Number.isFinite)"""
        return [float(wait) for wait in self.driver.execute_script(script, status)]

    def scroll_to(self, job: str) -> float:
        """How long after that the first request that asks for the job began, in seconds."""
        script = """window.scrolled = performance.now();
            document.querySelector(`[data-job="${arguments[0]}"]`).scrollIntoView()"""
        self.driver.execute_script(script, job)
        began_s = float(self.driver.execute_script("return window.scrolled")) / 1000
        asked = until(
            f"{job} is asked for",
            lambda: [
                at for at, url in self.requests() if at >= began_s and "/web/rows" in url and job in url
            ],
        )
        return float(asked[0]) - began_s

    def forget_requests(self) -> None:
        self.driver.execute_script("performance.clearResourceTimings()")


@contextmanager
def browser(at: Service) -> Iterator[Browser]:
    """Ends with the block; if the tests are killed, with the run, of whose processes the driver is one."""
    folder = Path(mkdtemp(prefix="b", dir=at.world.scratch))  # goes with the run; sockets want a short path
    port = free_port()
    with ExitStack() as closing:
        at.world.start(
            ProcessSpec(
                name="driver",
                role="browser",
                command=[str(CHROMEDRIVER), f"--port={port}"],
                environment={"TMPDIR": str(folder)},
                ready_port=port,
                restart=Restart(policy="never"),
                beside=True,
            )
        )
        closing.callback(at.world.stop, "driver", grace_s=5)
        one = Browser(f"http://127.0.0.1:{port}", folder / "p", at.url)
        closing.callback(one.close)
        yield one
