# Styles and scripts of the pages for people.
FROM node:22-bookworm-slim AS pages
WORKDIR /src/pages
COPY pages ./
RUN npm ci --ignore-scripts --omit=optional --no-audit --no-fund \
    && mkdir -p ../receiver/admin/static \
    && npm run build


FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# What changes seldom comes first: the locked dependencies, in an environment of their own.
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /srv/receiver \
    && /srv/receiver/bin/pip install --require-hashes -r requirements.lock \
    && pip install --require-hashes -r requirements-build.lock

COPY pyproject.toml README.md build_pages.py ./
COPY pages pages
COPY receiver receiver
COPY --from=pages /src/receiver/admin/static receiver/admin/static
COPY migrations migrations
COPY schemas schemas
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
    && /srv/receiver/bin/pip install --no-deps --no-index /dist/*.whl \
    && /srv/receiver/bin/pip uninstall --yes pip

# What is in the image beside Python and Debian: the same that `make sbom` writes.
RUN python -W ignore::UserWarning -m cyclonedx_py requirements --pyproject pyproject.toml \
    --spec-version 1.6 --short-PURLs --output-reproducible --output-file /srv/receiver/sbom.cdx.json requirements.lock


FROM python:3.13-slim-bookworm
COPY --from=build /srv/receiver /srv/receiver

# Written to at run time: /tmp, and /var/lib/receiver where the database is an SQLite file. Nothing else.
RUN install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/receiver
WORKDIR /var/lib/receiver
ENV PATH=/srv/receiver/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PROMETHEUS_MULTIPROC_DIR=/tmp/receiver-metrics
USER 10001:10001
EXPOSE 8000

HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:8000/healthz', timeout=4)"]

# The database is brought up to date by `receiver migrate`, a step of its own, never by the start of the server.
ENTRYPOINT ["receiver"]
CMD ["serve", "--bind", "0.0.0.0:8000"]
