#!/bin/sh
# SPDX-License-Identifier: ISC
# import.sh: what `snicert import` takes, what it warns of, what it refuses.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
FIXTURES_ROOT=$fixtures
lib_start import
cd "$fixtures" || exit 99
echo secret >"$work/pass"
echo wrong >"$work/wrong"
: >"$work/nothing"
mkdir "$work/in"

# --- fixtures by verdict ---------------------------------------------------

new_store "$work/good"
for file in good*; do
	tool 0 import --passphrase-file "$work/pass" "$file"
	hasnt "$(cat "$work/out")" warning: "$file imports without a warning"
	has "$(cat "$work/out")" ' imported: ' "$file: a summary"
done
is "$(snicert list --json 'good-two-keys.example' | grep -c '"name"')" 2 'two keys in one file: both bound'
is "$(chain_of '*.good-wildcard.example')" "$(chain_of good-wildcard.example)" 'a wildcard is bound beside its apex'
for name in good-ec good-rsa good-ed25519 good-encrypted good-traditional-encrypted good-p12; do
	snicert show --json $name.example >"$work/out"
	leaf=$fixtures/parts/$name.crt
	json_is "$work/out" '$[0].sha256' "$(sha_of "$leaf")" "$name: its leaf"
	has "$(json "$work/out" '$[0].intermediates[0]')" Fixture "$name: its intermediate"
	json_is "$work/out" '$[0].intermediates[1]' '' "$name: and not its root"
done
tool 0 verify

state >"$work/state"
for file in good*; do
	tool 0 import --json --passphrase-file "$work/pass" "$file"
	json_is "$work/out" '$[0].result' unchanged "$file again: unchanged"
done
unchanged 'what is there already changes nothing'
json_members "$work/out" '$[0]' 'chain result key_type not_after names sha256 source warnings same_key_as bound lineage renews superseded_by' \
	'import --json: its members'

while read -r file text; do
	rm -rf "$work/warn"
	new_store "$work/warn"
	tool 0 import "$file"
	is "$(grep -c '^warning: ' "$work/out")" 1 "$file: one warning"
	has "$(grep '^warning: ' "$work/out")" "$file" "$file: the warning names the file"
	has "$(grep '^warning: ' "$work/out")" "$text" "$file: the warning says $text"
	hasnt "$(cat "$work/out")" "$file:6: $file" "$file: the file is named once"
	tool 0 import --json "$file"
	json_is "$work/out" '$[0].warnings[1]' '' "$file: one warning in JSON"
	has "$(json "$work/out" '$[0].warnings[0]')" "$text" "$file: and it is that one"
done <<'LIST'
warn-self-signed.pem self-signed
warn-ca-leaf.pem marked as CA
warn-cn-only.pem no SAN but a CN
warn-no-intermediate.pem intermediate
warn-short-life.pem a third of its life
LIST

store_at "$work/good"
while read -r file text; do
	refused 3 "$text" import "$file"
	has "$(cat "$work/err")" "$file" "$file: the error names the file"
	# "file:6: file:6: …"
	is "$(grep -cE '([^ ]+: )\1' "$work/err")" 0 "$file: the place is named once"
	# The fix: a clause that tells what to do.
	is "$(grep -cE '; |, get|, add|chmod' "$work/err")" 1 "$file: the error tells the fix"
done <<'LIST'
bad-binary.pem no certificate and no private key
bad-expired.pem expired on
bad-future.pem not valid before
bad-garbage.pem can't be decoded
bad-mismatch.pem key and leaf don't match
bad-no-cert.pem no certificate for this private key
bad-no-key.pem no private key for
bad-not-linked.pem the chain doesn't link
bad-truncated.pem no end
bad-weak-rsa1024.pem too weak
LIST

# --- base64 without a frame, as Azure and Windows have it --------------------

