"""Importing this imports all that any role needs, and does no more."""

from __future__ import annotations

import encodings.idna

import anyio._backends._asyncio
import httptools
import prometheus_client
import psycopg
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite.pysqlite
import uvicorn.lifespan.off
import uvicorn.loops.asyncio
import uvicorn.protocols.http.auto
import uvicorn.protocols.http.httptools_impl

import reference_service.__main__
import reference_service.api
import reference_service.app
import reference_service.serving
import reference_service.stages
from reference_service import aws

__all__ = [
    "anyio",
    "aws",
    "encodings",
    "httptools",
    "prometheus_client",
    "psycopg",
    "reference_service",
    "sqlalchemy",
    "uvicorn",
]

aws.load()
