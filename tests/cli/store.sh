#!/bin/sh
# SPDX-License-Identifier: ISC
# store.sh: the commands that keep a store, and what they do with stores that
# are somebody else's, too new, damaged, without permission or without room.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
FIXTURES_ROOT=$fixtures
lib_start store
cd "$fixtures" || exit 99

mode() { stat -c %a "$1"; }

# --- init ------------------------------------------------------------------

mkdir "$work/init"
printf 'store { path = "%s/init/db/store.db" key = "%s/init/key/store.key" }\n' "$work" "$work" >"$work/init/conf"
store_at "$work/init"
tool 3 list
has "$(cat "$work/err")" 'snicert init' 'no store: the fix'
tool 0 init --json
json_members "$work/out" '$' 'store key group key_kept' 'init --json: its members'
json_is "$work/out" '$.key_kept' 0 'a new key'
is "$(mode "$store") $(mode "$store_key")" '600 600' 'init: modes of store and key'
is "$(mode "${store%/*}") $(mode "${store_key%/*}")" '750 750' 'init: modes of the directories'
for tail in -wal -shm; do is "$(mode "$store$tail")" 600 "init: mode of store.db$tail"; done
refused 3 'exists already' init
has "$(cat "$work/err")" 'move the store away' 'init: what to do where the key is lost'
key_before=$(cksum <"$store_key")
rm -f "$store" "$store-wal" "$store-shm"
tool 0 init --json
json_is "$work/out" '$.key_kept' 1 'init beside a key: kept'
is "$(cksum <"$store_key")" "$key_before" 'init beside a key: the same'
refused 2 'no group' init --group no-such-group
refused 2 'no arguments' init there
group=$(id -gn)
if am_root; then group=nogroup; fi
new_store "$work/group" --group "$group"
is "$(mode "$store") $(mode "$store-wal") $(mode "$store-shm") $(mode "$store_key")" '640 640 640 640' \
	'init --group: the group may read'
is "$(stat -c %G "$store" "$store_key" "${store%/*}" "$store-wal" | sort -u)" "$group" 'init --group: whose they are'
printf 'store { path = "%s/a/b/c/store.db" key = "%s/d/e/store.key" }\n' "$work" "$work" >"$work/deep.conf"
conf=$work/deep.conf
tool 0 init
is "$(mode "$work/a/b/c") $(mode "$work/d/e")" '750 750' 'init makes the directories above, too'
: >"$work/file"
printf 'store { path = "%s/file/store.db" key = "%s/f/store.key" }\n' "$work" "$work" >"$work/deep.conf"
tool 3 init
is "$(find "$work/f" -type f 2>/dev/null)" '' 'init where no directory can be: no key is left behind'

# --- every command: help, usage --------------------------------------------

new_store "$work/main"
tool 0 --version
tool 0 --help
tool 0 help
tool 2
tool 2 no-such-command
for command in $("$build/snicert" --commands); do
	tool 0 "$command" --help
	has "$(head -n 1 "$work/out")" "usage: snicert $command" "$command --help"
	# A plugin of Nagios has exit codes of its own: tests/cli/status.sh.
	[ "$command" != check ] || continue
	refused 2 'unknown option "--no-such-option"' "$command" --no-such-option
	is "$(wc -l <"$work/err")" 1 "$command --no-such-option: one line"
	case $command in
	list | expiring | explain | log | used) refused 2 usage "$command" a b ;;
	verify | rekey | config | init | status | stats | unknown | exporter | follow) refused 2 usage "$command" a ;;
	fallback | trace) ;;
	owner) refused 2 usage owner a ;;
	fleet) refused 2 'did you mean join' fleet joni && refused 2 usage fleet wait a ;;
	setup) refused 2 'unknown server' setup a b ;;
	backup | restore) refused 2 usage "$command" && refused 2 usage "$command" a b ;;
	*) refused 2 usage "$command" ;;
	esac
done
for line in 'bind a.example' 'bind a.example 1 2' 'expiring soon' 'probe --timeout 0 localhost' \
	'rollback' 'rollback a b' 'rollback --default a.example' 'export a b' \
	'list --staged a b'; do
	refused 2 usage $line
done

refused 2 'unknown option "-1"' expiring -1
refused 2 'unknown key type "dsa"' probe --key-type dsa localhost
refused 2 'unknown client profile "browser"' explain --client browser a.example
for line in 'bind a..b 1' 'unbind 192.0.2.1.' 'bind 192.0.2.1 1' 'bind *.*.example 1' 'rollback a..b'; do
	refused 2 'is not a name' $line
done
refused 2 'not an IPv4 or IPv6 address' default --address nowhere 1

# --- an empty store: the answer is no --------------------------------------

for line in 'list' 'list --chains' 'default' 'expiring' 'show nobody.example' 'export nobody.example' \
	'unbind nobody.example' 'remove nobody.example' 'rollback nobody.example' 'rollback --fallback' \
	'explain nobody.example' 'explain' 'show 1' 'export 1'; do
	state >"$work/state"
	tool 1 $line
	unchanged "$line"
done
for line in 'bind a.example 1' 'default 1' 'activate 1' 'remove 1'; do
	refused 1 'no chain 1' $line
done
for line in 'list' 'list --chains' 'list --staged' 'expiring'; do
	tool 1 $line --json
	is "$(cat "$work/out")" '[]' "$line --json of nothing"
done
tool 0 verify --json
json_is "$work/out" '$.chains' 0 'verify: an empty store is a good one'

# --- what the commands say -------------------------------------------------

tool 0 import good-ec.pem good-rsa.pem good-two-keys.pem good-wildcard.pem good-ed25519.pem warn-short-life.pem
ec=$(chain_of good-ec.example) rsa=$(chain_of good-rsa.example)
tool 0 bind --json Vanity.Example. "$ec"
json_members "$work/out" '$' 'name chain result' 'bind --json: its members'
json_is "$work/out" '$.name' vanity.example 'bind: the name is normalised'
tool 0 bind '*.vanity.example' "$(sha_of parts/good-ec.crt)"
is "$(chain_of '*.vanity.example')" "$ec" 'bind by fingerprint'
tool 0 bind vanity.example "$(sha_of parts/good-rsa.crt | cut -c1-12)"
is "$(snicert list --json vanity.example | grep -c '"name"')" 2 'bind: key types stand side by side'
refused 1 'no chain 0000' bind vanity.example 0000
refused 3 'not a chain' bind vanity.example xyz
tool 0 unbind vanity.example '*.vanity.example'
tool 1 list '*vanity.example'
tool 1 unbind vanity.example

tool 0 fallback --json "$ec" "$rsa"
json_members "$work/out" '$[0]' 'chain key_type subject not_after sha256' 'default --json: its members'
tool 0 fallback --json "$ec"
is "$(grep -c '"chain"' "$work/out")" 1 'default replaces the whole fallback'
tool 0 fallback --address 2001:DB8:0:0::1 "$rsa"
tool 0 fallback --address 2001:db8::1 --json
json_is "$work/out" '$[0].chain' "$rsa" 'default --address: canonical'
tool 0 fallback --address ::ffff:192.0.2.7 "$rsa"
tool 0 fallback --address 192.0.2.7
tool 1 fallback --address 192.0.2.8
tool 1 default --address 192.0.2.8 # the word that it had
tool 0 fallback --address 192.0.2.7 none
tool 1 fallback --address 192.0.2.7
refused 1 'no chain 99' default "$ec" 99

tool 0 list --json
json_members "$work/out" '$[0]' 'name key_type chain not_after subject sha256 owner' 'list --json: its members'
tool 0 list --chains --json
json_members "$work/out" '$[0]' 'chain state key_type bindings not_after names sha256 source owner' \
	'list --chains --json: its members'
tool 0 list --json 'good-*'
is "$(grep -c '"name"' "$work/out")" 6 'list with a pattern'
tool 1 list 'nobody*'
tool 0 show --json good-two-keys.example
json_members "$work/out" '$[1]' 'chain state key_type key_bits curve subject names issuer serial not_before not_after days_left sha256 spki_sha256 intermediates key source created bound_to staged_for former owner' \
	'show --json: its members'
tool 1 show good-ec.example nobody.example
has "$(cat "$work/out")" 'CN=Fixture ec intermediate' 'show: what there is is shown'
tool 0 expiring --json
json_members "$work/out" '$[0]' 'chain key_type days_left not_after names subject bindings source sha256' \
	'expiring --json: its members'
json_is "$work/out" '$[0].names' '["warn-short-life.example"]' 'expiring: who'
json_is "$work/out" '$[1]' '' 'expiring: nobody else'
tool 1 expiring 5
tool 0 expiring 20w
tool 0 verify --json
json_members "$work/out" '$' 'findings chains names errors warnings' 'verify --json: its members'
json_is "$work/out" '$.findings' '[]' 'verify: all is well'
json_is "$work/out" '$.chains' 7 'verify: chains'
tool 0 config --json
json_members "$work/out" '$[0]' 'option value from' 'config --json: its members'
json_is "$work/out" '$[0].from' "$conf" 'config: from where'

tool 0 explain --json good-ec.example
json_members "$work/out" '$[0]' 'candidate key verdict key_types not_after sha256' 'explain --json: its members'
json_is "$work/out" '$[0].sha256[0]' "$(sha_of parts/good-ec.crt)" 'explain: the exact name'
tool 0 explain --json MX.good-wildcard.example.
json_is "$work/out" '$[1].candidate' wildcard 'explain: the wildcard'
json_is "$work/out" '$[1].sha256[0]' "$(sha_of parts/good-wildcard.crt)" 'explain: its leaf'
tool 0 explain --json --client tls12-rsa --address 2001:db8::1 good-ec.example
json_is "$work/out" '$[0].verdict' "client can't use it" 'explain: a client of RSA only'
has "$(cat "$work/out")" 'fallback of the address' 'explain: the fallback of the address'
tool 0 explain --json nobody.example
has "$(cat "$work/out")" 'global fallback' 'explain: the global fallback'
tool 0 explain --json
has "$(cat "$work/out")" 'global fallback' 'explain: no name'

tool 0 export good-ec.example
cmp -s "$work/out" parts/good-ec.chain.pem && ok 'export: what came in' || not_ok 'export: what came in'
tool 0 export --key --out "$work/exported.pem" good-ec.example
is "$(mode "$work/exported.pem")" 600 'export --out: its mode'
is "$(openssl pkey -in "$work/exported.pem" -pubout)" "$(openssl pkey -in parts/good-ec.key -pubout)" 'export --key: the key'
refused 3 'exists already' export --out "$work/exported.pem" good-ec.example
refused 3 'nowhere' export --out "$work/nowhere/file" good-ec.example
tool 0 export --key --json good-two-keys.example
json_members "$work/out" '$.chains[1]' 'chain sha256 key certificates' 'export --json: its members'
tool 0 import --json "$work/exported.pem"
json_is "$work/out" '$[0].result' unchanged 'what was exported is what is there'

refused 3 'unbind them first' remove "$ec"
tool 0 remove good-ec.example
tool 1 list good-ec.example
refused 3 'unbind them first' remove "$ec"
tool 0 fallback none
tool 0 remove "$ec"
tool 1 show "$ec"
tool 0 remove --force "$rsa"
tool 1 list good-rsa.example
refused 1 'nothing is bound to nobody.example' remove good-wildcard.example nobody.example
refused 1 'no chain 99' remove good-wildcard.example 99
tool 0 remove --json good-wildcard.example
json_members "$work/out" '$[0]' 'target result' 'remove --json: its members'
tool 1 unbind --json '*.good-wildcard.example' nobody.example
json_valid "$work/out" 'unbind --json'
json_members "$work/out" '$[0]' 'name unbound' 'unbind --json: its members'
tool 1 list '*good-wildcard.example'
tool 0 verify
tool 0 import good-ec.pem good-rsa.pem good-wildcard.pem
tool 0 fallback "$(chain_of good-ec.example)"

# --- backup, restore, rekey ------------------------------------------------

tool 0 backup --json "$work/backup"
json_members "$work/out" '$' 'file chains names sequence' 'backup --json: its members'
is "$(mode "$work/backup")" 600 'backup: its mode'
is "$(find "$work" -name 'backup-*')" '' 'backup: one file'
is "$(grep -ac 'PRIVATE KEY' "$work/backup")" 0 'backup: no key in the clear'
refused 3 'exists already' backup "$work/backup"
refused 3 nowhere backup "$work/nowhere/backup"
names_before=$(snicert list --json)
sequence_before=$(sqlite3 "$store" 'SELECT max(sequence) FROM change')
tool 0 remove --force "$(chain_of good-ec.example)" "$(chain_of good-rsa.example)"
isnt "$(snicert list --json)" "$names_before" 'before restore: something is missing'
tool 0 restore --json "$work/backup"
json_members "$work/out" '$' 'file chains names sequence' 'restore --json: its members'
is "$(snicert list --json)" "$names_before" 'restore: all is back'
[ "$(sqlite3 "$store" 'SELECT max(sequence) FROM change')" -gt "$((sequence_before + 1))" ] &&
	ok 'restore: the change log goes on' || not_ok 'restore: the change log goes on'
is "$(sqlite3 "$store" 'PRAGMA journal_mode')" wal 'restore: the store is still one with a WAL'
tool 0 verify
refused 3 nowhere restore "$work/nowhere"
refused 3 'not a database' restore good-ec.pem
refused 3 '' restore "$work"
sqlite3 "$work/other.db" 'CREATE TABLE t (a); PRAGMA user_version = 1'
refused 3 'not a snicert store' restore "$work/other.db"
size=$(stat -c %s "$work/backup")
head -c $((size / 2)) "$work/backup" >"$work/half"
refused 3 '' restore "$work/half"
cp "$work/backup" "$work/newer"
sqlite3 "$work/newer" 'PRAGMA user_version = 99'
refused 3 schema restore "$work/newer"
tool 0 verify

tool 0 rekey --json
json_members "$work/out" '$' resealed 'rekey --json: its members'
json_is "$work/out" '$.resealed' 7 'rekey: all of them'
is "$(wc -l <"$store_key")" 1 'rekey: one key in the file'
tool 0 verify
tool 0 export --key good-ec.example
# The backup is of the time before: sealed under a key that is gone.
refused 3 'store key' restore "$work/backup"

# A backup that was damaged in its place of rest must not take the store along.
new_store "$work/precious"
tool 0 import good-ec.pem good-rsa.pem
tool 0 backup "$work/damaged"
dd if=/dev/urandom of="$work/damaged" bs=4096 seek=4 count=$(($(stat -c %s "$work/damaged") / 4096 - 5)) conv=notrunc 2>/dev/null
refused 3 '' restore "$work/damaged"
tool 0 verify

# A store whose change log is damaged is what backups are for.
tool 0 backup "$work/sound"
page=$(sqlite3 "$store" "PRAGMA wal_checkpoint(TRUNCATE); SELECT 'root ' || rootpage FROM sqlite_schema WHERE name = 'change'" |
	sed -n 's/^root //p')
dd if=/dev/urandom of="$store" bs=4096 seek=$((page - 1)) count=1 conv=notrunc 2>/dev/null
tool 3 verify
tool 0 restore "$work/sound"
tool 0 verify

# --- stores that are none of ours, or none any more ------------------------

spoil() { # NAME COMMAND: a copy of the store, spoilt
	rm -rf "$work/spoilt"
	mkdir -p "$work/spoilt/db" "$work/spoilt/key"
	sqlite3 "$work/main/db/store.db" "VACUUM INTO '$work/spoilt/db/store.db'"
	cp "$work/main/key/store.key" "$work/spoilt/key/"
	chmod 600 "$work/spoilt/db/store.db"
	printf 'store { path = "%s/db/store.db" key = "%s/key/store.key" }\n' "$work/spoilt" "$work/spoilt" \
		>"$work/spoilt/conf"
	store_at "$work/spoilt"
	(cd "$work/spoilt" && eval "$1")
}
each_fails() { # PATTERN WHAT: every command that needs the store, and the file as before
	_sum=$(cksum <"$store" 2>&1)
	for _line in 'list' 'show good-ec.example' 'verify' 'import good-ed25519.pem' 'bind a.example 1' 'rekey' \
		'default none' 'explain good-ec.example' 'export good-ec.example' 'backup out' 'expiring'; do
		tool 3 $_line || continue
		is "$(wc -l <"$work/err")" 1 "$2: $_line: one error"
		has "$(cat "$work/err")" "$1" "$2: $_line: says so"
	done
	is "$(cksum <"$store" 2>&1)" "$_sum" "$2"
}
spoil 'sqlite3 db/store.db "PRAGMA application_id = 42"'
each_fails 'not a snicert store' 'of another application'
spoil 'sqlite3 db/store.db "PRAGMA user_version = 99"'
each_fails 'schema 99' 'of a newer schema'
spoil 'cp "$fixtures/good-ec.pem" db/store.db; chmod 600 db/store.db'
each_fails 'not a database' 'no store at all'
spoil 'head -c 5000 db/store.db >t; cat t >db/store.db'
each_fails 'malformed' 'cut in half'
spoil 'chmod 666 db/store.db'
each_fails 'unsafe mode' 'writable by everybody'
spoil ': >db/store.db'
each_fails 'not a snicert store' 'an empty file'
spoil 'rm db/store.db; mkdir db/store.db'
each_fails 'not a regular file' 'a directory'

# The key: gone, unsafe, another's.
for how in 'rm key/store.key' 'chmod 644 key/store.key' 'echo junk >key/store.key'; do
	spoil "$how"
	refused 3 'store' import good-ed25519.pem
	refused 3 'store' rekey
	refused 3 'store' export --key good-ec.example
	tool 1 verify
	tool 0 list
	tool 0 show good-ec.example
done
spoil 'sed -i "s/./\n/;s/^[0-9a-f]/0/" key/store.key'
tool 1 verify
new_store "$work/other"
spoil 'cp ../other/key/store.key key/store.key'
tool 1 verify
has "$(cat "$work/out")" 'another store key' "another store's key: verify says so"
refused 3 'another store key' rekey
refused 3 'another store key' export --key good-ec.example

# Damage that only verify sees.
spoil 'sqlite3 db/store.db "UPDATE cert SET der = zeroblob(length(der)) WHERE id = (SELECT min(id) FROM cert)"'
tool 1 verify --json
json_valid "$work/out" 'verify of a damaged certificate'
json_is "$work/out" '$.findings[0].severity' error 'verify finds the damaged certificate'
spoil 'sqlite3 db/store.db "UPDATE chain SET sealed_key = zeroblob(length(sealed_key)) WHERE id = (SELECT min(id) FROM chain)"'
tool 1 verify
spoil 'sqlite3 db/store.db "UPDATE chain SET not_after = not_after + 1 WHERE id = (SELECT min(id) FROM chain)"'
tool 1 verify

# --- a disk that is full -----------------------------------------------------

# What fails says which file it is about; what was done before it failed is said.
new_store "$work/room"
tool 0 import good-ec.pem
if [ -w /dev/full ]; then
	"$build/snicert" -c "$conf" import good-rsa.pem >/dev/full 2>"$work/err"
	is $? 3 'the output can not be written'
	has "$(cat "$work/err")" 'the store was changed all the same' 'that the store was changed is said'
	isnt "$(chain_of good-rsa.example)" '' 'as it was'
	"$build/snicert" -c "$conf" list >/dev/full 2>"$work/err"
	is $? 3 'list: the output can not be written'
	hasnt "$(cat "$work/err")" 'was changed' 'list changes nothing, and does not say so'
else
	skip 'an output that can not be written' 'no /dev/full'
fi
mkdir -p "$work/disk"
if am_root && unshare -m mount -t tmpfs -o size=200k none "$work/disk" 2>/dev/null; then
	for left in 0 20 140; do
		unshare -m sh -c 'disk=$1; mount -t tmpfs -o size=200k none "$1" && head -c $(((200 - $2) * 1024)) /dev/zero >"$1/fill"
			shift 2; "$@"; status=$?; [ ! -e "$disk/b.db" ] && [ ! -e "$disk/b.db.part" ] || status="$status, and left something"
			exit $status' sh "$work/disk" $left "$build/snicert" -c "$conf" backup "$work/disk/b.db" >"$work/out" 2>"$work/err"
		is $? 3 "a backup where $left KiB are left"
		has "$(cat "$work/err")" "$work/disk/b.db.part can't be written: " "a backup where $left KiB are left: names the copy"
		hasnt "$(cat "$work/err")" 'I/O error' "a backup where $left KiB are left: says why"
	done
else
	skip 'a disk that is full' 'no mount for us'
fi

# --- another user ----------------------------------------------------------

if am_root && command -v setpriv >/dev/null; then
	as_nobody() { # EXIT PATTERN ARG…
		_exit=$1 _pattern=$2
		shift 2
		setpriv --reuid=nobody --regid=nogroup --clear-groups "$build/snicert" -c "$conf" "$@" \
			>"$work/out" 2>"$work/err"
		is $? "$_exit" "as another user: $*"
		has "$(cat "$work/err")" "$_pattern" "as another user: $*: says why"
	}
	if setpriv --reuid=nobody --regid=nogroup --clear-groups "$build/snicert" --version >/dev/null 2>&1; then
		store_at "$work/main"
		state >"$work/state"
		new_store "$work/seen"
		chmod 755 "$work/seen/db"
		as_nobody 3 "can't be read (run as its owner" list
		store_at "$work/main"
		for line in list 'import /dev/null' 'bind a.example 1' rekey verify; do
			as_nobody 3 'ermission denied' $line
		done
		unchanged 'as another user'
		new_store "$work/group2" --group nogroup
		tool 0 import good-ec.pem good-rsa.pem
		state >"$work/state"
		as_nobody 0 '' list
		as_nobody 0 '' verify
		as_nobody 0 '' explain good-ec.example
		as_nobody 0 '' export --key good-ec.example
		as_nobody 3 "can't be written" bind a.example 1
		as_nobody 3 "can't be written" rekey
		unchanged 'of the group, reading'
	else
		skip 'as another user' "nobody can't run $build/snicert"
	fi
else
	skip 'as another user' 'not root'
fi

# --- no room ---------------------------------------------------------------

if am_root && unshare -m true 2>/dev/null; then
	mkdir "$work/full" "$work/many"
	cheap_key "$work/many.key"
	for i in $(seq 60); do cheap_chain "$work/many/$i.pem" "$work/many.key" host$i.example; rm "$work/many/$i.pem.crt"; done
	cat >"$work/full.sh" <<-'FULL'
		mount -t tmpfs -o size=1m tmpfs "$work/full" || exit 77
		mkdir "$work/full/a"
		new_store "$work/full/a"
		tool 0 import good-ec.pem
		tool 0 bind vanity.example 1
		# Leave less than the batch needs.
		head -c 2000000 /dev/zero >"$work/full/filler" 2>/dev/null
		truncate -s -40960 "$work/full/filler"
		refused 3 '' import "$work/many"
		has "$(cat "$work/err")" 'make room' 'on a full disk: the fix'
		head -c 2000000 /dev/zero >>"$work/full/filler" 2>/dev/null
		refused 3 '' import good-rsa.pem
		refused 3 '' rekey
		refused 3 '' backup "$work/full/backup"
		[ ! -e "$work/full/backup" ] && ok 'no half backup stays' || not_ok 'no half backup stays'
		refused 3 '' export --out "$work/full/out" 1
		tool 0 show 1
		rm "$work/full/filler"
		tool 0 verify
		tool 0 import good-rsa.pem
		tool 0 rekey
		tool 0 verify
		echo "$passed $failed" >"$work/full.count"
	FULL
	# A subshell of this script in a mount namespace of its own.
	if env SNICERT_FULL="$work" unshare -m sh -c '
		work=$SNICERT_FULL
		lib_stop=
		. "'"$src"'/tests/lib.sh"
		cd "'"$fixtures"'"
		. "$work/full.sh"
	' "$0"; then
		read -r full_passed full_failed <"$work/full.count"
		passed=$((passed + full_passed)) failed=$((failed + full_failed))
	else
		skip 'a full disk' 'no tmpfs here'
	fi
else
	skip 'a full disk' 'not root, or no mount namespace'
fi

# --- configuration ---------------------------------------------------------

store_at "$work/main"
good_conf=$conf
state >"$work/state"
for text in 'colour = "blue"' 'expired = "never"' 'store { pth = "/x" }' 'cache { memory = "lots" }' 'store {' \
	'wildcard = "perhaps"'; do
	{ cat "$good_conf"; echo "# a line"; echo "$text"; } >"$work/bad.conf"
	conf=$work/bad.conf
	tool 3 list
	is "$(wc -l <"$work/err")" 1 "configuration with $text: one error"
	has "$(cat "$work/err")" "$work/bad.conf:" "configuration with $text: names file"
	case $text in
	'store {') ;; # its end is where the trouble is
	*) has "$(cat "$work/err")" "$work/bad.conf:$(wc -l <"$work/bad.conf"):" "configuration with $text: names the line" ;;
	esac
	tool 3 import good-ed25519.pem
done
conf=$work/nowhere.conf
tool 3 config
chmod 666 "$work/bad.conf"
conf=$work/bad.conf
tool 3 config
conf=$good_conf
unchanged 'bad configurations'

# --- cut off, and side by side ---------------------------------------------

new_store "$work/big"
mkdir "$work/chains"
cheap_key "$work/big.key"
for i in $(seq 200); do
	cheap_chain "$work/chains/h$i.pem" "$work/big.key" h$i.example
	rm "$work/chains/h$i.pem.crt"
done
tool 0 import "$work/chains"
verified() { # WHAT
	tool 0 verify --json || { head -c 600 "$work/out"; return; }
	json_is "$work/out" '$.chains' "${2:-200}" "$1: all chains are there"
}
# At twenty of its calls, the first and the last among them: each has its turn in tests/torture/kill.sh.
calls=$(calls_of "$build/snicert" -c "$conf" rekey)
for i in $(seq 0 19); do
	at=$((1 + i * (calls - 1) / 19))
	has "$(killed_at $at "$build/snicert" -c "$conf" rekey)" "killed $at " "rekey is cut off at call $at of $calls"
	verified "rekey cut off at call $at of $calls"
done
# However often, and however many keys are left behind in the file.
tool 0 rekey
is "$(wc -l <"$store_key")" 1 'rekey after those cut off: one key in the file'
verified 'rekey after those cut off'
# Cut off between the new key and the commit, three times over: the file has
# three keys too many, and the store is sealed under the first.
for i in 1 2 3; do
	mkdir -p "$work/stray$i"
	printf 'store { path = "%s/db/s" key = "%s/key/k" }\n' "$work/stray$i" "$work/stray$i" >"$work/stray$i/conf"
	"$build/snicert" -c "$work/stray$i/conf" init >/dev/null
	cat "$work/stray$i/key/k" >>"$store_key"
	verified "rekey cut off behind the new key, $i times"
done
tool 0 rekey
is "$(wc -l <"$store_key")" 1 'rekey after three cut off: one key in the file'
verified 'rekey after three cut off'

new_store "$work/cut"
calls=$(calls_of "$build/snicert" -c "$conf" import "$work/chains")
for i in $(seq 0 9); do
	rm -rf "$work/cut"
	new_store "$work/cut"
	at=$((1 + i * (calls - 1) / 9))
	has "$(killed_at $at "$build/snicert" -c "$conf" import "$work/chains")" "killed $at " "import is cut off at call $at of $calls"
	tool 0 verify --json
	case $(json "$work/out" '$.chains') in
	0 | 200) ok "import cut off at call $at of $calls: all or nothing" ;;
	*) not_ok "import cut off at call $at of $calls: all or nothing" "$(json "$work/out" '$.chains') chains" ;;
	esac
done

new_store "$work/both"
mkdir "$work/odd" "$work/even"
for i in $(seq 1 2 199); do mv "$work/chains/h$i.pem" "$work/odd/"; done
mv "$work/chains"/* "$work/even/"
"$build/snicert" -c "$conf" import "$work/odd" >/dev/null 2>"$work/odd.err" &
one=$!
"$build/snicert" -c "$conf" import "$work/even" >/dev/null 2>"$work/even.err" &
two=$!
wait $one
is "$? $(grep -v 'waiting up to' "$work/odd.err")" '0 ' 'two imports at once: one'
wait $two
is "$? $(grep -v 'waiting up to' "$work/even.err")" '0 ' 'two imports at once: the other'
verified 'two imports at once'
list=
for i in $(seq 8); do
	"$build/snicert" -c "$conf" bind "v$i.example" "$i" >/dev/null 2>>"$work/binds.err" &
	list="$list $!"
done
"$build/snicert" -c "$conf" rekey >/dev/null 2>>"$work/binds.err" &
for pid in $list $!; do
	wait "$pid"
	is $? 0 'binds and rekey at once'
done
is "$(grep -v 'waiting up to' "$work/binds.err")" '' 'binds and rekey at once: no complaint'
is "$(snicert list --json 'v*.example' | grep -c '"name"')" 8 'binds and rekey at once: all bound'
verified 'binds and rekey at once'
lib_finish
