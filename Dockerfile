# Four images: `train` holds the data and what learns from it, `serve` what answers requests, `loop` the small steps
# between a merge and a model, `mlflow` the registry's server.
#
#   docker build --target train --tag train .     when `dvc repro` has run: the data and its matrices must be here
#   docker build --target serve --tag serve .     so `loop` and `mlflow`
#
# Layers go from what changes least to what changes most: packages, old data, new data, code. A code change moves
# kilobytes, new data moves that data (docs/benchmarks.md). Each layer is first laid out as a tree in a stage of its
# own, with fixed owners, modes and times, and then copied whole: so the same content is the same layer, bit for bit,
# whoever builds it and with or without a cache. What may enter a build is listed in .dockerignore.
#
# The base is pinned by version. A digest would be stricter, but a base made locally under this name (.ci/base-image) has
# another one. Where you build from a registry, add @sha256:… here.
FROM python:3.11.14-slim-bookworm AS base
# PYTHONDONTWRITEBYTECODE: the user cannot write beside the packages anyway; they are compiled below.
# OMP_WAIT_POLICY: idle OpenMP threads that spin starve their neighbours on a shared node.
# HOME, USER: the user has a number and no entry in /etc/passwd; what asks for its name or home gets these.
ENV HOME=/tmp \
    USER=slipway \
    PYTHONPATH=/app/src \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OMP_WAIT_POLICY=PASSIVE


# Packages are compiled once here, or every start would compile them. An "unchecked-hash" .pyc holds no timestamp.
#
# A replica waits for what a node must fetch: the packages' own tests are left out, and what botocore knows of Amazon's
# other services (s3 is where models lie, sts is who a pod is).
FROM base AS serve-packages
COPY requirements/serve.txt /requirements/
RUN pip install --root /layer --no-deps --require-hashes --no-cache-dir --no-compile --disable-pip-version-check \
      --root-user-action ignore --no-warn-script-location -r /requirements/serve.txt \
 && find /layer -type d -name tests -prune -exec rm -r {} + \
 && find /layer -type d -path '*/botocore/data/*' -prune ! -name s3 ! -name sts -exec rm -r {} + \
 && python -m compileall -q -s /layer -p / --invalidation-mode unchecked-hash /layer \
 && find /layer -exec touch --no-dereference --date=1980-01-01Z {} +


FROM base AS train-packages
COPY requirements/train.txt /requirements/
RUN pip install --root /layer --no-deps --require-hashes --no-cache-dir --no-compile --disable-pip-version-check \
      --root-user-action ignore --no-warn-script-location -r /requirements/train.txt \
 && python -m compileall -q -s /layer -p / --invalidation-mode unchecked-hash /layer \
 && find /layer -exec touch --no-dereference --date=1980-01-01Z {} +


FROM base AS loop-packages
COPY requirements/loop.txt /requirements/
RUN pip install --root /layer --no-deps --require-hashes --no-cache-dir --no-compile --disable-pip-version-check \
      --root-user-action ignore --no-warn-script-location -r /requirements/loop.txt \
 && python -m compileall -q -s /layer -p / --invalidation-mode unchecked-hash /layer \
 && find /layer -exec touch --no-dereference --date=1980-01-01Z {} +


FROM base AS mlflow-packages
COPY requirements/mlflow.txt /requirements/
RUN pip install --root /layer --no-deps --require-hashes --no-cache-dir --no-compile --disable-pip-version-check \
      --root-user-action ignore --no-warn-script-location -r /requirements/mlflow.txt \
 && python -m compileall -q -s /layer -p / --invalidation-mode unchecked-hash /layer \
 && find /layer -exec touch --no-dereference --date=1980-01-01Z {} +


# A tree for each part: what it is made of, and its matrix.
FROM base AS data
WORKDIR /build
COPY data data
RUN for matrix in data/prepared/*.npy; do \
      part=$(basename "$matrix" .npy); part=${part%.ids}; \
      for file in data/*/*"$part"*; do \
        install -D --mode=0444 "$file" "/layers/$part/app/$file" || exit 1; \
      done; \
    done \
 && find /layers -exec touch --date=1980-01-01Z {} +


