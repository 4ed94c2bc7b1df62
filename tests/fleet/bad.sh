#!/bin/sh
# SPDX-License-Identifier: ISC
# bad.sh: a database that is not there, not ours, not of this release, of another store key, full; a node whose
# disk is full: one clear line each, nothing lost, and serving goes on.
# shellcheck disable=SC1091,SC2034,SC2154
if [ -z "${FLEET_MOUNTS:-}" ]; then # small disks of its own
	FLEET_MOUNTS=no
	! unshare -m mount -t tmpfs -o size=100k none /mnt 2>/dev/null || FLEET_MOUNTS=yes
	export FLEET_MOUNTS
	[ $FLEET_MOUNTS = no ] || exec unshare -m sh "$0" "$@"
fi
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
lib_start fleet-bad
. "$src/tests/fleet/lib.sh"
fleet_database
own_certificate
cheap_key key
chain_for() { cheap_chain "$1.pem" key "$1"; }
at_node() { conf=$work/$1/conf store=$work/$1/db/store.db store_key=$work/$1/key/store.key; }
refuses() { # NODE EXIT PATTERN ARG…
	at_node "$1"
	shift
	refused "$@"
}
database_of() { # NODE CONNINFO
	sed -i '/^fleet/d' "$1/conf"
	printf 'fleet { database = "%s" node = "%s" }\n' "$2" "$1" >>"$1/conf"
}
trap 'umount -l "$work/small" "$work/b/db" 2>/dev/null; fleet_clean' EXIT
node a
sed -i '/^fleet/d' a/conf
chain_for one.example
tool 0 import one.example.pem
database_of a "$database"
tool 0 fleet init
node b
tool 0 fleet join
conf=$work/b/conf
start_mta mta
is "$(served one.example)" one.example 'b serves'
chain_for two.example

# --- not there
database_of b "host=$work/nowhere user=owner dbname=snicert"
refuses b 3 "database can't be reached*nowhere*" --wait 0 import two.example.pem
at b --wait 2 import two.example.pem 2>err
has "$(cat err)" "*can't be reached*waiting up to 2 s for it*can't be reached*" 'it waits a while, and says so'
is "$(at b --quiet --wait 1 import two.example.pem 2>&1 | wc -l)" 1 'or without a word'
refuses b 3 "database can't be reached*" follow --once
database_of b "host=$pg_socket user=owner dbname=nobodys"
began=$(date +%s)
refuses b 3 "database can't be reached*nobodys*does not exist*" import two.example.pem
database_of b "hosst=$pg_socket user=owner dbname=snicert"
refuses b 3 "database can't be reached*hosst*" import two.example.pem
# A password that is not right, of a file.
sql "CREATE ROLE mx LOGIN PASSWORD 'right' IN ROLE snicert_writer" >/dev/null
sed -i '1i local snicert mx scram-sha-256' pg/data/pg_hba.conf
sql 'SELECT pg_reload_conf()' >/dev/null
(umask 077 && printf '*:*:*:mx:wrong\n' >pgpass)
database_of b "host=$pg_socket user=mx dbname=snicert passfile=$work/pgpass"
await 'the role needs its password' sh -c "'$build/snicert' -c b/conf fleet 2>&1 | grep -q password"
refuses b 3 "database can't be reached*password*" import two.example.pem
refuses b 3 "database can't be reached*password*" fleet
[ $(($(date +%s) - began)) -lt 25 ] && ok 'nobody waits for what does not come of itself' || not_ok 'nobody waits for what does not come of itself'
rm pgpass
refuses b 3 "database can't be reached*password*" follow --once
(umask 077 && printf '*:*:*:mx:right\n' >pgpass)
at b fleet >/dev/null 2>err || not_ok 'with the right one it works' "$(cat err)"
database_of b "$database"

# --- not ours
sql 'CREATE DATABASE foreign_one' postgres >/dev/null
sql 'CREATE SCHEMA snicert; CREATE TABLE snicert.fleet (x integer); CREATE TABLE snicert.node (name text);
	CREATE VIEW snicert.head AS SELECT 1' foreign_one >/dev/null
foreign="host=$pg_socket user=owner dbname=foreign_one"
database_of b "$foreign"
refuses b 3 'is not a fleet*of this program*' import two.example.pem
refuses b 3 'is not a fleet*of this program*' follow --once
refuses b 3 'is not a fleet*of this program*' fleet
node c
database_of c "$foreign"
refuses c 3 'is not a fleet*of this program*' fleet join
refuses c 3 'is not a fleet*of this program*' fleet init
is "$(sql 'SELECT count(*) FROM pg_tables WHERE schemaname = $$snicert$$' foreign_one)" 2 'nothing was put into what is not ours'
sql 'CREATE DATABASE empty_one' postgres >/dev/null
database_of b "host=$pg_socket user=owner dbname=empty_one"
refuses b 3 'there is no fleet in*' import two.example.pem
# Another fleet's.
database_of c "host=$pg_socket user=owner dbname=empty_one"
at c fleet init >/dev/null || not_ok 'another fleet'
refuses b 3 'is of another fleet*' import two.example.pem
refuses b 3 'is of another fleet*' follow --once
database_of b "$database"
is "$(served one.example)" one.example 'b serves all the while'

