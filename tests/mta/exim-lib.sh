# SPDX-License-Identifier: ISC
# shellcheck shell=sh disable=SC1091,SC2317,SC1003,SC2034,SC2046,SC2086,SC2094,SC2154
# exim-lib.sh: what exim.sh (OpenSSL) and exim-gnutls.sh share.  The script says
# where Exim is ($exim), how it is configured (exim_tls: the main options about
# TLS) and what it does differently, and runs
#
#   exim_setup                 users, certificates, store, configuration
#   exim_start / exim_stop     the daemon and the two that start Exim per connection
#   exim_names, exim_resumption, exim_changes, exim_mail, exim_troubles, exim_growth
#                              the columns of the matrix, in each of four places
#
# Where: `daemon` (-bdf), `smtps` (the same, TLS on connect), `inetd` (-bs, the
# connection as its standard input) and `pipes` (-bs, run by an ordinary user;
# not with GnuTLS, which wants a socket there).

daemon=2525 smtps=4465 inetd=2600 pipes=2601
each='daemon smtps inetd pipes'
log_dir=/var/log/exim

exim_conf() { # writes the configuration, with what exim_tls (and exim_acl) print
	cat >$exim_conf <<-CF
		primary_hostname = mx.provider.example
		daemon_smtp_ports = $daemon : $smtps
		tls_on_connect_ports = $smtps
		local_interfaces = 127.0.0.1 : 127.0.0.2
		disable_ipv6
		log_file_path = $log_dir/%slog
		log_selector = +tls_sni +tls_peerdn +tls_certificate_verified +received_recipients +pid
		spool_directory = /var/spool/exim
		exim_user = Debian-exim
		exim_group = Debian-exim
		keep_environment =
		host_lookup =
		rfc1413_query_timeout = 0s
		smtp_accept_max = 200
		smtp_enforce_sync = false
		tls_advertise_hosts = *
		tls_resumption_hosts = *
		$(exim_tls)
		acl_smtp_rcpt = all
		begin acl
		all:
		  accept
		$(exim_acl)
		begin routers
		inbox:
		  driver = accept
		  condition = \${if >{\$received_port}{0}}
		  transport = mailbox
		out:
		  driver = manualroute
		  route_list = far.example smtp.customer-a.example byname ; wrong.example wrong.example byname
		  self = send
		  transport = smtp
		begin transports
		mailbox:
		  driver = appendfile
		  file = /var/mail/exim/inbox
		  user = Debian-exim
		  group = mail
		  check_owner = false
		smtp:
		  driver = smtp
		  port = $daemon
		  allow_localhost
		  hosts_require_tls = *
		  hosts_try_fastopen =
		  tls_verify_certificates = /etc/ssl/fixture-root.crt
		  tls_verify_hosts = *
		  tls_verify_cert_hostnames = *
		  tls_sni = \$host
		begin retry
		* * F,1h,10m
	CF
}
exim_acl() { :; }

