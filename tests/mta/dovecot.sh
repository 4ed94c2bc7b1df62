#!/bin/sh
# SPDX-License-Identifier: ISC
# dovecot.sh: Debian's Dovecot 2.3 or 2.4, unmodified: IMAP and submission, each
# with STARTTLS and TLS on connect.  The module comes by OPENSSL_CONF, which
# import_environment has to let through; the login processes do the TLS.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start dovecot dovecot-core dovecot-imapd dovecot-pop3d dovecot-lmtpd dovecot-submissiond swaks
. "$SNICERT_SRCDIR/tests/mta/columns.sh"
mta_module
mta_syslog
mta_user dovecot 911
mta_user dovenull 912
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

programs='program "imap-login" { }
program "pop3-login" { }
program "lmtp" { }
program "submission-login" { }'
ident='\(imap\|submission\)-login\(\[[0-9]*\]\)*: '
certificates --group dovenull
fixtures_leaf certs local --san local.example
cp own.pem /etc/dovecot/own.pem
cp certs/local.pem /etc/dovecot/local.pem
echo '127.0.0.1 mail.customer-a.example wrong.example' >>/etc/hosts

# Where submission relays to: the sample MTA, with the module and the same store.
mkdir spool
install -d -o nobody /var/mail/home
start_mta backend --mail-dir spool
backend=$port
dovecot_config() { # CHROOT of the login processes
case $(dovecot --version) in
2.3.*) cat >/etc/dovecot/dovecot.conf <<-CF
	protocols = imap pop3 lmtp submission
	listen = 127.0.0.1
	ssl = yes
	ssl_cert = </etc/dovecot/own.pem
	ssl_key = </etc/dovecot/own.pem
	local_name local.example {
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
	  args = uid=65534 gid=65534 home=/var/mail/home
	}
	mail_location = maildir:~/Maildir
	service imap-login {
	  chroot = $1
	  process_min_avail = 1
	  service_count = 0
	}
	service pop3-login {
	  chroot = $1
	  process_min_avail = 1
	  service_count = 0
	}
	service lmtp {
	  inet_listener lmtp {
	    port = 24
	  }
	}
	submission_relay_host = mail.customer-a.example
	submission_relay_port = $backend
	submission_relay_ssl = starttls
	submission_relay_ssl_verify = yes
	ssl_client_ca_file = /etc/ssl/fixture-root.crt
	hostname = mx.provider.example
	service submission-login {
	  chroot = $1
	  process_min_avail = 1
	  service_count = 0
	  inet_listener submission {
	    port = 587
	  }
	  inet_listener submissions {
	    port = 465
	    ssl = yes
	  }
	}
CF
	;;
*) cat >/etc/dovecot/dovecot.conf <<-CF
	dovecot_config_version = 2.4.0
	dovecot_storage_version = 2.4.0
	protocols = imap pop3 lmtp submission
	listen = 127.0.0.1
	ssl = yes
	ssl_server_cert_file = /etc/dovecot/own.pem
	ssl_server_key_file = /etc/dovecot/own.pem
	local_name local.example {
	  ssl_server_cert_file = /etc/dovecot/local.pem
	  ssl_server_key_file = /etc/dovecot/local.pem
	}
	import_environment {
	  OPENSSL_CONF = $openssl_cnf
	}
	passdb static {
	  fields {
	    nopassword = yes
	  }
	}
	userdb static {
	  fields {
	    uid = 65534
	    gid = 65534
	    home = /var/mail/home
	  }
	}
	mail_driver = maildir
	mail_path = ~/Maildir
	service imap-login {
	  chroot = $1
	  process_min_avail = 1
	  restart_request_count = unlimited
	}
	service pop3-login {
	  chroot = $1
	  process_min_avail = 1
	  restart_request_count = unlimited
	}
	service lmtp {
	  inet_listener lmtp {
	    port = 24
	  }
	}
	submission_relay_host = mail.customer-a.example
	submission_relay_port = $backend
	submission_relay_ssl = starttls
	submission_relay_ssl_verify = yes
	ssl_client_ca_file = /etc/ssl/fixture-root.crt
	hostname = mx.provider.example
	service submission-login {
	  chroot = $1
	  process_min_avail = 1
	  restart_request_count = unlimited
	  inet_listener submission {
	    port = 587
	  }
	  inet_listener submissions {
	    port = 465
	    ssl = yes
	  }
	}
