#!/usr/bin/env bash
# Builds the image with buildah, or with docker where there is no buildah, and prints its digest, its size, and where its
# SBOM is.
#
# Two clones of one commit, in whatever folders, give one digest: no path, no user and no time but the commit's gets into
# it. The dependencies are listed in the program itself (cargo auditable), where scanners of images look for them, and with
# their licenses and checksums in a CycloneDX file beside the image (cargo cyclonedx).
#
# Usage: image/build.sh [TAG]
set -euo pipefail
cd "$(dirname "$0")/.."

tag=${1:-ghcr.io/akacert/akacert:dev}
engine=$(command -v buildah || command -v docker) || {
	echo "image/build.sh: needs buildah or docker" >&2
	exit 1
}
roots=${CA_CERTIFICATES:-/etc/ssl/certs/ca-certificates.crt}
[ -r "$roots" ] || {
	echo "image/build.sh: no $roots: install ca-certificates, or name a bundle with CA_CERTIFICATES" >&2
	exit 1
}

epoch=$(git log -1 --format=%ct)
cargo_home=${CARGO_HOME:-$HOME/.cargo}
target_directory=${CARGO_TARGET_DIR:-$PWD/target}
platform=$(rustc -vV | sed -n 's/^host: //p')

export SOURCE_DATE_EPOCH=$epoch CARGO_TARGET_DIR=$target_directory/image
# Of C sources too: the TLS library has some.
export CFLAGS="-ffile-prefix-map=$cargo_home=/cargo -ffile-prefix-map=$CARGO_TARGET_DIR=/target"
export RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$PWD=/src --remap-path-prefix=$cargo_home=/cargo \
	--remap-path-prefix=$CARGO_TARGET_DIR=/target"
${CARGO_AUDITABLE:-cargo auditable} build --release --locked --package akacert --bin akacert --target "$platform"

# The SBOM is written beside each Cargo.toml: of a copy, so that the clone stays as it is.
source=$CARGO_TARGET_DIR/source sbom=$CARGO_TARGET_DIR/akacert.cdx.json
rm -rf "$source" && mkdir -p "$source"
git ls-files -z | tar --create --null --files-from=- | tar --extract --directory "$source"
${CARGO_CYCLONEDX:-cargo cyclonedx} --quiet --manifest-path "$source/Cargo.toml" --format json --spec-version 1.5 \
	--target "$platform" --no-build-deps
sed "s|file://$source|file:///src|g" "$source/akacert.cdx.json" >"$sbom"

context=$CARGO_TARGET_DIR/context
rm -rf "$context" && mkdir -p "$context"
install -m 0755 "$CARGO_TARGET_DIR/$platform/release/akacert" "$context/akacert"
install -m 0644 "$roots" "$context/ca-certificates.crt"
touch --date="@$epoch" "$context"/*

arguments=(
	--file Dockerfile --tag "$tag"
	--build-arg "VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)"
	--build-arg "REVISION=$(git rev-parse HEAD)"
	--build-arg "CREATED=$(date --utc --date="@$epoch" +%FT%TZ)"
)
case $engine in
*buildah)
	"$engine" build --quiet --timestamp "$epoch" "${arguments[@]}" "$context" >/dev/null
	digest=$("$engine" inspect --type image --format '{{.FromImageDigest}}' "$tag")
	# A line for each name that the image has.
	size=$("$engine" images --format '{{.Size}}' "$tag" | sed -n 1p)
	;;
*)
	"$engine" buildx build --quiet --output type=docker,rewrite-timestamp=true "${arguments[@]}" "$context" >/dev/null
	digest=$("$engine" image inspect --format '{{.Id}}' "$tag")
	size=$("$engine" image inspect --format '{{.Size}} bytes' "$tag")
	;;
esac
printf 'image: %s\ndigest: %s\nsize: %s\nsbom: %s\n' "$tag" "$digest" "$size" "$sbom"
