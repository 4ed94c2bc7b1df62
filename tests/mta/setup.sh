#!/bin/sh
# SPDX-License-Identifier: ISC
# setup.sh: `snicert setup` beside unmodified servers: what its page says is done
# to the letter, then the server serves by name and --check finds nothing wrong.
# Each piece taken away or broken in turn is what --check complains of.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start setup postfix dovecot-core dovecot-imapd nginx-light stunnel4 acl
mta_syslog
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# A program of / rather than /usr, which is not laid over this machine's.
for program in setfacl getfacl; do
	command -v $program >/dev/null || cp "$SNICERT_MTA_LOWER/bin/$program" /usr/bin/
done
module=/usr/lib/snicert/snicert.so
mkdir -p ${module%/*} certs
cp "$build/.libs/snicert.so" $module
# The sections as they are installed with the module.
share=$(sed -n 's/^# *\.include //p' "$build/system/openssl.cnf")
mkdir -p ${share%/*}
sed "s,^path = .*,path = $module,; s,^config = .*,config = /etc/snicert/snicert.conf," "$build/system/openssl.cnf" >$share
conf=/etc/snicert/snicert.conf store=/var/lib/snicert/store.db store_key=/etc/snicert/store.key
mkdir -p /etc/snicert
printf 'store { path = "%s" key = "%s" }\n' $store $store_key >$conf
cp $conf conf.bare

. "$src/tests/mta/setup-lib.sh"

fixtures_leaf certs smtp.customer-a.example
fixtures_leaf certs fall --san mx.provider.example
cheap_key own.key
cheap_chain own own.key own.example
fill() {
	tool 0 import certs/smtp.customer-a.example.pem
	tool 0 import --no-bind certs/fall.pem
	tool 0 fallback "$(sha_of certs/fall.crt)"
}

# --- Postfix
mta_user postfix 901 postfix 901
echo 'postdrop:x:902:' >>/etc/group
cp own /etc/postfix/own.pem
chmod 600 /etc/postfix/own.pem
cp /usr/share/postfix/dynamicmaps.cf /etc/postfix/
cp /usr/share/postfix/main.cf.dist /etc/postfix/main.cf.proto
cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf.proto
cp /usr/share/postfix/makedefs.out /etc/postfix/makedefs.out
cat >/etc/postfix/main.cf <<-CF
	compatibility_level = 3.6
	myhostname = mx.provider.example
	mydestination =
	inet_interfaces = 127.0.0.1
	inet_protocols = ipv4
	smtpd_peername_lookup = no
	alias_maps =
	alias_database =
CF
cat >/etc/postfix/master.cf <<-CF
	25        inet  n       -       y       -       -       smtpd
	2525      inet  n       -       n       -       -       smtpd
	pickup    unix  n       -       y       60      1       pickup
	cleanup   unix  n       -       y       -       0       cleanup
	qmgr      unix  n       -       n       300     1       qmgr
	tlsmgr    unix  -       -       y       1000?   1       tlsmgr
	rewrite   unix  -       -       y       -       -       trivial-rewrite
	bounce    unix  -       -       y       -       0       bounce
	proxymap  unix  -       -       n       -       -       proxymap
	anvil     unix  -       -       y       -       1       anvil
	postlog   unix-dgram n  -       n       -       1       postlogd
CF
setup 0 postfix
has "$(cat page)" "Postfix $(postconf -h mail_version)" 'the page: the release'
has "$(cat page)" 'libssl.so.3, used by /usr/lib/postfix/sbin/smtpd' 'the page: the TLS library'
has "$(cat page)" 'runs as      postfix, group postfix; loads the module as root' 'the page: whom it runs as'
has "$(cat page)" 'chroot       /var/spool/postfix (25/inet)' 'the page: what is in a chroot'
has "$(cat page)" 'offers no TLS yet' 'the page: there is no TLS yet'
check 1 postfix
for thing in openssl.cnf setting programs store tls; do has "$(of $thing)" wrong: "nothing set up: $thing"; done
for thing in server module snicert.conf running; do has "$(of $thing)" ok: "nothing set up: $thing"; done
cat >>/etc/postfix/main.cf <<-CF
	smtpd_tls_cert_file = /etc/postfix/own.pem
	smtpd_tls_key_file = /etc/postfix/own.pem
	smtpd_tls_security_level = may
CF
postfix set-permissions >postfix.out 2>&1
postfix start >>postfix.out 2>&1
mta_wait Postfix mta_listening 25 || cat postfix.out "$log"
port=25
is "$(served smtp.customer-a.example)" own.example 'before: its own certificate'
reloaded() { for port in 25 2525; do [ "$(served smtp.customer-a.example)" = smtp.customer-a.example ] || return; done; }
own_again() { for port in 25 2525; do [ "$(served smtp.customer-a.example)" = own.example ] || return; done; }

# By --apply alone, and taken back.  Postfix 3.10 tells of its reload on standard error, too.
without_waiting() { sed -i '/^snicert: waiting up to /d;/^postfix\/postlog: refreshing the Postfix mail system$/d' "$1"; }
rm -rf /var/lib/snicert $store_key
cp /etc/postfix/main.cf main.before
setfacl -m u:7:r $conf
tool 0 setup --module $module --apply --yes postfix
has "$(getfacl -n $conf 2>/dev/null)" 'user:7:r--' '--apply: the access list of a file stays'
has "$(cat out)" '+ tls_config_file = ' '--apply: the line in main.cf is shown'
has "$(cat out)" 'warn *the store is empty' '--apply: --check in the end'
fill
mta_wait '--apply: it serves by name' reloaded && ok '--apply: it serves by name'
well postfix 'by --apply'
tool 0 setup --module $module --apply --yes postfix
has "$(cat out)" 'nothing has changed: postfix reload' '--apply: a second time, nothing is done'
tool 0 setup --module $module --undo --yes postfix
mta_wait '--undo: its own certificate again' own_again && ok '--undo: its own certificate again'
cmp main.before /etc/postfix/main.cf >cmp.out && cmp conf.bare $conf >>cmp.out && [ ! -e /etc/ssl/snicert-openssl.cnf ] &&
	ok '--undo: the files are as they were' || not_ok '--undo: the files are as they were' "$(cat cmp.out)"
[ -s $store ] && [ -s $store_key ] && ok '--undo: store and key stay' || not_ok '--undo: store and key stay'

rm -rf /var/lib/snicert $store_key
setfacl -b $conf
apply postfix
fill
mta_wait 'after a reload it serves by name, in the chroot and out of it' reloaded && ok 'after a reload it serves by name, in the chroot and out of it'
well postfix 'as the page says'
setup 0 postfix
cp page again
is "$(grep -cE '^(New file|Add )' page)" 0 'done: nothing is left to add'
has "$(cat page)" 'Already in /etc/snicert/snicert.conf' 'done: … and it says so'

# Each thing broken, then whole again.  A second smtpd of the chroot is busy all the time.
hold() { (sleep 600 | openssl s_client -quiet -starttls smtp -connect 127.0.0.1:2525 >/dev/null 2>&1) & held=$!; pids="$pids $held"; }
mv $module $module.away
bad postfix module 'is not there' 'no module'
echo nonsense >$module
bad postfix module 'snicert.so' 'a file that is no module'
cp /usr/lib/*/libz.so.1 $module 2>/dev/null || cp /lib/*/libz.so.1 $module
bad postfix module 'has no OPENSSL_init' 'another library in its place'
mv $module.away $module
chmod 777 $module
bad postfix module 'unsafe mode 0777' 'a module that anybody can change'
has "$(of module)" 'chmod go-w' '… and the fix'
chmod 755 $module
chmod 777 ${module%/*}
bad postfix module '/usr/lib/snicert has the unsafe mode' 'a directory that anybody can change'
chmod 755 ${module%/*}

cnf=/etc/ssl/snicert-openssl.cnf
cp $cnf cnf.good
has "$(cat $cnf)" ".include $share" 'openssl.cnf includes what comes with the module'
own() { [ "$(served smtp.customer-a.example)" = own.example ]; }
mv $module $share .
postfix reload >>postfix.out 2>&1
mta_wait 'the package is removed: TLS goes on, with the own certificate' own && ok 'the package is removed: TLS goes on, with the own certificate'
port=2525
mta_wait '… in the chroot, too' own && ok '… in the chroot, too'
bad postfix openssl.cnf 'loads snicert.so' 'openssl.cnf of the package is gone' 2
mv snicert.so $module && mv ${share##*/} $share
postfix reload >>postfix.out 2>&1
mta_wait '… and it is back' reloaded && ok '… and it is back'
# The one without: a system with settings of its own, as Debian 13, has them included.
cat >cnf.short <<-CNF
	openssl_conf = init
	[init]
	snicert = snicert_section
	[snicert_section]
	path = $module
	config = $conf