CF
	;;
esac
}

dovecot_start() {
	dovecot >"$work/dovecot.out" 2>&1 || not_ok 'Dovecot starts' "$(cat dovecot.out)"
	for _port in 143 110 24 587 465 993; do mta_wait "port $_port" mta_listening $_port; done
}
dovecot_stop() {
	_pid=$(cat /run/dovecot/master.pid)
	kill $_pid
	gone() { ! kill -0 $_pid && ! pgrep -x 'imap-login|pop3-login|submission-logi'; }
	mta_wait 'Dovecot ends' gone
}
again() { dovecot_stop; dovecot_start; }
on() { # PORT
	port=$1
	case $1 in
	143) starttls=imap ;;
	587) starttls=smtp ;;
	*) starttls=- ;;
	esac
}
# Debian's way is a chroot for those who have not logged in yet.  In it the module
# can't reach syslog, should it not have had something to say at the start.
dovecot_config login
jailed=yes
row "Dovecot $(dovecot --version | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')" OPENSSL_CONF
dovecot_start
for p in 143 993 587 465; do
	on $p
	ask $p
	ask_changes $p
	ask_resume $p
done
column log
log_from=0
hasnt_logged 'snicert: ' 'all well: the module says nothing'
column -
# What this machine's admin sees, of each protocol with STARTTLS and without.
for p in imap:143 pop3:110 lmtp:24 smtp:587; do
	tool 0 probe --json --protocol ${p%:*} 127.0.0.1:${p#*:} mail.customer-a.example
	json_is out '$[0].store' same "probe ${p%:*}: what the store has"
	json_is out '$[0].protocol' ${p%:*} "probe ${p%:*}: by its protocol"
done
tool 0 probe --json 127.0.0.1:143 127.0.0.1:110 127.0.0.1:24 127.0.0.1:993 127.0.0.1:465 mail.customer-a.example
is "$(grep -o '"store": "same"' out | wc -l)" 5 'probe: five ports at once, each by its own protocol'
tool 0 fallback none
for p in 143 587; do
	on $p
	is "$(served local.example)" local.example "$p: no fallback: Dovecot's local_name stands"
	is "$(served nobody.example)" own.example "$p: no fallback: Dovecot's own certificate stands"
done
fallback

column client
relays() { # SUBJECT: by submission
	on 587
	swaks --server 127.0.0.1 --port 587 --tls --tls-sni mail.customer-b.example $(swaks_verify mail.customer-b.example) \
		--auth PLAIN --auth-user someone --auth-password secret --from a@example.org --to info@example.net \
		--header "Subject: $1" --ehlo client.example.org >swaks.out 2>&1
}
log_mark
relays verified && ok 'a mail passes through submission, relayed over verified TLS' || not_ok 'a mail passes through submission' "$(tail -n 12 swaks.out; log_since)"
has "$(cat spool/* spool/*/* 2>/dev/null)" 'Subject: verified' '… and it is there'
logged 'submission-login: Log\(in\|ged in\): user=<someone>.*TLS' '… and Dovecot logs the login'
sed 's/^\(submission_relay_host = \).*/\1wrong.example/' /etc/dovecot/dovecot.conf >wrong.conf
cp /etc/dovecot/dovecot.conf right.conf
cp wrong.conf /etc/dovecot/dovecot.conf
again
log_mark
relays refused && not_ok 'submission relays nothing over TLS for another name' "$(tail -n 12 swaks.out)" || ok 'submission relays nothing over TLS for another name'
log_has 'submission(someone).*wrong.example' && ok '… and says so' || not_ok '… and says so' "$(log_since)"
hasnt_logged 'snicert: ' 'the client: the module says nothing'
cp right.conf /etc/dovecot/dovecot.conf
again
column -

on 587
ask_trouble 587
dovecot_config ''
jailed=no
again
on 143
ask_trouble '143, no chroot'
dovecot_config login
again

column growth
printf '%s\n' mail.customer-a.example mail.customer-b.example mx.customer-c.example nobody.example >names
logins() { pgrep -x 'imap-login|pop3-login|submission-logi'; }
on 587
mta_growth 'submission-login' logins --names names
on 993
mta_quit=
mta_growth 'imap-login' logins --names names
column -
dovecot_stop
stop_mta backend
lib_finish
