#!/bin/sh
# SPDX-License-Identifier: ISC
# stats.sh: what the sample MTA counts under load is what its clients saw; as root also
# from a jail, as nobody; and it is there when the server is killed.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start stats

own_certificate
new_store "$work/store"
cheap_key key
mkdir hosts
for i in $(seq 0 39); do
	cheap_chain hosts/$i.pem key host$i.example
	rm hosts/$i.pem.crt
done
cheap_chain fallback.pem key fallback.example
tool 0 import hosts
tool 0 import --no-bind --json fallback.pem
tool 0 fallback "$(json out '$[0].chain')"
tool 1 stats
has "$(cat err)" 'no statistics at' 'nobody has counted yet'

clients() { # LOAD-OPTION…: sets $handshakes
	"$build/starttls-load" --port "$port" --clients 8 "$@" >load.out 2>load.err ||
		not_ok 'a load' "$(cat load.out load.err)"
	handshakes=$(sed -n 's/^handshakes \([0-9]*\) failed 0 .*/\1/p' load.out)
}
counted() { # OUTCOME REASON
	sqlite3 :memory: "SELECT ifnull(sum(json_extract(value, '\$.handshakes')), 0)
		FROM json_each(CAST(readfile('$work/out') AS TEXT), '\$.handshakes')
		WHERE value ->> 'outcome' = '$1' AND value ->> 'reason' = '$2'"
}

mkdir jail
chmod 755 "$work" jail
ways=user
! am_root || ways='user jail'
for way in $ways; do
	jail=
	if [ $way = jail ]; then
		jail="--user nobody --chroot $work/jail"
		# A leak checker has no /proc in there.
		ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
		export ASAN_OPTIONS
	fi
	start_mta $way --threads 16 $jail
	tool 0 stats --reset
	clients --count 2000 --name-pattern host%d.example --name-count 40 --expect-san
	known=$handshakes
	clients --count 400 --name-pattern nobody%d.example --name-count 10
	unknown=$handshakes
	tool 0 stats --json
	json_valid out "$way: JSON"
	is "$(json out '$.overview.handshakes')" $((known + unknown)) "$way: handshakes in all"
	is "$known $(counted exact none)" "2000 $known" "$way: known names"
	is "$unknown $(counted global unknown)" "400 $unknown" "$way: unknown names"
	is "$(json out '$.overview.unknown_names')" 10 "$way: the names that nobody has"
	is "$(json out '$.keys[0].keys') $(json out '$.keys[0].handshakes')" "EC $((known + unknown))" "$way: keys presented"
	is "$(sqlite3 :memory: "SELECT count(*) FROM json_each(CAST(readfile('$work/out') AS TEXT), '\$.processes')
		WHERE value ->> 'alive' AND value ->> 'program' = 'sample-mta'")" 1 "$way: one server"
	tool 0 stats
	has "$(cat out)" "Handshakes  $((known + unknown))" "$way: for people"
	stop_mta $way
done

# Killed in the midst of it: all that clients saw before is there.
start_mta killed --threads 8
tool 0 stats --reset
clients --count 300 --name-pattern host%d.example --name-count 40 --expect-san
_pid=$(cat killed.pid)
kill -KILL "$_pid"
wait "$_pid" 2>/dev/null
tool 0 stats --json
is "$(json out '$.overview.handshakes')" 300 'a server that was killed: its handshakes'
is "$(sqlite3 :memory: "SELECT count(*) FROM json_each(CAST(readfile('$work/out') AS TEXT), '\$.processes')
	WHERE value ->> 'alive'")" 0 '… and it is not taken for a living one'
# A server that somebody has taken over may write there what it wants: a time of no year.
printf '\377\377\377\377\377\377\377\177' | dd of="$work/store/stats" bs=1 seek=56 conv=notrunc 2>/dev/null
for way in '' '--watch --pages 1'; do
	tool 0 stats $way
	has "$(cat out)" '? UTC' "stats $way: counted since no year"
done
echo 'stats { path = none }' >>"$conf"
tool 1 stats
has "$(cat err)" 'stats.path = none' 'none are kept'
lib_finish
