#!/bin/sh
# SPDX-License-Identifier: ISC
# owner.sh: whose chains and names are, that nobody's import takes another's
# name, and who changed what.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start owner

owner_of() { # NAME [KEY-TYPE]
	snicert --json show "$(chain_of "$@")" >"$work/show.json"
	json "$work/show.json" '$[0].owner'
}
number() { snicert --json log --last 1 "$@" >"$work/log.json"; json "$work/log.json" '$[0].sequence'; }

for key in a b c; do cheap_key $key.pem; done
cheap_chain a1.pem a.pem mx.a.example mx.a.example 60
cheap_chain a2.pem a.pem mx.a.example mx.a.example 90
cheap_chain b1.pem b.pem mx.a.example other.example 90
cheap_chain b2.pem b.pem mx.b.example mx.b.example 90
cheap_chain wild.pem c.pem '*.w.example' '*.w.example' 90
cheap_chain inner.pem b.pem mx.w.example mx.w.example 90
cheap_chain again.pem c.pem '*.w.example,DNS:mx.w.example' '*.w.example' 200
cheap_chain nobody.pem b.pem mx.nobody.example mx.nobody.example 90
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem 2>/dev/null
cheap_chain rsa-a.pem rsa.pem mx.a.example mx.a.example 90

# --- labels ------------------------------------------------------------------

new_store "$work/a"
tool 0 owner
is "$(cat "$work/out")" 'No chain has an owner: `snicert owner LABEL NAME` sets one.' 'a store without owners lists none'
tool 0 --json owner
is "$(cat "$work/out")" '[]' 'and so in JSON'
tool 0 import --owner acme a1.pem
is "$(owner_of mx.a.example)" acme 'import --owner'
tool 0 import --owner beta b2.pem
tool 0 --json owner
json_members "$work/out" '$[0]' 'owner chains names' 'owner --json: its members'
is "$(json "$work/out" '$[0].owner') $(json "$work/out" '$[0].chains') $(json "$work/out" '$[0].names')" 'acme 1 1' 'owners are listed'
json_is "$work/out" '$[1].owner' beta 'by label'
tool 0 --json list --owner beta
json_is "$work/out" '$[0].name' mx.b.example 'list --owner: the names'
json_is "$work/out" '$[0].owner' beta 'list --json tells the owner'
json_is "$work/out" '$[1].name' '' 'and no others'
tool 0 --json list --chains --owner beta
json_is "$work/out" '$[0].owner' beta 'list --chains --owner'
tool 1 list --owner gamma
tool 0 export --owner beta
is "$(openssl x509 -noout -subject <"$work/out" | sed 's/ //g')" subject=CN=mx.b.example 'export --owner'
is "$(grep -c BEGIN "$work/out")" 1 'export --owner: their chains only'
tool 0 export --json --owner beta
json_valid "$work/out" 'export --owner --json'
tool 1 export --owner gamma
for label in '' none 'a b' -x 'ü' "$(printf %65s | tr ' ' x)"; do
	refused 2 'is not a label' import --owner "$label" nobody.pem
done
refused 2 wants owner acme

# --- another's name ----------------------------------------------------------

taken="mx.a.example belongs to owner acme"
refused 3 "$taken" import --owner beta b1.pem
refused 3 "$taken" import --owner beta --force b1.pem
refused 3 "$taken" import --force --name mx.a.example nobody.pem
refused 3 "$taken" import --owner beta --name mx.a.example a2.pem
refused 3 "$taken" bind mx.a.example "$(chain_of mx.b.example)"
has "$(cat "$work/err")" '--take' 'the error tells of --take'
refused 3 "$taken" import --owner beta rsa-a.pem
refused 3 "$taken" import rsa-a.pem
tool 0 import --owner acme rsa-a.pem
is "$(owner_of mx.a.example RSA)" acme 'another key type is for the owner'
tool 3 import --keep-going --owner beta b1.pem b2.pem
is "$(owner_of mx.a.example EC)" acme 'nor is it taken with --keep-going'
is "$(snicert --json list --chains --owner beta | grep -c '"chain"')" 1 'and what was refused is not in the store'

