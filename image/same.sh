#!/usr/bin/env bash
# Builds the image from two clones of this commit, in folders with names of different lengths, and compares the digests.
#
# Needs what image/build.sh needs, and the time of two release builds. Usage: image/same.sh
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp --directory)
trap 'rm -rf "$work"' EXIT
unset CARGO_TARGET_DIR
revision=$(git rev-parse HEAD)
digests=()
for clone in one another/folder; do
	git clone --quiet . "$work/$clone"
	# Somebody may commit meanwhile.
	git -C "$work/$clone" checkout --quiet --detach "$revision"
	built=$("$work/$clone/image/build.sh" "localhost/akacert-same:${clone//\//-}")
	echo "$built"
	digests+=("$(sed -n 's/^digest: //p' <<<"$built") $(cd "$work/$clone/target/image" && sha256sum akacert.cdx.json)")
	# Two targets at once need much room.
	rm -rf "${work:?}/$clone"
done
[ "${digests[0]}" = "${digests[1]}" ] || {
	printf 'image/same.sh: two clones, two images:\n%s\n%s\n' "${digests[@]}" >&2
	exit 1
}
echo "the same image from both clones: ${digests[0]%% *}"
