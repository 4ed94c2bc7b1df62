#!/bin/sh
# SPDX-License-Identifier: ISC
# aiosmtpd.sh: Debian's aiosmtpd, unmodified: the SMTP server of a Python
# program, here with four Controllers, each a thread, on two SSL contexts: STARTTLS
# and TLS on connect.  The module comes by OPENSSL_CONF; Python's ssl makes its
# contexts when the program does.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start aiosmtpd python3-aiosmtpd
. "$SNICERT_SRCDIR/tests/mta/columns.sh"
mta_module
mta_syslog
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
# argv[0] of the interpreter, whatever the program is called.
programs='program "python3" { }'
ident='python3\[*[0-9]*\]*: '
mta_user mailer 931
certificates --group mailer
# It is never root: its file of statistics is its own.
chgrp mailer /run/snicert && chmod 1775 /run/snicert
cp own.pem /etc/ssl/own.pem
chown mailer /etc/ssl/own.pem
echo '127.0.0.1 mail.customer-a.example wrong.example' >>/etc/hosts

cat >server.py <<'PY'
import ctypes, gc, logging, os, ssl, threading
from aiosmtpd.controller import Controller
logging.basicConfig(filename="server.log", level=logging.INFO, format="%(name)s %(message)s")
class Handler:
	async def handle_DATA(self, server, session, envelope):
		with open("inbox", "ab") as inbox:
			inbox.write(envelope.content)
		return "250 Message accepted"
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/etc/ssl/own.pem")
implicit = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
implicit.load_cert_chain("/etc/ssl/own.pem")
if os.environ.get("DROP") == "after":
	os.setgid(931), os.setuid(931)
each = [Controller(Handler(), hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True) for port in (2525, 2526, 2527)]
each.append(Controller(Handler(), hostname="127.0.0.1", port=2465, ssl_context=implicit))
for controller in each:
	controller.start()
# Python's garbage, which comes and goes by ten megabytes, is no growth.
trim = ctypes.CDLL(None).malloc_trim
while not threading.Event().wait(0.3):
	gc.collect()
	trim(0)
PY
cat >client.py <<'PY'
import smtplib, ssl, sys
to = ssl.create_default_context(cafile="/etc/ssl/fixture-root.crt")
with smtplib.SMTP(sys.argv[1], int(sys.argv[2])) as client:
	client.starttls(context=to)
	client.sendmail("a@example.org", "info@example.net", "Subject: %s\r\n\r\nhello\r\n" % sys.argv[1])
PY
chown mailer . && chmod 755 .
start_as='setpriv --reuid mailer --regid mailer --clear-groups'
server_start() {
	$start_as env OPENSSL_CONF=$openssl_cnf /usr/bin/python3 server.py 2>>server.err &
	server=$!
	pids="$pids $server"
	for port in 2526 2527 2465 2525; do mta_wait "port $port" mta_listening $port || cat server.err; done
	starttls=smtp
}
server_stop() { kill $server; wait $server 2>/dev/null; }
again() { server_stop; server_start; }

row "aiosmtpd $(/usr/bin/python3 -c 'import aiosmtpd; print(aiosmtpd.__version__)' | cut -d. -f1,2)" OPENSSL_CONF
server_start
for port in 2525 2526 2527 2465; do
	starttls=smtp
	[ $port != 2465 ] || starttls=-
	ask $port
	ask_resume $port
	ask_changes $port
done
log_from=0
column log
hasnt_logged 'snicert: ' 'all well: the module says nothing'
column -

# Names in turn, in two threads at once.
printf '%s\n' mail.customer-a.example mail.customer-b.example >names
"$build/starttls-load" --port 2525 --count 500 --clients 4 --names names --expect-san --quit >load1.out 2>load1.err &
one=$!
"$build/starttls-load" --port 2465 --count 500 --clients 4 --names names --expect-san --implicit >load2.out 2>load2.err &
two=$!
wait $one
wait $two
column two
has "$(cat load1.out)" 'handshakes 500 failed 0 *mismatched 0' 'two names in turn, two threads: STARTTLS'
has "$(cat load2.out)" 'handshakes 500 failed 0 *mismatched 0' 'two names in turn, two threads: TLS on connect'

column client
for name in mail.customer-a.example wrong.example; do
	env OPENSSL_CONF=$openssl_cnf /usr/bin/python3 client.py $name 2525 2>client.err
	is $? $([ $name = wrong.example ] && echo 1 || echo 0) "smtplib as a client, to $name"
done
has "$(cat client.err)" 'CERTIFICATE_VERIFY_FAILED' 'smtplib refuses a name that the certificate has not'
has "$(cat inbox)" 'Subject: mail.customer-a.example' 'a mail passes, over verified TLS'
column log
has "$(cat server.log)" "mail.log *'STARTTLS'" 'aiosmtpd has its log'
column -

port=2525 starttls=smtp
unreadable=own.example
ask_trouble 2525
column nokey
start_as='' DROP=after
export DROP
chgrp root $store_key && chmod 600 $store_key
again
is "$(served mail.customer-a.example)" mail.customer-a.example 'a store key of root alone, read before the program drops its rights'
chgrp mailer $store_key && chmod 640 $store_key
again
server_pid() { echo $server; }
mta_growth 'a Controller' server_pid --names names
server_stop
lib_finish
