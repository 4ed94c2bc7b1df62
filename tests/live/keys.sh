#!/bin/sh
# SPDX-License-Identifier: ISC
# keys.sh: private keys that are not in the store: handshakes with keys at file:
# and, where the system has OpenSSL's PKCS#11 provider and SoftHSM, in a token.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
FIXTURES_ROOT=$fixtures
lib_start keys
own_certificate
fixtures_leaf . fall.example --rsa
for type in rsa ec ed25519; do fixtures_leaf . $type.example --$type; done

# The next handshakes, of each protocol, are done by that key and no other: the
# client checks the signature against the certificate.
serves() { # NAME WHAT
	for version in tls1_2 tls1_3; do
		is "$(served "$1" -$version)" "$1" "$2: $1, $version"
	done
}

# --- file: -----------------------------------------------------------------

new_store "$work/file"
tool 0 import --no-bind fall.example.pem
tool 0 fallback 1
for type in rsa ec ed25519; do
	tool 0 import --key-uri "file:$work/$type.example.key" $type.example.chain.pem
	is "$(sqlite3 "$store" "SELECT sealed_key IS NULL FROM chain WHERE subject = '$type.example'")" 1 "$type: the store has no key"
done
tool 0 verify
if start_mta file; then
	for type in rsa ec ed25519; do serves $type.example 'a key at file:'; done
	start_load --clients 4 --name rsa.example --name ec.example --expect-san
	await 'sessions' load_has 200
	stop_load 'keys at file:'
	# A chain whose key is gone, or another's, is skipped: the fallback, and no failure.
	mv ec.example.key away && cp ed25519.example.key rsa.example.key
	tool 0 bind moved.example "$(chain_of ed25519.example)"
	serves ed25519.example 'the others'
	stop_mta file
fi
if start_mta gone; then
	for version in tls1_2 tls1_3; do
		is "$(served ec.example -$version)" fall.example "the key is gone: the fallback, $version"
		is "$(served rsa.example -$version)" fall.example "another's key: the fallback, $version"
	done
	serves ed25519.example 'the others'
	stop_mta gone
fi
tool 1 verify
has "$(cat "$work/out")" ec.example 'verify: a key that is gone'
has "$(cat "$work/out")" rsa.example "verify: another's key"

# --- the store key as a credential of systemd ------------------------------

# The server has its copy, as LoadCredential= gives it; the tool has the original.
new_store "$work/credential"
tool 0 import --no-bind fall.example.pem ec.example.chain.pem away
tool 0 fallback 1
tool 0 bind ec.example 2
mkdir -m 755 run run/credentials
cp "$store_key" run/credentials/store.key
chmod 440 run/credentials/store.key
printf 'store { path = "%s" key = "${CREDENTIALS_DIRECTORY:-%s}/store.key" }\n' "$store" "${store_key%/*}" >"$conf"
tool 0 config
has "$(cat "$work/out")" "$store_key" 'without credentials: the file'
tool 0 verify
mv "$store_key" "$store_key.away"
CREDENTIALS_DIRECTORY=$work/run/credentials
export CREDENTIALS_DIRECTORY
if start_mta credential; then
	serves ec.example 'the store key is a credential'
	stop_mta credential
fi
chmod 444 run/credentials/store.key
if start_mta unsafe; then
	is "$(served ec.example)" own.example 'a credential that others may read is none'
	stop_mta unsafe
fi
unset CREDENTIALS_DIRECTORY
if start_mta bare; then
	is "$(served ec.example)" own.example 'without it: the own certificate'
	stop_mta bare
fi

# --- pkcs11: ---------------------------------------------------------------

provider=$(openssl version -m | sed 's/.*"\(.*\)".*/\1/')/pkcs11.so softhsm=
[ -e "$provider" ] || provider=
for file in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so /usr/lib*/pkcs11/libsofthsm2.so; do
	[ ! -e "$file" ] || softhsm=$file
