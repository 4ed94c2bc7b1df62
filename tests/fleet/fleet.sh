#!/bin/sh
# SPDX-License-Identifier: ISC
# fleet.sh: a few nodes on one PostgreSQL: what one changes all have, and each goes on serving whatever
# becomes of the rest.
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
lib_start fleet
. "$src/tests/fleet/lib.sh"
fleet_database
own_certificate
cheap_key key

chain_for() { # NAME
	cheap_chain "$1.pem" key "$1"
}
on() { # NAME EXIT ARG…: as `tool`, on that node
	conf=$work/$1/conf
	shift
	tool "$@"
}
refuses() { # NAME EXIT PATTERN ARG…
	conf=$work/$1/conf store=$work/$1/db/store.db store_key=$work/$1/key/store.key
	shift
	refused "$@"
}

# --- founding and joining
node a
chain_for one.example
chain_for fallback.example
refuses a 3 'snicert fleet init' import one.example.pem
sed -i '/^fleet/d' a/conf
on a 0 import one.example.pem
on a 0 import --no-bind --json fallback.example.pem
on a 0 fallback "$(json out '$[0].chain')"
printf 'fleet { database = "%s" node = "a" }\n' "$database" >>a/conf
refuses a 3 'there is no fleet in' fleet
on a 0 fleet init
is "$(sql 'SELECT count(*) FROM snicert.snapshot')" 1 'the store is the first snapshot'
refuses a 3 'already' fleet init
node b
refuses b 3 'already' fleet init
on b 0 fleet join
alike a b
refuses b 3 'already' fleet join
node c
sed -i 's/^fleet.*//' c/conf
on c 0 import one.example.pem
printf 'fleet { database = "%s" node = "c" }\n' "$database" >>c/conf
refuses c 3 '--replace' fleet join
on c 0 fleet join --replace
has "$(cat out)" '*store.db.before-fleet*' 'joining keeps a copy of what the store had'
is "$(sqlite3 c/db/store.db.before-fleet 'SELECT count(*) FROM chain')" 1 'and the copy has it'
alike a c

# --- what one changes all have
follow a
follow b
follow c
chain_for two.example
on a 0 import two.example.pem
caught_up a b c
alike a b c
chain_for three.example
on b 0 import three.example.pem
caught_up a b c
alike a b c
on c 0 list --json three.example
is "$(json out '$[0].name')" three.example 'c has what b imported'

conf=$work/c/conf
start_mta mta
is "$(served three.example)" three.example 'c serves it'
is "$(served nobody.example)" fallback.example 'and the fallback'
# As soon as the command that says so returns, all have it.
chain_for four.example
on a 0 import four.example.pem
at a fleet wait --timeout 10 || not_ok 'a waits for all'
is "$(served four.example)" four.example 'what `fleet wait` waited for is served'

# --- every command that writes
cheap_key key2
cheap_chain next.pem key2 two.example
on b 0 import --stage --json next.pem
staged=$(json out '$[0].chain')
caught_up a b c
on c 0 activate "$staged"
caught_up a b c
is "$(served two.example)" two.example 'an activated chain is served'
on a 0 rollback two.example
caught_up a b c
on b 0 list --json one.example
first=$(json out '$[0].chain')
on b 0 bind also.one.example "$first"
on b 0 unbind also.one.example
on a 0 key new later.example --out later.csr
on c 0 owner reseller "$staged"
on a 0 remove "$staged"
caught_up a b c
alike a b c
for n in a b c; do on $n 0 verify; done
is "$(sql "SELECT count(DISTINCT node) FROM snicert.change")" 3 'changes came from all three'

# --- the table
on a 0 fleet --json
is "$(json out '$[0].node') $(json out '$[1].node') $(json out '$[2].node')" 'a b c' 'all nodes are in the table'
is "$(json out '$[2].behind')" 0 'none is behind'
on a 0 fleet
has "$(cat out)" '*Here*a, at the head*' 'the table says where this store is'

