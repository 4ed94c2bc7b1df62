#!/bin/sh
# SPDX-License-Identifier: ISC
# paths.sh: which certificates are sent with a leaf, judged by `openssl verify` and certtool;
# when what is sent ends, told by every command alike; and what clients would refuse.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
lib_start paths
SSL_CERT_DIR=$work/none
export SSL_CERT_DIR
day=86400 year=31536000

authority='basicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign,cRLSign\nauthorityKeyIdentifier = keyid'
ca() { # STEM CN START END [ISSUER [EXTENSION]], in seconds from now; makes the key if it has none
	[ -e "$1.key" ] || fixtures_key "$1.key" ec
	fixtures_sign "$1.crt" "$1.key" "$2" "$(fixtures_time $3)" "$(fixtures_time $4)" "$authority${6:+\n$6}" ${5:+"$5"} ||
		not_ok "the CA $1"
}
leaf() { # STEM NAMES ISSUER [START END [EXTENSION]]
	fixtures_key "$1.key" ec
	fixtures_sign "$1.crt" "$1.key" "$1" "$(fixtures_time ${4:--$day})" "$(fixtures_time ${5:-$((80 * day))})" \
		"basicConstraints = CA:FALSE\nkeyUsage = digitalSignature\nextendedKeyUsage = serverAuth\nauthorityKeyIdentifier = keyid\nsubjectAltName = $2${6:+\n$6}" "$3" ||
		not_ok "the leaf $1"
}
bundle() { # OUT LEAF CA…
	_out=$1 _leaf=$2
	shift 2
	for _ca in "$@"; do cat "$_ca.crt"; done | cat "$_leaf.key" "$_leaf.crt" - >"$_out"
	chmod 600 "$_out"
}
stores=0
fresh() { # an empty store
	stores=$((stores + 1))
	new_store "$work/store$stores"
}
sent() { # NAME: into sent.pem, and how many
	snicert export "$1" >sent.pem 2>export.err || cat export.err >&2
	grep -c 'BEGIN CERT' sent.pem
}
verifies() { # ROOT LEAF WHAT: what was sent leads there, as others see it
	is "$(openssl verify -CAfile "$1.crt" -untrusted sent.pem "$2.crt" 2>&1)" "$2.crt: OK" "$3: openssl verify with $1"
	if command -v certtool >/dev/null; then
		certtool --verify --load-ca-certificate "$1.crt" --infile sent.pem >certtool.out 2>&1
		is $? 0 "$3: certtool with $1: $(tail -n 3 certtool.out | tr '\n' ' ')"
	fi
}

# --- a CA's new root, certified by its old one ------------------------------------------

ca old 'Old Root' -$year $((8 * year))
ca new 'New Root' -$year $((20 * year))
cp new.key cross.key
ca cross 'New Root' -$year $((7 * year)) old
ca inter 'Intermediate' -$day $((5 * year)) new
leaf a DNS:a.example inter
cat old.crt new.crt >both.crt
for known in old new both; do
	SSL_CERT_FILE=$work/$known.crt
	for given in 'inter cross' 'cross inter' 'inter cross new' 'new old cross inter'; do
		fresh
		bundle a.pem a $given
		tool 0 import a.pem
		hasnt "$(cat out)" 'no root that this system knows' "$given, $known known: no false alarm"
		is "$(sent a.example)" 3 "$given, $known known: the cross-certificate is sent, and no root"
		verifies old a "$given, $known known"
		verifies new a "$given, $known known"
		case $given in
		*new* ) has "$(cat out)" 'the root CN=New Root is left out' "$given: what is left out is said" ;;
		*) hasnt "$(cat out)" 'is left out' "$given: nothing is left out" ;;
		esac
	done
done

# One intermediate, certified by two roots of which one is unknown and lasts longer.
cp inter.key known.key
cp inter.key longer.key
ca known 'Intermediate' -$day $((4 * year)) old
ca longer 'Intermediate' -$day $((6 * year)) new
SSL_CERT_FILE=$work/old.crt
for given in 'known longer' 'longer known'; do
	fresh
	bundle a.pem a $given
	tool 0 import a.pem
	is "$(sent a.example)" 2 "$given: one intermediate"
	verifies old a "$given"
done

# An ended cross-certificate is not sent where another way is complete.
cp new.key ended.key
ca ended 'New Root' -$year -$day old
SSL_CERT_FILE=$work/both.crt
fresh
bundle a.pem a inter ended
tool 0 import a.pem
is "$(sent a.example)" 2 'the ended cross-certificate is left out'
hasnt "$(cat out)" 'has expired' 'and nothing sent has expired'
has "$(cat out)" 'is left out' 'which is said'

