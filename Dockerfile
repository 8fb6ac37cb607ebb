# One static program and the roots of trust, nothing else. `make image` builds both first, and the same image from every
# clone of a commit.
FROM scratch
COPY akacert /akacert
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ENTRYPOINT ["/akacert"]
ARG VERSION
ARG REVISION
ARG CREATED
LABEL org.opencontainers.image.title="akacert" \
      org.opencontainers.image.description="A Kubernetes operator that manages Akamai certificate enrollments as custom resources" \
      org.opencontainers.image.url="https://github.com/akacert/akacert" \
      org.opencontainers.image.source="https://github.com/akacert/akacert" \
      org.opencontainers.image.documentation="https://github.com/akacert/akacert/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
