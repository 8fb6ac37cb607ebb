#!/usr/bin/env bash
# Tries an image: prints its files, size and user, starts both subcommands as that user, and takes a certificate from
# `kubectl apply` to Ready on the test bed, with operator and solver running in the unpacked image, which holds nothing else.
#
# Needs root, or `buildah unshare`. Usage: image/try.sh [TAG]
set -euo pipefail
cd "$(dirname "$0")/.."

tag=${1:-ghcr.io/akacert/akacert:dev}
target=${CARGO_TARGET_DIR:-$PWD/target}
engine=$(command -v buildah || command -v docker) || {
	echo "image/try.sh: needs buildah or docker" >&2
	exit 1
}

# A copy, since the pods' volumes need places in it.
root=$target/image/root
rm -rf "$root" && mkdir -p "$root"
case $engine in
*buildah)
	container=$(buildah from "$tag")
	trap 'buildah rm "$container" >/dev/null' EXIT
	cp -a "$(buildah mount "$container")/." "$root"
	user=$(buildah inspect --type image --format '{{.OCIv1.Config.User}}' "$tag")
	# A line for each name that the image has.
	size=$(buildah images --format '{{.Size}}' "$tag" | sed -n 1p)
	;;
*)
	container=$(docker create "$tag")
	trap 'docker rm "$container" >/dev/null' EXIT
	# Without what docker puts into every container.
	docker export "$container" | tar --extract --directory "$root" --exclude=.dockerenv --exclude='dev/*' \
		--exclude=etc/hostname --exclude=etc/hosts --exclude=etc/mtab --exclude=etc/resolv.conf
	user=$(docker image inspect --format '{{.Config.User}}' "$tag")
	size=$(docker image inspect --format '{{.Size}} bytes' "$tag")
	;;
esac
echo "files: $(cd "$root" && find . -type f | sort | xargs)"
echo "size: $size   user: $user"
[ "$user" = 65532:65532 ]
echo "version: $(chroot --userspec="$user" "$root" /akacert --version)"

# As the image's user, which has no other one's rights, and without a cluster: each starts, and says that it is alive.
# What else a container finds: devices, and the resolver's configuration.
mkdir "$root/dev" "$root/run"
cp /etc/resolv.conf "$root/etc/resolv.conf"
cat >"$root/run/kubeconfig" <<-'END'
	apiVersion: v1
	kind: Config
	clusters: [{name: none, cluster: {server: "http://127.0.0.1:9"}}]
	contexts: [{name: none, context: {cluster: none, user: none}}]
	users: [{name: none, user: {}}]
	current-context: none
END
for subcommand in operator solver; do
	KUBECONFIG=/run/kubeconfig POD_NAMESPACE=akacert-system POD_NAME=try unshare --mount sh -c '
		root=$1 user=$2; shift 2
		mount --rbind /dev "$root/dev" && exec chroot --userspec="$user" "$root" /akacert "$@"
	' sh "$root" "$user" "$subcommand" --admin-listen=127.0.0.1:18081 >"$root/run/$subcommand.log" 2>&1 &
	process=$!
	for _ in $(seq 100); do
		answer=$(curl --silent --max-time 1 http://127.0.0.1:18081/healthz || true)
		[ -z "$answer" ] || break
		sleep 0.1
	done
	runs_as=$(stat --format %u:%g "/proc/$process" || true)
	kill "$process" 2>/dev/null && wait "$process" || true
	[ -n "$answer" ] && [ "$runs_as" = "$user" ] || {
		echo "image/try.sh: $subcommand does not start as $user:" >&2
		cat "$root/run/$subcommand.log" >&2
		exit 1
	}
	echo "started as $runs_as: akacert $subcommand"
done
rmdir "$root/dev"
rm -r "$root/run" "$root/etc/resolv.conf"
AKACERT_IMAGE_ROOT=$root "$target/debug/testbed" demo
