#!/bin/sh
# SPDX-License-Identifier: ISC
# sendmail.sh: Debian's sendmail, unmodified: a process per connection, STARTTLS
# and smtps.  It is setgid smmsp, so OpenSSL ignores OPENSSL_CONF; the module
# comes by an openssl.cnf that only the service sees (BindReadOnlyPaths= of
# systemd; a bind mount here), by OPENSSL_CONF set in sendmail.cf and a daemon
# whose real group is smmsp, or by the openssl.cnf of the system.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start sendmail sendmail-bin sendmail-cf swaks
. "$SNICERT_SRCDIR/tests/mta/columns.sh"
mta_module
mta_syslog
mta_user smmta 921
mta_user smmsp 922
mta_user mail 8
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

# What the package's postinst does.
chgrp smmsp /usr/libexec/sendmail/sendmail
chmod 2755 /usr/libexec/sendmail/sendmail
ln -sf ../libexec/sendmail/sendmail /usr/sbin/sendmail-mta
mkdir -p /run/sendmail/mta /var/lib/sendmail/host_status
install -d -m 700 -o root -g smmsp /var/spool/mqueue
: >/var/lib/sendmail/sendmail.st

programs='program "sendmail-mta" { }'
ident='sm-mta\[[0-9]*\]: '
certificates
cp own.crt own.key /etc/mail/tls/
chmod 600 /etc/mail/tls/own.key
# A line each: sendmail takes the first name of a line for the true one.
printf '%s\n' '127.0.0.2 mail.customer-a.example' '127.0.0.3 wrong.example' >>/etc/hosts
printf 'hosts files\naliases files\n' >/etc/mail/service.switch

