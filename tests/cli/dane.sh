#!/bin/sh
# SPDX-License-Identifier: ISC
# dane.sh: TLSA records as other programs compute them and as a DANE client of
# OpenSSL takes them, keys made ahead of their certificates, and the roll-over
# from one key to the next.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
FIXTURES_ROOT=$fixtures
lib_start dane
parts=$fixtures/parts

# The data of a record by openssl alone.
data_of() { # FILE SELECTOR MATCHING
	if [ "$2" = 0 ]; then
		openssl x509 -in "$1" -outform DER
	else
		openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform DER
	fi >"$work/der" 2>/dev/null
	case $3 in
	0) od -An -v -tx1 "$work/der" | tr -d ' \n' ;;
	1) openssl dgst -sha256 -r "$work/der" | cut -d' ' -f1 ;;
	2) openssl dgst -sha512 -r "$work/der" | cut -d' ' -f1 ;;
	esac
}
# The records in the last answer, one a line: "OWNER U S M DATA".
records() { sed -n 's/^\(update add \)*\([^;][^ ]*\) [0-9]* IN TLSA /\2 /p' "$work/out"; }
key_of() { data_of "$1" 1 1; }

# --- the data, by other programs -------------------------------------------

new_store "$work/data"
tool 0 import "$fixtures/good-ec.pem" "$fixtures/good-rsa.pem" "$fixtures/good-ed25519.pem"
for name in good-ec good-rsa good-ed25519; do
	for selector in 0 1; do
		for matching in 0 1 2; do
			tool 0 tlsa --selector $selector --matching $matching $name.example
			is "$(records)" "_25._tcp.$name.example. 3 $selector $matching $(data_of "$parts/$name.crt" $selector $matching)" \
				"$name: 3 $selector $matching, as openssl has it"
		done
	done
	if command -v danetool >/dev/null; then
		tool 0 tlsa --port 465 $name.example
		is "$(records)" "$(danetool --tlsa-rr --host=$name.example --port=465 --load-certificate "$parts/$name.crt" |
			sed 's/ IN TLSA ( 03 01 01 \(.*\) )/ 3 1 1 \1/')" "$name: 3 1 1, as GnuTLS has it"
	else
		skip "$name: 3 1 1, as GnuTLS has it" 'there is no danetool'
	fi
	if command -v ldns-dane >/dev/null; then
		tool 0 tlsa --selector 0 --matching 2 $name.example
		is "$(records | tr -d ' ')" "$(ldns-dane -c "$parts/$name.crt" create $name.example 25 3 0 2 |
			sed 's/[[:space:]]*3600[[:space:]]IN[[:space:]]TLSA//' | tr -d ' \t')" "$name: 3 0 2, as ldns has it"
	else
		skip "$name: 3 0 2, as ldns has it" 'there is no ldns-dane'
	fi
done
tool 0 tlsa --usage 2 --selector 0 good-ec.example
is "$(records)" "_25._tcp.good-ec.example. 2 0 1 $(data_of "$fixtures/ca/ec.crt" 0 1)" 'usage 2: the intermediate'
tool 0 import "$fixtures/warn-self-signed.pem"
refused 3 'no intermediate to be an anchor: use --usage 3' tlsa --usage 2 warn-self-signed.example

# --- what is printed -------------------------------------------------------

tool 0 tlsa --ttl 300 --port 465 --nsupdate good-ec.example
is "$(grep -v '^;' "$work/out")" "update delete _465._tcp.good-ec.example. TLSA
update add _465._tcp.good-ec.example. 300 IN TLSA 3 1 1 $(key_of "$parts/good-ec.crt")
send" 'for nsupdate: all of them in one message'
tool 0 tlsa --nsupdate --add good-ec.example
hasnt "$(cat "$work/out")" delete '--add: nothing is deleted'
tool 0 tlsa --json good-ec.example
json_members "$work/out" '$[0]' 'name owner ttl usage selector matching data key_type state chains waiting_keys served_by not_after' \
	'tlsa --json: its members'
json_is "$work/out" '$[0].owner' _25._tcp.good-ec.example. 'tlsa --json: the owner'
json_is "$work/out" '$[0].chains' '["1"]' 'tlsa --json: the chain'
tool 1 tlsa nobody.example good-ec.example
has "$(cat "$work/err")" 'snicert key new nobody.example' 'a name that nobody has: the mend'
is "$(records | wc -l)" 1 '… and the others are printed'
tool 0 tlsa GOOD-ec.Example.
is "$(records | cut -d' ' -f1)" _25._tcp.good-ec.example. 'the name is normalised'
for line in 'tlsa --port 0 a.example' 'tlsa --usage 1 a.example' 'tlsa --usage 4 a.example' 'tlsa --selector 2 a.example' \
	'tlsa --matching x a.example' 'tlsa --protocol sctp2 a.example' 'tlsa --ttl -1 a.example' 'tlsa --add a.example'; do
	refused 2 usage $line
done
refused 2 'each name that clients ask for' tlsa '*.good-wildcard.example'

# --- whose chains ----------------------------------------------------------

fixtures_leaf . wild --san '*.wild.example'
fixtures_leaf . wild-next --san '*.wild.example' --days 95
fixtures_leaf . mx --san mx.example
fixtures_leaf . mx-next --san mx.example --days 95
fixtures_leaf . mx-rsa --rsa --san mx.example
new_store "$work/whose"
tool 0 import wild.pem mx.pem mx-rsa.pem
tool 0 default 2
tool 0 bind vanity.example 2
tool 0 import --stage wild-next.pem
tool 0 import --stage mx-next.pem
tool 0 tlsa any.wild.example
is "$(records | sort)" "$(for f in wild wild-next; do
	echo "_25._tcp.any.wild.example. 3 1 1 $(key_of $f.crt)"
done | sort)" 'by wildcard: its chain, and the staged one'
has "$(cat "$work/out")" 'any.wild.example itself is bound to nothing' 'by wildcard: said to be so'
for name in mx vanity unknown; do
	tool 0 tlsa $name.example
	is "$(records | sort)" "$(for f in mx mx-next $([ $name != mx ] || echo mx-rsa); do
		echo "_25._tcp.$name.example. 3 1 1 $(key_of $f.crt)"
	done | sort)" "$name: what serves it, and what will"
done
tool 0 bind any.wild.example 2
tool 0 tlsa any.wild.example
hasnt "$(cat "$work/out")" "$(key_of wild-next.crt)" 'bound itself: the wildcard is none of its business'

# --- a client that does DANE -----------------------------------------------

own_certificate
store_at "$work/data"
if start_mta dane; then
	for name in good-ec good-rsa good-ed25519; do
		for options in '--selector 1' '--selector 0' '--matching 2' '--matching 0' '--usage 2'; do
			tool 0 tlsa $options $name.example
			has "$(handshake $name.example -dane_tlsa_domain $name.example -dane_tlsa_rrdata "$(records | cut -d' ' -f2-)" \
				-verify_return_error)" 'Verification: OK' "a DANE client takes the record: $options $name.example"
		done
		hasnt "$(handshake $name.example -dane_tlsa_domain $name.example -dane_tlsa_rrdata "3 1 1 $(key_of "$parts/bad-mismatch.crt")" \
			-verify_return_error)" 'Verification: OK' "a DANE client refuses another's: $name.example"
	done
	stop_mta dane
fi

lib_finish
