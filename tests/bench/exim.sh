#!/bin/sh
# SPDX-License-Identifier: ISC
# exim.sh: Exim with OpenSSL (Debian's source package, unmodified), a process per
# connection: one static certificate, its own choice by an SQLite look-up, and
# with the module, attached in each connection or loaded in the daemon already.
# shellcheck disable=SC1091,SC2016,SC2034,SC2046,SC2086,SC2154
. "${SNICERT_SRCDIR:?}/tests/mta/lib.sh"
. "$SNICERT_SRCDIR/tests/mta/exim-lib.sh"
SNICERT_MTA_RESULTS=$BENCH_DIR/cells
mta_exim_openssl bench-exim
mta_start bench-exim libpcre2-8-0 libdb5.3 libsqlite3-0
. "$SNICERT_SRCDIR/tests/bench/lib.sh"
exim=/usr/exim/bin/exim4 exim_conf=/etc/exim.conf
mkdir -p /usr/exim/bin /etc/exim.d /var/spool/exim /var/mail/exim
cp "$SNICERT_EXIM/exim" $exim
: >$exim_conf
chmod 4755 $exim
mta_user Debian-exim 903 Debian-exim 903
mta_module
export LC_ALL=C
count=$BENCH_NAMES
chains "$count"
SSL_CERT_FILE=$chains.root.crt
export SSL_CERT_FILE
say "Exim $($exim -bV | sed -n 's/^Exim version \([^ ]*\).*/\1/p'), $count names"

mta_conf ''
rmdir /var/lib/snicert
{ snicert init --group Debian-exim && snicert import "$chains"; } >import.out 2>&1 ||
	not_ok 'the import' "$(tail -n 3 import.out)"
bench_fallback
install -o Debian-exim -m 600 "$chains.own/own0.example.pem" /etc/exim.d/own.pem
cp -R "$chains" /etc/exim.d/chains
chown -R Debian-exim /etc/exim.d/chains
{
	echo 'BEGIN; CREATE TABLE sni(name TEXT PRIMARY KEY, path TEXT) WITHOUT ROWID;'
	seq 0 $((count - 1)) | sed "s,.*,INSERT INTO sni VALUES('host&.example'\\, '/etc/exim.d/chains/host&.example.pem');,"
	echo 'COMMIT;'
} | sqlite3 /etc/exim.d/sni.db || not_ok 'the table of names'

attach='${dlfunc{/usr/lib/snicert/snicert.so}{snicert_exim_attach}{/etc/snicert/snicert.conf}}'
own_choice='${lookup sqlite,file=/etc/exim.d/sni.db {SELECT path FROM sni WHERE name = '"'"'${quote_sqlite:$tls_in_sni}'"'"'}{$value}{/etc/exim.d/own.pem}}'
port_of() {
	case $1 in
	static) echo 2601 ;; again) echo 2606 ;; lookup) echo 2602 ;; lookup_ca) echo 2603 ;; attach) echo 2604 ;; daemon) echo 2605 ;;
	few) echo 2607 ;; unknown) echo 2608 ;;
	esac
}
tls_of() { # CASE: the main options about TLS
	case $1 in
	lookup*) printf 'tls_certificate = %s\n' "$own_choice" ;;
	*) echo 'tls_certificate = /etc/exim.d/own.pem' ;;
	esac
	case $1 in
	# Exim's default, "system", which it reads anew for each connection unless
	# certificates are preloaded, as they are where none depends on the name.
	lookup_ca) ;;
	lookup) echo 'tls_verify_certificates =' ;;
	attach) printf 'smtp_active_hostname = %s\n' "$attach" ;;
	daemon | few | unknown) printf 'smtp_active_hostname = %s\nsmtp_accept_max_per_host = %s\n' "$attach" "$attach" ;;
	esac
}
start() { # CASE: a daemon of its own
	mkdir -p /var/log/exim/$1 /var/spool/exim/$1
	cat >/etc/exim.$1.conf <<-CF
		primary_hostname = mx.provider.example
		daemon_smtp_ports = $(port_of $1)
		local_interfaces = 127.0.0.1
		disable_ipv6
		log_file_path = /var/log/exim/$1/%slog
		spool_directory = /var/spool/exim/$1
		exim_user = Debian-exim
		exim_group = Debian-exim
		keep_environment =
		host_lookup =
		rfc1413_query_timeout = 0s
		smtp_accept_max = 200
		smtp_enforce_sync = false
		tls_advertise_hosts = *
		$(tls_of $1)
		acl_smtp_rcpt = all
		begin acl
		all:
		  accept
	CF
	chown -R Debian-exim /var/log/exim/$1 /var/spool/exim/$1
	$exim -C /etc/exim.$1.conf -bdf >$1.mta.log 2>&1 &
	eval "pid_$1=$!"
	pids="$pids $!"
	mta_wait "Exim, $1" mta_listening $(port_of $1) || lib_finish
}
of() {
	port=$(port_of $1)
	eval "pid=\$pid_$1"
	asks="--name-pattern host%d.example --name-count $count --quit"
	case $1 in
	few) asks="--name-pattern host%d.example --name-count 50 --quit" ;;
	unknown) asks="--name-pattern nobody%d.example --name-count 1000000 --quit" ;;
	esac
}
run() { of $1; load exim $1 "$count" $2 $pid $asks; }
cases='static again lookup_ca lookup attach daemon few unknown'
[ -z "$BENCH_QUICK" ] || cases='static again daemon few'
for case in $cases; do
	start $case
	of $case
	# Each of a few names is asked for twice and more: a child's siblings know it.
	[ $case != few ] || warm "Exim, $case" --count 300 $asks --expect-san
	case $case in
	static | again | unknown) warm "Exim, $case" --count 100 $asks ;;
	*) warm "Exim, $case" --count 100 $asks --expect-san ;;
	esac
done
tail -n 3 /var/log/exim/*/paniclog 2>/dev/null
seconds=$(echo "$seconds" | awk '{ print $1 * 2 }') # its children's time comes in ticks
alternate run $cases
lib_finish
