#!/bin/sh
# SPDX-License-Identifier: ISC
# postfix.sh: Debian's Postfix, unmodified, that loads the module by
# tls_config_file: smtpd plain and in Debian's chroot, submission, smtps,
# tlsproxy behind postscreen; as a client, and with Exim as the client.
# Beside its own SNI map: postfix-map.sh.
# shellcheck disable=SC1090,SC1091,SC2015,SC2034,SC2046,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start postfix postfix swaks libnet-ssleay-perl + exim4-daemon-light
. "$SNICERT_SRCDIR/tests/mta/postfix-lib.sh"
postfix_setup
mta_user Debian-exim 903

# --- services; the chroot column of master.cf is the fifth
plain=2525 jailed=25 submission=587 smtps=465 screen=2527 far=2526
# The first two once more, without the module.
control_plain=2535 control_jailed=2536
ports="$plain $jailed $submission $smtps $screen $control_plain $control_jailed"
services='plain jailed submission smtps screen'
[ -z "${SNICERT_MTA_SHORT:-}" ] || services=jailed
title_plain=smtpd title_jailed='smtpd, chroot' title_submission='submission, chroot'
title_smtps='smtps, chroot' title_screen='tlsproxy, chroot'
ident_plain='postfix/smtpd' ident_jailed='postfix/smtpd' ident_submission='postfix/submission/smtpd'
ident_smtps='postfix/smtps/smtpd' ident_screen='postfix/tlsproxy'
service() { # NAME: what follows is of it
	where=$1
	eval "port=\$$1 title=\$title_$1 ident=\$ident_$1"
	starttls=smtp
	[ $1 != smtps ] || starttls=-
	row "$postfix $title" tls_config_file
}
wants() { # COLUMN NAME|- WANT WHAT [OPTION…]: whose certificate
	column $1
	_asks=$2 _wants=$3 _why=$4
	shift 4
	is "$(served $_asks "$@")" "$_wants" "$title: $_why"
}
no_row() { matrix_row=; column -; }
config() { # [LINES]
	postfix_main "tls_config_file = $openssl_cnf
		transport_maps = inline:{far.example=smtp:[smtp.customer-a.example]:$far, wrong.example=smtp:[wrong.example]:$far}
		postscreen_access_list = inline:{127.0.0.1=reject}
		postscreen_denylist_action = enforce
		postscreen_greet_wait = 1s
		postscreen_bare_newline_enable = yes
		postscreen_client_connection_count_limit = 0
		postscreen_cache_map = btree:\$data_directory/postscreen_cache
		${1:-}"
}

# --- certificates and a store
a=smtp.customer-a.example b=smtp.customer-b.example
printf '127.0.0.2 %s\n' $a $b wrong.example >>/etc/hosts # a line each: Exim takes the first of a line
fixtures_leaf certs $a
fixtures_leaf certs $b --rsa
fixtures_leaf certs wild --san '*.customer-c.example'
fixtures_leaf certs fall.ec --san mx.provider.example
fixtures_leaf certs fall.rsa --rsa --san mx.provider.example
fixtures_leaf certs fall2 --san mx2.provider.example
programs='program "smtpd" { }
program "tlsproxy" { }'
mta_conf "$programs"
rmdir /var/lib/snicert
tool 0 init --group postfix
tool 0 import certs/$a.pem certs/$b.pem certs/wild.pem
tool 0 import --no-bind certs/fall.ec.pem certs/fall.rsa.pem certs/fall2.pem
fallback=$(postfix_ids mx.provider.example)
tool 0 fallback $fallback
config
# Session tickets alone, and with the cache that tlsmgr keeps: submission, smtps.
# The mail to far.example is thrown away where it comes in: else it went round.
postfix_master <<-CF
	$plain     inet  n       -       n       -       1       smtpd
	  -o smtpd_tls_session_cache_database=
	$jailed    inet  n       -       y       -       1       smtpd
	  -o smtpd_tls_session_cache_database=
	$control_plain     inet  n       -       n       -       1       smtpd
	  -o smtpd_tls_session_cache_database=
	  -o tls_config_file=none
	$control_jailed    inet  n       -       y       -       1       smtpd
	  -o smtpd_tls_session_cache_database=
	  -o tls_config_file=none
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
CF
postfix_start || lib_finish

