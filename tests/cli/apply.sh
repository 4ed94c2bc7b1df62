#!/bin/sh
# SPDX-License-Identifier: ISC
# apply.sh: `snicert setup --apply` and `--undo`, with servers that are made up and an /etc of the test's
# own: what is changed, kept and put back.  (With real ones: tests/mta/setup.sh.)
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
if [ -z "${SNICERT_APPLY_INSIDE:-}" ]; then
	unshare -m --propagation private true 2>/dev/null ||
		{ echo 'SKIPPED: an /etc of its own takes root and mount namespaces'; exit 77; }
	SNICERT_APPLY_INSIDE=1 exec unshare -m --propagation private sh "$0" "$@"
fi
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start apply
cp -a /etc "$work/etc" && mount --bind "$work/etc" /etc || exit 99
rm -rf /etc/dovecot /etc/exim4 /etc/ssl/snicert-openssl.cnf
module=$build/.libs/snicert.so
openssl=$(command -v openssl)
me=$(id -un)
apply() { _exit=$1; shift; tool "$_exit" setup --module "$module" --apply --yes "$@"; } # EXIT SERVER…
undo() { _exit=$1; shift; tool "$_exit" setup --module "$module" --undo --yes "$@"; }
same() { cmp -s "$1" "$2" && ok "$3" || not_ok "$3" "$(diff "$1" "$2")"; } # FILE FILE WHAT
empty_store() {
	conf=/etc/snicert/snicert.conf store=$work/lib/store.db store_key=$work/lib/store.key
	rm -rf "$work/lib" /etc/snicert
	mkdir -p /etc/snicert "$work/lib"
	printf 'store { path = "%s" key = "%s" }\nstats { path = "%s/stats" }\n' $store $store_key $work/lib >$conf
}
chmod 755 "$work"

# --- servers that answer and are told

mkdir -p bin daemons /etc/postfix
for program in smtpd imap-login; do cp "$openssl" daemons/$program; done
cp "$openssl" daemons/libssl_iostream_openssl.so
printf '%s\n' 'mail_version = 3.7.11' "mail_owner = $me" 'config_directory = /etc/postfix' "daemon_directory = $work/daemons" \
	'compatibility_level = 3.6' 'tls_config_file = default' 'tls_config_name =' 'import_environment = TZ' \
	'smtpd_tls_security_level = may' 'smtpd_tls_cert_file = /etc/own.pem' >defaults
fake "$work/bin/postconf" <<-SH
	case \$1 in
	-M) echo 'smtp inet n - n - - smtpd' ;;
	-e) echo "\$2" >>/etc/postfix/main.cf ;;
	*) cat /etc/postfix/main.cf $work/defaults ;;
	esac
SH
echo '# main.cf' >/etc/postfix/main.cf
mkdir -p /etc/dovecot
fake "$work/bin/dovecot" <<-'SH'
	echo '2.3.19.1 (9b53102964)'
SH
fake "$work/bin/doveconf" <<-SH
	cat /etc/dovecot/dovecot.conf $work/dovecot.defaults | sed 's/\\\$import_environment/TZ/' | grep "^\$1 = " | head -n 1
SH
printf '%s\n' 'protocols = imap' "libexec_dir = $work/daemons" "default_login_user = $me" 'ssl = yes' 'ssl_cert = </etc/own.pem' \
	'import_environment = TZ' >dovecot.defaults
printf '# dovecot.conf' >/etc/dovecot/dovecot.conf # without an end of line
for program in postfix systemctl doveadm service; do
	fake "$work/bin/$program" <<-SH
		echo "$program \$*" >>$work/ran
		[ ! -e $work/$program.fails ]
	SH
done
PATH=$work/bin:$PATH
export PATH
cp /etc/postfix/main.cf main.before
cp /etc/dovecot/dovecot.conf dovecot.before

# --- the command line

empty_store
cp $conf conf.before
refused 2 'give one of' setup --apply --check postfix
refused 2 "can't be used with --json" setup --apply --json postfix
refused 2 'needs the name' setup --apply
undo 0 postfix
has "$(cat out)" 'There is nothing to undo' 'nothing to undo'

# --- asked, and answered

snicert setup --module "$module" --apply postfix <<-'ANSWERS' >out 2>err
	n
	q
