#!/bin/sh
# SPDX-License-Identifier: ISC
# failover.sh: a primary and a standby of PostgreSQL's own streaming, in network namespaces: nodes that follow
# either, by TLS and a password file; the network cut, the database stopped, and a fail-over that loses
# commits, with servers asked all along.  FLEET_SEED, FLEET_CUTS (20).
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
lib_start fleet-failover
. "$src/tests/fleet/lib.sh"
for program in ip nsenter unshare; do
	command -v $program >/dev/null || { echo "SKIPPED: $program is not there"; exit 77; }
done
unshare -n true 2>/dev/null || { echo 'SKIPPED: no network namespaces here'; exit 77; }
fleet_needs
own_certificate
cheap_key key

# --- two databases and two nodes, each in a namespace, on one bridge
namespace() { # NAME ADDRESS: processes of `in_NAME` are there
	unshare -n sleep 3600 &
	eval "ns_$1=$!"
	pids="$pids $!"
	_ns=$!
	sleep 0.3
	ip link add "snict$1" netns "$ns_hub" type veth peer name eth0 netns "$_ns" || not_ok "a link to $1"
	nsenter -t "$ns_hub" -n sh -c "ip link set snict$1 master bridge up"
	nsenter -t "$_ns" -n sh -c "ip addr add $2/24 dev eth0; ip link set eth0 up; ip link set lo up"
}
inside() { # NAME COMMAND…
	eval "_at=\$ns_$1"
	shift
	nsenter -t "$_at" -n "$@"
}
cut() { nsenter -t "$ns_hub" -n ip link set "snict$1" down; }
mend() { nsenter -t "$ns_hub" -n ip link set "snict$1" up; }
unshare -n sleep 3600 &
ns_hub=$!
pids="$pids $!"
sleep 0.3
nsenter -t "$ns_hub" -n sh -c 'ip link add bridge type bridge && ip link set bridge up' || { echo 'SKIPPED: no bridges here'; exit 77; }
namespace one 10.89.0.1
namespace two 10.89.0.2
namespace a 10.89.0.11
namespace b 10.89.0.12

mkdir pg pg/socket
FIXTURES_ROOT=$fixtures
fixtures_leaf "$work" db --san db.example
cp db.key pg/server.key && cp db.chain.pem pg/server.crt
chmod 600 pg/server.key
chown -R $pg_user:nogroup pg
settings="-c ssl=on -c ssl_cert_file=$work/pg/server.crt -c ssl_key_file=$work/pg/server.key -c unix_socket_directories=$work/pg/socket \
	-c max_connections=100"
pg_as "$pg_bin/initdb" -D "$work/pg/one" -U owner -A trust -E UTF8 --no-locale -N >initdb.log 2>&1 || { cat initdb.log; not_ok 'a database is made'; lib_finish; }
printf 'hostssl snicert mx 10.89.0.0/24 scram-sha-256\nhostnossl snicert mx 10.89.0.0/24 scram-sha-256\nhost replication owner 10.89.0.0/24 trust\n' >>pg/one/pg_hba.conf
postgres() { # one|two PORT
	eval "_at=\$ns_$1"
	nsenter -t "$_at" -n setpriv --reuid=$pg_user --regid=nogroup --clear-groups env HOME="$work/pg" \
		"$pg_bin/pg_ctl" -D "$work/pg/$1" -w -t 60 -l "$work/pg/log.$1" -o "$settings -c listen_addresses=* -c port=$2" start >pg_ctl.log 2>&1 ||
		{ cat pg_ctl.log "pg/log.$1"; not_ok "PostgreSQL $1 starts"; }
	echo "$work/pg/$1" >>clusters
}
ask() { # PORT COMMAND
	"$pg_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$work/pg/socket" -p "$1" -U owner -d snicert -c "$2"
}
stop_all() {
	while read -r _cluster; do
		pg_as "$pg_bin/pg_ctl" -D "$_cluster" -m immediate stop >/dev/null 2>&1
	done <clusters
}
trap 'cd "$work" && stop_all; lib_clean' EXIT
postgres one 5432
"$pg_bin/psql" -X -q -h "$work/pg/socket" -U owner -d postgres -c 'CREATE DATABASE snicert'
"$build/snicert" -c empty.conf fleet init --print-sql >fleet.sql || not_ok 'the SQL is printed'
"$pg_bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$work/pg/socket" -U owner -d snicert -f fleet.sql >/dev/null 2>&1 || not_ok 'the SQL that is printed'
ask 5432 "CREATE ROLE mx LOGIN PASSWORD 'of the nodes'; GRANT snicert_writer TO mx"
inside two setpriv --reuid=$pg_user --regid=nogroup --clear-groups env HOME="$work/pg" \
	"$pg_bin/pg_basebackup" -D "$work/pg/two" -h 10.89.0.1 -U owner -R -X stream >basebackup.log 2>&1 || not_ok 'a standby' "$(cat basebackup.log)"
postgres two 5433
standby_has() { [ "$(ask 5433 "SELECT count(*) FROM snicert.change" 2>/dev/null)" = "$(ask 5432 "SELECT count(*) FROM snicert.change")" ]; }

