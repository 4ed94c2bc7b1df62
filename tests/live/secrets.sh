#!/bin/sh
# SPDX-License-Identifier: ISC
# secrets.sh: what is in the memory of a server that has the module, as a core
# file shows it.  The store key is in one page only, which cores leave out; no
# private key is there that is not in use: not those of names that nobody asked
# for, nor those that the cache has dropped.  So it is in the core of one that aborts
# while it serves.  And nothing of them is in what the tool and the module say, in the
# statistics, or in what other users see of processes.
# shellcheck disable=SC1091,SC2015,SC2034,SC2154,SC3045
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
command -v gdb >/dev/null || { echo 'SKIPPED: no gdb here'; exit 77; }
case "$(nm -D "$build/.libs/snicert.so")" in
*__asan* | *__tsan*) echo 'SKIPPED: sanitizers keep what was freed'; exit 77 ;;
esac
lib_start secrets

own_certificate
new_store "$work/store"
echo 'cache { memory = "1M" }' >>"$conf"
mkdir keys
for name in used-ec unused-ec dropped-ec; do
	cheap_key keys/$name.key
	cheap_chain keys/$name.pem keys/$name.key $name.example
done
for name in used-rsa unused-rsa dropped-rsa; do
	openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out keys/$name.key 2>/dev/null ||
		openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out keys/$name.key 2>/dev/null
	cheap_chain keys/$name.pem keys/$name.key $name.example
done
cheap_key other.key
mkdir others
for i in $(seq 100); do cheap_chain others/$i.pem other.key other$i.example; done
tool 0 import keys
tool 0 import others

in_core() { # FILE: a line for each secret
	perl "$src/tests/live/secrets.pl" "$1" store "$store_key" $(for _name in used unused dropped; do
		for _type in ec rsa; do echo $_name-$_type "keys/$_name-$_type.key"; done
	done)
}
dump() { # FILE [GDB-COMMAND]
	gdb -nx -batch -p "$(cat secrets.pid)" -ex "${2:-set confirm off}" -ex "gcore $1" >gdb.log 2>&1 ||
		not_ok 'a core' "$(tail -n 5 gdb.log)"
	[ -s "$1" ] || not_ok 'a core' "$(tail -n 5 gdb.log)"
}
found() { # NAME: of the last in_core
	sed -n "s/^$1 [0-9]*//p" found
}

start_mta secrets --threads 4
for name in used-ec used-rsa dropped-ec dropped-rsa; do
	is "$(served $name.example -sigalgs RSA-PSS+SHA256:ECDSA+SHA256)" $name.example "$name is served"
done
dump core.first
in_core core.first >found
is "$(found store)" '' 'the store key is not in a core'
for type in ec rsa; do
	isnt "$(found dropped-$type)" '' "a key in use is found in it, so that it would be: $type"
	is "$(found unused-$type)" '' "a key that nobody asked for is not: $type"
done
rm core.first

# With the pages that cores leave out: the key itself is there, once.
dump core.all 'set dump-excluded-mappings on'
in_core core.all >found
is "$(found store)" ' octets1*1' 'the store key is in its page, and nowhere else'
rm core.all

# The others don't fit into the cache with these two.
load_pace='' start_load --clients 2 --name-pattern other%d.example --name-count 100
for i in 1 2 3 4; do
	await 'sessions' load_has $((i * 300))
	served used-ec.example >/dev/null
	served used-rsa.example -sigalgs RSA-PSS+SHA256 >/dev/null
done
stop_load 'the others'
dump core.later
in_core core.later >found
for type in ec rsa; do
	is "$(found unused-$type)" '' "still, a key that nobody asked for is not in a core: $type"
	is "$(found dropped-$type)" '' "one that the cache has dropped is no more: $type"
done
is "$(found store)" '' 'the store key is not in a core'