ANSWERS
is $? 1 'no, and stop: the exit code'
same conf.before $conf 'no, and stop: nothing is changed'
[ ! -e $store ] && ok 'no, and stop: no store' || not_ok 'no, and stop: no store'
snicert setup --module "$module" --apply postfix <<-'ANSWERS' >out 2>err
	n
	what?
	y
	q
ANSWERS
has "$(cat $conf)" 'program "smtpd" { }' 'no, then yes: the second step is done'
[ ! -e $store ] && [ ! -e /etc/ssl/snicert-openssl.cnf ] && ok '… the others are not' || not_ok '… the others are not'
undo 0
snicert setup --module "$module" --apply postfix </dev/null >out 2>err
is "$(cat $conf)" "$(cat conf.before)" 'no answer: nothing is changed'

# --- a failure in the middle: the server does not start

touch postfix.fails
snicert setup --module "$module" --apply --yes postfix >out 2>err
is $? 3 'a command that fails: the exit code'
has "$(cat err)" 'stopped*snicert setup --undo postfix' 'a command that fails: what to do'
has "$(cat err)" 'postfix ended with exit code 1' 'a command that fails: which'
has "$(cat $conf)" 'program "smtpd" { }' 'a command that fails: what was done before stays'
rm postfix.fails
: >ran
apply 0 postfix
is "$(cat ran)" 'postfix reload' 'the same again: it goes on where it stopped'
has "$(cat out)" "Already in $conf" 'the same again: says what is there'
has "$(cat out)" 'What is there now:' 'at the end: --check'
has "$(cat out)" 'ok *openssl.cnf' 'at the end: what --check says'
has "$(cat out)" 'By hand:' 'what it can not do is told'
is "$(grep -c . /etc/postfix/main.cf)" 2 'main.cf: one line more'

# --- a second time

sum() { find /etc/postfix /etc/dovecot /etc/snicert /etc/ssl/snicert-openssl.cnf "$work/lib/setup" -type f -exec cksum {} + | sort; }
sum >before
: >ran
apply 0 postfix
sum >after
same before after 'a second time: nothing is changed'
is "$(cat ran)" '' 'a second time: nothing is run'
has "$(cat out)" 'Not needed, nothing has changed: postfix reload' 'a second time: says so'

# --- owner, mode and access list stay; a file without an end of line; two servers

chown 12:34 /etc/dovecot/dovecot.conf && chmod 640 /etc/dovecot/dovecot.conf
acl=
if command -v setfacl >/dev/null && setfacl -m u:7:r /etc/dovecot/dovecot.conf 2>/dev/null; then acl=1; fi
apply 0 postfix dovecot
is "$(stat -c '%u:%g' /etc/dovecot/dovecot.conf)" 12:34 'owner and group stay'
has "$(stat -c %a /etc/dovecot/dovecot.conf)" 640 'the mode stays'
if [ -n "$acl" ]; then
	has "$(getfacl -n /etc/dovecot/dovecot.conf 2>/dev/null)" 'user:7:r--' 'the access list stays'
else
	skip 'access lists' 'no setfacl'
fi
is "$(sed -n 2p /etc/dovecot/dovecot.conf)" 'import_environment = $import_environment OPENSSL_CONF=/etc/ssl/snicert-openssl.cnf' 'the line is one of its own'
is "$(stat -c %a "$work/lib/setup")" 700 'the copies are for root alone'

# --- back: one server's, with the other's left as it was

cp -p /etc/dovecot/dovecot.conf dovecot.after
: >ran
undo 0 postfix
same main.before /etc/postfix/main.cf "Postfix's file is as it was"
same dovecot.after /etc/dovecot/dovecot.conf "Dovecot's stays"
has "$(cat out)" 'snicert-openssl.cnf stays: dovecot uses it too' 'what both use stays'
[ -s /etc/ssl/snicert-openssl.cnf ] && ok '… and is there' || not_ok '… and is there'
hasnt "$(cat $conf)" smtpd "Postfix's line is gone from between"
has "$(cat $conf)" 'program "imap-login" { }' "… and Dovecot's is not"
is "$(cat ran)" 'postfix reload' 'the server is told'
undo 0 dovecot
same dovecot.before /etc/dovecot/dovecot.conf "Dovecot's file is as it was"
is "$(stat -c '%u:%g' /etc/dovecot/dovecot.conf)" 12:34 '… with its owner'
same conf.before $conf 'snicert.conf is as it was'
[ ! -e /etc/ssl/snicert-openssl.cnf ] && ok 'what both used is gone' || not_ok 'what both used is gone'
[ -s $store ] && [ -s $store_key ] && ok 'store and key stay' || not_ok 'store and key stay'
undo 0
has "$(cat out)" 'There is nothing to undo' 'all is undone'

