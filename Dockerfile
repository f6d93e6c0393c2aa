# One image for every process: `postrider migrate`, `api`, `worker`, `beat`, `token`.
# Without the embedded servers: bring your own Postgres and Redis (docker-compose.yml does).

FROM python:3.13-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    POETRY_NO_INTERACTION=1 \
    POETRY_VIRTUALENVS_IN_PROJECT=true \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/postrider
RUN python -m venv /opt/poetry && /opt/poetry/bin/pip install poetry==2.5.1

# The dependencies are a layer of their own, which only changes with the lock file.
COPY pyproject.toml poetry.lock ./
RUN /opt/poetry/bin/poetry install --only main --no-root

COPY README.md LICENSE ./
COPY app ./app
COPY worker ./worker
COPY db/migrations ./db/migrations
RUN /opt/poetry/bin/poetry install --only main && .venv/bin/python -m compileall -q app worker .venv/lib


FROM python:3.13-slim

RUN groupadd --system --gid 10001 postrider \
    && useradd --system --uid 10001 --gid 10001 --home-dir /srv/postrider --no-create-home postrider
WORKDIR /srv/postrider
# Owned by root: the process cannot change its own code.
COPY --from=build /srv/postrider ./

ENV PATH=/srv/postrider/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    POSTRIDER_LISTEN_ADDRESS=0.0.0.0:8071 \
    POSTRIDER_HEALTH_FILE=/tmp/postrider.health
USER 10001:10001
EXPOSE 8071
STOPSIGNAL SIGTERM

# Of the API, which is the image's default command; docker-compose.yml has the worker's.
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=5 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8071/api/v1/health/ping', timeout=2)"]
CMD ["postrider", "api"]
