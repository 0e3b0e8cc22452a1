# One image for worker, trainer, simulator and topic creation; the command line chooses.
FROM python:3.11-slim

# Where to look for another build of torch: give the index of the builds without CUDA to make the image 4 GB smaller.
ARG TORCH_INDEX_URL=""
# Optional parts, separated by blanks: s3, gcs, privacy.
ARG EXTRAS=""

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# Dependencies first: they change seldom and weigh much.
WORKDIR /src
COPY pyproject.toml ./
RUN python -c "import os, tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
        extras = [project['optional-dependencies'][name] for name in os.environ['EXTRAS'].split()]; \
        print('\n'.join(sum(extras, project['dependencies'])))" > /tmp/requirements.txt \
    && pip install ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} -r /tmp/requirements.txt
COPY README.md LICENSE ./
COPY schemas schemas
COPY models models
COPY streamproc streamproc
RUN pip install --no-deps .

# Folders that volumes are mounted on take over this owner; numba keeps what it compiled.
RUN useradd --uid 10001 --create-home streamproc \
    && mkdir -p /var/lib/streamproc/artefacts /var/lib/streamproc/state /var/cache/numba \
    && chown -R streamproc:streamproc /var/lib/streamproc /var/cache/numba
ENV NUMBA_CACHE_DIR=/var/cache/numba \
    STREAMPROC_DATA_DIR=/var/lib/streamproc/state \
    STREAMPROC_ARTEFACT_URI=/var/lib/streamproc/artefacts \
    STREAMPROC_HTTP_HOST=0.0.0.0
USER streamproc
WORKDIR /home/streamproc

# Compile the kernels now, for this kind of processor: a worker on another kind does it again, in half a minute.
RUN python -c "from streamproc.recommending import warm_up; from streamproc.settings import Settings; warm_up(Settings())"

ENTRYPOINT ["streamproc"]
CMD ["--help"]