new_store "$work/bare"
base64 good.p12 >bare.txt
tool 0 import --passphrase-file "$work/pass" bare.txt
base64 -w 0 good.p12 | sed 's/^/ /;s/$/\r/' >bare.txt
tool 0 import --passphrase-file "$work/pass" bare.txt
has "$(cat "$work/out")" unchanged 'the same in one line'
openssl crl2pkcs7 -nocrl -certfile parts/good-ec.chain.pem | grep -v -e ----- >bare.txt
tool 0 import parts/good-ec.key bare.txt
is "$(snicert show --json good-ec.example | grep -c Fixture)" 1 'PKCS#7, with its intermediate'
openssl x509 -in parts/good-rsa.crt -outform DER | base64 >bare.txt
tool 0 import parts/good-rsa.key bare.txt
echo 'MIME is no certificate, nor is this' >bare.txt
refused 3 'no certificate and no private key' import bare.txt
echo MIIB >bare.txt
refused 3 'no certificate and no private key' import bare.txt
printf '\376\355\376\355\0\0\0\002' >bare.jks
refused 3 'keytool -importkeystore' import bare.jks

# --- passphrases -----------------------------------------------------------

new_store "$work/secret"
tool 0 import --passphrase-fd 7 good-encrypted.pem 7<"$work/pass"
tool 0 import --passphrase-fd 7 good.p12 good-traditional-encrypted.pem 7<"$work/pass"
is "$(snicert list --json | grep -c '"name"')" 3 'passphrase by descriptor, several files'
for file in good-encrypted.pem good-traditional-encrypted.pem good.p12; do
	refused 3 "passphrase doesn't open it" import --passphrase-file "$work/wrong" $file
	refused 3 'there is no passphrase' import $file
	has "$(cat "$work/err")" $file "$file without passphrase: the file is named"
done
refused 3 'passphrase' import --passphrase-file "$work/nothing" good-encrypted.pem
refused 3 'passphrase' import --passphrase-file "$work/there-is-none" good-encrypted.pem
refused 2 'not a file descriptor' import --passphrase-fd seven good-encrypted.pem
refused 2 '' import --passphrase secret good-encrypted.pem
refused 2 '' import --passphrase=secret good-encrypted.pem

prompt() { # PASSPHRASE: types it when asked
	rm -f "$work/keys"
	mkfifo "$work/keys"
	: >"$work/typed"
	timeout 60 script -qec "'$build/snicert' -c '$conf' import good-encrypted.pem" /dev/null \
		<"$work/keys" >"$work/typed" 2>&1 &
	_script=$!
	exec 9>"$work/keys"
	# Once the terminal shows no more what is typed.
	await 'a prompt' no_echo
	printf '%s\n' "$1" >&9
	wait $_script
	prompted=$?
	exec 9>&-
}
no_echo() {
	grep -q Passphrase "$work/typed" || return
	_asks=$(pgrep -n -f "^$build/snicert -c $conf import good-encrypted.pem") &&
		stty -F "$(readlink "/proc/$_asks/fd/0")" | grep -q -e '-echo\b'
}
if command -v script >/dev/null; then
	new_store "$work/prompt"
	prompt wrong
	is $prompted 3 'a wrong passphrase at the prompt'
	prompt secret
	is $prompted 0 'a passphrase by prompt'
	has "$(cat "$work/typed")" 'good-encrypted.pem' 'the prompt names the file'
	hasnt "$(cat "$work/typed")" secret 'the passphrase is not echoed'
	is "$(chain_of good-encrypted.example)" 1 'the chain of the prompt is bound'
else
	skip 'passphrase by prompt' 'there is no script(1)'
fi

# --- standard input, order, several inputs ---------------------------------