(umask 077 && printf '*:*:*:mx:of the nodes\n' >pgpass)
common="dbname=snicert user=mx passfile=$work/pgpass sslmode=verify-full sslrootcert=$fixtures/ca/root.crt"
database="host=db.example,db.example hostaddr=10.89.0.1,10.89.0.2 port=5432,5433 $common"
there() { # NODE EXIT ARG…: as `tool`, in its namespace
	_n=$1 _want=$2
	shift 2
	inside "$_n" timeout 120 "$build/snicert" -c "$work/$_n/conf" "$@" >out 2>err
	is $? "$_want" "on $_n: snicert $* ($(head -n 1 err))"
}
follows() {
	eval "_at=\$ns_$1"
	# Not by `inside`, whose shell would be what is killed in the end.
	nsenter -t "$_at" -n "$build/snicert" -c "$work/$1/conf" follow >>"$1.follow.log" 2>&1 &
	eval "follower_$1=$!"
	pids="$pids $!"
}
serves() { # NODE
	conf=$work/$1/conf
	eval "_at=\$ns_$1"
	nsenter -t "$_at" -n "$build/sample-mta" --cert own.crt --key own.key --module "$build/.libs/snicert.so" --config "$conf" --port-file "$1.port" \
		>"$1.mta.out" 2>"$1.mta.log" &
	pids="$pids $!"
	await "the MTA on $1" test -s "$1.port"
	(
		while [ ! -e "$work/stop" ]; do
			inside "$1" "$build/starttls-load" --port "$(cat "$1.port")" --seconds 1 --pace 50 --name one.example >>"$1.load" 2>&1 || echo failed >>"$1.failed"
		done
	) &
	eval "load_$1=$!"
	pids="$pids $!"
}
got() { # NODE NAME
	inside "$1" sh -c "printf 'QUIT\r\n' | openssl s_client -starttls smtp -connect 127.0.0.1:$(cat "$1.port") -servername $2 2>/dev/null" |
		openssl x509 -noout -ext subjectAltName 2>/dev/null | sed -n 's/.*DNS://p'
}
all_at() { # SEQ NODE…
	_seq=$1
	shift
	for _n; do [ "$(place_of "$_n")" = "$_seq" ] || return 1; done
}

node a
cheap_chain one.pem key one.example
grep -v '^fleet' a/conf >a/alone
"$build/snicert" -c a/alone import one.pem >/dev/null || not_ok 'a chain'
there a 0 fleet init
node b
# b reads from the standby where it can.
sed -i 's/sslmode=/target_session_attrs=prefer-standby sslmode=/' b/conf
await 'the standby has the fleet' sh -c "'$pg_bin/psql' -X -q -A -t -h '$work/pg/socket' -p 5433 -U owner -d snicert -c 'SELECT 1 FROM snicert.fleet' | grep -q 1"
there b 0 fleet join
follows a
follows b
serves a
serves b
for i in 1 2 3; do
	cheap_chain "c$i.pem" key "c$i.example"
	there a 0 import "c$i.pem"
done
await 'both follow, one of them from the standby' all_at 3 a b
alike a b
is "$(got b c3.example)" c3.example 'who follows a standby serves it'
is "$(ask 5433 "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE 'snicert b %'")" t 'b is on the standby'
there a 0 fleet wait --timeout 30

# --- the network of a node is cut
cut b
cheap_chain cut.pem key cut.example
there a 0 import cut.pem
there a 1 fleet wait --timeout 1
has "$(cat err)" '*b at change 3*' 'who is late is named'
there b 3 --wait 0 import cut.pem
has "$(cat err)" "*database can't be reached*" 'a command there says why it fails'
is "$(got b c1.example)" c1.example 'the node that is cut off serves'
mend b
await 'the node is back' all_at 4 a b
alike a b
there a 0 fleet wait --timeout 60

# --- a writer's network is cut as it holds the head, and has said COMMIT: others wait for it half a minute at most
for i in 1 2; do cheap_chain "held$i.pem" key "held$i.example"; done
began=$(date +%s)
cp a/conf a/conf.tls
sed -i 's/sslmode=verify-full/sslmode=disable/' a/conf # where what it sends can be read
inside a "$build/tests/torture/killed" --meanwhile "nsenter -t $ns_hub -n ip link set snicta down" --at 'sendto COMMIT' \
	sh -c "exec '$build/snicert' -c '$work/a/conf' import held1.pem >/dev/null 2>held.err" >held &
holding=$!
pids="$pids $holding"
cut_off() { nsenter -t "$ns_hub" -n ip link show snicta | grep -q 'state DOWN'; }
await 'it is cut off' cut_off
there b 0 --wait 60 import held2.pem
waited=$(($(date +%s) - began))
[ "$waited" -lt 45 ] && ok "the head is free after $waited s" || not_ok 'the head is free' "$waited s"
is "$(got a c1.example)" c1.example 'the node that is cut off serves'
mend a
wait $holding
is "$(sed -n '2s/.* //p' held)" 3 'what was cut off has failed'
grep -qE 'nothing was changed|nobody knows yet' held.err && ok 'and says so' || not_ok 'and says so' "$(cat held.err)"
mv a/conf.tls a/conf
await 'it is back' all_at 5 a b
alike a b
is "$(got a held2.example) $(got a held1.example)" 'held2.example own.example' 'it serves what the other wrote, and not what failed'

