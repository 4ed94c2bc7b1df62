#!/bin/sh
# SPDX-License-Identifier: ISC
# patroni.sh: two PostgreSQLs under Patroni, which elects, fails over and rewinds; and a node behind pgbouncer that
# pools transactions.  As the manual has it: all hosts in the connection string, a callback that has a node
# say `promote`.  Servers are asked all along.
# shellcheck disable=SC1091,SC2034,SC2154
if [ -z "${FLEET_NETWORK:-}" ]; then # ports of its own
	unshare -n true 2>/dev/null || { echo 'SKIPPED: no network namespaces here'; exit 77; }
	FLEET_NETWORK=yes exec unshare -n sh "$0" "$@"
fi
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
lib_start fleet-patroni
. "$src/tests/fleet/lib.sh"
PATH=$PATH:/usr/sbin
for program in patroni patronictl patroni_raft_controller pgbouncer ip curl; do
	command -v $program >/dev/null || { echo "SKIPPED: $program is not there"; exit 77; }
done
fleet_needs
ip link set lo up
own_certificate
cheap_key key
mkdir pg
member() { # NAME PORT API RAFT OTHER-RAFTS
	cat >pg/$1.yml <<Y
scope: snicert
name: $1
restapi: {listen: '127.0.0.1:$3', connect_address: '127.0.0.1:$3'}
raft: {data_dir: '$work/pg/raft.$1', self_addr: '127.0.0.1:$4', partner_addrs: [$5]}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 2
    retry_timeout: 3
    postgresql: {use_pg_rewind: true}
  initdb: [encoding: UTF8, locale: C]
  pg_hba: ['host all all 127.0.0.1/32 trust', 'host replication replicator 127.0.0.1/32 trust']
postgresql:
  listen: '127.0.0.1:$2'
  connect_address: '127.0.0.1:$2'
  data_dir: '$work/pg/$1'
  bin_dir: '$pg_bin'
  pgpass: '$work/pg/pgpass.$1'
  authentication:
    superuser: {username: owner, password: none}
    replication: {username: replicator, password: none}
  parameters: {unix_socket_directories: '', max_connections: 100, wal_log_hints: 'on'}
  callbacks: {on_role_change: '$work/pg/callback'}
watchdog: {mode: 'off'}
Y
}
member one 5441 8441 5451 "'127.0.0.1:5452', '127.0.0.1:5453'"
member two 5442 8442 5452 "'127.0.0.1:5451', '127.0.0.1:5453'"
member witness 0 8443 5453 "'127.0.0.1:5451', '127.0.0.1:5452'"
printf '#!/bin/sh\ncase $2 in master | primary) echo "$3" >>"%s" ;; esac\n' "$work/pg/roles" >pg/callback
chmod 755 pg/callback
: >pg/roles
chown -R $pg_user pg
run_as() { # NAME COMMAND…: in a session of its own, so that it can be killed with all it starts
	_name=$1
	shift
	setsid setpriv --reuid=$pg_user --regid=nogroup --clear-groups env HOME="$work/pg" "$@" >"$_name.log" 2>&1 &
	eval "pid_$_name=$!"
}
end_of() { # NAME SIGNAL
	eval "_pid=\$pid_$1"
	pkill "-$2" -s "$_pid" 2>/dev/null
	# PostgreSQL is in a session of its own.
	[ ! -s "pg/$1/postmaster.pid" ] || for _p in $(head -n 1 "pg/$1/postmaster.pid") $(pgrep -P "$(head -n 1 "pg/$1/postmaster.pid")"); do
		kill "-$2" "$_p" 2>/dev/null
	done
}
trap 'cd "$work"; for m in one two witness pool; do end_of $m KILL 2>/dev/null; done; lib_clean' EXIT
api() { case $1 in one) echo 8441 ;; *) echo 8442 ;; esac; }
leads() { [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$(api "$1")/leader")" = 200 ]; }
streams() { [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$(api "$1")/replica")" = 200 ]; }
for m in one two; do run_as $m patroni pg/$m.yml; done
run_as witness patroni_raft_controller pg/witness.yml
who_leads() { for leader in one two; do ! leads $leader || return 0; done; return 1; }
await 'there is a leader' who_leads
other() { [ "$leader" = one ] && echo two || echo one; }
await 'and a replica' streams "$(other)"
port_of() { case $1 in one) echo 5441 ;; *) echo 5442 ;; esac; }
ask() { "$pg_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$(port_of "$leader")" -U owner -d "${2:-snicert}" -c "$1"; }
ask 'CREATE DATABASE snicert' postgres
"$build/snicert" -c empty.conf fleet init --print-sql >fleet.sql
"$pg_bin/psql" -X -q -h 127.0.0.1 -p "$(port_of "$leader")" -U owner -d snicert -f fleet.sql >/dev/null 2>&1 || not_ok 'the SQL that is printed'
ask 'CREATE ROLE mx LOGIN IN ROLE snicert_writer'

