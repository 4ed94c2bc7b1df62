#!/bin/sh
# SPDX-License-Identifier: ISC
# haproxy.sh: Debian's HAProxy, unmodified, which ends TLS for what stands behind
# it and has many certificates of its own, by name.  The module by OPENSSL_CONF.
# As Debian starts it a master forks a worker, which goes into the chroot: there the
# store is to be had only where it lies in the chroot too.  With one process
# (-db) what was opened before is followed.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start haproxy haproxy
. "$SNICERT_SRCDIR/tests/mta/columns.sh"
mta_module
mta_syslog
mta_user haproxy 903
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
port=443 starttls=- mta_quit=

serve='program "haproxy" { }'
programs=$serve
ident='haproxy[^ ]*: '
certificates --group haproxy
jail=/var/lib/haproxy
mkdir -p /etc/haproxy/certs $jail
fixtures_leaf certs local --san local.example
cp own.pem /etc/haproxy/own.pem
cp certs/local.pem /etc/haproxy/certs/
haproxy_config() { # CHROOT, or nothing
	cat >/etc/haproxy.cfg <<-CF
		global
			log /dev/log local0
			user haproxy
			group haproxy
			nbthread 2
			${1:+chroot $1}
		defaults
			mode http
			log global
			timeout client 60s
			timeout server 60s
			timeout connect 10s
		frontend tls
			bind 127.0.0.1:443 ssl crt /etc/haproxy/own.pem crt /etc/haproxy/certs
			use_backend right if { path /right }
			use_backend wrong if { path /wrong }
			http-request return status 200 content-type text/plain string here unless { path /right /wrong }
		backend right
			http-request set-path /
			server self 127.0.0.1:443 ssl verify required ca-file /etc/ssl/fixture-root.crt sni str(mail.customer-a.example) verifyhost mail.customer-a.example
		backend wrong
			http-request set-path /
			server self 127.0.0.1:443 ssl verify required ca-file /etc/ssl/fixture-root.crt sni str(nobody.example) verifyhost nobody.example
	CF
}
haproxy_start() {
	OPENSSL_CONF=$openssl_cnf haproxy $way -f /etc/haproxy.cfg >"$work/haproxy.out" 2>&1 &
	server=$!
	pids="$pids $server"
	mta_wait 'HAProxy' mta_listening 443 || cat "$work/haproxy.out"
}
haproxy_stop() { kill $server; wait $server 2>/dev/null; }
again() { haproxy_stop; haproxy_start; }
get() { # PATH
	printf 'GET %s HTTP/1.0\r\n\r\n' $1 | timeout $mta_patience openssl s_client -quiet -servername mail.customer-b.example -connect 127.0.0.1:443 2>/dev/null
}
title="HAProxy $(haproxy -v | sed -n 's/^HAProxy version \([0-9]*\.[0-9]*\).*/\1/p')"

# --- a master and its worker
row "$title" OPENSSL_CONF
way=-W
haproxy_config ''
haproxy_start
for _ in 1 2; do ask 443; done
ask_changes 443
ask_changes 443
ask_resume 443
log_from=0
column log
hasnt_logged 'snicert: ' 'all well: the module says nothing'
column client
log_mark
has "$(get /right)" here 'HAProxy as a client, verified'
has "$(get /wrong)" '503 Service' 'HAProxy as a client still refuses a certificate that does not fit'
column -
tool 0 fallback none
is "$(served local.example) $(served nobody.example)" 'local.example own.example' "no fallback: HAProxy's own stand, by name"
fallback
# For a reload the master runs its binary anew, in the environment that it has.
worker=$(pgrep -P $server)
kill -USR2 $server
taken_over() { pgrep -P $server >workers && ! grep -qx "$worker" workers; }
mta_wait 'USR2: a new worker takes over' taken_over
is "$(served mail.customer-a.example)" mail.customer-a.example 'USR2: the new one has the module, too'
ask_trouble 443

column growth
printf '%s\n' mail.customer-a.example mail.customer-b.example mx.customer-c.example nobody.example >names
worker() { pgrep -x haproxy; }
mta_growth 'master and worker' worker --names names
column -

# --- unknown = own
own='program "haproxy" { unknown = "own" }'
mta_conf "$own"
again
known_and_own() { # WHAT
	for v in tls1_2 tls1_3; do
		is "$(served mail.customer-a.example -$v)" mail.customer-a.example "$1, $v: a known name gets the store's chain"
		is "$(served nobody.example -$v)" own.example "$1, $v: an unknown one HAProxy's own"
		is "$(served local.example -$v)" local.example "$1, $v: … by the name, if HAProxy has it"
		is "$(served - -$v)" own.example "$1, $v: … and so no name"
	done
	fixtures_leaf certs mail.customer-a.example
	tool 0 import certs/mail.customer-a.example.pem
	is "$(leaf_of mail.customer-a.example)" "$(sha_of certs/mail.customer-a.example.crt)" "$1: a renewal is served at once"
}
known_and_own 'unknown = own'

# --- in a chroot, one process
row "$title -db, chroot" OPENSSL_CONF
way=-db
jailed=yes
mta_conf "$own"
haproxy_config $jail
again
known_and_own 'chroot, unknown = own'
mta_conf "$serve"
again
ask 'chroot'
ask_changes 'chroot'
ask_resume 'chroot'
column client
has "$(get /right)" here 'chroot: HAProxy as a client, verified'
column -
ask_trouble 'chroot'

# --- in a chroot, a master and its worker: it can't open the store again
matrix_row=
way=-W
fixtures_leaf certs b --san mail.customer-b.example
cp certs/b.pem /etc/haproxy/certs/
log_mark
again
is "$(served mail.customer-a.example)" own.example "the store out of reach: HAProxy's own, not the store's fallback"
is "$(leaf_of mail.customer-b.example)" "$(sha_of certs/b.crt)" '… by the name, if HAProxy has it'
logged "$ident.*snicert: .*$store" '… and the log says so'
mkdir -p "$jail/var/lib/snicert"
mount --bind /var/lib/snicert "$jail/var/lib/snicert" && mount -o remount,bind,ro "$jail/var/lib/snicert" ||
	not_ok 'the store in the chroot, not to be written'
rm /etc/haproxy/certs/b.pem
again
ask 'chroot that has the store'
ask_changes 'chroot that has the store'
haproxy_stop
umount "$jail/var/lib/snicert"
lib_finish
