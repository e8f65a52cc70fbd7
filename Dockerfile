# The builder's Debian is the last image's, so that both have the same C library.
FROM swift:6.3-bookworm AS builder
RUN apt-get update \
    && apt-get install -y --no-install-recommends libopenblas-dev libssl-dev libzstd-dev libsqlite3-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# The packages first: they are fetched again only when the manifest changes.
COPY Package.swift ./
RUN swift package resolve
COPY . .
RUN swift build -c release --product quintet --static-swift-stdlib \
    && install -D --strip .build/release/quintet /out/quintet

# Four libraries and what they stand on: for coordinators with a filled cache, and for workers, which are sent all.
FROM debian:bookworm-slim AS runtime
RUN apt-get update \
    && apt-get install -y --no-install-recommends libopenblas0-pthread libsqlite3-0 libssl3 libstdc++6 libzstd1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 quintet \
    && install -d -o quintet -g quintet /var/lib/quintet /run/quintet
COPY --from=builder /out/quintet /usr/local/bin/quintet
COPY cluster/sweeps /home/quintet/cluster/sweeps
USER 10001
WORKDIR /home/quintet
ENV QUINTET_STATE=/var/lib/quintet/state QUINTET_CACHE=/var/lib/quintet/cache
VOLUME /var/lib/quintet
# Either a coordinator or, in the folder that it was given, a worker.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD quintet health || quintet health --worker /var/lib/quintet/worker
ENTRYPOINT ["quintet"]

# The same with what `quintet fetch` needs: docker build --target fetching
FROM runtime AS fetching
USER 0
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/*
USER 10001

FROM runtime