# --- what others tell of it
on a 0 status
has "$(cat out)" "*Fleet     at change $(head_of)*" 'status says at which change it is'
on a 0 status --json
is "$(json out '$.overview.fleet_change')" "$(head_of)" 'status --json, too'
on a 0 check --warning 0 --critical 0
on a 0 stats --prometheus
has "$(cat out)" "*snicert_fleet_change $(head_of)*snicert_fleet_head $(head_of)*" 'so do the metrics'
seen=$(sed -n 's/^snicert_fleet_at_head_timestamp_seconds //p' out)
[ $(($(date +%s) - seen)) -lt 60 ] && ok 'when it was at the head' || not_ok 'when it was at the head' "$seen"
cp a/db/store.db.follow follow.good
unfollow a
echo "$(($(date +%s) - 400)) 99 the database is away" >a/db/store.db.follow
on a 1 check --warning 0 --critical 0
has "$(cat out)" '*WARNING - not with the fleet for 6 minutes: the database is away*' 'check warns'
echo "$(($(date +%s) - 8000)) 99 " >a/db/store.db.follow
at a check --warning 0 --critical 0 >out
is $? 2 'an hour late: check exits with 2'
has "$(cat out)" '*CRITICAL - behind the fleet for 2 hours, by * changes*' 'and is critical'
on a 1 status
has "$(cat out)" '*error *behind the fleet*' 'status says so'
rm a/db/store.db.follow
on a 1 check --warning 0 --critical 0
has "$(cat out)" '*nothing has followed it*' 'so where nobody ever did'
follow a

# --- what clients ask all nodes for
served stranger.example >/dev/null
served stranger.example >/dev/null
unfollow c
follow c
told() { at b unknown --fleet --json | grep -q '"name": "stranger.example"'; }
await 'c tells of its unknown names' told
on b 0 unknown --fleet
has "$(cat out)" '*2* stranger.example*get a certificate*' 'another node lists them'
refuses b 2 'not with --fleet' unknown --fleet --reset
on b 0 fleet --json
is "$(json out '$[0].handshakes')" '' 'a has no statistics'
isnt "$(json out '$[2].handshakes')" '' 'c has'

# --- a store of a fleet is not changed behind its back
grep -v '^fleet' b/conf >b/alone
cp b/conf b/member && cp b/alone b/conf
refuses b 3 'is of a fleet' remove 1
cp b/member b/conf

# --- a node of an earlier release
sql "UPDATE snicert.node SET schema = 1 WHERE name = 'c'" >/dev/null
refuses a 3 'earlier release*: c;' remove 1
sql "UPDATE snicert.node SET schema = 6 WHERE name = 'c'" >/dev/null

# --- a clock that is off, a machine that was copied
sql "CREATE SCHEMA odd; CREATE FUNCTION odd.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
	\$\$SELECT pg_catalog.clock_timestamp() + interval '20 minutes'\$\$; ALTER ROLE owner SET search_path = odd, pg_catalog" >/dev/null
refuses a 3 "clock is * minutes behind the database's" remove 1
sql "ALTER ROLE owner RESET search_path" >/dev/null
cp -r b copied
sed -i "s,$work/b/,$work/copied/,g" copied/conf
follow copied
await 'two of one node are noticed' sh -c "cat '$work/b.follow.log' '$work/copied.follow.log' | grep -q 'another .snicert follow. runs as the node b'"
unfollow copied
rm -rf copied

# --- late, and killed
unfollow c
chain_for five.example
on a 0 import five.example.pem
refuses a 1 'c at change' fleet wait --timeout 0
is "$(served five.example)" fallback.example 'a node without a follower stays where it is'
on c 0 follow --once
is "$(served five.example)" five.example 'and catches up'
follow c
unfollow b KILL
on b 0 import five.example.pem
chain_for six.example
on b 0 import six.example.pem
follow b
caught_up a b c
alike a b c

# --- the database is gone
fleet_stop immediate
refuses a 3 "database can't be reached" --wait 0 import one.example.pem
is "$(served six.example)" six.example 'the database gone: names are served'
on a 0 list
fleet_start
chain_for seven.example
on a 0 import seven.example.pem
caught_up a b c
alike a b c

