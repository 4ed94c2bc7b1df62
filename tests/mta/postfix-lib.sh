# SPDX-License-Identifier: ISC
# shellcheck shell=sh disable=SC2034,SC2046,SC2154
# postfix-lib.sh: a Postfix of one's own; after mta_start of tests/mta/lib.sh.
#
#   postfix_setup                    users, syslog, module, its own chains (own.example), main.cf.proto …
#   postfix_main LINES               main.cf; postfix_master <SERVICES: master.cf, the daemons added
#   postfix_start / postfix_stop / postfix_again     listening on all of $ports
#   postfix_ids SAN                  the chains of the store that are for that name
#   $postfix                         "Postfix 3.7"

postfix_setup() {
	mta_user postfix 901 postfix 901
	echo 'postdrop:x:902:' >>/etc/group
	mta_module
	mta_syslog
	LC_ALL=C
	export LC_ALL
	mkdir -p /var/mail/vhosts certs /var/spool/postfix/etc
	chown nobody /var/mail/vhosts
	cp /usr/share/postfix/dynamicmaps.cf /etc/postfix/
	cp /usr/share/postfix/main.cf.dist /etc/postfix/main.cf.proto
	cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf.proto
	cp /usr/share/postfix/makedefs.out /etc/postfix/
	fixtures_leaf certs own.ec --san own.example
	fixtures_leaf certs own.rsa --rsa --san own.example
	cp certs/own.ec.pem certs/own.rsa.pem /etc/postfix/
	chmod 600 /etc/postfix/own.*.pem
	postfix=$(postconf -dh mail_version 2>/dev/null | sed 's/^\([0-9]*\.[0-9]*\).*/Postfix \1/')
}
postfix_main() {
	cat >/etc/postfix/main.cf <<-CF
		compatibility_level = 3.6
		myhostname = mx.provider.example
		mydestination =
		inet_interfaces = 127.0.0.1
		inet_protocols = ipv4
		mynetworks = 127.0.0.0/8
		smtpd_peername_lookup = no
		smtp_host_lookup = native
		smtp_dns_support_level = disabled
		virtual_mailbox_domains = customer-a.example, customer-b.example
		virtual_mailbox_base = /var/mail/vhosts
		virtual_mailbox_maps = static:inbox
		virtual_uid_maps = static:65534
		virtual_gid_maps = static:65534
		alias_maps =
		alias_database =
		maximal_backoff_time = 5s
		minimal_backoff_time = 5s
		max_use = 100000
		max_idle = 300s
		smtpd_client_connection_count_limit = 0
		smtpd_tls_chain_files = /etc/postfix/own.rsa.pem, /etc/postfix/own.ec.pem
		smtpd_tls_security_level = may
		smtpd_tls_loglevel = 1
		smtpd_tls_session_cache_database = btree:\$data_directory/smtpd_scache
		smtp_tls_CAfile = /etc/ssl/fixture-root.crt
		smtp_tls_security_level = secure
		smtp_tls_secure_cert_match = hostname
		smtp_tls_servername = hostname
		smtp_tls_loglevel = 1
		$(echo "$1" | sed 's/^[[:space:]]*//')
	CF
}
postfix_master() {
	cat >/etc/postfix/master.cf <<-CF
		$(cat)
		dnsblog   unix  -       -       y       -       0       dnsblog
		pickup    unix  n       -       y       60      1       pickup
		cleanup   unix  n       -       y       -       0       cleanup
		qmgr      unix  n       -       n       300     1       qmgr
		tlsmgr    unix  -       -       y       1000?   1       tlsmgr
		rewrite   unix  -       -       y       -       -       trivial-rewrite
		bounce    unix  -       -       y       -       0       bounce
		defer     unix  -       -       y       -       0       bounce
		trace     unix  -       -       y       -       0       bounce
		verify    unix  -       -       y       -       1       verify
		flush     unix  n       -       y       1000?   0       flush
		proxymap  unix  -       -       n       -       -       proxymap
		smtp      unix  -       -       y       -       -       smtp
		showq     unix  n       -       y       -       -       showq
		error     unix  -       -       y       -       -       error
		retry     unix  -       -       y       -       -       error
		discard   unix  -       -       y       -       -       discard
		virtual   unix  -       n       n       -       -       virtual
		anvil     unix  -       -       y       -       1       anvil
		scache    unix  -       -       y       -       1       scache
		postlog   unix-dgram n  -       n       -       1       postlogd
	CF
	cp /etc/hosts /etc/nsswitch.conf /etc/resolv.conf /etc/services /var/spool/postfix/etc/
	postfix set-permissions >"$work/permissions.out" 2>&1 || not_ok 'postfix set-permissions' "$(cat "$work/permissions.out")"
}
postfix_start() {
	log_mark
	postfix start >>"$work/postfix.out" 2>&1 || not_ok 'Postfix starts' "$(tail -n 5 "$work/postfix.out")"
	postfix_listens
}
postfix_stop() { postfix stop >>"$work/postfix.out" 2>&1; }
# Without its second of patience.
postfix_again() {
	kill $(cat /var/spool/postfix/pid/master.pid)
	mta_wait 'Postfix stops' postfix_gone
	postfix_start
}
postfix_listens() {
	for _port in $ports; do
		mta_wait "port $_port" mta_listening "$_port" || return 1
	done
}
# The reload is a signal: over when those that served before it are gone, or hold a connection still.
postfix_reload() {
	_served=$(pgrep -x 'smtpd|tlsproxy')
	postfix reload >>"$work/postfix.out" 2>&1 || not_ok 'postfix reload' "$(tail -n 5 "$work/postfix.out")"
	mta_wait 'postfix reload: what served before is gone, or busy' postfix_followed $_served
}
postfix_followed() { # PID…: none of them is there without a client
	perl -e 'my %open;
		for my $tcp (glob "/proc/net/tcp*") {
			open(my $in, "<", $tcp) or next;
			while (<$in>) { my @f = split; $open{$f[9]} = 1 if $f[3] eq "01" }
		}
		PID: for my $pid (@ARGV) {
			next unless -e "/proc/$pid/exe";
			for (glob "/proc/$pid/fd/*") { next PID if (readlink // "") =~ /^socket:\[(\d+)\]/ && $open{$1} }
			next unless -e "/proc/$pid/exe";
			print "$pid has no client\n";
			exit 1;
		}' "$@"
}
postfix_gone() { ! pgrep -x 'smtpd|tlsproxy|smtp|master|qmgr'; }
postfix_ids() {
	snicert list --chains --json >"$work/chains.json"
	sqlite3 :memory: "SELECT group_concat(json_extract(value, '\$.chain'), ' ')
		FROM json_each(CAST(readfile('$work/chains.json') AS TEXT)) WHERE value LIKE '%$1%'"
}
