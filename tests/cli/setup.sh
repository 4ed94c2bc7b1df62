#!/bin/sh
# SPDX-License-Identifier: ISC
# setup.sh: `snicert setup` with servers that are made up: what it makes of their
# answers, of odd ones and of none.  (With real ones: tests/mta/setup.sh.)
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start setup
cd "$work" || exit 99
module=$build/.libs/snicert.so
new_store "$work/main"
openssl=$(command -v openssl)
me=$(id -un)

setup() { tool "$1" setup --module "$module" "$2"; } # EXIT SERVER
of() { # CHECK, in $work/out
	sqlite3 :memory: "SELECT json_extract(value, '\$.result') || ': ' || json_extract(value, '\$.finding') || ' -> ' ||
		ifnull(json_extract(value, '\$.fix'), '') FROM json_each(CAST(readfile('$work/out') AS TEXT))
		WHERE json_extract(value, '\$.check') = '$1'"
}
plain_path=$PATH
with() { PATH=$work/$1:$plain_path; } # DIRECTORY

# --- the command line

refused 2 'unknown server "nothing": use one of' setup nothing
has "$(cat err)" 'postfix, exim, sendmail, opensmtpd, dovecot, nginx, stunnel, aiosmtpd' 'an unknown server: those known'
refused 2 'unknown server "nothing"' setup postfix nothing
refused 2 "for one server only" setup --binary /bin/true postfix exim
refused 2 'absolute path' setup --binary bin/thing thing
refused 2 'absolute path' setup --module snicert.so postfix
refused 3 'No such file' setup --binary "$work/nothing" thing
refused 3 'not a program' setup --binary "$work" thing
known=
for name in postconf exim4 exim sendmail smtpd dovecot nginx stunnel4 stunnel; do
	for directory in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin /usr/libexec/sendmail; do
		[ ! -e $directory/$name ] || known=$directory/$name
	done
done
if [ -z "$known" ]; then
	refused 1 'postconf' setup postfix
	has "$(cat err)" 'give its path with --binary' 'a server that is not here: the fix'
	tool 1 setup
	has "$(cat err)" 'no server was found' 'no server here'
	has "$(cat err)" 'postfix, exim' 'no server here: those known'
else
	skip 'no server here' "$known is"
fi

# --- any program

tool 0 setup --module "$module" --binary "$openssl"
has "$(cat out)" 'program "openssl" { }' 'any program: its name'
has "$(cat out)" 'OPENSSL_CONF=/' 'any program: by its environment'
has "$(cat out)" '--user tells' 'any program: nobody knows whom it runs as'
tool 0 setup --module "$module" --binary "$openssl" --user nobody mine
has "$(cat out)" 'runs as      nobody' 'any program: --user'
hasnt "$(cat out)" 'nogroup &&' 'any program: keys are not for a group of many'
tool 1 setup --binary /bin/true
has "$(cat out)" "It can't be served" 'a program without TLS'
has "$(cat out)" 'no TLS library is seen' 'a program without TLS: why'
tool 1 setup --binary /bin/true --check --json
has "$(of server)" 'wrong: */bin/true is not linked with a shared OpenSSL' 'a program without TLS: --check'
cp "$openssl" setid
chmod 2755 setid
tool 0 setup --module "$module" --binary "$work/setid"
has "$(cat out)" 'BindReadOnlyPaths=-/' 'a set-id program gets a file in place of the system'\''s'
echo true | fake "$work/script"
tool 1 setup --binary "$work/script"
has "$(cat out)" 'A script is run by another' 'a script is no program'
head -c 200 "$openssl" >short
chmod 755 short
tool 1 setup --binary "$work/short"
has "$(cat out)" 'is not a binary of this machine' 'a program cut short'
# Every octet of the headers turned over once: wrong offsets are no way out of the file.
for at in $(seq 16 8 120) $(seq 200 40 800); do
	cp "$openssl" odd
	printf '\377\377\377\377\377\377\377\177' | dd of=odd bs=1 seek="$at" conv=notrunc 2>/dev/null
	timeout 20 "$build/snicert" -c "$conf" setup --binary "$work/odd" >odd.out 2>&1
	case $? in
	0 | 1) ;;
	*) not_ok "a program with wrong headers at $at" "$(head -n 3 odd.out)" ;;
	esac
