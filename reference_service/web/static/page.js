// Shows the project that is open, and asks for what of it is on screen: nothing else is pulled.
//
// 1. The user opens A; its answer is on its way. 2. The user opens B. 3. The answer for A comes. It must not
// change what is shown of B. So each view has its own life: closing it ends its timer and its request, and
// an answer that comes all the same is held against the view that is open by then.
"use strict";

(() => {
  const PULLS_WHAT_IS_OPEN = document.body.dataset.pulls === "open"; // else the defence is off
  const POLL_MS = Number(document.body.dataset.pollMs);
  const IDLE_MS_MAX = Math.max(POLL_MS, 15_000); // while nothing on screen can change but by a new job
  const AWAY_MS_MAX = 30_000;
  const PATIENCE_MS_MAX = 300_000; // of what the service asks for with 503

  const title = document.getElementById("title");
  const summary = document.getElementById("summary");
  const note = document.getElementById("note");
  const jobs = document.getElementById("jobs");
  const projects = document.getElementById("projects");

  let open = null; // the view that the user looks at; null: no project is open

  class View {
    constructor(project) {
      this.project = project;
      this.ending = new AbortController();
      this.timer = 0;
      this.at_ms = 0; // when the timer ends
      this.idle_ms = POLL_MS;
      this.known_ms = new Map(); // job -> when an answer last said how it is
      this.failures = 0;
    }

    close() {
      if (!PULLS_WHAT_IS_OPEN) return;
      clearTimeout(this.timer);
      this.ending.abort();
    }
  }

  class Refused extends Error {
    constructor(status, after_s) {
      super(`answered ${status}`);
      this.status = status;
      this.after_s = after_s;
    }
  }

  const isOpen = (view) => !PULLS_WHAT_IS_OPEN || view === open;
  const path = (what, view, more = {}) =>
    `/web/${what}?${new URLSearchParams({ name: view.project, ...more })}`;

  async function ask(view, url, method = "GET") {
    const signal = PULLS_WHAT_IS_OPEN ? view.ending.signal : undefined;
    const answer = await fetch(url, { method, signal, cache: "no-store" });
    if (answer.status === 401) location.assign("/web/login");
    if (!answer.ok) throw new Refused(answer.status, Number(answer.headers.get("Retry-After")) || 0);
    return answer.json();
  }

  // Asks, and shows the answer unless the user has gone on. False: there was none to show.
  async function look(view, url, show) {
    try {
      const answer = await ask(view, url);
      if (!isOpen(view) || answer.project !== view.project) return false;
      view.failures = 0;
      say("");
      show(view, answer);
      return true;
    } catch (error) {
      if (isOpen(view) && error.name !== "AbortError") wait(view, error);
      return false;
    }
  }

  function wait(view, error) {
    view.failures += 1;
    const asked_ms = Math.min((error.after_s || 0) * 1000, PATIENCE_MS_MAX);
    const away_ms = Math.min(POLL_MS * 2 ** view.failures, AWAY_MS_MAX);
    view.away_ms = Math.max(asked_ms, away_ms);
    const when = `Next try in ${Math.max(1, Math.round(view.away_ms / 1000))} s.`;
    say(error.status ? `The service takes no requests now (${error.status}). ${when}` : `No answer. ${when}`);
  }

  function say(text) {
    note.hidden = text === "";
    if (note.textContent !== text) note.textContent = text;
  }

  function elements(html) {
    const template = document.createElement("template"); // escaped by the service, and nothing in it runs
    template.innerHTML = html;
    return template.content;
  }

  function frame(view) {
    open = view;
    for (const link of projects.querySelectorAll("a")) {
      if (link.dataset.project !== view.project) link.removeAttribute("aria-current");
      else {
        link.setAttribute("aria-current", "page");
        link.scrollIntoView({ block: "nearest", inline: "nearest" }); // on a phone they stand in one row
      }
    }
  }

  function showWhole(view, answer) {
    const at = document.activeElement?.dataset.project; // whoever walks by the keyboard stays where they are
    projects.replaceChildren(elements(answer.projects));
    if (at !== undefined) projects.querySelector(`a[data-project="${CSS.escape(at)}"]`)?.focus();
    frame(view);
    document.title = `${answer.title} · Videos`;
    title.textContent = answer.title;
    summary.textContent = answer.summary;
    const shown = new Map([...jobs.children].map((row) => [row.dataset.job, row]));
    jobs.replaceChildren(...answer.rows.map((row) => renewed(shown.get(row.id), row)));
    know(view, answer.rows);
    watch();
  }

  function know(view, rows) {
    for (const row of rows) view.known_ms.set(row.id, performance.now());
  }

  function showRows(answer) {
    for (const row of answer.rows) {
      const old = jobs.querySelector(`[data-job="${CSS.escape(row.id)}"]`);
      const now = renewed(old, row);
      if (old && now !== old) old.replaceWith(now);
    }
    jobs.prepend(...answer.fresh.map((row) => renewed(null, row)));
    watch();
  }

  // The same element when it shows that already: what the user points at or has selected stays.
  function renewed(old, row) {
    const made = elements(row.html).firstElementChild;
    return old && old.isEqualNode(made) ? old : made;
  }

  // What is on screen. A row that comes into sight is asked for at once, or, if it was asked for just now, no
  // later than those that were in sight; but whoever was told when to come again comes no sooner.

  const onScreen = new Set();
  const observer = new IntersectionObserver((entries) => {
    const came = [];
    for (const entry of entries) {
      if (entry.isIntersecting) onScreen.add(entry.target);
      else onScreen.delete(entry.target);
      if (entry.isIntersecting && "live" in entry.target.dataset) came.push(entry.target.dataset.job);
    }
    if (!open || open.busy) return; // its answer is watched anew, and this comes again
    if (!open.timer) next(open, 0);
    else if (came.length > 0 && open.failures === 0) hurry(open, came);
  });

  function hurry(view, came) {
    const due_ms = Math.min(...came.map((job) => view.known_ms.get(job) ?? -POLL_MS)) + POLL_MS;
    if (due_ms < view.at_ms) next(view, Math.max(0, due_ms - performance.now()));
  }

  function watch() {
    observer.disconnect();
    onScreen.clear();
    for (const element of [summary, ...jobs.children]) observer.observe(element);
  }

  function next(view, after_ms) {
    if (PULLS_WHAT_IS_OPEN && (view !== open || document.hidden)) return;
    clearTimeout(view.timer);
    view.at_ms = performance.now() + after_ms;
    view.timer = setTimeout(() => pull(view), after_ms);
  }

  async function pull(view) {
    view.timer = 0;
    if (!PULLS_WHAT_IS_OPEN) {
      await look(view, path("project", view), showWhole);
      return next(view, POLL_MS);
    }
    const live = [...onScreen].filter((element) => "live" in element.dataset);
    if (live.length === 0 && !onScreen.has(summary)) return undefined; // until something comes into sight
    view.idle_ms = live.length > 0 ? POLL_MS : Math.min(view.idle_ms * 2, IDLE_MS_MAX);
    return turn(view, () => lookAt(view, live), view.idle_ms);
  }

  async function lookAt(view, live) {
    const ids = live.map((row) => row.dataset.job);
    const more = { ids: ids.join(",") };
    if (jobs.firstElementChild) more.newest = jobs.firstElementChild.dataset.cursor;
    const counts = { changed: false }; // a job came or ended: so the sums are others, too
    const shown = await look(view, path("rows", view, more), (_, answer) => {
      counts.changed = answer.fresh.length > 0 || answer.rows.some((row) => !row.live);
      know(view, [...ids.map((id) => ({ id })), ...answer.fresh]);
      showRows(answer);
    });
    return shown && counts.changed ? look(view, path("project", view), showWhole) : shown;
  }

  // One request of a view at a time, so that an older answer never comes after a newer one.
  async function turn(view, request, after_ms) {
    view.busy = true;
    const shown = await request();
    view.busy = false;
    if (isOpen(view)) next(view, shown ? after_ms : view.away_ms || after_ms);
  }

  function begin(view, rendered) {
    if (open) open.close();
    frame(view);
    if (rendered) next(view, 0);
    else turn(view, () => look(view, path("project", view), showWhole), POLL_MS);
    reconcile(view);
  }

  // Has the service ask store and queue, which may take long when one of them hangs: so beside the turns, and
  // the answer shows nothing, since by then a newer one may be shown.
  async function reconcile(view) {
    try {
      const answer = await ask(view, path("reconcile", view), "POST");
      if (isOpen(view) && answer.moved > 0 && !view.busy) next(view, 0);
    } catch {
      // Whatever is the matter, the next look meets it, too, and says so.
    }
  }

  function beginAnew(project) {
    title.textContent = project || "Without a project";
    summary.textContent = "…";
    say("");
    jobs.replaceChildren();
    begin(new View(project), false);
  }

  projects.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-project]");
    const plain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    if (!link || !plain) return;
    event.preventDefault();
    history.pushState(null, "", link.href);
    beginAnew(link.dataset.project);
  });

  window.addEventListener("popstate", () => {
    const project = new URLSearchParams(location.search).get("project");
    if (project === null) location.reload();
    else beginAnew(project);
  });

  document.addEventListener("visibilitychange", () => {
    if (!open || !PULLS_WHAT_IS_OPEN) return;
    if (document.hidden) clearTimeout(open.timer);
    else begin(new View(open.project), false);
  });

  window.addEventListener("pageshow", (event) => {
    if (event.persisted && open) begin(new View(open.project), false); // out of the browser's own cache
  });

  if ("project" in document.body.dataset) begin(new View(document.body.dataset.project), true);
  watch();
})();
