#!/bin/sh
# SPDX-License-Identifier: ISC
# fips.sh: hosts that may use OpenSSL's FIPS provider and nothing else: with the provider of OpenSSL's own source, built
# here once (Debian has none), beside the OpenSSL that is here.  Self-tested and installed as a validated one is.
# shellcheck disable=SC1091,SC2015,SC2086,SC2154,SC2317
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/analyze/lib.sh"
. "$src/tests/analyze/sources.sh"
need make perl gcc flock openssl
[ -e tests/unit/module/test_life ] || { echo 'fips: make check first' >&2; exit 99; }
sources_start fips
sources_fips
exec 9>&-
cd "$build" && rm -rf "$work" || exit 99 # it is lib_start's now
. "$src/tests/lib.sh"
lib_start fips
. "$src/tests/fixtures.sh"
FIXTURES_ROOT=$fixtures

provider=$cache/fips/providers/fips.so
openssl fipsinstall -module "$provider" -out fipsmodule.cnf >install.out 2>&1 || not_ok 'the provider tests itself' "$(cat install.out)"
# fipsinstall leaves out where the provider is.
sed -i "s,^\[fips_sect\],&\nmodule = $provider," fipsmodule.cnf
host_conf() { # FILE [LINE]: fips and base, and what else is to be read ahead of them
	cat >"$1" <<-CNF
		openssl_conf = init
		.include $work/fipsmodule.cnf
		[init]
		${2:-}
		providers = providers
		alg_section = algorithms
		[providers]
		fips = fips_sect
		base = base_sect
		[base_sect]
		activate = 1
		[algorithms]
		default_properties = fips=yes
		[snicert_sect]
		path = $build/.libs/snicert.so
		config = $work/store/conf
	CNF
}
host_conf dlopen.cnf
host_conf ahead.cnf 'snicert = snicert_sect'
said=$(OPENSSL_CONF=$work/dlopen.cnf openssl list -providers 2>&1)
has "$said" 'OpenSSL FIPS Provider' 'the host has the FIPS provider'
hasnt "$said" 'Default Provider' '… and not the default one'
OPENSSL_CONF=$work/dlopen.cnf openssl md5 /dev/null >md5.out 2>&1
isnt $? 0 '… so there is no MD5'

# In memory, by dlopen: what the host's library context has, before and after.
SNICERT_MODULE=$build/.libs/snicert.so SNICERT_FIPS=1 OPENSSL_CONF=$work/dlopen.cnf "$build/tests/unit/module/test_life" >life.out 2>&1 &&
	ok 'handshakes in memory' || not_ok 'handshakes in memory' "$(cat life.out)"

# A server and clients of any kind.
own_certificate
mkdir certs
fixtures_leaf certs ec.example
fixtures_leaf certs rsa.example --rsa
fixtures_leaf certs ed.example --ed25519
fixtures_leaf certs fall.example
new_store "$work/store"
tool 0 import certs/ec.example.pem certs/rsa.example.pem certs/ed.example.pem
tool 0 import --no-bind --json certs/fall.example.pem
tool 0 fallback "$(json out '$[0].chain')"
serves() { # WAY
	for tls in -tls1_2 -tls1_3; do
		is "$(served ec.example $tls)" ec.example "$1: $tls: ECDSA"
		is "$(served rsa.example $tls)" rsa.example "$1: $tls: RSA"
		is "$(served nobody.example $tls)" fall.example "$1: $tls: the fallback"
		is "$(served - $tls)" fall.example "$1: $tls: no name"
		# Versions of the provider differ in whether it has Ed25519.
		isnt "$(served ed.example $tls)" 'no handshake' "$1: $tls: Ed25519, or the fallback"
	done
	fixtures_leaf certs ec.example
	tool 0 import certs/ec.example.pem
	is "$(leaf_of ec.example)" "$(sha_of certs/ec.example.crt)" "$1: a renewal is live at once"
}
export OPENSSL_CONF="$work/dlopen.cnf"
start_mta dlopen
unset OPENSSL_CONF
serves dlopen
stop_mta dlopen

# By openssl.cnf, ahead of its providers, in a program that knows nothing of us.
echo 'program "openssl" { }' >>"$conf"
OPENSSL_CONF=$work/ahead.cnf openssl s_server -accept 127.0.0.1:0 -cert own.crt -key own.key -www >server.out 2>&1 </dev/null &
server=$!
pids="$pids $server"
accepts() { [ "$(sed -n '/^ACCEPT .*:[0-9]*$/p' server.out | wc -l)" = 1 ] || ! kill -0 $server 2>/dev/null; }
await 's_server starts' accepts
port=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' server.out | head -n 1)
[ -n "$port" ] || { not_ok 's_server starts' "$(cat server.out)"; port=9; }
handshake() { # as lib.sh's, without STARTTLS
	_name=$1
	shift
	if [ "$_name" = - ]; then set -- "$@" -noservername; else set -- "$@" -servername "$_name"; fi
	printf 'Q\n' | timeout 60 openssl s_client -connect "127.0.0.1:$port" "$@" 2>&1
}
serves openssl.cnf
said=$(OPENSSL_CONF=$work/ahead.cnf openssl list -providers 2>&1)
has "$said" 'OpenSSL FIPS Provider' 'with the module ahead of it the host has the FIPS provider'
hasnt "$said" 'Default Provider' '… and not the default one'
lib_finish
