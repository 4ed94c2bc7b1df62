#!/bin/sh
# SPDX-License-Identifier: ISC
# dovecot.sh: Debian's Dovecot 2.3, unmodified: IMAP with STARTTLS and imaps.
# The module comes by OPENSSL_CONF, which import_environment has to let through.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start dovecot dovecot-core dovecot-imapd dovecot-submissiond
mta_module
mta_syslog
mta_user dovecot 911
mta_user dovenull 912

mkdir certs
fixtures_leaf certs imap.customer-a.example
fixtures_leaf certs imap.customer-b.example --rsa
fixtures_leaf certs local --san imap.local.example
fixtures_leaf certs fall --san mx.provider.example
cheap_key own.key
cheap_chain own own.key own.example
cp own /etc/dovecot/own.pem
cp certs/local.pem /etc/dovecot/local.pem
mta_conf 'program "imap-login" { }'
rmdir /var/lib/snicert
tool 0 init --group dovenull
tool 0 import certs/imap.customer-a.example.pem certs/imap.customer-b.example.pem
tool 0 import --no-bind certs/fall.pem
tool 0 default "$(sha_of certs/fall.crt)"
cat >/etc/dovecot/dovecot.conf <<-CF
	protocols = imap
	listen = 127.0.0.1
	ssl = yes
	ssl_cert = </etc/dovecot/own.pem
	ssl_key = </etc/dovecot/own.pem
	local_name imap.local.example {
	  ssl_cert = </etc/dovecot/local.pem
	  ssl_key = </etc/dovecot/local.pem
	}
	import_environment = \$import_environment OPENSSL_CONF=$openssl_cnf
	passdb {
	  driver = static
	  args = nopassword=y
	}
	userdb {
	  driver = static
	  args = uid=65534 gid=65534 home=/tmp
	}
	service imap-login {
	  chroot = ${DOVECOT_CHROOT-login}
	  process_min_avail = 1
	  service_count = ${DOVECOT_SERVICE_COUNT-0}
	}
CF
dovecot_start() { dovecot >"$work/dovecot.out" 2>&1 || not_ok 'Dovecot starts' "$(cat dovecot.out)"; mta_wait 'Dovecot' mta_listening 143; }
dovecot_stop() { doveadm stop >/dev/null 2>&1; gone() { ! pgrep -x dovecot; }; mta_wait 'Dovecot ends' gone; }
again() { dovecot_stop; dovecot_start; }
dovecot_start
for port in 143 993; do
	starttls=imap
	[ $port = 143 ] || starttls=-
	is "$(served imap.customer-a.example)" imap.customer-a.example "$port: a known name"
	is "$(served imap.Customer-B.example)" imap.customer-b.example "$port: another"
	is "$(served imap.customer-a.example -tls1_2)" imap.customer-a.example "$port: TLS 1.2"
	is "$(served nobody.example)" mx.provider.example "$port: an unknown name"
	is "$(served -)" mx.provider.example "$port: no name"
done
for port in 143 993; do
	starttls=imap
	[ $port = 143 ] || starttls=-
	fixtures_leaf certs imap.customer-a.example
	tool 0 import certs/imap.customer-a.example.pem
	is "$(leaf_of imap.customer-a.example)" "$(sha_of certs/imap.customer-a.example.crt)" "$port: a renewal is served at once"
done
hasnt_logged 'snicert: ' 'all well: the module says nothing'
tool 0 default none
is "$(served imap.local.example)" imap.local.example "no fallback: Dovecot's local_name stands"
is "$(served nobody.example)" own.example "no fallback: Dovecot's own certificate stands"
mv $store_key away.key
again
is "$(served imap.customer-a.example)" own.example "no key: Dovecot's own certificate"
logged 'snicert: .*store.key' '… and syslog says why'
dovecot_stop
lib_finish
