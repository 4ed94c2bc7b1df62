#!/bin/sh
# SPDX-License-Identifier: ISC
# first.sh BUILD [SECONDS] [NAMES]: whole STARTTLS sessions per second of the
# sample MTA with one static certificate, and with the module and NAMES names,
# in alternation in one run.  Server and load share the machine's cores, so the
# honest figure is the ratio of the server's own CPU time per session.
set -eu
src=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd)
seconds=${2:-5}
names=${3:-1000}
rounds=${ROUNDS:-5}
work=$(mktemp -d)
servers=
finish() {
	for pid in $servers; do kill "$pid" 2>/dev/null || true; done
	for pid in $servers; do wait "$pid" 2>/dev/null || true; done
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM
cd "$work"

# One CA, one key for each name (P-256), as a provider has.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj '/CN=bench CA' \
	-keyout ca.key -out ca.crt 2>/dev/null
issue() { # NAME
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
		-addext "subjectAltName=DNS:$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
	openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -days 90 -copy_extensions copy \
		-out "$1.crt" 2>/dev/null
	cat "$1.key" "$1.crt" >"$2/$1.pem"
	rm "$1.csr"
}
mkdir chains own
i=0
while [ $i -lt "$names" ]; do
	issue "host$i.example" chains
	i=$((i + 1))
done
issue own.example own
printf 'store { path = "%s/store.db" key = "%s/store.key" }\n' "$work" "$work" >conf
"$build/snicert" -c conf init >/dev/null
"$build/snicert" -c conf import chains >/dev/null

start() { # NAME OPTION…
	what=$1
	shift
	"$build/sample-mta" --cert own.example.crt --key own.example.key --port-file "$what.port" "$@" \
		>/dev/null 2>"$what.log" &
	echo $! >"$what.pid"
	servers="$servers $!"
	for _ in $(seq 100); do [ -s "$what.port" ] && break; sleep 0.05; done
}
start static
start module --module "$build/.libs/snicert.so" --config "$work/conf"

cpu() { # PID: clock ticks of user and system time
	awk '{ print $14 + $15 }' "/proc/$1/stat"
}
run() { # WHAT: rate and CPU microseconds per session
	pid=$(cat "$1.pid") before=$(cpu "$(cat "$1.pid")")
	"$build/starttls-load" --port "$(cat "$1.port")" --clients 4 --seconds "$seconds" \
		--name-pattern 'host%d.example' --name-count "$names" ${2:-} >"$1.out"
	after=$(cpu "$pid")
	awk -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" '
		{ for (i = 1; i < NF; i++) v[$i] = $(i + 1) }
		END { if (v["failed"] != 0) exit 1
		      printf "%.0f %.1f %s\n", v["rate"], ticks * 1e6 / hz / v["handshakes"], v["p99_us"] }' "$1.out"
}

run static >/dev/null
run module >/dev/null # warm
echo "sessions/s of the sample MTA, $names names, 4 clients, $seconds s a run; CPU us: the server's own, per session"
printf '%6s %12s %8s %8s   %12s %8s %8s   %8s %8s\n' round static/s cpu-us p99-us module/s cpu-us p99-us rate cpu
r=1
: >all
while [ $r -le "$rounds" ]; do
	set -- $(run static) $(run module --expect-cn)
	printf '%s %s %s %s %s %s %s\n' $r "$@" | awk '{
		printf "%6d %12d %8.1f %8d   %12d %8.1f %8d   %8.3f %8.3f\n", $1, $2, $3, $4, $5, $6, $7, $5 / $2, $3 / $6
		print $5 / $2, $3 / $6 >>"all" }'
	r=$((r + 1))
done
median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
printf 'median ratio, module against static: sessions/s %.3f, server CPU %.3f (1 is no cost, below 1 is cost)\n' \
	"$(cut -d' ' -f1 all | median)" "$(cut -d' ' -f2 all | median)"
