#!/bin/sh
# SPDX-License-Identifier: ISC
# stats.sh: what Debian's Postfix (plain and in its chroot) and an Exim with OpenSSL count
# under load is what their clients saw, handshake by handshake.
# shellcheck disable=SC1090,SC1091,SC2015,SC2016,SC2034,SC2046,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_exim_openssl stats
mta_start stats postfix libpcre2-8-0 libdb5.3
. "$SNICERT_SRCDIR/tests/mta/postfix-lib.sh"
. "$SNICERT_SRCDIR/tests/mta/exim-lib.sh"

outcomes() { # OUTCOME REASON: how many there were in the last `stats --json`
	sqlite3 :memory: "SELECT ifnull(sum(json_extract(value, '\$.handshakes')), 0)
		FROM json_each(CAST(readfile('$work/out') AS TEXT), '\$.handshakes')
		WHERE value ->> 'outcome' = '$1' AND value ->> 'reason' = '$2'"
}
processes() { # PROGRAM: living ones, and of which users
	sqlite3 :memory: "SELECT count(*) || ' ' || ifnull(group_concat(DISTINCT value ->> 'uid'), '')
		FROM json_each(CAST(readfile('$work/out') AS TEXT), '\$.processes')
		WHERE value ->> 'alive' AND value ->> 'program' = '$1'"
}
clients() { # COUNT NAMES: sets $handshakes
	mta_load "$1" --names "$2" || not_ok "$server: a load" "$(cat load.out load.err)"
	handshakes=$(sed -n 's/^handshakes \([0-9]*\) failed 0 .*/\1/p' load.out)
}
counts() { # what the clients of $server on $port see, and what it counted
	served smtp.customer-a.example >/dev/null
	tool 0 stats --reset
	clients 400 known
	known=$handshakes
	clients 100 unknown
	unknown=$handshakes
	served - >/dev/null
	tool 0 stats --json
	is "$known $(outcomes exact none)" '400 400' "$server: clients that asked for a known name"
	is "$unknown $(outcomes global unknown)" '100 100' "$server: … and for others"
	is "$(outcomes global no_name)" 1 "$server: … and for none"
	is "$(json out '$.overview.handshakes')" 501 "$server: handshakes in all"
	is "$(json out '$.overview.unknown_names')" 2 "$server: the names that nobody has"
	echo "mta/stats: $server: $(json out '$.overview.handshakes') handshakes, half below $(json out '$.overview.median_ns') ns"
}
printf '%s\n' smtp.customer-a.example smtp.customer-b.example >known
printf '%s\n' nobody.example nowhere.example >unknown

# --- Postfix: started by root, so it has root's file, and keeps it
postfix_setup
mkdir /run/snicert
plain=2525 jailed=25
ports="$plain $jailed"
fixtures_leaf certs smtp.customer-a.example
fixtures_leaf certs smtp.customer-b.example --rsa
fixtures_leaf certs fall.ec --san mx.provider.example
mta_conf 'program "smtpd" { }'
rmdir /var/lib/snicert
tool 0 init --group postfix
tool 0 import certs/smtp.customer-a.example.pem certs/smtp.customer-b.example.pem
tool 0 import --no-bind certs/fall.ec.pem
tool 0 fallback $(postfix_ids mx.provider.example)
postfix_main "tls_config_file = $openssl_cnf"
postfix_master <<-CF
	$plain     inet  n       -       n       -       -       smtpd
	  -o smtpd_tls_session_cache_database=
	$jailed    inet  n       -       y       -       -       smtpd
	  -o smtpd_tls_session_cache_database=
CF
postfix_start || lib_finish
for where in plain jailed; do
	eval "port=\$$where"
	server="Postfix, $where"
	counts
	has "$(processes smtpd)" ' 0' "$server: processes that root has started"
done
is "$(ls /run/snicert)" stats 'Postfix: one file'
is "$(stat -c '%U %a' /run/snicert/stats)" 'root 640' '… of root'
postfix_stop
mta_wait 'Postfix stops' postfix_gone

# --- Exim, attached in each connection, a process of Exim's user each: it has its own file
rm -rf /var/lib/snicert /etc/snicert/store.key /run/snicert certs
mkdir /run/snicert /var/lib/snicert
exim=/usr/exim/bin/exim4 exim_conf=/etc/exim.conf odd=
mkdir -p /usr/exim/bin
cp "$SNICERT_EXIM/exim" $exim
chmod 4755 $exim
exim_tls() {
	echo 'tls_certificate = /etc/ssl/exim.crt'
	echo 'tls_privatekey = /etc/ssl/exim.key'
	echo 'smtp_active_hostname = ${dlfunc{/usr/lib/snicert/snicert.so}{snicert_exim_attach}{/etc/snicert/snicert.conf}}'
}
kill $pids 2>/dev/null # the syslog: there will be another
rm -f /dev/log
exim_setup
chgrp Debian-exim /run/snicert
chmod 1775 /run/snicert
exim_start || lib_finish
port=$daemon server='Exim, attached in each connection'
counts
is "$(ls /run/snicert)" stats.903 'Exim: a file of its user'
exim_stop
lib_finish