CNF
cp cnf.short $cnf
check 0 postfix
has "$(of openssl.cnf)" "warn: $cnf names the module directly*.include $share" 'openssl.cnf that names the module: it breaks when that is removed'
mv $share .
well postfix 'openssl.cnf that names the module, and no other way'
mv ${share##*/} $share
sed 's,^path = .*,path = /usr/lib/snicert/wrong/snicert.so,' cnf.short >$cnf
bad postfix openssl.cnf 'has path = /usr/lib/snicert/wrong/snicert.so' 'another path in openssl.cnf'
sed 's,^config = .*,config = /etc/snicert/other.conf,' cnf.short >$cnf
bad postfix openssl.cnf 'has config = /etc/snicert/other.conf' 'another configuration in openssl.cnf'
sed 's,^openssl_conf = .*,,' cnf.short >$cnf
bad postfix openssl.cnf 'has no openssl_conf' 'openssl.cnf without its first line'
sed 's,^snicert = .*,,' cnf.short >$cnf
bad postfix openssl.cnf 'loads snicert.so' 'openssl.cnf without the section'
sed 's,\[init\],[init,' cnf.short >$cnf
bad postfix openssl.cnf "$cnf:2: missing close square bracket" 'openssl.cnf with a mistake'
rm $cnf
bad postfix openssl.cnf 'is not there' 'no openssl.cnf'
cp cnf.good $cnf
postconf -e 'tls_config_name = smtpd'
{ echo 'smtpd = other'; cat cnf.good; echo '[other]'; } >$cnf
bad postfix openssl.cnf 'nothing in its section \[other\]' 'tls_config_name leads elsewhere'
cp cnf.good $cnf
well postfix 'tls_config_name without such a name'
postconf -X tls_config_name

postconf -X tls_config_file
bad postfix setting 'tls_config_file = default: it does not lead' 'tls_config_file is unset'
postconf -e 'tls_config_file = none'
bad postfix setting 'tls_config_file = none' 'tls_config_file = none'
postconf -e "tls_config_file = $cnf"

cp $conf conf.good
sed -i '/program/d' $conf
bad postfix programs 'names no program "smtpd"' 'no program section'
has "$(of programs)" 'add: program "smtpd" { }' '… and the fix'
echo 'expired = "later"' | cat conf.good - >$conf
bad postfix snicert.conf 'snicert.conf:*want serve or fallback' 'a bad value'
echo 'program "x {' | cat conf.good - >$conf
bad postfix snicert.conf 'snicert.conf' 'a mistake in the grammar'
cp conf.good $conf
chmod 666 $conf
bad postfix snicert.conf 'unsafe mode 0666' 'a configuration that anybody can change' 3
cp -p conf.good $conf && chmod 644 $conf

# What root has opened is served, whoever can read it; but it can't be opened again.
chgrp root $store_key && chmod 600 $store_key
check 0 postfix
has "$(of permissions)" "warn: postfix can't read $store_key*chgrp postfix $store_key && chmod g+r $store_key" 'a key that only root reads'
sh -c "$(of permissions | sed 's/.* -> //')" && well postfix 'the fix fixes it'
chmod 644 $store_key
bad postfix store 'store.key has the unsafe mode 0644' 'a key that everybody reads'
has "$(of store)" 'chmod g-wx,o-rwx' '… and the fix'
chmod 640 $store_key
mv $store_key key.away
bad postfix store 'store.key*No such file' 'no key'
mv key.away $store_key
mkdir hidden && mv /var/lib/snicert/store.db* hidden/
bad postfix store 'store.db*No such file*snicert init' 'no store'
mv hidden/store.db* /var/lib/snicert/
chgrp root /var/lib/snicert && chmod 700 /var/lib/snicert
check 0 postfix
has "$(of permissions)" "can't search /var/lib/snicert" 'a directory that is shut'
sh -c "$(of permissions | sed 's/.* -> //')" && well postfix 'the fix fixes it'
postconf -e 'smtpd_tls_security_level ='
bad postfix tls 'offers no TLS' 'TLS is off'
postconf -e 'smtpd_tls_security_level = may' 'smtpd_tls_cert_file ='
check 0 postfix
has "$(of tls)" 'warn: it has no certificate of its own' 'no certificate'
postconf -e 'smtpd_tls_cert_file = /etc/postfix/own.pem'

# What runs.
postfix reload >>postfix.out 2>&1
hold
loaded() { snicert setup --module $module --check --json postfix >out; grep -q 'all [0-9]* processes have the module' out; }
mta_wait 'a process that has it loaded' loaded && ok 'running: it is loaded'
cp $module module.copy && rm $module && cp module.copy $module
check 0 postfix
has "$(of running)" 'warn:*have an older copy of the module loaded' 'running: the module was replaced since'
kill $held
postfix stop >>postfix.out 2>&1
gone() { ! pgrep -x smtpd; }
mta_wait 'Postfix ends' gone
postconf -X tls_config_file
postfix start >>postfix.out 2>&1
hold
unloaded() { pgrep -x smtpd; }
mta_wait 'an smtpd' unloaded
postconf -e "tls_config_file = $cnf"
bad postfix running 'of*processes have the module loaded' 'running: started before'
kill $held
postfix stop >>postfix.out 2>&1
mta_wait 'Postfix ends' gone

# The file that it names already gets the section, at its end.
printf '[other]\nkey = value\n' >/etc/ssl/mine.cnf
postconf -e 'tls_config_file = /etc/ssl/mine.cnf'
postfix start >>postfix.out 2>&1
mta_wait Postfix mta_listening 25
apply postfix
well postfix 'a file of one'\''s own, without a section'
printf 'openssl_conf = mine\n[mine]\n[other]\nkey = value\n' >/etc/ssl/mine.cnf
apply postfix
well postfix 'a file of one'\''s own, with a section'
mta_wait 'served with a file of one'\''s own' reloaded && ok '… and Postfix takes it'
# A system with settings of its own keeps them.
rm $cnf
postconf -X tls_config_file
cp /etc/ssl/openssl.cnf system.cnf
sed -i 's/^\[openssl_init\]/&\nssl_conf = policy\n[policy]\nsystem_default = tls\n[tls]\nSignatureAlgorithms = ECDSA+SHA384\n[openssl_init]/' /etc/ssl/openssl.cnf
apply postfix
has "$(cat page)" '.include /usr/lib/ssl/openssl.cnf' 'a system with a policy: it is included'
well postfix 'a system with a policy'
policy() { [ "$(served smtp.customer-a.example -tls1_2)" = smtp.customer-a.example ] && grep -q 'signing digest: SHA384' handshake; }
mta_wait 'served under the policy' policy && ok '… and Postfix takes module and policy' || cat handshake
cp system.cnf /etc/ssl/openssl.cnf

# An older Postfix, by import_environment: the same one, told not to say that it knows the setting.
sed -i 's/^tls_config_file.*//' /etc/postfix/main.cf
mv /usr/sbin/postconf /usr/sbin/postconf.real
cat >/usr/sbin/postconf <<-'SH'
	#!/bin/sh
	/usr/sbin/postconf.real "$@" | sed '/^tls_config_file/d'
SH
chmod 755 /usr/sbin/postconf
apply postfix
has "$(cat page)" 'import_environment' 'an older Postfix: by import_environment'
mta_wait Postfix mta_listening 25
mta_wait 'an older Postfix: served by name' reloaded && ok 'an older Postfix: served by name'
well postfix 'an older Postfix'
postfix stop >>postfix.out 2>&1

# --- Dovecot, with the same store: its user is let in beside the other's group
mta_user dovecot 911
mta_user dovenull 912
cp own /etc/dovecot/own.pem
case $(dovecot --version) in
2.3.*) cat >/etc/dovecot/dovecot.conf <<-CF ;;
	ssl_cert = </etc/dovecot/own.pem
	ssl_key = </etc/dovecot/own.pem
	passdb {
	  driver = static
	  args = nopassword=y
	}
	userdb {
	  driver = static
	  args = uid=65534 gid=65534 home=/tmp
	}