# All that is said: by the module, by each command, and where things go wrong.
kill -USR1 "$(cat secrets.pid)"
await 'the counters' grep -q '^counters' secrets.mta.log
{
	tr '\0' '\n' <"/proc/$(cat secrets.pid)/cmdline"
	tr '\0' '\n' <"/proc/$(cat secrets.pid)/environ"
	for command in list 'list --chains' 'show used-rsa.example' 'show used-ec.example' 'status' 'verify' 'log' 'config' \
		'expiring 1000' 'explain used-rsa.example' 'tlsa used-ec.example' 'export used-rsa.example' 'default'; do
		snicert --json $command
		snicert $command
	done
	snicert import keys/used-rsa.pem keys/unused-ec.key used-ec.pem
	cat keys/unused-rsa.key keys/used-ec.pem.crt >mismatch.pem
	snicert import mismatch.pem
	sed 's/^MI/MJ/' keys/unused-rsa.key >damaged.pem
	snicert import damaged.pem
	openssl pkey -in keys/unused-rsa.key -aes256 -passout pass:secret -out encrypted.pem
	echo wrong >wrong
	snicert import --passphrase-file wrong encrypted.pem
	# A store key that is not whole, one of another store, sealed keys that are damaged.
	cp "$store_key" key.kept
	tr -d '\n' <key.kept >"$store_key"
	snicert verify
	sed 's/^\(.* \)../\100/' key.kept >"$store_key"
	snicert verify
	cat key.kept >"$store_key"
	sqlite3 "$store" "UPDATE chain SET sealed_key = zeroblob(200) WHERE names LIKE 'dropped%'"
	snicert verify
	served dropped-ec.example
	served dropped-rsa.example
	cat secrets.mta.log
	# What changes something, and what servers did.
	for command in 'import keys/used-rsa.pem' "bind used-ec.example $(chain_of dropped-ec.example)" 'rollback used-ec.example' \
		'rekey' 'backup copy' 'restore copy' 'key new --type rsa made.example' 'key list' 'import --stage keys/used-ec.pem' 'stats' 'unknown' \
		"probe 127.0.0.1:$port used-ec.example" 'owner' 'check'; do
		# shellcheck disable=SC2086
		timeout 20 "$build/snicert" -c "$conf" --json $command </dev/null
		[ $? != 2 ] || echo "USAGE: $command"
	done
	cat "$work"/store/stats*
	# What the tool is seen with by others, as it reads a passphrase.
	mkfifo passphrase
	"$build/snicert" -c "$conf" import --passphrase-fd 7 encrypted.pem 7<passphrase &
	importer=$!
	exec 8>passphrase
	begun() { tr '\0' '\n' <"/proc/$importer/cmdline" | tee seen | grep -q passphrase-fd; }
	await 'the import begins' begun
	cat seen
	tr '\0' '\n' <"/proc/$importer/environ"
	echo secret >&8
	exec 8>&-
	wait $importer
} >said 2>&1
has "$(cat said)" 'skipped' 'there was trouble to talk of'
has "$(cat seen)" 'passphrase-fd' 'the tool was seen at work'
hasnt "$(cat seen)" 'secret' 'without the passphrase'
is "$(grep -a '^USAGE' said)" '' 'each command works'
ls "$work"/store/stats* >/dev/null && ok 'there are statistics' || not_ok 'there are statistics'
in_core said >found
for name in store used-ec used-rsa unused-ec unused-rsa dropped-ec dropped-rsa; do
	is "$(found $name)" '' "nothing says the secret: $name"
done
snicert export --key used-rsa.example >said
in_core said >found
isnt "$(found used-rsa)" '' 'unless it is asked for: export --key'

# What the tool starts is told nothing, in arguments and environment.
cat >tool-child <<'SH'
#!/bin/sh
{ echo "$@"; env; } >>told
exit 1
SH
chmod 755 tool-child
: >told
snicert setup --binary "$work/tool-child" postfix >/dev/null 2>&1
[ -s told ] && ok 'the tool starts a program' || not_ok 'the tool starts a program'
in_core told >found
is "$(found store)$(found used-rsa)$(found used-ec)" '' 'which is told no secret'

stop_mta secrets

# It aborts, as at a failed assertion, in the midst of handshakes; the core has all there is but
# what is marked, files that are mapped as well.
abort_core() {
	rm -f core core.*
	ulimit -c unlimited 2>/dev/null || { skip 'the core of an abort' 'cores are limited'; return; }
	case $(cat /proc/sys/kernel/core_pattern) in
	core*) ;;
	*) skip 'the core of an abort' 'cores go elsewhere'; return ;;
	esac
	start_mta aborted --threads 4
	ulimit -c 0
	_pid=$(cat aborted.pid)
	echo 0x7f >"/proc/$_pid/coredump_filter"
	for _name in used-ec used-rsa; do
		is "$(served $_name.example -sigalgs RSA-PSS+SHA256:ECDSA+SHA256)" $_name.example "$_name is served"
	done
	start_load --clients 3 --name-pattern other%d.example --name-count 20
	await 'sessions' load_has 20
	kill -ABRT "$_pid"
	wait "$_pid"
	is $? 134 'the server aborts'
	pids=$(echo " $pids " | sed "s/ $_pid / /")
	: >load.stop
	wait "$load"
	pids=$(echo " $pids " | sed "s/ $load / /")
	set -- core*
	[ -s "$1" ] || { not_ok 'an abort leaves a core'; return; }
	in_core "$1" >found
	is "$(found store)" '' 'the store key is not in the core of an abort'
	for _type in ec rsa; do
		isnt "$(found used-$_type)" '' "a key in use is in it: $_type"
		is "$(found unused-$_type)" '' "one that nobody asked for is not: $_type"
	done
	rm -f core core.*
}
abort_core
lib_finish
