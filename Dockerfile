# The reference service, whole. The role is the argument: docker run IMAGE worker
#
# Needs no BuildKit. BASE may be any later python:*-slim.
ARG BASE=python:3.11-slim

FROM ${BASE} AS packages
COPY pyproject.toml /
# What the service needs is listed in pyproject.toml, and nowhere else.
RUN python3 -c "import tomllib; print(*tomllib.load(open('/pyproject.toml', 'rb'))['project']['optional-dependencies']['service'], sep='\n')" > /requirements.txt \
 && python3 -m venv --without-pip /opt/service \
 && python3 -m pip --python /opt/service/bin/python install --no-cache-dir --requirement /requirements.txt

FROM ${BASE}
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin service
COPY --from=packages /opt/service /opt/service
COPY reference_service /app/reference_service
RUN /opt/service/bin/python -m compileall -q /app
ENV PATH=/opt/service/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 10001:10001
# Exec form: the role is process 1, so that SIGTERM reaches it and not a shell.
ENTRYPOINT ["python", "-m", "reference_service"]
CMD ["api"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-m", "reference_service.health"]