# Two known roots of one name, and nothing but the signature tells which it was.
for twin in 1 2; do ca twin$twin 'Twin Root' -$year $((8 * year)); done
fixtures_key t.key ec
fixtures_sign t.crt t.key t.example "$(fixtures_time -$day)" "$(fixtures_time $((80 * day)))" \
	'basicConstraints = CA:FALSE\nsubjectAltName = DNS:t.example' twin2 || not_ok 'a leaf'
bundle t.pem t
for roots in '1 2' '2 1'; do
	cat twin${roots% *}.crt twin${roots#* }.crt >twins.crt
	SSL_CERT_FILE=$work/twins.crt
	fresh
	tool 0 import t.pem
	hasnt "$(cat out)" warning "roots $roots: the one that signed is found"
done

# --- the same from the store ------------------------------------------------------------------

cp inter.key gone.key
ca gone 'Intermediate' -$((2 * year)) -$day new
SSL_CERT_FILE=$work/old.crt
leaf b DNS:b.example inter
leaf c DNS:c.example inter
for order in 'gone known longer' 'longer known gone' 'known gone longer'; do
	fresh
	for each in $order; do
		leaf $each.l DNS:$each.example inter
		bundle $each.pem $each.l $each
		tool 0 import $each.pem
	done
	bundle b.pem b
	tool 0 import b.pem
	is "$(sent b.example)" 2 "store $order: completed"
	verifies old b "store $order"
done

# Where the system has no roots, too.
SSL_CERT_FILE=$work/none.crt
fresh
bundle known.pem c known
tool 0 import known.pem b.pem
is "$(sent b.example)" 2 'no roots here: completed'
verifies old b 'no roots here'
SSL_CERT_FILE=$work/old.crt

# RFC 5280 section 7.1: blanks, case and the kind of string make no other name.  (GnuTLS compares octets, so
# where there is a choice the issuer whose name is spelled as in the leaf is sent.)
fixtures_key printed.key ec
for kind in utf8only pkix; do
	cat >name.cnf <<-CONF
		[req]
		distinguished_name = d
		string_mask = $kind
		prompt = no
		[d]
		CN = $([ $kind = pkix ] && echo 'ENCODED  ca' || echo 'Encoded CA')
	CONF
	openssl req -new -config name.cnf -key printed.key -out $kind.csr 2>openssl.err || not_ok 'a request' "$(cat openssl.err)"
	printf "$authority\nsubjectKeyIdentifier = hash\n" >name.ext
	openssl x509 -req -in $kind.csr -CA old.crt -CAkey old.key -CAcreateserial -days 700 -extfile name.ext -out $kind.crt 2>openssl.err ||
		not_ok 'a CA' "$(cat openssl.err)"
	cp printed.key $kind.key
done
isnt "$(openssl asn1parse -in pkix.crt | grep -i encoded)" "$(openssl asn1parse -in utf8only.crt | grep -i encoded)" 'two encodings'
for kind in 'pkix utf8only' 'utf8only pkix'; do
	fresh
	leaf p DNS:p.example ${kind% *}
	leaf u DNS:u.example ${kind#* }
	bundle p.pem p ${kind% *}
	bundle u.pem u
	tool 0 import p.pem
	tool 0 import u.pem
	is "$(sent u.example)" 2 "$kind: completed by the other encoding of the name"
	is "$(openssl verify -CAfile old.crt -untrusted sent.pem u.crt 2>&1)" 'u.crt: OK' "$kind: openssl verify"
	bundle both.pem u ${kind% *} ${kind#* }
	tool 0 import both.pem
	sent u.example >/dev/null
	verifies old u "$kind, both given"
done

# --- a root that is wanted -------------------------------------------------------------------------

fresh
bundle root.pem a known old
tool 0 import root.pem
has "$(cat out)" 'the root CN=Old Root is left out' 'a root is left out, and that is said'
has "$(cat out)" '--keep-root' 'with the fix'
tool 0 import --keep-root root.pem
hasnt "$(cat out)" 'is left out' '--keep-root: is not left out'
is "$(sent a.example)" 3 '--keep-root: sent'
openssl x509 -in old.crt -outform DER >old.der
snicert tlsa --usage 2 --selector 0 --matching 1 a.example >tlsa.out 2>&1
has "$(cat tlsa.out)" "*$(sha256sum <old.der | cut -d' ' -f1)*" 'tlsa --usage 2 is of the root'
own_certificate
start_mta root
is "$(printf 'QUIT\r\n' | timeout 20 openssl s_client -starttls smtp -connect 127.0.0.1:$port -servername a.example \
	-dane_tlsa_domain a.example -dane_tlsa_rrdata "2 0 1 $(sha256sum <old.der | cut -d' ' -f1)" 2>&1 |
	grep -c '^Verification: OK')" 1 'DANE by the root, as OpenSSL sees it'
stop_mta root
tool 0 verify

# Its renewals send theirs, however they come in, and once only.
fresh
mkdir kept
bundle kept/a.pem a known old
tool 0 import --keep-root kept
leaf renewed DNS:a.example inter
bundle kept/a.pem renewed known old
tool 0 import --stage kept/a.pem
hasnt "$(cat out)" 'is left out' 'a renewal of a chain with its root, staged: is not left out'
snicert export 2 2>/dev/null | grep -c 'BEGIN CERT' >out
is "$(cat out)" 3 'staged: with its root'
tool 0 activate 2
leaf renewed DNS:a.example inter
bundle kept/a.pem renewed known old
tool 0 watch --once kept
has "$(cat out)" 'chain 3 renewed' 'watch: a renewal of it'
is "$(sent a.example)" 3 'watch: sent with its root'
state >"$work/state"
tool 0 watch --once kept
unchanged 'watch: again'
tool 0 import kept
unchanged 'import: again'
leaf renewed DNS:a.example inter
bundle renewed.pem renewed known old
openssl pkey -in renewed.pem -out renewed.key.pem
openssl x509 -in renewed.pem -out renewed.cert.pem
cat renewed.crt known.crt old.crt >renewed.full.pem
tool 0 hook dehydrated deploy_cert a.example renewed.key.pem renewed.cert.pem renewed.full.pem known.crt 1
is "$(sent a.example)" 3 'hook: sent with its root'
leaf renewed DNS:a.example inter
bundle kept/a.pem renewed known
tool 0 import kept/a.pem
has "$(cat out)" 'sends its root, and this input has none' 'a renewal without: is said'
is "$(sent a.example)" 2 'and comes without'

# --- when a chain ends ---------------------------------------------------------------------------------

date_of() { date -u -d "$(openssl x509 -in "$1" -noout -enddate | cut -d= -f2)" +%Y-%m-%dT%H:%M:%SZ; }
SSL_CERT_FILE=$work/old.crt
ends() { # SECONDS CHECK'S EXIT WHAT
	fresh
	cp inter.key brief.key
	ca brief 'Intermediate' -$((2 * year)) $1 old
	bundle a.pem a brief
	tool 0 import --json a.pem
	json_is out '$[0].not_after' "$(date_of brief.crt)" "$3: import"
	tool 0 fallback 1
	snicert check >out
	is $? $2 "$3: check"
	snicert status --json >out
	json_is out '$.attention[0].code' "$4" "$3: status"
	snicert verify --json >out
	has "$(cat out)" "\"$4\"" "$3: verify"
	tool 0 expiring --json 7
	json_is out '$[0].not_after' "$(date_of brief.crt)" "$3: expiring"
	tool 0 show --json a.example
	json_is out '$[0].not_after' "$(date_of brief.crt)" "$3: show"
	tool 0 list --json a.example
	json_is out '$[0].not_after' "$(date_of brief.crt)" "$3: list"
	tool 0 list --chains --json
	json_is out '$[0].not_after' "$(date_of brief.crt)" "$3: list --chains"
	snicert mta-sts a.example --policy policy --json >out
	json_is out '$[0].not_after' "$(date_of brief.crt)" "$3: mta-sts"
	json_is out '$[0].expires_soon' 1 "$3: mta-sts: near"
	snicert explain --json a.example >out 2>/dev/null
	has "$(cat out)" "$(date_of brief.crt)" "$3: explain"
}
printf 'version: STSv1\nmode: enforce\nmx: a.example\nmx: six.example\nmx: late.example\nmax_age: 86400\n' >policy
ends $((3 * day)) 2 'three days' expiring
ends -$day 2 'yesterday' expired
own_certificate
start_mta ended
is "$(leaf_of a.example)" "$(sha_of a.crt)" 'served, since nothing else is there'
stop_mta ended
has "$(cat ended.mta.log)" "event=expired*not_after=$(date_of brief.crt)" "and the module says that it has expired"

# What stands on top of a path that is complete without it ends nothing.
cp new.key soon.key
ca soon 'New Root' -$((3 * year)) $((2 * day)) old
SSL_CERT_FILE=$work/both.crt
fresh
bundle a.pem a inter soon
tool 0 import --json a.pem
json_is out '$[0].not_after' "$(date_of a.crt)" 'a cross-certificate on top is no end'
json_is out '$[0].warnings[0]' '' 'nor a warning'
is "$(sent a.example)" 3 'and it is sent as long as it lasts'
snicert mta-sts a.example --policy policy --sni mx >out
hasnt "$(cat out)" near 'mta-sts: nor is it near'
tool 0 fallback 1
tool 0 check
tool 1 expiring
tool 0 verify
# Where its root is unknown the path is over it.
SSL_CERT_FILE=$work/old.crt
fresh
tool 0 import --json a.pem
json_is out '$[0].not_after' "$(date_of soon.crt)" 'on the way to the one known root it is the end'
has "$(cat out)" 'the intermediate CN=New Root expires on' 'and that is said'

# --- days are for long certificates -----------------------------------------------------------------------

fresh
leaf six DNS:six.example known -3600 $((159 * 3600))
bundle six.pem six known
tool 0 import --json six.pem
json_is out '$[0].warnings[0]' '' 'six days, fresh: import has nothing to say'
tool 0 fallback 1
tool 0 check
tool 1 expiring
tool 0 status
hasnt "$(cat out)" 'within' 'six days, fresh: status'
tool 0 verify
leaf late DNS:late.example known -$((120 * 3600)) $((40 * 3600))
bundle late.pem late known
tool 0 import --json late.pem
has "$(json out '$[0].warnings[0]')" 'less than a third of its life is left' 'six days, a quarter left: import'
tool 0 expiring --json
json_is out '$[0].names[0]' late.example 'six days, a quarter left: expiring'
json_is out '$[1].chain' '' 'and that alone'
tool 1 check
snicert mta-sts six.example --policy policy --sni mx >out
has "$(cat out)" ', 1 expires soon' 'mta-sts: of both one is near its end'

# --- what clients refuse ---------------------------------------------------------------------------------------

said() { # STEM NAMES ISSUER EXTENSION TEXT WHAT
	fresh
	leaf $1 "$2" $3 -$day $((80 * day)) "$4"
	bundle $1.pem $1 ${3}
	tool 0 import $1.pem
	if [ -n "$5" ]; then has "$(cat out)" "$5" "$6"; else hasnt "$(cat out)" warning "$6"; fi
	tool 0 verify
	if [ -n "$5" ]; then has "$(cat out)" "$5" "verify: $6"; else hasnt "$(cat out)" 'its certificate' "verify: $6"; fi
}
said plain DNS:plain.example known '' '' 'nothing amiss: nothing said'
said staple DNS:staple.example known 'tlsfeature = status_request' 'must-staple (RFC 7633)' 'must-staple'
said stapl2 DNS:stapl2.example known 'tlsfeature = 17' 'must-staple (RFC 7633)' 'must-staple, version 2'
said dot DNS:dot.example. known '' 'no client accepts it for dot.example' 'a trailing dot'
said tld 'DNS:*.example' known '' 'no client accepts it for \*.example' 'a wildcard of a top-level domain'
said wild 'DNS:*.wild.example' known '' '' 'any other wildcard: nothing said'
ca bound 'Bound CA' -$day $((4 * year)) old 'nameConstraints = critical,permitted;DNS:inside.example'
said inside DNS:mx.inside.example bound '' '' 'within the constraints: nothing said'
said outside DNS:mx.outside.example bound '' 'names that its CA may not certify' 'outside the constraints of its CA'
openssl verify -CAfile old.crt -untrusted bound.crt outside.crt >/dev/null 2>&1
isnt $? 0 'as openssl verify sees it'
nameless() { # STEM EXTENSION
	openssl req -new -key a.key -subj / -out $1.csr 2>openssl.err
	printf 'basicConstraints = CA:FALSE\nauthorityKeyIdentifier = keyid\nsubjectKeyIdentifier = hash\n%s\n' "$2" >$1.ext
	openssl x509 -req -in $1.csr -CA known.crt -CAkey known.key -CAcreateserial -days 60 -extfile $1.ext -out $1.crt 2>openssl.err ||
		not_ok "$1" "$(cat openssl.err)"
	cp a.key $1.key
	bundle $1.pem $1 known
	fresh
	tool 0 import $1.pem
}
nameless uncritical 'subjectAltName = DNS:nocn.example'
has "$(cat out)" 'Java refuses' 'an empty subject, and a SAN that is not critical'
nameless critical 'subjectAltName = critical,DNS:nocn.example'
hasnt "$(cat out)" warning 'an empty subject, and a critical SAN'
lib_finish
