#!/bin/sh
# SPDX-License-Identifier: ISC
# goals.sh [FOLLOWERS [CHANGES [NAMES [CHAINS]]]]: what snicert-fleet(7) says of sizes and times, measured: fifty
# nodes on this machine and its PostgreSQL, a week's changes (236,000), a store of a million names, an import of
# 10,000 chains.  A table on standard output; FLEET_RESULTS gets it too.
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
lib_start fleet-goals
. "$src/tests/fleet/lib.sh"
followers=${1:-50} changes=${2:-236000} names=${3:-1000000} chains=${4:-10000}
: "${FLEET_RESULTS:=$work/results}"
fleet_database
own_certificate
cheap_key key
row() { # WHAT GOAL GOT
	printf '| %s | %s | %s |\n' "$@" | tee -a "$FLEET_RESULTS"
}
now_ms() { date +%s%3N; }
percentile() { # PART FILE
	sort -n "$2" | awk -v part="$1" '{ at[NR] = $1 } END { i = int(NR * part + 0.999999); print at[i < 1 ? 1 : i] }'
}
row "PostgreSQL $("$pg_bin/postgres" --version | sed 's/.* \([0-9.]*\).*/\1/'), $followers followers" goal measured
row --- --- ---

# --- a commit here, all there
node n1
sed -i '/^fleet/d' n1/conf
cheap_chain one.pem key one.example
tool 0 import one.pem
printf 'fleet { database = "%s" node = "n1" }\n' "$database" >>n1/conf
tool 0 fleet init
i=2
while [ $i -le "$followers" ]; do
	node n$i
	tool 0 fleet join
	i=$((i + 1))
done
i=1
while [ $i -le "$followers" ]; do
	follow n$i
	i=$((i + 1))
done
all=$(seq -f n%g 1 "$followers")
# shellcheck disable=SC2086
caught_up $all
conf=$work/n$followers/conf
start_mta last
: >took
i=1
while [ $i -le 100 ]; do
	"$build/snicert" -c n1/conf bind "n$i.example" 1 >/dev/null || not_ok 'a change'
	began=$(now_ms)
	"$build/snicert" -c n1/conf fleet wait --timeout 30 || not_ok 'all have it'
	echo $(($(now_ms) - began)) >>took
	i=$((i + 1))
done
is "$(served n100.example)" one.example 'what all serve is served'
row "a change on one node to the next handshake on all $followers, p99 (100 changes)" '1 s' "$(percentile 0.99 took) ms (median $(percentile 0.5 took))"
[ "$(percentile 0.99 took)" -le 1000 ] || [ -n "${FLEET_JUST_MEASURE:-}" ] || not_ok 'a second'

# --- ten writers
writing=$((followers < 10 ? followers : 10))
began=$(now_ms)
writers=
i=1
while [ $i -le $writing ]; do
	(
		j=1
		while [ $j -le 10 ]; do
			"$build/snicert" -c "n$i/conf" --quiet --wait 120 bind "w$i-$j.example" 1 2>"w$i.err" || echo failed >>w.failed
			j=$((j + 1))
		done
	) &
	writers="$writers $!"
	i=$((i + 1))
done
for w in $writers; do wait "$w"; done
took=$(($(now_ms) - began))
is "$(cat w.failed 2>/dev/null)" '' 'ten writers at once: all are served'
# shellcheck disable=SC2086
caught_up $all
there=$(sqlite3 n1/db/store.db "SELECT count(*) FROM binding WHERE name LIKE 'w%'")
is "$there" $((10 * writing)) 'and none is lost'
row "$writing nodes write at once, ten changes each" 'all served in turn, none lost' "$there of $((10 * writing)) in $took ms"
# shellcheck disable=SC2086
alike $all

