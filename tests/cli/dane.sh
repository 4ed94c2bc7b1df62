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
own_certificate

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
refused 3 'no CA certificate for a record of usage 2: use --usage 3' tlsa --usage 2 warn-self-signed.example

# --- what is printed -------------------------------------------------------

tool 0 tlsa --ttl 300 --port 465 --nsupdate good-ec.example
is "$(grep -v '^;' "$work/out")" "update delete _465._tcp.good-ec.example. TLSA
update add _465._tcp.good-ec.example. 300 IN TLSA 3 1 1 $(key_of "$parts/good-ec.crt")
send" 'for nsupdate: all of them in one message'
tool 0 tlsa --nsupdate --add good-ec.example
hasnt "$(cat "$work/out")" delete '--add: nothing is deleted'
if command -v nsupdate >/dev/null; then
	tool 0 tlsa --nsupdate good-ec.example
	{ echo 'server 127.0.0.1 1'; echo 'zone example'; sed 's/^send$/show/' "$work/out"; } | nsupdate >"$work/show" 2>&1
	is $? 0 'nsupdate takes it'
	is "$(sed -n 's/[[:space:]]\{1,\}/ /g;/^_25/p' "$work/show" | sed 's/ $//' | tr A-Z a-z)" \
		"_25._tcp.good-ec.example. 0 any tlsa
_25._tcp.good-ec.example. 3600 in tlsa 3 1 1 $(key_of "$parts/good-ec.crt" | sed 's/.\{56\}/& /')" '… for what it is'
else
	skip 'nsupdate takes it' 'there is no nsupdate'
fi
if command -v ldns-read-zone >/dev/null; then
	tool 0 tlsa --matching 0 good-ec.example good-rsa.example good-ed25519.example
	{ echo 'example. 3600 IN SOA ns.example. host.example. 1 7200 3600 1209600 3600'; cat "$work/out"; } >zone
	is "$(ldns-read-zone zone | grep -c 'TLSA[[:space:]]3 1 0')" 3 'lines of a zone file, as ldns reads one'
else
	skip 'lines of a zone file' 'there is no ldns-read-zone'
fi
tool 0 tlsa --json good-ec.example
json_members "$work/out" '$[0]' 'name owner ttl usage selector matching data key_type state chains waiting_keys served_by not_after' \
	'tlsa --json: its members'
json_is "$work/out" '$[0].owner' _25._tcp.good-ec.example. 'tlsa --json: the owner'
json_is "$work/out" '$[0].chains' '["1"]' 'tlsa --json: the chain'
tool 1 tlsa nobody.example good-ec.example
has "$(cat "$work/err")" 'snicert key new nobody.example' 'a name that nobody has: the fix'
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
tool 0 fallback 2
tool 0 bind vanity.example 2
tool 0 import --stage wild-next.pem
tool 0 import --stage mx-next.pem
tool 0 tlsa any.wild.example
is "$(records | sort)" "$(for f in wild wild-next; do
	echo "_25._tcp.any.wild.example. 3 1 1 $(key_of $f.crt)"
done | sort)" 'by wildcard: its chain, and the staged one'
has "$(cat "$work/out")" 'any.wild.example itself is not bound' 'by wildcard: said to be so'
for name in mx vanity unknown; do
	tool 0 tlsa $name.example
	is "$(records | sort)" "$(for f in mx mx-next $([ $name != mx ] || echo mx-rsa); do
		echo "_25._tcp.$name.example. 3 1 1 $(key_of $f.crt)"
	done | sort)" "$name: what serves it, and what will"
done
tool 0 bind any.wild.example 2
tool 0 tlsa any.wild.example
hasnt "$(cat "$work/out")" "$(key_of wild-next.crt)" 'bound itself: the wildcard is none of its business'

# --- keys made ahead of their certificates ---------------------------------

