#!/bin/sh
# SPDX-License-Identifier: ISC
# nginx.sh: Debian's nginx, unmodified, as the host of MTA-STS policies: an
# unknown name is refused, trouble of our own never is.  The module comes by
# OPENSSL_CONF; nginx opens it as root and forks workers that are www-data.
# First as every other server, without refusals.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start nginx nginx
. "$SNICERT_SRCDIR/tests/mta/columns.sh"
mta_module
mta_syslog
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
port=443 starttls=- mta_quit=

serve='program "nginx" { }'
refuse='program "nginx" { unknown = "refuse" }'
programs=$serve
ident='nginx[^ ]*: '
certificates --group www-data
fixtures_leaf certs policies --san 'mta-sts.customer-a.example,mta-sts.customer-b.example'
tool 0 import certs/policies.pem
cp own.pem /etc/nginx/own.pem
mkdir -p /srv/sts/.well-known /var/lib/nginx /var/log/nginx
echo 'version: STSv1' >/srv/sts/.well-known/mta-sts.txt
cat >/etc/nginx/nginx.conf <<-'CF'
	user www-data;
	worker_processes 2;
	pid /run/nginx.pid;
	error_log syslog:server=unix:/dev/log,tag=nginx,nohostname warn;
	events { worker_connections 256; }
	http {
		access_log off;
		ssl_protocols TLSv1.2 TLSv1.3;
		ssl_session_cache shared:tls:1m;
		ssl_certificate /etc/nginx/own.pem;
		ssl_certificate_key /etc/nginx/own.pem;
		server { listen 127.0.0.1:443 ssl default_server; server_name _; root /srv/sts; }
		server {
			listen 127.0.0.1:443 ssl; server_name other.example; root /srv/sts;
			location /proxy/ {
				proxy_pass https://127.0.0.1:443/; proxy_ssl_server_name on; proxy_ssl_name $arg_name;
				proxy_ssl_verify on; proxy_ssl_trusted_certificate /etc/ssl/fixture-root.crt; proxy_ssl_verify_depth 3;
			}
		}
	}
CF
nginx_start() { OPENSSL_CONF=$openssl_cnf /usr/sbin/nginx 2>"$work/nginx.err" || not_ok 'nginx starts' "$(cat "$work/nginx.err")"; mta_wait 'nginx' mta_listening 443; }
nginx_stop() {
	_pid=$(cat /run/nginx.pid)
	kill "$_pid"
	gone() { ! kill -0 "$_pid"; }
	mta_wait 'nginx ends' gone
}
again() { nginx_stop; nginx_start; }
get() { # NAME PATH
	printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$2" $1 | timeout $mta_patience openssl s_client -quiet -verify_return_error \
		-CAfile /etc/ssl/fixture-root.crt -verify_hostname $1 -servername $1 -connect 127.0.0.1:443 2>/dev/null
}
through_nginx() { # NAME: nginx as a client of itself
	printf 'GET /proxy/.well-known/mta-sts.txt?name=%s HTTP/1.0\r\nHost: other.example\r\n\r\n' $1 |
		timeout $mta_patience openssl s_client -quiet -servername mta-sts.customer-a.example -connect 127.0.0.1:443 2>/dev/null
}

row "nginx $(nginx -v 2>&1 | sed 's/.*nginx.\([0-9]*\.[0-9]*\).*/\1/')" OPENSSL_CONF
# A new binary, as an update of Debian's package brings it in: nginx empties the environment but for
# what its configuration names.
upgrade() { # sets $upgraded to the certificate that a known name gets afterwards
	_old=$(cat /run/nginx.pid)
	kill -USR2 $_old
	taken_over() { [ -e /run/nginx.pid.oldbin ] && [ "$(cat /run/nginx.pid 2>/dev/null)" != $_old ] && [ -n "$(pgrep -P "$(cat /run/nginx.pid)")" ]; }
	mta_wait 'a new binary takes over' taken_over
	kill -QUIT $_old
	retired() { ! kill -0 $_old; }
	mta_wait 'the former one ends' retired
	upgraded=$(served mail.customer-a.example)
}
nginx_start
upgrade
is "$upgraded" own.example 'USR2 without env OPENSSL_CONF: the module is gone'
nginx_stop
sed -i '1i env OPENSSL_CONF;' /etc/nginx/nginx.conf
nginx_start
for i in 1 2; do
	upgrade
	is "$upgraded" mail.customer-a.example "USR2 with env OPENSSL_CONF: it serves on ($i)"
