"""What a manifest says in a way that is not known here: neither found nor kept."""

from __future__ import annotations

import pytest

from tests.unit.preflight.manifests import found, judged, unjudged

CLOUD_RUN = (
    "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: worker}}\nspec:\n  template:\n"
    "    metadata:\n      annotations:\n        run.googleapis.com/cpu-throttling: {throttled}\n"
    "        autoscaling.knative.dev/minScale: {least}\n    spec: {{containers: [{{image: x}}]}}\n"
)


def test_what_makes_a_worker_stop_in_any_case_is_found() -> None:
    """The processor that is taken away, whatever the number of instances is; none, whatever they do."""
    for throttled, least in (("'true'", "${MIN}"), ("${THROTTLED}", "'0'")):
        assert found(judged(("s.yaml", CLOUD_RUN.format(throttled=throttled, least=least))), "US018")
    assert found(judged(("x.sh", "gcloud run deploy worker --min-instances=$MIN\n")), "US018")


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        ("US002", "c.yaml", "services: {worker: {image: x, environment: {DRAIN_S: '${DRAIN}'}}}\n"),
        (
            "US007",
            "c.yaml",
            "services: {worker: {image: x, command: gunicorn, stop_signal: '${SIGNAL}'}}\n",
        ),
        ("US010", "x.sh", "gcloud run jobs deploy j --task-timeout=$LIMIT\n"),
        (
            "US011",
            "p.yaml",
            (
                "apiVersion: v1\nkind: Pod\nmetadata: {name: worker}\n"
                "spec: {containers: [{image: x, livenessProbe: {periodSeconds: soon, grpc: {}}}]}\n"
            ),
        ),
        ("US014", "c.yaml", "services: {worker: {image: x, restart: '${POLICY}'}}\n"),
        (
            "US017",
            "c.yaml",
            "services: {worker: {image: x, command: java -Xmx1g A, mem_limit: '${LIMIT}'}}\n",
        ),
        *(
            ("US017", "c.yaml", f"services: {{worker: {{image: x, mem_limit: 1g, {heap}}}}}\n")
            for heap in (
                "command: 'java -Xmx${HEAP} A'",
                "environment: {JAVA_OPTS: '-Xmx${HEAP}m -Xms1g'}",
                "environment: {NODE_OPTIONS: '--max-old-space-size=$HEAP'}",
            )
        ),
        *(
            ("US015", "c.yaml", f"services: {{worker: {{image: x, command: celery -A a worker, {init}}}}}\n")
            for init in ("init: '${INIT}'", "extends: other")
        ),
        ("US018", "x.sh", "gcloud run services update worker --min-instances=1\n"),
        ("US018", "x.sh", 'gcloud run deploy worker --no-cpu-throttling --min-instances="$MIN"\n'),
        ("US018", "s.yaml", CLOUD_RUN.format(throttled="'false'", least="${MIN}")),
        ("US018", "s.yaml", CLOUD_RUN.format(throttled="${THROTTLED}", least="'1'")),
    ],
)
def test_a_value_that_is_not_known_is_neither_found_nor_kept(rule: str, path: str, text: str) -> None:
    """The rule says what it lacks."""
    judgement = judged((path, text), longest_stage_s=60, peak_mib=100)
    assert found(judgement, rule) == []
    assert len(unjudged(judgement, rule)) == 1
    assert judgement.kept[rule] == 0
