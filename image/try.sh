#!/usr/bin/env bash
# Tries an image: prints its size and user, and takes a certificate from `kubectl apply` to Ready on the test bed, with
# operator and solver running in the unpacked image, which holds nothing else.
#
# Needs buildah, and root or `buildah unshare`. Usage: image/try.sh [TAG]
set -euo pipefail
cd "$(dirname "$0")/.."

tag=${1:-ghcr.io/akacert/akacert:dev}
target=${CARGO_TARGET_DIR:-$PWD/target}
container=$(buildah from "$tag")
trap 'buildah rm "$container" >/dev/null' EXIT

# A copy, since the pods' volumes need places in it.
root=$target/image/root
rm -rf "$root" && mkdir -p "$root"
cp -a "$(buildah mount "$container")/." "$root"
user=$(buildah inspect --type image --format '{{.OCIv1.Config.User}}' "$tag")
echo "files: $(cd "$root" && find . -type f | sort | xargs)"
echo "size: $(buildah images --format '{{.Size}}' "$tag")   user: $user"
echo "version: $(chroot --userspec="$user" "$root" /akacert --version)"
AKACERT_IMAGE_ROOT=$root "$target/debug/testbed" demo
