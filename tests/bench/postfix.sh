#!/bin/sh
# SPDX-License-Identifier: ISC
# postfix.sh: Debian's Postfix with one static certificate, with its own SNI map,
# and with the module; each smtpd serves a hundred connections (max_use), as
# Postfix has it by default, so of many names nearly every one is new to it.
# shellcheck disable=SC1091,SC2034,SC2046,SC2086,SC2154
. "${SNICERT_SRCDIR:?}/tests/mta/lib.sh"
SNICERT_MTA_RESULTS=$BENCH_DIR/cells
mta_start bench-postfix postfix postfix-lmdb
. "$SNICERT_SRCDIR/tests/mta/postfix-lib.sh"
. "$SNICERT_SRCDIR/tests/bench/lib.sh"
postfix_setup
count=$BENCH_NAMES
chains "$count"
SSL_CERT_FILE=$chains.root.crt
export SSL_CERT_FILE
say "$postfix, $count names"

static=2601 map=2602 module=2603 again=2604
ports="$static $map $module $again"
mta_conf 'program "smtpd" { }'
rmdir /var/lib/snicert
{ snicert init --group postfix && snicert import "$chains"; } >import.out 2>&1 ||
	not_ok 'the import' "$(tail -n 3 import.out)"
bench_fallback

install -m 600 "$chains.own/own0.example.pem" /etc/postfix/own.pem
[ -e /usr/lib/postfix/postfix-lmdb.so ] && mkdir -p /etc/postfix/dynamicmaps.cf.d &&
	echo 'lmdb postfix-lmdb.so dict_lmdb_open mkmap_lmdb_open' >/etc/postfix/dynamicmaps.cf.d/lmdb
i=0
while [ $i -lt "$count" ]; do
	echo "host$i.example $chains/host$i.example.pem"
	i=$((i + 1))
done >/etc/postfix/sni
postfix_main 'max_use = 100
	lmdb_map_size = 1073741824
	smtpd_tls_chain_files = /etc/postfix/own.pem
	smtpd_tls_session_cache_database =
	smtpd_tls_loglevel = 0'
start=$(now_us)
postmap -F lmdb:/etc/postfix/sni 2>postmap.err || not_ok 'postmap -F' "$(cat postmap.err)"
sample start postmap "$count" 0 start_ms $((($(now_us) - start) / 1000))
postfix_master <<-CF
	$static   inet  n       -       n       -       -       smtpd
	$again    inet  n       -       n       -       -       smtpd
	$map      inet  n       -       n       -       -       smtpd
	  -o tls_server_sni_maps=lmdb:/etc/postfix/sni
	$module   inet  n       -       n       -       -       smtpd
	  -o tls_config_file=$openssl_cnf
CF
postfix_start || lib_finish
master=$(cat /var/spool/postfix/pid/master.pid)

of() { # CASE
	asks="--name-pattern host%d.example --name-count $count --quit"
	case $1 in
	few) port=$module asks="--name-pattern host%d.example --name-count 10 --quit" ;;
	unknown) port=$module asks="--name-pattern nobody%d.example --name-count 1000000 --quit" ;;
	*) eval "port=\$$1" ;;
	esac
}
run() { of $1; load postfix $1 "$count" $2 $master $asks; }
for case in map module few; do of $case; warm "Postfix, $case" --count 1000 $asks --expect-san; done
for case in static again unknown; do of $case; warm "Postfix, $case" --count 500 $asks; done
seconds=$(echo "$seconds" | awk '{ print $1 * 2 }') # its children's time comes in ticks
cases='static again map module few unknown'
[ -z "$BENCH_QUICK" ] || cases='static again map module'
alternate run $cases
if [ -n "$BENCH_QUICK" ]; then
	: # rates are not looked at
elif part_cores $master; then
	run_apart() { of $1; load postfix_apart $1 "$count" $2 $master $asks; }
	alternate run_apart static map module
	load_on=
else
	say 'Postfix on a core of its own: there is but one'
fi
# The memory of an smtpd that has served its part of a hundred connections.
for case in static map module; do
	eval "port=\$$case"
	for pid in $(pgrep -f "^smtpd -n $port "); do "$build/bench-usage" $pid; done >usage.out 2>/dev/null
	sample start smtpd_$case "$count" 0 pss_kib "$(awk '{ n += $6 } END { printf "%.0f", n / NR }' usage.out)"
done

# --- from commit to visible: eight smtpd, each with a session that waits
i=0
while [ $i -lt $((BENCH_RENEWALS / 2)) ]; do
	i=$((i + 1))
	cp "$chains.ca.pem" renewal.ca.pem
	(umask 077 && "$build/bench-names" renewal --count 1 --first 1 --threads 1)
	"$build/starttls-load" --port $module --clients 8 --name host1.example \
		--expect-leaf "$(sha_of renewal/host1.example.pem)" \
		--after "$build/snicert -c $conf import renewal/host1.example.pem >import.out 2>&1" >load.out 2>load.err ||
		not_ok "renewal $i: each of eight handshakes has the new leaf" "$(cat load.out load.err import.out)"
	for metric in handshakes failed; do sample visible postfix "$count" $i $metric "$(value $metric load.out)"; done
	sample visible postfix "$count" $i stale "$(value mismatched load.out)"
done
postfix_stop
lib_finish
