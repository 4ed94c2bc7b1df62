#!/bin/sh
# SPDX-License-Identifier: ISC
# mta_sts.sh: policies that fit the store and such that don't: read, fetched and
# made; and senders that check what a real server with that store presents.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
FIXTURES_ROOT=$fixtures
lib_start mta-sts

fixtures_leaf . mx --san mx1.cust.example,cust.example
fixtures_leaf . mx-rsa --rsa --san mx1.cust.example
fixtures_leaf . provider --rsa --san mx.provider.example
fixtures_leaf . wild --san '*.wild.example'
fixtures_leaf . gone --expired --san gone.cust.example
fixtures_leaf . own-ca --self-signed --san own.cust.example
fixtures_leaf . policies --san mta-sts.cust.example
own_certificate
new_store "$work/store"
tool 0 import mx.pem mx-rsa.pem wild.pem own-ca.pem
tool 0 import --force gone.pem
tool 0 import --no-bind provider.pem
provider=$(snicert list --json --staged | sed -n 's/.*"chain": \([0-9]*\).*/\1/p')
vanity=$(chain_of mx1.cust.example EC)
tool 0 fallback "$provider"
tool 0 bind vanity.cust.example "$vanity"

policy() { # MODE MX…: to the file policy
	printf 'version: STSv1\nmode: %s\nmax_age: 86400\n' "$1" >policy
	shift
	[ $# = 0 ] || printf 'mx: %s\n' "$@" >>policy
}
rows() { # what was said of whom: "host asked key result", sorted
	sqlite3 :memory: "SELECT json_extract(value, '\$.host') || ' ' || json_extract(value, '\$.asked') || ' ' ||
		ifnull(json_extract(value, '\$.key_type'), '-') || ' ' || json_extract(value, '\$.result')
		FROM json_each(CAST(readfile('$work/out') AS TEXT))" | sort
}
reasons() { # HOST ASKED
	sqlite3 :memory: "SELECT json_extract(value, '\$.reason') FROM json_each(CAST(readfile('$work/out') AS TEXT))
		WHERE json_extract(value, '\$.host') = '$1' AND json_extract(value, '\$.asked') = '$2'"
}

# --- what is served, judged ------------------------------------------------

policy enforce mx1.cust.example
tool 1 mta-sts cust.example --policy policy --json
json_members "$work/out" '$[0]' 'host asked served_by key_type result reason sni not_after pattern sha256 expires_soon' \
	'mta-sts --json: its members'
is "$(rows)" 'mx1.cust.example domain EC pass
mx1.cust.example domain RSA fail
mx1.cust.example mx EC pass
mx1.cust.example mx RSA pass
mx1.cust.example none RSA fail' 'each chain that some sender meets, in each way that senders ask'
has "$(grep '"domain".*RSA' "$work/out")" '"served_by": "global fallback"' 'senders of RSA alone get the fallback where a name has no RSA'
has "$(reasons mx1.cust.example none)" 'not for this host' 'why the fallback fails'
tool 1 mta-sts cust.example --policy policy --sni mx --sni domain
has "$(cat "$work/out")" 'mode enforce, max_age 86400: 1 host, 4 checks, 1 failed' 'the sum'
tool_input=policy tool 0 mta-sts CUST.example. --policy - --sni mx
tool 1 mta-sts cust.example --policy policy --sni none
is "$(awk 'length > 100' "$work/out")" '' 'the table is as wide as a terminal'

policy testing vanity.cust.example gone.cust.example own.cust.example nobody.example
tool 1 mta-sts cust.example --policy policy --sni mx --json
is "$(rows | grep -v 'RSA fail')" 'gone.cust.example mx EC fail
own.cust.example mx EC fail
vanity.cust.example mx EC fail' 'what a sender refuses'
is "$(rows | grep -c 'RSA fail')" 4 'and what a sender refuses'
has "$(reasons gone.cust.example mx)" expired 'an expired one: why'
has "$(reasons own.cust.example mx)" self 'one of no CA: why'
has "$(reasons vanity.cust.example mx)" 'not for this host' 'a vanity name: why'
policy enforce '*.wild.example' '*.cust.example' '*.nobody.example'
tool 1 mta-sts wild.example --policy policy --sni mx --json
is "$(rows | grep -E '^(any|mx1)')" 'any-host.wild.example mx EC pass
any-host.wild.example mx RSA fail
mx1.cust.example mx EC pass
mx1.cust.example mx RSA pass' 'patterns: the names in the store that they match'
has "$(cat "$work/out")" '"host": "*.nobody.example", "asked": null, "served_by": null, "key_type": null, "result": "fail", "reason": "no name in the store matches"' \
	'a pattern that nothing matches'
hasnt "$(cat "$work/out")" '"host": "cust.example"' 'a pattern is not for the apex'
policy none
tool 0 mta-sts cust.example --policy policy
has "$(cat "$work/out")" 'mode none' 'mode none asks for nothing'
tool 0 import policies.pem
policy enforce mx1.cust.example
tool 1 mta-sts cust.example --policy policy --sni mx --json
is "$(rows | grep mta-sts)" 'mta-sts.cust.example mx EC pass
mta-sts.cust.example mx RSA fail' "the policy's own host, where the store has it"
tool 0 fallback none
tool 1 mta-sts cust.example --policy policy --sni none --json
is "$(rows | grep -v mta-sts)" 'mx1.cust.example none - fail' 'no fallback'
has "$(reasons mx1.cust.example none)" 'set a fallback' 'no fallback: the fix'
tool 0 fallback "$provider"
tool 0 fallback --address 192.0.2.9 "$vanity"
tool 1 mta-sts cust.example --policy policy --address 192.0.2.9 --sni none --json
is "$(rows | grep mx1)" 'mx1.cust.example none EC pass
mx1.cust.example none RSA fail' "an address's fallback, and whom it is not for"
printf 'program "nginx" { unknown = "refuse" }\n' >>"$conf"
policy enforce nobody.example
tool 1 mta-sts cust.example --policy policy --program nginx --sni mx --json
has "$(reasons nobody.example mx)" unrecognized_name 'unknown = refuse'

# What it says is what a sender sees.
policy enforce mx1.cust.example vanity.cust.example nobody.example
tool 1 mta-sts cust.example --policy policy --json
rows | grep -v mta-sts >said
if start_mta sts; then
	while read -r host asked key result; do
		case $asked in mx) sni=$host ;; domain) sni=cust.example ;; none) sni=- ;; esac
		case $key in RSA) sigalgs=rsa_pss_rsae_sha256:RSA+SHA256 ;; *) sigalgs=ECDSA+SHA256 ;; esac
		case $(handshake $sni -tls1_3 -sigalgs $sigalgs -verify_hostname $host -CAfile "$SSL_CERT_FILE" \
			-verify_return_error) in
		*'Verification: OK'*) sees=pass ;;
		*) sees=fail ;;
		esac
		is "$sees" "$result" "a sender to $host that asks for $asked, $key"
	done <said
	stop_mta sts
