#!/bin/sh
# SPDX-License-Identifier: ISC
# metrics.sh: what comes out of the statistics: snicert unknown, trace,
# status and exporter, of a server whose handshakes are known; and that rules,
# dashboard and manual speak of metrics that there are.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start metrics

http() { # ADDRESS REQUEST-LINE: the whole answer, into $work/http
	perl -MIO::Socket::INET -MIO::Socket::UNIX -e '
		my ($at, $request) = @ARGV;
		my $s = $at =~ s/^unix:// ? IO::Socket::UNIX->new($at) : IO::Socket::INET->new($at);
		$s or die "$at: $!"; print $s "$request HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"; print while <$s>' \
		"$1" "$2" >"$work/http" 2>&1
}
body() { sed '1,/^.$/d' "$work/http"; }
exporter() { # OPTION…
	rm -f exporter.out # of the one before, which would be read again
	"$build/snicert" -c "$conf" exporter "$@" >exporter.out 2>exporter.err &
	exporter_pid=$!
	pids="$pids $exporter_pid"
	await 'the exporter starts' test -s exporter.out
	at=$(sed 's/^metrics at //' exporter.out)
}
value() { # METRIC-WITH-LABELS: its value in $work/prom
	grep -v '^#' "$work/prom" | grep -F -- "$1 " | sed 's/.* //'
}
unknown_is() { # NAME MEMBER WANT
	is "$(sqlite3 :memory: "SELECT json_extract(value, '\$.$2') FROM json_each(CAST(readfile('$work/out') AS TEXT))
		WHERE json_extract(value, '\$.name') = '$1'")" "$3" "unknown $1: $2"
}

new_store "$work/a"
cheap_key key.pem
cheap_chain own.pem key.pem own.example && cp own.pem.crt own.crt && cp key.pem own.key
cheap_chain mx.pem key.pem mx.customer.example
cheap_chain w.pem key.pem '*.wild.example'
cheap_chain covered.pem key.pem mx.covered.example
cheap_chain staged.pem key.pem mx.staged.example
tool 0 import mx.pem
tool 0 import w.pem
tool 0 import --no-bind covered.pem
tool 0 import --stage staged.pem
tool 0 fallback "$(chain_of mx.customer.example)"

# --- before there is anything ---------------------------------------------------

for command in unknown used trace; do
	tool 1 $command
	has "$(cat err)" 'no statistics at ' "$command: says that there are none"
done
tool 0 --json status
json_is "$work/out" '$.overview.unknown_names' '' 'status: no statistics, no numbers'

# --- a server ---------------------------------------------------------------------

start_mta one
for name in mx.customer.example MX.customer.example. a.wild.example - - nobody.example nobody.example nobody.example \
	mx.covered.example mx.staged.example mx.custmer.example b.a.wild.example; do served $name >/dev/null; done

