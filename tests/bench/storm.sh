#!/bin/sh
# SPDX-License-Identifier: ISC
# storm.sh: a renewal storm.  Chains are replaced, a batch a transaction, at a pace that
# takes a minute for all, while the sample MTA serves all that four clients ask
# for; before and after it the same load finds no renewals.  Each handshake that starts after
# the import of its name has returned has to have the new leaf.
# shellcheck disable=SC1091,SC2012,SC2046,SC2086,SC2154
. "${SNICERT_SRCDIR:?}/tests/lib.sh"
. "$SNICERT_SRCDIR/tests/bench/lib.sh"
lib_start bench/storm

renewals=$BENCH_STORM lasts=$BENCH_STORM_SECONDS quiet=$BENCH_STORM_QUIET batches=100
[ -z "$BENCH_QUICK" ] || batches=20
count=$BENCH_NAMES
[ "$count" -ge "$renewals" ] || count=$renewals
bench_store "$work/store" "$count"
say "$renewals of $count chains are renewed within $lasts seconds"

# Valid since later than those of the store, so that they can be told apart.
sleep 2
since=$(($(date +%s) - 3600))
sleep 1
each=$((renewals / batches))
b=0
while [ $b -lt $batches ]; do
	cp "$chains.ca.pem" renewed.$b.ca.pem
	(umask 077 && "$build/bench-names" renewed.$b --count $each --first $((b * each)) --threads "$(nproc)")
	b=$((b + 1))
done
echo "0 $since" >renewed.count

"$build/sample-mta" --cert "$chains.own/own0.example.pem" --key "$chains.own/own0.example.pem" --port-file port \
	--module "$build/.libs/snicert.so" --config "$conf" >mta.out 2>mta.log &
pid=$!
pids="$pids $pid"
for _ in $(seq 200); do [ ! -s port ] || break; sleep 0.05; done
[ -s port ] || { not_ok 'the sample MTA starts' "$(cat mta.log)"; lib_finish; }
port=$(cat port)
asks="--name-pattern host%d.example --name-count $count --expect-san --renewed renewed.count"
warm 'before the storm' --seconds 2 $asks

take() { # CASE STATUS: what load.out says, or trouble
	for metric in failed handshakes p50_us p99_us; do
		sample storm "$1" "$renewals" 0 $metric "$(value $metric load.out)"
	done
	sample storm "$1" "$renewals" 0 stale "$(value mismatched load.out)"
	if [ "$2" = 0 ]; then ok "$1: no handshake fails, none is stale"; else
		not_ok "$1: no handshake fails, none is stale" "$(cat load.out load.err)"
	fi
}
calm() { # CASE
	load_raw --seconds $quiet --seed $quiet $asks
	take "$1" $?
}

calm before
load_raw --seconds $lasts --seed 7 $asks &
load=$!
pids="$pids $load"
began=$(now_us)
b=0
while [ $b -lt $batches ]; do
	snicert import renewed.$b >import.out 2>&1 || not_ok "batch $b" "$(tail -n 3 import.out)"
	b=$((b + 1))
	echo "$((b * each)) $since" >renewed.next && mv renewed.next renewed.count
	# The next one is due when its share of nine tenths of the time is over.
	perl -MTime::HiRes=time,sleep -e 'my $d = $ARGV[0] / 1e6 + $ARGV[1] - time; sleep $d if $d > 0' \
		"$began" "$(echo "$lasts $b $batches" | awk '{ print 0.9 * $1 * $2 / $3 }')"
done
took=$(echo "$(now_us) $began" | awk '{ printf "%.1f", ($1 - $2) / 1e6 }')
wait $load
status=$?
take renewing $status
sample storm renewing "$renewals" 0 storm_s "$took"
[ "$(echo "$took $lasts" | awk '{ print ($1 <= $2) }')" = 1 ] || say "the renewals took $took seconds, not $lasts"
calm after
warm 'after the storm' --count 500 $asks
lib_finish
