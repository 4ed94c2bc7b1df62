# SPDX-License-Identifier: ISC
# shellcheck shell=sh
# shellcheck disable=SC1091,SC2034,SC2154
# acme/lib.sh: Debian's ACME clients, unmodified, against Debian's ACME server
# (pebble) on loopback, in a machine of its own (tests/mta/lib.sh): real http-01
# challenges, names resolved by pebble-challtestsrv.  Clients, hook and store are
# of the user `acme`, who is not root.  A script sources it first thing:
#
#   acme_start NAME        everything runs: CA, web server for challenges, an SMTP server with the module
#   as_acme COMMAND…       as that user, in $home
#   acme_cycle CERTIFICATE FAILS   the week of a certificate of mx.$client.example and www.$client.example,
#                          whose file is $home/CERTIFICATE; FAILS is what the client's exit code is
#                          when its hook fails.  The script has:
#     issue, renew, again  with the hook; `again` runs the hook for what is there
. "$(dirname "$0")/../mta/lib.sh"

directory=https://localhost:14000/dir
home=/var/lib/acme
www=$home/www
as_acme() { (cd $home && setpriv --reuid=acme --regid=acme --clear-groups env HOME=$home TMPDIR=$home LC_ALL=C.UTF-8 "$@"); }

acme_pebble() {
	mkdir /etc/pebble
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /etc/pebble/ca.key -days 2 \
		-subj '/CN=CA of the ACME server' -out /etc/pebble/ca.pem 2>/dev/null
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /etc/pebble/key.pem -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost 2>/dev/null |
		openssl x509 -req -CA /etc/pebble/ca.pem -CAkey /etc/pebble/ca.key -days 2 -copy_extensions copy \
			-out /etc/pebble/cert.pem 2>/dev/null
	# Whom this machine's programs trust.
	mkdir -p /etc/ssl/certs
	cp /etc/pebble/ca.pem /etc/ssl/certs/ca-certificates.crt
	cat >/etc/pebble/config.json <<-'JSON'
		{ "pebble": { "listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000",
		"certificate": "/etc/pebble/cert.pem", "privateKey": "/etc/pebble/key.pem", "httpPort": 5002, "tlsPort": 5001 } }
	JSON
	chown -R acme /etc/pebble
	as_acme pebble-challtestsrv -defaultIPv6 '' -dns01 127.0.0.1:8053 -http01 '' -https01 '' -tlsalpn01 '' \
		-management 127.0.0.1:8055 >"$work/dns.mta.log" 2>&1 &
	pids="$pids $!"
	as_acme python3 -m http.server 5002 --bind 127.0.0.1 --directory $www >"$work/www.mta.log" 2>&1 &
	pids="$pids $!"
	as_acme env PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 pebble -config /etc/pebble/config.json -dnsserver 127.0.0.1:8053 >"$work/pebble.mta.log" 2>&1 &
	pids="$pids $!"
	mta_wait 'the ACME server' mta_listening 14000
	mta_wait 'the web server' mta_listening 5002
	mta_wait 'the DNS server' mta_listening 8055
}

acme_start() { # NAME
	mta_start acme pebble certbot lego dehydrated uacme python3 curl
	client=$1
	lib_name=acme/$1
	snicert() { as_acme /usr/bin/snicert -c $conf "$@"; }
	export PATH=/usr/sbin:/usr/bin:/sbin:/bin
	unset SSL_CERT_FILE
	mta_user acme 970
	mkdir -p $home $www/.well-known/acme-challenge
	cp "$build/snicert" /usr/bin/snicert
	chown -R acme:acme $home
	chmod 755 /etc /etc/ssl
	acme_pebble
	mkdir $home/store
	conf=$home/store/conf store=$home/store/store.db store_key=$home/store/store.key
	printf 'store { path = "%s" key = "%s" }\n' $store $store_key >$conf
	chown -R acme:acme $home/store
	snicert init >/dev/null || not_ok 'snicert init'
	own_certificate
	# A mail server that is the same user from its start on.
	mkdir -p /usr/lib/acme/.libs
	cp "$build/sample-mta" "$build/starttls-load" /usr/lib/acme
	cp "$build/.libs/snicert.so" /usr/lib/acme/.libs
	mv /usr/lib/acme/sample-mta /usr/lib/acme/real-mta
	printf '#!/bin/sh\nexec setpriv --reuid=acme --regid=acme --clear-groups /usr/lib/acme/real-mta "$@"\n' >/usr/lib/acme/sample-mta
	chmod 755 /usr/lib/acme/sample-mta
	build=/usr/lib/acme
	chown acme "$work"
	start_mta mta
	mx=mx.$client.example other=www.$client.example
}
client_runs() { # EXIT WHAT COMMAND…
	_exit=$1 _what=$2
	shift 2
	"$@" >"$work/client.out" 2>&1
	_got=$?
	if [ $_got = "$_exit" ]; then ok "$_what"; else
		not_ok "$_what" "exit code $_got, want $_exit
$(tail -n 12 "$work/client.out")"
	fi
}
changes() { sqlite3 $store 'SELECT max(sequence) FROM change'; }

acme_cycle() { # CERTIFICATE FAILS
	_file=$home/$1
	is "$(served $mx)" own.example 'before: the own certificate'
	client_runs 0 "$client: issue" issue
	has "$(cat "$work/client.out")" 'chain 1 added: ' 'the hook says what it did'
	is "$(leaf_of $mx)" "$(sha_of "$_file")" 'the issued chain is served'
	is "$(leaf_of $other)" "$(sha_of "$_file")" 'for its other name, too'
	handshake $mx >"$work/handshake"
	is "$(grep -c '^ *[0-9] s:' "$work/handshake")" 2 'with its intermediate'
	_first=$(sha_of "$_file") _changes=$(changes)
	client_runs 0 'the same again' again
	is "$(changes)" "$_changes" 'changes nothing'

	start_load --clients 2 --name $mx --name $other
	client_runs 0 "$client: renew" renew
	has "$(cat "$work/client.out")" ' renewed: ' 'the hook says that it is a renewal'
	isnt "$(sha_of "$_file")" "$_first" 'there is another certificate'
	is "$(leaf_of $mx)" "$(sha_of "$_file")" 'the renewed chain is served, by the same server'
	is "$(leaf_of $other)" "$(sha_of "$_file")" 'for its other name, too'
	_second=$(sha_of "$_file")

	chmod 400 $store
	client_runs "$2" "$client: renew, with a hook that fails" renew
	has "$(cat "$work/client.out")" 'snicert: ' "the client's log has the error"
	has "$(cat "$work/client.out")" "can't be written" 'which says why'
	isnt "$(sha_of "$_file")" "$_second" 'there is another certificate'
	is "$(leaf_of $mx)" "$_second" 'the old chain is served on'
	_fix=$(sed -n 's/.*after fixing this, run: snicert \(import .*\)/\1/p' "$work/client.out" | head -n 1)
	isnt "$_fix" '' 'the fix is told'
	chmod 600 $store
	# shellcheck disable=SC2086
	client_runs 0 'the fix' snicert $_fix
	is "$(leaf_of $mx)" "$(sha_of "$_file")" 'brings in what is new'
	stop_load "$client"
	is "$(find $home/store -user 0)" '' 'nothing of the store is of another user'
}
acme_finish() {
	stop_mta mta
	lib_finish
}
