"""Labels of SQL statements and of HTTP requests are stable names for what a message does."""

from __future__ import annotations

import pytest

from unstuck.links.framers.http1_labels import label_of
from unstuck.links.framers.identities import path_template
from unstuck.links.framers.sql_labels import label_of_sql


@pytest.mark.parametrize(
    ("sql", "label"),
    [
        ("UPDATE jobs SET state = 'queued' WHERE id = $1", "UPDATE jobs"),
        ("update  ONLY public.jobs set a=1", "UPDATE public.jobs"),
        ('INSERT INTO "Outbox" (id) VALUES ($1) RETURNING id', "INSERT Outbox"),
        ("DELETE FROM checkpoints WHERE job = $1", "DELETE checkpoints"),
        ("SELECT a, b FROM jobs JOIN attempts USING (job)", "SELECT jobs"),
        ("SELECT count(*) FROM (SELECT 1 FROM jobs) AS q", "SELECT jobs"),
        ("SELECT 1", "SELECT"),
        ("(SELECT a FROM t) UNION (SELECT b FROM u)", "SELECT t"),
        ("WITH next AS (SELECT id FROM jobs FOR UPDATE) UPDATE attempts SET a = 1", "UPDATE attempts"),
        ("WITH RECURSIVE t(n) AS (VALUES (1)) SELECT n FROM t", "SELECT t"),
        ("-- why\n/* and\nhow */ COMMIT", "COMMIT"),
        ("END", "COMMIT"),
        ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE", "BEGIN"),
        ("ABORT", "ROLLBACK"),
        ("SAVEPOINT sp_1", "SAVEPOINT sp_1"),
        ("CREATE TEMP TABLE IF NOT EXISTS jobs (id int)", "CREATE TABLE jobs"),
        ("CREATE UNIQUE INDEX i ON jobs (id)", "CREATE INDEX i"),
        ("ALTER TABLE jobs ADD COLUMN a int", "ALTER TABLE jobs"),
        ("COPY jobs (id) FROM STDIN", "COPY jobs"),
        ("LOCK TABLE jobs IN SHARE MODE", "LOCK jobs"),
        ("INSERT INTO log VALUES ('; DELETE FROM jobs')", "INSERT log"),
        ("BEGIN; UPDATE jobs SET a = 1; COMMIT;", "BEGIN; UPDATE jobs; COMMIT"),
        ("SELECT $$ it's FROM here $$ FROM jobs", "SELECT jobs"),
        ("  ;", "EMPTY"),
        ("", "EMPTY"),
        ("'unterminated", "UNTERMINATED"),
    ],
)
def test_a_statement_is_called_by_its_verb_and_table(sql: str, label: str) -> None:
    """Comments, quotes, brackets and case do not move the label."""
    assert label_of_sql(sql) == label


S3 = {"authorization": "AWS4-HMAC-SHA256 Credential=a/20261101/us-east-1/s3/aws4_request, …"}


@pytest.mark.parametrize(
    ("method", "target", "headers", "label"),
    [
        ("GET", "/", S3, "ListBuckets"),
        ("PUT", "/bucket", S3, "CreateBucket"),
        ("HEAD", "/bucket", S3, "HeadBucket"),
        ("PUT", "/bucket?notification", S3, "PutBucketNotificationConfiguration"),
        ("GET", "/bucket?list-type=2&prefix=a", S3, "ListObjectsV2"),
        ("POST", "/bucket?delete", S3, "DeleteObjects"),
        ("PUT", "/bucket/a/b.mp4", S3, "PutObject"),
        ("PUT", "/bucket/a/b.mp4", {**S3, "x-amz-copy-source": "/x/y"}, "CopyObject"),
        ("PUT", "/bucket/a?partNumber=1&uploadId=u", S3, "UploadPart"),
        ("GET", "/bucket/a", S3, "GetObject"),
        ("HEAD", "/bucket/a", S3, "HeadObject"),
        ("DELETE", "/bucket/a", S3, "DeleteObject"),
        ("DELETE", "/bucket/a?uploadId=u", S3, "AbortMultipartUpload"),
        ("POST", "/bucket/a?uploads", S3, "CreateMultipartUpload"),
        ("POST", "/bucket/a?uploadId=u", S3, "CompleteMultipartUpload"),
        ("PUT", "/bucket/a?X-Amz-Algorithm=x&X-Amz-Credential=a%2Fs3%2Faws4_request", {}, "PutObject"),
        ("PUT", "/bucket/a?AWSAccessKeyId=a&Signature=b&Expires=1", {}, "PutObject"),
        ("POST", "/", {"x-amz-target": "AmazonSQS.SendMessage"}, "AmazonSQS.SendMessage"),
        ("POST", "/jobs/j-17/complete", {}, "POST /jobs/{id}/complete"),
    ],
)
def test_a_request_is_called_by_its_operation(
    method: str, target: str, headers: dict[str, str], label: str
) -> None:
    """S3 by method, path and query, also presigned; else the method and a template of the path."""
    assert label_of(method, target, headers, b"") == label


@pytest.mark.parametrize(
    ("body", "label"),
    [
        (b"Action=SendMessage&Version=2012-11-05&MessageBody=x", "AmazonSQS.SendMessage"),
        (b"Version=2010-03-31&Action=Publish", "AmazonSNS.Publish"),
        (b"Action=DescribeInstances&Version=2016-11-15", "DescribeInstances"),
        (b"name=value", "POST /q"),
    ],
)
def test_a_form_is_called_by_its_action(body: bytes, label: str) -> None:
    """The query protocol of SQS gets the same label as its JSON protocol."""
    assert label_of("POST", "/q", {"content-type": "application/x-www-form-urlencoded"}, body) == label


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/jobs/17", "/jobs/{id}"),
        ("/jobs/0192f0c1-3b5e-7a30-8000-000000000001", "/jobs/{id}"),
        ("/v1/jobs/job_01hx7/result", "/v1/jobs/{id}/result"),
        ("/jobs/01HX7ZK3T9ABCDEFGHJKMNPQRS", "/jobs/{id}"),
        ("/internal/sweep", "/internal/sweep"),
        ("/jobs/orphaned", "/jobs/orphaned"),
        ("/", "/"),
    ],
)
def test_identities_in_a_path_are_replaced(path: str, template: str) -> None:
    """Words and versions stay; numbers, UUIDs, ULIDs and prefixed ids do not."""
    assert path_template(path) == template
