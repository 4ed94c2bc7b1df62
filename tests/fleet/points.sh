#!/bin/sh
# SPDX-License-Identifier: ISC
# points.sh [--every]: what writes, follows, joins, restores, is killed at each of its calls that change a file or
# send to the database; then stands still there while the database restarts.  What the database has then is what
# the call before says: nothing until it was told to commit, all after.  Servers are asked all along.
# shellcheck disable=SC1091,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
lib_start fleet-points
. "$src/tests/fleet/lib.sh"
fleet_database
own_certificate
cheap_key key
founded a
cp -p "$fleet_key" saved.key
fleet_key=$work/saved.key
node b
tool 0 fleet join
for n in a b; do
	conf=$work/$n/conf
	start_mta mta_$n
	(
		while [ ! -e "$work/stop" ]; do
			"$build/starttls-load" --port $port --seconds 1 --pace 50 --name one.example >>"load_$n.out" 2>>"load_$n.err" || echo failed >>"load_$n.failed"
		done
	) &
	eval "load_$n=$!"
	pids="$pids $!"
done
# --- what each kind does, for the round's own $name, and whether it is done
before_bind() { :; }
command_bind() { echo "bind $name 1"; }
done_bind() { [ "$(bound a)" = 1 ]; }

before_restore() { at a bind "$name" 1 >/dev/null; }
command_restore() { echo "restore '$work/saved.db'"; }
done_restore() { [ "$(bound a)" = 0 ]; }

before_snapshot() { at a bind "$name" 1 >/dev/null; }
command_snapshot() { echo 'fleet snapshot'; }
done_snapshot() { [ "$(sql 'SELECT count(*) FROM snicert.snapshot WHERE seq = (SELECT seq FROM snicert.head)')" = 1 ]; }

before_promote() { epoch=$(sql 'SELECT epoch FROM snicert.head'); }
command_promote() { echo 'fleet promote'; }
done_promote() { [ "$(sql 'SELECT epoch FROM snicert.head')" != "$epoch" ]; }

before_follow() { at b bind "$name" 1 >/dev/null; }
command_follow() { echo 'follow --once'; }
done_follow() { at_head a; }

# Another node each time, whose machine is set up once more if that is what it takes.
before_join() {
	rm -rf a
	node a
	at b fleet forget a >/dev/null 2>&1
}
command_join() { echo 'fleet join'; }
done_join() { [ "$(place_of a)" != '' ]; }
mend_join() { done_join || at a fleet join >/dev/null 2>join.err || not_ok "$where: it joins in the end" "$(cat join.err)"; }

before_leave() { :; }
command_leave() { echo 'fleet leave'; }
done_leave() { [ "$(place_of a)" = '' ]; }
mend_leave() {
	# Where the others were not told, as it says.
	at b fleet forget a >/dev/null 2>&1
	! done_leave || at a fleet join --replace >/dev/null 2>join.err || not_ok "$where: it joins again" "$(cat join.err)"
	rm -f a/db/store.db.before-fleet*
}

# --- one moment
bound() { sqlite3 -cmd '.timeout 10000' "$1/db/store.db" "SELECT count(*) FROM binding WHERE name = '$name'"; }
agree() {
	for _n in a b; do
		at $_n follow --once 2>follow.err || not_ok "$where: $_n follows" "$(cat follow.err)"
	done
	[ "$(content_of a)" = "$(content_of b)" ] || not_ok "$where: both stores are alike"
	[ "$(sql 'SELECT coalesce(count(*) + min(seq) - 1 = max(seq) AND max(seq) = (SELECT seq FROM snicert.head), true) FROM snicert.change')" = t ] ||
		not_ok "$where: the history has no hole"
}
bounce="setpriv --reuid=$pg_user --regid=nogroup --clear-groups env HOME='$work/pg' '$pg_bin/pg_ctl' -D '$work/pg/data' -w -m immediate -l '$work/pg/log' restart >/dev/null 2>&1"
round=0
moment() { # KIND WAY N|CALL: sets $what, the call, empty if there was none; $is_done
	round=$((round + 1)) name=r$round.example
	before_$1
	_run="exec '$build/snicert' -c '$work/a/conf' --wait 20 $(command_$1) 2>'$work/command.err'"
	case $2 in
	killed) killed_at "$3" sh -c "$_run" >moment ;;
	stopped) meanwhile_at "$3" "$bounce" sh -c "$_run" >moment ;;
	esac
	read -r _ _ _ what <moment
	code=$(sed -n '2s/.* //p' moment)
	where="$1, $2 at call $3 ($what)"
	# Of the store itself at once; of the fleet after all have followed.
	done_$1 && is_done=yes || is_done=
	! command -v mend_$1 >/dev/null || mend_$1
	agree
	case $1 in follow | join | leave) ;; *) done_$1 && is_done=yes || is_done= ;; esac
}