exim_setup() {
	mta_user Debian-exim 903 Debian-exim 903
	mta_module
	chmod 644 /etc/ssl/fixture-root.crt
	mta_syslog
	mkdir -p $log_dir /var/spool/exim /var/mail/exim
	log=$log_dir/mainlog
	: >$log
	chown -R Debian-exim: $log_dir /var/spool/exim /var/mail/exim
	ln -s $log "$work/mainlog.mta.log"
	export LC_ALL=C
	starttls=smtp
	# Exim's own log has who goes in the middle of a mail.
	log_marker() { # MARK
		perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]", Timeout => 60) or exit 1;
			my $said; for my $command ("", "EHLO $ARGV[1]\r\n", "MAIL FROM:<>\r\n") {
				print $s $command;
				do { $said = <$s> } while defined $said && $said =~ /^\d+-/;
			}
			exit !defined $said' $daemon "$1"
	}

	mkdir certs
	fixtures_leaf certs smtp.customer-a.example
	fixtures_leaf certs smtp.customer-b.example --rsa
	fixtures_leaf certs two-ec --san smtp.customer-d.example
	fixtures_leaf certs two-rsa --rsa --san smtp.customer-d.example
	fixtures_leaf certs wild --san '*.customer-c.example'
	fixtures_leaf certs fall.ec --san mx.provider.example
	fixtures_leaf certs fall.rsa --rsa --san mx.provider.example
	fixtures_leaf certs fall2 --san mx2.provider.example
	fixtures_leaf certs own --rsa
	cp certs/own.chain.pem /etc/ssl/exim.crt
	cp certs/own.key /etc/ssl/exim.key
	chown Debian-exim /etc/ssl/exim.*
	mta_conf ''
	rmdir /var/lib/snicert
	tool 0 init --group Debian-exim
	tool 0 import certs/smtp.customer-a.example.pem certs/smtp.customer-b.example.pem certs/wild.pem \
		certs/two-ec.pem certs/two-rsa.pem
	tool 0 import --no-bind certs/fall.ec.pem certs/fall.rsa.pem certs/fall2.pem
	fallbacks="$(sha_of certs/fall.ec.crt) $(sha_of certs/fall.rsa.crt)"
	tool 0 fallback $fallbacks
	printf '127.0.0.1 smtp.customer-a.example\n127.0.0.2 wrong.example\n' >>/etc/hosts

	# Exim per connection: with the connection itself as its standard input and
	# output, or with pipes, as a program of an ordinary user's would.
	cat >per-connection <<-'PERL'
		use strict; use IO::Socket::INET; use IO::Select; use POSIX;
		my ($how, $port, $user, @exim) = @ARGV;
		my $listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port", Listen => 128, ReuseAddr => 1) or die "$port: $!\n";
		$SIG{CHLD} = "IGNORE";
		sub exim {
			my ($in, $out) = @_;
			POSIX::dup2($in, 0); POSIX::dup2($out, 1); POSIX::dup2($out, 2) if $how eq "inetd";
			POSIX::close($_) for 3 .. 63;
			if ($user) { POSIX::setgid($user); $) = "$user $user"; POSIX::setuid($user); }
			exec @exim;
		}
		while (1) {
			my $peer = $listener->accept or next;
			if (fork) { close $peer; next }
			exim(fileno $peer, fileno $peer) if $how eq "inetd";
			$SIG{PIPE} = "IGNORE";
			pipe my $there, my $send; pipe my $receive, my $back;
			my $child = fork;
			exim(fileno $there, fileno $back) unless $child;
			close $there; close $back;
			my $select = IO::Select->new($peer, $receive);
			LOOP: while (my @ready = $select->can_read) {
				for my $from (@ready) {
					my $n = sysread $from, my $octets, 65536;
					if (!$n) { last LOOP if $from == $receive; $select->remove($peer); close $send; next }
					syswrite $from == $peer ? $send : $peer, $octets;
				}
			}
			exit;
		}
	PERL
	cat >names <<-NAMES
		smtp.customer-a.example
		smtp.customer-b.example
		mx.customer-c.example
		nobody.example
	NAMES
	exim_conf
}

exim_start() {
	log_mark
	$exim -bdf >"$work/exim.out" 2>&1 &
	exim_pid=$!
	perl per-connection inetd $inetd 0 $exim -bs >>"$work/exim.out" 2>&1 &
	inetd_pid=$!
	perl per-connection pipes $pipes 65534 $exim -bs >>"$work/exim.out" 2>&1 &
	pipes_pid=$!
	pids="$pids $exim_pid $inetd_pid $pipes_pid"
	for p in $daemon $smtps $inetd $pipes; do
		mta_wait "port $p" mta_listening $p || { cat "$work/exim.out" "$log"; return 1; }
	done
}
exim_stop() {
	kill $exim_pid $inetd_pid $pipes_pid
	wait $exim_pid $inetd_pid $pipes_pid 2>/dev/null
}
again() { exim_stop; exim_start; }

at() { # WHERE: sets $port and $starttls
	eval "port=\$$1"
	starttls=smtp
	[ $1 != smtps ] || starttls=-
}
on() { # WHERE NAME|- [OPTION…]: whose certificate
	at $1
	shift
	served "$@"
}

