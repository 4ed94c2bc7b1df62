#!/bin/sh
# SPDX-License-Identifier: ISC
# size.sh: a WAL of more than 2 GiB, with clients: what was committed behind that is
# served, and the tool works.  (A store of more than 8 GiB: tests/cli/large.sh.)
#
#   TORTURE_BLOBS=N   of 900 MB each: 3; with 5 it is more than 4 GiB
# shellcheck disable=SC1091,SC2015,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/torture/lib.sh"
torture_start size

blobs=${TORTURE_BLOBS:-3}
what='a WAL of more than 2 GiB'
free=$(($(stat -f -c '%a * %S' .) / 1048576))
if [ -n "${TORTURE_QUICK:-}" ] || [ $free -lt $((blobs * 3000)) ]; then
	# It is no fault of the machine's: not one that SNICERT_NO_SKIP minds.
	echo "skip: $what: it takes $((blobs * 3)) GB of disk, and some time"
	lib_finish
fi
own_certificate
torture_store "$work/store" 40
start_mta size --threads 4
clients --clients 1 --name-pattern host%d.example --name-count 40
# Nobody copies it back to the store meanwhile: the server has it open, and doesn't.
fill=
for _ in $(seq "$blobs"); do fill="$fill INSERT INTO ballast VALUES (zeroblob(900000000));"; done
sqlite3 -cmd '.timeout 10000' "$store" "PRAGMA wal_autocheckpoint = 0; CREATE TABLE ballast (x BLOB); $fill" >filled.out 2>&1 || not_ok "$what: it is made" "$(cat filled.out)"
wal=$(stat -c %s "$store-wal")
[ "$wal" -gt 2147483648 ] && ok "$what: it is" || not_ok "$what: it is" "$wal octets"
clients_end
is "$failed_handshakes $other_chain" '0 0' "$what, as it is written: each client gets its chain"

# host1 and host2 change places, in frames that lie behind.
leaf1=$(leaf_of host1.example) leaf2=$(leaf_of host2.example)
isnt "$leaf1" "$leaf2" "$what: two chains"
sqlite3 -cmd '.timeout 10000' "$store" "PRAGMA wal_autocheckpoint = 0; UPDATE binding SET chain =
	(SELECT sum(chain) FROM binding WHERE name IN ('host1.example', 'host2.example')) - chain
	WHERE name IN ('host1.example', 'host2.example')" >/dev/null
is "$(leaf_of host1.example) $(leaf_of host2.example)" "$leaf2 $leaf1" "$what: what is committed behind is served"
start_mta later --threads 2
is "$(leaf_of host1.example) $(leaf_of host2.example)" "$leaf2 $leaf1" "$what: a server that starts with it"
stop_mta later
port=$(cat size.port)
cheap_chain renewed.pem hosts.key host1.example host1.example 99
timeout 300 "$build/snicert" -c "$conf" import renewed.pem >/dev/null || not_ok "$what: import"
is "$(leaf_of host1.example)" "$(sha_of renewed.pem.crt)" "$what: the tool works"
timeout 300 "$build/snicert" -c "$conf" verify >verify.out 2>&1 || not_ok "$what: verify" "$(head -n 3 verify.out)"
row "$what" "$wal octets" "$got as it was written; what was committed behind it was served, and verify finds nothing"
stop_mta size
lib_finish
