#!/bin/sh
# SPDX-License-Identifier: ISC
# interrupt.sh: long work that is interrupted (^C, or killed) leaves a store that
# is whole, as it was before; the same work is then done as if nothing had been.
# On a terminal it shows how far it is, elsewhere nothing.
# shellcheck disable=SC1091,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start interrupt

count=3000
new_store "$work/s"
"$build/bench-names" many --count $count --threads 2 || not_ok 'names are made'
SSL_CERT_FILE=$work/many.root.crt
export SSL_CERT_FILE

chains() { sqlite3 "$store" 'SELECT count(*) FROM chain'; }
# The file of the transaction grows before its commit, as more than the cache's pages change.
busy() { [ "$(stat -c %s "$store-wal" 2>/dev/null || echo 0)" -gt 400000 ]; }
interrupted() { # SIGNAL: an import, half-way
	# Not by a plain &, which would have it ignore SIGINT.
	perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' "$build/snicert" -c "$conf" import many >import.out 2>import.err &
	pid=$!
	for _ in $(seq 2000); do
		if busy || ! kill -0 $pid 2>/dev/null; then break; fi
		sleep 0.005
	done
	kill -$1 $pid 2>/dev/null || not_ok "SIG$1 comes before the import's end"
	wait $pid
	is $? "$2" "SIG$1 ends an import"
	is "$(chains)" 0 "SIG$1: nothing is half taken in"
	sqlite3 "$store" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
}
interrupted INT 130
interrupted KILL 137
tool 0 import many
is "$(chains)" $count 'then all of them'

# --- on a terminal, by script(1)
on_terminal() { script -qec "$build/snicert -c $conf $*" /dev/null </dev/null | tr '\r' '\n'; }
if command -v script >/dev/null; then
	has "$(on_terminal import many)" '*500 imported*' 'import says how far it is'
	has "$(on_terminal verify)" "*500 of $count chains*" 'verify says how far it is'
	has "$(on_terminal backup "$work/b1")" '*% copied*' 'backup says how far it is'
	hasnt "$(on_terminal backup --quiet "$work/b2")" '*% copied*' 'but not with --quiet'
else
	skip 'progress on a terminal' 'script(1) is missing'
fi
tool 0 backup "$work/b3"
is "$(wc -c <err)" 0 'nothing where there is no terminal'
lib_finish
