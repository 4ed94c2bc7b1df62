#!/bin/sh
# SPDX-License-Identifier: ISC
# visible.sh: from commit to visible.  Three server processes under load serve
# one store; sessions stand behind STARTTLS while a name is renewed, and shake
# hands as soon as the command has returned.  Who gets the former leaf is stale.
# shellcheck disable=SC1091,SC2046,SC2086,SC2154
. "${SNICERT_SRCDIR:?}/tests/lib.sh"
. "$SNICERT_SRCDIR/tests/bench/lib.sh"
lib_start bench/visible

renewals=$BENCH_RENEWALS
bench_store "$work/store" 1000
say "$renewals renewals, three processes under load"
ports=
for n in 1 2 3; do
	"$build/sample-mta" --cert "$chains.own/own0.example.pem" --key "$chains.own/own0.example.pem" --port-file $n.port \
		--module "$build/.libs/snicert.so" --config "$conf" >$n.mta.out 2>$n.mta.log &
	pids="$pids $!"
	mta_pids="${mta_pids:-} $!"
	for _ in $(seq 200); do [ ! -s $n.port ] || break; sleep 0.05; done
	ports="$ports --port $(cat $n.port)"
done

i=0
while [ $i -lt "$renewals" ]; do
	i=$((i + 1))
	cp "$chains.ca.pem" renewal.$i.ca.pem
	(umask 077 && "$build/bench-names" renewal.$i --count 1 --first $((i % 10)) --threads 1)
done
# A load all the time, so that the caches are full and the processes busy.
"$build/starttls-load" $ports --clients 3 --seconds 600 --name-pattern host%d.example --name-count 20 >busy.out 2>busy.err &
busy=$!
pids="$pids $busy"

i=0
while [ $i -lt "$renewals" ]; do
	i=$((i + 1))
	name=host$((i % 10)).example
	leaf=$(sha_of renewal.$i/$name.pem)
	"$build/starttls-load" $ports --clients 12 --name $name --expect-leaf "$leaf" \
		--after "$build/snicert -c $conf import renewal.$i/$name.pem >import.out 2>&1" >load.out 2>load.err ||
		not_ok "renewal $i: each of twelve handshakes has the new leaf" "$(cat load.out load.err import.out)"
	sample visible three 1000 $i stale "$(value mismatched load.out)"
	sample visible three 1000 $i handshakes "$(value handshakes load.out)"
	sample visible three 1000 $i failed "$(value failed load.out)"
done
kill $busy
wait $busy 2>/dev/null
[ ! -s busy.err ] || not_ok 'the load fails nowhere' "$(cat busy.err)"
lib_finish
