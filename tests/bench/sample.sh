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

start() { # CASE OPTION…
	_case=$1
	shift
	"$build/sample-mta" --cert "$chains.own/own0.example.pem" --key "$chains.own/own0.example.pem" \
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
	static | again | cached) asks="--name-pattern host%d.example --name-count 500" ;;
	zipf) asks="$asks --zipf" ;;
	unknown) asks="--name-pattern nobody%d.example --name-count 1000000" ;;
	esac
}
run() { # CASE ROUND
	of "$1"
	load sample "$1" "$count" "$2" $pid $asks
}

# `again` is the static server a second time: what its ratio is from 1 is noise.
cases='static again cached zipf uniform unknown'
start static
start again
for case in cached zipf uniform unknown; do
	start $case --module "$build/.libs/snicert.so" --config "$conf"
done
for case in $cases; do
	of $case
	case $case in
	cached) warm $case --count 3000 $asks --expect-san ;;
	zipf | uniform) warm $case --seconds 2 $asks --expect-san ;;
	*) warm $case --seconds 1 $asks ;;
	esac
done
alternate run $cases
for case in $cases; do
	of $case
	sample sample $case "$count" 0 pss_kib "$("$build/bench-usage" $pid | awk '{ print $6 }')"
done
lib_finish