# --- another holds the head
"$pg_bin/psql" -X -q -h "$pg_socket" -U owner -d snicert >/dev/null 2>&1 <<'S' &
SET application_name = 'snicert holder 1';
BEGIN; SELECT 1 FROM snicert.head FOR UPDATE; SELECT pg_sleep(4); COMMIT;
S
pids="$pids $!"
sleep 1
on a 3 --wait 1 import one.example.pem
has "$(cat err)" '*waited 1 s for snicert holder 1*' 'it says who holds the head'
chain_for eight.example
on b 0 import eight.example.pem
caught_up a b c

# --- forged, damaged, repeated, cut
last=$(head_of)
unfollow c
chain_for nine.example
on a 0 import nine.example.pem
chain_for ninth.example
on a 0 import ninth.example.pem
sql "CREATE TABLE kept AS SELECT * FROM snicert.change; CREATE TABLE kept_part AS SELECT * FROM snicert.change_part;
	CREATE TABLE kept_head AS SELECT * FROM snicert.head" >/dev/null
again() {
	sql "BEGIN; DELETE FROM snicert.change; INSERT INTO snicert.change SELECT * FROM kept;
		DELETE FROM snicert.change_part; INSERT INTO snicert.change_part SELECT * FROM kept_part;
		DELETE FROM snicert.head; INSERT INTO snicert.head SELECT * FROM kept_head; COMMIT" >/dev/null
}
next=$((last + 1))
forged() { # SQL WHAT PATTERN
	sql "$1" >/dev/null
	refuses c 3 "$3" follow --once
	is "$(place_of c)" "$last" "$2: c stays where it is"
	again
}
forged "UPDATE snicert.change_part SET octets = set_byte(octets, 40, 255) WHERE seq = $next" 'altered rows' "change $next*is damaged"
forged "UPDATE snicert.change SET who = 'nobody' WHERE seq = $next" 'another author' "change $next*forged or damaged"
forged "UPDATE snicert.change SET (kind, at, node, who, schema, size, key, digest, mac) =
	(SELECT kind, at, node, who, schema, size, key, digest, mac FROM kept WHERE seq = $last) WHERE seq = $next" \
	'a change repeated' "change $next*forged or damaged"
forged "DELETE FROM snicert.change WHERE seq = $next" 'a change cut out' "change $next is missing"
forged "DELETE FROM snicert.change WHERE seq >= $next; UPDATE snicert.head SET seq = $next" 'all that follow cut out' "change $next is missing"
forged "UPDATE snicert.head SET history = decode(repeat('00', 32), 'hex'), seq = $last" 'a head altered' 'somebody altered it'
on c 0 follow --once
follow c
caught_up a b c
alike a b c

# --- a fail-over that loses commits
sql "CREATE TABLE old AS SELECT * FROM snicert.change; CREATE TABLE old_part AS SELECT * FROM snicert.change_part;
	CREATE TABLE old_head AS SELECT * FROM snicert.head" >/dev/null
unfollow b
unfollow c
chain_for lost.example
on a 0 import lost.example.pem
unfollow a
sql "BEGIN; DELETE FROM snicert.change; INSERT INTO snicert.change SELECT * FROM old;
	DELETE FROM snicert.change_part; INSERT INTO snicert.change_part SELECT * FROM old_part;
	DELETE FROM snicert.head; INSERT INTO snicert.head SELECT * FROM old_head; COMMIT" >/dev/null
refuses a 3 'fleet promote' remove 1
refuses a 3 'fleet promote' follow --once
on b 0 fleet promote
at a follow --once 2>a.err || not_ok 'a starts over' "$(cat a.err)"
has "$(cat a.err)" '*store.db.was-*' 'it says where what it had is'
is "$(ls a/db/store.db.was-* 2>/dev/null | wc -l)" 1 'what a had beyond it is in a copy'
is "$(sqlite3 a/db/store.db.was-* "SELECT count(*) FROM binding WHERE name = 'lost.example'")" 1 'with what was lost'
is "$(at a list lost.example 2>&1 | grep -c 'lost.example.*EC')" 0 'and a is what the database has'
follow a
follow b
follow c
caught_up a b c
alike a b c

