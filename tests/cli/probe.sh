#!/bin/sh
# SPDX-License-Identifier: ISC
# probe.sh: `snicert probe` in each protocol with STARTTLS, and of many hosts at once.
# shellcheck disable=SC1091,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start probe

# A server of another protocol up to TLS, which is that of the server at $port.
cat >front.pl <<'PERL'
use strict; use warnings; use IO::Socket::INET; use IO::Select;
my ($protocol, $backend, $port_file) = @ARGV;
$SIG{CHLD} = 'IGNORE';
my %turns = (
	imap => ["* OK ready\r\n", 'a\d+ CAPABILITY' => "* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK\r\n", 'a\d+ STARTTLS' => "a2 OK go\r\n"],
	pop3 => ["+OK ready\r\n", 'CAPA' => "+OK\r\nSTLS\r\n.\r\n", 'STLS' => "+OK go\r\n"],
	lmtp => ["220 lmtp\r\n", 'LHLO .*' => "250-x\r\n250 STARTTLS\r\n", 'STARTTLS' => "220 go\r\n"],
	silent => ['', '.*' => '', '.*' => ''],
);
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 20, ReuseAddr => 1) or die;
open(my $out, '>', "$port_file.new") or die; print $out $listener->sockport, "\n"; close $out;
rename "$port_file.new", $port_file;
while (1) {
	my $client = $listener->accept or next;
	next if fork;
	my @turns = @{$turns{$protocol}};
	syswrite $client, shift @turns;
	while (my ($wanted, $answer) = splice @turns, 0, 2) {
		my $line = '';
		while ($line !~ /\n/) { sysread($client, my $octet, 1) or exit; $line .= $octet; }
		$line =~ /^$wanted\r\n$/ or exit;
		syswrite $client, $answer;
	}
	my $server = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$backend") or exit;
	my $both = IO::Select->new($client, $server);
	while (1) {
		for my $from ($both->can_read) {
			sysread($from, my $octets, 16384) or exit;
			syswrite(($from == $client ? $server : $client), $octets);
		}
	}
}
PERL
front() { # PROTOCOL: its port is in $front
	perl front.pl $1 $port $1.port &
	pids="$pids $!"
	await "the $1 server" test -s $1.port
	front=$(cat $1.port)
}

own_certificate
new_store "$work/s"
cheap_key key.ec
for name in a b; do
	cheap_chain $name.pem key.ec $name.example
	snicert import $name.pem >/dev/null 2>&1 || not_ok "import of $name"
done
tool 0 fallback "$(chain_of a.example)"
start_mta plain
smtp=$port
start_mta implicit --smtps
tls=$port
front imap && imap=$front
front pop3 && pop3=$front
front lmtp && lmtp=$front
front silent && silent=$front
unreached=127.0.0.1:1

# --- protocols -----------------------------------------------------------------

for protocol in imap pop3 lmtp; do
	eval "at=\$$protocol"
	tool 0 probe --json --protocol $protocol 127.0.0.1:$at b.example
	json_is out '$[0].store' same "$protocol: a handshake"
	json_is out '$[0].protocol' $protocol "$protocol: which protocol"
	tool 1 probe --json --timeout 1 127.0.0.1:$at b.example
	json_is out '$[0].tls' '' "$protocol: SMTP is not what it speaks"
done
tool 0 probe --json 127.0.0.1:$smtp b.example
json_is out '$[0].protocol' smtp 'SMTP, untold'
tool 0 probe --json --implicit --protocol imap 127.0.0.1:$tls b.example
json_is out '$[0].protocol' tls 'TLS at once has no protocol ahead of it'
refused 2 'imaps is not a protocol: use smtp, lmtp, imap or pop3' probe --protocol imaps 127.0.0.1
for of in 'imap 143' 'pop3 110' 'lmtp 24' 'smtp 25'; do
	tool 3 probe --timeout 2 --protocol ${of% *} 127.255.255.254
	has "$(cat err)" "port ${of#* }" "the port of ${of% *}"
done

# --- many hosts ----------------------------------------------------------------

tool 0 probe 127.0.0.1:$smtp 127.0.0.1:$smtp b.example
is "$(sed 1d out | awk '{ print $1, $2, $9 }')" "127.0.0.1:$smtp b.example same
127.0.0.1:$smtp b.example same" 'a row a host'
has "$(head -n 1 out)" 'Host  *Name  *Asked' 'with its column'
tool 0 probe 127.0.0.1:$smtp b.example a.example
hasnt "$(head -n 1 out)" 'Host' 'one host has none'
is "$(wc -l <out)" 5 '… but a row for each type of key'

printf '# ours\n127.0.0.1:%s\n\n  127.0.0.1:%s # again\r\n%s\n' $smtp $smtp $unreached >hosts
tool 3 probe --json --hosts hosts b.example
json_valid out 'probe --hosts'
is "$(sqlite3 :memory: "SELECT group_concat(json_extract(value, '\$.port') || ' ' || ifnull(json_extract(value, '\$.store'), '-'), ', ')
	FROM json_each(CAST(readfile('out') AS TEXT))")" "$smtp same, $smtp same, 1 -" 'a file of hosts, in its order'
is "$(cat err)" 'snicert: not reached: 1 of 3 hosts' 'how many were not reached'
has "$(json out '$[2].error')" "can't connect to 127.0.0.1 port 1" 'one that is not reached has a row'
json_members out '$[0]' 'host port protocol name asked tls key_type not_after sha256 name_matches store store_chain handshake_ms error' 'probe --json: its members'
cp hosts in
tool_input=$work/in tool 3 probe --hosts - b.example
is "$(grep -c ' same ' out)" 2 'hosts from standard input'
tool 3 probe 127.0.0.1:$smtp $unreached
is "$(wc -l <out)" 3 'without a name, a row each'

# The worst decides, wherever it stands: 3 not reached, 1 another chain, 0 as in the store.
sqlite3 "$store" "UPDATE binding SET chain = 1 WHERE name = 'b.example'" || not_ok 'b.example has the other chain'
tool 0 probe 127.0.0.1:$smtp 127.0.0.1:$smtp a.example
tool 1 probe 127.0.0.1:$smtp 127.0.0.1:$smtp b.example a.example
tool 3 probe $unreached 127.0.0.1:$smtp a.example
tool 3 probe 127.0.0.1:$smtp $unreached b.example
tool 3 probe $unreached a.example
is "$(cat out)" '' 'one host that is not reached: no table'

refused 3 "can't read none" probe --hosts none
printf '# nobody\n' >hosts
refused 2 'hosts has no hosts' probe --hosts hosts
printf 'a.example b.example\n' >hosts
refused 2 'a.example: write only one host per line' probe --hosts hosts
printf 'a.example:99999\n' >hosts
refused 2 'a port is a number' probe --hosts hosts

# Those that are dead silent are waited for together.
: >hosts
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do echo 127.0.0.1:$silent >>hosts; done
began=$(date +%s)
tool 1 probe --timeout 2 --hosts hosts a.example
is "$(grep -c 'timed out' out)" 16 'silent servers: each has its row'
[ $(($(date +%s) - began)) -lt 12 ]
is $? 0 'and their time-outs run beside each other'
lib_finish
