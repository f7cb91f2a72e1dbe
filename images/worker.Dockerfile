# Build context: a folder holding the one binary, as `cargo xtask images` lays it out.
ARG BASE=localhost/foresail/base:latest
FROM ${BASE}
COPY foresail-worker /usr/local/bin/foresail-worker
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/usr/local/bin/foresail-worker"]
