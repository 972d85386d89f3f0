# migrator in a container: docs/how-to/run-in-a-container.md shows how to run it, and under which path the data has to be.
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY docs/reference/migrator.1 docs/reference/
COPY migrator migrator
COPY contracts contracts
RUN python -m venv /opt/migrator
RUN /opt/migrator/bin/pip install --no-cache-dir --quiet '.[contracts]'

FROM python:3.12-slim
COPY --from=build /opt/migrator /opt/migrator
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin migrator \
    && install --directory --owner=migrator --group=migrator --mode=0700 /data
ENV PATH=/opt/migrator/bin:$PATH MIGRATOR_DATA_DIR=/data
USER migrator
WORKDIR /data
VOLUME /data
ENTRYPOINT ["migrator"]
CMD ["--help"]
