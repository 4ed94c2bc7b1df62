# SPDX-License-Identifier: ISC
# shellcheck shell=sh disable=SC2154,SC2034
# lib.sh: a PostgreSQL of the test's own, and nodes on this machine.  Sourced after tests/lib.sh; then
#
#   fleet_database         start it in $work/pg; skips the test where there is none.  Socket: $pg_socket
#   fleet_stop MODE / fleet_start      (MODE as pg_ctl's: fast, immediate)
#   sql COMMAND            as its superuser; the answer, unaligned
#   node NAME              a store of its own, $work/NAME, under one store key; its configuration in $conf
#   founded NAME           such a node with a chain for one.example, and a fleet of it; the key is in `key`
#   at NAME ARG…           snicert with that node's configuration
#   follow NAME            `snicert follow` there, in the background; its lines in NAME.follow.log
#   unfollow NAME
#   caught_up NAME…        all at the head of the history
#   alike NAME…            their stores have the same content

pg_bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
pg_user=nobody

pg_as() { # COMMAND…
	setpriv --reuid=$pg_user --regid=nogroup --clear-groups env HOME="$work/pg" "$@"
}

fleet_needs() { # or skip
	[ -x "${pg_bin:-/nonexistent}/initdb" ] || { echo 'SKIPPED: PostgreSQL is not there'; exit 77; }
	[ "$(id -u)" = 0 ] || { echo 'SKIPPED: PostgreSQL is started as another user, for which this must be root'; exit 77; }
	: >"$work/empty.conf"
	case $("$build/snicert" -c "$work/empty.conf" fleet init 2>&1) in *'built without'*) echo 'SKIPPED: built without fleets'; exit 77 ;; esac
}
fleet_database() {
	fleet_needs
	trap 'fleet_clean' EXIT
	mkdir "$work/pg" "$work/pg/socket"
	chown -R $pg_user:nogroup "$work/pg"
	pg_socket=$work/pg/socket
	pg_as "$pg_bin/initdb" -D "$work/pg/data" -U owner -A trust -E UTF8 --no-locale -N >"$work/initdb.log" 2>&1 || {
		cat "$work/initdb.log"
		not_ok 'a database is made'
		lib_finish
	}
	fleet_start
	sql 'CREATE DATABASE snicert' postgres
	database="host=$pg_socket user=owner dbname=snicert"
}
fleet_start() {
	fleet_starts || { cat "$work/pg_ctl.log" "$work/pg/log"; not_ok 'PostgreSQL starts'; }
}
# After a kill its sessions have to notice that they are alone.
fleet_starts() {
	pg_as "$pg_bin/pg_ctl" -D "$work/pg/data" -w -t 60 -l "$work/pg/log" -o "-k $work/pg/socket -c listen_addresses='' \
		-c max_connections=300 ${pg_options:-}" start >"$work/pg_ctl.log" 2>&1 || return 1
	pg_pid=$(head -n 1 "$work/pg/data/postmaster.pid")
}
fleet_clean() {
	[ -z "${pg_pid:-}" ] || fleet_stop immediate
	lib_clean
}
fleet_stop() {
	pg_as "$pg_bin/pg_ctl" -D "$work/pg/data" -w -t 60 -m "$1" stop >"$work/pg_ctl.log" 2>&1
}
sql() { # COMMAND [DATABASE]
	"$pg_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$pg_socket" -U owner -d "${2:-snicert}" -c "$1"
}

node() {
	if [ -z "${fleet_key:-}" ]; then
		new_store "$work/$1"
		fleet_key=$store_key
	else
		mkdir -p "$work/$1/key"
		cp -p "$fleet_key" "$work/$1/key/store.key"
		new_store "$work/$1"
	fi
	printf 'fleet { database = "%s" node = "%s" }\n' "$database" "$1" >>"$conf"
}
founded() {
	node "$1"
	sed -i '/^fleet/d' "$1/conf"
	cheap_chain one.pem key one.example
	tool 0 import one.pem
	printf 'fleet { database = "%s" node = "%s" }\n' "$database" "$1" >>"$1/conf"
	tool 0 fleet init
}
at() {
	_node=$1
	shift
	"$build/snicert" -c "$work/$_node/conf" "$@"
}
follow() {
	"$build/snicert" -c "$work/$1/conf" follow >>"$1.follow.log" 2>&1 &
	eval "follower_$1=$!"
	pids="$pids $!"
}
unfollow() { # NAME [SIGNAL]
	eval "_pid=\$follower_$1"
	kill "-${2:-TERM}" "$_pid"
	wait "$_pid" 2>/dev/null
}
head_of() { sql 'SELECT seq FROM snicert.head'; }
place_of() { sqlite3 "$work/$1/db/store.db" 'SELECT seq FROM fleet'; }
at_head() { [ "$(place_of "$1")" = "$(head_of)" ]; }
caught_up() {
	for _node; do
		await "$_node at the head" at_head "$_node"
	done
}
# All rows but each node's own.
content_of() {
	for _table in cert chain chain_cert binding staged former change waiting waiting_name; do
		echo "SELECT '$_table', * FROM $_table ORDER BY 2, 3;"
	done | sqlite3 -cmd '.timeout 10000' "$work/$1/db/store.db" | sha256sum
}
alike() {
	_first=$1
	shift
	for _node; do
		is "$(content_of "$_node")" "$(content_of "$_first")" "the stores of $_first and $_node are alike"
	done
}