# A CA: a certificate for a request, with its intermediate.
certify() { # REQUEST OUT NAMES [DAYS]
	printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' \
		"$(echo "DNS:$3" | sed 's/,/,DNS:/g')" >"$work/ext"
	openssl x509 -req -in "$1" -CA "$fixtures/ca/ec.crt" -CAkey "$fixtures/ca/ec.key" -days "${4:-90}" \
		-extfile "$work/ext" -out "$2" 2>/dev/null && cat "$fixtures/ca/ec.crt" >>"$2"
}
new_store "$work/ahead"
for type in ec ec:P-384 rsa rsa:3072 ed25519; do
	name=$(echo $type | tr :A-Z -a-z).example
	tool 0 key new --type $type Mx.$name "$name"
	cp "$work/out" request
	has "$(openssl req -in request -noout -verify 2>&1)" 'verify OK' "$type: the request is signed"
	is "$(openssl req -in request -noout -subject -nameopt RFC2253)" "subject=CN=mx.$name" "$type: for the first name"
	has "$(openssl req -in request -noout -text)" "DNS:mx.$name, DNS:$name" "$type: for all names"
	tool 0 tlsa mx.$name
	before=$(records)
	is "$before" "_25._tcp.mx.$name. 3 1 1 $(openssl req -in request -noout -pubkey | openssl pkey -pubin -outform DER |
		sha256sum | cut -d' ' -f1)" "$type: the record precedes the certificate"
	certify request crt.pem "mx.$name,$name"
	tool 0 import --json crt.pem
	json_is "$work/out" '$[0].result' added "$type: a certificate alone, its key from the store"
	tool 0 tlsa mx.$name
	is "$(records)" "$before" "$type: and the record is the same"
	has "$(cat "$work/out")" 'active' "$type: of the active chain now"
done
tool 1 key list
tool 0 verify
refused 3 'no private key for' import "$fixtures/bad-no-key.pem"

tool 0 key new --out request.new --json one.example
json_members "$work/out" '$' 'key key_type names created spki_sha256 private_key csr' 'key new --json: its members'
key=$(json "$work/out" '$.key')
is "$(json "$work/out" '$.csr')" "$(cat request.new)" 'key new --out: the request, there too'
tool 0 key list --json
json_members "$work/out" '$[0]' 'key key_type names created spki_sha256 private_key csr' 'key list --json: its members'
json_is "$work/out" '$[0].names' '["one.example"]' 'key list: which'
tool 0 rekey
tool 0 verify
tool 0 key csr "$key"
is "$(openssl req -in "$work/out" -noout -pubkey)" "$(openssl req -in request.new -noout -pubkey)" 'key csr: again, of the same key'
refused 3 'File exists' key new --out request.new two.example
is "$(snicert key list --json | grep -c '"key"')" 1 '… and no key stays behind'
tool 0 tlsa one.example
refused 3 'use --usage 3 --selector 1' tlsa --selector 0 one.example
tool 0 backup "$work/ahead/backup"
tool 0 key remove "$key"
tool 1 key list
refused 1 "no key $key is waiting for a certificate" key remove "$key"
refused 1 "no key $key is waiting for a certificate" key csr "$key"
tool 0 restore "$work/ahead/backup"
tool 0 key list
certify request.new crt.pem one.example
tool 0 import --stage crt.pem
tool 0 tlsa one.example
has "$(cat "$work/out")" staged 'a certificate for a key that waited may be staged'
sqlite3 "$store" "INSERT INTO waiting (identity, key_type, spki, public_key, names, created, sealed_key)
	SELECT identity, key_type, zeroblob(32), x'00', 'z.example', 0, zeroblob(64) FROM chain WHERE id = 2"
tool 1 verify
has "$(cat "$work/out")" 'z.example' 'verify: a waiting key that does not open'
for line in 'key' 'key make a.example' 'key new' 'key new --type dsa a.example' 'key new --type rsa:1024 a.example' \
	'key new --type rsa:x a.example' 'key list a' 'key list --type rsa' 'key csr' 'key csr x' 'key remove' 'key remove x' \
	'key new --type ec --key-uri file:/x a.example'; do
	refused 2 '' $line
done
refused 2 'not a name' key new 'a..b'
refused 3 'no private key at' key new --key-uri "file:$work/nowhere" a.example

