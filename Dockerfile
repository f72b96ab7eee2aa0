# One image for every service: the code, its locked dependencies and the parsed dbt project. Settings and secrets come
# at the start, see docker-compose.yml; nothing of either is in here.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
WORKDIR /app
# The dependencies change less often than the code: a layer of their own.
COPY requirements.lock ./
RUN /opt/venv/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE dagster.yaml workspace.yaml ./
COPY api ./api
COPY factorloom ./factorloom
COPY models ./models
COPY orchestration ./orchestration
COPY transforms ./transforms
COPY warehouse ./warehouse
COPY dbt_project ./dbt_project
RUN /opt/venv/bin/pip install --no-deps --no-build-isolation --editable .

FROM ${PYTHON_IMAGE}
# LightGBM's threads.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/factorloom factorloom \
    && install --directory --owner=factorloom --group=factorloom --mode=0700 /var/lib/factorloom /var/lib/factorloom-dbt
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FACTORLOOM_HOME=/var/lib/factorloom \
    DBT_TARGET_PATH=/var/lib/factorloom-dbt/target \
    DBT_LOG_PATH=/var/lib/factorloom-dbt/logs
USER factorloom
WORKDIR /app
# Parsed once, here: no service has to wait for it. Home is the volume's, so what this step leaves there is removed.
RUN factorloom manifest && find /var/lib/factorloom -mindepth 1 -delete
VOLUME /var/lib/factorloom
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=15s --start-period=60s --retries=4 CMD ["factorloom", "healthy", "api"]
CMD ["factorloom", "serve", "api", "--host", "0.0.0.0"]
