#!/bin/sh
# SPDX-License-Identifier: ISC
# kill.sh: the tool is killed with SIGKILL in each kind of work, under a server with
# clients: the store is as before or as after, its change log doesn't go back,
# `verify` finds nothing, and each client gets its chain.  Every other time it is
# killed after a random time, every other time at one of its calls that write,
# sync, name, remove or lock a file, at each of them before one has its second
# turn.  Who has ended first is not counted.
#
#   TORTURE_KILLS=N       so many are killed (2,200: each call has its turn)
#   TORTURE_KINDS=KIND     only these
# shellcheck disable=SC1091,SC2015,SC2034,SC2086,SC2154,SC2329
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/torture/lib.sh"
torture_start kill
rounds=${TORTURE_KILLS:-2200}
[ -z "${TORTURE_QUICK:-}" ] || rounds=${TORTURE_KILLS:-42}
killed_program=$build/tests/torture/killed
[ -x "$killed_program" ] || { echo "kill: $killed_program is not there" >&2; exit 99; }

own_certificate
torture_store "$work/store" 40
mkdir new
cheap_key new.key
for i in $(seq 30); do
	cheap_chain new/$i.pem new.key new$i.example
	rm new/$i.pem.crt
done
new_names=$(seq -f new%g.example 30)
cheap_chain flip1.pem hosts.key flip.example
cheap_chain flip2.pem hosts.key flip.example flip.example 91
tool 0 import flip1.pem
tool 0 import flip2.pem

sql() { sqlite3 -cmd '.timeout 10000' "$store" "$1" 2>&1; }

# Each kind: what is done beforehand, the command, and the SQL that tells before from
# after, of which it prints one word; `allowed` is a pattern of such words.
query_import="SELECT count(*) FROM binding WHERE name LIKE 'new%'"
before_import() { [ "$(sql "$query_import")" = 0 ] || snicert remove --force $new_names >/dev/null; }
command_import='import new'
allowed_import='0|30'

# Under which store key: one.
query_rekey='SELECT group_concat(id) FROM (SELECT DISTINCT hex(substr(sealed_key, 2, 8)) AS id FROM chain)'
before_rekey() { fresh=; }
command_rekey=rekey
allowed_rekey='[0-9A-F]*'

query_rollback="SELECT chain FROM binding WHERE name = 'flip.example'"
flip2=$(sql "$query_rollback")
before_rollback() { [ "$(sql "$query_rollback")" = "$flip2" ] || snicert import flip2.pem >/dev/null; }
command_rollback='rollback flip.example'
allowed_rollback="$(sql "SELECT group_concat(id, '|') FROM chain WHERE names LIKE '%flip.example%'")"

query_backup="SELECT 'the store'"
before_backup() { rm -f copy.db*; }
command_backup='backup copy.db'
copy_state() {
	if [ -e copy.db ]; then sqlite3 copy.db 'PRAGMA quick_check; SELECT count(*) > 40 FROM binding' 2>&1 | tr '\n' _; else echo none; fi
}
allowed_backup='none|ok_1_'

# Of a backup without it, into a store with a name that changes were logged for since.
query_restore="SELECT count(*) FROM binding WHERE name = 'marker.example'"
before_restore() {
	if [ -z "$fresh" ]; then
		sql "DELETE FROM binding WHERE name = 'marker.example'"
		rm -f restored.db*
		snicert backup restored.db >/dev/null
		fresh=1
	fi
	[ "$(sql "$query_restore")" = 1 ] ||
		snicert bind marker.example "$(sql "SELECT chain FROM binding WHERE name = 'host0.example'")" >/dev/null
}
command_restore='restore restored.db'
allowed_restore='0|1'

query_migration='PRAGMA user_version'
schema=$(sql "$query_migration")
before_migration() {
	[ "$(sql "$query_migration")" = 1 ] ||
		sql "BEGIN IMMEDIATE; $to_schema_4 DROP INDEX chain_lineage; DROP INDEX chain_subject; DROP INDEX chain_first_name; ALTER TABLE chain DROP COLUMN lineage;
			ALTER TABLE former DROP COLUMN step; DROP INDEX chain_owner; ALTER TABLE chain DROP COLUMN owner;
			ALTER TABLE change DROP COLUMN sudo; ALTER TABLE change DROP COLUMN pid;
			DROP INDEX chain_staged; ALTER TABLE staged DROP COLUMN since; DROP TABLE waiting_name; DROP TABLE waiting;
			PRAGMA user_version = 1; COMMIT"
}
command_migration='unbind nobody.example'
allowed_migration="1|$schema"