new_store "$work/order"
tool_input=good-ec.pem tool 0 import -
is "$(chain_of good-ec.example)" 1 'standard input'
tool_input=bad-no-key.pem refused 3 'standard input' import -
tool_input=/dev/null refused 3 'standard input' import -
tool 0 import parts/good-rsa.chain.pem parts/good-rsa.key
tool 0 import parts/good-ed25519.key ca/rsa.crt ca/ec.crt ca/root.crt parts/good-ed25519.crt
json_valid "$work/chain.json" 'list --json'
snicert show --json good-ed25519.example >"$work/out"
json_is "$work/out" '$[0].intermediates' '["CN=Fixture ec intermediate"]' 'order from shuffled files'
{
	sed 's/$/\r/' parts/good-p12.crt
	echo 'Bag Attributes: none of use'
	cat ca/root.crt ca/ec.crt parts/good-p12.key
	cat parts/good-wildcard.key ca/ec.crt parts/good-wildcard.crt
} >"$work/in/several.pem"
tool 0 import --json "$work/in/several.pem"
is "$(grep -c '"result": "added"' "$work/out")" 2 'several keys and leaves in one file'
openssl x509 -in parts/good-encrypted.crt -outform DER -out "$work/in/leaf.der"
openssl pkey -in parts/good-encrypted.key -outform DER -out "$work/in/key.der"
tool 0 import "$work/in/leaf.der" "$work/in/key.der"
has "$(cat "$work/out")" 'good-encrypted.example' 'DER, and the intermediate from the store'
hasnt "$(cat "$work/out")" warning: 'DER: nothing to warn of'
tool 0 import --keep-going good-ec.pem parts/haproxy-a.example.pem
refused 3 mismatch import good-rsa.pem bad-mismatch.pem
tool 3 import --keep-going bad-mismatch.pem parts/haproxy-b.example.pem
has "$(cat "$work/err")" bad-mismatch.pem '--keep-going: the bad file is reported'
has "$(cat "$work/out")" '1 failed' '--keep-going: and counted'
isnt "$(chain_of haproxy-b.example)" '' '--keep-going: the good file is in'

# --- directories -----------------------------------------------------------

while read -r dir names; do
	rm -rf "$work/dir"
	new_store "$work/dir"
	tool 0 import "$dir"
	hasnt "$(cat "$work/out")" warning: "$dir: nothing to warn of"
	is "$(snicert list --json | sed -n 's/^{"name": "\([^"]*\)", "key_type": "\([^"]*\)".*/\1=\2/p' | tr '\n' ' ')" \
		"$names " "$dir: its names"
	tool 0 import --json "$dir/"
	hasnt "$(cat "$work/out")" '"added"' "$dir again: unchanged"
	hasnt "$(cat "$work/out")" '"renewed"' "$dir again: nothing renewed"
	tool 0 verify
done <<'LIST'
certbot certbot-a.example=EC certbot-b.example=EC
certbot/live/certbot-a.example certbot-a.example=EC
lego *.lego-c.example=EC lego-a.example=EC lego-b.example=EC
lego/certificates *.lego-c.example=EC lego-a.example=EC lego-b.example=EC
dehydrated dehydrated-a.example=EC dehydrated-b.example=EC
acme.sh acme-a.example=EC acme-b.example=EC
haproxy haproxy-a.example=EC haproxy-b.example=EC haproxy-c.example=EC haproxy-c.example=RSA
flat flat-a.example=EC flat-b.example=EC
LIST

for order in 'good-ec.pem bad-expired.pem' 'bad-expired.pem good-ec.pem'; do
	new_store "$work/counted"
	cat $order >"$work/in/both.pem"
	tool 3 import --keep-going "$work/in/both.pem" parts/haproxy-b.example.pem
	has "$(cat "$work/out")" ' 1 name bound, 0 renewed, 0 unchanged; 1 failed' "--keep-going: what was undone ($order) is not counted"
	rm -r "$work/counted"