CF
*) cat >/etc/dovecot/dovecot.conf <<-CF ;;
	dovecot_config_version = 2.4.0
	dovecot_storage_version = 2.4.0
	ssl_server_cert_file = /etc/dovecot/own.pem
	ssl_server_key_file = /etc/dovecot/own.pem
	passdb static {
	  fields {
	    nopassword = yes
	  }
	}
	userdb static {
	  fields {
	    uid = 65534
	    gid = 65534
	    home = /tmp
	  }
	}
CF
esac
cat >>/etc/dovecot/dovecot.conf <<-CF
	protocols = imap
	listen = 127.0.0.1
	ssl = yes
CF
dovecot >dovecot.out 2>&1
setup 0 dovecot
has "$(cat page)" 'setfacl -m u:dovenull' 'dovecot: its user is let in beside the group'
apply dovecot
mta_wait Dovecot mta_listening 143
starttls=imap port=143
is "$(served smtp.customer-a.example)" smtp.customer-a.example 'dovecot: as the page says, it serves by name'
well dovecot 'as the page says'
doveadm stop
echo 'bad_setting = yes' >>/etc/dovecot/dovecot.conf
refused 3 '*dovecot.conf line *bad_setting*fix that first*' setup --module $module dovecot

# --- nginx: its workers open the store for themselves
setup 0 nginx
has "$(cat page)" 'program "nginx" { unknown = "refuse" }' 'nginx: for policies'
has "$(cat page)" 'env OPENSSL_CONF;' 'nginx: what keeps the module over an update'
check 1 nginx
has "$(of setting)" 'wrong: /etc/nginx/nginx.conf has no env OPENSSL_CONF;*-> env OPENSSL_CONF;' 'nginx: --check misses it'
echo 'env OPENSSL_CONF;' >>/etc/nginx/nginx.conf
check 1 nginx
has "$(of setting)" 'ok: /etc/nginx/nginx.conf passes OPENSSL_CONF on' 'nginx: … until it is there'
setup 0 nginx
has "$(cat page)" 'Already in /etc/nginx/nginx.conf' 'nginx: … and the page says so'
check 1 nginx
has "$(of permissions)" "wrong: www-data can't" 'nginx: its workers have to be able to read'
# --- stunnel
setup 0 stunnel
has "$(cat page)" 'program "stunnel4" { }' 'stunnel: its name'
lib_finish
