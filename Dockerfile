# `selfagg serve` in a container: see docs/deploying.md, also for what was tried of it.
ARG PYTHON=3.13-slim
FROM python:${PYTHON} AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN python -m venv /opt/selfagg && /opt/selfagg/bin/pip install --no-cache-dir '.[server,eval,local]'

FROM python:${PYTHON}
COPY --from=build /opt/selfagg /opt/selfagg
RUN useradd --create-home --uid 10001 selfagg && install -d -o selfagg -g selfagg /records /cache
ENV PATH=/opt/selfagg/bin:$PATH XDG_CACHE_HOME=/cache
USER selfagg
WORKDIR /records
# /records: the server's record (--record /records/serve.sqlite). /cache: the embedded model's weights.
VOLUME ["/records", "/cache"]
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
# Docker waits ten seconds between SIGTERM and SIGKILL, so open requests get eight.
# Whoever can reach the port needs a key: -e SELFAGG_API_KEYS=KEY[,KEY...]
ENTRYPOINT ["selfagg", "serve", "--host", "0.0.0.0", "--port", "8080", "--grace", "8"]
CMD ["--model", "local"]
