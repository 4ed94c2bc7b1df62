#!/bin/sh
# SPDX-License-Identifier: ISC
# twins.sh: ClientHellos that are off, over TCP, to two `openssl s_server` of which one
# has the module by openssl.cnf: they answer alike.
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/torture/lib.sh"
torture_start twins
TORTURE_RESULTS=$results TORTURE_SEED=$seed
export TORTURE_RESULTS TORTURE_SEED
count=20000
[ -z "${TORTURE_QUICK:-}" ] || count=400

own_certificate
new_store "$work/store"
cheap_key hosts.key
cheap_chain known3.pem hosts.key known3.example
cheap_chain fallback.pem hosts.key fallback.example
rm known3.pem.crt
tool 0 import known3.pem
tool 0 import --no-bind fallback.pem
tool 0 fallback "$(sha_of fallback.pem.crt)"
echo 'program "openssl" { }' >>"$conf"
cat >openssl.cnf <<-END
	openssl_conf = init
	[init]
	snicert = snicert_section
	[snicert_section]
	path = $build/.libs/snicert.so
	config = $conf
END
: >plain.cnf

start_server() { # NAME OPENSSL_CONF OPTION…: sets $port; a port of the kernel's choice, s_server says which
	_out=$1.out _cnf=$2
	shift 2
	OPENSSL_CONF=$_cnf openssl s_server -accept 127.0.0.1:0 -cert own.crt -key own.key -www "$@" \
		>"$_out" 2>&1 </dev/null &
	pids="$pids $!"
	for _ in $(seq 200); do
		# The whole line: it comes in pieces.
		[ "$(sed -n '/^ACCEPT .*:[0-9]*$/p' "$_out" | wc -l)" = 0 ] || break
		sleep 0.05
	done
	port=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' "$_out" | head -n 1)
	[ -n "$port" ] || not_ok "s_server starts" "$(cat "$_out")"
}
named() { # NAME: whom the certificate is for
	openssl s_client -connect "127.0.0.1:$port" -servername "$1" </dev/null 2>/dev/null |
		openssl x509 -noout -subject 2>/dev/null | sed 's/^subject=CN *= *//'
}
compare() { # WHAT OPTION…
	_what=$1
	shift
	start_server plain "$work/plain.cnf" "$@"
	without=$port
	start_server module "$work/openssl.cnf" "$@"
	is "$(named known3.example)" known3.example "$_what: the module is there"
	if "$build/tests/torture/twins" --count $count --seconds $((seconds / 2)) "$without" "$port" "$_what" >twins.out 2>twins.err; then
		ok "$_what"
	else
		not_ok "$_what" "$(cut -c1-300 twins.err)"
	fi
	cat twins.out
	is "$(named known3.example)" known3.example "$_what: it serves afterwards"
}
compare 'ClientHellos that are off, over TCP to openssl s_server'
compare 'ClientHellos that are off, to one that knows P-384 alone, gives no tickets and lets clients renegotiate' \
	-groups P-384 -no_ticket -client_renegotiation
lib_finish