tool 0 import a2.pem
is "$(owner_of mx.a.example EC)" acme 'a renewal has the owner of what it renews'
tool 0 import nobody.pem
tool 0 import --owner acme --name mx.nobody.example --force a2.pem
is "$(owner_of mx.nobody.example)" acme "nobody's name is free"
tool 0 fallback "$(chain_of mx.b.example)"
tool 0 fallback "$(chain_of mx.a.example EC)"

tool 0 import --owner beta --force --take b1.pem
is "$(owner_of mx.a.example EC)" beta 'import --take'
refused 3 "mx.a.example belongs to owner beta" rollback mx.a.example
tool 0 rollback --take mx.a.example
is "$(owner_of mx.a.example EC)" acme 'rollback --take'
staged=$(snicert --json list --staged >"$work/staged"; json "$work/staged" '$[0].chain')
refused 3 "$taken" activate --force "$staged"
tool 0 activate --force --take "$staged"
is "$(owner_of mx.a.example EC)" beta 'activate --take'

# --- wildcards ---------------------------------------------------------------

tool 0 import --owner acme wild.pem
refused 3 "mx.a.example belongs to owner beta" bind mx.a.example "$(chain_of '*.w.example')"
tool 0 bind --take mx.a.example "$(chain_of '*.w.example')"
is "$(owner_of mx.a.example EC)" acme 'bind --take'
refused 3 "mx.w.example belongs to owner acme (*.w.example, chain " import --owner beta inner.pem
refused 3 "mx.w.example belongs to owner acme" import inner.pem
refused 3 "mx.w.example belongs to owner acme" bind mx.w.example "$(chain_of mx.b.example)"
tool 0 import again.pem
is "$(owner_of mx.w.example) $(owner_of '*.w.example')" 'acme acme' 'a renewal that adds what the wildcard had'
tool 0 import --owner beta --take --force inner.pem
is "$(owner_of mx.w.example)" beta 'out of a wildcard with --take'

# --- the command ---------------------------------------------------------------

refused 3 "belongs to owner beta; add --take" owner acme mx.b.example
refused 1 'nothing is bound' owner acme mx.c.example
tool 0 owner --take acme mx.b.example
is "$(owner_of mx.b.example)" acme 'owner --take'
tool 0 --json owner --take none mx.b.example
is "$(json "$work/out" '$[0].former') $(json "$work/out" '$[0].owner')" 'acme ' 'owner none'
tool 0 owner beta "$(chain_of mx.b.example)"
tool 0 verify

# --- the log -------------------------------------------------------------------

before=$(number)
SUDO_USER=carol snicert unbind mx.b.example >/dev/null
tool 0 --json log --after "$before"
json_members "$work/out" '$[0]' 'sequence at who user sudo pid what chain text name detail' 'log --json: its members'
is "$(json "$work/out" '$[0].what') $(json "$work/out" '$[0].name') $(json "$work/out" '$[0].sudo') $(json "$work/out" '$[0].user')" \
	"unbind mx.b.example carol $(id -un)" 'who did what'
