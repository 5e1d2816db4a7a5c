# Two stages: the environment is built from hashed locks, the image that runs has no compiler and no package manager state.
FROM python:3.11-slim-bookworm AS build
WORKDIR /srv/migcard
COPY requirements/runtime.txt requirements/
RUN python -m venv .venv && .venv/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE alembic.ini ./
COPY app app
COPY migrations migrations
COPY tests/data tests/data
RUN .venv/bin/pip install --no-cache-dir --no-build-isolation --no-deps -e .

FROM python:3.11-slim-bookworm
RUN useradd --system --create-home --home-dir /srv/migcard migcard
WORKDIR /srv/migcard
COPY --from=build --chown=migcard /srv/migcard .
USER migcard
ENV PATH=/srv/migcard/.venv/bin:$PATH MIGCARD_MODE=production MIGCARD_HOST=0.0.0.0
EXPOSE 8000
HEALTHCHECK CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=3)"
# the schema is brought to the latest before anything is served; several containers may do so at once (see schema.py)
CMD ["sh", "-c", "migcard migrate && exec migcard serve"]
