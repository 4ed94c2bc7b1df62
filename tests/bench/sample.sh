#!/bin/sh
# SPDX-License-Identifier: ISC
# sample.sh: the sample MTA with one static certificate, and with the module: a
# server for each case, all of one store, so that each has a cache of its own.
# shellcheck disable=SC1091,SC2046,SC2086,SC2154
. "${SNICERT_SRCDIR:?}/tests/lib.sh"
. "$SNICERT_SRCDIR/tests/bench/lib.sh"
lib_start bench/sample

count=$BENCH_NAMES
say "the sample MTA, $count names"
bench_store "$work/store" "$count"
# The same with RSA, whose handshake is what most servers have: the server's own, and 50 names.
for ext in ca.pem root.crt; do cp "$chains.$ext" "rsa.$ext"; done
(umask 077 && "$build/bench-names" rsa --rsa --count 51 --pattern 'rsa%d.example') && snicert import rsa >rsa.out 2>&1 ||
	not_ok 'names with RSA keys' "$(tail -n 3 rsa.out)"

start() { # CASE OPTION…
	_case=$1 _own=$chains.own/own0.example.pem
	case $1 in rsa_*) _own=rsa/rsa50.example.pem ;; esac
	shift
	"$build/sample-mta" --cert "$_own" --key "$_own" \
		--port-file "$_case.port" "$@" >"$_case.mta.out" 2>"$_case.mta.log" &
	eval "pid_$_case=$!"
	pids="$pids $!"
	for _ in $(seq 200); do [ ! -s "$_case.port" ] || break; sleep 0.05; done
	[ -s "$_case.port" ] || { not_ok "the sample MTA starts, $_case" "$(cat "$_case.mta.log")"; lib_finish; }
}
of() { # CASE: sets $port, $pid and $asks
	port=$(cat "$1.port")
	eval "pid=\$pid_$1"
	asks="--name-pattern host%d.example --name-count $count"
	case $1 in
	# Names that are known and in the cache; the static server is asked for the same.
	# One name, one key: what a selection costs, and not what it is to have many keys in the processor's caches.
	one) asks="--name host0.example" ;;
	static | again | cached) asks="--name-pattern host%d.example --name-count 500" ;;
	rsa_*) asks="--name-pattern rsa%d.example --name-count 50" ;;
	zipf) asks="$asks --zipf" ;;
	unknown) asks="--name-pattern nobody%d.example --name-count 1000000" ;;
	esac
}
run() { # CASE ROUND
	of "$1"
	case $1 in
	rsa_*) load rsa "${1#rsa_}" "$count" "$2" $pid $asks ;;
	*) load sample "$1" "$count" "$2" $pid $asks ;;
	esac
}

# `again` is the static server a second time: what its ratio is from 1 is noise.
own='static again rsa_static' module='one cached zipf uniform unknown rsa_cached'
[ -z "$BENCH_QUICK" ] || module='one cached rsa_cached'
cases="$own $module"
for case in $own; do start $case; done
for case in $module; do
	start $case --module "$build/.libs/snicert.so" --config "$conf"
done
for case in $cases; do
	of $case
	case $case in
	one | cached | rsa_cached) warm $case --count 3000 $asks --expect-san ;;
	zipf | uniform) warm $case --seconds 2 $asks --expect-san ;;
	*) warm $case --seconds 1 $asks ;;
	esac
done
alternate run $cases
for case in $cases; do
	case $case in rsa_*) continue ;; esac
	of $case
	sample sample $case "$count" 0 pss_kib "$("$build/bench-usage" $pid | awk '{ print $6 }')"
done
lib_finish
