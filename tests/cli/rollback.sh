#!/bin/sh
# SPDX-License-Identifier: ISC
# rollback.sh: what `snicert rollback` undoes: the last change of a name, be it of one key type or of
# several, with all that moved by the same command, and nothing else.
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start rollback

for i in 1 2 3; do
	openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "rsa$i" 2>/dev/null
	cheap_key "ec$i"
	cheap_chain "rsa$i.pem" "rsa$i" dual.example dual.example $((80 + i))
	cheap_chain "ec$i.pem" "ec$i" dual.example dual.example $((80 + i))
done
now() { # NAME: its chains, EC and RSA
	echo "$(chain_of "$1" EC) $(chain_of "$1" RSA)"
}

# --- one sequence over all key types ---------------------------------------------

new_store "$work/order"
for file in ec1 rsa1 rsa2 rsa3 ec2; do tool 0 import $file.pem; done
is "$(now dual.example)" '5 4' 'five imports'
for want in '1 4' '1 3' '1 2'; do
	tool 0 rollback dual.example
	is "$(now dual.example)" "$want" "roll-back, the last change first: $want"
done
tool 0 rollback dual.example
is "$(now dual.example)" '1 ' 'the added key type is taken off'
tool 1 rollback dual.example
is "$(now dual.example)" '1 ' 'the only chain stays'
tool 0 activate 5
tool 0 rollback dual.example
is "$(now dual.example)" '1 ' 'what came back goes back'

new_store "$work/both"
cat ec1.pem rsa1.pem >both1.pem
cat ec2.pem rsa2.pem >both2.pem
tool 0 import both1.pem
tool 0 bind vanity.example 1
tool 0 fallback 2
before="$(now dual.example) / $(now vanity.example) / $(now fallback)"
tool 0 import both2.pem
isnt "$(now dual.example)" "${before%% /*}" 'both key types are renewed'
tool 0 rollback --json dual.example
is "$(grep -c '"to"' "$work/out")" 4 'both go back, each with what moved with it'
is "$(now dual.example) / $(now vanity.example) / $(now fallback)" "$before" 'all is as before'
is "$(snicert list --staged --json | grep -c '"chain"')" 2 'and both wait to come back'
tool 0 verify

# --- an added key type --------------------------------------------------------------

new_store "$work/added"
tool 0 import ec1.pem
tool 0 bind vanity.example 1
tool 0 fallback 1
cat ec2.pem rsa1.pem >mixed.pem
tool 0 import mixed.pem
is "$(now dual.example)" '2 3' 'EC renewed and RSA new by one command'
tool 0 rollback --json dual.example
is "$(now dual.example) / $(now vanity.example) / $(now fallback)" '1  / 1  / 1 ' 'as before that command, with all that moved'
has "$(cat "$work/out")" '"to": null' 'no chain of that key type any more'
tool 0 import mixed.pem
is "$(now dual.example)" '1 ' 'the same files again do not undo that'
tool 0 activate 2 3
is "$(now dual.example)" '2 3' 'both come back'
tool 0 import rsa2.pem
tool 0 rollback dual.example
tool 0 rollback dual.example
is "$(now dual.example)" '1 ' 'and go back'
tool 0 bind vanity.example 3
tool 0 bind other.example 3
tool 0 rollback vanity.example
is "$(now vanity.example) / $(now other.example)" '1  /  3' 'bound to a second chain by hand'
tool 1 rollback other.example
is "$(now other.example)" ' 3' 'the only chain stays'
tool 0 verify

new_store "$work/new"
tool 0 import both1.pem
tool 1 rollback dual.example
is "$(now dual.example)" '1 2' 'both key types of a new name stay'
tool 0 import rsa2.pem
tool 0 remove 2
tool 1 rollback dual.example
is "$(now dual.example)" '1 3' 'also once one of them is renewed, and its former chain deleted'
tool 0 fallback 1
tool 0 fallback 3
is "$(now fallback)" ' 3' 'a fallback of another key type replaces the first'
tool 0 rollback --fallback
is "$(now fallback)" '1 ' 'and goes back to it alone'

# A company that has nothing else stays.
new_store "$work/company"
tool 0 import ec1.pem
openssl req -x509 -new -key rsa3 -days 95 -subj /CN=dual.example -addext subjectAltName=DNS:dual.example,DNS:fresh.example \
	-addext basicConstraints=critical,CA:FALSE -out wide.crt 2>/dev/null
cat rsa3 wide.crt >wide.pem
tool 0 import wide.pem
tool 0 rollback dual.example
is "$(now dual.example) / $(now fresh.example)" '1  /  2' 'a name that had nothing keeps what it got'

# --- what moved together ----------------------------------------------------------

new_store "$work/together"
cheap_chain a.pem ec1 a.example
cheap_chain b.pem ec2 b.example
openssl req -x509 -new -key ec3 -days 95 -subj /CN=a.example -addext subjectAltName=DNS:a.example,DNS:b.example \
	-addext basicConstraints=critical,CA:FALSE -out ab.crt 2>/dev/null
cat ec3 ab.crt >ab.pem
tool 0 import a.pem
tool 0 import b.pem
tool 0 import ab.pem
is "$(chain_of a.example) $(chain_of b.example)" '3 3' 'two chains become one'
tool 0 fallback 3
tool 0 rollback a.example
is "$(chain_of a.example) $(chain_of b.example)" '1 2' 'each goes back to its own'
is "$(chain_of fallback)" 3 'what came by another command stays'

new_store "$work/unbound"
tool 0 import both1.pem
tool 0 unbind dual.example
tool 0 rollback dual.example
is "$(now dual.example)" '1 2' 'unbound: both key types come back'

# --- a store of an older release ----------------------------------------------------

new_store "$work/older"
tool 0 import ec1.pem
tool 0 bind vanity.example 1
tool 0 import ec2.pem
sqlite3 "$store" 'UPDATE former SET step = NULL'
tool 0 rollback dual.example
is "$(chain_of dual.example) $(chain_of vanity.example)" '1 1' 'without steps: what left the same chain'
lib_finish
