#!/bin/sh
# SPDX-License-Identifier: ISC
# helgrind.sh: the object as it is built, in the sample server: locks and what they guard,
# while four clients handshake and the store changes.
# shellcheck disable=SC1091,SC2015,SC2086,SC2154
command -v valgrind >/dev/null || { echo 'SKIPPED: valgrind is not here'; exit 77; }
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start helgrind

own_certificate
new_store "$work/store"
cheap_key key
mkdir hosts
for i in 0 1 2 3; do cheap_chain hosts/$i.pem key host$i.example; rm hosts/$i.pem.crt; done
tool 0 import hosts
OPENSSL_ia32cap=:0 valgrind --tool=helgrind --suppressions="$src/tests/analyze/helgrind.supp" --log-file=report \
	"$build/sample-mta" --cert own.crt --key own.key --module "$build/.libs/snicert.so" --config "$conf" \
	--port-file mta.port --threads 4 >/dev/null 2>mta.err &
server=$!
pids=$server
for _ in $(seq 1200); do
	[ ! -s mta.port ] && kill -0 $server 2>/dev/null || break
	sleep 0.1
done
port=$(cat mta.port)
# On a busy machine clients give up before it is done, which is no matter here.
served=0
for round in 1 2 3 4 5 6; do
	"$build/starttls-load" --port "$port" --count 8 --clients 4 --name-pattern host%d.example --name-count 4 >load.out 2>&1
	served=$((served + $(awk '{ n += $2 } END { print n + 0 }' load.out)))
	cheap_chain renewed.pem key host1.example host1.example $((90 + round))
	tool 0 import renewed.pem
	[ $served -lt 20 ] || [ $round -lt 2 ] || break
done
[ $served -ge 4 ] || not_ok 'it serves' "$(cat load.out mta.err)"
kill $server
wait $server
pids=
has "$(tail -n 1 report)" 'ERROR SUMMARY: 0 errors' 'helgrind has nothing to say'
[ $failed = 0 ] || grep -vE "Thread-Announcement|^==[0-9]*== *$" report | tail -n 60
echo "$served handshakes"
lib_finish
