#!/bin/sh
# SPDX-License-Identifier: ISC
# postfix.sh: Debian's Postfix, unmodified, that loads the module by
# tls_config_file: smtpd plain and in Debian's chroot, submission, smtps,
# tlsproxy behind postscreen; also as a client, and beside its own SNI map.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start postfix postfix swaks

mta_user postfix 901 postfix 901
echo 'postdrop:x:902:' >>/etc/group
mta_module
mta_syslog
export LC_ALL=C

# Port by port; the chroot column is the fifth.
plain=2525 jailed=25 submission=587 smtps=465 screen=2527 far=2526
postfix_config() { # main.cf's TLS lines
	mkdir -p /var/mail/vhosts
	chown nobody /var/mail/vhosts
	cp /usr/share/postfix/dynamicmaps.cf /etc/postfix/
	cp /usr/share/postfix/main.cf.dist /etc/postfix/main.cf.proto
	cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf.proto
	ln -sf /usr/share/postfix/makedefs.out /etc/postfix/makedefs.out
	cat >/etc/postfix/main.cf <<-CF
		compatibility_level = 3.6
		myhostname = mx.provider.example
		mydestination =
		inet_interfaces = 127.0.0.1
		inet_protocols = ipv4
		mynetworks = 127.0.0.0/8
		smtpd_peername_lookup = no
		smtp_host_lookup = native
		smtp_dns_support_level = disabled
		virtual_mailbox_domains = customer-a.example, customer-b.example
		virtual_mailbox_base = /var/mail/vhosts
		virtual_mailbox_maps = static:inbox
		virtual_uid_maps = static:65534
		virtual_gid_maps = static:65534
		transport_maps = inline:{far.example=smtp:[smtp.customer-a.example]:$far, wrong.example=smtp:[wrong.example]:$far}
		alias_maps =
		alias_database =
		postscreen_access_list =
		postscreen_greet_wait = 1s
		postscreen_bare_newline_enable = yes
		postscreen_cache_map = btree:\$data_directory/postscreen_cache
		maximal_backoff_time = 5s
		minimal_backoff_time = 5s
		smtpd_tls_cert_file = /etc/postfix/own.pem
		smtpd_tls_key_file = /etc/postfix/own.pem
		smtpd_tls_security_level = may
		smtpd_tls_loglevel = 1
		smtp_tls_CAfile = /etc/ssl/fixture-root.crt
		smtp_tls_security_level = secure
		smtp_tls_secure_cert_match = hostname
		smtp_tls_servername = hostname
		smtp_tls_loglevel = 1
		$1
	CF
	# The mail to far.example is thrown away where it comes in: else it went round.
	cat >/etc/postfix/master.cf <<-CF
		$plain     inet  n       -       n       -       1       smtpd
		$jailed    inet  n       -       y       -       1       smtpd
		127.0.0.2:$far inet n     -       y       -       1       smtpd
		  -o syslog_name=postfix/far
		  -o myhostname=mx2.provider.example
		  -o { smtpd_recipient_restrictions = check_recipient_access inline:{{far.example = DISCARD}} }
		$submission inet n       -       y       -       1       smtpd
		  -o syslog_name=postfix/submission
		  -o smtpd_tls_security_level=encrypt
		$smtps     inet  n       -       y       -       1       smtpd
		  -o syslog_name=postfix/smtps
		  -o smtpd_tls_wrappermode=yes
		$screen    inet  n       -       y       -       1       postscreen
		smtpd     pass  -       -       y       -       -       smtpd
		tlsproxy  unix  -       -       y       -       0       tlsproxy
		dnsblog   unix  -       -       y       -       0       dnsblog
		pickup    unix  n       -       y       60      1       pickup
		cleanup   unix  n       -       y       -       0       cleanup
		qmgr      unix  n       -       n       300     1       qmgr
		tlsmgr    unix  -       -       y       1000?   1       tlsmgr
		rewrite   unix  -       -       y       -       -       trivial-rewrite
		bounce    unix  -       -       y       -       0       bounce
		defer     unix  -       -       y       -       0       bounce
		trace     unix  -       -       y       -       0       bounce
		verify    unix  -       -       y       -       1       verify
		flush     unix  n       -       y       1000?   0       flush
		proxymap  unix  -       -       n       -       -       proxymap
		smtp      unix  -       -       y       -       -       smtp
		showq     unix  n       -       y       -       -       showq
		error     unix  -       -       y       -       -       error
		retry     unix  -       -       y       -       -       error
		discard   unix  -       -       y       -       -       discard
		virtual   unix  -       n       n       -       -       virtual
		anvil     unix  -       -       y       -       1       anvil
		scache    unix  -       -       y       -       1       scache
		postlog   unix-dgram n  -       n       -       1       postlogd
	CF
}
postfix_start() {
	log_mark
	postfix start >>"$work/postfix.out" 2>&1 || not_ok 'Postfix starts' "$(tail -n 5 "$work/postfix.out")"
	for p in $plain $jailed $submission $smtps $screen; do
		mta_wait "port $p" mta_listening $p || return 1
	done
}
postfix_stop() { postfix stop >>"$work/postfix.out" 2>&1; }
again() { postfix_stop; postfix_start; }
on() { # PORT NAME|- [OPTION…]: whose certificate
	port=$1
	shift
	starttls=smtp
	[ $port != $smtps ] || starttls=-
	served "$@"
}
each_port='plain jailed submission smtps'
port_of() { eval "echo \$$1"; }

