# The server with its default engine: English, on the CPU, no GPU needed.

FROM python:3.12-slim AS build
ARG UV_VERSION=0.13.9
# Behind a mirror: --build-arg PIP_INDEX_URL=... --build-arg UV_DEFAULT_INDEX=...
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_NO_CACHE=1
RUN pip install --no-cache-dir uv==${UV_VERSION}
WORKDIR /app
# The dependencies in a layer of their own: changed code does not install them again.
COPY pyproject.toml ./
RUN uv sync --no-install-project
COPY LICENSE README.en.md ./
COPY src ./src
RUN uv sync --no-editable

FROM python:3.12-slim
RUN useradd --system --no-create-home asr
WORKDIR /app
COPY --from=build /app/.venv .venv
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1
USER asr
EXPOSE 8001
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('SERVER_PORT', '8001')}/health\")"]
CMD ["qwen3-asr-realtime", "serve"]
