#!/bin/sh
# SPDX-License-Identifier: ISC
# openssl_conf.sh: the module in a program that knows nothing of it, loaded by
# OpenSSL from its configuration.  `openssl s_server` stands for all of them;
# tests/mta/ has mail servers.
# shellcheck disable=SC1091,SC2015,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start openssl_conf

# A module built with a sanitizer needs a program that was, too.
if nm -D "$build/.libs/snicert.so" | grep -qE '__(asan|tsan|ubsan)_'; then
	echo 'SKIPPED: the module is built with a sanitizer'
	exit 77
fi

own_certificate
new_store "$work/store"
tool 0 import "$fixtures/good-ec.pem"
cat >openssl.cnf <<-END
	openssl_conf = init
	[init]
	snicert = snicert_section
	[snicert_section]
	path = $build/.libs/snicert.so
	config = $conf
END
server=
stop_server() { [ -z "$server" ] || { kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; }; server=; }
trap 'stop_server; lib_clean' EXIT

# A port of the kernel's choice: s_server says which.
start_server() { # WHAT [OPTION…]: of s_server
	what=$1
	shift
	stop_server
	: >server.out # the line of the one before would be taken for its own
	OPENSSL_CONF=$work/openssl.cnf openssl s_server -accept 127.0.0.1:0 -cert own.crt -key own.key \
		"$@" -www -naccept 50 >server.out 2>&1 </dev/null &
	server=$!
	# The whole line: it comes in pieces.
	accepts() { [ "$(sed -n '/^ACCEPT .*:[0-9]*$/p' server.out | wc -l)" = 1 ]; }
	await "$what: s_server starts" accepts
	port=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' server.out | head -1)
	[ -n "$port" ] || not_ok "$what: s_server starts" "$(cat server.out)"
}
got() { # NAME: whom the certificate is for
	openssl s_client -connect "127.0.0.1:$port" -servername "$1" </dev/null 2>/dev/null |
		openssl x509 -noout -subject | sed 's/^subject=CN *= *//'
}
own=$(openssl x509 -noout -subject -in own.crt | sed 's/^subject=CN *= *//')

start_server 'a program that is not named'
is "$(got good-ec.example)" "$own" 'not named in snicert.conf: untouched'

echo 'program "openssl" { }' >>"$conf"
start_server 'a program that is named'
is "$(got good-ec.example)" good-ec.example 'named: the chain of the name'
is "$(got nobody.example)" "$own" 'no fallback: its own certificate'
tool 0 import "$fixtures/good-rsa.pem"
is "$(got good-rsa.example)" good-rsa.example 'live after an import'
tool 0 fallback 1
is "$(got nobody.example)" good-ec.example 'the fallback'
is "$(OPENSSL_CONF=$work/openssl.cnf openssl s_client -connect "127.0.0.1:$port" \
	-servername good-rsa.example </dev/null 2>/dev/null |
	openssl x509 -noout -subject | sed 's/^subject=CN *= *//')" good-rsa.example 'a client of the same program'

# A refusal where the program has its own servername callback.
sed -i 's/^program .*/program "openssl" { unknown = "refuse" }/' "$conf"
start_server 'a program that refuses'
is "$(got good-ec.example)" good-ec.example 'refuse: a known name is served'
alert=$(openssl s_client -connect "127.0.0.1:$port" -servername nobody.example </dev/null 2>&1 |
	grep -c 'unrecognized name')
is "$([ "$alert" -gt 0 ] && echo yes)" yes 'refuse: an unknown name gets unrecognized_name'

# Keys are in a library context of our own: OpenSSL hands them on to the host's providers.
sed -i 's/^program .*/program "openssl" { }/' "$conf"
start_server 'keys of all kinds'
for kind in rsa-pss ed25519 ed448; do
	openssl req -x509 -newkey $kind -nodes -keyout $kind.pem -days 90 -subj /CN=$kind.example \
		-addext subjectAltName=DNS:$kind.example -out $kind.crt 2>/dev/null
	cat $kind.crt >>$kind.pem
	chmod 600 $kind.pem
	tool 0 import --force $kind.pem
	is "$(got $kind.example)" $kind.example "a key of $kind"
done

# What the host's configuration says of providers holds, in whatever order it is read: with
# these no cipher can be had, and none of ours gets it the default provider.  The fallback
# is decoded as the module is loaded.
providers_with() { # LINE
	cat >restricted.cnf <<-END
		openssl_conf = init
		[init]
		$1
		providers = providers
		[snicert_section]
		path = $build/.libs/snicert.so
		config = $conf
		[providers]
		base = active
		null = active
		[active]
		activate = 1
	END
	OPENSSL_CONF=$work/restricted.cnf openssl list -providers
}
has "$(providers_with '')" null 'restricted providers'
is "$(providers_with 'snicert = snicert_section')" "$(providers_with '')" 'restricted providers: the module adds none'

# A host with a key of a type that only OpenSSL's providers know; 3.5 makes such keys.
if openssl req -x509 -newkey ML-DSA-44 -nodes -keyout ml-dsa.key -days 9 -subj /CN=ml-dsa.example -out ml-dsa.crt 2>/dev/null; then
	cp own.key own.crt "$work/store"
	cp ml-dsa.key own.key
	cp ml-dsa.crt own.crt
	sed -i 's/^program .*/program "openssl" { }/' "$conf"
	tool 0 fallback none
	start_server 'an own key of ML-DSA'
	is "$(got nobody.example)" ml-dsa.example 'an own key of ML-DSA: its own certificate'
	is "$(got good-ec.example)" good-ec.example 'an own key of ML-DSA: a known name'
	is "$(got nobody.example)" ml-dsa.example 'an own key of ML-DSA: and it again'
	cp "$work/store/own.key" "$work/store/own.crt" .
fi

# Raw public keys (RFC 7250), since OpenSSL 3.2: also with a module that was built with an earlier one
# (older.sh).  A client that takes a raw key knows the host's.
if openssl s_server -help 2>&1 | grep -q enable_server_rpk; then
	sed -i 's/^program .*/program "openssl" { }/' "$conf"
	start_server 'raw public keys' -enable_server_rpk
	octets() { grep -E '^ +([0-9a-f]{2}:?)+$' | tr -d ' \n'; } # of a public key, as OpenSSL prints it
	is "$(openssl s_client -connect "127.0.0.1:$port" -servername good-ec.example -enable_server_rpk </dev/null 2>/dev/null | octets)" \
		"$(openssl pkey -in own.key -noout -text_pub | octets)" "a client that takes a raw key: the host's"
	is "$(got good-ec.example)" good-ec.example 'a host that has raw keys, and a client that takes chains'
fi

echo 'bogus' >"$conf"
start_server 'a broken snicert.conf'
is "$(got good-ec.example)" "$own" 'a broken snicert.conf harms nobody'
stop_server
lib_finish