tool 0 --json unknown
json_valid "$work/out" unknown
json_members "$work/out" '$[0]' 'count missed first last address name fix code chain near command windows' 'unknown: its members'
is "$(json out '$[0].name')" nobody.example 'unknown: the most wanted first'
unknown_is nobody.example count 3
unknown_is nobody.example missed 0
unknown_is nobody.example address 127.0.0.1
unknown_is nobody.example code nothing
unknown_is mx.covered.example code covered
command=$(sqlite3 :memory: "SELECT json_extract(value, '\$.command') FROM json_each(CAST(readfile('$work/out') AS TEXT))
	WHERE json_extract(value, '\$.code') = 'covered'")
is "${command% *}" 'snicert bind mx.covered.example' 'unknown: the bind line'
unknown_is mx.staged.example code staged
unknown_is mx.custmer.example code typo
unknown_is mx.custmer.example near mx.customer.example
unknown_is b.a.wild.example code one-label
unknown_is b.a.wild.example near '*.wild.example'
tool 0 --json unknown --least 2
is "$(grep -c '"name"' out)" 1 'unknown --least'
tool 0 --json unknown --last 2
is "$(grep -c '"name"' out)" 2 'unknown --last'
tool 1 --json unknown --since 2999-01-01
is "$(cat out)" '[]' 'unknown --since'
tool 0 unknown --since 1h
is "$(grep -c '^  *[0-9]' out)" 5 'unknown --since 1h'
is "$(awk 'length > 80' out)" '' 'unknown: 80 columns'
for bad in '--since yesterday' '--least x' '--last -1' name; do refused 2 '' unknown $bad; done
tool 0 --json status
json_is "$work/out" '$.overview.unknown_names' 5 'status: unknown names'
json_is "$work/out" '$.overview.unused' 0 'status: nothing that can be called unused'
json_is "$work/out" '$.overview.unused_untold' 0 'status: all that is bound was asked for'
has "$(cat out)" 'unknown-names' 'status: points to them'

# Names in the store, by their use.
tool 0 --json used
json_members "$work/out" '$[0]' 'count last unused_since name chain' 'used: its members'
is "$(sqlite3 :memory: "SELECT group_concat(value ->> 'name' || ' ' || (value ->> 'count'), ', ')
	FROM json_each(CAST(readfile('$work/out') AS TEXT))")" '*.wild.example 1, mx.customer.example 1' 'used: which, and how often'
has "$(json out '$[0].last')" '20*T00:00:00Z' 'used: the day'
for _i in $(seq 16); do served mx.customer.example >/dev/null; done
tool 0 used --since 1d
is "$(awk '{ print $1, $3, NF }' out)" "$(printf 'About asked 5\n17 mx.customer.example 4\n1 *.wild.example 4')" 'used: the most wanted first'
tool 0 used --last 1 '*.EXAMPLE'
is "$(sed 1d out | awk '{ print $3 }')" mx.customer.example 'used: only so many, of those that match'
tool 1 used --not-since 1d
has "$(cat out)" 'No name is known to be unused for so long: servers count since 2*' 'used: it is too early to tell'
snicert bind never.example "$(chain_of mx.customer.example)" >/dev/null
tool 0 used --not-since 0h
is "$(awk 'NR > 1 { print $1, $2, $4 }' out)" '0 - never.example' 'used: a name that nobody asked for'
snicert unbind never.example >/dev/null
tool 1 used 'nope*'
is "$(cat out)" 'No name matches nope*.' 'used: none'
for bad in '--since yesterday' '--last -1' '--since 1d --not-since 1d' 'a b'; do refused 2 '' used $bad; done

# The line is the fix: it works, and the name is missing no more.
snicert ${command#snicert } >/dev/null
is "$(served mx.covered.example)" mx.covered.example 'the bind line serves the name'
tool 0 --json unknown
unknown_is mx.covered.example code ''
tool 0 --json unknown --all
unknown_is mx.covered.example code bound

# --- metrics ----------------------------------------------------------------------

if ! grep -q 'D."HAVE_LIBMICROHTTPD".="1"\|HAVE_LIBMICROHTTPD=1' "$build/config.status"; then
	skip 'metrics' 'built without libmicrohttpd'
	stop_mta one
	lib_finish
fi
exporter --listen 127.0.0.1:0
http "$at" 'GET /metrics'
body >m.prom
kill $exporter_pid
wait $exporter_pid
cp m.prom prom
is "$(value 'snicert_handshakes_total{outcome="exact",reason="none"}')" 19 'metrics: exact'
is "$(value 'snicert_handshakes_total{outcome="wildcard",reason="none"}')" 1 'metrics: wildcard'
is "$(value 'snicert_handshakes_total{outcome="global",reason="no_name"}')" 2 'metrics: no name'
is "$(value 'snicert_handshakes_total{outcome="global",reason="unknown"}')" 7 'metrics: unknown'
is "$(value 'snicert_chains{state="active"}')" 3 'metrics: chains'
is "$(value snicert_names)" 3 'metrics: names'
is "$(value 'snicert_chains_expiring{days="84"}')" 0 'metrics: none that expires so soon'
is "$(value 'snicert_servers{program="sample-mta"}')" 1 'metrics: the server'
is "$(value 'snicert_servers_stale{program="sample-mta"}')" 0 'metrics: it is up to date'
is "$(value snicert_selection_duration_seconds_count)" "$(value 'snicert_selection_duration_seconds_bucket{le="+Inf"}')" 'metrics: a histogram'

# What rules, dashboard and manual speak of is there, and the manual knows all there is.
# A fleet's store has more.
new_store "$work/m"
sqlite3 "$store" "INSERT INTO fleet VALUES (1, 'f', 'n', 1, 7, zeroblob(32))" || not_ok 'a store of a fleet'
tool 0 stats --prometheus
has "$(cat out)" '*snicert_fleet_change 7*snicert_fleet_head 7*snicert_fleet_at_head_timestamp_seconds 0*' 'metrics of a fleet'
store_at "$work/a"
sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' m.prom | sort -u >there
sed -n 's/^# TYPE \(snicert_fleet_[a-z_]*\) .*/\1/p' out | sort -u - there >all
# Its parts.
sed 's/^snicert_selection_duration_seconds$/&_bucket\n&_sum\n&_count/' all | sort -u >names
for file in system/prometheus/snicert.rules.yml system/grafana/snicert.json; do
	grep -oE '(^|[^a-z_:])snicert_[a-z_]+' "$src/$file" | grep -oE 'snicert_[a-z_]+' | sort -u >spoken
	isnt "$(wc -l <spoken)" 0 "$file: speaks of metrics"
	is "$(comm -23 spoken names | grep -v '^snicert_fallback$')" '' "$file: of none that there are not"
done
sed -n 's/^\.It Ic \(snicert_[a-z_]*\).*/\1/p' "$src/man/snicert.7" | sort -u >documented
is "$(diff documented all)" '' 'snicert(7) lists the metrics that there are'
json_valid "$src/system/grafana/snicert.json" 'the dashboard'

# --- stats ------------------------------------------------------------------------

tool 0 stats --watch --every 1 --pages 2
is "$(grep -c '^Served' out)" 2 'stats --watch: two pages'
is "$(awk 'length > 80' out)" '' 'stats --watch: 80 columns'
has "$(cat out)" 'exact name                   19' 'stats --watch: a count'
has "$(cat out)" 'per second' 'stats --watch: rates'
hasnt "$(cat out)" "$(printf '\033')" 'stats --watch: no control sequences in a file'
for bad in '--watch --prometheus' '--watch --json' '--out x' '--every 0' '--pages x' x; do refused 2 '' stats $bad; done
tool 0 stats --prometheus --out "$work/m2.prom"
is "$(stat -c %a m2.prom) $(ls m2.prom*)" '644 m2.prom' 'stats --out: a file for others, and nothing beside it'
is "$(sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' m2.prom | sort -u | diff - there)" '' 'stats --prometheus: the same metrics'
tool 0 stats --prometheus
is "$(grep -v _seconds out)" "$(grep -v _seconds m2.prom)" '… on standard output, too'
refused 3 "can't write /nonexistent/x.prom" stats --prometheus --out /nonexistent/x.prom

# --- trace ----------------------------------------------------------------------------

traced() { # OPTION…: in the background; $work/trace
	"$build/snicert" -c "$conf" trace "$@" >trace 2>trace.err &
	trace_pid=$!
	pids="$pids $trace_pid"
	await 'trace follows' follows "$trace_pid"
}
# It has the statistics open, and sleeps until there is something new.
follows() { # PID
	ls -l "/proc/$1/fd" | grep -q "/stats" && grep -q '^State:.S' "/proc/$1/status"
}
traced --json
for name in mx.customer.example nobody.example -; do served $name >/dev/null; done
three_told() { [ "$(wc -l <trace)" -ge 3 ]; }
await 'trace tells of three' three_told
kill -INT $trace_pid
wait $trace_pid
is $? 0 'trace: interrupted, and that is no error'
is "$(wc -l <trace) $(cat trace.err)" '3 ' 'trace: a line each'
sed -n 1p trace >line
json_valid "$work/line" 'trace --json: each line'
json_members "$work/line" '$' 'at name outcome reason keys sha256 microseconds pid program' 'trace: its members'
json_is "$work/line" '$.outcome' exact 'trace: what was served'
json_is "$work/line" '$.program' sample-mta 'trace: by whom'
is "$(json line '$.sha256')" "$(sha_of mx.pem.crt | cut -c1-40)" 'trace: the chain'
sed -n 2p trace >line
json_is "$work/line" '$.reason' unknown 'trace: why it was not its own'
sed -n 3p trace >line
json_is "$work/line" '$.name' '' 'trace: no name'
traced --count 1 --missing '*.EXAMPLE'
for name in mx.customer.example - nobody.example nobody.example; do served $name >/dev/null; done
wait $trace_pid
is "$? $(wc -l <trace) $(grep -c 'nobody.example$' trace)" '0 1 1' 'trace: filters, and a count'
is "$(awk 'length > 80' trace)" '' 'trace: 80 columns'
# Into a pipe that closes: it ends.
( timeout 60 "$build/snicert" -c "$conf" trace; echo $? >trace.rc ) | head -n 1 >trace &
head_pid=$!
while [ ! -s trace.rc ]; do served mx.customer.example >/dev/null; done
wait $head_pid
isnt "$(cat trace.rc)" 124 'trace | head: it ends with its reader'

# --- exporter -----------------------------------------------------------------------------

refused 2 'not a loopback address' exporter --listen 192.0.2.1:9811
for bad in nonsense 127.0.0.1 127.0.0.1:x 127.0.0.1:99999 '[::1:1' unix:relative; do refused 2 '' exporter --listen $bad; done
refused 3 "can't listen at unix:/nonexistent/x" exporter --listen unix:/nonexistent/x
for where in 127.0.0.1:0 "unix:$work/exporter.socket"; do
	exporter --listen "$where"
	http "$at" 'GET /metrics'
	has "$(cat http)" 'HTTP/1.1 200 OK' "exporter at $where: answers"
	has "$(cat http)" 'Content-Type: text/plain; version=0.0.4; charset=utf-8' '… as Prometheus wants it'
	body >prom
	is "$(sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' prom | sort -u | diff - there)" '' '… with all metrics'
	http "$at" 'HEAD /metrics'
	has "$(cat http)" '200 OK' 'HEAD'
	is "$(body | grep -c snicert)" 0 '… without a body'
	http "$at" 'GET /'
	has "$(cat http)" '/metrics' 'the root points to them'
	http "$at" 'GET /other'
	has "$(cat http)" '404' 'nothing elsewhere'
	http "$at" 'DELETE /metrics'
	has "$(cat http)" '405' 'no other method'
	has "$(cat http)" 'Allow: GET, HEAD' '… but these'
	# Forty who say nothing: no thread, no more connections than it wants, and it goes on.
	perl -MIO::Socket::INET -e 'my @s = map { IO::Socket::INET->new($ARGV[0]) } 1 .. 40; sleep 1' "${at#unix:*}" 2>/dev/null
	is "$(ls /proc/$exporter_pid/task | wc -l)" 2 'one thread answers'
	http "$at" 'GET /metrics'
	has "$(cat http)" '200 OK' 'it goes on'
	kill $exporter_pid
	wait $exporter_pid
	is "$? $(cat exporter.err)" '0 ' 'SIGTERM: it ends in peace'
done
is "$(ls exporter.socket 2>&1 | grep -c 'No such file')" 1 'the socket is gone'
# Left behind by one that was killed: taken over; in use: not.
exporter --listen "unix:$work/exporter.socket"
refused 3 'Address already in use' exporter --listen "unix:$work/exporter.socket"
kill -KILL $exporter_pid
wait $exporter_pid 2>/dev/null
exporter --listen "unix:$work/exporter.socket"
http "$at" 'GET /metrics'
has "$(cat http)" '200 OK' 'a socket left behind is no hindrance'
# The store goes, and comes back.
mv "$store" away.db
http "$at" 'GET /metrics'
body >prom
is "$(value snicert_store_readable)" 0 'a store that is gone'
mv away.db "$store"
http "$at" 'GET /metrics'
body >prom
is "$(value snicert_store_readable)" 1 '… and back'
kill $exporter_pid
wait $exporter_pid

# --- reset ------------------------------------------------------------------------------

tool 0 unknown --reset
tool 1 --json unknown
served nobody.example >/dev/null
tool 0 --json unknown
is "$(json out '$[0].count')" 1 'the server goes on counting'
stop_mta one
lib_finish
