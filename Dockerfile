# The builder's Debian is the final image's, so that both have the same C library.
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

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        ca-certificates libopenblas0-pthread libsqlite3-0 libssl3 libstdc++6 libzstd1 python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 quintet \
    && install -d -o quintet -g quintet /var/lib/quintet
COPY --from=builder /out/quintet /usr/local/bin/quintet
COPY cluster/sweeps /home/quintet/cluster/sweeps
USER 10001
WORKDIR /home/quintet
ENV QUINTET_STATE=/var/lib/quintet/state QUINTET_CACHE=/var/lib/quintet/cache
VOLUME /var/lib/quintet
ENTRYPOINT ["quintet"]
