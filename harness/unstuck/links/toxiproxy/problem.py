"""What the API says when it does not do what was asked."""

from __future__ import annotations

from unstuck.errors import UnstuckError


class ApiError(UnstuckError):
    """An answer with Toxiproxy's words and its status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def bad_body(why: str) -> ApiError:
    return ApiError(f"bad request body: {why}", 400)


def missing_field(field: str) -> ApiError:
    return ApiError(f"missing required field: {field}", 400)


def proxy_not_found() -> ApiError:
    return ApiError("proxy not found", 404)


def proxy_exists() -> ApiError:
    return ApiError("proxy already exists", 409)


def toxic_not_found() -> ApiError:
    return ApiError("toxic not found", 404)


def toxic_exists() -> ApiError:
    return ApiError("toxic already exists", 409)


def invalid_stream() -> ApiError:
    return ApiError("stream was invalid, can be either upstream or downstream", 400)


def invalid_type() -> ApiError:
    return ApiError("invalid toxic type", 400)
