# The server in a container: no root, no compiler, nothing written but /data. Settings: docs/settings.md.
#
#   docker build -t idp .
#   docker run --read-only --tmpfs /tmp -p 127.0.0.1:8000:8000 -v idp-data:/data \
#       -e IDP_ISSUER=https://id.example.com -e IDP_SECRET_KEY_FILE=/run/secrets/idp_secret_key \
#       -v ./secret_key:/run/secrets/idp_secret_key:ro idp

FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/idp
ENV PATH=/opt/idp/bin:$PATH
# First the locked dependencies, whose layer stays as long as the lock does: exactly these files, known by their hashes.
COPY requirements.lock ./
RUN pip install --require-hashes --only-binary :all: --requirement requirements.lock
COPY setup.cfg pyproject.toml README.md ./
COPY idp ./idp
RUN pip install --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin idp \
    && install --directory --mode 0700 --owner idp --group idp /data
COPY --from=build /opt/idp /opt/idp
ENV PATH=/opt/idp/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    IDP_ENV=production \
    IDP_DATABASE_URL=sqlite:////data/idp.sqlite3 \
    IDP_KEYS_DIR=/data/keys \
    IDP_VAR_DIR=/data/var
WORKDIR /data
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health', timeout=4)"]
# Migrates the database and makes missing keys first; of several instances that start together, one does it.
CMD ["idp", "serve", "--init"]