# The key stays where it is, at its URI, and so it does in renewals that come without.
new_store "$work/uri"
cp "$parts/good-ec.key" uri.key
tool 0 key new --key-uri "file:$work/uri.key" uri.example
cp "$work/out" request
refused 3 'in the store already: it is key 1' key new --key-uri "file:$work/uri.key" uri.example
certify request crt.pem uri.example
tool 0 import crt.pem
tool 0 show --json uri.example
json_is "$work/out" '$[0].key' "file:$work/uri.key" 'key new --key-uri: the chain has its key there'
certify request crt2.pem uri.example 95
tool 0 import --json crt2.pem
json_is "$work/out" '$[0].result' renewed 'a renewal that comes without its key'
tool 0 show --json uri.example
json_is "$work/out" '$[0].key' "file:$work/uri.key" '… has it where the former chain has it'

# --- from one key to the next ----------------------------------------------

fixtures_leaf . old --san mx.example,other.example
fixtures_leaf . new --san mx.example,other.example --days 95
cp old.key same.key
openssl req -new -key same.key -subj /CN=mx.example -out same.req 2>/dev/null
certify same.req same.crt mx.example,other.example 99
old=$(key_of old.crt) new=$(key_of new.crt)
roll() { # afresh: chain 1 serves, chain 2 is staged
	rm -rf "$work/roll"
	new_store "$work/roll"
	tool 0 import old.pem
	tool 0 bind vanity.example 1
	tool 0 import --stage new.pem
	hasnt "$(cat "$work/out")" note: 'a new key: nothing to note'
}
staged_since() { sqlite3 "$store" "UPDATE staged SET since = strftime('%s', 'now') - $1"; }
roll
for n in mx vanity; do
	tool 0 tlsa $n.example
	is "$(records | sort)" "$(printf '_25._tcp.%s.example. 3 1 1 %s\n' $n $old $n $new | sort)" "$n: both records"
done

# A client with both records is served all the way; with the old one alone, until the key changes.
trusts() { # RECORD…
	for _record in "$@"; do set -- "$@" -dane_tlsa_rrdata "3 1 1 $_record"; shift; done
	case $(handshake mx.example -verify_return_error -dane_tlsa_domain mx.example "$@") in
	*'Verification: OK'*) echo yes ;;
	*) echo no ;;
	esac
}
if start_mta roll; then
	is "$(trusts "$old" "$new") $(trusts "$old") $(trusts "$new")" 'yes yes no' 'staged: the old key is served'
	tool 0 activate 2
	is "$(trusts "$old" "$new") $(trusts "$old") $(trusts "$new")" 'yes no yes' 'activated: the new key is served'
	stop_mta roll
fi
has "$(cat "$work/out")" 'warning: chain 2 has a different key than the former chain of mx.example, other.example, vanity.example: if you publish TLSA records, they must' \
	'activate warns where the key changes'
roll
tool 0 activate --json 2
json_is "$work/out" '$[0].key' changed 'activate --json: the key changes'
json_is "$work/out" '$[0].key_changed' '["mx.example","other.example","vanity.example"]' '… of which names'
has "$(json "$work/out" '$[0].warnings[0]')" 'a different key' '… and the warning'
fixtures_leaf . fresh.example
tool 0 import --stage fresh.example.pem
tool 0 activate --json 3
json_is "$work/out" '$[0].key' new 'a name that had none: no change'
json_is "$work/out" '$[0].warnings' '[]' '… and nothing to warn of'

# The same key again: said to be so, and no warning.
roll
tool 0 remove 2
tool 0 import --stage same.crt
has "$(cat "$work/out")" 'note: chain 3 has the key of chain 1: its TLSA records stay as they are' 'a renewal with the same key'
tool 0 tlsa mx.example
is "$(records)" "_25._tcp.mx.example. 3 1 1 $old" '… has the same record'
has "$(cat "$work/out")" 'no roll-over' '… which says so'
printf '3 1 1 %s\n' "$new" >other.records
tool 0 activate --require-tlsa other.records 3
hasnt "$(cat "$work/out")" warning: 'the same key: nothing to warn of, whatever the records'

# Only with records that have the key.
gate() { # WHAT EXIT, records on standard input
	cat >records
	roll
	if [ "$2" = 0 ]; then
		tool 0 activate --require-tlsa records 2
		is "$(chain_of mx.example)" 2 "$1: activated"
	else
		refused "$2" "${3:-stays staged}" activate --require-tlsa records 2
		is "$(chain_of mx.example)" 1 "$1: not activated"
	fi
}
gate 'a zone file with both' 0 <<ZONE
\$TTL 3600
\$ORIGIN example.
@ IN SOA ns hostmaster ( 1 ; serial
	7200 3600 1209600 3600 )