# --- many chains on one node, while others serve; beside them a server with a store that nobody changes, which the
# same machine makes wait as long
"$build/bench-names" many --count "$chains" --threads 2 || not_ok 'many chains'
at n2 backup apart.db >/dev/null
printf 'store { path = "%s" key = "%s" }\nstats { path = "%s" }\n' "$work/apart.db" "$work/n2/key/store.key" "$work/apart.stats" >apart.conf
followed=$port
conf=$work/apart.conf
start_mta apart
asks() { # PORT SUM: until there is a file "enough"
	rm -f "$2"
	while [ ! -e enough ]; do
		"$build/starttls-load" --port "$1" --clients 2 --pace 50 --seconds 2 --name-pattern n%d.example --name-count 101 --sum "$2" >"$2.out" 2>>"$2.err"
	done
}
both_asked() { # WHEN COMMAND…
	_when=$1
	shift
	rm -f enough
	asks "$followed" "$_when.followed" &
	_followed=$!
	asks "$port" "$_when.apart" &
	pids="$pids $! $_followed"
	_apart=$!
	"$@"
	touch enough
	wait $_followed
	wait $_apart
}
of() { awk -v word="$1" '{ for (i = 1; i < NF; i++) if ($i == word) print $(i + 1) }' "$2.out"; }
import_many() {
	began=$(now_ms)
	SSL_CERT_FILE=$work/many.root.crt /usr/bin/time -f '%M' -o memory "$build/snicert" -c n1/conf import many >import.out 2>&1 || not_ok 'many are imported' "$(tail -n 3 import.out)"
	took=$(($(now_ms) - began))
	# shellcheck disable=SC2086
	caught_up $all
}
both_asked quiet sleep 20
both_asked busy import_many
after=$(($(now_ms) - began))
is "$(sqlite3 "n$followers/db/store.db" "SELECT count(*) FROM binding WHERE name LIKE 'host%'")" "$chains" 'all of them are there'
is "$(of failed quiet.followed) $(of failed busy.followed) $(of failed busy.apart)" '0 0 0' 'no handshake fails meanwhile'
row "an import of $chains chains on one node" 'no other misses a handshake' "$(of failed busy.followed) of $(of handshakes busy.followed); import $took ms and $(($(cat memory) / 1024)) MiB, all have it after $after ms"
ratio=$(awk -v a="$(of p99_us busy.followed)" -v b="$(of p99_us quiet.followed)" -v c="$(of p99_us busy.apart)" -v d="$(of p99_us quiet.apart)" \
	'BEGIN { printf "%.2f, beside %.2f without changes: %.2f", a / b, c / d, a / b / (c / d) }')
row 'p99 of handshakes there, meanwhile by quiet' '1.2 of the other' "$ratio"
stop_mta apart
for n in $all; do unfollow "$n"; done
stop_mta last

# --- a week behind
"$build/tests/fleet/past" n1/conf "$changes" || not_ok 'a history is made'
began=$(now_ms)
/usr/bin/time -f '%M' -o memory "$build/snicert" -c n2/conf follow --once || not_ok 'a week behind'
took=$(($(now_ms) - began))
row "$changes changes behind" '60 s' "$((took / 1000)).$(printf %03d $((took % 1000))) s, $(($(cat memory) / 1024)) MiB"
alike n1 n2

# --- a new node of many names
sqlite3 n1/db/store.db >/dev/null <<S
PRAGMA synchronous = OFF;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $names)
INSERT INTO chain (identity, state, key_type, spki, leaf, not_before, not_after, names, subject, source, created, sealed_key, lifetime)
	SELECT randomblob(32), 'active', 'EC', randomblob(32), randomblob(32), not_before, not_after, 'm' || i || '.example', 'm' || i || '.example', source, created, sealed_key, lifetime
	FROM n, (SELECT * FROM chain WHERE id = 1);
INSERT INTO cert (sha256, der) SELECT leaf, randomblob(600) FROM chain WHERE names LIKE 'm%.example';
INSERT INTO chain_cert SELECT chain.id, 0, cert.id FROM chain JOIN cert ON sha256 = leaf WHERE names LIKE 'm%.example';
INSERT INTO binding SELECT names, 'EC', id FROM chain WHERE names LIKE 'm%.example';
S
at n1 fleet snapshot >/dev/null || not_ok 'a snapshot'
node new
began=$(now_ms)
/usr/bin/time -f '%M' -o memory "$build/snicert" -c new/conf fleet join >/dev/null || not_ok 'a new node'
took=$(($(now_ms) - began))
is "$(sqlite3 new/db/store.db "SELECT count(*) >= $names FROM binding")" 1 'it has all names'
row "a new node, $names names ($(($(stat -c %s new/db/store.db) / 1048576)) MiB)" '5 min, 256 MiB' "$((took / 1000)) s, $(($(cat memory) / 1024)) MiB"
lib_finish