# Sets $state, $sequence and $sound.
look() { # KIND
	eval "_query=\$query_$1"
	sql "$_query; SELECT max(sequence) FROM change; PRAGMA journal_mode; PRAGMA quick_check" >looked
	{ read -r state; read -r sequence; sound=$(tr '\n' ' '); } <looked
	[ "$1" != backup ] || state=$(copy_state)
}
run_killed() { # OPTION VALUE KIND: sets $end, $calls and $micros
	eval "_command=\$command_$3"
	"$killed_program" "$1" "$2" "$build/snicert" -c "$conf" $_command >killed.out
	read -r end calls micros _ <killed.out
}
amiss() { # WHAT DETAIL
	bad=$((bad + 1))
	not_ok "$tries: $kind, $how: $1" "$2"
}

# Sets $how, and runs it.  How long it takes changes as the machine is busy with others.
kill_one() {
	if [ $((killed % 2)) = 0 ]; then
		random 10000
		_after=$((lasts * random / 10000))
		run_killed --after $_after $kind
		how="killed after $_after us"
		if [ "$end" = killed ]; then lasts=$((lasts + lasts / 100)); else lasts=$((lasts - lasts / 10)); fi
		return
	fi
	at=$(((at + 36) % all + 1)) # a prime on: quick runs have calls from all over
	run_killed --at $at $kind
	how="killed at call $at of $all"
	[ "$end" = killed ] || all=$calls
}

check_one() {
	eval "allowed=\$allowed_$kind"
	look $kind
	eval "case \$state in $allowed) ;; *) amiss 'before or after' \"state: \$state\" ;; esac"
	[ "$sound" = 'wal ok ' ] || amiss 'a sound store in WAL mode' "$sound"
	[ "$sequence" -ge "$first_sequence" ] || amiss 'the change log has not gone back' "$first_sequence, then $sequence"
	timeout 60 "$build/snicert" -c "$conf" verify >verify.out 2>&1 || amiss verify "$(head -n 5 verify.out)"
	[ "$state" = "$first" ] || after=$((after + 1))
}

start_mta killed --threads 8
clients --clients 2 --name-pattern host%d.example --name-count 40
kinds=${TORTURE_KINDS:-import rekey rollback backup restore migration}
number=$(echo $kinds | wc -w)
each=$(((rounds + number - 1) / number)) fresh='' tries=0 bad=0 total=0
for kind in $kinds; do
	before_$kind >/dev/null
	run_killed --at 1000000000 $kind
	all=$calls
	before_$kind >/dev/null
	run_killed --after 1000000000 $kind
	random $all
	eval "lasts_$kind=$micros all_$kind=$all at_$kind=$random killed_$kind=0 ended_$kind=0 after_$kind=0"
	echo "$kind: $micros us, $all calls"
done
while [ $total -lt $((each * number)) ] && time_left; do
	for kind in $kinds; do
		eval "lasts=\$lasts_$kind all=\$all_$kind at=\$at_$kind killed=\$killed_$kind ended=\$ended_$kind after=\$after_$kind"
		# A few of a kind behind one another: what one needs made beforehand serves the next.
		goal=$((killed + 7))
		[ $goal -le $each ] || goal=$each
		while [ $killed -lt $goal ] && time_left; do
			tries=$((tries + 1))
			before_$kind >/dev/null
			look $kind
			first=$state first_sequence=$sequence
			kill_one
			if [ "$end" = ended ]; then ended=$((ended + 1)); continue; fi
			killed=$((killed + 1)) total=$((total + 1))
			check_one
			[ $bad -lt 10 ] || break 3
		done
		eval "lasts_$kind=$lasts all_$kind=$all at_$kind=$at killed_$kind=$killed ended_$kind=$ended after_$kind=$after"
	done
done
clients_end
is "$bad" 0 "$total killed: before or after, and verify finds nothing"
is "$failed_handshakes $other_chain" '0 0' 'clients all the while: each got its chain'
for kind in $kinds; do
	eval "killed=\$killed_$kind ended=\$ended_$kind after=\$after_$kind all=\$all_$kind"
	row "SIGKILL during $kind" "$killed killed, half of them at one of its $all calls; $ended more ended first" \
		"$after times as afterwards, else as before; verify finds nothing, the change log has not gone back"
done
row 'clients meanwhile' "$total killed" "$got"
if [ $total -ge $((each * number)) ]; then
	ok 'so many were killed'
elif ! time_left && [ $total -ge $number ]; then
	echo "kill: $total of $((each * number)) were killed: the $seconds s were over"
else
	not_ok "$((each * number)) were killed" "$total, $tries tried"
fi
stop_mta killed
lib_finish
