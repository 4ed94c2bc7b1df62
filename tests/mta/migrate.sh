#!/bin/sh
# SPDX-License-Identifier: ISC
# migrate.sh: what HAProxy presents from a crt-list is what the store has after
# `import --from haproxy`; HAProxy takes what `export --to haproxy` writes and
# presents the same; what doveconf prints is read like the files it read.
# (Postfix's map, in and out: postfix-map.sh.)
# shellcheck disable=SC1091,SC2012,SC2015,SC2034,SC2046,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
mta_start migrate haproxy dovecot-core
starttls=-

mkdir p
many=$(seq -f 'n%g.many.example' -s, 1 250)
for name in own.example b.example c.example; do fixtures_leaf p $name; done
fixtures_leaf p a-ec --san a.example
fixtures_leaf p a-rsa --rsa --san a.example
fixtures_leaf p wild --san '*.w.example'
fixtures_leaf p many --san "$many"
cp p/a-ec.pem p/a.pem.ecdsa
cp p/a-rsa.pem p/a.pem.rsa
cat >list <<LIST
# the first is for whom no name fits
$PWD/p/own.example.pem
$PWD/p/a.pem
$PWD/p/b.example.pem [ssl-min-ver TLSv1.2] b.example vanity.example
$PWD/p/wild.pem *.w.example !x.w.example
$PWD/p/c.example.pem x.w.example
$PWD/p/many.pem
LIST

haproxy_start() { # NAME PORT LIST
	cat >$1.cfg <<-CFG
		global
		  log stderr local0 warning
		defaults
		  mode tcp
		  timeout connect 5s
		  timeout client 5s
		  timeout server 5s
		frontend f
		  bind 127.0.0.1:$2 ssl crt-list $3
		  default_backend b
		backend b
		  server s 127.0.0.1:9
	CFG
	haproxy -c -f $1.cfg >$1.check 2>&1
	is $? 0 "$1: haproxy -c"
	[ ! -s $1.check ] || grep -i -E 'warning|alert|error' $1.check
	haproxy -db -f $1.cfg >$1.mta.log 2>&1 &
	pids="$pids $!"
	mta_wait "HAProxy $1" mta_listening $2
}
# Handshakes of all names and key types: none differs from the store.
same_as_store() { # PORT WHAT
	"$build/snicert" -c "$conf" --json probe --implicit 127.0.0.1:$1 - nobody.example a.example A.Example b.example vanity.example \
		mx.w.example a.mx.w.example w.example x.w.example c.example own.example n1.many.example n250.many.example >probed.json 2>probe.err
	is "$(grep -o '"store": "[^"]*"' probed.json | sort | uniq -c | sed 's/^ *[0-9]* //')" '"store": "same"' "$2: as the store has it"
	[ "$(grep -c '"store"' probed.json)" -ge 26 ] && ok "$2: all were asked" ||
		not_ok "$2: all were asked" "$(head -n 3 probe.err; tail -n 3 probed.json)"
	is "$(grep -c '"error": "' probed.json)" 0 "$2: no handshake failed"
}

new_store "$work/s"
tool 0 import --from haproxy list
has "$(cat "$work/out")" 'only key and issuer are imported' 'what the store does not take over is said'
haproxy_start first 2601 $PWD/list
same_as_store 2601 'a crt-list'

tool 0 export --key --to haproxy "$work/out.haproxy"
haproxy_start second 2602 $work/out.haproxy/crt-list
same_as_store 2602 'the exported crt-list'
# A test that can't fail tests nothing.
tool 0 bind b.example $(chain_of x.w.example)
"$build/snicert" -c "$conf" --json probe --implicit 127.0.0.1:2602 b.example >probed.json 2>/dev/null
has "$(cat probed.json)" '"store": "different"' 'a difference would be seen'

# --- doveconf --------------------------------------------------------------------
mta_user dovecot 905
mta_user dovenull 906
cat >dovecot.conf <<CONF
protocols =
ssl_cert = <$PWD/p/own.example.chain.pem
ssl_key = <$PWD/p/own.example.key
local_name "b.example vanity.example" {
  ssl_cert = <$PWD/p/b.example.pem
  ssl_key = <$PWD/p/b.example.pem
}
local 192.0.2.1 {
  ssl_cert = <$PWD/p/c.example.chain.pem
  ssl_key = <$PWD/p/c.example.key
}
CONF
case $(dovecot --version) in
2.3*)
	doveconf -nP -c dovecot.conf >dovecot.printed 2>doveconf.err
	is $? 0 "doveconf takes it"
	new_store "$work/d1"
	tool 0 import --from dovecot dovecot.conf
	snicert list --json | sed 's/"chain": [0-9]*, //' >d1.list
	is "$(grep -c '"name"' d1.list)" 4 'names and fallbacks from dovecot.conf'
	new_store "$work/d2"
	tool_input=dovecot.printed tool 0 import --from dovecot -
	snicert list --json | sed 's/"chain": [0-9]*, //' >d2.list
	is "$(cat d2.list)" "$(cat d1.list)" 'and the same from what doveconf prints'
	;;
*) skip 'what doveconf prints' 'written for Dovecot 2.3' ;;
esac
lib_finish
