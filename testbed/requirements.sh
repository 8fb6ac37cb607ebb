#!/usr/bin/env bash
# Says, all at once and within a second, what this machine lacks: one command that installs the Debian packages, and the
# versions of Rust, Go and Python. It installs nothing, unless --install asks it to install the packages.
#
# Usage: requirements.sh demo|shell|test [--install]
#
# shell (a test bed with every part) needs what demo needs and more; test (all checks and tests) needs everything.
# It uses only what bash has built in, because any program may be missing.
set -euo pipefail

purpose=${1:-} install=${2:-}
case $purpose in
demo) purposes='demo' ;;
shell) purposes='demo shell' ;;
test) purposes='demo shell test' ;;
*)
	echo 'Usage: requirements.sh demo|shell|test [--install]' >&2
	exit 2
	;;
esac
here=${BASH_SOURCE[0]%/*}
root=$here/..

# Who needs it, what it is, and the Debian package that has it. A name in parentheses is a function below.
table='
demo   unshare          util-linux
demo   setpriv          util-linux
demo   nsenter          util-linux
demo   mount            mount
demo   ip               iproute2
demo   openssl          openssl
demo   cc               gcc
demo   (c_headers)      libc6-dev
demo   (ca_roots)       ca-certificates
shell  named            bind9
test   make             make
test   git              git
test   dig              bind9-dnsutils
test   nsupdate         bind9-dnsutils
test   kill             procps
test   script           bsdutils
test   python3          python3
test   (python_venv)    python3-venv
'

# Not everybody's PATH has the directories of programs that usually only root needs.
PATH=$PATH:/usr/sbin:/sbin

has() { type -P "$1" >/dev/null; }
c_headers() {
	if has cc; then
		cc -E -o /dev/null -x c - <<<'#include <stdlib.h>' 2>/dev/null
	else
		[ -e /usr/include/stdlib.h ]
	fi
}
ca_roots() {
	local file
	for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
		[ ! -s "$file" ] || return 0
	done
	return 1
}
python_venv() { [[ $python == *' venv' ]]; }

# Is version $1 at least version $2?
at_least() {
	local have want part
	IFS=.- read -ra have <<<"$1"
	IFS=.- read -ra want <<<"$2"
	for part in 0 1 2; do
		local a=${have[part]:-0} b=${want[part]:-0}
		a=${a%%[!0-9]*} b=${b%%[!0-9]*}
		((10#${a:-0} == 10#${b:-0})) || return $((10#${a:-0} < 10#${b:-0}))
	done
}

# The value that follows $1 in file $2.
value_of() {
	local line
	while read -r line; do
		[[ $line != "$1"* ]] || echo "${line#"$1"}"
	done <"$2"
}

# The oldest Python that the packages of crates/cps-simulator/tests/cps/requirements.txt run on.
oldest_python=3.11
# The version of Python, and whether it can create virtual environments. This starts Python only once, because that is slow.
python=
ask_python() {
	[ "$purpose" = test ] && has python3 || return 0
	python=$(python3 -c 'import platform; print(platform.python_version(), end=""); import ensurepip, venv; print(" venv")' 2>/dev/null) || true
}

packages() {
	local who what package missing=' '
	while read -r who what package; do
		[[ -n $who && " $purposes " == *" $who "* && $missing != *" $package "* ]] || continue
		case $what in
		'('*) what=${what//[()]/} && "$what" || missing+="$package " ;;
		*) has "$what" || missing+="$package " ;;
		esac
	done <<<"$table"
	missing=${missing# }
	echo "${missing% }"
}

rust() {
	local want has_version=
	want=$(value_of 'channel = ' "$root/rust-toolchain.toml")
	want=${want//\"/}
	if has cargo; then
		# rustup must not install another one by the way.
		has_version=$(cd "$root" && RUSTUP_AUTO_INSTALL=0 cargo --version 2>/dev/null) || has_version=
		read -r _ has_version _ <<<"$has_version" || true
	fi
	if [ -z "$has_version" ] && has rustup; then
		echo "Rust $want: rustup toolchain install $want --profile minimal --component clippy --component rustfmt"
	elif [ -z "$has_version" ]; then
		echo "Rust $want or newer (https://rustup.rs)"
	elif ! at_least "$has_version" "$want"; then
		echo "Rust $want or newer (https://rustup.rs); here is $has_version"
	elif [ "$purpose" = test ] && ! (cd "$root" && has cargo-clippy && has cargo-fmt); then
		echo "Rust's clippy and rustfmt"
	fi
}

go_version() {
	local want=0 module wanted has_version=
	local modules=("$here"/{control-plane,ingress,acme}/go.mod)
	[ "$purpose" = demo ] || modules=("$here"/*/go.mod "$root"/crates/cps-simulator/tests/cps/go-client/go.mod)
	for module in "${modules[@]}"; do
		wanted=$(value_of 'go ' "$module")
		at_least "$want" "$wanted" || want=$wanted
	done
	! has go || has_version=$(cd / && GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || has_version=
	has_version=${has_version#go}
	if [ -z "$has_version" ]; then
		echo "Go $want or newer (https://go.dev/dl/)"
	elif ! at_least "$has_version" "$want"; then
		echo "Go $want or newer (https://go.dev/dl/); here is $has_version"
	fi
}

python() {
	[ "$purpose" = test ] && [ -n "$python" ] || return 0
	at_least "${python% venv}" "$oldest_python" || echo "Python $oldest_python or newer; here is ${python% venv}"
}

namespaces() {
	! has unshare || unshare --user --map-root-user --net --mount --pid --fork "$BASH" -c : 2>/dev/null ||
		echo 'Unprivileged user namespaces: Linux with kernel.unprivileged_userns_clone=1, and no AppArmor restriction of them'
}

ask_python
missing=$(packages)
if [ "$install" = --install ] && [ -n "$missing" ]; then
	# shellcheck disable=SC2086 # one word for each package
	apt-get update && apt-get install --yes --no-install-recommends $missing
	ask_python
	missing=$(packages)
fi
lacks=$(rust && go_version && python && namespaces)
if [ -n "$missing" ]; then
	sudo=
	((EUID == 0)) || sudo='sudo '
	lacks="${sudo}apt-get update && ${sudo}apt-get install --yes --no-install-recommends $missing${lacks:+$'\n'}$lacks"
fi
if [ -n "$lacks" ]; then
	echo 'This machine lacks what is needed here:' >&2
	while read -r line; do
		echo "  $line" >&2
	done <<<"$lacks"
	exit 1
fi
