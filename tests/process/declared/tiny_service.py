"""A service in one process: jobs by HTTP, done by a thread. MODE says how it misbehaves; empty: not at all.

It knows nothing of Unstuck but the two variables of the ledger.
"""

import json
import os
import signal
import sys
import threading
import time
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = os.environ.get("MODE", "")
JOBS: dict[str, str] = {}
HELD: dict[str, str] = {}
LOCK = threading.Lock()


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def report(event: str, job: str) -> None:
    if "UNSTUCK_LEDGER_URL" not in os.environ or "SILENT" in os.environ:
        return
    if MODE == "garbage":
        with open(os.environ["UNSTUCK_LEDGER_FILE"], "a", encoding="utf-8") as file:
            file.write(f"{{this is no report of {job}\n")
    if MODE == "file_only":
        with open(os.environ["UNSTUCK_LEDGER_FILE"], "a", encoding="utf-8") as file:
            file.write(f"{event} {job}\n")
        return
    said = {"event": event, "job": job, "pid": os.getpid(), "process": os.environ["UNSTUCK_PROCESS"]}
    request = urllib.request.Request(os.environ["UNSTUCK_LEDGER_URL"], json.dumps(said).encode())
    urllib.request.urlopen(request, timeout=60).read()


def work(job: str) -> None:
    if MODE == "flood":
        line = "x" * 1000 + "\n"
        for _ in range(105):
            sys.stdout.write(line * 1000)
        sys.stdout.flush()
    JOBS[job] = "running"
    report("begin", job)
    time.sleep(0.1)
    if MODE == "fails":
        JOBS[job] = "broken"
        return
    report("end", job)
    if MODE == "twice":
        report("end", job)
    JOBS[job] = "finished-oddly" if MODE == "unmapped" else "done"
    if MODE == "forgets":
        del JOBS[job]
    if MODE == "delivers_again":  # since nobody has acknowledged it: while the last look goes on
        HELD[job] = "lease"
        time.sleep(3.2)
        del HELD[job]
        JOBS[job] = "running"
        report("begin", job)
        time.sleep(1)
        report("end", job)
        JOBS[job] = "done"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with LOCK:
            job = f"tiny-job-{'same' if MODE == 'same_id' else uuid.uuid4().hex[:8]}"
            JOBS.setdefault(job, "waiting")
        if MODE == "drops":
            del JOBS[job]
        elif MODE != "idle":
            threading.Thread(target=work, args=(job,), daemon=True).start()
        if MODE == "slow_submit":
            time.sleep(3)
        self.answer({} if MODE == "no_id" else {"id": job})

    def do_GET(self) -> None:
        if MODE == "hangs" and self.path == "/jobs" and "done" in JOBS.values():
            time.sleep(60)
        if MODE == "knows_all":
            self.answer([{"job": f"unstuck-doctor-{'0' * 8}-0000-4000-8000-{'0' * 12}", "state": "waiting"}])
            return
        self.answer([{"job": job, "state": state, "held": HELD.get(job)} for job, state in JOBS.items()])

    def answer(self, what: object) -> None:
        body = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        pass


def main(port: str) -> None:
    if MODE == "daemonises" and os.fork() > 0:
        os._exit(0)
    if MODE == "daemonises":
        os.setsid()
    if MODE == "forks_away" and os.fork() == 0:
        os.setsid()
        time.sleep(600)
    if MODE == "ignores":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if MODE == "lies":
        say("ready")
        time.sleep(2)
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    say("ready")
    server.serve_forever()


main(sys.argv[1])
