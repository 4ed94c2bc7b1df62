#!/bin/sh
# SPDX-License-Identifier: ISC
# export.sh: the store as another server would be told, and back: import, export
# and import into another store give the same store, for each kind.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2046,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
FIXTURES_ROOT=$fixtures
lib_start export
cd "$work" || exit 99
p=$fixtures/parts

# Names, fallbacks, chains, intermediates and keys: all but numbers, dates of import and places.
content() {
	snicert list --json | sed 's/"chain": [0-9]*, //;s/, "owner".*//'
	for id in $(snicert list --chains --active --json | sed -n 's/.*"chain": \([0-9]*\),.*/\1/p'); do
		snicert show --json $id | sed 's/"chain": [0-9]*, //;s/"days_left": [-0-9]*, //;s/"source": .*"bound_to"/"bound_to"/;s/, "staged_for".*//'
		snicert export --key $id | sha256sum
	done
}
same_store() { # WHAT: as $work/want
	sort -u -o "$work/want" "$work/want"
	content | sort -u >"$work/got"
	if cmp -s "$work/want" "$work/got" && [ -s "$work/want" ]; then ok "$1: the same store"; else
		not_ok "$1: the same store" "$(diff "$work/want" "$work/got" | cut -c1-160 | head -n 12)"
	fi
}

# RSA beside ECDSA, Ed25519, a wildcard, a vanity name, a chain of many names, a fallback of two key types.
new_store "$work/one"
many=$(seq -f 'n%g.many.example' -s, 1 250)
fixtures_leaf "$work" many --san "$many"
tool 0 import "$fixtures/good-ec.pem" "$fixtures/good-two-keys.pem" "$fixtures/good-wildcard.pem" \
	"$fixtures/good-ed25519.pem" many.pem
tool 0 import --no-bind "$fixtures/good-rsa.pem"
tool 0 bind vanity.example "$(chain_of good-ec.example)"
tool 0 bind sub.good-wildcard.example "$(chain_of good-ec.example)"
tool 0 fallback "$(sha_of $p/good-rsa.crt)" "$(chain_of good-ec.example)"
tool 0 fallback --address 192.0.2.1 "$(chain_of good-ed25519.example)"
tool 0 fallback --address 2001:db8::1 "$(chain_of good-ed25519.example)"
tool 0 import --stage "$p/haproxy-a.example.pem"
content >want.all
state >"$work/state"

for kind in pem postfix haproxy; do
	store_at "$work/one"
	cp want.all want
	tool 0 export --key --to $kind "$work/to.$kind"
	is "$(find to.$kind -type d ! -perm 700; find to.$kind -type f ! -perm 600)" '' "$kind: nobody else reads it"
	is "$(grep -rlE 'BEGIN .*PRIVATE KEY' to.$kind | wc -l)" 7 "$kind: keys of the active chains"
	case $kind in
	haproxy)
		has "$(cat "$work/out")" 'the fallback of 192.0.2.1 is left out' "$kind: what it can't say"
		grep -v '"name": "fallback [12]' want.all | sed 's/, "fallback [^"]*"//g;s/"fallback [^"]*", //g' >want
		is "$(awk '{ print (NF > 202) }' to.$kind/crt-list | sort -u)" 0 "$kind: no line is too long"
		path=to.$kind/crt-list
		;;
	postfix)
		has "$(cat "$work/out")" 'any depth' "$kind: what it says differently"
		path=to.$kind
		;;
	pem)
		hasnt "$(cat "$work/out")" warning: "$kind: says all"
		path=to.$kind/map from=map
		;;
	esac
	unchanged "$kind: an export"
	new_store "$work/two.$kind"
	tool 0 import --from ${from:-$kind} $path
	from=
	same_store "$kind"
	tool 0 verify --json
	json_is "$work/out" '$.errors' 0 "$kind: verify"
	# And once more, from there.
	tool 0 export --key --to $kind "$work/again.$kind"
	is "$(cd again.$kind && find . -type f ! -name '.*' -exec sed "s|/again|/to|g" {} + | sort | sha256sum)" \
		"$(cd to.$kind && find . -type f ! -name '.*' -exec cat {} + | sort | sha256sum)" "$kind: export of that"
