#!/bin/sh
# SPDX-License-Identifier: ISC
# watch.sh: the store follows directories, as ACME clients and people change them.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start watch
new_store "$work/a"
for key in a b; do cheap_key $key.pem; done
. "$src/tests/fixtures.sh"
FIXTURES_ROOT=$fixtures
fixtures_leaf . apart --san mx.apart.example
fixtures_leaf . virtual --san mx.virtual.example
cert() { # OUT KEY NAME [DAYS]: the certificate alone
	cheap_chain "$work/made" "$2" "$3" "$3" "${4:-90}" && mv "$work/made.crt" "$1"
}
start_watch() { # ARG…
	: >watch.out
	: >watch.err
	NOTIFY_SOCKET=${notify:-} "$build/snicert" -c "$conf" watch --settle 0.3 "$@" >watch.out 2>watch.err &
	watcher=$!
	pids="$pids $watcher"
	seen ': 0 bad\|; [0-9]* bad' 'it has looked at all'
}
stop_watch() {
	kill -TERM $watcher
	wait $watcher
	is $? 0 'ends in peace'
	pids=$(echo " $pids " | sed "s/ $watcher / /")
	is "$(grep -cE 'Sanitizer|runtime error' watch.err)" 0 'no sanitizer speaks'
}
seen() { # BASIC-REGEX WHAT [FILE]
	if await "$2" grep -q -e "$1" "${3:-watch.out}"; then ok "$2"; else tail -n 8 watch.out watch.err; fi
}
is_served() { # FILE NAME WHAT
	is "$(leaf_of "$2")" "$(sha_of "$1")" "$3"
}
lines() { grep -c '' <"$1"; }
complained() { grep -vc 'waiting up to' watch.err; } # that it waits for another is no complaint
complaints() { is "$(complained)" "$1" "$2"; }

# --- once ----------------------------------------------------------------------

mkdir -p tree/mx.a.example
cp a.pem tree/mx.a.example/privkey.pem
cert tree/mx.a.example/fullchain.pem a.pem mx.a.example
cp b.pem tree/lone.key
state >state
tool 3 watch --once --dry-run tree
has "$(cat out)" "tree/mx.a.example: chain 1 added: mx.a.example (EC, until " '--dry-run says what would be'
has "$(cat out)" '2 directories, 1 chain: 1 would be imported, 0 unchanged; 1 bad' 'and the sum'
has "$(cat err)" 'tree/lone' 'and what is bad'
unchanged '--dry-run'
rm tree/lone.key
tool 0 watch --once tree
has "$(cat out)" '2 directories, 1 chain: 1 imported, 0 unchanged; 0 bad' '--once'
is "$(chain_of mx.a.example)" 1 'it is in the store'
state >state
tool 0 watch --once tree
has "$(cat out)" '2 directories, 1 chain: 0 imported, 1 unchanged; 0 bad' 'again'
is "$(lines out)" 1 'says no more than that'
tool 0 unbind mx.a.example
state >state
tool 0 watch --once tree/
unchanged 'what was unbound by hand is left alone'
tool 0 bind mx.a.example 1
tool 3 watch --once none
has "$(cat err)" 'none: there is no such directory' 'no such directory'
refused 2 'watch what' watch
refused 2 'is in' watch tree tree/mx.a.example
refused 2 'is in' watch tree/ tree
refused 2 'not a number of seconds' watch --settle x tree
refused 2 'not a number of seconds' watch --interval 0 tree
tool 0 --json watch --once tree
json_members out '$' 'event path chain key_type not_after names text' '--json: its members'
json_is out '$.event' ready '--json: the end of a look'

# A service that waits for a store would look well.
echo "store { path = \"$work/gone/store.db\" key = \"$work/gone/store.key\" }" >gone.conf
for once in '' --once; do
	timeout 20 "$build/snicert" -c gone.conf watch $once tree >out 2>err
	is $? 3 "no store: the exit code${once:+, $once}"
	has "$(cat err)" 'there is no store at *snicert init' "no store: what to do${once:+, $once}"
	is "$(cat out)" '' "no store: nothing else is said${once:+, $once}"
done

# --- followed ------------------------------------------------------------------

