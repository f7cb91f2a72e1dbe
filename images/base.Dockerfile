# The base of our images, built where Docker Hub is at hand. `cargo xtask` uses rootfs.Dockerfile instead.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libssl3 zlib1g tzdata \
 && rm -rf /var/lib/apt/lists/*
