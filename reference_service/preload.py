"""Importing this imports all that any role needs, so that a process which forks roles pays once for it.

Opens no socket and starts no thread: neither survives a fork.
"""

from __future__ import annotations

import httptools
import psycopg
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite.pysqlite
import uvicorn.loops.asyncio
import uvicorn.protocols.http.httptools_impl

import reference_service.api
import reference_service.app
import reference_service.serving
import reference_service.stages
from reference_service.api import warm_up as warm_up_api
from reference_service.aws import warm_up as warm_up_aws

__all__ = ["httptools", "psycopg", "reference_service", "sqlalchemy", "uvicorn"]

warm_up_aws()
warm_up_api()