# --- somebody writes to a store behind the tool's back
unfollow c
sqlite3 c/db/store.db "UPDATE chain SET source = 'elsewhere'"
chain_for ten.example
on a 0 import ten.example.pem
on a 0 remove --force "$first"
at c follow --once 2>c.err || not_ok 'c starts over' "$(cat c.err)"
has "$(cat c.err)" '*a row differs in the table chain*store.db.was-*' 'it says what differs, and where what it had is'
follow c
caught_up a b c
alike a b c

# --- a backup is one change
on a 0 backup saved.db
chain_for gone.example
on a 0 import gone.example.pem
caught_up a b c
on b 0 restore saved.db
caught_up a b c
alike a b c
is "$(served gone.example)" fallback.example 'what came after the backup is gone on all'
chain_for back.example
on c 0 import back.example.pem
caught_up a b c
alike a b c

# --- snapshots, and what is older
on a 0 fleet snapshot
chain_for twelve.example
on b 0 import twelve.example.pem
caught_up a b c
on b 0 fleet snapshot
is "$(sql 'SELECT count(*) FROM snicert.snapshot')" 2 'two snapshots are kept'
is "$(sql 'SELECT (SELECT min(seq) FROM snicert.change) > (SELECT min(seq) FROM snicert.snapshot)')" t 'changes before them are not'
node e
echo 'of a killed run' >e/db/store.db.fleet-journal
on e 0 fleet join
[ ! -e e/db/store.db.fleet-journal ] && ok 'nothing of a killed run stays' || not_ok 'nothing of a killed run stays'
alike a e
on a 0 fleet forget e

# --- a new store key
on a 0 rekey --add
refuses a 3 'these nodes lack the new store key*b' rekey
cp a/key/store.key b/key/store.key
cp a/key/store.key c/key/store.key
knows() { [ "$(sql "SELECT count(*) FROM snicert.node WHERE keys LIKE '%,%'")" = "$1" ]; }
await 'all say so' knows 3
on b 0 rekey --json
isnt "$(json out '$.resealed')" 0 'everything is sealed anew'
caught_up a b c
alike a b c
refuses b 3 'still seal with another' rekey --drop
on a 0 rekey
on c 0 rekey
new_key=$(cut -d' ' -f2 b/key/store.key | tail -n 1)
last_key() { [ "$(sql "SELECT count(*) FROM snicert.node WHERE keys LIKE '%$new_key'")" = 3 ]; }
await 'all seal with it' last_key
for n in a b c; do
	on $n 0 rekey --drop
	is "$(wc -l <$n/key/store.key)" 1 "one key is left on $n"
	on $n 0 verify
done
chain_for rekeyed.example
on c 0 import rekeyed.example.pem
caught_up a b c
alike a b c
is "$(served one.example 2>&1; served rekeyed.example)" "$(served twelve.example >/dev/null; served one.example)
rekeyed.example" 'and all is served'
cp a/key/store.key "$fleet_key" 2>/dev/null || true

# --- leaving, though it still follows: what it does then is its own, and stays
on c 0 fleet leave
on c 0 list
grep -v '^fleet' c/conf >c/alone && cp c/alone c/conf
chain_for own-way.example
on c 0 import own-way.example.pem
chain_for others.example
on a 0 import others.example.pem
gone() { grep -q 'is not of the fleet' c.follow.log; }
await 'its follower says so' gone
unfollow c
is "$(at c list --json | grep -c 'own-way.example')" 1 'and leaves the store alone'
on a 0 fleet --json
is "$(json out '$[2].node')" '' 'who has left is not in the table'
is "$(served own-way.example)" own-way.example 'a store of its own goes on'
# Two of one name.
node d
sed -i 's/node = "d"/node = "a"/' d/conf
refuses d 3 'another machine is the node a' fleet join
# Roles.
sql "CREATE ROLE mx LOGIN IN ROLE snicert_follower" >/dev/null
sed -i 's/node = "a"/node = "d"/; s/user=owner/user=mx/' d/conf
on d 0 fleet join
refuses d 3 'snicert_writer' import one.example.pem
sql "GRANT snicert_writer TO mx" >/dev/null
chain_for eleven.example
on d 0 import eleven.example.pem
caught_up a b d
alike a b d
stop_mta mta
lib_finish
