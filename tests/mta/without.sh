#!/bin/sh
# SPDX-License-Identifier: ISC
# without.sh: programs that the module can't serve, since they bring a TLS
# library of their own or another one: Go (chasquid), GnuTLS (gnutls-serv),
# Erlang (its ssl, with OpenSSL's libcrypto alone) and Node.js (Haraka's; with
# OpenSSL inside, as its makers build it, or the system's, as Debian does).  They
# get OPENSSL_CONF and a program section as if they could be served, and go on
# as they did.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start without chasquid gnutls-bin erlang-ssl erlang-base erlang-crypto erlang-public-key erlang-asn1 nodejs
. "$SNICERT_SRCDIR/tests/mta/columns.sh"
mta_module
mta_syslog
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
programs='program "chasquid" { }
program "gnutls-serv" { }
program "beam.smp" { }
program "node" { }'
certificates

mkdir -p /etc/chasquid/certs/own.example /etc/chasquid/domains/own.example /var/lib/chasquid
cp own.crt /etc/chasquid/certs/own.example/fullchain.pem
cp own.key /etc/chasquid/certs/own.example/privkey.pem
cat >/etc/chasquid/chasquid.conf <<-CF
	hostname: "own.example"
	smtp_address: "127.0.0.1:25"
	submission_address: "127.0.0.1:587"
	submission_over_tls_address: "127.0.0.1:465"
	data_dir: "/var/lib/chasquid"
	mail_log_path: "<syslog>"
CF
cat >server.js <<'JS'
const tls = require('tls'), fs = require('fs');
const own = { key: fs.readFileSync('own.key'), cert: fs.readFileSync('own.crt') };
const other = tls.createSecureContext(own);
const serve = (options, port) => tls.createServer(options, (socket) => socket.end()).listen(port, '127.0.0.1');
serve(own, +process.argv[2]);
serve({ ...own, SNICallback: (name, then) => then(null, other) }, +process.argv[2] + 1);
JS
cat >server.erl <<'ERL'
-module(server).
-export([main/0]).
main() ->
	ssl:start(),
	{ok, L} = ssl:listen(2470, [{certfile, "own.crt"}, {keyfile, "own.key"}, {reuseaddr, true}, {ip, {127, 0, 0, 1}}]),
	serve(L).
serve(L) ->
	{ok, T} = ssl:transport_accept(L),
	case ssl:handshake(T) of
		{ok, S} -> ssl:close(S);
		_ -> ok
	end,
	serve(L).
ERL
erlc server.erl || not_ok 'erlc'
run() { # NAME COMMAND…
	_name=$1
	shift
	"$@" >"$_name.out" 2>&1 &
	pids="$pids $!"
	eval "$_name=$!"
}
start() { # [OPENSSL_CONF=…]
	pids=
	run chasquid env "$@" chasquid -config_dir /etc/chasquid
	run gnutls env "$@" gnutls-serv --quiet --port 2468 --x509certfile own.crt --x509keyfile own.key
	run erlang env "$@" erl -noshell -s server main
	run node env "$@" node server.js 2480
	run shared env "$@" node --openssl-shared-config server.js 2490
	for port in 25 465 587 2468 2470 2480 2481 2490 2491; do mta_wait "port $port" mta_listening $port; done
}
ask_all() { # each server's answers, one line each
	for port in 25 465 587 2468 2470 2480 2481 2490 2491; do
		case $port in
		25 | 587) starttls=smtp ;;
		*) starttls=- ;;
		esac
		for name in - mail.customer-a.example nobody.example; do
			for version in -tls1_2 -tls1_3; do echo "$port $name $version $(served $name $version)"; done
		done
	done
}
stop() { kill $pids; wait $pids 2>/dev/null; }

start OPENSSL_CONF=
ask_all >before
stop
is "$(wc -l <before) $(grep -c ' own.example$' before)" '54 54' 'without the module, every handshake gets the own certificate'
start OPENSSL_CONF=$openssl_cnf
ask_all >after
for port in 25 465 587 2468 2470 2480 2481; do
	is "$(grep "^$port " after)" "$(grep "^$port " before)" "port $port: all as without the module"
done
# Node.js that reads OpenSSL's own section of the file can be served after all.
for port in 2490 2491; do
	is "$(sed -n "s/^$port .* //p" after | paste -sd' ')" 'mx.provider.example mx.provider.example mail.customer-a.example mail.customer-a.example mx.provider.example mx.provider.example' \
		"port $port: node --openssl-shared-config serves by name"
done
fixtures_leaf certs new.example
tool 0 import certs/new.example.pem
port=2490 starttls=-
is "$(served new.example)" new.example 'node: what is imported is served at once'
is "$(for program in $chasquid $gnutls; do grep -c snicert /proc/$program/maps; done)" "0
0" 'Go and GnuTLS: the module is not even loaded'
stop
lib_finish