@ TXT "; not a ( comment"
mx A 192.0.2.1
_25._tcp.mx 3600 IN TLSA 3 1 1 ( $(echo "$old" | cut -c1-32)
	$(echo "$old" | cut -c33-) ) ; the old
	IN	TLSA	3 1 1 $(echo "$new" | tr a-f A-F)
_25._tcp.mx RRSIG TLSA 13 4 3600 20270101000000 20261101000000 1 example. AAAA
ZONE
gate 'a zone file with the old one' 1 "none of the TLSA records given for mx.example has its EC key; publish _25._tcp.mx.example. IN TLSA 3 1 1 $new" <<ZONE
_25._tcp.mx.example. 3600 IN TLSA 3 1 1 $old
_25._tcp.unrelated.example. 3600 IN TLSA 3 1 1 $new
ZONE
gate 'the new one at one name, the old one at another' 1 'for vanity.example has' <<ZONE
_25._tcp.MX.example. IN TLSA 3 1 1 $new
_25._tcp.vanity.example. IN TLSA 3 1 1 $old
ZONE
gate "another port's" 1 'for mx.example has' <<ZONE
_465._tcp.mx.example. IN TLSA 3 1 1 $new
_25._tcp.mx.example. IN TLSA 3 1 1 $old
ZONE
gate 'the whole certificate, as a type unknown' 0 <<ZONE
_25._tcp.mx.example. 300 TYPE52 \\# 35 030001 $(data_of new.crt 0 1)
ZONE
gate 'the intermediate' 0 <<ZONE
*._tcp.mx.example. IN TLSA 2 0 1 $(data_of "$fixtures/ca/ec.crt" 0 1)
ZONE
gate 'usage 1 is nothing to SMTP' 1 'records:1: SMTP clients ignore usages 0 and 1' <<ZONE
_25._tcp.mx.example. IN TLSA 1 1 1 $new
ZONE
gate 'dig +short' 0 <<ZONE
3 1 1 $(echo "$old" | sed 's/.\{56\}/& /')
3 1 1 $(echo "$new" | sed 's/.\{56\}/& /')
ZONE
gate 'host' 0 <<ZONE
_25._tcp.mx.example has TLSA record 3 1 1 $new
ZONE
gate 'nsupdate' 0 <<ZONE
update delete _25._tcp.mx.example. TLSA
update add _25._tcp.mx.example. 3600 IN TLSA 3 1 1 $new
send
ZONE
gate 'nsupdate that takes it away' 1 'has no TLSA record' <<ZONE
update delete _25._tcp.mx.example. TLSA 3 1 1 $new
send
ZONE
gate 'nsupdate, short' 0 <<ZONE
del _25._tcp.mx.example TLSA
ADD _25._tcp.mx.example 3600 TLSA 3 1 1 $new
send
ZONE
gate 'nsupdate that adds it and takes it away' 1 'has no TLSA record' <<ZONE
update add _25._tcp.mx.example. 3600 IN TLSA 3 1 1 $new
update delete _25._tcp.mx.example. TLSA
send
ZONE
gate 'nsupdate that takes that one away' 1 'stays staged' <<ZONE
add _25._tcp.mx.example. 3600 IN TLSA 3 1 1 $old
add _25._tcp.mx.example. 3600 IN TLSA 3 1 1 $new
delete _25._tcp.mx.example. TLSA 3 1 1 $new
send
ZONE
gate 'nsupdate that takes another one away' 0 <<ZONE
add _25._tcp.mx.example. 3600 IN TLSA 3 1 1 $old
add _25._tcp.mx.example. 3600 IN TLSA 3 1 1 $new
delete _25._tcp.mx.example. TLSA 3 1 1 $old
delete mx.example. A
send
ZONE
gate 'a host called add' 0 <<ZONE
\$ORIGIN example.
_25._tcp.mx CNAME add
add 3600 TLSA 3 1 1 $new
ZONE
gate 'a byte order mark' 0 <<ZONE
$(printf '\357\273\277')_25._tcp.mx.example. TLSA 3 1 1 $new
ZONE
gate 'class and type by number (RFC 3597)' 0 <<ZONE
_25._tcp.mx.example. 3600 CLASS1 TYPE52 \\# 35 03 01 01 $new
ZONE
gate 'no records' 1 'has no TLSA record' </dev/null
gate 'a record cut off' 3 'records:2: this TLSA record' <<ZONE
; first
_25._tcp.mx.example. IN TLSA 3 1 1 abc
ZONE
gate 'a record of words' 3 'records:1: this TLSA record' <<ZONE
_25._tcp.mx.example. IN TLSA three one one abcd
ZONE
hash=$(echo "$new" | sed 's/.\{56\}/& /')
gate 'a port that is not the one' 1 'publish _25._tcp.mx.example. IN' <<ZONE
_465._tcp.mx.example. IN TLSA 3 1 1 $new
ZONE
gate 'another protocol' 1 <<ZONE
_25._udp.mx.example. IN TLSA 3 1 1 $new
ZONE
gate "another name's" 1 <<ZONE
_25._tcp.mx.example.net. IN TLSA 3 1 1 $new
_25._tcp.example. IN TLSA 3 1 1 $new
ZONE
gate 'an alias, in a chain of them, to one record for all' 0 <<ZONE
_25._tcp.mx.example. 60 IN CNAME dane.mx.example.
dane.mx.example. 60 IN CNAME Tlsa.Provider.example.
tlsa.provider.example. 60 IN TLSA 3 1 1 $hash
ZONE
hasnt "$(cat "$work/out")" 'warning: records' '… and nothing to note'
gate 'an alias to the old one' 1 "publish tlsa.provider.example. IN TLSA 3 1 1 $new" <<ZONE
_25._tcp.mx.example. 60 IN CNAME tlsa.provider.example.
tlsa.provider.example. 60 IN TLSA 3 1 1 $old
_25._tcp.unrelated.example. 60 IN TLSA 3 1 1 $new
ZONE
gate 'an alias to nowhere' 1 'publish tlsa.provider.example. IN' <<ZONE
_25._tcp.mx.example. 60 CNAME tlsa.provider.example.
ZONE
gate 'aliases that go round' 3 'are circular' <<ZONE
_25._tcp.mx.example. 60 IN CNAME a.example.
a.example. 60 IN CNAME _25._tcp.mx.example.
ZONE
gate 'a host that is an alias, with records where it leads' 0 <<ZONE
mx.example. 60 IN CNAME mx1.provider.example.
_25._tcp.mx1.provider.example. 60 IN TLSA 3 1 1 $new
ZONE
gate 'hosts that are aliases of one another' 3 'are circular' <<ZONE
mx.example. 60 IN CNAME mx1.provider.example.
mx1.provider.example. 60 IN CNAME mx.example.
ZONE
gate 'a whole branch that is elsewhere (DNAME)' 0 <<ZONE
_tcp.mx.example. 60 IN DNAME _tcp.mx1.provider.example.
_25._tcp.mx1.provider.example. 60 IN TLSA 3 1 1 $new
ZONE
gate 'a branch that goes round' 3 'are circular' <<ZONE
_tcp.mx.example. 60 IN DNAME x._tcp.mx.example.
ZONE
gate 'a wildcard alias' 0 <<ZONE
*.mx.example. 60 IN CNAME tlsa.example.
tlsa.example. 60 IN TLSA 3 1 1 $new
ZONE
gate 'a wildcard above a name that there is' 1 <<ZONE
*.example. 60 IN TLSA 3 1 1 $new
mx.example. 60 IN A 192.0.2.1
other.example. 60 IN A 192.0.2.1
_tcp.vanity.example. 60 IN TXT there
ZONE
gate 'host, with an alias' 0 <<ZONE
_25._tcp.mx.example is an alias for tlsa.example.
tlsa.example has TLSA record 3 1 1 $hash
ZONE
gate 'unbound-host -v' 0 <<ZONE
_25._tcp.mx.example is an alias for tlsa.example. (secure)
tlsa.example has TLSA record 3 1 1 $new (secure)
ZONE
gate 'unbound-host -v: not signed' 1 'records:1: it is insecure' <<ZONE
_25._tcp.mx.example has TLSA record 3 1 1 $new (insecure)
ZONE
gate 'unbound-host -v: forged' 1 'signature bogus' <<ZONE
_25._tcp.mx.example has TLSA record 3 1 1 $new (BOGUS (security failure))
validation failure <_25._tcp.mx.example. TLSA IN>: signature expired from 192.0.2.1
ZONE
gate 'unbound-host -v: nothing there' 1 'has no TLSA record' <<ZONE
_25._tcp.mx.example has no TLSA record (secure)
ZONE
gate 'unbound-host -v: an alias that is not signed' 1 'an alias that clients' <<ZONE
_25._tcp.mx.example is an alias for tlsa.example. (insecure)
tlsa.example has TLSA record 3 1 1 $new (secure)
ZONE
gate 'owners left out, after a directive and a comment' 0 <<ZONE
\$ORIGIN mx.example.
_25._tcp	TXT	( "a; (b" "\"" )
\$TTL 1h
; between
	1h30m TLSA 3 1 1 (
		$hash ) ; the new
