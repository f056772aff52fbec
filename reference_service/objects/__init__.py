"""The object store: uploads, checkpoints' artefacts, outputs."""

from reference_service.objects.s3 import S3Objects

__all__ = ["S3Objects"]