# --- a writer's network is cut at random moments, each eighth time for longer than a connection lasts
seed=${FLEET_SEED:-$(date +%s)}
echo "fleet-failover: ${FLEET_CUTS:-20} cuts at random, seed $seed"
random() { # BELOW, into $drawn
	seed=$(((seed * 1103515245 + 12345) % 2147483648))
	drawn=$((seed / 65536 % $1))
}
: >said
i=0
while [ $i -lt "${FLEET_CUTS:-20}" ]; do
	i=$((i + 1))
	inside a "$build/snicert" -c "$work/a/conf" --wait 60 bind "cut$i.example" 1 >/dev/null 2>cut.err &
	command=$!
	random 80
	sleep "0.0$(printf %02d $drawn)"
	cut a
	random 20
	[ $((i % 8)) != 4 ] || drawn=300
	sleep "$((drawn / 10)).$((drawn % 10))"
	mend a
	wait $command
	code=$?
	! grep -q 'nobody knows' cut.err || code=unknown
	echo "cut$i.example $code" >>said
done
number=$(ask 5432 'SELECT seq FROM snicert.head')
await 'all have what came through' all_at "$number" a b
alike a b
sqlite3 a/db/store.db "SELECT name FROM binding WHERE name LIKE 'cut%'" | sort >there
awk '$2 == 0 { print $1 }' said | sort >succeeded
awk '$2 == 3 { print $1 }' said | sort >without
is "$(comm -23 succeeded there | wc -l)" 0 "none of $(wc -l <succeeded) commands that succeeded is lost"
is "$(comm -12 without there | wc -l)" 0 "none of $(wc -l <without) commands that failed is done"
is "$(sqlite3 a/db/store.db "SELECT count(*) FROM (SELECT name FROM change WHERE what = 'bind' AND name LIKE 'cut%' GROUP BY name HAVING count(*) > 1)")" 0 \
	'none is done twice'
is "$(find a/db b/db -name '*.was-*' | wc -l)" 0 'no store was of another history'
is "$(awk '$2 != 0 && $2 != 3 && $2 != "unknown"' said)" '' 'no command ends otherwise'

# --- the database says nothing for a while
for pid in $(pgrep -P "$(head -n 1 pg/one/postmaster.pid)"); do kill -STOP "$pid"; done
kill -STOP "$(head -n 1 pg/one/postmaster.pid)"
sleep 3
is "$(got a c2.example)" c2.example 'the database stopped: names are served'
kill -CONT "$(head -n 1 pg/one/postmaster.pid)"
for pid in $(pgrep -P "$(head -n 1 pg/one/postmaster.pid)"); do kill -CONT "$pid"; done
cheap_chain after.pem key after.example
there a 0 import after.pem
await 'and go on' all_at $((number + 1)) a b

# --- a fail-over that loses commits: the standby is cut off, the primary commits, and is gone
await 'the standby has all' standby_has
cut two
sleep 1
for i in 1 2; do
	cheap_chain "lost$i.pem" key "lost$i.example"
	there a 0 import "lost$i.pem"
done
await 'a has them' all_at $((number + 3)) a
# With all its sessions, which would send what they have once the network is back.
_postmaster=$(head -n 1 pg/one/postmaster.pid)
_sessions=$(pgrep -P "$_postmaster")
# shellcheck disable=SC2086
kill -9 "$_postmaster" $_sessions
mend two
pg_as "$pg_bin/pg_ctl" -D "$work/pg/two" -w promote >promote.log 2>&1 || not_ok 'the standby is promoted' "$(cat promote.log)"
there b 0 import lost1.pem # before anybody has said that something is lost
there b 0 fleet promote
# a was at a change of the same number.
in_epoch_2() { for _n in a b; do [ "$(sqlite3 "$work/$_n/db/store.db" 'SELECT epoch FROM fleet')" = 2 ] || return 1; done; }
await 'all are in the new epoch' in_epoch_2
await 'all start from what there is' all_at $((number + 3)) a b
alike a b
is "$(find a/db -name 'store.db.was-*' | wc -l)" 1 'a keeps what it had'
is "$(sqlite3 a/db/store.db.was-* "SELECT count(*) FROM binding WHERE name = 'lost2.example'")" 1 'with what was lost'
is "$(got a lost1.example) $(got b lost1.example)" 'lost1.example lost1.example' 'and both serve what is not'
there a 0 import lost2.pem
await 'and go on together' all_at $((number + 4)) a b
alike a b

touch stop
for n in a b; do
	eval "wait \$load_$n"
	[ ! -e "$n.failed" ] && ok "no handshake failed on $n" || not_ok "no handshake failed on $n" "$(tail -n 3 "$n.load")"
	there $n 0 verify
done
lib_finish