# --- of an earlier and a later release
sql 'UPDATE snicert.fleet SET version = 0' >/dev/null
refuses b 3 'of an earlier release*--print-sql*' import two.example.pem
refuses b 3 'of an earlier release*--print-sql*' follow --once
refuses b 3 'of an earlier release*--print-sql*' fleet
at b fleet init --print-sql | "$pg_bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$pg_socket" -U owner -d snicert >/dev/null 2>psql.err ||
	not_ok 'what it prints brings them forward' "$(cat psql.err)"
at b fleet >/dev/null || not_ok 'and then it works'
at a import two.example.pem >/dev/null && at b follow --once || not_ok 'all of it'
sql 'UPDATE snicert.fleet SET version = 99' >/dev/null
refuses b 3 'of a newer release*' import two.example.pem
refuses b 3 'of a newer release*' follow --once
sql 'UPDATE snicert.fleet SET version = 1' >/dev/null
# A change that only a later release knows: what comes after it is not for this one.
"$build/tests/fleet/past" a/conf 1 77 || not_ok 'a change of a later release'
last=$(head_of)
refuses b 3 "change $last is of a newer release*" follow --once
refuses b 3 "change $last is of a newer release*" import two.example.pem
is "$(served one.example)" one.example 'b serves what it has'
sql "DELETE FROM snicert.change WHERE seq = $last; UPDATE snicert.head SET seq = seq - 1,
	history = coalesce((SELECT mac FROM snicert.change WHERE seq = $last - 1), history)" >/dev/null

# --- of another store key
new_store "$work/d"
database_of d "$database"
refuses d 3 '*store key*' fleet join
chain_for three.example
at a import three.example.pem >/dev/null || not_ok 'a chain'
cp b/key/store.key b.key
cp d/key/store.key b/key/store.key
refuses b 3 '*key*' follow --once
refuses b 3 '*key*' import two.example.pem
is "$(served one.example)" one.example 'b serves with another key in the file'
cp b.key b/key/store.key
at b follow --once || not_ok 'with the right key it follows'
alike a b

# --- full
full() { # DIR KIB: a small disk there, for as long as this runs
	mount -t tmpfs -o size="$2k" none "$1"
}
fill() { head -c 100000000 /dev/zero >"$1/filling" 2>/dev/null; }
make_room() { rm "$1/filling"; }
if [ $FLEET_MOUNTS = yes ]; then
	# The database's.
	mkdir small
	full small 600
	chown $pg_user small
	sql "CREATE TABLESPACE small LOCATION '$work/small'" >/dev/null
	sql 'ALTER TABLE snicert.change_part SET TABLESPACE small; ALTER TABLE snicert.snapshot_part SET TABLESPACE small' >/dev/null
	fill small
	mkdir many
	for i in 1 2 3 4 5 6 7 8; do cheap_chain many/$i.pem key m$i.example && rm many/$i.pem.crt; done
	refuses a 3 '*No space left on device*' import many
	refuses a 3 '*No space left on device*' fleet snapshot
	is "$(served one.example)" one.example "the database's disk is full: names are served"
	make_room small
	at a import many >/dev/null || not_ok 'there is room: a writes'
	at b follow --once || not_ok 'there is room: b follows'
	alike a b
	sql 'ALTER TABLE snicert.change_part SET TABLESPACE pg_default; ALTER TABLE snicert.snapshot_part SET TABLESPACE pg_default' >/dev/null
	# A node's.
	cp -p b/db/store.db* .
	full b/db 3000
	cp -p store.db* b/db
	at b follow --once || not_ok 'b follows on its small disk'
	stop_mta mta
	conf=$work/b/conf
	start_mta mta
	mkdir lot
	for i in $(seq 40); do cheap_chain lot/$i.pem key l$i.example && rm lot/$i.pem.crt; done
	fill b/db
	at a import lot >/dev/null || not_ok 'a writes'
	refuses b 3 '*full*' follow --once
	is "$(served one.example)" one.example "a node's disk is full: names are served"
	refuses b 3 '*full*' import two.example.pem
	make_room b/db
	at b follow --once || not_ok 'there is room: b follows'
	alike a b
	is "$(served l40.example)" l40.example 'and serves what it got'
	# It fills up as the database has the change.
	for command in 'bind late.example 1' "restore '$work/saved.db'"; do
		at a backup saved.db >/dev/null || not_ok 'a backup'
		sqlite3 b/db/store.db 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null # so that it needs room to commit
		meanwhile_at 'sendto COMMIT' "head -c 100000000 /dev/zero >'$work/b/db/filling' 2>/dev/null" \
			sh -c "exec '$build/snicert' -c '$work/b/conf' $command >/dev/null 2>'$work/late.err'" >codes
		is "$(sed -n '2s/.* //p' codes)" 3 "$command: it fails"
		has "$(cat late.err)" '*the fleet has the change, only this node could not keep it*' 'and it says what the fleet has'
		make_room b/db
		at a follow --once || not_ok 'a has it'
		at b follow --once || not_ok 'b gets it'
		alike a b
		rm -f saved.db
	done
	is "$(served late.example)" one.example 'and serves it'
	stop_mta mta
	umount b/db
else
	skip 'full disks' 'no tmpfs here'
	stop_mta mta
fi
lib_finish
