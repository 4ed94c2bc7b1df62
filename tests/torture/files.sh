#!/bin/sh
# SPDX-License-Identifier: ISC
# files.sh: what can happen to the store's files while a server serves from them,
# with clients all the time.  Each handshake completes; once the file is as it was,
# each client gets its own chain again.
# shellcheck disable=SC1091,SC2015,SC2086,SC2154,SC2329
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/torture/lib.sh"
torture_start files
times=${TORTURE_TIMES:-5}
lasts=3
[ -z "${TORTURE_QUICK:-}" ] || times=1 lasts=1

own_certificate
torture_store "$work/store" 150
# Room for some of the chains: each fault meets look-ups, and names in the cache.
echo 'cache { memory = "1M" }' >>"$conf"
db=$work/store/db shm=$store-shm wal=$store-wal
cp -a "$db" pristine
cp -a "$store_key" pristine.key
(new_store "$work/other" && cheap_key other.key && cheap_chain other.pem other.key elsewhere.example &&
	snicert import other.pem >/dev/null)
noise() { # FILE: over what is there, as long as it was
	dd if=/dev/urandom of="$1" bs=4096 count=$(($(stat -c %s "$1") / 4096)) conv=notrunc 2>/dev/null
}
put_back() {
	rm -rf "$store" "$shm" "$wal"
	cp -a pristine/. "$db"
	rm -rf "$store_key"
	cp -a pristine.key "$store_key"
}

fault_index_cut() { truncate -s 0 "$shm"; }
fault_index_cut_within() { truncate -s 20 "$shm"; }
fault_index_zero() { truncate -s 0 "$shm" && truncate -s 32768 "$shm"; }
fault_index_noise() { noise "$shm"; }
fault_index_removed() { rm "$shm"; }
fault_index_cut_often() { for _ in $(seq $((lasts * 50))); do truncate -s 0 "$shm"; sleep 0.02; done; }
fault_wal_cut() { truncate -s 0 "$wal"; }
fault_wal_removed() { rm "$wal"; }
fault_wal_noise() { truncate -s 40960 "$wal" && noise "$wal"; }
fault_both_removed() { rm "$wal" "$shm"; }
fault_store_cut() { truncate -s 0 "$store"; }
fault_store_cut_in_half() { truncate -s $(($(stat -c %s "$store") / 2)) "$store"; }
fault_store_noise() { noise "$store"; }
fault_store_removed() { rm "$store"; }
fault_store_replaced() { cp "$work/other/db/store.db" "$store.new" && mv "$store.new" "$store"; }
fault_store_copied_over() { cp "$work/other/db/store.db" "$store"; }
fault_store_directory() { rm "$store" && mkdir "$store"; }
fault_store_symlink() { rm "$store" && ln -s "$work/other/db/store.db" "$store"; }
fault_store_dangling() { rm "$store" && ln -s nowhere "$store"; }
fault_store_zeros() { rm "$store" && ln -s /dev/zero "$store"; }
fault_store_fifo() { rm "$store" && mkfifo "$store"; }
fault_store_unsafe() { chmod 666 "$store"; }
fault_key_removed() { rm "$store_key"; }
fault_key_changed() { cp "$work/other/key/store.key" "$store_key"; }
fault_key_noise() { noise "$store_key"; }
fault_key_unsafe() { chmod 666 "$store_key"; }
fault_key_directory() { rm "$store_key" && mkdir "$store_key"; }
fault_key_fifo() { rm "$store_key" && mkfifo "$store_key"; }
fault_locked() {
	{ echo 'BEGIN EXCLUSIVE; DELETE FROM binding;'; sleep "$hold"; echo 'ROLLBACK;'; } |
		timeout 90 sqlite3 "$store" >/dev/null 2>&1
}

cases="index_cut:the WAL index cut to nothing
index_cut_within:the WAL index cut within its header
index_zero:the WAL index filled with zeros
index_noise:the WAL index overwritten with noise
index_removed:the WAL index removed
index_cut_often:the WAL index cut to nothing, 50 times a second
wal_cut:the WAL cut to nothing
wal_removed:the WAL removed
wal_noise:the WAL overwritten with noise
both_removed:the WAL and its index removed
store_cut:the store cut to nothing
store_cut_in_half:the store cut in half
store_noise:the store overwritten with noise
store_removed:the store removed
store_replaced:another store moved into its place
store_copied_over:another store copied over it
store_directory:a directory in its place
store_symlink:a symlink to another store in its place
store_dangling:a dangling symlink in its place
store_zeros:a symlink to /dev/zero in its place
store_fifo:a FIFO in its place
store_unsafe:the store writable for everybody
key_removed:the store key removed
key_changed:another store's key in its place
key_noise:the store key overwritten with noise
key_unsafe:the store key writable for everybody
key_directory:a directory in place of the store key
key_fifo:a FIFO in place of the store key
locked:a transaction that has deleted all names stays open"