# --- the chain by name, everywhere
resumes() { # WHAT OPTION…
	_why=$1
	shift
	mta_session $a "$@"
	served $a "$@" -sess_in session >/dev/null
	has "$(cat handshake)" 'Reused, TLS' "$title: resumption, $_why"
}
for s in $services; do
	service $s
	wants nosni - mx.provider.example 'no name gets the fallback'
	wants known $a $a 'a known name'
	wants two SMTP.Customer-B.Example $b 'another, in the same process'
	wants two $a $a '… and the first again'
	wants known $a $a 'TLS 1.2' -tls1_2
	wants known $a $a 'HelloRetryRequest' -groups P-521:P-256
	wants wildcard mx1.customer-c.example '*.customer-c.example' 'a wildcard'
	wants wildcard a.mx1.customer-c.example mx.provider.example 'two labels below a wildcard'
	wants wildcard customer-c.example mx.provider.example "a wildcard's apex"
	wants unknown nobody.example mx.provider.example 'an unknown name gets the fallback'
	wants unknown 192.0.2.1 mx.provider.example 'an address as a name'
	wants rsa $a mx.provider.example 'RSA only, and the name has ECDSA' $rsa_only
	is "$(key_served)" RSA "$title: … with the fallback's RSA chain"
	wants rsa $b $b 'RSA only, and so is the name' $rsa_only
	column resume
	resumes 'TLS 1.3' -tls1_3
	resumes 'TLS 1.2, ticket' -tls1_2
	case $s in submission | smtps) resumes "TLS 1.2, tlsmgr's cache" -tls1_2 -no_ticket ;; esac
	column log
	logged "$ident\[[0-9]*\]: Anonymous TLS connection established from .*TLSv1" "$title: Postfix logs its TLS connections"
	hasnt_logged "$ident\[[0-9]*\]: \(snicert\|warning\)" "$title: all well: neither the module nor a warning speaks"
done
no_row

# --- changes while it runs: the next handshake, the same processes
tls_pids() { pgrep -x 'smtpd|tlsproxy' | sort | tr '\n' ' '; }
before=$(tls_pids)
renew() { fixtures_leaf certs $a && tool 0 import certs/$a.pem; }
renewed() { # WHAT
	is "$(leaf_of $a)" "$(sha_of certs/$a.crt)" "$title: $1"
}
for s in $services; do
	no_row
	renew
	service $s
	column renewal
	renewed 'a renewal is served at once'
done
no_row
tool 0 fallback "$(sha_of certs/fall2.crt)"
for s in $services; do
	service $s
	wants fallback nobody.example mx2.provider.example 'another fallback is served at once'
done
no_row
tool 0 fallback $fallback
for s in $services; do
	service $s
	wants fallback - mx.provider.example '… and the first one again'
done
no_row
is "$(tls_pids)" "$before" 'all in the same processes'
short_ends lib_finish

# --- reload: under a load, and with a connection that began before it
# On a busy machine Postfix drops connections in a reload by itself.  So the same load is on the same service
# without the module, at the same time and through the same reloads.
loads() { # begins, each in runs of a second
	rm -f load.stop
	for _of in module control; do
		_port=$port
		[ $_of = module ] || eval "_port=\$control_$where"
		while [ ! -e load.stop ]; do
			"$build/starttls-load" --port $_port --seconds 1 --names names --clients 4 --timeout $mta_patience
		done >>load.$_of.out 2>>load.$_of.err &
		eval "load_$_of=$!"
	done
}
loads_end() { # sets $failed_module, $all_module, $failed_control, $all_control: of all so far
	: >load.stop
	wait $load_module $load_control
	for _of in module control; do
		eval "$(awk -v of=$_of '{ n += $2 + $4; f += $4 } END { print "all_" of "=" n + 0 " failed_" of "=" f + 0 }' load.$_of.out)"
	done
}
# Fisher's exact test: were both alike, so many of all that failed would be the first one's in less than one of
# a hundred cases.
worse() { # FAILED OF FAILED-OF-THE-CONTROL OF
	perl -e 'my ($m, $of_m, $c, $of_c) = @ARGV;
		my @l = (0); $l[$_] = $l[$_ - 1] + log $_ for 1 .. $of_m + $of_c;
		my $choose = sub { $l[$_[0]] - $l[$_[1]] - $l[$_[0] - $_[1]] };
		my ($k, $p) = ($m + $c, 0);
		for my $x ($m .. ($k < $of_m ? $k : $of_m)) {
			next if $k - $x > $of_c;
			$p += exp($choose->($of_m, $x) + $choose->($of_c, $k - $x) - $choose->($of_m + $of_c, $k));
		}
		exit !($p < 0.01)' "$@"
}
# It must tell them apart, and what is chance must be none.
worse 7 300 0 300 && worse 30 3000 5 3000 && ! worse 4 300 0 300 && ! worse 12 300 9 300 && ! worse 0 300 0 300 &&
	ok 'worse by more than chance' || not_ok 'worse by more than chance'
