#!/usr/bin/env bash
# Builds one of the modules beside this script, from pinned Go modules:
#   control-plane   etcd, kube-apiserver, kube-controller-manager and kubectl, one multi-call binary   (about 5 minutes)
#   ingress         traefik, an Ingress controller, and the CRDs of the Gateway API                    (about 3 minutes)
#   acme            pebble, an ACME certificate authority, and pebble-challtestsrv, its DNS             (about 1 minute)
#   helm            helm                                                                               (about 2 minutes)
#   monitoring      prometheus and promtool, and the CRDs of the Prometheus operator                   (about 3 minutes)
#   external-dns    external-dns, and its CRD                                                          (about 2 minutes)
#   flux            the CRD of Flux's Kustomization; nothing is built                                  (seconds)
# The minutes are for two cores with a cold build cache.
#
# Usage: build.sh MODULE DIRECTORY
set -euo pipefail

module=$1
out=$(mkdir -p "$2" && cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
export CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS='-mod=mod -buildvcs=false'

# Builds a copy, and writes nothing into the source tree.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$here/$module/." "$work"
cd "$work"

case $module in
control-plane)
	kubernetes_version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
	minor=${kubernetes_version#v1.}
	version=k8s.io/component-base/version
	go build -trimpath -o "$out/control-plane" -ldflags "-s -w \
		-X $version.gitVersion=$kubernetes_version \
		-X $version.gitMajor=1 -X $version.gitMinor=${minor%%.*}" .
	for component in etcd kube-apiserver kube-controller-manager kubectl; do
		ln -sf control-plane "$out/$component"
	done
	;;
ingress)
	# Traefik links every DNS provider of lego. None is used here, and the SDKs of some are large, so it is built
	# on a copy of the module without them.
	lego=$(go mod download -json github.com/go-acme/lego/v4@v4.33.0 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	cp -r "$lego" lego && chmod -R u+w lego
	find lego/providers/dns -mindepth 1 -maxdepth 1 -type d ! -name internal -exec rm -rf {} +
	rm -f lego/providers/dns/*.go
	cp dns_providers.go.in lego/providers/dns/dns_providers.go
	go build -trimpath -ldflags '-s -w' -o "$out/" tool
	gateway_api=$(go mod download -json sigs.k8s.io/gateway-api@v1.4.1 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	for crd in "$gateway_api"/config/crd/standard/gateway.networking.k8s.io_*.yaml; do
		echo ---
		cat "$crd"
	done >"$out/gateway-api.yaml"
	;;
acme)
	# Each empty answer of pebble-challtestsrv names a zone of its own as the authority: a name server that forwards to it
	# takes that for a forgery. Built on a copy that says it were the root, and that has an empty answer, not an error,
	# to what it was not made for.
	challtestsrv=$(go mod download -json github.com/letsencrypt/challtestsrv@v1.4.2 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	cp -r "$challtestsrv" challtestsrv && chmod -R u+w challtestsrv
	sed -i 's/"challtestsrv\.invalid\."/"."/; /RcodeNotImplemented/d' challtestsrv/dns.go
	go build -trimpath -ldflags '-s -w' -o "$out/" \
		github.com/letsencrypt/pebble/v2/cmd/pebble github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv
	;;
monitoring)
	# Without the service discoveries, whose SDKs are most of it.
	go build -trimpath -tags remove_all_sd -ldflags '-s -w' -o "$out/" tool
	operator=$(go mod download -json github.com/prometheus-operator/prometheus-operator@v0.85.0 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	for kind in podmonitors prometheusrules; do
		install -m 644 "$operator/example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml" "$out/$kind.yaml"
	done
	;;
external-dns)
	# It links every DNS provider and the SDKs of them all. Built on a copy with one of them, and without the source
	# Ambassador, one of whose dependencies (vbom.ml/util) not every Go module proxy has.
	external_dns=$(go mod download -json sigs.k8s.io/external-dns@v0.21.0 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	cp -r "$external_dns" external-dns && chmod -R u+w external-dns
	rm external-dns/{provider,registry}/factory/*.go
	cp provider_factory.go.in external-dns/provider/factory/factory.go
	cp registry_factory.go.in external-dns/registry/factory/factory.go
	cp ambassador_source.go.in external-dns/source/ambassador_host.go
	sed -i '/datawire\/ambassador/d' external-dns/go.mod
	go build -trimpath -ldflags '-s -w' -o "$out/" tool
	install -m 644 external-dns/config/crd/standard/dnsendpoints.externaldns.k8s.io.yaml "$out/dnsendpoints.yaml"
	;;
helm)
	go build -trimpath -ldflags '-s -w' -o "$out/" tool
	;;
flux)
	kustomize_controller=$(go mod download -json github.com/fluxcd/kustomize-controller@v1.9.0 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	crd=config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml
	install -D -m 644 "$kustomize_controller/$crd" "$out/flux-kustomizations.yaml"
	;;
*)
	echo "build.sh: unknown module $module" >&2
	exit 2
	;;
esac
