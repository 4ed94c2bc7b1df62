#!/bin/sh
# SPDX-License-Identifier: ISC
# large.sh: a store of more than 8 GiB, which no 32 bits count: what is beyond
# is written, served, and told of.  Nearly all of it is a hole.
# shellcheck disable=SC1091,SC2034,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start large

pages=2200000 # of 4 KiB
own_certificate
cheap_key key
for n in before after; do cheap_chain $n.pem key $n.example; done
new_store "$work/a"
tool 0 import before.pem
sqlite3 "$store" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
is "$(sqlite3 "$store" 'PRAGMA page_size')" 4096 'octets of a page'
# "Database file format", section 1.3: the size in pages is at 28.
rm -f "$store-wal" "$store-shm"
if ! truncate -s $((pages * 4096)) "$store"; then
	skip 'a store of 8 GiB' 'no such files here'
	lib_finish
fi
# shellcheck disable=SC2059 # the octets, in octal
printf "$(printf '\\%03o\\%03o\\%03o\\%03o' $((pages >> 24)) $((pages >> 16 & 255)) $((pages >> 8 & 255)) $((pages & 255)))" |
	dd of="$store" bs=1 seek=28 conv=notrunc 2>/dev/null
mkdir more
for i in $(seq 24); do cheap_chain more/$i.pem key m$i.example; done
tool 0 import after.pem more
is "$(($(sqlite3 "$store" 'PRAGMA page_count') > pages))" 1 'there is more in it than before'
start_mta large
for n in before after; do is "$(leaf_of $n.example)" "$(sha_of $n.pem.crt)" "served: $n.example"; done
is "$(leaf_of m24.example)" "$(sha_of more/24.pem.crt)" 'served: m24.example'
is "$(sqlite3 "$store" 'PRAGMA wal_checkpoint(TRUNCATE)')" '0|0|0' 'the WAL is written to the store'
is "$(($(stat -c %s "$store") > pages * 4096))" 1 'what was taken in is behind the hole'
cheap_chain after.pem key after.example
tool 0 import after.pem
for n in before after; do is "$(leaf_of $n.example)" "$(sha_of $n.pem.crt)" "served after a commit: $n.example"; done
is "$(leaf_of m24.example)" "$(sha_of more/24.pem.crt)" 'served from the store itself: m24.example'
stop_mta large
tool 0 status --json
is "$(($(json out '$.overview.octets') > pages * 4096))" 1 'status: its size'
lib_finish