# What all but the server and MLflow run. The folders that a run writes to are the user's; all else is root's.
FROM base AS code
WORKDIR /layer/app
COPY src/slipway src/slipway
RUN python -m compileall -q -s /layer -p / --invalidation-mode unchecked-hash src \
 && install --directory --owner=10001 --group=10001 build models reports \
 && chmod --recursive u=rwX,go=rX /layer \
 && find /layer -exec touch --date=1980-01-01Z {} +


# What answers requests, and nothing of what learns, or of yours: a model's folder says all that its answers need.
FROM base AS serve-code
WORKDIR /layer/app
COPY src/slipway/*.py src/slipway/
COPY src/slipway/problem src/slipway/problem
COPY src/slipway/serving src/slipway/serving
RUN python -m compileall -q -s /layer -p / --invalidation-mode unchecked-hash src \
 && chmod --recursive u=rwX,go=rX /layer \
 && find /layer -exec touch --date=1980-01-01Z {} +


# With the settings of a training run.
FROM code AS train-code
COPY params.yaml dvc.yaml slipway.yaml ./
COPY k8s/katib k8s/katib
RUN chmod --recursive u=rwX,go=rX /layer \
 && find /layer -exec touch --date=1980-01-01Z {} +


# With the names of things.
FROM code AS loop-code
COPY slipway.yaml ./
RUN chmod --recursive u=rwX,go=rX /layer \
 && find /layer -exec touch --date=1980-01-01Z {} +


# What describes the data. A Dockerfile that is out of step with the data ends the build here.
FROM code AS description
WORKDIR /description/app
COPY Dockerfile ./
COPY data/*.dvc data/
COPY data/prepared/index.json data/prepared/sample.json data/prepared/
COPY reports/data.json reports/
RUN PYTHONPATH=/layer/app/src python -m slipway image --check \
 && chown 10001:10001 reports \
 && chmod --recursive u=rwX,go=rX /description \
 && find /description -exec touch --date=1980-01-01Z {} +


FROM base AS serve
COPY --from=serve-packages /layer /
COPY --from=serve-code /layer /
WORKDIR /app
USER 10001:10001
EXPOSE 8080
CMD ["python", "-m", "slipway", "serve", "--model", "/mnt/models", "--host", "0.0.0.0", "--port", "8080"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="slipway serve" \
      org.opencontainers.image.description="Answers requests with a registered model" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="$REVISION"


FROM base AS loop
COPY --from=loop-packages /layer /
COPY --from=loop-code /layer /
WORKDIR /app
USER 10001:10001
CMD ["python", "-m", "slipway", "--help"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="slipway loop" \
      org.opencontainers.image.description="The workflow's small steps: plan, collect, hand over, answer" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="$REVISION"


FROM base AS mlflow
# No telemetry; and no eight more processes for judges of language models.
ENV MLFLOW_DISABLE_TELEMETRY=true \
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
COPY --from=mlflow-packages /layer /
WORKDIR /tmp
USER 10001:10001
EXPOSE 5000
CMD ["mlflow", "server", "--host", "0.0.0.0", "--port", "5000"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="slipway mlflow" \
      org.opencontainers.image.description="The registry's server, for PostgreSQL and S3" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="$REVISION"


FROM base AS train
COPY --from=train-packages /layer /
# data: begin (kept by `python -m slipway image`)
COPY --from=data /layers/2013-01 /
COPY --from=data /layers/2013-02 /
COPY --from=data /layers/2013-03 /
COPY --from=data /layers/2013-04 /
COPY --from=data /layers/2013-05 /
# data: end
COPY --from=description /description /
COPY --from=train-code /layer /
WORKDIR /app
USER 10001:10001
CMD ["python", "-m", "slipway", "train"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="slipway train" \
      org.opencontainers.image.description="The data, its matrices, and a training command that prints its metrics" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="$REVISION"
