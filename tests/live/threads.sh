#!/bin/sh
# SPDX-License-Identifier: ISC
# threads.sh: many clients at once while the store changes all the time: none
# fails, nobody gets a stranger's chain, and after each commit the very next
# handshake has the new chain.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start threads

own_certificate
new_store "$work/store"
# Not enough for all of them, so that chains come and go.
echo 'cache { memory = "1M" }' >>"$conf"
cheap_key key
mkdir hosts
for i in $(seq 0 149); do
	cheap_chain hosts/$i.pem key host$i.example
	rm hosts/$i.pem.crt
done
for n in one two; do
	cheap_key $n.key
	cheap_chain $n.pem $n.key flip.example $n.example
done
tool 0 import hosts
tool 0 import --no-bind --json one.pem two.pem
one=$(json out '$[0].chain') two=$(json out '$[1].chain')
leaf_one=$(sha_of one.pem.crt) leaf_two=$(sha_of two.pem.crt)
isnt "$leaf_one" "$leaf_two" 'two chains for one name'
tool 0 fallback "$one"

start_mta threads --threads 16
load_pace='' start_load --clients 8 --name-pattern host%d.example --name-count 150 --expect-san
began=$(date +%s)

stale=0 wrong=0 alternations=0
flip() { # COMMAND… CHAIN, then NAME|- in $1
	_name=$1
	shift
	timeout 60 "$build/snicert" -c "$conf" "$@" >out 2>err || not_ok "under load: snicert $*" "$(cat err)"
	_leaf=$(leaf_of "$_name")
	[ "$_leaf" = "$want" ] || stale=$((stale + 1))
	alternations=$((alternations + 1))
}
i=0
while [ $i -lt 50 ]; do
	if [ $((i % 2)) = 0 ]; then chain=$one want=$leaf_one; else chain=$two want=$leaf_two; fi
	case $((i % 5)) in
	0) flip - default "$chain"; fallback=$want ;;
	1) flip nobody$i.example default "$chain"; fallback=$want ;;
	*) flip flip.example bind flip.example "$chain" ;;
	esac
	i=$((i + 1))
done
is "$alternations alternations, $stale stale" '50 alternations, 0 stale' 'after each commit the next handshake has the new chain'

# Renewals of names that are being served, imports of new ones, removals.
i=0
while [ $i -lt 10 ] || [ $(($(date +%s) - began)) -lt 8 ]; do
	cheap_chain renewal.pem key host$i.example host$i.example $((100 + i))
	timeout 60 "$build/snicert" -c "$conf" import renewal.pem >out 2>err || not_ok "under load: import" "$(cat err)"
	[ "$(leaf_of host$i.example)" = "$(sha_of renewal.pem.crt)" ] || stale=$((stale + 1))
	cheap_chain fresh.pem key fresh$i.example
	timeout 60 "$build/snicert" -c "$conf" import fresh.pem >out 2>err || not_ok "under load: import" "$(cat err)"
	[ "$(leaf_of fresh$i.example)" = "$(sha_of fresh.pem.crt)" ] || stale=$((stale + 1))
	timeout 60 "$build/snicert" -c "$conf" remove fresh$i.example >out 2>err || not_ok "under load: remove" "$(cat err)"
	[ "$(leaf_of fresh$i.example)" = "$fallback" ] || stale=$((stale + 1))
	i=$((i + 1))
	[ $i -lt 149 ] || break
done
is "$stale stale" '0 stale' "renewals, imports and removals, $i each"
tool 0 rekey
# Nothing waits for a writer: one that is stopped while it holds a lock, for want of a core, leaves readers no
# store for as long, and a name that is not in the cache gets the server's own certificate.  It is said, and rare;
# where there are cores enough, it does not happen.
unread=$(grep -c 'event=store-unreadable .*locking protocol' threads.mta.log)
awk '{ exit !($1 >= 8) }' /proc/loadavg || unread=0
[ "$unread" = 0 ] || echo "threads: a writer without a core, $unread times: $(grep -m 1 'locking protocol' threads.mta.log)"
[ "$unread" -le 3 ] || not_ok 'the store is in reach' "$unread times not"
stop_load 'eight clients' "$unread"
tool 0 verify

kill -USR1 "$(cat threads.pid)"
await 'the counters' grep -q '^counters.* trouble=' threads.mta.log
counters=$(grep '^counters' threads.mta.log | tail -n 1)
has "$counters" ' trouble=0 ' 'the module met no trouble'
own=$(echo "$counters" | sed 's/.* own=\([0-9]*\) .*/\1/')
[ "$own" -le "$unread" ] && ok 'nobody got the own certificate' || not_ok 'nobody got the own certificate' "$counters"
echo "$load_sessions sessions; $counters"
stop_mta threads
lib_finish