exim_names() { # the matrix's columns of a store in good order
	column nosni
	for w in $each; do is "$(on $w -)" mx.provider.example "$w: no name gets the fallback"; done
	column known
	for w in $each; do
		is "$(on $w smtp.customer-a.example)" smtp.customer-a.example "$w: a known name"
		is "$(on $w SMTP.Customer-A.Example -tls1_2)" smtp.customer-a.example "$w: TLS 1.2, capitals"
		is "$(on $w smtp.customer-a.example -groups P-521:P-256)" smtp.customer-a.example "$w: HelloRetryRequest"
		is "$(on $w smtp.customer-d.example $rsa_only)/$(key_served)" smtp.customer-d.example/RSA "$w: two key types: RSA"
		is "$(on $w smtp.customer-d.example -sigalgs ECDSA+SHA256)/$(key_served)" smtp.customer-d.example/ECDSA "$w: two key types: ECDSA"
	done
	column unknown
	for w in $each; do
		is "$(on $w nobody.example)" mx.provider.example "$w: an unknown name gets the fallback"
		is "$(on $w 'smtp.customer-a.example\')" "${odd:-mx.provider.example}" "$w: a name that ends in a backslash"
		is "$(on $w '../../etc/ssl/exim')" "${odd:-mx.provider.example}" "$w: a name that is a path"
		is "$(on $w "$(printf %0250d 0)")" mx.provider.example "$w: a name that is too long"
	done
	column wildcard
	for w in $each; do
		is "$(on $w mx1.customer-c.example)" '*.customer-c.example' "$w: a wildcard"
		is "$(on $w a.mx1.customer-c.example)" mx.provider.example "$w: two labels deep"
	done
	column rsa
	for w in $each; do
		is "$(on $w smtp.customer-a.example $rsa_only)/$(key_served)" mx.provider.example/RSA "$w: RSA only, the name has ECDSA"
		is "$(on $w smtp.customer-b.example $rsa_only)/$(key_served)" smtp.customer-b.example/RSA "$w: RSA only, the name has it"
	done
	column two
	for w in $each; do
		is "$(on $w smtp.customer-a.example) $(on $w smtp.customer-b.example)" \
			'smtp.customer-a.example smtp.customer-b.example' "$w: two names in turn"
	done
}

exim_resumption() {
	column resume
	for w in daemon smtps; do
		at $w
		for version in tls1_2 tls1_3; do
			mta_session smtp.customer-a.example -$version
			handshake smtp.customer-a.example -$version -sess_in session >handshake
			has "$(cat handshake)" 'Reused, TLS' "$w: resumption, $version"
		done
	done
}

exim_changes() {
	before=$exim_pid
	column renewal
	for w in $each; do
		fixtures_leaf certs smtp.customer-a.example
		tool 0 import certs/smtp.customer-a.example.pem
		at $w
		is "$(leaf_of smtp.customer-a.example)" "$(sha_of certs/smtp.customer-a.example.crt)" "$w: a renewal is served at once"
	done
	column fallback
	tool 0 fallback "$(sha_of certs/fall2.crt)"
	for w in $each; do is "$(on $w nobody.example)" mx2.provider.example "$w: another fallback is served at once"; done
	tool 0 fallback $fallbacks
	for w in $each; do is "$(on $w -)" mx.provider.example "$w: … and the first one again"; done
	tool 0 import --no-bind certs/smtp.customer-b.example.pem
	tool 0 fallback --address 127.0.0.1 "$(sha_of certs/smtp.customer-b.example.crt)"
	for w in daemon smtps inetd; do
		is "$(on $w nobody.example)" smtp.customer-b.example "$w: the fallback of an address"
	done
	tool 0 fallback --address 127.0.0.1 none
	is "$exim_pid" "$before" 'all in the same daemon'
}