own_certificate
start_mta mta
cat >notified.pl <<'PL'
use IO::Socket::UNIX; use Socket; $| = 1;
my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die "$!";
print "listening\n"; while (defined $s->recv(my $text, 4096)) { print "$text\n" }
PL
perl notified.pl "$work/notify" >notified 2>&1 &
pids="$pids $!"
seen listening 'a supervisor' notified
notify=$work/notify
start_watch tree later
seen '^READY=1' 'the supervisor is told' notified
is_served tree/mx.a.example/fullchain.pem mx.a.example 'what was there is served'
has "$(cat watch.err)" 'later: the directory does not exist: waiting for it' 'one that is not there yet'

# certbot: new files in archive, then the links of live, one after the other.
mkdir -p letsencrypt/live letsencrypt/archive/mx.c.example letsencrypt/accounts
issue() { # N KEY
	cp "$2" letsencrypt/archive/mx.c.example/privkey$1.pem
	cert letsencrypt/archive/mx.c.example/fullchain$1.pem "$2" mx.c.example $((90 + $1))
	for file in privkey fullchain; do
		rm -f letsencrypt/live/mx.c.example/$file.pem
		ln -s ../../archive/mx.c.example/$file$1.pem letsencrypt/live/mx.c.example/$file.pem
		sleep 0.1
	done
}
mv letsencrypt later
seen 'later: the directory is back' 'and comes'
mkdir later/live/mx.c.example
ln -s later letsencrypt
start_load --clients 2 --name mx.a.example --name mx.c.example
issue 1 a.pem
seen 'later/live/mx.c.example: chain [0-9]* added: mx.c.example' 'certbot: a first certificate'
is_served letsencrypt/archive/mx.c.example/fullchain1.pem mx.c.example 'is served'
issue 2 b.pem
seen 'later/live/mx.c.example: chain [0-9]* renewed: mx.c.example' 'certbot: links to another'
is_served letsencrypt/archive/mx.c.example/fullchain2.pem mx.c.example 'are served'
complaints 1 'without a complaint'

# A key with a new certificate later (--settle, five times over, is how long it is awaited); a file in two halves.
cert whole b.pem mx.a.example 100
cp b.pem tree/mx.a.example/privkey.pem
sleep 0.5
cat whole >tree/mx.a.example/fullchain.pem
seen 'tree/mx.a.example: chain [0-9]* renewed' 'the key first, the certificate after it'
is_served tree/mx.a.example/fullchain.pem mx.a.example 'is served'
cert whole a.pem mx.half.example
mkdir tree/half
cp a.pem tree/half/privkey.pem
head -c 300 whole >tree/half/fullchain.pem
sleep 0.8
tail -c +301 whole >>tree/half/fullchain.pem
seen 'tree/half: chain [0-9]* added' 'a file in two halves'
is_served whole mx.half.example 'is served'
complaints 1 'without a complaint'

# Renamed over, in a flat directory; moved in as a whole; deep.
cert tree/x.crt.tmp a.pem mx.x.example
cp a.pem tree/x.key.tmp
mv tree/x.key.tmp tree/x.key && mv tree/x.crt.tmp tree/x.crt
seen 'tree/x: chain [0-9]* added' 'files renamed into place'
mkdir -p outside/p/q/r
cp a.pem outside/p/q/r/privkey.pem
cert outside/p/q/r/fullchain.pem a.pem mx.deep.example
mv outside/p tree/p
seen 'tree/p/q/r: chain [0-9]* added' 'a tree that is moved in'
cert tree/p/q/r/fullchain.pem a.pem mx.deep.example 120
seen 'tree/p/q/r: chain [0-9]* renewed' 'is followed from then on'
mv tree/p tree/p2
seen 'tree/p: the directory was removed\|tree/p/q/r: the directory was removed' 'a directory of another name'
sleep 1
cert tree/p2/q/r/fullchain.pem a.pem mx.deep.example 130
seen 'tree/p2/q/r: chain [0-9]* renewed' 'is followed under that'
is_served tree/p2/q/r/fullchain.pem mx.deep.example 'and served'
# Another directory in the place of one, and what is then written to it.
mkdir -p other/q/r
cp a.pem other/q/r/privkey.pem
cert other/q/r/fullchain.pem a.pem mx.deep.example 140
mv tree/p2 outside/old && mv other tree/p2
seen 'tree/p2/q/r: chain [0-9]* renewed.*'"$(date -u -d '+140 days' +%F)" 'another directory in the place of one'
cert tree/p2/q/r/fullchain.pem a.pem mx.deep.example 150
seen 'tree/p2/q/r: chain [0-9]* renewed.*'"$(date -u -d '+150 days' +%F)" 'is followed, too'
is_served tree/p2/q/r/fullchain.pem mx.deep.example 'and served'
complaints 1 'without a complaint'