fi

# --- policies that are none ------------------------------------------------

while IFS='|' read -r text want; do
	printf "$text" >policy
	refused 3 "$want" mta-sts cust.example --policy policy
done <<'LIST'
mode: enforce\nmx: a.example\nmax_age: 1\n|version: STSv1
version: STSv1\nmx: a.example\nmax_age: 1\n|mode: enforce, testing or none
version: STSv1\nmode: enforce\nmx: a.example\n|max_age: SECONDS
version: STSv1\nmode: enforce\nmax_age: 1\n|mx: NAME
version: STSv2\nmode: enforce\nmx: a.example\nmax_age: 1\n|policy:1: version STSv2
version: STSv1\nmode: strict\nmx: a.example\nmax_age: 1\n|policy:2: strict is not a mode
version: STSv1\nmode: enforce\nmx: a..example\nmax_age: 1\n|policy:3: a..example is not an mx pattern
version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 99999999\n|policy:4: 99999999 is not a max_age
version: STSv1\nmode: enforce\nmx: a.example\nmax_age: -1\n|policy:4: -1 is not a max_age
version: STSv1\nnonsense\n|policy:2: a line of a policy
|version: STSv1
\000\000|NUL
LIST
yes 'mx: a.example' | head -c 70000 >policy
refused 3 '64 KiB' mta-sts cust.example --policy policy
refused 3 "can't read" mta-sts cust.example --policy "$work/nowhere"
printf 'version:STSv1 \r\nmode:  enforce\r\n\r\nx-more: of the future\r\nmode: none\r\nmx: mx1.cust.example\r\nmax_age: 1' >policy
tool 1 mta-sts cust.example --policy policy --sni mx
has "$(cat "$work/out")" 'mode enforce' 'line ends, blanks, fields unknown and repeated, as RFC 8461 has them'
for line in 'mta-sts' 'mta-sts cust.example' 'mta-sts cust.example --policy policy --fetch' 'mta-sts a.example b.example --policy policy' \
	'mta-sts cust.example --policy policy --mx a.example' 'mta-sts new cust.example' \
	'mta-sts new --mode enforce' 'mta-sts new cust.example --mode enforce --policy policy' 'mta-sts *.example --policy policy' \
	'mta-sts cust.example --policy policy --connect localhost:1' 'mta-sts cust.example --fetch --connect localhost'; do
	refused 2 usage $line
done

# --- policies that are made ------------------------------------------------