exim_mail_out() { # RECIPIENT
	printf 'From: a@provider.example\nTo: %s\nSubject: out\n\nhello\n' "$1" | $exim -f a@provider.example "$1"
}
exim_mail() {
	column client
	log_mark
	exim_mail_out someone@far.example
	logged "=> someone@far.example R=out T=smtp H=smtp.customer-a.example.* X=TLS.*CV=yes.*C=\"250" \
		'Exim as a client verifies the vanity name, and delivers'
	column log
	logged "<= a@provider.example H=.* P=esmtps X=TLS.* SNI=smtp.customer-a.example" 'Exim as a server logs the name'
	column client
	logged '=> [a-z]* <someone@far.example> R=inbox T=mailbox' '… and has the mail in the mailbox'
	has "$(cat /var/mail/exim/inbox)" 'Subject: out' '… where it can be read'
	exim_mail_out someone@wrong.example
	mta_wait 'the other mail is tried' log_has '== someone@wrong.example'
	logged '== someone@wrong.example R=out T=smtp defer.*H=wrong.example.*TLS session: ' \
		'Exim as a client still refuses a certificate that does not fit, and keeps the mail'
	hasnt_logged 'snicert: ' 'the client: the module says nothing'
	$exim -Mrm $($exim -bp | grep -oE '[0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4}') >/dev/null
	column log
	log_mark
	for name in smtp.customer-b.example nobody.example; do
		swaks --server 127.0.0.1 --port $daemon --tls --tls-sni $name --from sender@example.org --to info@$name \
			--ehlo client.example.org >swaks.out 2>&1 || not_ok "swaks, $name" "$(tail -n 5 swaks.out)"
		logged "<= sender@example.org H=(client.example.org) .*SNI=$name " "the log has SNI=$name"
	done
	hasnt_logged 'SNI=""\|TLS error' 'no trouble in the log'
}

exim_growth() {
	at daemon
	mta_growth "$1" "echo $exim_pid" --names names
}

# The store goes away; the key, too; the configuration is broken: $1 is what
# ends up there, everywhere, and the log has $2.
exim_own() { # WHAT LOG-PATTERN [WHOSE]
	log_mark
	for w in $each; do
		is "$(on $w smtp.customer-b.example)" "${3:-own.example}" "$w: $1: ${3:-own.example}"
		is "$(on $w -)" $([ -n "${3:-}" ] && echo mx.provider.example || echo own.example) "$w: $1, no name"
	done
	[ -z "$2" ] || logged "snicert: .*$2" "$1: Exim's main log has it"
}
exim_troubles() {
	column nostore
	mkdir hidden && mv /var/lib/snicert/store.db* hidden/
	exim_own 'no store' 'store /var/lib/snicert/store.db: .*No such file.*'
	mv hidden/store.db* /var/lib/snicert/
	is "$(on daemon smtp.customer-b.example)" smtp.customer-b.example 'the store is back: served at once'
	column nokey
	chgrp root $store_key && chmod 600 $store_key
	exim_own 'a key that only root reads' "store key: can't open $store_key: Permission denied"
	chmod 644 $store_key
	exim_own 'a key that everybody reads' "$store_key has the unsafe mode 0644.*chmod g-wx,o-rwx"
	chmod 640 $store_key && chgrp Debian-exim $store_key
	mv $store_key $store_key.away
	exim_own 'no key' "store key: can't open $store_key: No such file"
	mv $store_key.away $store_key
	is "$(on daemon smtp.customer-b.example)" smtp.customer-b.example 'the key is back: served at once'
	column badconf
	mta_conf 'expired = "later"'
	exim_own 'a bad value' "$conf:2: expired = \\\\\"later\\\\\": want serve or fallback; using the default" smtp.customer-b.example
	mta_conf 'cache { memory = '
	exim_own 'a mistake' "$conf:" smtp.customer-b.example
	echo 'store { path = "/nonexistent" }' >$conf
	exim_own 'another store' 'store /nonexistent: '
	rm $conf
	exim_own 'no such file' ".*$conf.*No such file"
	mta_conf ''
	chmod 666 $conf
	exim_own 'a file that anybody may write' "$conf has the unsafe mode 0666"
	chmod 644 $conf
	mv /usr/lib/snicert/snicert.so "$work/"
	exim_own 'no module' ''
	mv "$work/snicert.so" /usr/lib/snicert/
	is "$(on daemon smtp.customer-b.example)" smtp.customer-b.example 'all is well again'
	column -
}

exim_finish() {
	exim_stop
	gone() { ! pgrep -f "^$exim -b"; }
	mta_wait 'all of it ends' gone && ok 'all of it ends'
	lib_finish
}
