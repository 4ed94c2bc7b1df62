#!/bin/sh
# SPDX-License-Identifier: ISC
# stunnel.sh: anything else on OpenSSL: Debian's stunnel, unmodified, threads,
# the module by OPENSSL_CONF.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start stunnel stunnel4
mta_module
mta_syslog
port=4443 starttls=-

mkdir certs
fixtures_leaf certs a.example
fixtures_leaf certs b.example --rsa
fixtures_leaf certs fall --san mx.provider.example
cheap_key own.key
cheap_chain own own.key own.example
mta_conf 'program "stunnel4" { }'
rmdir /var/lib/snicert
tool 0 init --group daemon
tool 0 import certs/a.example.pem certs/b.example.pem
tool 0 import --no-bind certs/fall.pem
tool 0 default "$(sha_of certs/fall.crt)"
cat >/etc/stunnel.conf <<-CF
	foreground = yes
	syslog = yes
	setuid = daemon
	setgid = daemon
	pid =
	[echo]
	accept = 127.0.0.1:4443
	connect = 127.0.0.1:9
	cert = $work/own
	[client]
	client = yes
	accept = 127.0.0.1:4444
	connect = 127.0.0.1:4443
	sni = a.example
	verifyChain = yes
	checkHost = a.example
	CAfile = /etc/ssl/fixture-root.crt
CF
chmod 600 own
stunnel_start() {
	OPENSSL_CONF=$openssl_cnf stunnel4 /etc/stunnel.conf 2>"$work/stunnel.err" &
	server=$!
	pids="$pids $server"
	mta_wait 'stunnel' mta_listening 4443 || cat "$work/stunnel.err"
}
stunnel_stop() { kill $server && wait $server; }
again() { stunnel_stop; stunnel_start; }
stunnel_start
is "$(served a.example)" a.example 'a known name'
is "$(served B.Example)" b.example 'another'
is "$(served nobody.example)" mx.provider.example 'an unknown name'
is "$(served -)" mx.provider.example 'no name'
is "$(served a.example $rsa_only)" 'no handshake' 'RSA only, and neither the name nor the fallback has RSA'
fixtures_leaf certs a.example
tool 0 import certs/a.example.pem
is "$(leaf_of a.example)" "$(sha_of certs/a.example.crt)" 'a renewal is served at once'
echo | timeout 3 perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new("127.0.0.1:4444"); read $s, my $x, 1'
logged 'Certificate accepted.*depth=0.*a.example' 'stunnel as a client verifies the name'
hasnt_logged 'snicert: ' 'all well: the module says nothing'
rm $store_key
again
is "$(served a.example)" own.example "no key: stunnel's own certificate"
logged 'snicert: .*store.key' '… and syslog says why'
lib_finish
