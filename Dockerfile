# The device side alone: bundles in, masks out. No torch, no compiler, no user root.
#   docker build -t bmis .
#   docker run --rm --read-only --network none --user "$(id -u):$(id -g)" -v "$PWD:/data" \
#     bmis predict lesion.bmis photos --out masks
# With EXTRAS=serve,clinical it holds `bmis serve` too, see docs/how-to/serve.md.
FROM python:3.12-slim AS wheel
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.12-slim
ARG EXTRAS=""
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir "$(echo /wheels/bmis-*.whl)${EXTRAS:+[$EXTRAS]}" && useradd --no-create-home --uid 10001 bmis
ENV PYTHONDONTWRITEBYTECODE=1 ORT_DISABLE_TELEMETRY=1
USER 10001
WORKDIR /data
ENTRYPOINT ["bmis"]
CMD ["--help"]
