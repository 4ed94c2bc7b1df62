#!/bin/sh
# SPDX-License-Identifier: ISC
# growth.sh: what each thing costs at 1,000 names and more: import, the store's
# size, open and attach, memory, and a handshake with a name that is known or not.
# shellcheck disable=SC1091,SC2012,SC2046,SC2086,SC2154
. "${SNICERT_SRCDIR:?}/tests/lib.sh"
. "$SNICERT_SRCDIR/tests/bench/lib.sh"
lib_start bench/growth

# What libcrypto takes for a chain, which the speed of an import is a ratio to.
reference() { # ROUND
	"$build/bench-reference" $(ls "$chains"/*.pem | head -n 1000) >reference.out ||
		not_ok 'the reference' "$(cat reference.out)"
	sample import reference 1000 "$1" chains_per_s "$(value rate reference.out)"
	sample import reference 1000 "$1" cpu_us \
		"$(awk '{ printf "%.2f", $4 / $2 }' reference.out)"
}
import() { # CASE NAMES ROUND COUNT PATH: how long, and what CPU time
	"$build/bench-usage" -- "$build/snicert" -c "$conf" import "$5" >import.out 2>import.err ||
		not_ok "import of $4 chains" "$(tail -n 3 import.err)"
	sample import "$1" "$2" "$3" chains_per_s "$(echo "$4 $(value wall_us import.err)" | awk '{ printf "%.1f", $1 * 1e6 / $2 }')"
	sample import "$1" "$2" "$3" peak_kib "$(value rss_kib import.err)"
	sample import "$1" "$2" "$3" cpu_us "$(echo "$4 $(value cpu_us import.err)" | awk '{ printf "%.2f", $2 / $1 }')"
}

# --- import, round by round into a new store, with the reference in turn
count=$BENCH_NAMES
chains "$count"
SSL_CERT_FILE=$chains.root.crt
export SSL_CERT_FILE
say "import of $count chains"
round=0
while [ $round -lt 3 ]; do
	mkdir -p import.$round
	bench_conf "$work/import.$round"
	snicert init >init.out 2>&1
	reference $round
	import bulk "$count" $round "$count" "$chains"
	round=$((round + 1))
done
rm -rf import.[0-9]

# --- stores of more and more names, each a copy of the one before and what it lacks
batch=50000
have=0
mkdir store grown
bench_conf "$work/store"
snicert init >init.out 2>&1
bench_fallback
cp "$chains.ca.pem" batch.ca.pem
for size in $BENCH_SIZES; do
	say "a store of $size names"
	round=0
	while [ $have -lt "$size" ]; do
		more=$((size - have < batch ? size - have : batch))
		rm -rf batch && (umask 077 && "$build/bench-names" batch --count $more --first $have --threads "$(nproc)")
		import grown "$size" $round $more batch
		have=$((have + more)) round=$((round + 1))
	done
	rm -rf batch
	mkdir grown/$size
	"$build/snicert" -c "$work/store/conf" backup grown/$size/store.db >backup.out 2>&1 ||
		not_ok "a copy of the store of $size names" "$(cat backup.out)"
	cp -p store/store.key grown/$size/
	sample growth store $size 0 store_kib "$(du -k grown/$size/store.db | cut -f1)"
done

# What people and timers run: none of it may want memory by the number of names.
manage() { # CASE NAMES COMMAND…
	_case=$1 _names=$2
	shift 2
	"$build/bench-usage" -- "$build/snicert" -c "$work/grown/$_names/conf" "$@" >manage.out 2>manage.err
	# 1: the answer is no; what is new expires in no third of its life.
	[ $? -le 1 ] || not_ok "$_case, $_names names" "$(tail -n 3 manage.err)"
	sample tool "$_case" "$_names" 0 wall_ms "$(value wall_us manage.err | awk '{ printf "%.1f", $1 / 1000 }')"
	sample tool "$_case" "$_names" 0 cpu_ms "$(value cpu_us manage.err | awk '{ printf "%.1f", $1 / 1000 }')"
	sample tool "$_case" "$_names" 0 peak_kib "$(value rss_kib manage.err)"
}
opened() { # SIZE ROUND
	conf=$work/grown/$1/conf
	"$build/bench-open" "$build/.libs/snicert.so" "$conf" >open.out 2>open.err || not_ok "open, $1 names" "$(cat open.err)"
	sample growth open "$1" "$2" open_us "$(awk '{ print $4 + $6 }' open.out)"
	sample growth open "$1" "$2" memory_kib "$(value memory_kib open.out)"
}
start() { # SIZE
	conf=$work/grown/$1/conf
	"$build/sample-mta" --cert "$chains.own/own0.example.pem" --key "$chains.own/own0.example.pem" --port-file $1.port \
		--module "$build/.libs/snicert.so" --config "$conf" >$1.mta.out 2>$1.mta.log &
	eval "pid_$1=$!"
	pids="$pids $!"
	for _ in $(seq 200); do [ ! -s $1.port ] || break; sleep 0.02; done
	[ -s $1.port ] || { not_ok "the sample MTA starts, $1 names" "$(cat $1.mta.log)"; lib_finish; }
}
at() { port=$(cat "$1.port"); eval "pid=\$pid_$1"; }
uniform() { at $1; load growth uniform $1 $2 $pid --name-pattern host%d.example --name-count $1; }
unknown() { at $1; load growth unknown $1 $2 $pid --name-pattern nobody%d.example --name-count 100000000; }

for size in $BENCH_SIZES; do
	bench_conf "$work/grown/$size"
	start $size
	at $size
	warm "$size names" --count 4000 --name-pattern host%d.example --name-count $size --expect-san
done
for size in $BENCH_SIZES; do
	say "the tool, $size names"
	manage list $size list
	manage show $size show host1.example
	manage explain $size explain host1.example
	manage expiring $size expiring 100
	manage status $size status
	manage backup $size backup "$work/copy.db"
	rm -f copy.db
	manage verify $size verify
done
slices=1
alternate opened $BENCH_SIZES
slices=$BENCH_SLICES
say 'handshakes at each number of names'
alternate uniform $BENCH_SIZES
alternate unknown $BENCH_SIZES
for size in $BENCH_SIZES; do
	at $size
	sample growth uniform $size 0 pss_kib "$("$build/bench-usage" $pid | awk '{ print $6 }')"
done
lib_finish
