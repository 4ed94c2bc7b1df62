#!/bin/sh
# SPDX-License-Identifier: ISC
# unsafe.sh: files that others could have written or read are refused, by the
# tool with the fix, by the module with a line in the log and the server's own
# certificate; once fixed the server that was running all the time serves again.
# shellcheck disable=SC1091,SC2015,SC2034,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start unsafe

own_certificate
new_store "$work/store"
mv "$conf" "$work/conf" # not below what is made unsafe
conf=$work/conf
cheap_key key
cheap_chain known.pem key known.example
tool 0 import known.pem
safe() { # as they are to be
	chmod 755 "$work/store" "$work/store/db" "$work/store/key"
	chmod 600 "$store" "$store_key"
	chmod 644 "$conf"
	! am_root || chown -R 0 "$work/store"
}

is_healed() { [ "$(served known.example)" = known.example ]; }
unsafe() { # WHAT WHOM-IT-SERVES MEND COMMAND
	safe
	eval "$4"
	snicert verify >out 2>&1 && not_ok "the tool has no complaint: $1"
	has "$(cat out)" "$3" "the tool: $1"
	start_mta "${1%% *}$((n = n + 1))" --threads 2
	is "$(served known.example)" "$2" "who is served: $1"
	has "$(grep -v 'info' "$mta.mta.log")" "$3" "the log: $1"
	safe
	if [ "$2" != known.example ]; then
		# Trouble is looked at again after a while.
		await "fixed: $1" is_healed && ok "fixed: $1"
	fi
	stop_mta "$mta"
}
n=0
unsafe 'store key for all to read' own.example "chmod g-wx,o-rwx $store_key" 'chmod 644 "$store_key"'
unsafe 'store key that its group may change' own.example "chmod g-wx,o-rwx $store_key" 'chmod 660 "$store_key"'
unsafe 'store that all may change' own.example "chmod o-w $store" 'chmod 606 "$store"'
unsafe 'directory of the store that all may change' own.example "chmod o-w $work/store/db" 'chmod 777 "$work/store/db"'
unsafe 'directory of the key that all may change' own.example "chmod o-w $work/store/key" 'chmod 757 "$work/store/key"'
unsafe 'directory above both' own.example "chmod o-w $work/store" 'chmod 777 "$work/store"'
if am_root; then
	unsafe 'store of somebody else' own.example "chown it to root" 'chown 65534 "$store"'
	unsafe 'store key of somebody else' own.example "chown it to root" 'chown 65534 "$store_key"'
else
	skip 'files of somebody else' 'not root'
fi
# What lies beside the store is anybody's own only where the directory is theirs.
complaint() { # MEND WHAT: of the tool; the module reads what SQLite reads
	snicert verify >out 2>&1 && not_ok "the tool has no complaint: $2"
	has "$(cat out)" "$1" "the tool: $2"
	snicert check >out 2>&1
	has "$(cat out)" "$1" "check: $2"
}
if am_root; then
	# SQLite gives root's to whom the store belongs, so this is for others to see.
	if setpriv --reuid=65534 --clear-groups "$build/snicert" --version >out 2>&1; then
		safe
		chmod 755 "$work" && chmod 644 "$store" "$store-wal" "$store-shm"
		for tail in wal shm; do
			chown 65533 "$store-$tail"
			setpriv --reuid=65534 --clear-groups "$build/snicert" -c "$conf" check >out 2>&1
			has "$(cat out)" "$store-$tail belongs to uid 65533" "check: -$tail of somebody else"
			chown 0 "$store-$tail"
		done
	else
		skip 'what lies beside the store, as others see it' "nobody can't run the tool here"
	fi
	safe
	chown 65534 "$work/store" && chown 65533 "$work/store/db"
	complaint "$work/store/db belongs to uid 65533" "the store's directory, in another's"
	# Theirs: the directory, all that is in it, and the key.
	safe
	chown -R 65534 "$work/store/db" && chown 65534 "$store_key"
	tool 0 verify
	chown 0 "$store" "$store-wal" "$store-shm"
	complaint "$store_key belongs to uid 65534" 'a key of who has the directory, and not the store'
	# A store that may not be theirs makes no key theirs.
	safe
	chown 65534 "$store" "$store_key"
	complaint 'chown it to root' 'a store and a key of somebody else'
fi
# Sticky, as /tmp is: nobody takes away what is another's.
safe
chmod 1777 "$work/store" "$work/store/db" "$work/store/key"
tool 0 list
start_mta sticky
is "$(served known.example)" known.example 'sticky directories are fine'
stop_mta sticky
safe

# The configuration: the tool refuses; the module has its defaults, and tells the system's log so.
for how in 'chmod 666' 'chmod 664' 'chown 65534'; do
	case $how in chown*) am_root || continue ;; esac
	safe
	$how "$conf"
	tool 3 list
	has "$(cat err)" "$conf" "the tool: a configuration after $how"
	start_mta "conf$((n = n + 1))" --threads 2
	is "$(served known.example)" own.example "the module goes by its defaults: $how"
	stop_mta "$mta"
done
safe
lib_finish
