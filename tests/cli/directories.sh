#!/bin/sh
# SPDX-License-Identifier: ISC
# directories.sh: directories as ACME clients, panels and servers leave them.  Each comes in whole, with its intermediate, by
# `import DIRECTORY` alone, and coming again changes nothing.
# shellcheck disable=SC1091,SC2034,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
FIXTURES_ROOT=$fixtures
lib_start directories
umask 077
name=mx.directory.example
fixtures_leaf . a --san $name
fixtures_leaf . b --san mx.other.example
fixtures_leaf . old --san $name --days 30
cp a.key k
cp a.crt c
cp a.chain.pem full
cp "$fixtures/ca/ec.crt" i
cp "$fixtures/ca/root.crt" r
cheap_key account
openssl pkcs12 -export -inkey k -in c -certfile i -passout pass: -out p12
SSL_CERT_FILE=$fixtures/ca/root.crt
export SSL_CERT_FILE

# --- the layouts; each makes $d -------------------------------------------------

certbot() { # and its archive
	mkdir -p $d/live/$name $d/archive/$name $d/accounts/acme/directory/1 $d/renewal
	cp k $d/archive/$name/privkey1.pem
	cp c $d/archive/$name/cert1.pem
	cp i $d/archive/$name/chain1.pem
	cp full $d/archive/$name/fullchain1.pem
	for f in privkey cert chain fullchain; do ln -s ../../archive/$name/${f}1.pem $d/live/$name/$f.pem; done
	echo text >$d/live/README
}
certbot_archive() {
	mkdir $d
	for f in privkey=k cert=c chain=i fullchain=full; do cp ${f#*=} $d/${f%=*}2.pem; done
	for f in privkey=old.key cert=old.crt chain=i fullchain=old.chain.pem; do cp ${f#*=} $d/${f%=*}1.pem; done
}
lego() {
	mkdir -p $d/certificates $d/accounts/acme/a@b/keys
	cp account $d/accounts/acme/a@b/keys/a@b.key
	cp k $d/certificates/$name.key
	cp full $d/certificates/$name.crt
	cp i $d/certificates/$name.issuer.crt
	echo '{}' >$d/certificates/$name.json
}
dehydrated() {
	mkdir -p $d/certs/$name $d/accounts/x
	cp account $d/accounts/x/account_key.pem
	for f in privkey=k cert=c chain=i fullchain=full; do
		cp ${f#*=} $d/certs/$name/${f%=*}-1700000000.pem
		ln -s ${f%=*}-1700000000.pem $d/certs/$name/${f%=*}.pem
	done
	: >$d/certs/$name/cert-1700000000.csr
}
acme_sh() {
	mkdir -p $d/${name}_ecc $d/mx.new.example_ecc $d/ca/acme
	cp account $d/ca/acme/account.key
	: >$d/account.conf
	cp k $d/${name}_ecc/$name.key
	cp c $d/${name}_ecc/$name.cer
	cp i $d/${name}_ecc/ca.cer
	cp full $d/${name}_ecc/fullchain.cer
	cp b.key $d/mx.new.example_ecc/mx.new.example.key # its first issue failed
	echo x >$d/mx.new.example_ecc/mx.new.example.csr
}
uacme() {
	mkdir -p $d/private/$name $d/$name
	cp account $d/private/key.pem
	cp k $d/private/$name/key.pem
	cp full $d/$name/cert.pem
}
caddy() {
	mkdir -p $d/certificates/acme/$name $d/acme/acme/users/x
	cp account $d/acme/acme/users/x/x.key
	cp k $d/certificates/acme/$name/$name.key
	cp full $d/certificates/acme/$name/$name.crt
	echo '{}' >$d/certificates/acme/$name/$name.json
}
win_acme() {
	mkdir $d
	for f in key=k crt=c chain=full chain-only=i; do cp ${f#*=} $d/$name-${f%=*}.pem; done
}
mod_md() {
	mkdir -p $d/domains/$name $d/accounts/ACME-0000 $d/archive $d/staging
	cp account $d/accounts/ACME-0000/account.pem
	cp k $d/domains/$name/privkey.pem
	cp full $d/domains/$name/pubcert.pem
	echo '{}' >$d/domains/$name/md.json
}
cpanel() {
	mkdir -p $d/ssl/certs $d/ssl/keys $d/ssl/csrs
	cp k $d/ssl/keys/a1b2c_0d1e2_3f4a5.key
	cp c $d/ssl/certs/mx_directory_example_a1b2c_0d1e2_1700000000_cafe.crt
	cp i $d/ssl/certs/mx_directory_example_a1b2c_0d1e2_1700000000_cafe.cabundle
	echo text >$d/ssl/ssl.db
}
cpanel_combined() {
	mkdir -p $d/$name
	cat k c i >$d/$name/combined
	echo 'x: y' >$d/$name/combined.cache
}
plesk() { mkdir $d && cat k c i >$d/scfA1b2C3; }
plesk_apart() {
	mkdir $d
	cat k c >$d/certa1b2c3
	cp i $d/certd4e5f6
}
virtualmin() {
	mkdir $d
	cp c $d/ssl.cert
	cp k $d/ssl.key
	cp i $d/ssl.ca
	cat c i >$d/ssl.combined
	cat k c i >$d/ssl.everything
}
virtualmin_bare() { mkdir $d && cp c $d/ssl.cert && cp k $d/ssl.key && cp i $d/ssl.ca; }
directadmin() {
	mkdir $d
	cp c $d/$name.cert
	cp k $d/$name.key
	cp i $d/$name.cacert
	cat c i >$d/$name.cert.combined
	date +%s >$d/$name.cert.creation_time
}
ispconfig() {
	mkdir $d
	cp k $d/$name-le.key
	cp c $d/$name-le.crt
	cp i $d/$name-le.bundle
	cp old.key $d/$name-le.key.org
	cp old.crt $d/$name-le.crt.20240101-bak.old
}
hestia() { mkdir $d && cp c $d/$name.crt && cp k $d/$name.key && cp i $d/$name.ca && cp full $d/$name.pem; }
cyberpanel() { mkdir -p $d/live/$name && cp k $d/live/$name/privkey.pem && cp full $d/live/$name/fullchain.pem; }
iredmail() { mkdir -p $d/certs $d/private && cp full $d/certs/iRedMail.crt && cp k $d/private/iRedMail.key; }
debian() { mkdir -p $d/certs $d/private && cp full $d/certs/$name.pem && cp k $d/private/$name.key && cp r $d/certs/ca-root.pem; }
mailcow() {
	mkdir -p $d/acme $d/$name $d/backups
	cp account $d/acme/account.pem
	cp k $d/acme/key.pem
	cp k $d/key.pem
	cp full $d/cert.pem
	cp k $d/$name/key.pem
	cp full $d/$name/cert.pem
	: >$d/$name/acme.csr
	openssl ecparam -name prime256v1 >$d/dhparams.pem
}
zimbra() {
	mkdir $d
	cp k $d/commercial.key
	cp c $d/commercial.crt
	cat i r >$d/commercial_ca.crt
	echo text >$d/commercial.csr
}
haproxy() { mkdir $d && cat c i >$d/$name.pem && cp k $d/$name.pem.key; }
haproxy_rsa() { mkdir $d && cat k c i >$d/$name.pem.ecdsa && cat "$fixtures/good-rsa.pem" >$d/$name.pem.rsa; }
kubernetes() {
	mkdir -p $d/..2026_01_01
	cp k $d/..2026_01_01/tls.key
	cp full $d/..2026_01_01/tls.crt
	cp r $d/..2026_01_01/ca.crt
	ln -s ..2026_01_01 $d/..data
	for f in tls.key tls.crt ca.crt; do ln -s ..data/$f $d/$f; done
}
kubernetes_yaml() {
	mkdir $d
	printf 'kind: Secret\ndata:\n  tls.crt: %s\n  tls.key: %s\n' "$(base64 -w0 full)" "$(base64 -w0 k)" >$d/secret.yaml
}
traefik() {
	mkdir $d
	printf '{"le":{"Account":{"PrivateKey":"%s"},"Certificates":[{"certificate":"%s","key":"%s"}]}}\n' \
		"$(base64 -w0 account)" "$(base64 -w0 full)" "$(base64 -w0 k)" >$d/acme.json
}
traefik_dumped() { mkdir -p $d/certs $d/private && cp full $d/certs/$name.crt && cp k $d/private/$name.key && cp account $d/private/letsencrypt.key; }
synology() { mkdir -p $d/_archive/aBcDeF && cp k $d/_archive/aBcDeF/privkey.pem && cp c $d/_archive/aBcDeF/cert.pem && cp i $d/_archive/aBcDeF/chain.pem && echo aBcDeF >$d/_archive/DEFAULT; }
pfx_each() { mkdir $d && cp p12 $d/customer-1.pfx; }
directory_each() { mkdir -p $d/one $d/two && cp k $d/one/server.key && cp c $d/one/your_domain.crt && cp i $d/one/TheCA_G2.crt && cp account $d/two/wg.key; }
linked() { mkdir -p $d $d.else && cp k $d.else/privkey.pem && cp full $d.else/fullchain.pem && ln -s "$work/$d.else" $d/$name && ln -s . $d/itself; }
p7b() { mkdir $d && cp k $d/private.key && openssl crl2pkcs7 -nocrl -certfile c -certfile i -out $d/$name.p7b; }

layouts='certbot certbot_archive lego dehydrated acme_sh uacme caddy win_acme mod_md cpanel cpanel_combined plesk plesk_apart
	virtualmin virtualmin_bare directadmin ispconfig hestia cyberpanel iredmail debian mailcow zimbra haproxy haproxy_rsa
	kubernetes kubernetes_yaml traefik traefik_dumped synology pfx_each directory_each linked p7b'
mkdir made
for layout in $layouts; do
	d=made/$layout
	$layout
	new_store "$work/store-$layout"
	tool 0 import $d
	snicert export $name >out.pem 2>&1
	is "$(grep -c 'BEGIN CERT' out.pem)" 2 "$layout: with its intermediate"
	has "$(openssl verify -CAfile r -untrusted out.pem c 2>&1)" OK "$layout: which clients can verify"
	is "$(openssl x509 -in out.pem -noout -fingerprint)" "$(openssl x509 -in c -noout -fingerprint)" "$layout: the leaf"
	state >before
	tool 0 import $d
	state >after
	is "$(cmp before after 2>&1)" '' "$layout: a second time changes nothing"
	rm -rf "$work/store-$layout"
done

# --- one key, many certificates ---------------------------------------------------

new_store "$work/store-one-key"
d=made/one_key
mkdir -p $d/private $d/certs
cheap_key $d/private/server.key
for n in 1 2 3; do cheap_chain one $d/private/server.key mx.$n.example && mv one.crt $d/certs/c$n.crt; done
tool 0 import $d
for n in 1 2 3; do is "$(chain_of mx.$n.example | grep -c '[1-3]')" 1 "one key, certificate $n"; done

# A pair that is whole by its names, and a newer certificate of its key alone, elsewhere; also where the pair has expired
# and the store gets nothing of it.
fixtures_leaf . ended --san mx.newer.example --expired
for old in one ended; do
	new_store "$work/store-$old"
	d=made/newer_$old
	mkdir -p $d/a $d/b
	cp ended.key $d/a/privkey.pem
	cheap_chain one ended.key mx.newer.example mx.newer.example 30 && mv one.crt one.chain.pem
	cp $old.chain.pem $d/a/fullchain.pem
	cheap_chain one ended.key mx.newer.example mx.newer.example 90 && mv one.crt $d/b/newcert.pem
	tool 0 import $d
	snicert export mx.newer.example >out.pem 2>&1
	is "$(sha_of out.pem)" "$(sha_of $d/b/newcert.pem)" "a newer certificate of a key that came in elsewhere: $old"
	hasnt "$(cat out err)" 'left out' "$old: … is not left out"
	state >before
	tool 0 import $d
	state >after
	is "$(cmp before after 2>&1)" '' "$old: a second time changes nothing"
done

# --- what has no other half -------------------------------------------------------

new_store "$work/store-rest"
tool 0 import made/caddy
is "$(grep -c 'left out, because the matching key or certificate is not there' out)" 1 'an account key: one note'
has "$(cat out)" 'users/x/x' '… that names it'
d=made/many
mkdir $d
cp a.pem $d/a.pem
cp b.crt $d/stranger.crt
for i in 1 2 3 4; do cheap_key $d/account$i.key; done
echo text >$d/notes.pem
tool 0 import $d
is "$(grep -c '^warning' out)" 1 'many of them: one note'
has "$(cat out)" 'and 2 more' '… that says how many'
hasnt "$(cat out err)" notes.pem 'what is none is skipped'
d=made/alone
mkdir $d
cp account $d/x.key
cp b.crt $d/y.crt
state >before
tool 3 import $d
has "$(cat err)" "$d/x.key:1: no certificate for this private key" 'nothing else: it is a fault'
has "$(cat err)" "no private key for" '… each by file'
is "$(wc -l <err)" 2 '… in a line each'
refused 3 'no certificate for this private key' import --strict $d
d=made/empty
mkdir -p $d/inner
echo text >$d/README
refused 3 "no certificate and no private key in $d" import $d

# --- what is bad -------------------------------------------------------------------

d=made/bad
mkdir $d
cp b.pem $d/b.pem
cp k $d/torn.key
cp old.crt $d/torn.crt
head -c 300 old.crt >$d/cut.crt
head -c 900 p12 >$d/cut2.p12
echo text >$d/gone.crt
ln -s nowhere $d/gone.key
tool 3 import $d
has "$(cat err)" "key and leaf don't match: the private key at $d/torn.key" 'torn'
has "$(cat err)" "$d/cut.crt:1: the block that begins here has no end" 'cut'
has "$(cat err)" "$d/cut2.p12: the file is cut short" 'cut PKCS#12'
has "$(cat err)" "$d/gone.key: No such file" 'a link to nowhere beside what is none'
is "$(wc -l <err)" 4 'no more than that'
is "$(snicert list --json mx.other.example | grep -c '"chain"')" 1 'and the rest is taken in'
state >before
refused 3 made/bad import --strict $d

# The CA that somebody runs himself, beside what it has issued.
d=made/ca
new_store "$work/store-ca"
mkdir -p $d/private
cheap_key above.key
openssl req -x509 -new -key above.key -days 90 -subj '/CN=The CA above' -out above.crt 2>/dev/null
cheap_key $d/private/ca.key
openssl req -new -key $d/private/ca.key -subj '/CN=Our own CA' -out own.csr
echo basicConstraints=critical,CA:TRUE >own.ext
openssl x509 -req -in own.csr -CA above.crt -CAkey above.key -days 80 -extfile own.ext -out $d/ca.crt 2>/dev/null
cheap_key $d/private/own.key
openssl req -new -key $d/private/own.key -subj /CN=own.example -out own.csr
echo subjectAltName=DNS:own.example >own.ext
openssl x509 -req -in own.csr -CA $d/ca.crt -CAkey $d/private/ca.key -days 70 -extfile own.ext -out $d/own.crt 2>/dev/null
cp k $d/mx.key
cp full $d/mx.crt
for run in 1 2; do
	tool 0 import $d
	has "$(cat out)" ": left out, because it is the key and certificate of a CA" "a CA's own key is left out, run $run"
	is "$(snicert list | grep -c -e "^$name" -e '^own.example')" 2 '… and the rest is taken in'
done
refused 3 'names no host' import $d/ca.crt $d/private/ca.key
mkdir made/ca-too
cat b.pem $d/ca.crt $d/private/ca.key >made/ca-too/all.pem
tool 0 import made/ca-too
is "$(snicert list --json mx.other.example | grep -c '"chain"')" 1 "a CA's key in the file of another chain does not keep that out"
if am_root; then skip "a directory that can't be read" 'root may all'; else
	d=made/locked
	mkdir -p $d/in $d/out
	cp a.pem $d/in/
	chmod 0 $d/out
	tool 3 import $d
	has "$(cat err)" "$d/out: Permission denied" 'a directory that can not be read'
	is "$(wc -l <err)" 1 '… alone'
	chmod 700 $d/out
fi
lib_finish