is "$(json "$work/out" '$[0].who')" "$(id -un) (carol)" 'in one'
isnt "$(json "$work/out" '$[0].pid')" '' 'in which process'
json_is "$work/out" '$[1].what' '' 'and nothing else since'
tool 0 log
has "$(head -n 1 "$work/out")" 'When (UTC)' 'a heading'
has "$(sed -n 2p "$work/out")" "($(printf carol))" 'the latest first'
has "$(sed -n 2p "$work/out")" "$(date -u +%Y-%m-%d)" 'when'
tool 0 --json log --last 0
all=$(grep -c sequence "$work/out")
is "$all" "$(sqlite3 "$store" 'SELECT count(*) FROM change')" 'log --last 0: all'
tool 0 --json log --last 3
is "$(grep -c sequence "$work/out")" 3 'log --last'
tool 0 --json log mx.b.example
is "$(sed -n 's/.*"what": "\([^"]*\)".*/\1/p' "$work/out" | tr '\n' ' ')" 'unbind bind ' 'log NAME'
tool 0 --json log 1
is "$(sed -n 's/.*"what": "\([^"]*\)".*/\1/p' "$work/out" | sort -u | tr '\n' ' ')" 'bind import owner ' 'log CHAIN'
tool 0 log fallback
tool 1 log mx.never.example
tool 0 --json log --since 1d --last 0
is "$(grep -c sequence "$work/out")" "$all" 'log --since 1d'
sqlite3 "$store" "UPDATE change SET at = at - 300000 WHERE sequence <= 2"
tool 0 --json log --since 2d --last 0
is "$(grep -c sequence "$work/out")" $((all - 2)) 'log --since 2d: what is older is left out'
tool 0 log --since "$(date -u +%Y-%m-%d)"
tool 1 log --since 2999-01-01T00:00:00Z
for bad in '--since yesterday' '--last x' '--last -1' '--after x' 'a b'; do refused 2 '' log $bad; done

# --- a store of an older release -------------------------------------------------

old_store() { # as schema 2 had it
	sqlite3 "$store" "$to_schema_4 DROP INDEX chain_lineage; DROP INDEX chain_subject; DROP INDEX chain_first_name; ALTER TABLE chain DROP COLUMN lineage;
		ALTER TABLE former DROP COLUMN step; DROP INDEX chain_owner; ALTER TABLE chain DROP COLUMN owner;
		ALTER TABLE change DROP COLUMN sudo; ALTER TABLE change DROP COLUMN pid;
		UPDATE change SET who = 'root (sudo dave)' WHERE sequence = 3; PRAGMA user_version = 2"
}
new_store "$work/b"
tool 0 import --owner acme a1.pem
own_certificate
old_store
start_mta old
is "$(served mx.a.example)" mx.a.example 'the module reads a store of the older schema'
tool 0 --json log --last 0
is "$(sed -n 's/.*"sequence": 3, .*"who": "\([^"]*\)", "user": "\([^"]*\)", "sudo": "\([^"]*\)".*/\1|\2|\3/p' "$work/out")" \
	'root (dave)|root|dave' 'its log is brought up to date by who looks and may write'
is "$(sqlite3 "$store" 'PRAGMA user_version')" "$(sqlite3 "$work/a/db/store.db" 'PRAGMA user_version')" 'and its schema'
is "$(served mx.a.example)" mx.a.example 'the module that has it open goes on'
tool 0 import --owner acme a2.pem
is "$(leaf_of mx.a.example)" "$(sha_of a2.pem.crt)" 'and follows'
is "$(served -)" own.example 'with no name: the own certificate'
stop_mta old
tool 0 verify

# --- a backup of an older release ------------------------------------------------

new_store "$work/c"
tool 0 import --owner acme a1.pem
tool 0 backup "$work/old.db"
sqlite3 "$work/old.db" "$to_schema_4 DROP INDEX chain_lineage; DROP INDEX chain_subject; DROP INDEX chain_first_name; ALTER TABLE chain DROP COLUMN lineage;
	ALTER TABLE former DROP COLUMN step; DROP INDEX chain_owner; ALTER TABLE chain DROP COLUMN owner;
	ALTER TABLE change DROP COLUMN sudo; ALTER TABLE change DROP COLUMN pid;
	DROP INDEX chain_staged; ALTER TABLE staged DROP COLUMN since; DROP TABLE waiting_name; DROP TABLE waiting;
	PRAGMA user_version = 1"
tool 0 remove --force 1
tool 0 restore "$work/old.db"
is "$(chain_of mx.a.example)" 1 'a backup of the first schema is restored'
is "$(owner_of mx.a.example)" '' 'nobody owned anything then'
is "$(sqlite3 "$store" 'PRAGMA user_version')" "$(sqlite3 "$work/a/db/store.db" 'PRAGMA user_version')" 'and brought up to date'
is "$(sqlite3 "$work/old.db" 'PRAGMA user_version')" 1 'the backup itself is as it was'
tool 0 verify
lib_finish
