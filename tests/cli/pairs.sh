#!/bin/sh
# SPDX-License-Identifier: ISC
# pairs.sh: a command that writes stands still at one of its calls that write, sync or
# lock a file, while another one runs: both succeed, or the one that can't says why; then
# every key of the store opens, and the key file has one key, if need be once rekey has been
# run again, as it says.  Then with all that write: one stands still or is killed, the others run, and
# what says that it has succeeded has.
#
#   PAIRS_STEP=N   at each Nth call (7, and 97 with all; 1: at each)
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start pairs
step=${PAIRS_STEP:-7}

# --- a store, to begin with anew each time -----------------------------------------

new_store "$work/s"
for key in a b c d; do cheap_key $key.key && cheap_chain $key.pem $key.key $key.example && chmod 600 $key.pem; done
cheap_chain a2.pem d.key a.example a.example 91
chmod 600 a2.pem
tool 0 import a.pem
tool 0 import a2.pem
tool 0 import --stage b.pem
tool 0 key new w.example
tool 0 backup copy.db
cp "$store_key" first.key
# One that has the store open, as servers do: the first to open it would hold all others up meanwhile.
mkfifo sql
sqlite3 "$store" <sql >/dev/null 2>&1 &
pids="$pids $!"
exec 7>sql
afresh() {
	rm -f done
	echo ".timeout 10000
.restore copy.db
.system touch done" >&7
	await 'the store is as in the beginning' test -e done
	cp first.key "$store_key"
	$prepare
}
prepare=
older() { # as a release left it whose schema was 2
	sqlite3 "$store" "$to_schema_4 DROP INDEX chain_lineage; DROP INDEX chain_subject; DROP INDEX chain_first_name; ALTER TABLE chain DROP COLUMN lineage;
		ALTER TABLE former DROP COLUMN step; DROP INDEX chain_owner; ALTER TABLE chain DROP COLUMN owner; ALTER TABLE change DROP COLUMN sudo;
		ALTER TABLE change DROP COLUMN pid; PRAGMA user_version = 2"
}

command_import='import c.pem'
command_hook='hook dehydrated deploy_cert d.example d.key d.pem.crt d.pem.crt d.pem.crt 0'
command_key='key new v.example'
command_rekey=rekey
command_restore='restore copy.db'
command_activate='activate 3'
command_rollback='rollback a.example'
command_bind='bind e.example 1'
command_unbind='unbind a.example'
command_fallback='fallback 1'

# --- what is left --------------------------------------------------------------------

keys_open() { # of chains, and of certificates yet to come
	snicert verify >opened 2>&1 || return 1
	for id in $(sqlite3 "$store" 'SELECT id FROM waiting'); do
		snicert key csr $id >/dev/null 2>opened || return 1
	done
}
# It can't have the store now; what the backup was sealed under is gone.
says_why() { # EXIT FILE
	[ "$1" = 0 ] || { [ "$1" = 3 ] && grep -q -e 'which is writing' -e 'a store key other than' "$2"; }
}
# A rekey that could not have the store for its last step leaves the former key, and says so.
one_key() {
	[ "$(wc -l <"$store_key")" = 1 ] && return
	grep -q 'run `snicert rekey` again' first.err second.err && snicert rekey >opened 2>&1 && keys_open &&
		[ "$(wc -l <"$store_key")" = 1 ]
}
at_one() { # N FIRST SECOND: 1 where it has not so many calls
	afresh
	eval "_first=\$command_$2 _second=\$command_$3"
	meanwhile_at $1 "'$build/snicert' -c '$conf' --wait 0 $_second >/dev/null 2>second.err" \
		sh -c "exec '$build/snicert' -c '$conf' --wait 0 $_first 2>first.err" >codes
	{ read -r _ calls _; read -r second first; } <codes
	[ $second != -1 ] || return 1
	if ! says_why $first first.err || ! says_why $second second.err; then
		wrong="at call $1: exit codes $first and $second: $(cat first.err second.err)"
	elif ! keys_open; then
		wrong="at call $1: $(head -n 2 opened)"
	elif ! one_key; then
		wrong="at call $1: exit codes $first and $second: $(wc -l <"$store_key") store keys"
	fi
}
pair() { # FIRST SECOND [CALL]: from that one on
	at=${3:-1} wrong=
	while [ -z "$wrong" ] && at_one $at $1 $2; do at=$((at + step)); done
	is "$wrong" '' "$1 stopped at each of its $calls calls, $2 meanwhile"
}

for first_command in import hook key rekey restore; do
	pair $first_command rekey
	pair rekey $first_command