hold=3
[ -n "${TORTURE_QUICK:-}" ] || hold=60
start_mta files --threads 8
server=$(cat files.pid)
echo "$cases" >cases
while IFS=: read -r fault what; do
	time_left || break
	n=0 sum_handshakes=0 sum_other=0 sum_failed=0
	limit=$times
	[ "$fault" != locked ] || limit=1
	while [ $n -lt "$limit" ]; do
		n=$((n + 1))
		clients --clients 3 --name-pattern host%d.example --name-count 150
		sleep 0.3
		fault_$fault || not_ok "$what: it was done"
		sleep "$lasts"
		clients_end
		sum_handshakes=$((sum_handshakes + handshakes)) sum_other=$((sum_other + other_chain))
		sum_failed=$((sum_failed + failed_handshakes))
		put_back
		sleep 0.1
		kill -0 "$server" 2>/dev/null || break
		"$build/starttls-load" --port "$port" --count 150 --clients 2 --name-pattern host%d.example \
			--name-count 150 --expect-san >after.out 2>&1 ||
			not_ok "$what: afterwards each gets its own chain" "$(cat after.out)"
	done
	is "$sum_failed" 0 "$what: no handshake fails"
	row "$what" "$n times" "$sum_handshakes handshakes: $((sum_handshakes - sum_other)) their own chain, $sum_other another, $sum_failed failed"
	kill -0 "$server" 2>/dev/null || { not_ok "$what: the server lives" "$(tail -n 3 files.mta.log)"; break; }
done <cases
stop_mta files

# Nobody else had it open: SQLite keeps it to itself then, and readers out.
what='the store locked exclusively as a server starts'
{ echo 'PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; SELECT count(*) FROM binding;'; sleep "$hold"; } |
	timeout 90 sqlite3 "$store" >locked 2>&1 &
locker=$!
for _ in $(seq 100); do [ -s locked ] || sleep 0.1; done
is "$(tail -n 1 locked)" 150 "$what: it was"
start_mta locked --threads 8
clients --clients 3 --name-pattern host%d.example --name-count 150
sleep "$lasts"
[ -n "${TORTURE_QUICK:-}" ] || sleep 50
clients_end
is "$failed_handshakes" 0 "$what: no handshake fails"
row "$what" "$hold s" "$got"
wait $locker
"$build/starttls-load" --port "$port" --count 150 --clients 2 --name-pattern host%d.example --name-count 150 \
	--expect-san >after.out 2>&1 || not_ok "$what: afterwards each gets its own chain" "$(cat after.out)"
stop_mta locked

# The configuration, which a server reads once.
cp "$conf" pristine.conf
spoil_conf() {
	rm -rf "$conf"
	case $1 in
	missing) ;;
	'a directory') mkdir "$conf" ;;
	'a FIFO') mkfifo "$conf" ;;
	'a symlink to /dev/zero') ln -s /dev/zero "$conf" ;;
	noise) head -c 100000 /dev/urandom >"$conf" ;;
	'writable for everybody') cp pristine.conf "$conf" && chmod 666 "$conf" ;;
	"another store's") cp other/conf "$conf" ;;
	esac
}
put_back
sleep 0.1
start_mta configured --threads 4
before=$port
for how in missing 'a directory' 'a FIFO' 'a symlink to /dev/zero' noise 'writable for everybody' "another store's"; do
	what="the configuration is $how"
	port=$before
	clients --clients 2 --name-pattern host%d.example --name-count 150
	spoil_conf "$how"
	sleep "$lasts"
	clients_end
	is "$failed_handshakes $other_chain" '0 0' "$what: who serves goes on"
	row "$what, while a server serves" "$lasts s" "$got"
	# The defaults, which say another store, or none.
	start_mta unconfigured --threads 4 || break
	clients --clients 2 --name-pattern host%d.example --name-count 150
	sleep "$lasts"
	clients_end
	is "$failed_handshakes" 0 "$what: who starts serves"
	row "$what as a server starts" "$lasts s" "$got"
	stop_mta unconfigured
	rm -rf "$conf"
	cp pristine.conf "$conf"
done
stop_mta configured

# The statistics file, as a server starts, and while it counts.
put_back
stats=$work/counts/stats
echo "stats { path = \"$stats\" }" >>"$conf"
echo precious >precious
spoil_stats() {
	case $1 in
	'a symlink') ln -s "$work/precious" "$stats" ;;
	'a hard link') ln "$work/precious" "$stats" ;;
	'a FIFO') mkfifo "$stats" ;;
	'a directory') mkdir "$stats" ;;
	'noise') head -c 100000 /dev/urandom >"$stats" ;;
	'empty') : >"$stats" ;;
	"somebody else's") : >"$stats" && { chown 12345 "$stats" 2>/dev/null || chmod 666 "$stats"; } ;;
	'writable for everybody') : >"$stats" && chmod 666 "$stats" ;;
	'in a directory that is missing') rmdir counts ;;
	esac
}
for how in 'a symlink' 'a hard link' 'a FIFO' 'a directory' noise empty "somebody else's" \
	'writable for everybody' 'in a directory that is missing'; do
	rm -rf counts && mkdir counts
	spoil_stats "$how"
	what="the statistics file is $how"
	start_mta stats --threads 4
	clients --clients 3 --name-pattern host%d.example --name-count 150
	sleep "$lasts"
	rm -rf "$stats"
	[ ! -d counts ] || spoil_stats "$how"
	sleep "$lasts"
	clients_end
	is "$failed_handshakes $other_chain" '0 0' "$what: each gets its own chain"
	is "$(cat precious)" precious "$what: nothing else is written"
	row "$what" 'at the start, and put there while it counts' "$got"
	stop_mta stats
done
lib_finish