for s in plain jailed; do
	service $s
	column renewal
	printf '%s\n' $a $b mx.customer-c.example >names
	eval "port=\$control_$s"
	is "$(served $a)" own.example "$title: the control is without the module"
	service $s
	rm -f load.*.out load.*.err
	loads
	perl "$SNICERT_SRCDIR/tests/mta/sni-probe.pl" --hold "$work/held" $port >held.out <<-E &
		modern $a
	E
	probe=$!
	mta_wait 'a connection is held' test -e held
	for _ in 1 2 3; do
		postfix_reload
		sleep 0.5
	done
	column -
	renew
	column renewal
	rm held
	wait $probe
	is "$(cut -d' ' -f3 held.out)" "$(sha_of certs/$a.crt)" "$title: a connection from before the reload: what was committed since"
	renewed 'after the reload'
	loads_end
	# A few more rounds, where it looks worse and may be chance.
	for _ in 1 2 3 4; do
		[ $failed_module -gt $failed_control ] && ! worse $failed_module $all_module $failed_control $all_control || break
		loads
		for _ in 1 2 3; do
			postfix_reload
			sleep 0.5
		done
		loads_end
	done
	_what="$title: reload under a load"
	[ $failed_module = 0 ] || echo "mta/postfix: $_what: $failed_module of $all_module failed, without the module $failed_control of $all_control"
	if worse $failed_module $all_module $failed_control $all_control; then
		not_ok "$_what: no more handshakes fail than without the module" "got:  $failed_module of $all_module
want: as without the module, $failed_control of $all_control
$(head -n 5 load.module.err)"
	else
		ok "$_what: no more handshakes fail than without the module"
	fi
	is "$(awk '{ for (i = 1; i < NF; i++) if ($i == "mismatched") n += $(i + 1) } END { print n + 0 }' load.module.out)" \
		0 "$_what: nobody got a stranger's chain"
	[ $all_module -gt 20 ] && [ $all_control -gt 20 ] && ok "$_what: there was a load" ||
		not_ok "$_what: there was a load" "$all_module and $all_control sessions"
done
no_row

# --- mail: a vanity name, verified
inbox=/var/mail/vhosts/inbox
mail_by_swaks() { # PORT NAME SUBJECT [OPTION…]
	_p=$1 _n=$2 _s=$3
	shift 3
	swaks --server 127.0.0.1 --port $_p --tls-sni $_n $(swaks_verify $_n) \
		--from sender@example.org --to "info@${_n#*.}" --header "Subject: $_s" --ehlo client.example.org "$@" >swaks.out 2>&1
}
service jailed
mail_by_swaks $jailed $a verified-by-swaks --tls && ok 'swaks delivers over verified TLS' ||
	not_ok 'swaks delivers over verified TLS' "$(tail -n 12 swaks.out)"
mta_wait 'the mail from swaks is in the mailbox' grep -q 'verified-by-swaks' $inbox && ok 'the mail from swaks is in the mailbox'
service smtps
mail_by_swaks $smtps $b verified-by-swaks-smtps --tls-on-connect && ok 'swaks, smtps' ||
	not_ok 'swaks, smtps' "$(tail -n 12 swaks.out)"
postfix_sends() { # RECIPIENT
	printf 'From: a@provider.example\nTo: %s\nSubject: out\n\nhello\n' "$1" | sendmail -f a@provider.example "$1"
}
# Not named in snicert.conf, and then named: a client either way.
for client in 'not named' named; do
	no_row
	[ "$client" = 'not named' ] || mta_conf "$programs
