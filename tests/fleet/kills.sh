#!/bin/sh
# SPDX-License-Identifier: ISC
# kills.sh [KILLS]: commands, followers and the database, each killed at random moments, while servers on all
# nodes are asked without a pause.  Nothing is lost, nothing done twice, all stores are alike in the end.
# FLEET_KILLS (100), FLEET_SEED.
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
lib_start fleet-kills
. "$src/tests/fleet/lib.sh"
kills=${1:-${FLEET_KILLS:-100}}
seed=${FLEET_SEED:-$(date +%s)}
echo "fleet-kills: $kills kills, seed $seed"
fleet_database
own_certificate
nodes='a b c'
cheap_key key
founded a
for n in b c; do
	node $n
	tool 0 fleet join
done
for n in $nodes; do
	follow $n
	conf=$work/$n/conf
	start_mta mta_$n
	eval "port_$n=$port"
	(
		while [ ! -e "$work/stop" ]; do
			"$build/starttls-load" --port "$port" --seconds 1 --pace 20 --name one.example >>"load_$n.out" 2>>"load_$n.err" || echo failed >>"load_$n.failed"
		done
	) &
	eval "load_$n=$!"
	pids="$pids $!"
done

random() { # BELOW, into $drawn
	seed=$(((seed * 1103515245 + 12345) % 2147483648))
	drawn=$((seed / 65536 % $1))
}
keeps_following() { # A killed follower is started again, as its unit does.
	eval "_pid=\$follower_$1"
	kill -0 "$_pid" 2>/dev/null || follow "$1"
}
database_runs() { [ -e "$work/pg/data/postmaster.pid" ] && kill -0 "$(head -n 1 "$work/pg/data/postmaster.pid")" 2>/dev/null; }

# One line for each command: its name, its exit code; 137 for those that were killed.
: >said
killed=0 i=0
of_writers=0 of_followers=0 of_database=0
while [ $killed -lt "$kills" ]; do
	i=$((i + 1))
	random 3
	n=$(echo $nodes | cut -d' ' -f$((drawn + 1)))
: >command.err
	"$build/snicert" -c "$work/$n/conf" --wait 20 bind "n$i.example" 1 >/dev/null 2>"command.err" &
	command=$!
	random 60
	sleep "0.0$(printf %02d $drawn)"
	random 10
	case $drawn in
	[0-5])
		kill -9 $command 2>/dev/null && of_writers=$((of_writers + 1)) && killed=$((killed + 1))
		;;
	[678])
		random 3
		m=$(echo $nodes | cut -d' ' -f$((drawn + 1)))
		unfollow $m KILL
		of_followers=$((of_followers + 1)) killed=$((killed + 1))
		follow $m
		;;
	9)
		kill -9 "$(head -n 1 "$work/pg/data/postmaster.pid")"
		of_database=$((of_database + 1)) killed=$((killed + 1))
		sleep 0.3
		await 'PostgreSQL starts again' fleet_starts
		;;
	esac
	wait $command
	code=$?
	# The database went away as it committed, and did not come back in time.
	! grep -q 'nobody knows' command.err || code=unknown
	echo "n$i.example $code" >>said
done
database_runs || fleet_start
for n in $nodes; do keeps_following $n; done
caught_up $nodes
# shellcheck disable=SC2086
alike $nodes
touch stop
for n in $nodes; do
	eval "wait \$load_$n"
	[ ! -e "load_$n.failed" ] && ok "no handshake failed on $n" || not_ok "no handshake failed on $n" "$(tail -n 3 "load_$n.err")"
	[ -s "load_$n.out" ] || not_ok "handshakes on $n"
	conf=$work/$n/conf
	tool 0 verify
	stop_mta mta_$n
done
# What was said to be done is done, once; what was said to have failed is not, unless nobody knew.
sqlite3 a/db/store.db "SELECT name FROM binding" | sort >bound
awk '$2 == 0 { print $1 }' said | sort >done
awk '$2 == 3 { print $1 }' said | sort >not_done
is "$(comm -23 done bound | wc -l)" 0 "none of $(wc -l <done) commands that succeeded is lost"
is "$(comm -12 not_done bound | wc -l)" 0 "none of $(wc -l <not_done) commands that failed is done"
is "$(sqlite3 a/db/store.db "SELECT count(*) FROM (SELECT name FROM change WHERE what = 'bind' GROUP BY name HAVING count(*) > 1)")" 0 'none is done twice'
is "$(sql 'SELECT count(*) = max(seq) AND max(seq) = (SELECT seq FROM snicert.head) FROM snicert.change')" t 'the history has no hole'
is "$(ls ./*/db/store.db.was-* 2>/dev/null | wc -l)" 0 'no store was of another history'
echo "fleet-kills: killed $of_writers commands, $of_followers followers, the database $of_database times; $(wc -l <done) of $i commands done, $(wc -l <not_done) failed"
lib_finish