done
new_store "$work/mixed"
refused 3 "don't match" import --strict mixed-one-bad
has "$(cat "$work/err")" mixed-b.example.pem 'a directory with one bad file: which'
refused 2 'be used together' import --strict --keep-going mixed-one-bad
tool 3 import mixed-one-bad
is "$(wc -l <"$work/err")" 1 'a directory with one bad file: one line on stderr'
has "$(cat "$work/err")" mixed-b.example.pem '… which'
is "$(snicert list --json | grep -c '"name"')" 2 '… and the good ones are in'
tool 3 import --keep-going --json mixed-one-bad
json_valid "$work/out" 'import --keep-going --json'
mkdir "$work/in/empty"
refused 3 'no certificate' import "$work/in/empty"
refused 3 "$work/in/nowhere" import "$work/in/nowhere"

# --- a chain is completed from the store -----------------------------------

new_store "$work/complete"
tool 0 import warn-no-intermediate.pem
has "$(cat "$work/out")" warning: 'a leaf alone: warned of'
tool 0 import good-ec.pem
tool 0 import warn-no-intermediate.pem
hasnt "$(cat "$work/out")" warning: 'once the intermediate is known: completed'
snicert show --json warn-no-intermediate.example >"$work/out"
json_is "$work/out" '$[0].intermediates' '["CN=Fixture ec intermediate"]' 'and served complete'

# --- names -----------------------------------------------------------------

new_store "$work/names"
tool 0 import --no-bind good-ec.pem
is "$(snicert list --json)" '[]' '--no-bind binds nothing'
is "$(snicert list --chains --staged --json | grep -c '"chain"')" 1 '--no-bind: the chain waits'
tool 0 import --name GOOD-rsa.Example. good-rsa.pem
is "$(chain_of good-rsa.example RSA)" 2 '--name is normalised'
refused 3 'not for other.example' import --name other.example good-ed25519.pem
tool 0 import --force --name other.example good-ed25519.pem
is "$(snicert list --json | grep -c ED25519)" 1 '--name --force: that name only'
tool 0 import --force --name 'münchen.example' --name '*.münchen.example' good-wildcard.pem
is "$(chain_of xn--mnchen-3ya.example)" "$(chain_of '*.xn--mnchen-3ya.example')" 'U-labels become A-labels'
refused 2 'not a name' import --name 'a..b' good-ec.pem
refused 2 'not a name' import --name 192.0.2.1. good-ec.pem
refused 2 'be used together' import --no-bind --name a.example good-ec.pem
refused 2 'import what' import
refused 2 '' import --no-such-option good-ec.pem

# --- staging, force --------------------------------------------------------

new_store "$work/stage"
tool 0 import --stage good-ec.pem
is "$(snicert list --json)" '[]' 'staged: not bound'
tool 0 list --staged --json
json_is "$work/out" '$[0].state' staged 'staged: listed so'
tool 0 show --json 1
json_is "$work/out" '$[0].staged_for' '["good-ec.example"]' 'staged: for which names'
tool 0 activate --json 1
json_members "$work/out" '$[0]' 'chain result bound renewed unchanged key due key_changed warnings' \
	'activate --json: its members'
is "$(chain_of good-ec.example)" 1 'activated: bound'
refused 3 'staged for no name' activate 1
refused 1 'no chain 99' activate 99

for file in expired future; do
	refused 3 bad-$file import bad-$file.pem
	tool 0 import --force bad-$file.pem
	isnt "$(chain_of bad-$file.example)" '' "--force takes bad-$file"
done
for file in mismatch no-key no-cert not-linked weak-rsa1024 garbage; do
	refused 3 bad-$file import --force bad-$file.pem
done

# --- renewal, and who is in the way ----------------------------------------