done
pair import restore
pair key restore
for second_command in activate rollback bind unbind fallback; do
	pair rekey $second_command
	pair $second_command rekey
done

# --- one stands still, and is killed there or goes on; all others write meanwhile or then ----

# Each has names and chains of its own, so that what has succeeded has to be there in the end.
for key in e g; do cheap_key $key.key && cheap_chain $key.pem $key.key $key.example && chmod 600 $key.pem; done
afresh
tool 0 import g.pem
tool 0 bind u.example 1
rm copy.db
tool 0 backup copy.db
command_stage='import --stage e.pem'
command_unbind='unbind u.example'
command_owner='owner acme 3'
command_remove='remove --force 4'
all='import stage activate rollback bind unbind fallback owner remove key rekey'
bound() { sqlite3 "$store" "SELECT group_concat(chain) FROM binding WHERE name = '$1'"; }
has_done() { # COMMAND: its effect is there
	case $1 in
	import) [ -n "$(bound c.example)" ] ;;
	stage) [ "$(sqlite3 "$store" "SELECT count(*) FROM staged WHERE name = 'e.example'")" = 1 ] ;;
	activate) [ "$(bound b.example)" = 3 ] ;;
	rollback) [ "$(bound a.example)" = 1 ] ;;
	bind) [ "$(bound e.example)" = 1 ] ;;
	unbind) [ -z "$(bound u.example)" ] ;;
	fallback) [ "$(bound @)" = 1 ] ;;
	owner) [ "$(sqlite3 "$store" 'SELECT owner FROM chain WHERE id = 3')" = acme ] ;;
	remove) [ "$(sqlite3 "$store" 'SELECT count(*) FROM chain WHERE id = 4')" = 0 ] ;;
	key) [ "$(sqlite3 "$store" "SELECT count(*) FROM waiting WHERE names = 'v.example'")" = 1 ] ;;
	rekey) ! [ "$(cat "$store_key")" = "$(cat first.key)" ] ;;
	esac
}
cat >others.sh <<'SH'
# COMMAND WAIT: all but that one; their exit codes and complaints
: >others.codes
while read -r name arguments; do
	[ "$name" = "$1" ] && continue
	# shellcheck disable=SC2086
	"$build/snicert" -c "$conf" --wait $2 $arguments >/dev/null 2>others.$name </dev/null
	echo "$name $?" >>others.codes
done <commands
SH
for name in $all; do
	eval "echo $name \$command_$name"
done >commands
export build conf
of_others() { # none may fail with --wait; without, those alone that say who is writing
	while read -r name code; do
		if [ $code != 0 ] && ! { [ "$1" = 0 ] && says_why $code others.$name; }; then
			wrong="$name, exit code $code: $(cat others.$name)"
		elif [ $code = 0 ] && ! has_done $name; then
			wrong="$name: exit code 0, and nothing of it is there"
		fi
	done <others.codes
}
stopped_at() { # N COMMAND
	afresh
	eval "_first=\$command_$2"
	meanwhile_at $1 "sh others.sh $2 0" sh -c "exec '$build/snicert' -c '$conf' --wait 0 $_first 2>first.err" >codes
	{ read -r _ calls _; read -r second first; } <codes
	[ $second != -1 ] || return 1
	of_others 0
	says_why $first first.err || wrong="exit code $first: $(cat first.err)"
	[ $first != 0 ] || has_done $2 || wrong="$2: exit code 0, and nothing of it is there"
}
killed_then() { # N COMMAND
	afresh
	eval "_first=\$command_$2"
	[ "$(killed_at $1 "$build/snicert" -c "$conf" $_first | cut -d' ' -f1)" = killed ] || return 1
	sh others.sh $2 10
	of_others 10
}
for first_command in $all; do
	for way in stopped_at killed_then; do
		at=2 wrong=
		while [ -z "$wrong" ] && $way $at $first_command; do
			cp others.codes last.codes
			keys_open || wrong=$(head -n 2 opened)
			[ -n "$wrong" ] || [ "$(wc -l <"$store_key")" = 1 ] || { snicert rekey >opened 2>&1 && keys_open &&
				[ "$(wc -l <"$store_key")" = 1 ]; } || wrong="$(wc -l <"$store_key") store keys"
			at=$((at + ${PAIRS_STEP:-97}))
		done
		is "$wrong" '' "$first_command, $way call $at: ten others"
	done
done

# --- after an upgrade: whoever is first brings it up to date ----------------------------

# Behind the calls by which it opens the store, at which others wait ten seconds for the index.
command_list=list
prepare=older step=2
pair list list 21
lib_finish
