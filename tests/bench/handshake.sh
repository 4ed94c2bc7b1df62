#!/bin/sh
# SPDX-License-Identifier: ISC
# handshake.sh: the server's part of a handshake, in one process, with the module and without in
# turn, by tests/bench/handshake.c.  There is no connection, no SMTP and no other process in it: so the
# ratio is worse than that of sessions, and strays less.
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:?}/tests/lib.sh"
. "$SNICERT_SRCDIR/tests/bench/lib.sh"
lib_start bench/handshake

bench_store "$work/store" 2000
printf 'cache { memory = "1M" }\n' | cat "$conf" - >"$work/store/small"
blocks=100
[ -z "$BENCH_QUICK" ] || blocks=20 rounds=2

shake() { # CASE CONF NAME COUNT
	say "handshakes in one process, $1"
	for _round in $(seq 0 $((rounds - 1))); do
		"$build/bench-handshake" --own "$chains.own/own0.example.pem" --conf "$2" --name "$3" --name-count "$4" --blocks $blocks \
			static "$build/.libs/snicert.so" >shake.out 2>shake.err || { not_ok "handshakes, $1" "$(cat shake.err)"; return; }
		sample handshake "$1" 2000 "$_round" static_us "$(awk 'NR == 1 { print $3 }' shake.out)"
		sample handshake "$1" 2000 "$_round" module_us "$(awk 'NR == 2 { print $3 }' shake.out)"
		sample handshake "$1" 2000 "$_round" ratio "$(awk 'NR == 2 { print $5 }' shake.out)"
	done
	ok "handshakes, $1"
}
shake one "$conf" host0.example 1
shake cached "$conf" host%d.example 500
shake unknown "$conf" nobody%d.example 500
# More than a cache of 1 MB holds.
shake new "$work/store/small" host%d.example 2000
lib_finish