# --- certificates and a store
mkdir certs
fixtures_leaf certs smtp.customer-a.example
fixtures_leaf certs smtp.customer-b.example --rsa
fixtures_leaf certs wild --san '*.customer-c.example'
fixtures_leaf certs fall.ec --san mx.provider.example
fixtures_leaf certs fall.rsa --rsa --san mx.provider.example
fixtures_leaf certs fall2 --san mx2.provider.example
fixtures_leaf certs map --san map.example
fixtures_leaf certs mapb --san smtp.customer-b.example
cheap_key own.key
cheap_chain own own.key own.example
cp own /etc/postfix/own.pem
chmod 600 /etc/postfix/own.pem
programs='program "smtpd" { }
program "tlsproxy" { }'
mta_conf "$programs"
rmdir /var/lib/snicert
tool 0 init --group postfix
fill() {
	tool 0 import certs/smtp.customer-a.example.pem certs/smtp.customer-b.example.pem certs/wild.pem
	tool 0 import --no-bind certs/fall.ec.pem certs/fall.rsa.pem
	ids=$(snicert list --chains --json >"$work/chains.json"; sqlite3 :memory: "SELECT group_concat(json_extract(value, '\$.chain'), ' ')
		FROM json_each(CAST(readfile('$work/chains.json') AS TEXT)) WHERE value LIKE '%mx.provider.example%'")
	tool 0 default $ids
}
fill
echo '127.0.0.2 smtp.customer-a.example smtp.customer-b.example wrong.example' >>/etc/hosts
mkdir -p /var/spool/postfix/etc
cp /etc/hosts /etc/nsswitch.conf /etc/resolv.conf /etc/services /var/spool/postfix/etc/

postfix_config "tls_config_file = $openssl_cnf
max_use = 2000
max_idle = 300s"
postfix set-permissions >"$work/permissions.out" 2>&1 || not_ok 'postfix set-permissions' "$(cat "$work/permissions.out")"
postfix_start || { lib_finish; }

# --- the chain by name, everywhere
for where in $each_port; do
	p=$(port_of $where)
	is "$(on $p -)" mx.provider.example "$where: no name gets the fallback"
	is "$(on $p smtp.customer-a.example)" smtp.customer-a.example "$where: a known name"
	is "$(on $p SMTP.Customer-B.Example)" smtp.customer-b.example "$where: another, in the same process"
	is "$(on $p smtp.customer-a.example -tls1_2)" smtp.customer-a.example "$where: TLS 1.2"
	is "$(on $p smtp.customer-a.example -groups P-521:P-256)" smtp.customer-a.example "$where: HelloRetryRequest"
	is "$(on $p mx1.customer-c.example)" '*.customer-c.example' "$where: a wildcard"
	is "$(on $p a.mx1.customer-c.example)" mx.provider.example "$where: two labels deep"
	is "$(on $p nobody.example)" mx.provider.example "$where: an unknown name gets the fallback"
	is "$(on $p smtp.customer-a.example $rsa_only)" mx.provider.example "$where: RSA only, and the name has ECDSA"
	is "$(key_served)" 'RSA' "$where: … with the fallback's RSA chain"
	for version in tls1_2 tls1_3; do
		port=$p
		rm -f session
		(sleep 0.5; echo QUIT) | openssl s_client -connect 127.0.0.1:$p $([ $where = smtps ] || echo -starttls smtp) \
			-servername smtp.customer-a.example -$version -ign_eof -sess_out session >/dev/null 2>&1
		on $p smtp.customer-a.example -$version -sess_in session >/dev/null
		has "$(cat handshake)" 'Reused, TLS' "$where: resumption, $version"
	done
done
is "$(on $screen smtp.customer-a.example)" smtp.customer-a.example 'tlsproxy, in a chroot: a known name'
is "$(on $screen smtp.customer-b.example)" smtp.customer-b.example 'tlsproxy, in a chroot: another'
is "$(on $screen nobody.example)" mx.provider.example 'tlsproxy, in a chroot: an unknown name'
logged 'postfix/smtpd\[.*TLS connection established' 'Postfix logs its TLS connections'
log_from=0
hasnt_logged 'snicert: ' 'all well: the module says nothing'
hasnt_logged 'warning:' 'all well: Postfix warns of nothing'
log_mark

# --- changes while it runs: the next handshake, the same process
smtpd_pids() { pgrep -x smtpd | sort | tr '\n' ' '; }
before=$(smtpd_pids)
for where in $each_port; do
	fixtures_leaf certs smtp.customer-a.example
	tool 0 import certs/smtp.customer-a.example.pem
	port=$(port_of $where)
	starttls=smtp
	[ $where != smtps ] || starttls=-
	is "$(leaf_of smtp.customer-a.example)" "$(sha_of certs/smtp.customer-a.example.crt)" "$where: a renewal is served at once"
done
port=$screen starttls=smtp
is "$(leaf_of smtp.customer-a.example)" "$(sha_of certs/smtp.customer-a.example.crt)" 'tlsproxy: a renewal is served at once'
tool 0 import --no-bind certs/fall2.pem
tool 0 default "$(sha_of certs/fall2.crt)"
for where in $each_port; do
	is "$(on $(port_of $where) nobody.example)" mx2.provider.example "$where: another fallback is served at once"
done
tool 0 default $ids
for where in $each_port; do
	is "$(on $(port_of $where) -)" mx.provider.example "$where: … and the first one again"
done
is "$(smtpd_pids)" "$before" 'all in the same processes'

# --- mail: a vanity name, verified
inbox=/var/mail/vhosts/inbox
mail_by_swaks() { # PORT NAME SUBJECT [OPTION…]
	_p=$1 _n=$2 _s=$3
	shift 3
	swaks --server 127.0.0.1 --port $_p --tls-sni $_n --tls-verify --tls-ca-path /etc/ssl/fixture-root.crt \
		--from sender@example.org --to "info@${_n#*.}" --header "Subject: $_s" --ehlo client.example.org "$@" >swaks.out 2>&1
}
mail_by_swaks $jailed smtp.customer-a.example verified-by-swaks --tls && ok 'swaks delivers over verified TLS' ||
	not_ok 'swaks delivers over verified TLS' "$(tail -n 12 swaks.out)"
mta_wait 'the mail from swaks is in the mailbox' grep -q 'verified-by-swaks' $inbox && ok 'the mail from swaks is in the mailbox'
mail_by_swaks $smtps smtp.customer-b.example verified-by-swaks-smtps --tls-on-connect && ok 'swaks, smtps' ||
	not_ok 'swaks, smtps' "$(tail -n 12 swaks.out)"
postfix_sends() { # RECIPIENT
	printf 'From: a@provider.example\nTo: %s\nSubject: out\n\nhello\n' "$1" | sendmail -f a@provider.example "$1"
}
log_mark
postfix_sends someone@far.example
logged 'Verified TLS connection established to smtp.customer-a.example\[127.0.0.2\]' 'Postfix as a client verifies the vanity name'
logged 'to=<someone@far.example>.*status=sent' '… and delivers'
postfix_sends someone@wrong.example
logged 'to=<someone@wrong.example>.*status=deferred.*not verified' 'Postfix as a client still refuses a certificate that does not fit'
hasnt_logged 'snicert: ' 'the client: the module says nothing'
postsuper -d ALL >/dev/null 2>&1

# --- nothing grows
fds_of() { # once the last connection is gone: not busy with a socket of it
	for _ in $(seq 40); do
		_now=$(ls /proc/$1/fd | wc -l)
		sleep 0.1
		[ "$_now" != "${_before:-}" ] || break
		_before=$_now
	done
	echo $_now
}
port_pid() { # the smtpd that serves a port: the one whose address space logs last
	on $1 nobody.example >/dev/null
	sed -n 's/.*postfix\/[a-z]*\[\([0-9]*\)\]: connect from.*/\1/p' "$log" | tail -n 1
}
printf "%s\n" smtp.customer-a.example smtp.customer-b.example mx.customer-c.example nobody.example >names
for where in plain jailed; do
	pid=$(port_pid $(port_of $where))
	first=$(fds_of $pid) memory=$(awk '/^VmRSS/ { print $2 }' /proc/$pid/status)
	"$build/starttls-load" --port $(port_of $where) --count 300 --clients 1 --names names >load.out 2>load.err
	has "$(cat load.out)" "handshakes 300 failed 0 " "$where: 300 connections"
	is "$(port_pid $(port_of $where))" "$pid" "$where: the same process after the load"
	if [ "$(fds_of $pid)" -le "$first" ]; then ok "$where: no file descriptor is left over"; else
		not_ok "$where: no file descriptor is left over" "$first before; $(ls -l /proc/$pid/fd)"
	fi
	grown=$(($(awk '/^VmRSS/ { print $2 }' /proc/$pid/status) - memory))
	[ $grown -lt 1500 ] && ok "$where: no memory is left over" || not_ok "$where: no memory is left over" "$grown kB; $(cat load.out load.err)"
done

# --- the store goes away, and comes back
hide() { mkdir -p "$work/hidden" && mv /var/lib/snicert/store.db* "$work/hidden/"; }
unhide() { mv "$work"/hidden/store.db* /var/lib/snicert/; }
log_mark
hide
for where in plain jailed; do
	is "$(on $(port_of $where) smtp.customer-a.example)" smtp.customer-a.example "$where: the store is removed under it: it goes on serving"
	is "$(on $(port_of $where) nobody.example)" mx.provider.example "$where: … the fallback as well"
done
again
for where in $each_port; do
	is "$(on $(port_of $where) smtp.customer-a.example)" own.example "$where: started without a store: Postfix's own certificate"
done
is "$(on $screen smtp.customer-a.example)" own.example "tlsproxy: started without a store: Postfix's own certificate"
logged 'postfix/smtpd\[[0-9]*\]: snicert: store /var/lib/snicert/store.db: No such file' "… and Postfix's log says so"
unhide
is "$(on $plain smtp.customer-a.example)" smtp.customer-a.example 'plain: the store is back: served at once'
is "$(on $jailed smtp.customer-a.example)" own.example 'jailed: the store is back: not seen from the jail'
again
is "$(on $jailed smtp.customer-a.example)" smtp.customer-a.example 'jailed: … until the next start'

# --- the store key
log_mark
chgrp root $store_key && chmod 600 $store_key
again
for where in plain jailed; do
	is "$(on $(port_of $where) smtp.customer-b.example)" smtp.customer-b.example "$where: a key that only root reads: read by root, at start"
done
log_mark
chmod 644 $store_key
again
for where in plain jailed; do
	is "$(on $(port_of $where) smtp.customer-b.example)" own.example "$where: a key that everybody reads is refused: own certificate"
done
logged 'snicert: .*store.key has the unsafe mode 0644.*chmod g-wx,o-rwx' '… and the log says what to do'
chmod 640 $store_key && chgrp postfix $store_key
mended() { [ "$(on $plain smtp.customer-b.example)" = smtp.customer-b.example ]; }
mta_wait 'plain: the key is mended: served within a second or two' mended && ok 'plain: the key is mended: served, with no restart'
mv $store_key $store_key.away
log_mark
again
for where in plain jailed; do
	is "$(on $(port_of $where) smtp.customer-b.example)" own.example "$where: no key: own certificate"
done
logged 'snicert: .*store.key.*No such file' '… and the log says so'
mv $store_key.away $store_key

# --- the configuration, broken in several ways: never a failed handshake
broken() { # WHAT LOG-PATTERN WANT
	log_mark
	again
	for where in plain jailed; do
		is "$(on $(port_of $where) smtp.customer-b.example)" "$3" "$where: $1: $3"
	done
	logged "postfix/smtpd\[[0-9]*\]: snicert: $2" "$1: the log has it"
}
mta_conf "$programs
expired = \"later\""
broken 'a bad value' '/etc/snicert/snicert.conf:4: expired = "later": want serve or fallback; the default stands' smtp.customer-b.example
mta_conf "$programs
cache { memory = "
broken 'a mistake behind the programs' '/etc/snicert/snicert.conf:' smtp.customer-b.example
mta_conf "program \"smtpd { }"
broken 'a mistake before the programs' '/etc/snicert/snicert.conf:' own.example
rm $conf
broken 'no such file' ".*/etc/snicert/snicert.conf.*No such file" own.example
mta_conf "$programs"
chmod 666 $conf
broken 'a file that anybody may write' '/etc/snicert/snicert.conf has the unsafe mode 0666' own.example
chmod 644 $conf
mta_conf ''
log_mark
again
is "$(on $plain smtp.customer-b.example)" own.example 'no program is named: inert'
hasnt_logged 'snicert: ' '… and silent'
mta_conf "$programs"

# --- what Postfix does by itself about openssl.cnf
mta_openssl_cnf /usr/lib/snicert/missing.so
log_mark
again
is "$(on $plain smtp.customer-b.example)" 'no handshake' 'a wrong module path: Postfix switches TLS off'
logged 'postfix/smtpd\[[0-9]*\]: warning: .*' '… and says so'
log_since | grep -E 'smtpd\[.*warning' | head -n 6 | sed 's/^/    /'
mail_by_swaks $plain smtp.customer-b.example plain-text --tls-optional && ok '… mail passes in plain text' || not_ok '… mail passes in plain text' "$(tail -n 5 swaks.out)"
mta_openssl_cnf

# --- programs that the configuration does not name
log_mark
for user in root nobody; do
	is "$(setpriv --reuid $user --clear-groups env OPENSSL_CONF=$openssl_cnf openssl dgst -sha256 -r </dev/null 2>&1 | cut -c1-12)" e3b0c44298fc \
		"$user: another program with the same openssl.cnf"
done
hasnt_logged 'snicert: ' 'other programs: silent'

# --- beside Postfix's own SNI map
cat >sni <<-MAP
	map.example $PWD/certs/map.pem
	smtp.customer-b.example $PWD/certs/mapb.pem
MAP
postmap -F hash:sni && cp sni.db /etc/postfix/
postfix_config "tls_config_file = $openssl_cnf
tls_server_sni_maps = hash:/etc/postfix/sni
max_use = 2000"
for fallback in with without; do
	[ $fallback = with ] || tool 0 default none
	again
	for where in $each_port; do
		p=$(port_of $where)
		is "$(on $p smtp.customer-a.example)" smtp.customer-a.example "$where: SNI map, $fallback fallback: a name of the store"
		is "$(on $p smtp.customer-b.example)/$(key_served)" smtp.customer-b.example/RSA-PSS \
			"$where: SNI map, $fallback fallback: a name of both: the store wins"
		is "$(on $p map.example)" $([ $fallback = with ] && echo mx.provider.example || echo map.example) \
			"$where: SNI map, $fallback fallback: a name of the map"
		is "$(on $p nobody.example)" $([ $fallback = with ] && echo mx.provider.example || echo own.example) \
			"$where: SNI map, $fallback fallback: an unknown name"
		is "$(on $p -)" $([ $fallback = with ] && echo mx.provider.example || echo own.example) \
			"$where: SNI map, $fallback fallback: no name"
	done
done

# --- Postfix that writes its log itself
echo "maillog_file = /var/log/maillog" >>/etc/postfix/main.cf
echo 'maillog_file_prefixes = /var' >>/etc/postfix/main.cf
chmod 644 $store_key
again
log_mark
on $plain smtp.customer-a.example >/dev/null
mta_wait 'a log file of its own' test -s /var/log/maillog
logged 'snicert: .*unsafe mode' 'maillog_file: the lines of the module are in syslog'
log_since | grep snicert: | head -n 3
is "$(grep -c snicert: /var/log/maillog)" 0 '… not in that file'
chmod 640 $store_key

postfix_stop
gone() { ! pgrep -x 'smtpd|tlsproxy|smtp' && ! pgrep -x 'master|qmgr'; }
mta_wait 'all of it ends' gone && ok 'all of it ends'
lib_finish
