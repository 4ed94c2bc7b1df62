#!/bin/sh
# SPDX-License-Identifier: ISC
# dates.sh: certificates that end on either side of what 32 bits of time_t hold,
# and of where X.509 changes to years of four digits (RFC 5280 section 4.1.2.5):
# taken in, told, compared, served and probed with the same dates on all machines.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
lib_start dates

now=$(date +%s)
fixtures_key key ec
# A chain ends with its issuer, too, so that one lasts.
fixtures_key issuer.key ec
fixtures_sign issuer.crt issuer.key "Lasting CA" 19400101000000Z 99991231235959Z \
	"basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign" "$fixtures/ca/root" || not_ok "an issuer"
certificate() { # NAME START END
	fixtures_sign "$1.crt" key "$1.example" "$2" "$3" \
		"basicConstraints = CA:FALSE\nsubjectAltName = DNS:$1.example" issuer || not_ok "a certificate until $3"
	cat key "$1.crt" issuer.crt >"$1.pem"
	chmod 600 "$1.pem"
}

# NAME START END SECONDS DATE of the end; in the order of their ends
cat >list <<-LIST
	second 20000101000000Z 20380119031408Z 2147483648 2038-01-19T03:14:08Z
	utc 20000101000000Z 20491231235959Z 2524607999 2049-12-31T23:59:59Z
	general 20000101000000Z 20500101000000Z 2524608000 2050-01-01T00:00:00Z
	unsigned 20000101000000Z 21060207062816Z 4294967296 2106-02-07T06:28:16Z
	never 19500101000000Z 99991231235959Z 253402300799 9999-12-31T23:59:59Z
LIST
own_certificate
new_store "$work/a"
while read -r name start end seconds date; do
	certificate $name $start $end
	tool 0 import --json $name.pem
	json_is out '$[0].not_after' $date "import: $name"
	is "$(sqlite3 "$store" "SELECT not_after FROM chain WHERE id = $(chain_of $name.example)")" $seconds "in the store: $name"
	tool 0 show --json $name.example
	json_is out '$[0].not_after' $date "show: $name"
	json_is out '$[0].days_left' $(((seconds - now) / 86400)) "show: days left of $name"
	tool 0 list --chains
	has "$(grep $name.pem out)" " ${date%T*} " "list: $name"
	tool 0 tlsa $name.example
	has "$(cat out)" "expires ${date%T*}" "tlsa: $name"
	tool 0 explain $name.example
	has "$(cat out)" "${date%T*}" "explain: $name"
done <list
tool 0 show --json never.example
json_is out '$[0].not_before' 1950-01-01T00:00:00Z 'when it began, before 1970'
tool 0 fallback "$(chain_of utc.example)"
tool 0 verify
tool 0 check
has "$(cat out)" " soonest=$(((2147483648 - now) / 86400));" 'check: the days to the first end'
days=$(((2147483648 - now) / 86400 + 1))
# A tenth of their lives is left.
sqlite3 "$store" "UPDATE chain SET not_before = not_after - 10 * (not_after - $now)"
tool 1 check --warning $days
has "$(cat out)" "1 expires within $days days, second.example on 2038-01-19" 'check: what ends first'
# More seconds than 31 bits hold.
days=$(((4294967296 - now) / 86400 + 1))
tool 1 check --warning $days
has "$(cat out)" "4 expire within $days days" 'check: thresholds beyond 2038'
tool 0 expiring --json $days
is "$(sqlite3 :memory: "SELECT group_concat(json_extract(value, '\$.days_left'), ' ')
	FROM json_each(CAST(readfile('out') AS TEXT))")" "$(while read -r name start end seconds date; do
	[ $name = never ] || printf '%s%s' "${sep-}" $(((seconds - now) / 86400))
	sep=' '
done <list)" 'expiring: in their order'
tool 0 status --json
json_is out '$.overview.soonest' 2038-01-19T03:14:08Z 'status: the first end'
json_is out '$.overview.expired' 0 'status: none has expired'
for since in 2038-01-20 2999-01-01T00:00:00Z '9999-12-31 23:59:59'; do tool 1 log --since "$since"; done
tool 0 log --since 1901-01-01
is "$(wc -l <out)" "$(($(sqlite3 "$store" 'SELECT count(*) FROM change') + 1))" 'log --since a year before 1901: all'

# --- served, and probed --------------------------------------------------------

start_mta dates
while read -r name start end seconds date; do
	is "$(leaf_of $name.example)" "$(sha_of $name.crt)" "served: $name"
	tool 0 probe --json "127.0.0.1:$port" $name.example
	json_is out '$[0].not_after' $date "probe: $name"
	json_is out '$[0].store' same "probe: $name is what the store has"
done <list

# --- renewals: who lasts longer ----------------------------------------------------

for end in 20491231235959Z 20500101000000Z 99991231235959Z; do
	certificate renewed 20000101000000Z $end
	tool 0 import renewed.pem
	is "$(leaf_of renewed.example)" "$(sha_of renewed.crt)" "renewed until $end"
done
last=$(sha_of renewed.crt)
certificate renewed 20000101000000Z 21060207062816Z
refused 3 'lasts longer than this one' import renewed.pem
is "$(leaf_of renewed.example)" "$last" 'one that ends sooner is no renewal'

# --- ended before 1901 --------------------------------------------------------------

certificate past 18500101000000Z 18991231235959Z
refused 3 'expired on 1899-12-31' import past.pem
tool 0 import --force --json past.pem
json_is out '$[0].not_after' 1899-12-31T23:59:59Z 'import --force: what ended in 1899'
tool 1 verify
has "$(cat out)" 'it expired on 1899-12-31' 'verify: what ended in 1899'
snicert check >out
is $? 2 'check: what ended in 1899 is critical'
has "$(cat out)" '1 chain has expired' 'check: how many have ended'
tool 1 status --json
json_is out '$.overview.expired' 1 'status: what ended in 1899'
is "$(leaf_of past.example)" "$(sha_of past.crt)" 'served: what ended in 1899'
stop_mta dates
has "$(cat dates.mta.log)" 'not_after=1899-12-31T23:59:59Z' 'and the log says so'
lib_finish
