#!/bin/sh
# SPDX-License-Identifier: ISC
# schemas.sh: a store of each schema that a release has ever written, with
# chains of today in it, is served by the module as it is, and then brought up to
# date by the tool, with nothing lost and the server serving all along.
#
# tests/schema/N.sql is that schema; a new one is what `sqlite3 STORE .schema` says.
# shellcheck disable=SC1091,SC2034,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
lib_start schemas

newest=$(sed -n 's/^#define STORE_SCHEMA \([0-9]*\).*/\1/p' "$src/module/store.h")
own_certificate
new_store "$work/today"
today=$store
tool 0 import "$fixtures/good-ec.pem" "$fixtures/good-rsa.pem" "$fixtures/good-wildcard.pem"
cheap_key key
cheap_chain fallback.pem key fallback.example
cheap_chain next.pem key good-ec.example next.example
tool 0 import --no-bind --json fallback.pem
tool 0 fallback "$(json out '$[0].chain')"
# Its intermediate ends first, and another encoding of its name is in the store.
fixtures_key early.key ec
fixtures_key early-leaf.key ec
fixtures_sign early.crt early.key Early "$(fixtures_time -86400)" "$(fixtures_time $((60 * 86400)))" \
	'basicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign' "$fixtures/ca/root" || not_ok 'a CA'
fixtures_sign early-leaf.crt early-leaf.key early.example "$(fixtures_time -86400)" "$(fixtures_time $((80 * 86400)))" \
	'basicConstraints = CA:FALSE\nsubjectAltName = DNS:early.example' early || not_ok 'a leaf'
cat early-leaf.key early-leaf.crt early.crt >early.pem
cat early-leaf.key early-leaf.crt >late.pem
chmod 600 early.pem late.pem
tool 0 import early.pem
tool 0 import --stage --json next.pem
staged=$(json out '$[0].chain')
snicert list --json >today.list
snicert list --chains --json >today.chains

# The schema that there is today is the newest fixture.
schema_of() {
	sqlite3 "$1" "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY name"
}
sqlite3 made.db <"$src/tests/schema/$newest.sql"
is "$(schema_of "$today")" "$(schema_of made.db)" "tests/schema/$newest.sql is what init makes"

old_store() { # N: at $store, with the rows of today's
	new_store "$work/schema$1"
	rm -f "$store" "$store"-*
	cp "$work/today/key/store.key" "$store_key"
	sqlite3 "$store" <"$src/tests/schema/$1.sql" || not_ok "tests/schema/$1.sql"
	for _table in $(sqlite3 "$store" "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"); do
		_columns=$(sqlite3 "$store" "SELECT group_concat(name, ',') FROM pragma_table_info('$_table')")
		sqlite3 "$store" "PRAGMA foreign_keys = OFF; ATTACH '$today' AS today;
			INSERT INTO $_table ($_columns) SELECT $_columns FROM today.$_table" || not_ok "rows of $_table"
	done
	# Before lifetimes were there a chain ended with its leaf.
	[ "$(sqlite3 "$store" "SELECT count(*) FROM pragma_table_info('chain') WHERE name = 'lifetime'")" = 1 ] ||
		sqlite3 "$store" "UPDATE chain SET not_after = $leaf_ends WHERE subject = 'early.example'"
	sqlite3 "$store" 'PRAGMA journal_mode = WAL' >/dev/null
	chmod 600 "$store"
}

leaf_ends=$(date -u -d "$(openssl x509 -in early-leaf.crt -noout -enddate | cut -d= -f2)" +%s)
schema=1
while [ "$schema" -le "$newest" ]; do
	if ! [ -s "$src/tests/schema/$schema.sql" ]; then
		not_ok "there is a tests/schema/$schema.sql"
		break
	fi
	old_store $schema
	is "$(sqlite3 "$store" 'PRAGMA user_version')" $schema "a store of schema $schema"
	start_mta "schema$schema"
	for name in good-ec.example good-rsa.example host.good-wildcard.example; do
		is "$(leaf_of $name)" "$(sqlite3 "$today" "SELECT lower(hex(leaf)) FROM binding JOIN chain ON chain.id = chain WHERE
			name IN ('$name', '*.${name#*.}')")" "schema $schema, as it is: $name"
	done
	is "$(served nobody.example)" fallback.example "schema $schema, as it is: the fallback"
	is "$(sqlite3 "$store" 'PRAGMA user_version')" $schema 'the module leaves it as it is'

	tool 0 list
	is "$(sqlite3 "$store" 'PRAGMA user_version')" "$newest" "schema $schema is brought up to date"
	is "$(schema_of "$store" | tr -d '\n ')" "$(schema_of "$today" | tr -d '\n ')" "schema $schema: as a new store has it"
	is "$(snicert list --json)" "$(cat today.list)" "schema $schema: the names are as before"
	is "$(snicert list --chains --json)" "$(cat today.chains)" "schema $schema: the chains are as before"
	tool 0 verify
	is "$(snicert export --key good-rsa.example | openssl pkey -pubout 2>&1)" \
		"$(openssl pkey -in "$fixtures/good-rsa.pem" -pubout 2>&1)" "schema $schema: its keys open"
	tool 0 import late.pem
	is "$(snicert export early.example | grep -c 'BEGIN CERT')" 2 "schema $schema: chains are completed by its intermediates"
	tool 0 activate --force "$staged"
	is "$(served good-ec.example)" good-ec.example "schema $schema: and what is staged is activated"
	is "$(leaf_of good-ec.example)" "$(sha_of next.pem.crt)" "schema $schema: the server has it at once"
	stop_mta "schema$schema"
	schema=$((schema + 1))
done

# Some at once after an upgrade, which all have seen the older schema: one of them migrates.
rm -rf "$work/schema1"
old_store 1
mkfifo holds
sqlite3 "$store" <holds >held 2>&1 &
holder=$!
pids="$pids $holder"
exec 8>holds
echo 'BEGIN IMMEDIATE; SELECT 1;' >&8
await 'another writer' test -s held
for i in 1 2 3; do
	"$build/snicert" -c "$conf" list >many$i.out 2>&1 8>&- &
	eval "many$i=$!"
	pids="$pids $!"
done
sleep 1
echo 'COMMIT;' >&8
exec 8>&-
for i in 1 2 3; do
	eval "wait \$many$i"
	is $? 0 "three at once bring the store up to date, number $i ($(head -n 1 many$i.out))"
done
is "$(sqlite3 "$store" 'PRAGMA user_version')" "$newest" 'three at once: it is up to date'
tool 0 verify
lib_finish
