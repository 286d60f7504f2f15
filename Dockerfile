# The device side alone: bundles in, masks out. No torch, no compiler, no user root.
#   docker build -t bmis .
#   docker run --rm --read-only --network none --user "$(id -u):$(id -g)" -v "$PWD:/data" \
#     bmis predict lesion.bmis photos --out masks
FROM python:3.12-slim AS wheel
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.12-slim
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir /wheels/*.whl && useradd --no-create-home --uid 10001 bmis
ENV PYTHONDONTWRITEBYTECODE=1 ORT_DISABLE_TELEMETRY=1
USER 10001
WORKDIR /data
ENTRYPOINT ["bmis"]
CMD ["--help"]
