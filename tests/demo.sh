#!/bin/sh
# SPDX-License-Identifier: ISC
# demo.sh BUILD: the main job, for people to see.  A provider's store with the
# chains of a few customers; an SMTP server that knows nothing of them but loads
# snicert.so; clients, and which chain each of them got.
set -eu
src=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
work=$(mktemp -d)
server=
finish() {
	[ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; }
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM
cd "$work"

FIXTURES_ROOT=$build/fixtures
export FIXTURES_ROOT
SSL_CERT_FILE=$build/fixtures/ca/root.crt
export SSL_CERT_FILE
. "$src/tests/fixtures.sh"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '$ %s\n' "snicert $*"; "$build/snicert" -c "$work/snicert.conf" "$@"; }

mkdir certs
fixtures_leaf certs mx.provider.example --ec
fixtures_leaf certs mx.provider.example.rsa --rsa --san mx.provider.example
fixtures_leaf certs smtp.customer-a.example --ec
fixtures_leaf certs smtp.customer-b.example --rsa
fixtures_leaf certs wildcard --ec --san '*.customer-c.example'
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
	-subj '/CN=the-server-itself.example' -keyout own.key -out own.crt 2>/dev/null
printf 'store { path = "%s/store.db" key = "%s/store.key" }\n' "$work" "$work" >snicert.conf

say 'A store, with the certificates of three customers and a default'
show init
show import certs/smtp.customer-a.example.pem certs/smtp.customer-b.example.pem certs/wildcard.pem
show import --no-bind certs/mx.provider.example.pem certs/mx.provider.example.rsa.pem
show default 4 5

say 'An SMTP server loads the module'
"$build/sample-mta" --cert own.crt --key own.key --module "$build/.libs/snicert.so" \
	--config "$work/snicert.conf" --port-file port >/dev/null &
server=$!
for _ in $(seq 100); do [ -s port ] && break; sleep 0.05; done
port=$(cat port)
echo "sample-mta, process $server, on 127.0.0.1 port $port"

row() { printf '%-34s %-28s %-30s %s\n' "$@"; }
client() { # WHAT NAME OPTION…: a row of what openssl s_client got
	what=$1 name=$2
	shift 2
	if [ "$name" = - ]; then set -- "$@" -noservername; else set -- "$@" -servername "$name"; fi
	got=$(printf 'QUIT\r\n' | openssl s_client -starttls smtp -connect "127.0.0.1:$port" "$@" 2>/dev/null |
		openssl x509 -noout -subject -ext subjectAltName -pubkey 2>/dev/null || true)
	san=$(printf '%s\n' "$got" | sed -n 's/.*DNS://p' | head -1)
	[ -n "$san" ] || san=$(printf '%s\n' "$got" | sed -n 's/^subject=.*CN *= *//p')
	type=$(printf '%s\n' "$got" | openssl pkey -pubin -noout -text 2>/dev/null |
		sed -n 's/^Public-Key: (\(.*\))/\1/p;s/^NIST CURVE: //p' | tail -1)
	row "$what" "$name" "${san:-no handshake}" "$type"
}

say 'Which chain each client got'
row CLIENT 'NAME SENT' 'CERTIFICATE FOR' KEY
client 'any' smtp.customer-a.example
client 'any' smtp.customer-b.example
client 'any, upper case, trailing dot' SMTP.Customer-A.Example.
client 'any' mx1.customer-c.example
client 'any, two labels deep' a.mx1.customer-c.example
client 'any' nobody.example
client 'sends no name' -
client 'TLS 1.2, RSA only' nobody.example -tls1_2 -cipher aRSA -sigalgs RSA+SHA256
client 'TLS 1.2, RSA only' smtp.customer-a.example -tls1_2 -cipher aRSA -sigalgs RSA+SHA256

say 'An RSA chain for customer A too, while the server runs: the next handshake has it'
fixtures_leaf certs smtp.customer-a.example --rsa
show import certs/smtp.customer-a.example.pem
client 'TLS 1.2, RSA only' smtp.customer-a.example -tls1_2 -cipher aRSA -sigalgs RSA+SHA256

say 'Why'
show explain --client tls12-rsa nobody.example

say 'Taken out again: the server goes on with its own certificate'
rm store.db store.db-wal store.db-shm
show init >/dev/null
client 'any' smtp.customer-a.example