program \"smtp\" { }"
	postfix_again
	service plain
	column client
	postfix_sends someone@far.example
	logged "Verified TLS connection established to $a\[127.0.0.2\]" "Postfix as a client, $client: verifies the vanity name"
	logged 'to=<someone@far.example>.*status=sent' "Postfix as a client, $client: … and delivers"
	postfix_sends someone@wrong.example
	logged 'to=<someone@wrong.example>.*status=deferred.*not verified' \
		"Postfix as a client, $client: still refuses a certificate that does not fit"
	hasnt_logged 'snicert: ' "Postfix as a client, $client: the module says nothing"
	postsuper -d ALL >/dev/null 2>&1
done
mta_conf "$programs"

# --- Exim, which asks by GnuTLS, sends to it
no_row
mkdir -p /etc/exim4 /var/spool/exim4 /var/log/exim4
chown Debian-exim /var/spool/exim4 /var/log/exim4
cat >/etc/exim4/exim4.conf <<-CF
	primary_hostname = sender.example.org
	keep_environment =
	log_selector = +tls_certificate_verified +tls_sni +tls_peerdn
	begin routers
	out:
	  driver = manualroute
	  domains = *
	  route_data = \${if eq{\$domain}{wrong.example}{wrong.example}{smtp.\$domain}} byname
	  self = send
	  transport = remote_smtp
	begin transports
	remote_smtp:
	  driver = smtp
	  port = $far
	  hosts_require_tls = *
	  allow_localhost
	  tls_verify_certificates = /etc/ssl/fixture-root.crt
	  tls_verify_hosts = *
	  tls_sni = \$host
	begin retry
	* * F,1h,1m