done
mv to.pem moved.pem
new_store "$work/moved"
cp want.all want
tool 0 import --from map moved.pem/map
same_store 'pem: a directory that has been moved'

# --- without keys, of an owner, JSON ------------------------------------------------

store_at "$work/one"
tool 0 export --json --to pem "$work/public"
json_members "$work/out" '$' 'to directory chains names fallbacks keys warnings next' 'export --to --json: its members'
is "$(json "$work/out" '$.chains') $(json "$work/out" '$.names') $(json "$work/out" '$.fallbacks')" '7 257 3' 'export --to: counted'
is "$(grep -rl 'PRIVATE KEY' public | wc -l)" 0 'without --key: no private key'
cmp -s public/good-ec.example-ec/fullchain.pem "$p/good-ec.chain.pem" && ok 'the chain is what came in' || not_ok 'the chain is what came in'
tool 0 owner acme good-ed25519.example
tool 0 export --to pem --owner acme "$work/acme"
is "$(grep -v '^#' acme/map | cut -d' ' -f1 | paste -sd' ')" 'fallback@192.0.2.1 fallback@2001:db8::1 good-ed25519.example' \
	'--owner: only theirs'
tool 0 owner --take none good-ed25519.example

# --- what is there already ------------------------------------------------------------

find to.postfix -type f -exec cksum {} + | sort >before
refused 3 'exists already' export --to postfix "$work/to.postfix"
find to.postfix -type f -exec cksum {} + | sort >after
cmp -s before after && ok 'what is there is left alone' || not_ok 'what is there is left alone'
tool 0 unbind vanity.example
tool 0 export --key --force --to postfix "$work/to.postfix"
is "$(grep -c vanity to.postfix/sni)" 0 '--force replaces what export made'
tool 0 bind vanity.example "$(chain_of good-ec.example)"
mkdir mine && echo x >mine/file
refused 3 'was not made by export' export --force --to postfix "$work/mine"
is "$(cat mine/file)" x '… and nothing else'
mkdir empty
tool 0 export --to pem "$work/empty"
: >file
refused 3 'exists already' export --to pem "$work/file"
refused 3 nowhere export --to pem "$work/nowhere/there"
refused 3 'white space' export --to postfix "$work/with space"
refused 2 usage export --to exim "$work/x"
refused 2 usage export --to pem
refused 2 usage export --to pem --out file "$work/x"
refused 2 usage export --force good-ec.example
is "$(find . -maxdepth 1 -name '*.new-*')" '' 'nothing is left behind'
if am_root; then skip 'a directory without permission' 'root may all'; else
	mkdir -m 500 closed
	refused 3 closed export --to pem "$work/closed/x"
fi

# A key that is elsewhere can't come along.
cp "$p/flat-a.example.key" outside.key && chmod 600 outside.key
tool 0 import --key-uri "file:$work/outside.key" "$p/flat-a.example.chain.pem"
tool 0 export --key --to pem "$work/partly"
has "$(cat "$work/out")" 'its private key is not in the store' 'a key that is elsewhere: said'
is "$(grep -c flat-a partly/map)" 0 'a key that is elsewhere: left out'
tool 0 remove --force "$(chain_of flat-a.example)"

# --- cut off at any moment: before or after -------------------------------------------

cut=0 whole=0
rm -rf cut
calls=$(calls_of "$build/snicert" -c "$conf" export --key --to pem "$work/cut")
for i in $(seq 0 29); do
	rm -rf cut cut.new-*
	case $((i % 3)) in 0) signal=KILL ;; 1) signal=INT ;; 2) signal=TERM ;; esac
	signal_at $signal $((1 + i * (calls - 1) / 29)) "$build/snicert" -c "$conf" export --key --to pem "$work/cut" >cut.out
	if [ -e cut ]; then
		whole=$((whole + 1))
		[ "$(find cut -name privkey.pem | wc -l)" = 7 ] && [ "$(grep -c . cut/map)" = 261 ] || not_ok "cut off: all or nothing ($i)"
	else
		cut=$((cut + 1))
	fi
	[ $signal = KILL ] || is "$(find . -maxdepth 1 -name 'cut.new-*')" '' "SIG$signal: no keys are left behind"
done
[ $cut -ge 20 ] && ok "export was cut off $cut times, whole $whole times" || not_ok 'export was cut off' "$cut times of 30"
lib_finish