# Bad: said once, and nothing else is kept back by it.
cp tree/mx.a.example/privkey.pem fitting
echo garbage >tree/bad.pem
cp a.pem tree/mx.a.example/privkey.pem
last=$(leaf_of mx.a.example)
cert tree/y.crt a.pem mx.y.example
cp a.pem tree/y.key
seen 'tree/y: chain [0-9]* added' 'a good one beside bad ones'
seen 'tree/bad' 'a bad file is reported' watch.err
seen 'tree/mx.a.example' 'a key that does not fit is reported' watch.err
is "$(leaf_of mx.a.example)" "$last" 'the old chain is served on'
before=$(complained)
touch tree/z
sleep 2.5
complaints "$before" 'but once'
mv fitting tree/mx.a.example/privkey.pem
rm tree/bad.pem

# Gone: nothing is unbound.
last=$(leaf_of mx.half.example)
rm -r tree/half tree/x.key tree/x.crt
seen 'tree/half: the directory was removed' 'a directory that is gone is told of'
seen 'tree/x: the files were removed' 'and files'
is "$(leaf_of mx.half.example)" "$last" 'what it held is served on'
isnt "$(chain_of mx.x.example)" '' 'and bound'
mv tree tree.away
seen 'tree: the directory does not exist' 'all of it is gone' watch.err
mv tree.away tree
seen 'tree: the directory is back' 'and back'
cert tree/y.crt a.pem mx.y.example 100
seen 'tree/y: chain [0-9]* renewed' 'and followed'

# What lies apart comes one by one: a key waits for its certificate and is said once, an intermediate that comes late is sent.
before=$(complained)
cp virtual.key tree/k0815
cp virtual.crt tree/c4711
seen 'chain [0-9]* added: mx.virtual.example' 'a pair whose names have nothing in common'
snicert export mx.virtual.example >out.pem 2>&1
is "$(grep -c 'BEGIN CERT' out.pem)" 1 'its leaf'
mkdir tree/ca
cp "$fixtures/ca/ec.crt" tree/ca/TheCA_G2.crt
sent() { snicert export mx.virtual.example >out.pem 2>&1; [ "$(grep -c 'BEGIN CERT' out.pem)" = 2 ]; }
await 'and its intermediate, as soon as that is there' sent && ok 'and its intermediate, as soon as that is there'
cp apart.key tree/server-x.key
seen 'server-x' 'a key alone is reported' watch.err
complaints $((before + 1)) 'once'
cp apart.crt tree/ca/4711.crt
seen 'chain [0-9]* added: mx.apart.example' 'until its certificate comes'
complaints $((before + 1)) 'without a complaint'

# By hand: neither a roll-back nor what was unbound is undone by a file that is touched.
tool 0 rollback mx.y.example
last=$(leaf_of mx.y.example)
isnt "$last" "$(sha_of tree/y.crt)" 'rolled back by hand'
touch tree/y.crt
cert tree/v.crt a.pem mx.v.example
cp a.pem tree/v.key
seen 'tree/v: chain [0-9]* added' 'the directory was read again'
is "$(leaf_of mx.y.example)" "$last" 'a roll-back is left alone'

# A store that can't be written is nobody's fault.
mv "$store_key" "$store_key.away"
cert tree/k.crt a.pem mx.k.example
cp a.pem tree/k.key
seen 'store.key' 'a store key that is gone' watch.err
mv "$store_key.away" "$store_key"
seen 'the store can be written again' 'is there again'
seen 'tree/k: chain [0-9]* added' 'and nothing is lost'
stop_load watch

# --- thousands at once -----------------------------------------------------------