done
ok 'programs with wrong headers'

# --- Postfix

mkdir -p postfix/daemons
cp "$openssl" postfix/daemons/smtpd
postconf() { # [LINE…]: one that answers with these settings beside the usual ones
	printf '%s\n' 'mail_version = 3.7.11' "mail_owner = $me" 'queue_directory = /var/spool/postfix' 'config_directory = /etc/postfix' \
		"daemon_directory = $work/postfix/daemons" 'compatibility_level = 3.6' 'tls_config_file = default' 'tls_config_name =' \
		'import_environment = TZ LANG=C' 'smtpd_tls_security_level = may' 'smtpd_tls_cert_file = /etc/own.pem' "$@" >postfix/settings
	fake "$work/postfix/postconf" <<-'SH'
		at=${0%/*}
		case $1 in
		-M) cat "$at/services" ;;
		-h) echo /var/spool/postfix ;;
		*) cat "$at/settings"; echo 'postconf: warning: a setting: unknown parameter' >&2 ;;
		esac
	SH
	cat >postfix/services <<-'CF'
		smtp       inet  n       -       y       -       -       smtpd
		submission inet  n       -       n       -       -       smtpd -o smtpd_tls_security_level=encrypt
		465        inet  n       -       -       -       -       smtpd
		qmgr       unix  n       -       n       300     1       qmgr
		smtp       unix  -       -       y       -       -       smtp
	CF
}
with postfix
postconf
setup 0 postfix
has "$(cat out)" "postconf -e 'tls_config_file = /" 'Postfix: the line'
has "$(cat out)" 'Postfix 3.7.11' 'Postfix: its release'
has "$(cat out)" '/var/spool/postfix (smtp/inet)' 'Postfix: its chroot'
hasnt "$(cat out)" 'tlsproxy' 'Postfix without postscreen: no tlsproxy'
echo 'smtp inet n - y - 1 postscreen' >>postfix/services
setup 0 postfix
has "$(cat out)" 'program "tlsproxy" { }' 'Postfix with postscreen: tlsproxy'
postconf
sed -i 's/3\.6$/0/' postfix/settings
setup 0 postfix
has "$(cat out)" '(smtp/inet, 465/inet)' 'compatibility_level 0: a dash means chroot'
postconf
sed -i '/^tls_config/d' postfix/settings
setup 0 postfix
has "$(cat out)" "postconf -e 'import_environment = TZ LANG=C OPENSSL_CONF=/" 'an old Postfix: import_environment'
has "$(cat out)" '3.5.20 introduced it' 'an old Postfix: why'
tool 1 setup --module "$module" --check --json postfix
has "$(of setting)" 'wrong: import_environment = TZ LANG=C' 'an old Postfix: --check'
postconf 'nonsense' ' = ' 'x'
printf 'mail_version = 3.8\033[31m\n' >>postfix/settings
sed -i '1d' postfix/settings
setup 0 postfix
has "$(cat out)" 'Postfix 3.8?[31m' 'an answer with control characters: they are not passed on'
: >postfix/settings
refused 3 'does not print mail_version' setup postfix
fake "$work/postfix/postconf" <<-'SH'
	head -c 30000000 /dev/zero | tr '\0' x
SH
refused 3 'does not print mail_version' setup postfix
fake "$work/postfix/postconf" <<-SH
	sleep 313.$$ &
	sleep 313.$$
SH
refused 3 'did not answer within 10 seconds' setup postfix
none_of_it() { ! pgrep -fx "sleep 313[.]$$"; }
await 'a server that hangs is ended with all that it has started' none_of_it
postconf
chmod 777 postfix/postconf
refused 3 'unsafe mode 0777' setup postfix
chmod 755 postfix/postconf
: >postfix/daemons/smtpd
setup 1 postfix
has "$(cat out)" 'not linked with a shared OpenSSL' 'a Postfix without OpenSSL'
cp "$openssl" postfix/daemons/smtpd
sed -i 's/^mail_owner.*/mail_owner = no-such-user/' postfix/settings
setup 0 postfix
has "$(cat out)" "a user that doesn't exist" 'a user that does not exist: the page'
tool 1 setup --module "$module" --check --json postfix
has "$(of server)" 'wrong: its user no-such-user does not exist' 'a user that does not exist: --check'

# --- the whole way, for several servers at once

postconf
setup 0 postfix
is "$(sed -n 's/^[0-9]*\. //p' out | tr '\n' '|')" \
	'The package|The store|The chains|The fallback, for missing and unknown names|The programs that the module serves|What OpenSSL is to load|Make the server read it|Start it again|See it work, for a NAME in the store|To undo this|' \
	'the whole way, in order'
has "$(cat out)" "import --from postfix /etc/postfix" 'an empty store: the import of what the server has'
has "$(cat out)" 'hook * --install | sh' 'renewals: the hook'
has "$(cat out)" 'fallback NUMBER' 'no fallback: the command'
tool 1 setup --module "$module" --check --json postfix
has "$(of chains)" 'warn: the store is empty -> snicert import' 'an empty store: --check warns'
has "$(of fallback)" 'warn: there is no fallback*-> snicert fallback' 'no fallback: --check warns'
cp "$conf" empty.conf
new_store "$work/filled"
tool 0 import --no-bind "$fixtures/good-ec.pem"
tool 0 fallback 1
setup 0 postfix
has "$(cat out)" 'Already done: the store has chains' 'a store with chains: nothing to do'
has "$(cat out)" 'Already done: the store has a fallback' 'a fallback: nothing to do'
tool 1 setup --module "$module" --check --json postfix
has "$(of chains)" 'ok: the store has chains: 1' 'a store with chains: --check'
has "$(of fallback)" 'ok: ' 'a fallback: --check'
store_at "$work/main"

# --- JSON

tool 0 setup --module "$module" --json postfix
json_valid out 'the page'
json_members out '$[0]' 'server kind what text path there' 'the page: its members'
is "$(sqlite3 :memory: "SELECT DISTINCT json_extract(value, '\$.kind') FROM json_each(CAST(readfile('out') AS TEXT)) ORDER BY 1" | tr '\n' ' ')" \
	'choice command fact file look note step undo ' 'the page: its kinds'
is "$(sqlite3 :memory: "SELECT json_extract(value, '\$.text') FROM json_each(CAST(readfile('out') AS TEXT))
	WHERE json_extract(value, '\$.path') = '$work/main/conf'")" 'program "smtpd" { }' 'the page: lines for a file'
tool 1 setup --module "$module" --check --json postfix
json_valid out '--check'
json_members out '$[0]' 'server result check finding fix' '--check: its members'
has "$(of module)" "ok: $module loads" '--check: the module'
tool 1 setup --module "$module" --check postfix
has "$(head -n 1 out)" 'Server   Result  Check' '--check: a table'

# --- the configuration at hand

cp "$conf" good.conf
echo 'expired = "later"' >>"$conf"
mistake=conf:$(wc -l <"$conf")
setup 0 postfix
has "$(cat out)" "Fix this first: *$mistake: expired" 'a mistake in snicert.conf: the page has it'
tool 1 setup --module "$module" --check --json postfix
has "$(of snicert.conf)" "wrong: *$mistake: expired = \"later\": want serve or fallback" 'a mistake in snicert.conf: --check has it'
tool 3 list
cp good.conf "$conf"
printf 'program "smtpd" { }\n' >>"$conf"
setup 0 postfix
has "$(cat out)" "Already in $conf" 'a section that is there'
tool 1 setup --module "$module" --check --json postfix
has "$(of programs)" "ok: $conf names smtpd" 'a section that is there: --check'
cp "$conf" named.conf
echo 'log { level = "info" }' >>"$conf"
tool 1 setup --module "$module" --check --json postfix
has "$(of store)" 'ok: ' 'a store that opens is right, however much is logged'
cp named.conf "$conf"
tool 0 fallback none
mkdir other
cp "$module" other/snicert.so
chmod 757 other
tool 1 setup --module "$work/other/snicert.so" --check --json postfix
has "$(of module)" 'wrong: */other has the unsafe mode 0757' 'a directory that anybody can change: --check'
if am_root; then
	# Who is not root is told what was not tried.
	setpriv --reuid nobody --clear-groups "$build/snicert" setup --module "$module" --check --json --binary "$work/postfix/postconf" \
		>out 2>err
	has "$(of permissions)" 'only root can' 'not root: what was not tried'
	has "$(of server)" 'ok: ' 'not root: the rest was'
	# A user whom nothing is for.
	sed -i 's/^mail_owner.*/mail_owner = nobody/' postfix/settings
	setup 0 postfix
	has "$(cat out)" 'setfacl -m u:nobody:' 'a group of many: access lists'
	chmod 644 "$store_key"
	tool 1 setup --module "$module" --check --json postfix
	has "$(of store)" 'wrong: *unsafe mode 0644*chmod' 'a key for everybody'
	chmod 600 "$store_key"
else
	skip 'who may read the store' 'takes root'
fi

# --- Exim

exim() { # FEATURES TLS-CERTIFICATE [SMTP_ACTIVE_HOSTNAME]
	cat >exim/bv <<-TEXT
		Exim version 4.96 #2 built 27-May-2026 16:52:26
		Support for: crypteq iconv() IPv6 $1 DANE DKIM
		Configuration file is $work/exim/exim.conf
	TEXT
	printf 'exim_user = %s\nexim_group = \ntls_certificate = %s\ntls_privatekey = /etc/own.key\nsmtp_active_hostname = %s\n' \
		"$me" "$2" "${3:-}" >exim/bp
}
mkdir exim
with exim
fake "$work/exim/exim4" <<-'SH'
	at=${0%/*}
	echo "$0: a warning" >&2
	case $1 in -bV) cat "$at/bv" ;; *) cat "$at/bp" ;; esac
SH
exim 'Expand_dlfunc GnuTLS' /etc/own.crt
setup 0 exim
has "$(cat out)" 'In place of tls_certificate and tls_privatekey, add to' 'Exim with GnuTLS: where'
has "$(cat out)" "tls_certificate = \${if exists{$module}{\${dlfunc{$module}{snicert_exim_certificate}{$conf}{\$tls_in_sni}{/etc/own.crt}{\$received_ip_address}}}{/etc/own.crt}}" \
	'Exim with GnuTLS: the line'
has "$(cat out)" 'snicert_exim_privatekey}*{/etc/own.key}}' 'Exim with GnuTLS: the other'
hasnt "$(cat out)" 'openssl.cnf' 'Exim: no openssl.cnf'
has "$(cat out)" "Messages are in Exim's main log" 'Exim: where messages are'
exim 'Expand_dlfunc GnuTLS' "\${if exists{$module}{\${dlfunc{$module}{snicert_exim_certificate}{$conf}{\$tls_in_sni}{/etc/own.crt}{x}}}{/etc/own.crt}}"
setup 0 exim
has "$(cat out)" 'Already done: its configuration calls the module' 'Exim with GnuTLS: it is there'
has "$(cat out)" 'certificate  /etc/own.crt' 'Exim with GnuTLS: its own file, out of the line'
exim 'GnuTLS' /etc/own.crt
setup 1 exim
has "$(cat out)" 'exim4-daemon-heavy has it' 'Exim without dlfunc'
# Debian's, as it is new.
exim 'Expand_dlfunc GnuTLS' ''
setup 0 exim
has "$(cat out)" 'It has no certificate of its own' 'Exim with GnuTLS, and no certificate: a note'
sed -i 's,^Configuration file is .*,Configuration file is /var/lib/exim4/config.autogenerated,' exim/bv
sed -i '/^tls_privatekey/s/=.*/=/' exim/bp
setup 0 exim
has "$(cat out)" '{/etc/exim4/exim.crt}}' "Debian's Exim: the lines name a certificate of its own"
hasnt "$(cat out)" 'It has no certificate of its own' "Debian's Exim: … so there is no such note"
own() { # FILE: Exim set up, with that certificate of its own, and a key in the same way
	exim 'Expand_dlfunc GnuTLS' "\${if exists{$module}{\${dlfunc{$module}{snicert_exim_certificate}{$conf}{\$tls_in_sni}{$1}{x}}}{$1}}"
	sed -i "s,^tls_privatekey = .*,tls_privatekey = \${if exists{$module}{\${dlfunc{$module}{snicert_exim_privatekey}{$conf}{\$tls_in_sni}{$1.key}{x}}}{$1.key}}," exim/bp
}
own "$work/exim/own.crt"
: >exim/own.crt.key
tool 1 setup --module "$module" --check --json exim
has "$(of tls)" "wrong: $work/exim/own.crt does not exist: *snicert setup exim" 'Exim: a certificate of its own that is not there, and how to make one'
rm exim/own.crt.key && : >exim/own.crt
tool 1 setup --module "$module" --check --json exim
has "$(of tls)" "wrong: $work/exim/own.crt.key does not exist" 'Exim: nor its key'
: >exim/own.crt.key
snicert setup --module "$module" --check --json exim >out
has "$(of tls)" 'ok: it offers TLS' 'Exim: both are there'
if am_root; then
	chmod 600 exim/own.crt.key
	sed -i 's/^exim_user = .*/exim_user = nobody/' exim/bp
	tool 1 setup --module "$module" --check --json exim
	has "$(of tls)" "wrong: nobody can't read its own $work/exim/own.crt.key -> setfacl -m u:nobody:r" 'Exim: a key that its user may not read'
fi
exim 'Expand_dlfunc' /etc/own.crt
setup 1 exim
has "$(cat out)" 'built without TLS' 'Exim without TLS'
exim 'Expand_dlfunc OpenSSL' /etc/own.crt
setup 1 exim
has "$(cat out)" 'not linked with a shared OpenSSL' 'Exim with an OpenSSL of its own'
echo 'nothing at all' >exim/bv
refused 3 'prints no version' setup exim

# --- Dovecot

mkdir -p dovecot/lib
cp "$openssl" dovecot/lib/libssl_iostream_openssl.so
fake "$work/dovecot/dovecot" <<-'SH'
	cat "${0%/*}/version"
SH
fake "$work/dovecot/doveconf" <<-'SH'
	sed -n "/^$1 {/,/^}/p" "${0%/*}/settings" | grep . || grep "^$1 = " "${0%/*}/settings" || { echo "doveconf: Error: Unknown setting: $1" >&2; exit 89; }
SH
printf '%s\n' 'protocols = imap pop3 sieve' "libexec_dir = $work/dovecot/lib" "default_login_user = $me" 'ssl = yes' 'ssl_cert = </etc/own.pem' \
	'import_environment = TZ OPENSSL_CONF=/etc/my.cnf LANG=C' >dovecot/settings
with dovecot
echo '2.3.19.1 (9b53102964)' >dovecot/version
setup 0 dovecot
has "$(cat out)" 'certificate  /etc/own.pem' 'Dovecot: its certificate, without the sign that says it is a file'
has "$(cat out)" 'program "managesieve-login" { }' 'Dovecot: its programs'
hasnt "$(cat out)" submission-login 'Dovecot: not what it does not serve'
has "$(cat out)" 'New file /etc/my.cnf' 'Dovecot: the file that it names already'
sed -i 's/^import_environment.*/import_environment = TZ NOT_OPENSSL_CONF=\/x/' dovecot/settings
setup 0 dovecot
has "$(cat out)" 'import_environment = $import_environment OPENSSL_CONF=/' 'Dovecot 2.3: the line'
echo '2.4.1-4 (7d8c0e5759)' >dovecot/version
setup 0 dovecot
has "$(cat out)" '  OPENSSL_CONF = /' 'Dovecot 2.4: the line'
sed -i '/^import_environment/d' dovecot/settings
printf 'import_environment {\n  TZ = \n  OPENSSL_CONF = /etc/my24.cnf\n}\n' >>dovecot/settings
setup 0 dovecot
has "$(cat out)" 'New file /etc/my24.cnf' 'Dovecot 2.4: the file that it names already'
sed -i '/^import_environment/,$d' dovecot/settings
echo 'import_environment = TZ' >>dovecot/settings
PATH=$work/postfix:$PATH
tool 0 setup --module "$module" postfix dovecot
is "$(grep -cE '^[0-9]+\. The (package|chains|fallback)' out)" 3 'two servers: common steps come once'
is "$(grep -c '^    path = /' out)" 1 'two servers: the lines for OpenSSL come once'
has "$(cat out)" 'snicert-openssl.cnf, as told above' 'two servers: … and it says so'
has "$(cat out)" 'Dovecot 2.4.1-4' 'two servers: the other'
with dovecot
echo 'no version' >dovecot/version
refused 3 'prints no version' setup dovecot

# --- others

mkdir others
fake "$work/others/smtpd" <<-'SH'
	echo 'version: OpenSMTPD 7.4.0p1' >&2
	echo 'usage: smtpd' >&2
	exit 1
SH
fake "$work/others/nginx" <<-'SH'
	printf 'nginx version: nginx/1.22.1\nconfigure arguments: --conf-path=%s/nginx.conf --user=a\n' "${0%/*}" >&2
SH
fake "$work/others/sendmail" <<-'SH'
	echo 'Version 8.17.1.9'
	echo 'Compiled with: STARTTLS; /etc/mail/sendmail.cf: cannot open'
SH
with others
for server in opensmtpd nginx sendmail; do
	setup 1 $server
	has "$(cat out)" 'not linked with a shared OpenSSL' "$server: a script"
done
has "$(cat out)" 'sendmail 8.17.1.9' 'sendmail: its release'
echo 'echo postfix/sendmail' | fake "$work/others/sendmail"
[ -n "$known" ] || refused 1 'is not installed' setup sendmail
echo 'user  www;' >others/nginx.conf
tool 1 setup --json nginx
has "$(cat out)" 'runs as", "text": "www, a user that doesn*t exist' 'nginx: its user, from its configuration'

# --- an OpenSSL of a program's own: within it, renamed by a packager, or beside it

cat >host.c <<'C'
#include <openssl/ssl.h>
int main(void) { return SSL_CTX_new(TLS_server_method()) == NULL; }
C
cat >finder.c <<'C'
#include <dlfcn.h>
int main(void) { return dlsym(RTLD_DEFAULT, "SSL_CTX_new") == 0; }
C
compile() { ${CC:-cc} "$@" 2>errors; }
check() { tool "$1" setup --module "$module" --binary "$work/$2" --user "$me" --check --json; } # EXIT PROGRAM
if ! compile host.c -o shared -lssl -lcrypto; then
	skip 'a program with an OpenSSL of its own' "no compiler: $(head -n 1 errors)"
else
	if compile host.c -o within -Wl,-Bstatic -lssl -lcrypto -Wl,-Bdynamic -ldl -pthread && compile finder.c -o finder -ldl; then
		check 1 within
		has "$(of server)" 'wrong: *within is not linked with a shared OpenSSL (OpenSSL*within it)*snicert export' \
			'OpenSSL within the program'
		strip within
		check 1 within
		has "$(of server)" '(OpenSSL*within it)' 'OpenSSL within the program, without symbols'
		check 1 finder
		has "$(of server)" '(no TLS library is seen)' 'a program that merely names a function'
	else
		skip 'OpenSSL within the program' "$(head -n 1 errors)"
	fi
	mkdir beside
	cp "$(ldd shared | sed -n 's/.*libssl[^ ]* => \([^ ]*\).*/\1/p')" beside/
	compile host.c -o brings "-Wl,-rpath,$work/beside" -lssl -lcrypto
	snicert setup --module "$module" --binary "$work/brings" --user "$me" --check --json >out
	has "$(of library)" "warn: it comes with its own OpenSSL, $work/beside/libssl.so.*not older than" 'an OpenSSL beside the program'
	snicert setup --module "$module" --binary "$work/shared" --user "$me" --check --json >out
	is "$(of library)" '' "the system's OpenSSL"
	compile -shared -x c /dev/null -o libssl-1a2b3c4d.so.3 -Wl,-soname,libssl-1a2b3c4d.so.3
	compile host.c -o renamed -Wl,--no-as-needed ./libssl-1a2b3c4d.so.3 -Wl,--unresolved-symbols=ignore-all
	check 1 renamed
	has "$(of server)" 'wrong: It comes with its own OpenSSL, libssl-1a2b3c4d.so.3*snicert export' 'a library that a packager renamed'
fi

# --- a process with two TLS libraries: any object stands for the other one

cp "$openssl" twin
cp "$(ldd "$build/snicert" | sed -n 's/.*libsqlite3[^ ]* => \([^ ]*\).*/\1/p' | head -n 1)" libssl.so.1.1
own_certificate
twin() { # PRELOAD, then of what `--check` says
	: >twin.out # the line of the one before would be taken for its own
	LD_PRELOAD=$1 "$work/twin" s_server -accept 127.0.0.1:0 -cert own.crt -key own.key >twin.out 2>&1 </dev/null &
	twin=$!
	pids="$pids $twin"
	await 'the server starts' grep -q '^ACCEPT' twin.out
	tool 1 setup --module "$module" --binary "$work/twin" --user "$me" --check --json
	kill $twin
	wait $twin 2>/dev/null
}
twin "$work/libssl.so.1.1"
if [ -n "$(of running)" ]; then
	has "$(of library)" "wrong: 1 of 1 processes have two*libssl.so.1.1*one OpenSSL" 'two libssl in a process'
	twin ''
	is "$(of library)" '' 'one libssl in a process'
else
	skip 'two libssl in a process' 'this module does not load here'
fi

# --- servers whose master runs, when no process of it that does TLS does

# One that tells its release, and else waits.
cat >master.c <<'C'
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv) { return argc > 1 ? puts("2.3.19.1 (9b53102964)") < 0 : pause(); }
C
master() { # FILE
	mv waits "$1"
	"$work/$1" &
	master=$!
	pids="$pids $master"
	await "$1 runs" is_program "$master" "$work/$1"
}
running() { tool 1 setup --module "$module" --check --json "$1" && of running; }
is_program() { [ "$(readlink "/proc/$1/exe")" = "$2" ]; }
with postfix
postconf
if ! compile master.c -o waits; then
	skip 'a master without its processes' "no compiler: $(head -n 1 errors)"
elif [ -z "$(running postfix)" ]; then
	skip 'a master without its processes' 'this module does not load here'
else
	cp waits waits.too
	is "$(running postfix)" 'ok: it is not running -> ' 'Postfix does not run'
	master postfix/daemons/master
	is "$(running postfix)" 'ok: it is running; no process of it does TLS at the moment -> ' 'Postfix runs, without an smtpd'
	kill $master && wait $master 2>/dev/null
	mv waits.too waits
	with dovecot
	echo '2.3.19.1 (9b53102964)' >dovecot/version
	is "$(running dovecot)" 'ok: it is not running -> ' 'Dovecot does not run'
	master dovecot/dovecot
	is "$(running dovecot)" 'ok: it is running; no process of it does TLS at the moment -> ' 'Dovecot runs, without a login process'
	kill $master && wait $master 2>/dev/null
fi

# --- without systemd: what the init script reads, in a /etc/init.d of ours

cat >init.sh <<'SH'
mkdir -p init.d run default && mount --bind init.d /etc/init.d && mount --bind default /etc/default && { [ ! -e /run/systemd ] || mount --bind run /run/systemd; } || exit 99
exec "$@"
SH
on_init() { unshare -m --propagation private sh init.sh "$build/snicert" -c "$conf" setup --module "$module" "$@" >out 2>err; }
cat >nginx.c <<'C'
#include <stdio.h>
int main(void) { return fputs("nginx version: nginx/1.22.1\nconfigure arguments: --conf-path=/nowhere/nginx.conf\n", stderr) < 0; }
C
printf '#!/bin/sh\nif [ -r /etc/default/nginx ]; then\n\t. /etc/default/nginx\nfi\n' >sourcing
if ! am_root || [ ! -d /etc/init.d ] || [ ! -d /etc/default ] || ! unshare -m --propagation private true 2>/dev/null; then
	skip 'an init script' 'takes root, namespaces and /etc/init.d'
elif ! compile nginx.c -o others/nginx -Wl,--no-as-needed -lssl -lcrypto; then
	skip 'an init script' "no compiler: $(head -n 1 errors)"
else
	with others
	on_init nginx
	has "$(cat out)" 'Without systemd: export OPENSSL_CONF=/' 'no init script: what to do'
	mkdir -p init.d default
	echo '. /lib/lsb/init-functions' >init.d/nginx
	on_init nginx
	has "$(cat out)" 'Without systemd: export OPENSSL_CONF=/' 'an init script that reads no settings: what to do'
	cp sourcing init.d/nginx
	on_init nginx
	has "$(cat out)" "Add to /etc/default/nginx:
    export OPENSSL_CONF=/" 'an init script: the line for the file that it reads'
	cp out page.init
	hasnt "$(cat out)" 'service.d' '… and nothing for systemd'
	has "$(cat out)" 'Remove the lines of step 7' '… and how to undo it'
	on_init --check --json nginx
	has "$(of setting)" 'wrong: /etc/default/nginx does not export OPENSSL_CONF=/*snicert setup nginx' '… --check misses it'
	sed -n '/^Add to .etc.default/{n;s/^ *//p}' page.init >default/nginx
	on_init --check --json nginx
	has "$(of setting)" 'ok: /etc/default/nginx exports OPENSSL_CONF=/' '… until it is there'
	on_init nginx
	has "$(cat out)" 'Already in /etc/default/nginx' '… and the page says so'
fi

# --- it writes nothing (the -shm file is where readers of the store note that they read)

files() { find "$work" ! -path "$work/out" ! -path "$work/err" ! -name 'now.*' ! -name '*-shm' -type f -printf '%p %m %U:%G ' -exec cksum {} \; | sort; }
files >now.before
with postfix
setup 0 postfix
tool 1 setup --module "$module" --check postfix
files >now.after
diff now.before now.after >now.changes && ok 'it changes nothing' || not_ok 'it changes nothing' "$(cat now.changes)"
lib_finish
