#!/bin/sh
# SPDX-License-Identifier: ISC
# journal.sh: Debian's journald, as it comes: what Postfix, plain and in its chroot, has there
# with `log { target = "journal" }`, and how the manual's lines find it.
# shellcheck disable=SC1091,SC2034,SC2046,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start journal systemd postfix libpcre2-8-0 libdb5.3
. "$SNICERT_SRCDIR/tests/mta/postfix-lib.sh"

journald_start() {
	/usr/lib/systemd/systemd-journald >>journald.log 2>&1 &
	journald_pid=$!
	pids="$pids $journald_pid"
	mta_wait 'journald' journald_is
}
journald_is() { [ -S /run/systemd/journal/socket ] || ! kill -0 $journald_pid; }
found() { # MATCH…: how many entries
	journalctl --sync >/dev/null 2>&1
	journalctl -q -o cat "$@" 2>>journalctl.log | wc -l
}
finds() { [ "$(found "$@")" = "$want" ]; }
awaits() { # WANT WHAT MATCH…
	want=$1 what=$2
	shift 2
	if mta_wait "$what" finds "$@"; then ok "$what"; else not_ok "$what" "found $(found "$@"), want $want"; fi
}

postfix_setup
mkdir -p /run/systemd/journal /run/log
[ -s /etc/machine-id ] || echo 0123456789abcdef0123456789abcdef >/etc/machine-id
# It asks for control groups.
[ -e /sys/fs/cgroup/cgroup.procs ] ||
	{ mount -t tmpfs sys /sys && mkdir -p /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup; }
journald_start
journalctl --sync >/dev/null 2>&1
kill -0 $journald_pid 2>/dev/null || { echo "SKIPPED: mta/journal: journald does not run here: $(tail -n 1 journald.log)"; exit 77; }
plain=2525 jailed=25
ports="$plain $jailed"
fixtures_leaf certs smtp.customer-a.example
fixtures_leaf certs fall.ec --san mx.provider.example
mta_conf 'program "smtpd" { }'
echo 'log { target = "journal" level = "debug" }' >>/etc/snicert/snicert.conf
rmdir /var/lib/snicert
tool 0 init --group postfix
tool 0 import certs/smtp.customer-a.example.pem
tool 0 import --no-bind certs/fall.ec.pem
tool 0 fallback $(postfix_ids mx.provider.example)
postfix_main "tls_config_file = $openssl_cnf"
postfix_master <<-CF
	$plain     inet  n       -       n       -       1       smtpd
	$jailed    inet  n       -       y       -       1       smtpd
CF
postfix_start || lib_finish
for where in plain jailed; do
	eval "port=\$$where"
	for name in smtp.customer-a.example $where.example $where.example -; do served $name >/dev/null; done
	awaits 2 "$where: a missing name" SNICERT_EVENT=fallback SNICERT_WHY=unknown SNICERT_NAME=$where.example
	journalctl -q -o json SNICERT_NAME=$where.example 2>/dev/null | head -n 1 >entry
	pid=$(json entry '$._PID')
	json_is entry '$.SNICERT_PID' "$pid" "$where: the process, as the journal has seen it"
	awaits 1 "$where: the name's own chain" SNICERT_NAME=smtp.customer-a.example _PID=$pid
	awaits 4 "$where: all of its handshakes" SNICERT_EVENT=served SNICERT_EVENT=fallback _PID=$pid SNICERT_PROGRAM=smtpd
	json_is entry '$.SYSLOG_IDENTIFIER' snicert "$where: ident"
	json_is entry '$.SNICERT_PROGRAM' smtpd "$where: program"
	json_is entry '$.PRIORITY' 6 "$where: level"
	json_is entry '$.SYSLOG_FACILITY' 2 "$where: facility"
	has "$(json entry '$.MESSAGE')" "event=fallback pid=$pid name=$where.example *" "$where: the line"
done
is "$(grep -c 'snicert: event=' $log)" 0 'none of them in syslog'

# It is started anew while servers run, without the socket that systemd keeps for it.
port=$plain
kill $journald_pid && wait $journald_pid
rm -f /run/systemd/journal/socket
is "$(served without.example)" mx.provider.example 'without a journal: served all the same'
logged 'event=fallback .*name=without.example' 'without a journal: in syslog'
journald_start
served anew.example >/dev/null
awaits 1 'a new journal' SNICERT_NAME=anew.example
postfix_stop
lib_finish
