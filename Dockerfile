# `selfagg serve`. Not built where it was written: no container engine was at hand.
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN python -m venv /opt/selfagg && /opt/selfagg/bin/pip install --no-cache-dir '.[server]'

FROM python:3.12-slim
COPY --from=build /opt/selfagg /opt/selfagg
RUN useradd --create-home --uid 10001 selfagg
USER selfagg
WORKDIR /home/selfagg
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
  CMD ["/opt/selfagg/bin/python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
# Beyond this machine keys are needed: -e SELFAGG_API_KEYS=KEY[,KEY...]
ENTRYPOINT ["/opt/selfagg/bin/selfagg", "serve", "--host", "0.0.0.0", "--port", "8080"]
CMD ["--help"]
