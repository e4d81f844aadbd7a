# syntax=docker/dockerfile:1
# The product alone: no embedded servers, no practice CRMs. LEADGAUGE_DATABASE_URL and LEADGAUGE_REDIS_URL are needed.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/leadgauge
WORKDIR /src
# The locked dependencies first: they change less often than the code.
COPY requirements-prod.lock ./
RUN /opt/leadgauge/bin/pip install --require-hashes --only-binary=:all: --requirement requirements-prod.lock
COPY pyproject.toml README.md LICENSE ./
COPY connectors connectors
COPY sandbox sandbox
COPY worker worker
RUN /opt/leadgauge/bin/pip install --no-build-isolation --no-deps --no-index . \
 && rm -rf /opt/leadgauge/lib/python3*/site-packages/sandbox \
 # What only building needs stays behind.
 && /opt/leadgauge/bin/pip uninstall --yes hatchling pathspec pluggy tomlkit trove-classifiers \
 && /opt/leadgauge/bin/pip uninstall --yes setuptools pip

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="Leadgauge" \
      org.opencontainers.image.description="Self-hosted lead scoring that syncs with your CRMs" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/leadgauge /opt/leadgauge
# OMP_NUM_THREADS: a parent that used OpenMP with several threads and then forks leaves children that hang.
# REMAP_SIGTERM: Celery drains for a bounded time on QUIT; on TERM it waits for every task to end.
ENV PATH=/opt/leadgauge/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1 \
    REMAP_SIGTERM=SIGQUIT \
    MPLCONFIGDIR=/tmp/matplotlib \
    LEADGAUGE_HOME=/tmp/leadgauge \
    LEADGAUGE_LOG_JSON=true
# The root may be read-only: everything that is written goes to /tmp and /dev/shm, and nothing there needs to last.
USER 10001:10001
WORKDIR /etc/leadgauge
STOPSIGNAL SIGTERM
# Of workers, beat and trainer: files that they touch, looked at in some hundredths of a second. The console has
# /healthz instead.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-m", "worker.observing.heartbeat", "/tmp/leadgauge"]
ENTRYPOINT ["leadgauge"]
CMD ["--help"]