done
if [ -z "$provider" ] || [ -z "$softhsm" ] || ! command -v softhsm2-util >/dev/null; then
	skip 'keys in a token' "there is no ${provider:-PKCS#11 provider of OpenSSL} ${softhsm:-SoftHSM}"
	lib_finish
fi

# no-deinit: SoftHSM does not outlive its own destructors (SoftHSMv2#729).
mkdir tokens
printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n' "$work" >softhsm.conf
cat >openssl.cnf <<CNF
openssl_conf = init
[init]
providers = providers
[providers]
default = default_provider
pkcs11 = pkcs11_provider
[default_provider]
activate = 1
[pkcs11_provider]
module = $provider
pkcs11-module-path = $softhsm
pkcs11-module-quirks = no-deinit
activate = 1
CNF
SOFTHSM2_CONF=$work/softhsm.conf
export SOFTHSM2_CONF
softhsm2-util --init-token --free --label mail --pin 1234 --so-pin 5678 >softhsm.log 2>&1 || not_ok 'a token' "$(cat softhsm.log)"
printf 1234 >pin
for type in rsa ec; do
	fixtures_leaf . token.$type.example --$type
	openssl pkcs8 -topk8 -nocrypt -in token.$type.example.key -out pkcs8.key
	id=$([ $type = rsa ] && echo 01 || echo 02)
	softhsm2-util --import pkcs8.key --token mail --label $type --id $id --pin 1234 >>softhsm.log 2>&1 ||
		not_ok "a $type key in the token" "$(cat softhsm.log)"
	rm -f pkcs8.key token.$type.example.key token.$type.example.pem
done
OPENSSL_CONF=$work/openssl.cnf
export OPENSSL_CONF
uri() { echo "pkcs11:token=mail;object=$1;type=private?pin-source=file:$work/pin"; }

new_store "$work/token"
tool 0 import --no-bind fall.example.pem
tool 0 fallback 1
for type in rsa ec; do
	tool 0 import --key-uri "$(uri $type)" token.$type.example.chain.pem
	tool 0 show --json token.$type.example
	json_is "$work/out" '$[0].key' "$(uri $type)" "$type: the key stays in the token"
done
tool 0 verify
refused 3 'no private key at' import --key-uri "$(uri nothing)" token.rsa.example.chain.pem
refused 3 "don't match" import --key-uri "$(uri rsa)" token.ec.example.chain.pem
tool 3 export --key token.ec.example
own_conf() { OPENSSL_CONF=/dev/null "$@"; } # a client, without the token
if start_mta token; then
	for version in tls1_2 tls1_3; do
		for type in rsa ec; do
			is "$(own_conf served token.$type.example -$version)" token.$type.example "a key in a token: $type, $version"
		done
	done
	OPENSSL_CONF=/dev/null
	start_load --clients 4 --name token.rsa.example --name token.ec.example --expect-san
	await 'sessions' load_has 200
	stop_load 'keys in a token'
	OPENSSL_CONF=$work/openssl.cnf
	stop_mta token
fi

# A request by a key of the token, and its certificate: the private key was never here.
fixtures_ca "$fixtures"
tool 0 key new --key-uri "$(uri ec)" request.example --out request
has "$(OPENSSL_CONF=/dev/null openssl req -in request -noout -verify 2>&1)" 'verify OK' 'a request signed in the token'
printf 'subjectAltName=DNS:request.example' >ext
OPENSSL_CONF=/dev/null openssl x509 -req -in request -CA "$fixtures/ca/ec.crt" -CAkey "$fixtures/ca/ec.key" -days 90 -extfile ext \
	-out request.crt 2>/dev/null
cat "$fixtures/ca/ec.crt" >>request.crt
tool 0 import request.crt
if start_mta request; then
	is "$(own_conf served request.example -tls1_3)" request.example 'its certificate is served, the key in the token'
	stop_mta request
fi

# Without the token: the fallback.
OPENSSL_CONF=/dev/null
if start_mta without; then
	for version in tls1_2 tls1_3; do
		is "$(served token.rsa.example -$version)" fall.example "without the token: the fallback, $version"
	done
	stop_mta without
fi

lib_finish