database='host=127.0.0.1,127.0.0.1 port=5441,5442 dbname=snicert user=mx'
node a
cheap_chain one.pem key one.example
grep -v '^fleet' a/conf >a/alone
"$build/snicert" -c a/alone import one.pem >/dev/null || not_ok 'a chain'
at a fleet init >/dev/null || not_ok 'a fleet'
database="$database target_session_attrs=prefer-standby"
node b
at b fleet join >/dev/null || not_ok 'b joins'
for n in a b; do
	follow $n
	conf=$work/$n/conf
	start_mta mta_$n
	(
		while [ ! -e "$work/stop" ]; do
			"$build/starttls-load" --port "$port" --seconds 1 --pace 50 --name one.example >>"$n.load" 2>&1 || echo failed >>"$n.failed"
		done
	) &
	eval "load_$n=$!"
	pids="$pids $!"
done
number=1
all_at() { for _n; do [ "$(place_of "$_n")" = "$number" ] || return 1; done; }
writes() { # NODE NAME, and all have it
	cheap_chain "$2.pem" key "$2"
	at "$1" --wait 30 import "$2.pem" >/dev/null 2>err || not_ok "$1 imports $2" "$(cat err)"
	number=$(ask 'SELECT seq FROM snicert.head')
	# shellcheck disable=SC2086
	await "all have $2" all_at ${nodes:-a b}
}
writes a two.example
writes b three.example
alike a b

# --- a pooler of transactions: it takes LISTEN, and never rings
cat >pool.ini <<I
[databases]
snicert = host=127.0.0.1 port=$(port_of "$leader") dbname=snicert
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = 6432
unix_socket_dir =
auth_type = any
pool_mode = transaction
logfile = $work/pg/pool.log
ignore_startup_parameters = extra_float_digits
I
sed -i 's/dbname=snicert$/dbname=snicert user=mx/' pool.ini
chmod 644 pool.ini
chmod 755 "$work"
run_as pool pgbouncer "$work/pool.ini"
database='host=127.0.0.1 port=6432 dbname=snicert user=mx'
node c
joins() { at c fleet join >/dev/null 2>join.err; }
await 'c joins through the pooler' joins
follow c
nodes='a b c'
writes a pooled.example
began=$(date +%s)
for i in 1 2 3 4; do writes a "pooled$i.example"; done
took=$(($(date +%s) - began))
[ $took -le 12 ] && ok "what is behind a pooler has a change within seconds ($took s for four)" || not_ok 'what is behind a pooler is not late' "$took s"
writes c by-pooler.example
alike a b c
unfollow c
end_of pool KILL
at b fleet forget c >/dev/null
nodes='a b'

# --- the leader is gone, with all that runs there
gone=$leader
: >pg/roles
end_of "$gone" KILL
elected() { leads "$(other)"; }
leader=$gone
# What a renewal runs meanwhile, once, waits for the next leader.
cheap_chain meanwhile.pem key meanwhile.example
at b --wait 90 import meanwhile.pem >/dev/null 2>meanwhile.err || not_ok 'a command waits for the next leader' "$(cat meanwhile.err)"
has "$(cat meanwhile.err)" '*waiting up to 90 s for it*' 'and says so'
await "$(other) is elected" elected
leader=$(other)
told() { [ -s pg/roles ]; }
await 'its callback is run' told
at a --wait 60 fleet promote >/dev/null 2>err || not_ok 'a node says so' "$(cat err)"
writes b after.example
alike a b
is "$(at a fleet --json | grep -c '"trouble": null')" 2 'nobody has trouble'

# --- it comes back, rewound, as a standby; and then leads again by plan
run_as "$gone" patroni "pg/$gone.yml"
await 'what was gone is a replica' streams "$gone"
writes a again.example
patronictl -c "pg/$leader.yml" switchover --force --candidate "$gone" >switchover.log 2>&1 || not_ok 'a switch-over' "$(cat switchover.log)"
await 'the other leads' leads "$gone"
leader=$gone
await 'its callback is run, too' sh -c "[ \$(wc -l <'$work/pg/roles') -ge 2 ]"
at b --wait 60 fleet promote >/dev/null 2>err || not_ok 'promote, where nothing was lost' "$(cat err)"
writes a planned.example
writes b planned-too.example
alike a b
is "$(find a/db b/db -name '*.was-*' | wc -l)" 0 'nothing was lost, nobody starts over'

touch stop
for n in a b; do
	eval "wait \$load_$n"
	[ ! -e "$n.failed" ] && ok "no handshake failed on $n" || not_ok "no handshake failed on $n" "$(tail -n 3 "$n.load")"
	at $n verify >/dev/null || not_ok "$n: verify"
	stop_mta mta_$n
done
lib_finish