new_store "$work/renew"
fixtures_leaf "$work/in" old --san a.example,b.example
fixtures_leaf "$work/in" new --san a.example,b.example --days 95
fixtures_leaf "$work/in" shorter --san a.example,b.example --days 80
fixtures_leaf "$work/in" stranger --san c.example,b.example --days 95
fixtures_leaf "$work/in" rsa --rsa --san a.example,b.example
tool 0 import "$work/in/old.pem"
tool 0 bind vanity.example 1
tool 0 fallback 1
tool 0 fallback --address 192.0.2.1 1
tool 0 import "$work/in/rsa.pem"
is "$(chain_of a.example EC) $(chain_of a.example RSA)" '1 2' 'another key type stands beside'
refused 3 'b.example is served by chain 1' import "$work/in/stranger.pem"
has "$(cat "$work/err")" --force 'who is in the way: the fix'
refused 3 'lasts longer' import "$work/in/shorter.pem"
tool 0 import --name c.example "$work/in/stranger.pem"
is "$(chain_of b.example EC) $(chain_of c.example EC)" '1 3' '--name leaves out the name in the way'
tool 0 import --json "$work/in/new.pem"
json_is "$work/out" '$[0].result' renewed 'a renewal'
new=$(json "$work/out" '$[0].chain')
for name in a.example b.example vanity.example fallback 'fallback 192.0.2.1'; do
	is "$(chain_of "$name" EC)" "$new" "the renewal takes over $name"
done
is "$(chain_of a.example RSA)" 2 'the other key type stays'
is "$(snicert list --retired --json | grep -o '"chain": [0-9]*')" '"chain": 1' 'the renewed chain is retired'
tool 0 import --json "$work/in/old.pem"
json_is "$work/out" '$[0].superseded_by' "$new" 'what was renewed is superseded'
is "$(chain_of a.example EC)" "$new" '… and takes nothing'
tool 0 rollback a.example
for name in a.example b.example vanity.example fallback 'fallback 192.0.2.1'; do
	is "$(chain_of "$name" EC)" 1 "roll-back: $name goes back too"
done
tool 0 import --force "$work/in/shorter.pem"
isnt "$(chain_of a.example EC)" 1 '--force takes the name'
tool 0 verify

# --- keys that stay where they are -----------------------------------------

new_store "$work/uri"
cp parts/good-ec.key "$work/in/ec.key"
chmod 600 "$work/in/ec.key"
tool 0 import --key-uri "file:$work/in/ec.key" parts/good-ec.chain.pem
tool 0 show --json good-ec.example
json_is "$work/out" '$[0].key' "file:$work/in/ec.key" '--key-uri: the key stays there'
tool 3 export --key good-ec.example
has "$(cat "$work/err")" 'not in the store' 'export --key of such a key'
tool 0 verify
refused 3 "don't match" import --key-uri "file:$work/in/ec.key" parts/good-p12.chain.pem
refused 3 'no private key' import --key-uri "file:$work/in/nowhere.key" parts/good-ec.chain.pem
refused 3 'no private key' import --key-uri "file:$fixtures/ca/root.crt" parts/good-ec.chain.pem

# --- huge and odd ----------------------------------------------------------

new_store "$work/odd"
truncate -s 70M "$work/in/huge.pem"
refused 3 '64 MiB' import "$work/in/huge.pem"
rm "$work/in/huge.pem"
mkfifo "$work/in/fifo"
(cat good-ec.pem; head -c 73400320 /dev/zero) >"$work/in/fifo" 2>/dev/null &
refused 3 '64 MiB' import "$work/in/fifo"
wait $!
cat good-ec.pem >"$work/in/fifo" &
tool 0 import "$work/in/fifo"
is "$(chain_of good-ec.example)" 1 'a FIFO is as good as a file'
{
	yes 'text that people leave in such files' | head -c 20971520
	echo
	cat good-rsa.pem
} >"$work/in/long.pem"
tool 0 import "$work/in/long.pem"
refused 3 'no certificate' import "$work/nothing"
refused 3 '/dev/null' import /dev/null
head -c 700 parts/good-rsa.key >"$work/in/cut.key"
refused 3 'cut short' import parts/good-rsa.chain.pem "$work/in/cut.key"
head -c 900 good.p12 >"$work/in/cut.p12"
refused 3 'cut short' import --passphrase-file "$work/pass" "$work/in/cut.p12"
{ cat parts/good-ec.key; sed 's/^M/-/;3s/./!/g' parts/good-ec.crt; } >"$work/in/mangled.pem"
refused 3 mangled.pem import "$work/in/mangled.pem"
printf -- '-----BEGIN CERTIFICATE' >"$work/in/begin.pem"
refused 3 begin.pem import "$work/in/begin.pem"
{
	printf -- '-----BEGIN %s-----\n' "$(head -c 100000 /dev/zero | tr '\0' A)"
	cat good-ec.pem
} >"$work/in/label.pem"
tool_input=$work/in/label.pem refused 3 'standard input' import -
refused 3 'a-key-for-ssh' import "$(ssh=$work/in/a-key-for-ssh.pem
	printf -- '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n' >"$ssh"; echo "$ssh")"
