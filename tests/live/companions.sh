#!/bin/sh
# SPDX-License-Identifier: ISC
# companions.sh: what people do to store.db, store.db-wal and store.db-shm while a
# server has them open: a backup copied over them, one of them removed, cut short or
# replaced.  No handshake fails for it, and what is committed afterwards is served.
# shellcheck disable=SC1091,SC2015,SC2034,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start companions

own_certificate
new_store "$work/store"
cheap_key key
cheap_chain known.pem key known.example
tool 0 import known.pem
start_mta companions --threads 4
is "$(served known.example)" known.example 'served at first'
tool 0 bind before.example 1 # with a reader, so that the WAL and its index stay
mkdir backup
cp -a "$work/store/db/." backup/

is_served() { [ "$(served "$1")" = known.example ]; }
n=0
after() { # WHAT: the server lives, and sees what comes
	n=$((n + 1))
	kill -0 "$(cat companions.pid)" 2>/dev/null && ok "$1: the server runs" || not_ok "$1: the server runs"
	is "$(served known.example)" known.example "$1: a known name"
	is "$(served "after$n.example")" own.example "$1: a name that is not there" # known as such from now on
	tool 0 bind "after$n.example" 1
	await "$1: what is committed next" is_served "after$n.example" && ok "$1: what is committed next"
}

# As a restore by hand does; cp truncates each of them first.
load_pace='' start_load --name known.example --expect-cn --clients 4
i=0
while [ $i -lt 60 ]; do
	cp -a backup/. "$work/store/db/" 2>/dev/null # the server may make one in between
	i=$((i + 1))
done
stop_load 'cp -a of a backup over the store, 60 times'
after 'cp -a'

load_pace='' start_load --name known.example --expect-cn --clients 4
rm "$store-wal" "$store-shm"
after 'both companions removed'
rm "$store-shm"
after 'the index removed'
: >"$store-shm"
after 'the index cut short'
: >"$store-wal"
after 'the WAL cut short'
cp "$store-wal" wal && mv wal "$store-wal"
after 'the WAL replaced'
stop_load 'companions removed, cut short, replaced'
stop_mta companions
lib_finish
