#!/bin/sh
# SPDX-License-Identifier: ISC
# nginx.sh: floods.sh with Debian's nginx, unmodified: two workers with the module by
# OPENSSL_CONF, and two without.
# shellcheck disable=SC1091,SC2034,SC2154
SNICERT_MTA_RESULTS=${SNICERT_MTA_OUTSIDE:-}/results # no row of the matrix
export SNICERT_MTA_RESULTS
. "$(dirname "$0")/../mta/lib.sh"
mta_start floods nginx
. "$SNICERT_SRCDIR/tests/torture/flooding.sh"
seed=${TORTURE_SEED:-$(date +%s)}
echo "TORTURE_SEED=$seed"
row() {
	[ -z "${TORTURE_RESULTS:-}" ] || printf 'floods\t%s\t%s\t%s\n' "$1" "$2" "$3" >>"$TORTURE_RESULTS"
	echo "$1: $2: $3"
}
mta_module
mta_syslog
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
cheap_key hosts.key
mkdir hosts
for n in $(seq 0 $((flood_names - 1))); do cheap_chain "hosts/$n.pem" hosts.key "known$n.example"; rm "hosts/$n.pem.crt"; done
cheap_chain fallback.pem hosts.key fallback.example
own_certificate
cat own.crt own.key >/etc/nginx/own.pem
mta_conf 'program "nginx" { }
cache { memory = "1M" }'
rmdir /var/lib/snicert
tool 0 init --group www-data
tool 0 import hosts
tool 0 import --no-bind fallback.pem
tool 0 fallback "$(sha_of fallback.pem.crt)"
mkdir -p /var/lib/nginx /var/log/nginx
nginx_with() { # NAME PORT OPENSSL_CONF
	cat >"/etc/nginx/$1.conf" <<-CF
		user www-data;
		worker_processes 2;
		pid /run/nginx.$1.pid;
		error_log syslog:server=unix:/dev/log,tag=nginx,nohostname warn;
		events { worker_connections 256; }
		http {
			access_log off;
			ssl_protocols TLSv1.2 TLSv1.3;
			ssl_certificate /etc/nginx/own.pem;
			ssl_certificate_key /etc/nginx/own.pem;
			server { listen 127.0.0.1:$2 ssl reuseport; root /srv; }
		}
	CF
	OPENSSL_CONF=$3 nginx -c "/etc/nginx/$1.conf" 2>nginx.err || not_ok "nginx $1 starts" "$(cat nginx.err)"
	mta_wait "nginx $1" mta_listening "$2"
}
nginx_with module 443 "$openssl_cnf"
nginx_with plain 8443 /dev/null
flood 'known names during a flood, nginx' 443 8443 "$(pgrep -P "$(cat /run/nginx.module.pid)" | tr '\n' ' ')" --implicit
kill "$(cat /run/nginx.module.pid)" "$(cat /run/nginx.plain.pid)"
lib_finish