same_pairs() { # DIRECTORY COUNT: directories in it, each with the pair a.pem and many.crt
	mkdir -p $(seq -f "$1/%g" "$2")
	(umask 077 && tee $(seq -f "$1/%g/privkey.pem" "$2") <a.pem >/dev/null)
	tee $(seq -f "$1/%g/fullchain.pem" "$2") <many.crt >/dev/null
}
mkdir many
cheap_chain many/h0.pem a.pem h0.example
for i in $(seq 10); do
	cheap_chain many.made a.pem "h$i.example,$(for j in $(seq 40); do printf 'DNS:h%s-%s.example,' $i $j; done)DNS:l$i.example" h$i.example
	mv many.made.crt many.crt
	same_pairs many/$i 200
done
mv many tree/many
seen 'tree/many/9/1: chain' '2,000 pairs at once' watch.out
eleven() { [ "$(snicert --json list --chains | grep -c '"state": "active".*many')" = 11 ]; }
await 'one chain of each certificate' eleven && ok 'one chain of each certificate'
# More at once than inotify keeps (fs.inotify.max_queued_events), while it is stopped.
queue=$(cat /proc/sys/fs/inotify/max_queued_events)
if [ "$queue" -le 65536 ]; then
	kill -STOP $watcher
	for i in $(seq $((queue / 4 / 1000 + 1))); do
		perl -e 'for (1 .. 1000) { open(my $f, ">", "tree/e$_") or die; print $f "x"; close $f; unlink "tree/e$_" }'
	done
	cert tree/p2/q/r/fullchain.pem a.pem mx.deep.example 160
	kill -CONT $watcher
	seen 'inotify lost events' 'events are lost, and that is said'
	found() { [ "$(leaf_of mx.deep.example)" = "$(sha_of tree/p2/q/r/fullchain.pem)" ]; }
	await 'and what they told of is found' found && ok 'and what they told of is found'
else
	skip 'events that are lost' "a queue of $queue"
fi
kill -HUP $watcher
stop_watch
seen '^STOPPING=1' 'the supervisor is told' notified
tool 0 verify

# --- by the clock, by options, killed ----------------------------------------------

# What no event tells of: a link out of the tree, whose target is written to.
mkdir out.of.tree linked
cp a.pem out.of.tree/key && cert out.of.tree/crt a.pem mx.l.example
ln -s ../out.of.tree/key linked/l.key && ln -s ../out.of.tree/crt linked/l.crt
start_watch --interval 1 --owner acme --stage linked
is "$(snicert --json list --staged --owner acme | grep -c mx.l.example)" 1 '--stage and --owner'
cert out.of.tree/crt a.pem mx.l.example 100
seen 'linked/l: chain [0-9]* staged' 'what no event tells of is seen by --interval'
twice() { [ "$(grep -c 'linked/l: chain [0-9]* staged' watch.out)" = 2 ]; }
await 'the second, too' twice && ok 'the second, too'
stop_watch

# Links to directories: to each directory once, in whatever circle, and wherever they lead next.
mkdir -p links/live links/archive/one links/archive/two far/deep
for name in one two; do cp a.pem links/archive/$name/privkey.pem; done
cp a.pem far/deep/privkey.pem
cert links/archive/one/fullchain.pem a.pem mx.one.example
cert links/archive/two/fullchain.pem a.pem mx.two.example
cert far/deep/fullchain.pem a.pem mx.far.example
ln -s ../archive/one links/live/mx
ln -s ../live links/live/circle
ln -s .. links/live/up
ln -s ../../links far/back
ln -s ../../far links/live/far
ln -s ../../far links/live/far2
start_watch --interval 600 links
has "$(cat watch.out)" 'links/live/mx: chain * added: mx.one.example' 'a link to a directory is gone through'
has "$(cat watch.out)" 'links/live/far/deep: chain * added: mx.far.example' '… with what is in it'
has "$(cat watch.out)" '5 directories, 2 chains: 2 imported, 0 unchanged; 0 bad' '… to each directory once'
cert links/archive/one/fullchain.pem a.pem mx.one.example 100
seen 'links/live/mx: chain [0-9]* renewed: mx.one.example' 'what a link leads to is followed'
cert far/deep/fullchain.pem a.pem mx.far.example 100
seen 'links/live/far/deep: chain [0-9]* renewed: mx.far.example' '… and what is in it'
ln -sfn ../archive/two links/live/mx
seen 'links/live/mx: chain [0-9]* added: mx.two.example' 'a link that leads elsewhere'
cert links/archive/two/fullchain.pem a.pem mx.two.example 100
seen 'links/live/mx: chain [0-9]* renewed: mx.two.example' '… is followed there'
mv far/deep far/a
seen 'links/live/far/deep: the directory was removed' 'a directory of another name, below a link'
cert far/a/fullchain.pem a.pem mx.far.example 110
seen 'links/live/far/a: chain [0-9]* renewed: mx.far.example' '… is followed under that'
mv far links/live/real
seen 'links/live/far: the directory was removed\|links/live/far/a: the directory was removed' 'what a link led to comes in by itself'
cert links/live/real/a/fullchain.pem a.pem mx.far.example 120
seen 'links/live/real/a: chain [0-9]* renewed: mx.far.example' '… and is followed'
complaints 0 'without a complaint'
stop_watch

