#!/bin/sh
# SPDX-License-Identifier: ISC
# demo.sh BUILD: a fleet of three servers on one machine, for people to see: a PostgreSQL of its own, a store
# for each server, and a name that all serve a moment after one of them was told of it.
set -eu
src=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd)
work=$(mktemp -d)
chmod 711 "$work"
pg_bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -x "${pg_bin:-/nonexistent}/initdb" ] || { echo 'demo: PostgreSQL is not there' >&2; exit 1; }
started=
finish() {
	for pid in $started; do kill "$pid" 2>/dev/null || true; done
	pg "$pg_bin/pg_ctl" -D "$work/pg/data" -m immediate stop >/dev/null 2>&1 || true
	rm -rf "$work"
}
pg() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; else "$@"; fi; }
trap finish EXIT
trap 'exit 1' INT TERM
cd "$work"

FIXTURES_ROOT=$build/fixtures
export FIXTURES_ROOT
SSL_CERT_FILE=$build/fixtures/ca/root.crt
export SSL_CERT_FILE
. "$src/tests/fixtures.sh"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
at() { # NODE ARG…
	node=$1
	shift
	printf '%s$ %s\n' "$node" "snicert $*"
	"$build/snicert" -c "$work/$node/snicert.conf" "$@"
}

mkdir certs pg
fixtures_leaf certs mx.provider.example --ec
fixtures_leaf certs smtp.customer.example --ec
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
	-subj '/CN=the-server-itself.example' -keyout own.key -out own.crt 2>/dev/null

say 'A PostgreSQL, and three servers whose configuration names it'
mkdir pg/socket
[ "$(id -u)" != 0 ] || chown -R nobody:nogroup pg
pg "$pg_bin/initdb" -D "$work/pg/data" -U provider -A trust -E UTF8 --no-locale -N >initdb.log 2>&1 || { cat initdb.log; exit 1; }
pg "$pg_bin/pg_ctl" -D "$work/pg/data" -w -l "$work/pg/log" -o "-k $work/pg/socket -c listen_addresses=''" start >pg.log 2>&1 ||
	{ cat pg.log pg/log; exit 1; }
"$pg_bin/psql" -X -q -h "$work/pg/socket" -U provider -d postgres -c 'CREATE DATABASE snicert'
for node in mx1 mx2 mx3; do
	mkdir $node
	printf 'store { path = "%s/store.db" key = "%s/store.key" }\nstats { path = "none" }\n' "$work/$node" "$work/$node" >$node/snicert.conf
	printf 'fleet { database = "host=%s user=provider dbname=snicert" node = "%s" }\n' "$work/pg/socket" $node >>$node/snicert.conf
done
tail -n 1 mx1/snicert.conf | sed "s,$work,…,"

say 'The first server begins the fleet; the others get its store key, and join'
at mx1 init
at mx1 fleet init
for node in mx2 mx3; do
	cp mx1/store.key $node/store.key
	at $node init >/dev/null
	at $node fleet join
done
for node in mx1 mx2 mx3; do
	"$build/snicert" -c "$work/$node/snicert.conf" --quiet follow &
	started="$started $!"
	"$build/sample-mta" --cert own.crt --key own.key --module "$build/.libs/snicert.so" \
		--config "$work/$node/snicert.conf" --port-file $node/port >/dev/null &
	started="$started $!"
done
for node in mx1 mx2 mx3; do
	for _ in $(seq 100); do [ -s $node/port ] && break; sleep 0.05; done
done

got() { # NODE NAME: whose certificate
	printf 'QUIT\r\n' | openssl s_client -starttls smtp -connect "127.0.0.1:$(cat "$1/port")" -servername "$2" 2>/dev/null |
		openssl x509 -noout -subject -ext subjectAltName 2>/dev/null | sed -n 's/.*DNS://p; s/^subject=.*CN *= *the/the/p' | head -n 1
}
row() { printf '%-10s %-26s %s\n' "$@"; }
clients() { # NAME
	row SERVER 'NAME SENT' 'CERTIFICATE FOR'
	for node in mx1 mx2 mx3; do row $node "$1" "$(got $node "$1")"; done
}

say 'A default from one, a customer from another: all serve both'
at mx1 import --no-bind certs/mx.provider.example.pem
at mx1 default 1
at mx3 import certs/smtp.customer.example.pem
at mx3 fleet wait
clients smtp.customer.example
clients nobody.example

say 'The fleet'
at mx2 fleet

say 'Without the database they go on serving, and nothing can be changed'
pg "$pg_bin/pg_ctl" -D "$work/pg/data" -w -m immediate stop >/dev/null
clients smtp.customer.example
at mx2 --wait 0 remove smtp.customer.example 2>&1 | sed "s,$work,…," || true