sendmail_config() { # [M4-LINES]
	cat >/etc/mail/sendmail.mc <<-MC
		define(\`_USE_ETC_MAIL_')dnl
		include(\`/usr/share/sendmail/cf/m4/cf.m4')dnl
		OSTYPE(\`debian')dnl
		define(\`confDOMAIN_NAME', \`mx.provider.example')dnl
		define(\`confCACERT', \`/etc/ssl/fixture-root.crt')dnl
		define(\`confCACERT_PATH', \`/etc/ssl/certs')dnl
		define(\`confSERVER_CERT', \`/etc/mail/tls/own.crt')dnl
		define(\`confSERVER_KEY', \`/etc/mail/tls/own.key')dnl
		define(\`confREFUSE_LA', \`1000')dnl
		define(\`confQUEUE_LA', \`1000')dnl
		define(\`confDELAY_LA', \`1000')dnl
		define(\`confTO_IDENT', \`0')dnl
		define(\`confDONT_PROBE_INTERFACES', \`true')dnl
		define(\`confLOG_LEVEL', \`14')dnl
		define(\`confSAFE_FILE_ENV', \`/')dnl
		FEATURE(\`no_default_msa')dnl
		FEATURE(\`accept_unresolvable_domains')dnl
		FEATURE(\`mailertable', \`hash /etc/mail/mailertable')dnl
		FEATURE(\`sts', \`hash /etc/mail/sts')dnl
		DAEMON_OPTIONS(\`Name=MTA, Family=inet, Addr=127.0.0.1, Port=25')dnl
		DAEMON_OPTIONS(\`Name=TLS, Family=inet, Addr=127.0.0.1, Port=465, M=s')dnl
		MAILER(local)dnl
		MAILER(smtp)dnl
		LOCAL_CONFIG
		Cwcustomer-a.example customer-b.example
		${1:-}
	MC
	m4 /etc/mail/sendmail.mc >/etc/mail/sendmail.cf || not_ok 'm4'
	# The machine at the other end: another name, another address.
	sed -e 's/^Dj.*/Djmx2.provider.example/' -e 's/Addr=127.0.0.1, Port=25/Addr=127.0.0.2, Port=25/' \
		-e 's/Addr=127.0.0.1, Port=465, M=s/Addr=127.0.0.3, Port=25/' -e 's/^Cwcustomer.*/Cwfar.example refuse.example/' \
		-e 's,^#*O PidFile=.*,O PidFile=/run/sendmail/mta/far.pid,' /etc/mail/sendmail.cf >/etc/mail/far.cf
}
touch /etc/mail/local-host-names /etc/mail/trusted-users /etc/mail/relay-domains
sendmail_config
cp /etc/mail/sendmail.cf sendmail.cf
map() { /usr/libexec/sendmail/makemap hash /etc/mail/$1; }
printf '%s\n' 'far.example esmtp:[mail.customer-a.example]' 'refuse.example esmtp:[wrong.example]' | map mailertable
printf '%s\n' 'far.example secure servername=hostname' 'refuse.example secure servername=hostname' | map sts
echo 'info: /var/mail/inbox' >/etc/mail/aliases
/usr/libexec/sendmail/sendmail -bi >newaliases.out 2>&1 || not_ok 'newaliases' "$(cat newaliases.out)"

# As Debian's init script starts it, in one way or another.
way=bound
in_way() { # COMMAND…
	case $way in
	bound) unshare -m sh -c 'mount --bind $0 /etc/ssl/openssl.cnf && exec "$@"' $openssl_cnf "$@" ;;
	group) setpriv --regid smmsp --clear-groups "$@" ;;
	variable) env OPENSSL_CONF=$openssl_cnf "$@" ;;
	plain) "$@" ;;
	esac
}
daemon=
sendmail_start() {
	rm -f /run/sendmail/mta/sendmail.pid
	in_way /usr/sbin/sendmail-mta -Am -L sm-mta -bd -q10m 2>sendmail.err || not_ok 'sendmail starts' "$(cat sendmail.err)"
	for port in 465 25; do mta_wait "port $port" mta_listening $port; done
	mta_wait 'a pid file' test -s /run/sendmail/mta/sendmail.pid
	daemon=$(head -n 1 /run/sendmail/mta/sendmail.pid)
	starttls=smtp
}
sendmail_stop() {
	kill $daemon
	gone() { ! kill -0 $daemon; }
	mta_wait 'sendmail ends' gone
}
again() { sendmail_stop; sendmail_start; }
inert() { # WHAT
	again
	is "$(served mail.customer-a.example)" own.example "$1: inert"
}

# --- an openssl.cnf of the service's own
version=$(/usr/sbin/sendmail-mta -d0.1 -bt </dev/null 2>/dev/null | sed -n 's/^Version \([0-9]*\.[0-9]*\).*/sendmail \1/p')
row "$version" 'openssl.cnf of its own'
sendmail_start
for port in 25 465; do
	starttls=smtp
	[ $port = 25 ] || starttls=-
	ask $port
	ask_changes $port
done
ask_resume 465
port=25 starttls=smtp
ask_resume 25
column log
logged "${ident}STARTTLS=server, relay=.*version=TLSv1.3, verify=NO" 'sendmail logs its TLS connections'
log_from=0
hasnt_logged 'snicert: ' 'all well: the module says nothing'
column -
log_mark
kill -HUP $daemon
mta_wait 'SIGHUP' log_has 'restarting .*due to signal'
logged 'restarting /usr/sbin/sendmail-mta due to signal' 'SIGHUP'
mta_wait 'after SIGHUP' healed && ok 'SIGHUP: sendmail runs itself anew, and the module is there again'
daemon=$(head -n 1 /run/sendmail/mta/sendmail.pid)

column client
inbox=/var/mail/inbox
log_mark
swaks --server 127.0.0.1 --port 25 --tls --tls-sni mail.customer-b.example $(swaks_verify mail.customer-b.example) \
	--from a@example.org --to info@customer-b.example --header 'Subject: by-swaks' --ehlo client.example.org >swaks.out 2>&1 &&
	ok 'swaks delivers over verified TLS' || not_ok 'swaks delivers over verified TLS' "$(tail -n 12 swaks.out)"
mta_wait 'the mail is in the mailbox' grep -q 'Subject: by-swaks' $inbox && ok 'the mail is in the mailbox'
in_way /usr/sbin/sendmail-mta -Am -L sm-mta -C/etc/mail/far.cf -bd
mta_wait 'the other machine' test -s /run/sendmail/mta/far.pid
for name in far refuse; do
	printf 'Subject: to-%s\n\nhello\n' $name |
		in_way /usr/sbin/sendmail-mta -Am -L sm-out -odi -i -f a@provider.example info@$name.example
done
logged 'sm-out.*STARTTLS=client, relay=mail.customer-a.example.*, version=TLSv1.3, verify=OK' 'sendmail as a client: verified, by the name'
mta_wait '… and the mail passes' grep -q 'Subject: to-far' $inbox && ok '… and the mail passes'
logged 'sm-out.*relay=wrong.example.*reject=450 .*wrong.example not listed in SANs' \
	'sendmail as a client still refuses a certificate that does not fit'
hasnt_logged 'sm-out.*snicert: ' 'the client: the module says nothing'
kill "$(head -n 1 /run/sendmail/mta/far.pid)"
column -

ask_trouble 25

column growth
daemon_pid() { echo $daemon; }
printf '%s\n' mail.customer-a.example mail.customer-b.example mx.customer-c.example nobody.example >names
sed 's/^O LogLevel=.*/O LogLevel=1/' sendmail.cf >/etc/mail/sendmail.cf
again
mta_growth 'the daemon' daemon_pid --names names --clients 16
cp sendmail.cf /etc/mail/sendmail.cf
column -

# --- a daemon that gives up root
sed 's/^#*O RunAsUser.*/O RunAsUser=smmta:smmsp/' sendmail.cf >/etc/mail/sendmail.cf
chown smmta /etc/mail/tls/own.key
chown -R smmta /var/spool/mqueue /var/lib/sendmail
chgrp -R smmsp /var/lib/snicert $store_key
chmod 640 $store* $store_key
chmod 750 /var/lib/snicert
again
ask 'RunAsUser'
column nokey
chmod 600 $store_key
log_mark
again
is "$(served mail.customer-a.example)" mail.customer-a.example "RunAsUser: a store key of root's alone: read before it gives up root"
column -
chmod 640 $store_key
chown root /etc/mail/tls/own.key
chown -R root /var/spool/mqueue
cp sendmail.cf /etc/mail/sendmail.cf

# --- OPENSSL_CONF from sendmail.cf, which sendmail's empty environment needs; and no
# change of group at the start, which OpenSSL would distrust.  Neither alone does.
way=variable
inert 'OPENSSL_CONF in the environment of a setgid program'
way=group
inert 'the group of its setgid bit alone'
sendmail_config "EOPENSSL_CONF=$openssl_cnf"
way=plain
inert 'OPENSSL_CONF in sendmail.cf alone'
case $version in
*' 8.17')
	row "$version" 'EOPENSSL_CONF, smmsp'
	way=group
	again
	for port in 25 465; do
		starttls=smtp
		[ $port = 25 ] || starttls=-
		ask $port
		ask_changes $port
		ask_resume $port
	done
	port=25 starttls=smtp
	ask_trouble 25
	;;
*) # From 8.18 on OpenSSL is at work before sendmail.cf is read.
	way=group
	inert 'OPENSSL_CONF in sendmail.cf and its group'
	;;
esac
cp sendmail.cf /etc/mail/sendmail.cf

# --- the openssl.cnf of the system
row "$version" 'system openssl.cnf'
cp /etc/ssl/openssl.cnf system.cnf
mta_openssl_cnf() { # [MODULE-PATH]
	sed "s|^\[openssl_init\]|&\nsnicert = snicert_section\n\n[snicert_section]\npath = ${1:-/usr/lib/snicert/snicert.so}\nconfig = $conf\n|
		s|^config_diagnostics.*|config_diagnostics = ${diagnostics:-0}|" system.cnf >/etc/ssl/openssl.cnf
}
way=plain
mta_openssl_cnf
again
ask 25
ask_changes 25
ask_resume 25
ask_trouble 25
column log
log_mark
for user in root nobody; do
	is "$(setpriv --reuid $user --clear-groups openssl dgst -sha256 -r </dev/null 2>&1 | cut -c1-12)" e3b0c44298fc \
		"$user: another program with the same openssl.cnf"
done
hasnt_logged 'snicert: ' 'other programs: silent'
column -
# What OpenSSL does by itself, with Debian's config_diagnostics = 1, about a
# module that is not there: no program has TLS.
diagnostics=1
mta_openssl_cnf
again
is "$(served mail.customer-a.example)" mail.customer-a.example 'config_diagnostics = 1: all well'
mta_openssl_cnf /usr/lib/snicert/missing.so
log_mark
sendmail_stop
in_way /usr/sbin/sendmail-mta -Am -L sm-mta -bd -q10m
logged "${ident}STARTTLS=server, error: SSL_CTX_new.* failed" 'config_diagnostics = 1 and no module: sendmail has no TLS'
logged "$ident.*/usr/lib/snicert/missing.so" '… and its log says why'
openssl version -a >/dev/null 2>&1
openssl dgst -sha256 </dev/null >dgst.out 2>&1
is $? 1 '… nor has anything else'
cp system.cnf /etc/ssl/openssl.cnf
daemon=$(head -n 1 /run/sendmail/mta/sendmail.pid)
again
is "$(served mail.customer-a.example)" own.example 'taken out: as before'
sendmail_stop
lib_finish