# What another serves the names of already is no chain that was taken in.
mkdir -p older/mx older/mx-0001
for name in mx mx-0001; do cp a.pem older/$name/privkey.pem; done
cert older/mx/fullchain.pem a.pem mx.older.example 90
cert older/mx-0001/fullchain.pem a.pem mx.older.example 30
tool 0 watch --once older
has "$(cat out)" ': 1 imported, 0 unchanged, 1 superseded; 0 bad' 'a superseded chain is counted apart'
tool 0 watch --once older
has "$(cat out)" ': 0 imported, 1 unchanged, 1 superseded; 0 bad' '… a second time, too'

mkdir killed
calls=0
for i in 0 1 2 3 4 5 6; do
	rm -rf killed/*
	same_pairs killed 30
	cert killed/1/fullchain.pem a.pem mx.kill$i.example
	if [ $i = 0 ]; then
		calls=$(calls_of "$build/snicert" -c "$conf" watch --once killed)
		continue
	fi
	at=$((calls * i / 7))
	has "$(killed_at $at "$build/snicert" -c "$conf" watch --once killed)" "killed $at " "watch is cut off at call $at of $calls"
	tool 0 verify
	tool 0 watch --once killed
	is "$(served mx.kill$i.example)" mx.kill$i.example "killed, $i: the next one takes it in"
done
stop_mta mta

# --- apart --------------------------------------------------------------------------

# Names that have nothing in common, and whatever order: as `import` of the directory.  A leaf and its key, the
# intermediate beside it (Virtualmin, DirectAdmin) or elsewhere; what is nobody's; what is bad.
new_store "$work/apart.store"
fixtures_leaf . dead --san mx.dead.example --expired
mkdir -p apart/keys apart/certs apart/home/ssl apart/old
cp apart.key apart/keys/a1b2
cp apart.crt apart/certs/scf0815.pem
cp "$fixtures/ca/ec.crt" apart/certs/TheCA_G2.crt
cp virtual.key apart/home/ssl/ssl.key
cp virtual.crt apart/home/ssl/ssl.cert
cp a.pem apart/keys/dkim
cp dead.key apart/old/privkey.pem
cp dead.chain.pem apart/old/fullchain.pem
cheap_chain made dead.key mx.dead.example && mv made.crt apart/certs/newer.crt
head -c 300 apart.crt >apart/certs/cut.crt
echo text >apart/README
tool 3 watch --once --dry-run apart
has "$(cat out)" 'added: mx.dead.example' 'apart: --dry-run says so'
tool 3 watch --once apart
is "$(lines err)" 1 'apart: what is bad is said, and no more'
has "$(cat err)" 'apart/certs/cut.crt:1: the block that begins here has no end' '… by file'
for name in apart virtual dead; do isnt "$(chain_of mx.$name.example)" '' "apart: $name is taken in"; done
for name in apart virtual; do
	snicert export mx.$name.example >out.pem 2>&1
	is "$(grep -c 'BEGIN CERT' out.pem)" 2 "apart: $name with its intermediate"
done
state >state
tool 3 watch --once apart
unchanged 'a second time'
lib_finish