# The private half of a key damaged, the public one beside it as it was: both files look
# right, and no client would take what the key signs.
openssl pkcs8 -topk8 -nocrypt -in parts/good-ec.key -outform DER -out "$work/in/torn.der"
openssl pkey -inform DER -in "$work/in/torn.der" -out "$work/in/sound-ec.key"
perl -0777 -pi -e 'substr($_, 50, 2) ^= "\x15\x2a"' "$work/in/torn.der"
openssl pkey -inform DER -in "$work/in/torn.der" -out "$work/in/torn-ec.key"
cat "$work/in/torn-ec.key" parts/good-ec.chain.pem >"$work/in/torn-ec.pem"
refused 3 'sign for it' import "$work/in/torn-ec.pem"
refused 3 'sign for it' import --force "$work/in/torn-ec.pem"
has "$(cat "$work/err")" "torn-ec.pem:1:" '… and where it is'
new_store "$work/torn"
chmod 600 "$work/in/sound-ec.key"
tool 0 import --key-uri "file:$work/in/sound-ec.key" parts/good-ec.chain.pem
tool 0 verify
cat "$work/in/torn-ec.key" >"$work/in/sound-ec.key"
tool 1 verify
has "$(cat "$work/out")" 'sign for it' 'verify: a key that was torn in its place'
store_at "$work/good"
# Key types that the library has and mail has no use for yet; OpenSSL 3.5 makes such keys.
if openssl req -x509 -newkey ML-DSA-44 -nodes -keyout "$work/in/ml-dsa.key" -days 90 -subj /CN=ml-dsa.example \
	-addext subjectAltName=DNS:ml-dsa.example -out "$work/in/ml-dsa.crt" 2>"$work/req.err"; then
	cat "$work/in/ml-dsa.key" "$work/in/ml-dsa.crt" >"$work/in/ml-dsa.pem"
	refused 3 'use an RSA, EC or Ed25519 key' import "$work/in/ml-dsa.pem"
	has "$(cat "$work/err")" ML-DSA-44 '… and what it is'
	refused 3 'use an RSA, EC or Ed25519 key' import --force "$work/in/ml-dsa.pem"
	chmod 600 "$work/in/ml-dsa.key"
	refused 3 'use an RSA, EC or Ed25519 key' import --key-uri "file:$work/in/ml-dsa.key" "$work/in/ml-dsa.crt"
fi
tool 0 verify

# One key, certificates of different names: a chain each, whichever comes first, also where the
# newer one has some of the names.
cheap_key "$work/in/shared.key"
cheap_chain "$work/in/s1.pem" "$work/in/shared.key" one.example
cheap_chain "$work/in/s2.pem" "$work/in/shared.key" two.example
for files in "$work/in/s1.pem $work/in/s2.pem" "$work/in/s2.pem $work/in/s1.pem"; do
	new_store "$work/shared.$(echo "$files" | cksum | cut -c1-4)"
	tool 0 import $files
	hasnt "$(cat "$work/out")" 'left out' "import $files: none is left out"
	is "$(snicert list --json | grep -o '"name": "[a-z.]*"' | sort | tr -d '\n')" \
		'"name": "one.example""name": "two.example"' "import $files: both names are served"
	tool 0 explain two.example
done
lib_finish
