# Two stages: compile with Debian's own tools, run on Debian without them. libpq and OpenSSL are compiled in, so the
# runtime image needs the C library and the certificates, nothing else.

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev make perl \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN cargo build --release --locked --bin ml-connector

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /build/target/release/ml-connector /usr/local/bin/ml-connector
# OpenSSL, bundled for PostgreSQL's TLS, looks for certificates where it was built; Debian keeps them here.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 10001:10001
EXPOSE 8080 9090
ENTRYPOINT ["/usr/local/bin/ml-connector"]
CMD ["serve"]
