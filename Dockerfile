# One file, one target per service: docker build --target gateway .
# Each target installs its own extra and no more; the code is the same in all of them.
# The default index serves PyTorch with CUDA. For the smaller CPU build of the engine pass
# --build-arg PIP_EXTRA_INDEX_URL=<PyTorch's CPU index>.
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/app \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    HOME=/home/storymill
# Named volumes take the owner of the folder that they are first mounted on.
RUN useradd --uid 10001 --create-home storymill \
    && install --directory --owner storymill --group storymill /data /data/objects /data/engine /data/beat
WORKDIR /app
# Before the code, so that a change of the code does not install everything anew.
COPY pyproject.toml constraints.txt README.md ./

FROM base AS platform
RUN pip install -c constraints.txt '.[platform]'

FROM platform AS migrate
COPY . .
USER storymill
CMD ["python", "-m", "shared.stores.db.migrate"]

FROM platform AS gateway
RUN pip install -c constraints.txt '.[gateway]'
COPY . .
USER storymill
EXPOSE 8000
CMD ["python", "-m", "services.gateway", "--host", "0.0.0.0", "--port", "8000"]

FROM platform AS streaming
RUN pip install -c constraints.txt '.[streaming]'
COPY . .
USER storymill
EXPOSE 8001
CMD ["python", "-m", "services.streaming", "--host", "0.0.0.0", "--port", "8001"]

FROM platform AS worker
RUN pip install -c constraints.txt '.[workers]'
COPY . .
USER storymill
# Which queues it serves is said where it is started: see docker-compose.yml.
CMD ["python", "-m", "celery", "-A", "services.workers.celery_app", "worker", "--pool", "threads"]

FROM worker AS beat
CMD ["python", "-m", "celery", "-A", "services.workers.celery_app", "beat", "--schedule", "/data/beat/schedule", "--pidfile="]

FROM base AS engine
ARG PIP_EXTRA_INDEX_URL=""
RUN pip install -c constraints.txt '.[engine]'
COPY . .
USER storymill
EXPOSE 8002
CMD ["python", "-m", "services.engine", "--host", "0.0.0.0", "--port", "8002"]