ZONE
gate 'class and TTL in either order, the origin itself' 0 <<ZONE
\$ORIGIN example.
\$ORIGIN _25._tcp.mx
@ IN 3600 TLSA 3 1 1 $new
@ 3600 IN TLSA 3 1 1 $old
ZONE
gate 'escapes' 0 <<ZONE
\\09525.\_tcp.MX.example. TLSA 3 1 1 $new
x\;y.example. TXT "\; ("
ZONE
gate 'a parenthesis never closed' 3 'records:2: a parenthesis' <<ZONE
; first
_25._tcp.mx.example. TLSA ( 3 1 1 $new
ZONE
printf '_25._tcp TLSA 3 1 1 %s\n' "$new" >included
gate '\$INCLUDE, with an origin of its own' 0 <<ZONE
\$ORIGIN example.
other A 192.0.2.1
\$INCLUDE included mx
ZONE
gate '… and the owner before it comes back' 1 'for mx.example has' <<ZONE
_25._tcp.other.example. A 192.0.2.1
\$INCLUDE /dev/null
	TLSA 3 1 1 $new
_25._tcp.mx.example. TLSA 3 1 1 $old
ZONE
gate '… of nothing' 3 'which \$INCLUDE names' <<ZONE
\$INCLUDE nowhere
ZONE
gate '… of itself' 3 'nested too deep' <<ZONE
\$INCLUDE records
ZONE
gate 'a digest cut off' 1 'the wrong length' <<ZONE
_25._tcp.mx.example. TLSA 3 1 1 $(echo "$new" | cut -c1-62)
ZONE
gate 'a usage that nobody knows' 1 'is not defined' <<ZONE
_25._tcp.mx.example. TLSA 7 1 1 $new
ZONE
gate "usage 0 of the new intermediate, and the old key's" 1 <<ZONE
_25._tcp.mx.example. TLSA 0 0 1 $(data_of "$fixtures/ca/ec.crt" 0 1)
_25._tcp.mx.example. TLSA 3 1 1 $old
ZONE
gate 'one name by usage 1 alone does no DANE' 0 <<ZONE
_25._tcp.mx.example. TLSA 3 1 1 $new
_25._tcp.vanity.example. TLSA 1 1 1 $old
ZONE
has "$(cat "$work/out")" 'warning: records:2: SMTP clients ignore usages 0 and 1' '… which is said'
gate 'an anchor is for names in the certificate' 1 'for vanity.example has' <<ZONE
_25._tcp.mx.example. TLSA 2 0 1 $(data_of "$fixtures/ca/ec.crt" 0 1)
_25._tcp.vanity.example. TLSA 2 0 1 $(data_of "$fixtures/ca/ec.crt" 0 1)
ZONE
gate 'records of other things' 0 <<ZONE
_25._tcp.mx.example. TLSA 3 1 1 $new
_25._tcp.mx.example. TLSA 3 1 1 $(echo "$new" | tr 0-9a-f 1-9a-f0)
_25._tcp.mx.example. TLSA 3 1 1 $old
_25._tcp.elsewhere.example. TLSA 3 1 1 $(echo "$old" | tr 0-9a-f 1-9a-f0)
ZONE
has "$(cat "$work/out")" 'warning: records:2: a TLSA record of mx.example matches nothing' '… are no hindrance, but noted'
hasnt "$(cat "$work/out")" 'records:3' '… not the one that has just been of use'
cat >records <<ZONE
_25._tcp.mx.example. TLSA 3 1 1 $old
ZONE
roll
tool 1 activate --all --require-tlsa records
is "$(chain_of mx.example)" 1 '--all: not published, not activated'

# What comes to a wildcard, or to the fallback, is of the names that the records are of.
fixtures_leaf . wild-old --san '*.w.example'
fixtures_leaf . wild-new --san '*.w.example' --days 95
wild() { # WHAT EXIT OWNER KEY
	rm -rf "$work/wild"
	new_store "$work/wild"
	tool 0 import wild-old.pem
	tool 0 fallback 1
	tool 0 import --stage wild-new.pem
	printf '_25._tcp.%s. TLSA 3 1 1 %s\n' "$3" "$(key_of "$4.crt")" >records
	tool "$2" activate --require-tlsa records 2
}
wild 'a name under the wildcard' 0 a.w.example wild-new
wild '… with the old key' 1 a.w.example wild-old
has "$(cat "$work/err")" 'for a.w.example has its EC key; publish _25._tcp.a.w.example.' '… is told which'
wild 'an unknown name' 0 mx.customer.example wild-new
wild '… with the old key' 1 mx.customer.example wild-old
has "$(cat "$work/err")" 'for mx.customer.example has' '… is told which'
cp "$parts/good-ec.crt" good.crt
wild "… that is somebody else's" 1 mx.stranger.example good
has "$(cat "$work/err")" 'of *.w.example' '… is nobody of ours'

roll
snicert tlsa mx.example vanity.example other.example >records
tool_input=records tool 0 activate --require-tlsa - 2
hasnt "$(cat "$work/out")" warning: 'what tlsa prints is enough for all names, from standard input'
roll
refused 3 "can't read" activate --require-tlsa "$work/nowhere" 2
printf '_465._tcp.mx.example. IN TLSA 3 1 1 %s\n' "$new" >records
tool 0 activate --port 465 --require-tlsa records 2
has "$(cat "$work/out")" 'other.example, vanity.example, for which no record was given' 'names without a record: warned of'

# Once the records have had their time.
roll
tool 1 activate --after 2d 2
has "$(cat "$work/out")" 'not yet' '--after: not yet'
is "$(chain_of mx.example)" 1 '--after: the old one serves'
staged_since 172801
tool 0 import --stage new.pem
tool 0 activate --after 48h --json 2
json_is "$work/out" '$[0].result' activated '--after: its time has come, whatever is imported again'
tool 0 rollback mx.example
tool 1 activate --after 0 2
has "$(cat "$work/out")" 'when told' 'what a roll-back staged waits for a word'
tool 0 activate --after 0 --all
is "$(chain_of mx.example)" 1 '… whatever --all does'
tool 0 activate 2
is "$(chain_of mx.example)" 2 '… and comes back by it'

roll
fixtures_leaf . late.example
fixtures_leaf . stranger --san mx.example
openssl req -new -key stranger.key -subj /CN=stranger.example -out stranger.req 2>/dev/null
certify stranger.req stranger.crt mx.example,third.example 95
staged_since 7200
tool 0 import --stage stranger.key stranger.crt
staged_since 7200
tool 0 import --stage late.example.pem
tool 3 activate --all --after 1h
is "$(wc -l <"$work/err")" 1 '--all: what can not be is reported'
has "$(cat "$work/err")" 'mx.example is served by chain' '… and why'
is "$(chain_of mx.example)" 2 '… and the others are activated'
has "$(cat "$work/out")" 'not yet' '… unless it is not their time'
is "$(chain_of late.example)" '' '… which then serve not'
for line in 'activate' 'activate --all 1' 'activate --after soon 1' 'activate --after -1 1' 'activate --after 3x 1' \
	'activate --after 3dd 1' 'activate --port 0 1'; do
	refused 2 usage $line
done

# --- all keys that clients meet ---------------------------------------------

new_store "$work/union"
fixtures_leaf . union-ec --san ec.union.example
fixtures_leaf . union-both --san both.union.example
fixtures_leaf . union-both-rsa --rsa --san both.union.example
fixtures_leaf . union-wild --san '*.wild.union.example'
fixtures_leaf . union-x --rsa --san x.wild.union.example
fixtures_leaf . union-fallback --rsa --san mx.provider.example
fixtures_leaf . union-address --rsa --san address.provider.example
fixtures_leaf . union-program --rsa --san program.provider.example
fixtures_leaf . union-next --rsa --san mx.provider.example --days 95
tool 0 import union-ec.pem union-both.pem union-both-rsa.pem union-wild.pem union-x.pem union-program.pem
tool 0 import --no-bind union-fallback.pem
tool 0 fallback "$(snicert list --json --staged | sed -n 's/.*"chain": \([0-9]*\).*/\1/p')"
keys_of() { snicert tlsa "$1" >"$work/out"; records | sed 's/.* //' | sort; }
keys() { for _leaf in "$@"; do key_of "$_leaf.crt"; done | sort; }
while read -r name leaves; do
	is "$(keys_of $name)" "$(keys $leaves)" "$name: the keys of $leaves"
done <<'LIST'
ec.union.example union-ec union-fallback
both.union.example union-both union-both-rsa
x.wild.union.example union-x union-wild
y.wild.union.example union-wild union-fallback
unknown.example union-fallback
LIST
tool 0 tlsa --json ec.union.example
json_is "$work/out" '$[1].served_by' fallback "--json: by what each is served"
# Each client's leaf has its record among them; and each record has a client.
if start_mta union; then
	for name in ec.union.example both.union.example x.wild.union.example y.wild.union.example unknown.example; do
		met=
		for algorithms in ECDSA+SHA256 rsa_pss_rsae_sha256; do
			handshake $name -tls1_3 -sigalgs $algorithms >"$work/handshake"
			grep -q 'subject=.*own' "$work/handshake" || ! openssl x509 -in "$work/handshake" -out met.crt 2>/dev/null ||
				met="$met$(key_of met.crt)
"
		done
		is "$(keys_of $name)" "$(printf '%s' "$met" | sort -u)" "$name: what its clients meet"
	done
	stop_mta union
fi
# What serves at one address, or in one program.
tool 0 import --no-bind union-address.pem
tool 0 fallback --address 192.0.2.9 "$(snicert list --json --staged | sed -n 's/.*"chain": \([0-9]*\).*/\1/p')"
printf 'program "exim" { fallback = "program.provider.example" }\n' >>"$conf"
is "$(keys_of ec.union.example)" "$(keys union-ec union-fallback union-address union-program)" 'fallbacks of an address and a program'
is "$(keys_of both.union.example)" "$(keys union-both union-both-rsa)" '… not where the name has such a key itself'
printf 'program "nginx" { fallback = "both.union.example" unknown = "own" }\n' >>"$conf"
is "$(keys_of ec.union.example)" "$(keys union-ec union-fallback union-address union-program)" '… nor in a program that uses none'
tool 0 import --stage union-next.pem
is "$(keys_of ec.union.example)" "$(keys union-ec union-fallback union-address union-program union-next)" "what will renew the fallback"
tool 0 key new --type rsa '*.wild.union.example'
is "$(keys_of x.wild.union.example | wc -l)" 2 "a wildcard's key to come, of a type that the name has itself: not met"
is "$(keys_of y.wild.union.example | wc -l)" 6 '… and where it has not'
# Of two curves a client may know one.
new_store "$work/curves"
openssl ecparam -name secp384r1 -genkey -noout -out curve.key
openssl req -new -key curve.key -subj /CN=p384.example -out curve.req 2>/dev/null
certify curve.req curve.crt p384.example
cat curve.key curve.crt >curve.pem
tool 0 import curve.pem union-ec.pem
tool 0 fallback "$(chain_of ec.union.example)"
is "$(keys_of p384.example)" "$(keys curve union-ec)" 'another curve: a client may know that of the fallback alone'

# --- a client that does DANE -----------------------------------------------

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