refused 3 'would refuse cust.example (RSA chain of the global fallback: not for this host)' mta-sts new cust.example --mode enforce --mx cust.example
tool 0 mta-sts new cust.example --mode enforce
is "$(sed -n 's/^mx: //p' "$work/out")" mx1.cust.example 'a name passes with all that its senders meet'
tool 0 fallback none
tool 0 fallback "$vanity"
tool 0 mta-sts new cust.example --mode enforce
sed '/^$/,$d' "$work/out" >policy
is "$(sed 1,/^\$/d "$work/out" | sed 's/id=[0-9TZ]*;/id=ID;/')" '_mta-sts.cust.example. 3600 IN TXT "v=STSv1; id=ID;"' 'the TXT record'
is "$(cat policy)" 'version: STSv1
mode: enforce
mx: cust.example
mx: mx1.cust.example
max_age: 1209600' 'the names that pass, and no others'
tool 0 mta-sts cust.example --policy policy --sni mx
tool 0 mta-sts new cust.example --mode testing --max-age 3600 --mx Mx1.cust.example --out made
is "$(cat made)" 'version: STSv1
mode: testing
mx: mx1.cust.example
max_age: 3600' '--mx, --max-age, --out'
is "$(wc -l <"$work/out")" 1 '--out: the record alone'
refused 3 'File exists' mta-sts new cust.example --mode testing --out made
# A name of a pattern that would fail keeps the pattern out of a new policy.
tool 0 mta-sts new wild.example --mode enforce --out of.pattern
tool 0 mta-sts wild.example --policy of.pattern --sni mx
tool 0 bind bad.wild.example "$(chain_of vanity.cust.example)"
tool 1 mta-sts wild.example --policy of.pattern --sni mx
tool 1 mta-sts new wild.example --mode enforce
has "$(cat "$work/err")" 'not for this host' 'a policy that mta-sts fails is not written'
tool 0 unbind bad.wild.example
tool 0 mta-sts new wild.example --mode enforce --json
json_members "$work/out" '$' 'domain policy mx id txt_owner txt' 'mta-sts new --json: its members'
json_is "$work/out" '$.mx' '["*.wild.example"]' 'a wildcard'
refused 3 'would refuse vanity.cust.example (EC chain: not for this host)' mta-sts new cust.example --mode enforce --mx vanity.cust.example
refused 1 'no name under nowhere.example' mta-sts new nowhere.example --mode testing
refused 2 'unknown mode "strict"' mta-sts new cust.example --mode strict
refused 2 'unknown kind of --sni "all"' mta-sts cust.example --policy policy --sni all
refused 2 'not a max_age' mta-sts new cust.example --mode testing --max-age 1d

# --- fetched ---------------------------------------------------------------

if snicert mta-sts cust.example --fetch --connect 127.0.0.1:1 2>&1 | grep -q 'without libcurl'; then
	refused 2 'give it with --policy -' mta-sts cust.example --fetch
	lib_finish
fi
mkdir -p www/.well-known
(cd www && exec openssl s_server -accept 127.0.0.1:0 -cert ../policies.crt -key ../policies.key \
	-cert_chain "$fixtures/ca/ec.crt" -HTTP) >server.log 2>&1 </dev/null &
pids="$pids $!"
await 'a web server' grep -q '^ACCEPT .*:[0-9]*$' server.log
https=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' server.log)
publish() { # STATUS TYPE, the body on standard input
	{ printf 'HTTP/1.0 %s\r\n%sContent-Type: %s\r\n\r\n' "$1" "${3:-}" "$2"; cat; } >www/.well-known/mta-sts.txt
}
policy enforce mx1.cust.example
publish '200 OK' 'text/plain; charset=utf-8' <policy
tool 0 mta-sts cust.example --fetch --connect "127.0.0.1:$https" --sni mx
has "$(cat "$work/out")" 'mode enforce, max_age 86400: 1 host' 'fetched over HTTPS'
refused 3 'mta-sts.wild.example' mta-sts wild.example --fetch --connect "127.0.0.1:$https"
SSL_CERT_FILE=$work/own.crt refused 3 'https://mta-sts.cust.example/.well-known/mta-sts.txt: ' mta-sts cust.example --fetch --connect "127.0.0.1:$https"
publish '200 OK' text/html <policy
refused 3 'senders want text/plain' mta-sts cust.example --fetch --connect "127.0.0.1:$https"
publish '404 Not Found' text/plain <policy
refused 3 'HTTP 404' mta-sts cust.example --fetch --connect "127.0.0.1:$https"
publish '301 Moved' text/plain 'Location: https://mta-sts.cust.example/elsewhere
' <policy
refused 3 'a redirection' mta-sts cust.example --fetch --connect "127.0.0.1:$https"
yes 'mx: a.example' | head -c 70000 | publish '200 OK' text/plain
refused 3 '64 KiB' mta-sts cust.example --fetch --connect "127.0.0.1:$https"
echo nonsense | publish '200 OK' text/plain
refused 3 'mta-sts.txt:1: a line of a policy' mta-sts cust.example --fetch --connect "127.0.0.1:$https"
refused 3 'https://mta-sts.cust.example' mta-sts cust.example --fetch --connect 127.0.0.1:1

lib_finish
