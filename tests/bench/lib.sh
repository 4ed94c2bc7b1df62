# SPDX-License-Identifier: ISC
# shellcheck shell=sh disable=SC1091,SC2034,SC2086,SC2154
# bench/lib.sh: what the parts of the bench share; on top of tests/lib.sh, and
# run by run.sh, which sets the variables BENCH_*.
#
#   sample GROUP CASE NAMES ROUND METRIC VALUE   a line of the raw samples
#   chains COUNT               $chains: a directory with so many names' PEM files, made once
#   bench_store DIR COUNT      a store of so many names; $conf, $own (the fallback's leaf)
#   warm / load GROUP CASE NAMES ROUND PID LOAD-OPTION…
#                              starttls-load on $port; warm checks each certificate and counts nothing
#   alternate FUNCTION CASE…   FUNCTION CASE ROUND for each case in turn, $slices times a round, each
#                              second time backwards, so that what disturbs hits all alike;
#                              load adds the slices of a round up
#   value WORD FILE            what follows the word in a line of WORD VALUE …
#
# The load and the servers share the machine's cores.  So sessions per second say
# how many of both together there are, and what the server alone takes is its
# CPU time, which starttls-load reads from outside.

bench_dir=$BENCH_DIR
seconds=$BENCH_SECONDS rounds=$BENCH_ROUNDS slices=$BENCH_SLICES
clients=4 load_on=

say() { echo "bench: $*" >&2; }
sample() { printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$@" >>"$BENCH_SAMPLES"; }
value() { awk -v word="$1" '{ for (i = 1; i < NF; i++) if ($i == word) { print $(i + 1); exit } }' "$2"; }
now_us() { perl -MTime::HiRes=time -e 'printf "%d\n", time * 1e6'; }

# host0.example … P-256, each with a key of its own: of the usual kinds the one whose
# handshake is cheapest, so what else a handshake takes shows most.
chains() { # COUNT
	chains=$bench_dir/chains/$1
	[ -z "$(find "$chains.done" -mtime -30 2>/dev/null)" ] || return 0
	rm -rf "$chains" "$chains".*
	mkdir -p "$bench_dir/chains"
	say "$1 names, keys and certificates"
	(umask 077 && "$build/bench-names" "$chains" --count "$1" --threads "$(nproc)") &&
		(umask 077 && cp "$chains.ca.pem" "$chains.own.ca.pem" && cp "$chains.root.crt" "$chains.own.root.crt" &&
			"$build/bench-names" "$chains.own" --count 2 --pattern 'own%d.example') &&
		: >"$chains.done" || { not_ok "names for the bench in $chains"; lib_finish; }
}
chains_rm() { rm -rf "$bench_dir/chains/$1" "$bench_dir/chains/$1".*; }

bench_conf() { # DIR [LINES]
	printf 'store { path = "%s/store.db" key = "%s/store.key" }\nstats { path = "%s/stats" }\n%s\n' \
		"$1" "$1" "$1" "${2:-}" >"$1/conf"
	chmod 644 "$1/conf"
	conf=$1/conf
}
bench_fallback() { # the server's own kind of chain, for those whom nobody knows
	snicert import --no-bind "$chains.own/own1.example.pem" >import.out 2>&1 &&
		snicert fallback "$(sha_of "$chains.own/own1.example.pem")" >default.out 2>&1 ||
		not_ok 'the fallback' "$(tail -n 2 import.out default.out)"
}
bench_store() { # DIR COUNT
	chains "$2"
	mkdir -p "$1"
	bench_conf "$1"
	SSL_CERT_FILE=$chains.root.crt
	export SSL_CERT_FILE
	{ snicert init && snicert import "$chains"; } >"$1/import.out" 2>&1 ||
		not_ok "a store of $2 names" "$(tail -n 3 "$1/import.out")"
	bench_fallback
}

load_raw() { # LOAD-OPTION…
	$load_on "$build/starttls-load" --port "$port" --clients $clients "$@" >load.out 2>load.err
}
warm() { # WHAT LOAD-OPTION…
	_what=$1
	shift
	if load_raw "$@"; then ok "$_what: everybody gets the right chain"; else
		not_ok "$_what: everybody gets the right chain" "$(cat load.out load.err)"
	fi
}
load() { # GROUP CASE NAMES ROUND PID LOAD-OPTION…
	_group=$1 _case=$2 _names=$3 _round=$4 _pid=$5
	shift 5
	_sum=sum.$_group.$_case.$_names
	[ $bench_slice != 1 ] || rm -f $_sum
	load_raw --seconds "$seconds" --server "$_pid" --seed "$((_round * 100 + bench_slice))" --sum $_sum "$@"
	[ $bench_slice = $slices ] || return 0
	# One slice may have nothing, on a machine with much else to do; a round may not.
	_done=$(value handshakes load.out)
	if [ "${_done:-0}" -gt 0 ] && [ "$(value failed load.out)" = 0 ]; then ok "$_group, $_case"; else
		not_ok "$_group, $_case: no handshake fails" "$(cat load.out load.err)"
		return
	fi
	sample "$_group" "$_case" "$_names" "$_round" sessions_per_s "$(value rate load.out)"
	sample "$_group" "$_case" "$_names" "$_round" p50_us "$(value p50_us load.out)"
	sample "$_group" "$_case" "$_names" "$_round" p99_us "$(value p99_us load.out)"
	sample "$_group" "$_case" "$_names" "$_round" failed "$(value failed load.out)"
	sample "$_group" "$_case" "$_names" "$_round" server_us \
		"$(echo "$(value server_us load.out) $_done" | awk '{ printf "%.2f", $1 / $2 }')"
}

# Server and load on a core each from now on: sessions per second are then those of the server alone, as
# long as it is the slower of the two.  Fails where there is one core only.
part_cores() { # PID: the server, all of whose processes are below it
	_cores=$(taskset -cp $$ | sed 's/.*: *//')
	_first=${_cores%%[-,]*} _last=${_cores##*[-,]}
	[ "$_first" != "$_last" ] || return 1
	for _pid in "$1" $(pgrep -P "$1"); do taskset -acp "$_first" "$_pid" >/dev/null 2>&1; done
	load_on="taskset -c $_last"
}

alternate() { # FUNCTION CASE…
	_function=$1
	shift
	_backwards=
	for _word; do _backwards="$_word $_backwards"; done
	bench_round=0
	while [ $bench_round -lt "$rounds" ]; do
		bench_slice=1
		while [ $bench_slice -le "$slices" ]; do
			if [ $((bench_slice % 2)) = 0 ]; then _order=$*; else _order=$_backwards; fi
			for _each in $_order; do $_function "$_each" $bench_round; done
			bench_slice=$((bench_slice + 1))
		done
		bench_round=$((bench_round + 1))
	done
}
