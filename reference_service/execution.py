"""One attempt at a job, as the worker's child lives it: stages from the last valid checkpoint, publish.

The child writes stages and checkpoints under its token. It never ends the job: it returns a report,
and its parent makes the move.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from reference_service import descriptors, disk
from reference_service.breaker import READS, SINK, WRITES, is_charged, opened
from reference_service.domain import STAGES, Defence, Job, Reason
from reference_service.lineage import Lineage, sha256_of
from reference_service.patience import Patience
from reference_service.ports import (
    DependencyAway,
    HandBack,
    InvalidMedia,
    LeaseLost,
    ObjectChanged,
    ObjectMissing,
    StageInput,
    Stopper,
    Unavailable,
)
from reference_service.progress import Progress
from reference_service.service import Service
from reference_service.store import work
from reference_service.store.core import artefacts_prefix, outputs_prefix
from reference_service.store.work import Artefact, Checkpoint

T = TypeVar("T")
PUBLISHED_STAGES = ("stitch", "thumbnails", "captions")
FETCHED_BEFORE = ("inspect", "frames")  # these stages begin with the source at hand; later ones may need none
REASONS: Mapping[type[Exception], Reason] = {
    MemoryError: Reason.MEMORY_EXCEEDED,  # only a limit on this very process raises it: that is evidence
    InvalidMedia: Reason.INVALID_MEDIA,
    ObjectMissing: Reason.OBJECT_MISSING,
    ObjectChanged: Reason.SOURCE_CHANGED,
    Unavailable: Reason.DEPENDENCY_UNAVAILABLE,
}
CONTENT_TYPES = {".mp4": "video/mp4", ".jpg": "image/jpeg", ".png": "image/png", ".json": "application/json"}


def execute(service: Service, job: Job, stopper: Stopper, folder: Path) -> Mapping[str, Any]:
    """Runs the attempt in `folder` and reports: `outcome` is succeeded (with `result_prefix`),
    handed_back (with `after_s` when a dependency is away), lease_lost, or failed (with `reason` and `error`);
    `units` is how many frames and items it has done. Raises nothing that it can name.
    """
    attempt = _Attempt(service, job, stopper, folder)
    try:
        report = descriptors.patiently(
            service, job, lambda: disk.patiently(service, job, folder, lambda: _lived(service, job, attempt))
        )
        return {**report, "units": attempt.units}
    finally:
        disk.leave(service, folder)


def _lived(service: Service, job: Job, attempt: _Attempt) -> Mapping[str, Any]:
    try:
        return {"outcome": "succeeded", "result_prefix": attempt.run()}
    except DependencyAway as away:
        report: dict[str, Any] = {
            "outcome": "handed_back",
            "after_s": away.after_s,
            "waited_for": opened(away.dependency) if away.own else None,
            "error": str(away),
        }
        if is_charged(service, job, away):
            report |= {"outcome": "failed", "reason": Reason.DEPENDENCY_UNAVAILABLE.value}
        return report
    except HandBack:
        return {"outcome": "handed_back"}
    except LeaseLost:
        return {"outcome": "lease_lost"}
    except tuple(REASONS) as error:
        reason = next(reason for kind, reason in REASONS.items() if isinstance(error, kind))
        return {"outcome": "failed", "reason": reason.value, "error": str(error) or type(error).__name__}


def effect_key(service: Service, job: Job) -> str:
    """The idempotency key of the job's one effect, the same in each attempt.

    `stable_effect_key` off puts the token in: each attempt's report then counts as a new effect.
    """
    if service.defended(Defence.STABLE_EFFECT_KEY):
        return f"{job.id}:published"
    return f"{job.id}:{job.token}:published"


class _Attempt:
    """The state of one attempt: where the source and each stage's files are on the local disk."""

    def __init__(self, service: Service, job: Job, stopper: Stopper, folder: Path) -> None:
        self._service = service
        self._job = job
        self._stopper = stopper
        self._folder = folder
        self._artefacts: dict[str, Path] = {}
        self._facts: dict[str, Mapping[str, Any]] = {}
        self._source: Path | None = None
        self._lineage = Lineage(job.etag)
        self._patience = Patience(service, self._between)
        self._done_before = 0  # units of stages that have ended
        self._progress: Progress | None = None

    @property
    def units(self) -> int:
        """Frames and items that this attempt has done."""
        return self._done_before + (0 if self._progress is None else self._progress.units)

    def run(self) -> str:
        """The prefix of the published outputs."""
        self._folder.mkdir(parents=True, exist_ok=True)
        done = self._persist(lambda: work.read_checkpoints(self._service.store, self._job.id))
        self._patience.look_ahead(done)
        for stage in STAGES[:-1]:
            self._interrupt()
            checkpoint = done.get(stage)
            if checkpoint is None or not self._restore(checkpoint):
                self._run_stage(stage, done.get(work.part_of(stage)))
            disk.make_room(self._service, self._folder, after=stage)
        return self._publish()

    def _interrupt(self) -> None:
        if self._stopper.asked:
            raise HandBack

    def _between(self) -> None:
        descriptors.check()
        self._interrupt()

    def _persist(self, action: Callable[[], T]) -> T:
        return self._patience.persist(action)

    def _restore(self, checkpoint: Checkpoint) -> bool:
        """Fetches the stage's files; False when one of them is missing or not what was recorded, or when they
        were made of something else than the earlier stages have left now.

        `checkpoint_validation` off takes what comes.
        """
        validate = self._service.defended(Defence.CHECKPOINT_VALIDATION)
        if validate and not self._is_of_this(checkpoint):
            return False
        folder = self._stage_folder(checkpoint.stage)
        if not self._fetch_kept(checkpoint, folder):
            return False
        self._finish(checkpoint, folder)
        return True

    def _fetch_kept(self, checkpoint: Checkpoint, folder: Path) -> bool:
        validate = self._service.defended(Defence.CHECKPOINT_VALIDATION)
        for name, artefact in checkpoint.artefacts.items():
            path = folder / name
            try:
                self._fetch(artefact.key, path)
            except ObjectMissing:
                if not validate:
                    continue
                self._log_invalid(checkpoint.stage, name, "missing")
                return False
            if validate and sha256_of(path) != artefact.sha256:
                self._log_invalid(checkpoint.stage, name, "changed")
                return False
        return True

    def _finish(self, checkpoint: Checkpoint, folder: Path) -> None:
        """The stage is done, in this attempt or in an earlier one: later stages may build on it."""
        self._artefacts[checkpoint.stage] = folder
        self._facts[checkpoint.stage] = checkpoint.facts
        self._lineage.add(checkpoint)

    def _log_invalid(self, stage: str, name: str, problem: str) -> None:
        self._service.log.warning(
            "checkpoint not valid, the stage runs again",
            job=self._job.id,
            attempt=self._job.attempt,
            stage=stage,
            artefact=name,
            problem=problem,
        )

    def _run_stage(self, stage: str, part: Checkpoint | None) -> None:
        service, job = self._service, self._job
        if stage in FETCHED_BEFORE:
            self._fetch_source()
        self._start(stage)
        began_at = service.clock.monotonic()
        folder = self._stage_folder(stage)
        kept = dict(part.artefacts) if part is not None and self._resumes(part, folder) else {}
        position = part.position if kept and part is not None else 0
        if not kept:
            folder = self._stage_folder(stage)  # without what may have come of a part that is not valid
        keeps = service.defended(Defence.STAGE_CHECKPOINTS)
        progress = self._progress = Progress(
            clock=service.clock,
            settings=service.settings,
            position=position,
            keep=partial(self._keep_part, stage, folder, kept) if keeps else None,
            reach=partial(self._reach_unit, stage),
        )
        given = StageInput(
            job=job.id,
            stage=stage,
            fetch=self._fetch_source,
            folder=folder,
            artefacts=dict(self._artefacts),
            vision=self._patience,
            interrupt=self._interrupt,
            bounded=service.defended(Defence.BOUNDED_MEMORY),
            timed=service.defended(Defence.AV_SYNC),
            position=position,
            unit_done=progress.unit_done,
        )
        try:
            output = service.stages.run(stage, given)
        except HandBack:
            with suppress(Unavailable, HandBack):  # then as much is done again as after a crash
                progress.keep()
            raise
        files = self._store_all(stage, folder, output.files, kept)
        made_of = self._lineage.made_of
        checkpoint = Checkpoint(
            stage=stage, artefacts=files, facts=output.facts, made_of=made_of, token=job.token
        )
        self._save(checkpoint)
        self._done_before += progress.units
        self._progress = None
        disk.leave_only(folder, output.files)
        self._finish(checkpoint, folder)
        service.metrics.observe("reference_stage_seconds", service.clock.monotonic() - began_at, stage=stage)
        self._stopper.measure(stage)
        self._reach("worker.stage.finished", stage)

    def _resumes(self, part: Checkpoint, folder: Path) -> bool:
        """Whether the part is what it was, and was made of what the earlier stages have left now.

        `stage_checkpoints` off begins each stage at its beginning.
        """
        if not self._service.defended(Defence.STAGE_CHECKPOINTS):
            return False
        return self._is_of_this(part) and self._fetch_kept(part, folder)

    def _is_of_this(self, kept: Checkpoint) -> bool:
        if self._lineage.has(kept):
            return True
        self._log_invalid(kept.stage, "-", "made of something else")
        return False

    def _keep_part(
        self, stage: str, folder: Path, kept: dict[str, Artefact], position: int, names: Sequence[str]
    ) -> None:
        files = self._store_all(f"{stage}/{position}", folder, names, kept)
        kept.update(files)
        self._service.metrics.count("reference_parts_kept_total", stage=stage)
        made_of, token = self._lineage.made_of, self._job.token
        self._save(
            Checkpoint(
                stage=stage, artefacts=files, facts={}, made_of=made_of, token=token, position=position
            )
        )

    def _save(self, checkpoint: Checkpoint) -> None:
        store, job, units = self._service.store, self._job, self.units
        if not self._persist(lambda: work.save_checkpoint(store, job, checkpoint, units=units)):
            raise LeaseLost

    def _store_all(
        self, place: str, folder: Path, names: Sequence[str], kept: Mapping[str, Artefact]
    ) -> Mapping[str, Artefact]:
        """Stores the files, except those that are kept as they are; under keys that no other attempt, and no
        other part, writes to.
        """
        prefix = f"{artefacts_prefix(self._job.id)}{self._job.token}/{place}/"
        files: dict[str, Artefact] = {}
        for name in names:
            known = kept.get(name)
            same = known is not None and known.sha256 == sha256_of(folder / name)
            files[name] = known if same and known is not None else self._store(folder / name, prefix + name)
        return files

    def _fetch_source(self) -> Path:
        if self._source is None:
            path = self._folder / disk.SOURCE
            # A presigned PUT outlives the completion that verified the object: what comes now may be another.
            self._fetch(self._job.upload_key, path, etag=self._job.etag)
            self._source = path
        return self._source

    def _fetch(self, key: str, path: Path, *, etag: str | None = None) -> None:
        self._patience.ask(READS, lambda: self._service.objects.get_file(key, path, etag=etag))

    def _start(self, stage: str) -> None:
        if not self._persist(lambda: work.start_stage(self._service.store, self._job, stage)):
            raise LeaseLost
        self._reach("worker.stage.started", stage)

    def _publish(self) -> str:
        """Writes the outputs under this attempt's own prefix, then reports the job's one effect.

        Only the parent's move to `succeeded` makes the prefix the job's result, so that an attempt that
        lost its lease, or died here, has published nothing.
        """
        service, job = self._service, self._job
        self._start(STAGES[-1])
        prefix = outputs_prefix(job.id, job.token)
        files: dict[str, Any] = {}
        for stage in PUBLISHED_STAGES:
            folder = self._artefacts[stage]
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    self._interrupt()
                    name = path.relative_to(folder).as_posix()
                    stored = self._store(path, prefix + name)
                    files[name] = {"size_bytes": stored.size_bytes, "sha256": stored.sha256}
        manifest = {"job": job.id, "name": job.name, "files": files, "facts": self._facts}
        body = json.dumps(manifest, sort_keys=True).encode()
        self._patience.ask(
            WRITES, lambda: service.objects.put_bytes(prefix + "manifest.json", body, CONTENT_TYPES[".json"])
        )
        self._reach("worker.publish.before_effect", STAGES[-1])
        self._stopper.measure(STAGES[-1])
        self._patience.ask(SINK, lambda: self._report(sorted(files)), before=self._begin_effect)
        self._reach("worker.publish.after_effect", STAGES[-1])
        return prefix

    def _begin_effect(self) -> None:
        """Right before each report: the job is still ours, asked as late as can be, and we say so first.

        A job that is being published cannot be cancelled, but its lease can run out while this process is
        held up. The sink knows no tokens, so one window is left: 1. the job is ours, 2. its lease is taken,
        3. the sink hears of it. Another attempt's report comes under the same key.
        """
        if not work.begin_effect(self._service.store, self._job):
            raise LeaseLost

    def _report(self, files: list[str]) -> None:
        service, job = self._service, self._job
        service.sink.report(
            job=job.id,
            key=effect_key(service, job),
            attempt=job.attempt,
            token=job.token,
            facts={"tenant": job.tenant, "name": job.name, "files": files},
        )

    def _store(self, path: Path, key: str) -> Artefact:
        kind = CONTENT_TYPES.get(path.suffix, "application/octet-stream")
        self._patience.ask(WRITES, lambda: self._service.objects.put_file(key, path, kind))
        return Artefact(key=key, sha256=sha256_of(path), size_bytes=path.stat().st_size)

    def _stage_folder(self, stage: str) -> Path:
        """An empty folder: what an invalid checkpoint left in it is gone."""
        folder = self._folder / stage
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def _reach_unit(self, stage: str, position: int) -> None:
        job = self._job
        self._service.points.reach(
            "worker.unit.done", job=job.id, stage=stage, attempt=job.attempt, position=position
        )

    def _reach(self, point: str, stage: str) -> None:
        self._service.points.reach(point, job=self._job.id, stage=stage, attempt=self._job.attempt)
