#!/bin/sh
# SPDX-License-Identifier: ISC
# lists.sh: two servers of two users, one let in by its group and the other by access lists, as `snicert setup`
# prints them: both read the store after every way of making its files anew.
# shellcheck disable=SC1091,SC2015,SC2034,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start lists
am_root || { echo 'SKIPPED: two users take root'; exit 77; }
command -v setfacl >/dev/null || { echo 'SKIPPED: no setfacl (package acl)'; exit 77; }
: >probe && setfacl -m u:7:r probe 2>/dev/null || { echo 'SKIPPED: no access lists on this file system'; exit 77; }
module=$build/.libs/snicert.so
first=mail second=list # users of every Debian, each with a group of its own

# As the packages make it: servers pass through the store's directory.
store_at "$work/main"
mkdir -p main/db main/key
chmod 711 main/db
chmod 755 main/key
printf 'store { path = "%s" key = "%s" }\nstats { path = "%s/main/db/stats" }\n' "$store" "$store_key" "$work" >"$conf"
tool 0 init --group $first

# --- what the page says for the second server

fake "$work/bin/dovecot" <<-'SH'
	echo '2.3.19.1 (9b53102964)'
SH
fake "$work/bin/doveconf" <<-SH
	grep "^\$1 = " "$work/settings"
SH
mkdir lib && cp "$(command -v openssl)" lib/libssl_iostream_openssl.so
as() { # USER: whom the server runs as
	printf '%s\n' 'protocols = imap' "libexec_dir = $work/lib" "default_login_user = $1" 'ssl = yes' 'ssl_cert = </etc/own.pem' \
		'import_environment = TZ' >settings
}
page() { # USER: the commands by which it is let in
	as "$1"
	PATH=$work/bin:$PATH tool 0 setup --module "$module" --json dovecot
	sqlite3 :memory: "SELECT json_extract(value, '\$.text') FROM json_each(CAST(readfile('out') AS TEXT))
		WHERE json_extract(value, '\$.kind') = 'command' AND json_extract(value, '\$.text') GLOB '*$work*'" |
		grep -E '^(chgrp|chmod|setfacl)'
}
found() { # CHECK, of --check
	sqlite3 :memory: "SELECT json_extract(value, '\$.result') || ': ' || json_extract(value, '\$.finding') || ' -> ' ||
		ifnull(json_extract(value, '\$.fix'), '') FROM json_each(CAST(readfile('out') AS TEXT))
		WHERE json_extract(value, '\$.check') = '$1'"
}
reads() { # USER: what it can't, of the files
	for _file in "$store" "$store"-wal "$store"-shm "$store_key"; do
		setpriv --reuid "$1" --regid "$1" --clear-groups cat "$_file" >/dev/null 2>&1 || echo "${_file##*/} $(stat -c '%U:%G %a' "$_file" 2>&1)"
	done
}
both() { # WHAT
	for _user in $first $second; do is "$(reads $_user)" '' "$1: $_user reads all of it"; done
}
is "$(reads $first)" '' "init --group: $first reads all of it"
page $second >commands
has "$(cat commands)" "setfacl -m u:$second:r $store" 'the second server: access lists'
has "$(cat commands)" "setfacl -d -m u:$second:r,g::rx $work/main/db" '… for files made anew, too'
has "$(cat commands)" "setfacl -d -m u:$second:r,g::rx $work/main/key" '… and a new key'
sh -e commands || not_ok 'the commands of the page'
both 'as the page says'

# --- files made anew

check() { # WHAT: as --check says, which opens the store as its user
	for _user in $first $second; do
		as $_user
		PATH=$work/bin:$PATH snicert setup --module "$module" --check --json dovecot >out 2>err
		has "$(found store)" "ok: *open as root and as $_user" "$1: --check as $_user"
	done
}
every_way() { # LISTS
	rm -f "$store"-shm main/db/stats
	tool 0 verify
	both "$1: list without an index"
	rm -f "$store"-shm "$store"-wal
	tool 0 import --no-bind "$fixtures/good-ec.pem"
	both "$1: import without WAL and index"
	check "$1: import without WAL and index"
	rm -f "$store"-shm main/db/stats
	own_certificate
	start_mta one
	served good-ec.example >/dev/null
	both "$1: an index that the module made"
	has "$(getfacl -cpn main/db/stats 2>&1)" 'group::r--' "$1: statistics"
	stop_mta one
	tool 0 rekey
	both "$1: rekey"
	rm -f copy
	tool 0 backup copy
	rm -f "$store" "$store"-*
	tool 0 init --group $first
	both "$1: init"
	check "$1: init"
	tool 0 restore copy
	both "$1: restore"
	rm -f "$store" "$store"-* "$store_key"
	tool 0 init --group $first
	both "$1: init, with a new key"
	tool 0 import "$fixtures/good-ec.pem"
	sqlite3 "$store" "$to_schema_4 PRAGMA user_version = 4; PRAGMA wal_checkpoint" >/dev/null || not_ok 'an old schema'
	rm -f "$store"-*
	tool 0 verify
	both "$1: brought up to date"
	check "$1: brought up to date"
}
every_way 'as the page says'

# As earlier releases said: the group's entry is what the directory's mode says.
setfacl -k main/db main/key
setfacl -d -m u:$second:r main/db
setfacl -d -m u:$second:r main/key
every_way 'a list without the group'

# Whom the list names reads a store without a group, and nobody else; a backup is its owner's alone.
rm -f "$store" "$store"-* "$store_key" main/db/copy
tool 0 init
is "$(reads $second)" '' "init without a group: $second reads all of it"
has "$(reads $first)" 'store.db ' "init without a group: $first does not"
has "$(reads $first)" 'store.key ' "init without a group: $first does not read the key"
tool 0 backup main/db/copy
is "$(stat -c %a main/db/copy)" 600 'a backup there: its owner alone'
tool 0 verify

# --- files that an earlier release made

rm -f "$store" "$store"-* "$store_key"
tool 0 init --group $first
for file in "$store" "$store_key" "$store"-wal "$store"-shm; do setfacl -m g::x "$file" && chmod 640 "$file"; done
page $first >commands
is "$(grep -c "^setfacl -m g::r " commands)" 4 'the group can not read: setfacl, not chmod'
hasnt "$(cat commands)" chmod '… chmod would change the mask'
sh -e commands || not_ok 'the commands of the page'
both 'fixed as the page says'
setfacl -m g::- "$store"-wal "$store"-shm
tool 0 import "$fixtures/good-ec.pem"
both 'what stands beside the store is set right by the next command'

# --- no setfacl

setfacl -b "$store_key"
as $second
if [ ! -e /usr/local/bin/setfacl ] && unshare -m true 2>/dev/null; then
	cat >hidden.sh <<-SH
		for file in /usr/bin/setfacl /bin/setfacl; do [ ! -e \$file ] || mount --bind /dev/null \$file 2>/dev/null; done
		PATH=$work/bin:\$PATH
		"$build/snicert" -c "$conf" setup --module "$module" dovecot >out 2>err
		"$build/snicert" -c "$conf" setup --module "$module" --check --json dovecot >checked 2>>err
	SH
	unshare -m --propagation private sh hidden.sh
	has "$(tr -s ' \n' '  ' <out)" 'setfacl is not here: install the package acl first.' 'no setfacl: the page says where it is from'
	cp checked out
	has "$(found permissions)" 'warn: setfacl, which lets list in, is not here -> install the package acl' 'no setfacl: so does --check'
else
	skip 'no setfacl' 'no namespaces of mounts'
fi
lib_finish
