#!/bin/sh
# SPDX-License-Identifier: ISC
# serve.sh: a real SMTP server with the module, and what its clients see: by
# name, by what they are able to use, and while the store changes under it.
# Once as this user; as root also as nobody, and as nobody in an empty jail.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
FIXTURES_ROOT=$fixtures
lib_start serve

own_certificate
mkdir certs
for n in exact.example exact2.example late.example fall.example key.example kill.example; do
	fixtures_leaf certs $n
done
fixtures_leaf certs both.ec --san both.example
fixtures_leaf certs both.rsa --rsa --san both.example
fixtures_leaf certs wild --san '*.wild.example'
fixtures_leaf certs rsa.wild.example --rsa
fixtures_leaf certs ed.example --ed25519
fixtures_leaf certs mx.ec --san mx.example
fixtures_leaf certs mx.rsa --rsa --san mx.example
fixtures_leaf certs new.example --days 80
fixtures_leaf certs renewed --san new.example
mkdir batch
cheap_key batch.key
for i in $(seq 60); do
	cheap_chain batch/h$i.pem batch.key h$i.example
	rm batch/h$i.pem.crt
done
name253=$(head -c 49 /dev/zero | tr '\0' a)
name253=$name253.$name253.$name253.$name253.$name253.xy
name253=$(printf '%s' "b$name253")
name254=c$name253
is ${#name253} 253 'a name of 253 characters'

fill() { # DIR [INIT-OPTION…]
	new_store "$@"
	tool 0 import certs/exact.example.pem certs/exact2.example.pem certs/both.ec.pem certs/both.rsa.pem certs/wild.pem \
		certs/rsa.wild.example.pem certs/ed.example.pem
	tool 0 import --no-bind --json certs/mx.ec.pem certs/mx.rsa.pem
	mx_ec=$(json out '$[0].chain') mx_rsa=$(json out '$[1].chain')
	tool 0 fallback "$mx_ec" "$mx_rsa"
	tool 0 bind "$name253" "$(chain_of exact.example)"
	tool 0 bind _under_score.example "$(chain_of exact.example)"
}
sees() { # WANT NAME|- [S_CLIENT-OPTION…]
	_want=$1
	shift
	is "$(served "$@")" "$_want" "$mta: $*"
}
serves() { # FILE NAME|- WHAT: that very leaf, at the next handshake
	is "$(leaf_of "$2")" "$(sha_of "certs/$1.crt")" "$mta: $3"
}

# --- by name and by client -------------------------------------------------

names() {
	sees exact.example exact.example
	sees exact.example EXACT.Example
	sees exact.example exact.example.
	sees exact.example "$name253"
	sees exact.example _under_score.example
	sees exact.example _UNDER_score.example.
	sees '*.wild.example' mx1.wild.example
	sees '*.wild.example' MX2.WILD.example.
	sees '*.wild.example' _x.wild.example
	for odd in nobody.example example wild.example a.mx1.wild.example "$name254" 192.0.2.1 127.0.0.1 2001:db8::1 '[::1]' \
		exact..example .exact.example exact.example.. . '*.wild.example' @ @127.0.0.1 "exact.example'--" \
		'exact.example"' '%s%n%s.example' 'exact.example%00' 'exact example' ' exact.example' '../exact.example' \
		'exact.example\' "$(printf 'm\303\274nchen.example')" "$(printf 'exact\377.example')" \
		"$(printf 'exact.example\nX')" -exact; do
		sees mx.example "$odd"
	done
	sees mx.example -
}
clients() {
	for tls in -tls1_2 -tls1_3; do
		sees exact.example exact.example $tls
		sees mx.example - $tls
		sees ed.example ed.example $tls
	done
	ecdsa='-sigalgs ECDSA+SHA256' rsa='-sigalgs RSA-PSS+SHA256:RSA+SHA256'
	{
		sees both.example both.example -tls1_3 $ecdsa
		is "$(key_served)" ECDSA "$mta: an ECDSA client of TLS 1.3"
		sees both.example both.example -tls1_3 $rsa
		is "$(key_served)" RSA-PSS "$mta: an RSA client of TLS 1.3"
		sees both.example both.example -tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256
		is "$(key_served)" ECDSA "$mta: an ECDSA client of TLS 1.2"
		sees both.example both.example -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256
		has "$(key_served)" RSA "$mta: an RSA client of TLS 1.2"
		sees mx.example exact.example -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256
		has "$(key_served)" RSA "$mta: an RSA client gets the fallback's RSA chain for an ECDSA name"
		sees mx.example exact.example -tls1_3 $rsa
		sees rsa.wild.example rsa.wild.example
		sees '*.wild.example' rsa.wild.example -tls1_3 $ecdsa
		sees exact.example exact.example -groups P-521:P-384
		# In TLS 1.2 the curve of the certificate must be the client's, too (RFC 8422 section 5.1).
		sees mx.example exact.example -groups P-384 -tls1_2
	}
	handshake exact.example -CAfile "$fixtures/ca/root.crt" -verify_return_error -verify_hostname exact.example >verified
	has "$(cat verified)" 'Verification: OK' "$mta: the chain is complete"
	is "$(grep -c '^ *[0-9] s:' verified)" 2 "$mta: leaf and intermediate, and no more"
}
resumption() {
	for tls in -tls1_2 -tls1_3; do
		rm -f session
		printf 'ehlo me\r\nquit\r\n' | timeout 20 openssl s_client -starttls smtp -connect "127.0.0.1:$port" $tls \
			-servername exact.example -ign_eof -sess_out session >first.out 2>&1
		printf 'ehlo me\r\nquit\r\n' | timeout 20 openssl s_client -starttls smtp -connect "127.0.0.1:$port" $tls \
			-servername exact.example -ign_eof -sess_in session >second.out 2>&1
		has "$(grep -E '^(New|Reused)' first.out)" New "$mta: $tls: a new session"
		has "$(grep -E '^(New|Reused)' second.out)" Reused "$mta: $tls: resumed"
		has "$(cat second.out)" '221 ' "$mta: $tls: and it talks on"
		rm -f session
	done
}
mail() {
	if ! command -v swaks >/dev/null; then
		skip "$mta: mail by swaks" 'there is no swaks'
		return
	fi
	if ! swaks --support 2>/dev/null | grep -q '^=== TLS supported'; then
		skip "$mta: mail by swaks" 'swaks has no TLS: libnet-ssleay-perl'
		return
	fi
	set -- --server 127.0.0.1 --port "$port" --from me@sender.example --to you@exact.example --tls \
		--header "Subject: a letter by $mta"
	swaks --help 2>/dev/null >swaks.help
	! grep -q -- --tls-verify swaks.help || set -- "$@" --tls-verify --tls-ca-path "$fixtures/ca/root.crt"
	! grep -q -- --tls-sni swaks.help || set -- "$@" --tls-sni exact.example
	timeout 30 swaks "$@" >swaks.out 2>&1
	is $? 0 "$mta: swaks sends a letter over STARTTLS"
	if grep -q -- --tls-sni swaks.help; then
		has "$(grep 'TLS peer' swaks.out)" CN=exact.example "$mta: swaks got the chain of the name"
	fi
	is "$(cat mail/* 2>/dev/null | grep -c "^Subject: a letter by $mta")" 1 "$mta: the letter is there"
}

# --- the tools agree -------------------------------------------------------

agree() {
	set -- exact.example EXACT.example. both.example ed.example rsa.wild.example _under_score.example "$name253" \
		nobody.example wild.example a.b.wild.example example
	for i in $(seq $((30 - $#))); do set -- "$@" "m$i.wild.example"; done
	tool 0 probe "127.0.0.1:$port" both.example rsa.wild.example m1.wild.example -
	# Two names are bound on purpose to a chain that isn't for them: probe says so.
	tool 1 probe --json --key-type any "127.0.0.1:$port" "$@"
	cp out probed
	is "$(grep -c '"store": "same"' probed)" 30 "$mta: probe of 30 names: all as in the store"
	is "$(grep -c '"name_matches": true.*"store": "same"' probed)" $((30 - 6)) "$mta: probe: whom the certificates are for"
	json_members probed '$[0]' 'host port protocol name asked tls key_type not_after sha256 name_matches store store_chain handshake_ms error' \
		'probe --json: its members'
	i=0
	for name in "$@"; do
		leaf=$(leaf_of "$name")
		snicert explain --json "$name" >explained 2>&1
		is "$(grep -c "\"verdict\": \"served\".*$leaf" explained)" 1 "$mta: explain $name: what s_client got"
		is "$(json probed "\$[$i].sha256") $(json probed "\$[$i].store")" "$leaf same" "$mta: probe $name: what s_client got"
		i=$((i + 1))
	done
}

# --- while the store changes -----------------------------------------------

changes() { # [jail]
	jail=${1:-}
	start_load --clients 2 --name exact.example --name both.example --name mx1.wild.example --name nobody.example \
		--name new.example --name late.example --name h1.example
	sees mx.example new.example
	tool 0 import certs/new.example.pem
	serves new.example new.example 'an import is live'
	tool 0 import certs/renewed.pem
	serves renewed new.example 'a replacement is live'
	tool 0 import --no-bind --json certs/fall.example.pem
	tool 0 fallback "$(json out '$[0].chain')"
	serves fall.example - 'a change of fallback is live'
	serves fall.example nobody.example 'a change of fallback is live for an unknown name'
	tool 0 fallback --address 127.0.0.1 "$mx_ec"
	sees mx.example nobody.example
	tool 0 fallback --address 127.0.0.1 none
	sees fall.example nobody.example
	tool 0 remove new.example
	sees fall.example new.example
	tool 0 rollback new.example
	serves renewed new.example 'a roll-back is live'
	tool 0 unbind new.example
	sees fall.example new.example
	tool 0 fallback none
	sees own.example -
	tool 0 fallback "$mx_ec" "$mx_rsa"
	sees mx.example -

	tool 0 import certs/late.example.pem
	tool 0 rekey
	serves late.example late.example 'rekey: a name never served before'
	serves exact.example exact.example 'rekey: a name served before'
	tool 0 import certs/key.example.pem
	serves key.example key.example 'rekey: what is imported thereafter'

	rm -f backup
	tool 0 backup backup
	tool 0 remove key.example exact2.example
	sees mx.example key.example
	tool 0 import batch
	sees h7.example h7.example
	tool 0 restore backup
	serves key.example key.example 'restore is live'
	serves exact2.example exact2.example 'restore: what was never served'
	sees mx.example h7.example
	tool 0 import batch
	sees h8.example h8.example

	# The tool is killed in the middle of an import; what is served stays whole.
	tool 0 remove --force "$(chain_of h7.example)"
	calls=$(calls_of "$build/snicert" -c "$conf" import --force batch)
	for i in 0 1 2 3 4 5; do
		"$build/snicert" -c "$conf" remove --force "$(chain_of h7.example)" >/dev/null 2>&1
		at=$((1 + i * (calls - 1) / 5))
		has "$(killed_at $at "$build/snicert" -c "$conf" import --force batch)" "killed $at " "$mta: import is cut off at call $at of $calls"
		sees exact.example exact.example
		tool 0 bind kill$i.example "$(chain_of exact.example)"
		sees exact.example kill$i.example
	done
	tool 0 verify

	# Files that can't be read now: answered all the same, and followed as they can be again.
	chmod 000 "$store" "$store-wal" "$store-shm"
	sees exact.example exact.example
	served h20.example >/dev/null
	chmod "$file_mode" "$store" "$store-wal" "$store-shm"
	sees h20.example h20.example
	tool 0 bind unreadable.example "$(chain_of exact.example)"
	sees exact.example unreadable.example
	chmod 000 "$store_key"
	sees exact.example exact.example
	isnt "$(served h21.example)" 'no handshake' "$mta: key unreadable: a handshake completes"
	chmod "$file_mode" "$store_key"
	sees h22.example h22.example
	tool 0 rekey
	sees h23.example h23.example

	if [ "$jail" != jail ]; then
		rm -f "$store" "$store-wal" "$store-shm"
		isnt "$(served exact.example)" 'no handshake' "$mta: store deleted: a handshake completes"
		isnt "$(served h30.example)" 'no handshake' "$mta: store deleted: a handshake completes for a name never served"
		tool 0 init $init_options
		tool 0 import certs/kill.example.pem
		serves kill.example kill.example 'a store made anew is followed'
		sees own.example exact.example
		tool 0 import certs/exact.example.pem
		serves exact.example exact.example 'and filled again'
	fi
	stop_load "$mta, changes"
}

# --- the runs --------------------------------------------------------------

mkdir mail jail
chmod 777 mail
chmod 711 jail certs
run() { # NAME INIT-OPTIONS MTA-OPTION…
	_run=$1 init_options=$2
	shift 2
	fill "$work/$_run-store" $init_options
	file_mode=$(stat -c %a "$store")
	start_mta "$_run" --mail-dir mail "$@" || return
}

run plain ''
names
clients
resumption
mail
agree
changes
stop_mta plain

if am_root; then
	run nobody '--group nogroup' --user nobody
	# It tells its port first.
	is_nobody() {
		[ "$(awk '/^Uid:/ { print $2, $3, $4 }' "/proc/$(cat nobody.pid)/status" | tr ' ' '\n' | sort -u)" = "$(id -u nobody)" ]
	}
	await 'the server is another user' is_nobody && ok 'the server is another user'
	changes
	stop_mta nobody

	# A leak checker has no /proc in there.
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
	export ASAN_OPTIONS
	run jail '--group nogroup' --user nobody --chroot jail
	is_in_jail() { [ "$(readlink "/proc/$(cat jail.pid)/root")" = "$work/jail" ]; }
	await 'the server is in a jail' is_in_jail && ok 'the server is in a jail'
	is "$(ls jail)" '' 'and the jail is empty'
	names
	resumption
	mail
	changes jail
	stop_mta jail
else
	skip 'as another user, in a jail' 'not root'
fi
lib_finish
