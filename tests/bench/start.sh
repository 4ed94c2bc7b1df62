#!/bin/sh
# SPDX-License-Identifier: ISC
# start.sh: how long servers take to start, and what memory they have then, by
# number of names: HAProxy's directory of certificates, nginx with a server block
# for each, and nginx and the sample MTA with the module.  Whoever is not ready
# after two minutes is not asked for more names.
# shellcheck disable=SC1091,SC2034,SC2046,SC2086,SC2154
. "${SNICERT_SRCDIR:?}/tests/mta/lib.sh"
SNICERT_MTA_RESULTS=$BENCH_DIR/cells
mta_start bench-start haproxy nginx
. "$SNICERT_SRCDIR/tests/bench/lib.sh"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
patience=120
mta_user haproxy 904
mta_module
mta_syslog
mta_conf 'program "nginx" { }'
mkdir -p /var/lib/nginx /var/log/nginx /run/haproxy
rmdir /var/lib/snicert

# Until the port answers, or the process is gone, or patience is over.
await() { # PID PORT
	perl -MIO::Socket::INET -MTime::HiRes=time,sleep -e 'my ($pid, $port, $until) = ($ARGV[0], $ARGV[1], time + $ARGV[2]);
		until (IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 1)) {
			exit 1 if time > $until || !kill 0, $pid; sleep 0.002 }' "$1" "$2" $patience
}
haproxy_config() {
	cat <<-CF
		global
		  user haproxy
		  log /dev/log local0
		defaults
		  timeout client 10s
		  timeout server 10s
		  timeout connect 10s
		frontend tls
		  mode tcp
		  bind 127.0.0.1:4431 ssl crt $chains.own/own0.example.pem crt $chains/
		  tcp-request content reject
	CF
}
nginx_config() { # names|module
	cat <<-CF
		user www-data;
		daemon off;
		worker_processes 2;
		pid /run/nginx.pid;
		error_log syslog:server=unix:/dev/log,tag=nginx,nohostname warn;
		events { worker_connections 256; }
		http {
		access_log off;
		server_names_hash_max_size $((size * 4));
		server_names_hash_bucket_size 128;
		ssl_certificate $chains.own/own0.example.pem;
		ssl_certificate_key $chains.own/own0.example.pem;
		server { listen 127.0.0.1:4431 ssl default_server; server_name _; return 204; }
	CF
	[ $1 = module ] || seq 0 $((size - 1)) | sed "s,.*,server { listen 127.0.0.1:4431 ssl; server_name host&.example; return 204; ssl_certificate $chains/host&.example.pem; ssl_certificate_key $chains/host&.example.pem; },"
	echo '}'
}
launch() { # CASE: sets $pid
	case $1 in
	haproxy) haproxy -db -f haproxy.conf >$1.mta.log 2>&1 & ;;
	nginx) nginx -c "$work/nginx.conf" >$1.mta.log 2>&1 & ;;
	nginx_module) OPENSSL_CONF=$openssl_cnf nginx -c "$work/module.conf" >$1.mta.log 2>&1 & ;;
	sample_module) "$build/sample-mta" --port 4431 --smtps --cert "$chains.own/own0.example.pem" \
		--key "$chains.own/own0.example.pem" --module /usr/lib/snicert/snicert.so --config "$conf" >$1.mta.log 2>&1 & ;;
	esac
	pid=$!
	pids="$pids $pid"
}
measure() { # CASE ROUND
	case " $given_up " in *" $1 "*) return ;; esac
	began=$(now_us)
	launch $1
	if await $pid 4431; then
		sample start $1 $size $2 start_ms $((($(now_us) - began) / 1000))
		sample start $1 $size $2 pss_kib "$("$build/bench-usage" $pid | awk '{ print $6 }')"
		port=4431
		warm "$1, $size names" --count 50 --implicit --name-pattern host%d.example --name-count $size --expect-san
	elif kill -0 $pid 2>/dev/null; then
		sample start $1 $size $2 given_up_s $patience
		given_up="$given_up $1"
	else
		not_ok "$1 starts with $size names" "$(tail -n 3 $1.mta.log)"
	fi
	kill $pid 2>/dev/null
	wait $pid 2>/dev/null
}

given_up=
rounds=3 slices=1
cases='haproxy nginx nginx_module sample_module'
[ -z "$BENCH_QUICK" ] || rounds=1 cases='haproxy nginx_module sample_module'
for size in $BENCH_STARTS; do
	chains $size
	say "start-up with $size names"
	SSL_CERT_FILE=$chains.root.crt
	export SSL_CERT_FILE
	rm -rf /var/lib/snicert $store_key
	{ snicert init --group www-data && snicert import "$chains"; } >import.out 2>&1 ||
		not_ok 'the import' "$(tail -n 3 import.out)"
	haproxy_config >haproxy.conf
	nginx_config names >nginx.conf
	nginx_config module >module.conf
	[ $size -le 10000 ] || rounds=1 # minutes, where milliseconds of noise don't matter
	alternate measure $cases
	[ $size -le 10000 ] || chains_rm $size
done
lib_finish
