#!/bin/sh
# SPDX-License-Identifier: ISC
# opensmtpd.sh: Debian's OpenSMTPD 6.8, unmodified: STARTTLS and smtps.  Seven
# processes, each of which loads the module by OPENSSL_CONF as root; the one that
# does TLS, "pony express", is then chrooted.  Its own private keys are in
# another process, behind an OpenSSL engine that OpenSSL 3 no longer gets on
# with: see "Without the module".
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start opensmtpd opensmtpd swaks
. "$SNICERT_SRCDIR/tests/mta/columns.sh"
mta_module
mta_syslog
mta_user opensmtpd 931
mta_user opensmtpq 932
mta_user sink 933
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

programs='program "smtpd" { }'
# Before it has opened syslog itself its lines have no pid.
ident='smtpd[^ ]*: '
jailed=yes
certificates --group opensmtpd
openssl req -x509 -new -newkey rsa:2048 -nodes -keyout rsa.key -days 90 -subj /CN=own.example -out rsa.crt 2>/dev/null
mkdir -p /etc/smtpd /var/spool/smtpd
chmod 711 /var/spool/smtpd
cp own.crt own.key rsa.crt rsa.key /etc/smtpd/
chmod 600 /etc/smtpd/*.key
install -d -o sink /var/mail/sink
printf '%s\n' '127.0.0.2 mail.customer-a.example' '127.0.0.3 wrong.example' >>/etc/hosts
cat >/etc/smtpd.conf <<-'CF'
	pki own cert "/etc/smtpd/own.crt"
	pki own key "/etc/smtpd/own.key"
	pki rsa cert "/etc/smtpd/rsa.crt"
	pki rsa key "/etc/smtpd/rsa.key"
	ca "fixtures" cert "/etc/ssl/fixture-root.crt"
	table catchall { "@" = sink }
	listen on 127.0.0.1 port 25 tls pki own hostname mx.provider.example
	listen on 127.0.0.1 port 2525 tls pki rsa hostname mx.provider.example
	listen on 127.0.0.1 port 465 smtps pki own hostname mx.provider.example
	listen on 127.0.0.2 port 2526 tls pki own hostname mx2.provider.example tag far
	listen on 127.0.0.3 port 2526 tls pki own hostname mx2.provider.example tag far
	action "inbox" maildir "/var/mail/sink" virtual <catchall>
	action "out" relay host "smtp+tls://mail.customer-a.example:2526" ca "fixtures"
	action "refused" relay host "smtp+tls://wrong.example:2526" ca "fixtures"
	match tag far from any for any action "inbox"
	match from any for domain "far.example" action "out"
	match from any for domain "refuse.example" action "refused"
	match from any for any action "inbox"
CF
smtpd_start() {
	rm -f /run/smtpd.sock
	env $variable smtpd -F >smtpd.out 2>&1 &
	server=$!
	pids="$pids $server"
	for port in 465 2525 25; do mta_wait "port $port" mta_listening $port || cat smtpd.out; done
	starttls=smtp
}
smtpd_stop() { kill $server; wait $server; }
again() { smtpd_stop; smtpd_start; }

version=$(smtpd -h 2>&1 | sed -n 's/.*OpenSMTPD \([0-9]*\.[0-9]*\).*/\1/p')

# --- Without the module: Debian's OpenSMTPD 6.8 with Debian's OpenSSL 3 fails
# every handshake, with its own message (its issues 1171 and 1239).  So there is
# none to spoil where its own certificate would have to serve, and "own.example"
# below is a certificate that the client saw before that.
variable=NOTHING=1
completes() { handshake "$@" | sed -n '/^ *Verify return code/p;/alert internal error/q' | grep -q . && ! handshake "$@" | grep -q 'alert internal error'; }
smtpd_start
for port in 25 2525; do
	for v in tls1_2 tls1_3; do
		log_mark
		case $version in
		6.*)
			completes - -$v
			is $? 1 "without the module, $port, $v: no handshake"
			logged 'smtp disconnected reason="io-error: error:.*SSL routines' "without the module, $port, $v: … and OpenSMTPD says so"
			;;
		*) completes - -$v && ok "without the module, $port, $v" || not_ok "without the module, $port, $v" "$(handshake - -$v)" ;;
		esac
	done
done

row "OpenSMTPD $version" OPENSSL_CONF
variable=OPENSSL_CONF=$openssl_cnf
again
for port in 25 2525 465; do
	starttls=smtp
	[ $port != 465 ] || starttls=-
	ask $port
	completes mail.customer-a.example && ok "$port: a whole handshake" || not_ok "$port: a whole handshake"
	ask_changes $port
	# It offers no resumption, in itself: the client's session is none, and a handshake is a full one.
	column resume
	for v in tls1_2 tls1_3; do
		mta_session mail.customer-a.example -$v
		is "$(served mail.customer-a.example -$v $([ ! -s session ] || echo -sess_in session))" mail.customer-a.example \
			"$port: again with the session, $v"
		has "$(cat handshake)" 'New, TLS' "$port: … a full handshake, $v"
	done
	column -
done
column log
logged 'smtpd\[.*smtp tls ciphers=TLSv1.3' 'OpenSMTPD logs its TLS connections'
log_from=0
hasnt_logged 'snicert: ' 'all well: the module says nothing'

column client
port=25 starttls=smtp
inbox() { cat /var/mail/sink/new/* 2>/dev/null; }
in_inbox() { inbox | grep -q "$1"; }
mail_by_swaks() { # RECIPIENT [OPTION…]
	swaks --server 127.0.0.1 --port 25 --tls --tls-sni mail.customer-a.example $(swaks_verify mail.customer-a.example) \
		--from a@example.org --to $1 --header "Subject: to-$1" --ehlo client.example.org >swaks.out 2>&1 &&
		ok "swaks delivers for $1 over verified TLS" || not_ok "swaks delivers for $1 over verified TLS" "$(tail -n 12 swaks.out)"
}
mail_by_swaks info@customer-a.example
mta_wait 'the mail is in the mailbox' in_inbox 'to-info@customer-a.example' && ok 'the mail is in the mailbox'
# As a client it sends no server name: the fallback of the address has to be the vanity name's.
tool 0 fallback --address 127.0.0.2 "$(sha_of certs/mail.customer-a.example.crt)"
log_mark
mail_by_swaks info@far.example
logged 'to=<info@far.example>.*relay="127.0.0.2 (mail.customer-a.example)".*result="Ok"' 'OpenSMTPD as a client: verified, and the mail passes'
hasnt_logged 'check_name: no match' '… with no doubt about the name'
mta_wait '… and is in the mailbox' in_inbox 'to-info@far.example' && ok '… and is in the mailbox'
tool 0 fallback --address 127.0.0.2 none
log_mark
mail_by_swaks info@refuse.example
logged "no match for 'wrong.example'\|name .wrong.example' not present in server certificate" 'OpenSMTPD as a client still refuses a certificate that does not fit'
hasnt_logged 'snicert: ' 'the client: the module says nothing'

ask_trouble 25

column growth
printf '%s\n' mail.customer-a.example mail.customer-b.example mx.customer-c.example nobody.example >names
all_pids() { pgrep -P $server; echo $server; }
mta_growth 'all seven processes' all_pids --names names
column -
smtpd_stop
lib_finish