done
nginx_stop
nginx_start
for _ in 1 2 3; do ask 443; done # of two workers
ask_resume 443
ask_changes 443
ask_changes 443
short_ends lib_finish
log_from=0
column log
hasnt_logged 'snicert: ' 'all well: the module says nothing'
column client
log_mark
has "$(through_nginx mta-sts.customer-b.example)" 'STSv1' 'nginx as a client (proxy_pass), verified'
has "$(through_nginx nobody.example)" '502 Bad Gateway' 'nginx as a client still refuses a certificate that does not fit'
logged 'nginx.*upstream SSL certificate does not match "nobody.example"' '… and its log says so'
column -
ask_trouble 443
column growth
printf '%s\n' mail.customer-a.example mail.customer-b.example mx.customer-c.example nobody.example >names
workers() { pgrep -P "$(cat /run/nginx.pid)"; cat /run/nginx.pid; }
mta_growth 'master and workers' workers --names names
column -

# --- the host of MTA-STS policies
row "nginx $(nginx -v 2>&1 | sed 's/.*nginx.\([0-9]*\.[0-9]*\).*/\1/')" 'unknown = refuse'
programs=$refuse
mta_conf "$refuse"
again
refused_name() { # NAME WHAT
	for v in tls1_2 tls1_3; do
		is "$(served $1 -$v)" 'no handshake' "$2, $v: refused"
		has "$(cat handshake)" 'unrecognized name' "$2, $v: … by the alert"
	done
}
column known
is "$(served mta-sts.customer-a.example)" mta-sts.customer-a.example 'a known name'
is "$(served mta-sts.customer-b.example)" mta-sts.customer-a.example 'another name of the same chain'
has "$(get mta-sts.customer-a.example /.well-known/mta-sts.txt)" 'STSv1' 'a policy is fetched over verified TLS'
column wildcard
is "$(served mta-sts.customer-c.example)" '*.customer-c.example' 'a wildcard'
column nosni
is "$(served -)" mx.provider.example 'no name is not refused'
column rsa
is "$(served mail.customer-a.example $rsa_only)" mx.provider.example 'RSA only, and the name has ECDSA: not refused'
column unknown
log_mark
refused_name nobody.example 'an unknown name'
logged "$ident.*snicert: event=refused .*name=nobody.example " '… and the log says so'
refused_name other.example 'a name of nginx only'
column resume
ask_resume 443
column renewal
fixtures_leaf certs policies --san 'mta-sts.customer-a.example,mta-sts.customer-b.example'
tool 0 import certs/policies.pem
for i in 1 2 3 4; do
	is "$(leaf_of mta-sts.customer-a.example)" "$(sha_of certs/policies.crt)" "a renewal is served at once ($i)"
done
fixtures_leaf certs new --san mta-sts.customer-d.example
refused_name mta-sts.customer-d.example 'a name not known yet'
tool 0 import certs/new.pem
for i in 1 2 3 4; do is "$(served mta-sts.customer-d.example)" mta-sts.customer-d.example "a new name is known at once ($i)"; done
snicert unbind mta-sts.customer-d.example >unbind.out 2>&1 || not_ok 'snicert unbind' "$(cat unbind.out)"
for i in 1 2 3 4; do is "$(served mta-sts.customer-d.example)" 'no handshake' "… and unknown at once ($i)"; done
# The names of others are none of ours to refuse: nginx as a client asks for one, and is its own server.
column client
has "$(through_nginx mta-sts.customer-b.example)" 'STSv1' 'nginx as a client (proxy_pass)'

# Trouble of our own refuses nobody.
column nostore
log_mark
mv $store away.db
again
for i in 1 2; do
	is "$(served mta-sts.customer-a.example)" own.example "no store: nginx's own certificate ($i)"
	is "$(served nobody.example)" own.example "no store: an unknown name is not refused ($i)"
done
logged "$ident.*snicert: event=store-unavailable .*store $store: No such file" '… and the log says why'
mv away.db $store
is "$(served mta-sts.customer-a.example)" mta-sts.customer-a.example 'the store is back'
chgrp root $store $store-wal $store-shm
again
log_mark
is "$(served nobody.example)" own.example "a store that www-data may not read: not refused, nginx's own certificate"
logged "$ident.*snicert: .*store.db" '… and the log says why'
chgrp www-data $store $store-wal $store-shm
column nokey
log_mark
mv $store_key away.key
again
is "$(served mta-sts.customer-a.example)" own.example "no store key: a known name: nginx's own certificate"
logged "$ident.*snicert: .*$store_key" '… and the log says why'
mv away.key $store_key
column badconf
mta_conf 'program "'
again
is "$(served nobody.example)" own.example 'snicert.conf is broken: not refused'
mta_conf 'program "httpd" { unknown = "refuse" }'
again
is "$(served nobody.example)" own.example 'nginx is not named: inert'
nginx_stop
lib_finish
