#!/bin/sh
# SPDX-License-Identifier: ISC
# exim.sh: floods.sh with Exim (OpenSSL; Debian's source package, unmodified), a process for each
# connection: one daemon with the module, and one without.
# shellcheck disable=SC1091,SC2016,SC2034,SC2046,SC2086,SC2154
SNICERT_MTA_RESULTS=${SNICERT_MTA_OUTSIDE:-}/results # no row of the matrix
export SNICERT_MTA_RESULTS
. "$(dirname "$0")/../mta/lib.sh"
. "$SNICERT_SRCDIR/tests/mta/exim-lib.sh"
mta_exim_openssl floods-exim
mta_start floods-exim libpcre2-8-0 libdb5.3 libsqlite3-0
. "$SNICERT_SRCDIR/tests/torture/flooding.sh"
seed=${TORTURE_SEED:-$(date +%s)}
echo "TORTURE_SEED=$seed"
row() {
	[ -z "${TORTURE_RESULTS:-}" ] || printf 'floods\t%s\t%s\t%s\n' "$1" "$2" "$3" >>"$TORTURE_RESULTS"
	echo "$1: $2: $3"
}
exim=/usr/exim/bin/exim4
mkdir -p /usr/exim/bin /etc/exim.d /var/spool/exim /var/mail/exim
cp "$SNICERT_EXIM/exim" $exim
: >/etc/exim.conf
chmod 4755 $exim
mta_user Debian-exim 903 Debian-exim 903
mta_module
export LC_ALL=C
cheap_key hosts.key
mkdir hosts
for n in $(seq 0 $((flood_names - 1))); do cheap_chain "hosts/$n.pem" hosts.key "known$n.example"; rm "hosts/$n.pem.crt"; done
cheap_chain fallback.pem hosts.key fallback.example
own_certificate
cat own.crt own.key >/etc/exim.d/own.pem
chown Debian-exim /etc/exim.d/own.pem
mta_conf 'cache { memory = "1M" }'
rmdir /var/lib/snicert
tool 0 init --group Debian-exim
tool 0 import hosts
tool 0 import --no-bind fallback.pem
tool 0 fallback "$(sha_of fallback.pem.crt)"
attach='${dlfunc{/usr/lib/snicert/snicert.so}{snicert_exim_attach}{/etc/snicert/snicert.conf}}'
exim_with() { # NAME PORT OPTIONS
	mkdir -p /var/log/exim/$1 /var/spool/exim/$1
	cat >/etc/exim.$1.conf <<-CF
		primary_hostname = mx.provider.example
		daemon_smtp_ports = $2
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
		tls_certificate = /etc/exim.d/own.pem
		$3
		acl_smtp_rcpt = all
		begin acl
		all:
		  accept
	CF
	chown -R Debian-exim /var/log/exim/$1 /var/spool/exim/$1
	$exim -C /etc/exim.$1.conf -bdf >$1.mta.log 2>&1 &
	eval "pid_$1=$!"
	pids="$pids $!"
	mta_wait "Exim, $1" mta_listening $2 || lib_finish
}
exim_with module 2525 "smtp_active_hostname = $attach
smtp_accept_max_per_host = $attach"
exim_with plain 2526 ''
flood 'known names during a flood, Exim' 2525 2526 $pid_module --quit
kill $pid_module $pid_plain
lib_finish