# --- every moment; without --every those that have names
each() { # KIND
	for _way in killed stopped; do
		_before=0 _after=0 _call=0 _told=
		while :; do
			_call=$((_call + 1))
			moment $1 $_way $_call
			if [ -z "$what" ]; then # this one ran to its end, and what killed ones had left is gone, too
				_left=$(find a b -name 'store.db.*' ! -name store.db.follow)
				[ -z "$_left" ] && ok "$1, $_way: nothing is left behind" || not_ok "$1, $_way: nothing is left behind" "$_left"
				break
			fi
			# What the database has, it has from its COMMIT on.
			case $1,$_way in
			follow,* | join,* | leave,*) ;;
			*,killed) [ "$is_done" = "$_told" ] || not_ok "$where: ${is_done:-not} done, it was told ${_told:-not} to" ;;
			*,stopped)
				case $code,$is_done in
				0,yes | 3,) ;;
				*) grep -q 'nobody knows' command.err || not_ok "$where: exit $code, ${is_done:-not} done" "$(cat command.err)" ;;
				esac
				;;
			esac
			case $what in 'sendto COMMIT'*) _told=yes ;; esac
			[ -n "$is_done" ] && _after=$((_after + 1)) || _before=$((_before + 1))
		done
		# To leave takes no database.
		[ "$1,$_way" != leave,stopped ] || _before=$((_before + 1))
		[ $_before -gt 0 ] && [ $_after -gt 0 ] && ok "$1, $_way at each of $((_call - 1)) calls: $_before times as before, $_after as after" ||
			not_ok "$1, $_way: as before and as after" "$_before, $_after"
	done
}
named() { # KIND WAY CALL yes|'': where it is killed, or stands, and whether it is done
	moment $1 $2 "$3"
	[ -n "$what" ] || not_ok "$where: there is such a call"
	is "$is_done" "$4" "$where: done or not"
}

at a backup saved.db >/dev/null
if [ "${1:-}" != --every ]; then
	named bind killed 'sendto INSERT INTO snicert.change_part' ''
	named bind killed 'sendto INSERT INTO snicert.change ' ''
	named bind killed 'sendto COMMIT' ''
	named bind killed 'pwrite64 store.db-wal' yes
	named bind stopped 'sendto INSERT INTO snicert.change_part' ''
	named bind stopped 'sendto COMMIT' ''
	named bind stopped 'pwrite64 store.db-wal' yes
	named follow killed 'pwrite64 store.db-wal' ''
	named follow stopped 'pwrite64 store.db-wal' yes
else
	for kind in ${FLEET_KINDS:-bind follow restore snapshot promote join leave}; do each $kind; done
fi
touch stop
for n in a b; do
	eval "wait \$load_$n"
	[ ! -e "load_$n.failed" ] && ok "no handshake failed on $n" || not_ok "no handshake failed on $n" "$(tail -n 3 "load_$n.err")"
	[ -s "load_$n.out" ] || not_ok "handshakes on $n"
	at $n verify >/dev/null || not_ok "$n: verify"
	stop_mta mta_$n
done
lib_finish
