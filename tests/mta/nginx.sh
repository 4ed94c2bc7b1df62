#!/bin/sh
# SPDX-License-Identifier: ISC
# nginx.sh: Debian's nginx, unmodified, as the host of MTA-STS policies: an
# unknown name is refused, trouble of our own never is.  The module comes by
# OPENSSL_CONF; nginx opens it as root and forks workers that are www-data.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start nginx nginx
mta_module
mta_syslog
port=443 starttls=-

mkdir certs
fixtures_leaf certs mta-sts.customer-a.example
fixtures_leaf certs mta-sts.customer-b.example --rsa
fixtures_leaf certs fall --san mta-sts.provider.example
cheap_key own.key
cheap_chain own own.key own.example
cp own /etc/nginx/own.pem
refuse='program "nginx" { unknown = "refuse" }'
mta_conf "$refuse"
rmdir /var/lib/snicert
tool 0 init --group www-data
tool 0 import certs/mta-sts.customer-a.example.pem certs/mta-sts.customer-b.example.pem
tool 0 import --no-bind certs/fall.pem
tool 0 default "$(sha_of certs/fall.crt)"
mkdir -p /srv/sts/.well-known /var/lib/nginx /var/log/nginx /run
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
		ssl_certificate /etc/nginx/own.pem;
		ssl_certificate_key /etc/nginx/own.pem;
		server { listen 127.0.0.1:443 ssl default_server; server_name _; root /srv/sts; }
		server {
			listen 127.0.0.1:443 ssl; server_name other.example; root /srv/sts;
			location /proxy/ { proxy_pass https://127.0.0.1:443/; proxy_ssl_server_name on; proxy_ssl_name $arg_name; }
		}
	}
CF
nginx_start() { OPENSSL_CONF=$openssl_cnf nginx 2>"$work/nginx.err" || not_ok 'nginx starts' "$(cat "$work/nginx.err")"; mta_wait 'nginx' mta_listening 443; }
nginx_stop() {
	_pid=$(cat /run/nginx.pid)
	kill "$_pid"
	gone() { ! kill -0 "$_pid"; }
	mta_wait 'nginx ends' gone
}
again() { nginx_stop; nginx_start; }
refused_name() { # NAME WHAT
	for version in tls1_2 tls1_3; do
		is "$(served $1 -$version)" 'no handshake' "$2, $version: refused"
		has "$(cat handshake)" 'unrecognized name' "$2, $version: … by the alert"
	done
}
nginx_start
is "$(served mta-sts.customer-a.example)" mta-sts.customer-a.example 'a known name'
is "$(served mta-sts.customer-b.example)" mta-sts.customer-b.example 'another'
is "$(served -)" mta-sts.provider.example 'no name is not refused'
refused_name nobody.example 'an unknown name'
refused_name other.example 'a name of nginx only'
got=$(printf 'GET /.well-known/mta-sts.txt HTTP/1.0\r\nHost: mta-sts.customer-a.example\r\n\r\n' | timeout 10 openssl s_client -quiet \
	-verify_return_error -CAfile /etc/ssl/fixture-root.crt -verify_hostname mta-sts.customer-a.example \
	-servername mta-sts.customer-a.example -connect 127.0.0.1:443 2>/dev/null)
has "$got" 'STSv1' 'a policy is fetched over verified TLS'
fixtures_leaf certs mta-sts.customer-a.example
tool 0 import certs/mta-sts.customer-a.example.pem
for i in 1 2 3 4; do
	is "$(leaf_of mta-sts.customer-a.example)" "$(sha_of certs/mta-sts.customer-a.example.crt)" "a renewal is served at once ($i)"
done
# nginx as a client of its own: the names of others are none of ours to refuse.
snicert bind other.example "$(sha_of certs/fall.crt)" >bind.out 2>&1 || not_ok 'snicert bind' "$(cat bind.out)"
got=$(printf 'GET /proxy/.well-known/mta-sts.txt?name=mta-sts.customer-b.example HTTP/1.0\r\nHost: other.example\r\n\r\n' | timeout 10 \
	openssl s_client -quiet -servername other.example -connect 127.0.0.1:443 2>/dev/null)
has "$got" 'STSv1' 'nginx as a client (proxy_pass)'

# Trouble of our own refuses nobody.
mv /var/lib/snicert/store.db /var/lib/snicert/away
again
is "$(served mta-sts.customer-a.example)" own.example "no store: nginx's own certificate"
is "$(served nobody.example)" own.example 'no store: an unknown name is not refused'
logged 'nginx.*snicert: store /var/lib/snicert/store.db: No such file' '… and syslog says why'
mv /var/lib/snicert/away /var/lib/snicert/store.db
is "$(served mta-sts.customer-a.example)" mta-sts.customer-a.example 'the store is back'
chgrp root $store $store-wal $store-shm
again
log_mark
is "$(served nobody.example)" mta-sts.provider.example 'a store that www-data may not read: not refused, but the fallback that root had opened'
logged 'nginx.*snicert: .*store.db' '… and syslog says why'
chgrp www-data $store $store-wal $store-shm
mta_conf 'program "httpd" { unknown = "refuse" }'
again
is "$(served nobody.example)" own.example 'nginx is not named: inert'
nginx_stop
lib_finish