CF
exim_sends() { # RECIPIENT SUBJECT
	printf 'From: a@example.org\nTo: %s\nSubject: %s\n\nhello\n' "$1" "$2" | exim4 -odf -f a@example.org "$1" >>exim.out 2>&1
}
chmod 644 /etc/ssl/fixture-root.crt
exim_log=/var/log/exim4/mainlog
exim_logged() { # REGEX WHAT
	if grep -q -e "$1" $exim_log; then ok "$2"; else not_ok "$2" "$(tail -n 5 $exim_log exim.out)"; fi
}
service jailed
for name in $a $b; do
	exim_sends info@${name#*.} from-exim-$name
	exim_logged "=> info@${name#*.} .* H=$name .* X=TLS1.*CV=yes " "Exim delivers, verified by the name $name"
	mta_wait 'the mail from Exim is in the mailbox' grep -q "from-exim-$name" $inbox && ok 'the mail from Exim is in the mailbox'
done
exim_sends someone@wrong.example never
exim_logged '== someone@wrong.example .*certificate' 'Exim refuses a certificate that does not fit'
is "$(exim4 -bpc)" 1 '… and keeps the mail'
no_row

# --- nothing grows
port_pid() { # the process that serves the port: the last to log a connection
	served nobody.example >/dev/null
	sed -n "s,.*$ident\[\([0-9]*\)\]: Anonymous TLS connection.*,\1,p" "$log" | tail -n 1
}
printf '%s\n' $a $b mx.customer-c.example nobody.example >names
grows() { # SERVICE, in a shell of its own, so that they run at the same time
	mkdir growth.$1 && cd growth.$1 && passed=0 failed=0
	service $1
	if [ $1 = screen ]; then # of which there are two under a load
		mta_growth "$title" 'pgrep -x tlsproxy' --names ../names --clients 32
	else
		mta_growth "$title" "echo $2" --names ../names
	fi
	echo "passed=\$((passed + $passed)) failed=\$((failed + $failed))" >../grown.$1
}
pids_of() { for s in plain jailed; do service $s; port_pid; done; }
first=$(pids_of | tr '\n' ' ')
growing=
for s in plain jailed screen; do
	service $s
	(trap - EXIT; grows $s $([ $s = screen ] || port_pid)) &
	growing="$growing $!"
done
wait $growing
for s in plain jailed screen; do . ./grown.$s; done
column growth
is "$(pids_of | tr '\n' ' ')" "$first" 'smtpd, plain and chrooted: one process had all the connections'
no_row

# --- the store is changed in other ways
in_sqlite() { sqlite3 $store "$1" >"$work/sqlite.out" 2>&1 || not_ok "sqlite3: $1" "$(cat "$work/sqlite.out")"; }
as_before() { # WHAT: in both, the name with ECDSA, the one with RSA, and the fallback
	for s in plain jailed; do
		service $s
		wants renewal $a $a "$1: a name"
		wants renewal $b $b "$1: another"
		wants renewal - mx.provider.example "$1: the fallback"
	done
	no_row
	hasnt_logged 'snicert: ' "$1: the module says nothing"
	log_mark
}
renewed_after() { # WHAT: they follow it still
	renew
	for s in plain jailed; do
		service $s
		column renewal
		renewed "$1: a renewal is served at once"
	done
	no_row
}
postfix_again
as_before 'at first'
for what in 'VACUUM' 'PRAGMA wal_checkpoint(TRUNCATE)'; do
	in_sqlite "$what"
	as_before "$what"
	renewed_after "$what"
done
tool 0 backup "$work/backup.db"
former=$(sha_of certs/$a.crt)
renew
tool 0 restore "$work/backup.db"
for s in plain jailed; do
	service $s
	column renewal
	is "$(leaf_of $a)" "$former" "$title: restore: what the backup has is served at once"
done
no_row
as_before restore
renewed_after restore

tool 0 rekey
for s in plain jailed; do
	service $s
	wants renewal mx1.customer-c.example '*.customer-c.example' 'rekey: a name not seen before'
done
no_row
as_before rekey
renewed_after rekey
rm "$work/backup.db"
tool 0 backup "$work/backup.db"

# Another store in its place, by mv.
fixtures_leaf certs other --san $a
mkdir other && cp -a /etc/snicert/store.key other/
sed "s,/var/lib/snicert,$PWD/other," $conf >other/conf
cp -p $conf conf.kept
conf=$PWD/other/conf tool 0 init --group postfix
conf=$PWD/other/conf tool 0 import certs/other.pem
other=$(sha_of certs/other.crt)
for s in plain jailed; do service $s; served $a >/dev/null; done
log_mark
mv other/store.db* /var/lib/snicert/
service plain
column renewal
is "$(leaf_of $a)" "$other" "$title: another store in its place: served at once"
wants renewal $b own.example 'another store in its place: a name that it has not'
service jailed
column renewal
is "$(leaf_of $a)" "$(sha_of certs/$a.crt)" "$title: another store in its place: the former goes on, unseen in the jail"
wants renewal $b $b 'another store in its place: … and its other names'
postfix_reload
is "$(leaf_of $a)" "$other" "$title: another store in its place: served after a reload"
no_row
postfix_stop
rm /var/lib/snicert/store.db*
rmdir /var/lib/snicert
tool 0 init --group postfix
tool 0 restore "$work/backup.db"
postfix_start

# Nobody has it open, and the sqlite3 command takes -wal and -shm away.
postfix_stop
in_sqlite 'PRAGMA wal_checkpoint(TRUNCATE); VACUUM;'
is "$(echo /var/lib/snicert/*)" $store 'sqlite3 took -wal and -shm away'
postfix_start
as_before 'started without -wal and -shm'
renewed_after 'started without -wal and -shm'

# --- the store goes away, and comes back
hide() { mkdir -p "$work/hidden" && mv /var/lib/snicert/store.db* "$work/hidden/"; }
unhide() { mv "$work"/hidden/store.db* /var/lib/snicert/; }
for s in $services; do service $s; served $a >/dev/null; done
log_mark
hide
for s in $services; do
	service $s
	wants nostore $a $a 'the store is removed under it: it goes on serving'
	wants nostore nobody.example mx.provider.example '… the fallback as well'
done
postfix_again
for s in $services; do
	service $s
	wants nostore $a own.example "started without a store: Postfix's own certificate"
	wants nostore - own.example "started without a store, no name: Postfix's own certificate"
	column log
	logged "$ident\[[0-9]*\]: snicert: event=store-unavailable .*store /var/lib/snicert/store.db: No such file" "$title: … and Postfix's log says so"
done
unhide
service plain
wants nostore $a $a 'the store is back: served at once'
service jailed
wants nostore $a own.example 'the store is back: not seen from the jail'
postfix_reload
wants nostore $a $a '… until a reload'

# --- the store key
no_row
log_mark
chgrp root $store_key && chmod 600 $store_key
postfix_again
for s in $services; do
	service $s
	wants nokey $b $b 'a key that only root reads: read by root, at start'
done
no_row
log_mark
chmod 644 $store_key
postfix_again
for s in $services; do
	service $s
	wants nokey $b own.example 'a key that everybody reads is refused: own certificate'
	column log
	logged "$ident\[[0-9]*\]: snicert: .*store.key has the unsafe mode 0644.*chmod g-wx,o-rwx" "$title: … and the log says what to do"
done
chmod 640 $store_key && chgrp postfix $store_key
service plain
column nokey
fixed() { [ "$(served $b)" = $b ]; }
mta_wait 'the key is fixed: served within a second or two' fixed && ok 'the key is fixed: served, with no restart'
mv $store_key $store_key.away
log_mark
postfix_again
for s in $services; do
	service $s
	wants nokey $b own.example 'no key: own certificate'
	column log
	logged "$ident\[[0-9]*\]: snicert: .*store.key.*No such file" "$title: … and the log says so"
done
mv $store_key.away $store_key

# --- the configuration, broken in several ways: never a failed handshake
broken() { # WHAT LOG-PATTERN WANT
	log_mark
	postfix_again
	for s in $services; do
		service $s
		wants badconf $b "$3" "$1: $3"
		column log
		logged "$ident\[[0-9]*\]: snicert: .*$2" "$title: $1: the log has it"
	done
	no_row
}
mta_conf "$programs
expired = \"later\""
broken 'a bad value' '/etc/snicert/snicert.conf:4: expired = \\"later\\": want serve or fallback; using the default' $b
mta_conf "$programs
cache { memory = "
broken 'a mistake behind the programs' '/etc/snicert/snicert.conf:' $b
mta_conf "program \"smtpd { }"
broken 'a mistake before the programs' '/etc/snicert/snicert.conf:' own.example
rm $conf
broken 'no such file' ".*/etc/snicert/snicert.conf.*No such file" own.example
mta_conf "$programs"
chmod 666 $conf
broken 'a file that anybody may write' '/etc/snicert/snicert.conf has the unsafe mode 0666' own.example
chmod 600 $conf
postfix_again
for s in $services; do
	service $s
	wants badconf $b $b 'a configuration that only root reads'
done
no_row
chmod 644 $conf
mta_conf ''
log_mark
postfix_again
service plain
wants badconf $b own.example 'no program is named: inert'
hasnt_logged 'snicert: ' '… and silent'
mta_conf "$programs"

# --- what Postfix does by itself about openssl.cnf
mta_openssl_cnf /usr/lib/snicert/missing.so
log_mark
postfix_again
for s in plain jailed submission; do
	service $s
	wants badconf $b 'no handshake' 'a wrong module path: Postfix switches TLS off'
	column log
	logged "$ident\[[0-9]*\]: warning: .*openssl.cnf OpenSSL configuration file, disabling TLS support" "$title: … and says so"
done
service plain
column badconf
mail_by_swaks $plain $b plain-text --tls-optional && ok '… mail passes in plain text' || not_ok '… mail passes in plain text' "$(tail -n 5 swaks.out)"
no_row
mta_openssl_cnf

# --- programs that the configuration does not name
log_mark
for user in root nobody; do
	is "$(setpriv --reuid $user --clear-groups env OPENSSL_CONF=$openssl_cnf openssl dgst -sha256 -r </dev/null 2>&1 | cut -c1-12)" e3b0c44298fc \
		"$user: another program with the same openssl.cnf"
done
hasnt_logged 'snicert: ' 'other programs: silent'

# --- Postfix that writes its log itself
config 'maillog_file = /var/log/maillog
maillog_file_prefixes = /var'
mta_conf "$programs
log { level = info }"
for s in plain jailed; do
	service $s
	column log
	chmod 644 $store_key
	: >/var/log/maillog
	log_mark
	postfix_again
	served nobody.example >/dev/null
	chmod 640 $store_key
	mta_wait "maillog_file, $title: what is wrong is in that file" grep -q \
		'smtpd\[[0-9]*\]: warning: snicert: .*store.key has the unsafe mode 0644' /var/log/maillog && ok "maillog_file, $title: at the start"
	mta_wait "maillog_file, $title: … and what comes later" grep -q \
		'smtpd\[[0-9]*\]: snicert: event=fallback .*name=nobody.example' /var/log/maillog && ok "maillog_file, $title: at run time"
	hasnt_logged 'snicert: ' "maillog_file, $title: … not in syslog"
done
no_row

postfix_stop
mta_wait 'all of it ends' postfix_gone && ok 'all of it ends'
lib_finish