# --- an edit by hand between the two

apply 0 postfix
echo 'mine = yes' >>/etc/postfix/main.cf
cp /etc/postfix/main.cf main.edited
undo 1 postfix
same main.edited /etc/postfix/main.cf 'a file that was edited since stays'
has "$(cat out)" 'main.cf was edited after --apply*Remove by hand:*- tls_config_file = ' '… and it is told what to take out'
same conf.before $conf '… the rest is taken back'
sed -i '/^tls_config_file/d' /etc/postfix/main.cf
undo 0 postfix
has "$(cat out)" 'main.cf: already undone' 'done by hand: that is seen'
hasnt "$(cat "$work/lib/setup/journal")" main.cf '… and forgotten'
cp main.before /etc/postfix/main.cf

# --- a link out of the directory; a directory that others can write

mv /etc/dovecot/dovecot.conf elsewhere.conf
ln -s "$work/elsewhere.conf" /etc/dovecot/dovecot.conf
snicert setup --module "$module" --apply --yes dovecot >out 2>err
has "$(cat out)" "By hand: /etc/dovecot/dovecot.conf is a link to $work/elsewhere.conf" 'a link elsewhere: what it is'
same dovecot.before elsewhere.conf '… and the file is left alone'
undo 0 dovecot
rm /etc/dovecot/dovecot.conf && mv elsewhere.conf /etc/dovecot/dovecot.conf
chmod 777 /etc/dovecot
snicert setup --module "$module" --apply --yes dovecot >out 2>err
is $? 3 'a directory that others can write: refused'
has "$(cat err)" '/etc/dovecot has the unsafe mode' '… and why'
same dovecot.before /etc/dovecot/dovecot.conf '… and the file is left alone'
chmod 755 /etc/dovecot
undo 0
same conf.before $conf 'after that: all is taken back'

# --- a program without a name here: its unit is not known

cp "$openssl" daemons/thing
snicert setup --module "$module" --apply --yes --binary "$work/daemons/thing" --user "$me" >out 2>err
has "$(cat out)" 'By hand: /etc/systemd/system/YOUR-SERVICE.service.d/snicert.conf*Environment=OPENSSL_CONF=/' 'any program: its unit is told'
[ ! -e /etc/systemd/system/YOUR-SERVICE.service.d ] && ok '… and not made' || not_ok '… and not made'
has "$(cat $conf)" 'program "thing" { }' '… its section is'
undo 0
mkdir 'daemons/a b' && cp "$openssl" 'daemons/a b/a b'
snicert setup --module "$module" --apply --yes --binary "$work/daemons/a b/a b" --user "$me" >out 2>err
has "$(cat err)" 'with a blank' 'a program with a blank in its name: refused'
same conf.before $conf '… and nothing is changed'

# --- nginx: a file for its unit

mkdir -p /etc/nginx && echo "user $me;" >/etc/nginx/nginx.conf
cat >nginx.c <<'C'
#include <openssl/ssl.h>
#include <stdio.h>
int main(void) { fputs("nginx version: nginx/1.22.1\nconfigure arguments: --conf-path=/etc/nginx/nginx.conf --user=a\n", stderr); return SSL_CTX_new(TLS_server_method()) == NULL; }
C
if ${CC:-cc} nginx.c -o bin/nginx -lssl -lcrypto 2>errors; then
	unit=/etc/systemd/system/nginx.service.d/snicert.conf
	snicert setup --module "$module" --apply --yes nginx >out 2>err
	has "$(cat $unit)" 'Environment=OPENSSL_CONF=/etc/ssl/snicert-openssl.cnf' 'nginx: its unit'
	has "$(cat $conf)" 'program "nginx" { unknown = "refuse" }' 'nginx: its section'
	undo 0 nginx
	[ ! -e "${unit%/*}" ] && ok 'nginx: the unit and its directory are gone' || not_ok 'nginx: the unit and its directory are gone'
	same conf.before $conf 'nginx: snicert.conf is as it was'
