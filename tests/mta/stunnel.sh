#!/bin/sh
# SPDX-License-Identifier: ISC
# stunnel.sh: anything else on OpenSSL: Debian's stunnel, unmodified, with
# threads, in front of a server without TLS: TLS on connect, and STARTTLS by its
# protocol = smtp.  The module by OPENSSL_CONF; stunnel starts as root.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start stunnel stunnel4
. "$SNICERT_SRCDIR/tests/mta/columns.sh"
mta_module
mta_syslog
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

programs='program "stunnel4" { }'
ident='stunnel[^ ]*: '
certificates --group daemon
cp own.pem /etc/ssl/own.pem
# The server behind: an SMTP server as far as the greeting and QUIT.
cat >backend.pl <<'PL'
use IO::Socket::INET; $SIG{CHLD} = "IGNORE";
my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:2500", Listen => 128, ReuseAddr => 1) or die;
while (my $c = $s->accept) {
	if (fork) { close $c; next }
	$c->autoflush(1); print $c "220 mx ESMTP\r\n";
	while (<$c>) { print $c /^EHLO/i ? "250 mx\r\n" : /^QUIT/i ? "221 bye\r\n" : "250 ok\r\n"; last if /^QUIT/i }
	exit
}
PL
perl backend.pl &
pids="$pids $!"
mta_wait 'the server behind' mta_listening 2500
cat >/etc/stunnel.conf <<-CF
	foreground = yes
	syslog = yes
	debug = info
	setuid = daemon
	setgid = daemon
	pid =
	[implicit]
	accept = 127.0.0.1:465
	connect = 127.0.0.1:2500
	cert = /etc/ssl/own.pem
	[starttls]
	accept = 127.0.0.1:25
	connect = 127.0.0.1:2500
	protocol = smtp
	cert = /etc/ssl/own.pem
	[nowhere]
	accept = 127.0.0.1:4443
	connect = 127.0.0.1:9
	cert = /etc/ssl/own.pem
	sessionCacheSize = 1
	[client]
	client = yes
	accept = 127.0.0.1:4444
	connect = 127.0.0.1:465
	sni = mail.customer-a.example
	verifyChain = yes
	checkHost = mail.customer-a.example
	CAfile = /etc/ssl/fixture-root.crt
	[wrong]
	client = yes
	accept = 127.0.0.1:4445
	connect = 127.0.0.1:465
	sni = nobody.example
	verifyChain = yes
	checkHost = nobody.example
	CAfile = /etc/ssl/fixture-root.crt
CF
stunnel_start() {
	OPENSSL_CONF=$openssl_cnf MALLOC_ARENA_MAX=1 stunnel4 /etc/stunnel.conf 2>"$work/stunnel.err" &
	server=$!
	pids="$pids $server"
	for _port in 25 465; do mta_wait "port $_port" mta_listening $_port || cat "$work/stunnel.err"; done
}
stunnel_stop() { kill $server; wait $server; }
again() { stunnel_stop; stunnel_start; }
on() { # PORT
	port=$1 starttls=smtp
	[ $1 = 25 ] || starttls=-
}
row "stunnel $(stunnel4 -version 2>&1 | sed -n 's/^stunnel \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)" OPENSSL_CONF
stunnel_start
for p in 25 465; do
	on $p
	ask $p
	ask_changes $p
	ask_resume $p
done
# One context after another in each thread: the name of one connection is nothing to the next.
printf '%s\n' mail.customer-a.example mail.customer-b.example >names
column two
mta_load 400 --names names --expect-san && ok 'two names in turn, four at once' || not_ok 'two names in turn, four at once' "$(cat load.out load.err)"

column client
log_mark
through() { printf 'QUIT\r\n' | timeout $mta_patience perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new("127.0.0.1:$ARGV[0]"); print $s "QUIT\r\n"; print while <$s>' $1; }
has "$(through 4444)" '221 bye' 'stunnel as a client: verified, and something passes'
logged 'Certificate accepted.*depth=0.*mail.customer-a.example' '… and its log says so'
is "$(through 4445)" '' 'stunnel as a client still refuses a certificate that does not fit'
logged 'stunnel.*CERT: \(Subject checks failed\|No matching host name found\)' '… and its log says so'
column log
logged 'stunnel.*\(TLS accepted\|Service .implicit. accepted\)' 'stunnel logs its connections'
log_from=0
hasnt_logged 'snicert: ' 'all well: the module says nothing'
column -

on 25
ask_trouble 25

# It reads its configuration anew in the process that it is: as daemon, which has no right to
# the key of root's nor to a port below 1024, so another key and other ports.
stunnel_stop
chgrp daemon /etc/ssl/own.pem && chmod 640 /etc/ssl/own.pem
cp /etc/stunnel.conf stunnel.conf.before
sed -i 's/^\(.*accept = 127.0.0.1:\)25$/\12525/; s/:465$/:4650/' /etc/stunnel.conf
OPENSSL_CONF=$openssl_cnf stunnel4 /etc/stunnel.conf 2>"$work/stunnel.err" &
server=$!
pids="$pids $server"
mta_wait 'port 2525' mta_listening 2525
on 2525
is "$(served mail.customer-a.example)" mail.customer-a.example 'before HUP'
log_mark
kill -HUP $server
logged 'stunnel.*Configuration successful' 'HUP: stunnel reads its configuration'
mta_wait 'port 2525 after HUP' mta_listening 2525
is "$(served mail.customer-a.example)" mail.customer-a.example 'HUP: the module is there as before'
stunnel_stop
mv stunnel.conf.before /etc/stunnel.conf
stunnel_start
on 25

column growth
printf '%s\n' mail.customer-a.example mail.customer-b.example mx.customer-c.example nobody.example >names
server_pid() { echo $server; }
# Without its cache of sessions and an allocator's arena for each of its threads,
# which grow for long without the module, too; and with no server behind, for
# whose acknowledgements it waits 200 ms in each session.
on 4443
mta_quit=
mta_load 3000 --names names || not_ok 'the first 3,000 connections' "$(cat load.out load.err)"
mta_growth 'stunnel' server_pid --names names
column -
stunnel_stop
lib_finish