else
	skip 'nginx' "no compiler: $(head -n 1 errors)"
fi

# --- Exim as Debian configures it, split and not

mkdir -p /etc/exim4
fake "$work/bin/exim4" <<-SH
	case \$1 in
	-bV) printf 'Exim version 4.96 #2\nSupport for: Expand_dlfunc GnuTLS\nConfiguration file is /var/lib/exim4/config.autogenerated\n' ;;
	*) printf 'exim_user = $me\nexim_group = \nsmtp_active_hostname = \n'
		grep '^tls_require_ciphers' "$work/generated" || echo "tls_require_ciphers = \$(cat "$work/ciphers")"
		sed -n 's/^MAIN_TLS_CERTIFICATE/tls_certificate/p; s/^MAIN_TLS_PRIVATEKEY/tls_privatekey/p' "$work/generated" ;;
	esac
SH
fake "$work/bin/update-exim4.conf" <<-SH
	cat /etc/exim4/exim4.conf.localmacros /etc/exim4/conf.d/main/000_localmacros >"$work/generated" 2>/dev/null
	true
SH
for split in false true; do
	case $split in true) macros=/etc/exim4/conf.d/main/000_localmacros ;; *) macros=/etc/exim4/exim4.conf.localmacros ;; esac
	echo "dc_use_split_config='$split'" >/etc/exim4/update-exim4.conf.conf
	: >generated
	[ $split = true ] && echo PERFORMANCE >ciphers || : >ciphers
	apply 0 exim
	is "$(grep -c '^MAIN_TLS_' $macros)" 3 "Exim, split $split: its macros"
	is "$(openssl x509 -in /etc/exim4/exim.crt -noout -pubkey)" "$(openssl pkey -in /etc/exim4/exim.key -pubout)" \
		"Exim, split $split: a certificate of its own, and its key"
	is "$(stat -c '%a %G' /etc/exim4/exim.key)" "640 $(id -gn)" "Exim, split $split: who may read that"
	is "$(grep -c '^tls_require_ciphers = NORMAL:%SERVER_PRECEDENCE$' $macros)" "$([ $split = true ] && echo 0 || echo 1)" \
		"Exim, split $split: the ciphers, where none are set"
	cp $macros macros
	apply 0 exim
	same macros $macros "Exim, split $split: a second time"
	has "$(cat out)" 'its configuration calls the module' '… says that it is there'
	hasnt "$(cat out)" 'openssl genpkey' '… and makes no second certificate'
	undo 0 exim
	[ ! -e $macros ] && ok "Exim, split $split: taken back" || not_ok "Exim, split $split: taken back" "$(cat $macros)"
done
# One with OpenSSL, whose line is a setting and not a macro: it goes where the macros go.
cat >exim.c <<'C'
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
int main(int n, char **a)
{
	if (n > 1 && strcmp(a[1], "-bV") == 0)
		puts("Exim version 4.96 #2\nSupport for: Expand_dlfunc OpenSSL\nConfiguration file is /var/lib/exim4/config.autogenerated");
	else
		puts("exim_user = root\nexim_group = \ntls_certificate = /etc/exim4/exim.crt\ntls_privatekey = /etc/exim4/exim.key\nsmtp_active_hostname = ");
	return SSL_CTX_new(TLS_server_method()) == NULL;
}
C
if ${CC:-cc} exim.c -o bin/exim4 -lssl -lcrypto 2>errors; then
	snicert setup --module "$module" --apply --yes exim >out 2>err # this one always says that it has no such line
	is "$(grep -c '^smtp_active_hostname = .*snicert_exim_attach' $macros)" 1 'Exim with OpenSSL: its line is where the macros go'
	undo 0 exim
	[ ! -e $macros ] && ok 'Exim with OpenSSL: taken back' || not_ok 'Exim with OpenSSL: taken back' "$(cat $macros)"
else
	skip 'Exim with OpenSSL' "no compiler: $(head -n 1 errors)"
fi
lib_finish
