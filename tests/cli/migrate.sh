#!/bin/sh
# SPDX-License-Identifier: ISC
# migrate.sh: what other servers are told, taken in by `snicert import --from`:
# names, fallbacks, what the store can't say and what is wrong, for each kind.
# Fixtures are texts with @P@ for the directory of the chains.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2046,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start migrate
cd "$work" || exit 99
P=$work/p
mkdir p

# --- a few chains: NAME.pem has the key first, NAME.crt and NAME.key the parts
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key 2>/dev/null
for name in a b c own other wild; do
	cheap_key p/$name.key
	case $name in
	wild) cheap_chain p/wild.pem p/wild.key '*.w.example' w ;;
	*) cheap_chain p/$name.pem p/$name.key $name.example ;;
	esac
	mv p/$name.pem.crt p/$name.crt
done
cp rsa.key p/a-rsa.key
cheap_chain p/a-rsa.pem p/a-rsa.key a.example
mv p/a-rsa.pem.crt p/a-rsa.crt
chmod 600 p/*.pem p/*.key

# What is bound to what, in short: NAME=FILE, by the file's name.
files_by_leaf() { for f in p/*.crt; do echo "$(sha_of $f) $(basename $f .crt)"; done; }
files_by_leaf >leaves
bound() {
	snicert list --json | sed -n 's/^{"name": "\([^"]*\)".*"sha256": "\([^"]*\)".*/\1 \2/p' |
		sed 's/^fallback /fallback:/;s/^fallback:\([0-9a-f]\{64\}\)$/fallback \1/' |
		awk 'FILENAME == "leaves" { file[$1] = $2; next } { print $1 "=" file[$2] }' leaves - | sort | paste -sd' '
}
put() { sed "s|@P@|$P|g" >"$1"; } # FILE <TEXT
fresh() { # NAME: a store for a case
	rm -rf "$work/$1.store"
	new_store "$work/$1.store"
}
warnings() { grep -c '^warning: ' "$work/out"; }
take() { # KIND PATH WANT-BOUND WANT-WARNINGS: into a new store, first dry
	fresh case
	tool 0 import --dry-run --from "$@"
	is "$(sqlite3 "$store" 'SELECT count(*) FROM change; SELECT count(*) FROM chain')" "1
0" "$1: --dry-run changes nothing"
	cp "$work/out" "$work/dry"
	has "$(tail -n 1 "$work/dry")" 'nothing was changed' "$1: --dry-run says so"
	tool 0 import --from "$@"
	is "$(sed 's/ would be / /;s/; nothing was changed//' "$work/dry")" "$(cat "$work/out")" "$1: --dry-run said it all"
}

# --- Postfix: a map --------------------------------------------------------

put sni <<'MAP'
# a comment
A.Example @P@/a.pem,
	@P@/a-rsa.pem

b.example	@P@/b.key, @P@/b.crt
# another, in the midst
  # of which this line is no continuation
vanity.example @P@/b.key @P@/b.crt
.w.example @P@/wild.pem
b.example @P@/c.pem
MAP
take postfix sni
is "$(bound)" '*.w.example=wild a.example=a a.example=a-rsa b.example=b vanity.example=b' 'postfix: names'
is "$(snicert list --chains --json | grep -c '"chain"')" 4 'postfix: a chain of two names is one; one without a name is none'
has "$(cat "$work/out")" 'sni:9: .w.example matches names of any depth in Postfix, but *.w.example matches one label' 'postfix: .parent'
has "$(cat "$work/out")" 'sni:10: b.example is at sni:5 too: the first counts' 'postfix: a name that stands twice'
has "$(cat "$work/out")" 'not for vanity.example' 'postfix: a vanity name'
tool 0 import --from postfix sni
has "$(tail -n 1 "$work/out")" '0 names bound, 0 renewed, 5 unchanged' 'postfix again: nothing new'
tool 0 import --json --from postfix sni
json_valid "$work/out" 'import --from --json'
json_members "$work/out" '$[0]' 'chain result key_type not_after names sha256 source warnings same_key_as bound lineage renews superseded_by' \
	'import --json: its members'
is "$(grep -o 'bound": \[[^]]*' "$work/out" | grep -c vanity)" 1 'import --json: what it is bound to'

# A renewal on disk, taken in anew.
cheap_chain p/b2.pem p/b.key b.example b.example 95 && cp p/b2.pem.crt p/b.crt && rm p/b2.pem*
tool 0 import --from postfix sni
has "$(tail -n 1 "$work/out")" '2 renewed' 'postfix: a renewal on disk: both names'
files_by_leaf >leaves
is "$(bound)" '*.w.example=wild a.example=a a.example=a-rsa b.example=b vanity.example=b' 'postfix: … and nothing else'
# Another chain for the name is no renewal.
sed 's|/b\.|/other.|g' sni >changed
refused 3 'b.example is served by chain' import --from postfix changed
has "$(cat "$work/err")" 'changed:5: ' 'postfix: … which line'
tool 0 import --force --from postfix changed
is "$(bound)" '*.w.example=wild a.example=a a.example=a-rsa b.example=other vanity.example=other' 'postfix: --force'
tool 0 verify

# --- Postfix: main.cf, master.cf, postconf ----------------------------------

mkdir postfix
put postfix/main.cf <<'CF'
# the name of the host
myhostname = mx.provider.example
ssl = @P@
smtpd_tls_cert_file = $ssl/none.pem
smtpd_tls_cert_file = ${ssl}/own.crt
smtpd_tls_key_file =
	$(ssl)/own.key
tls_server_sni_maps = hash:$config_directory/sni, mysql:/etc/postfix/sni.cf
CF
cp sni postfix/sni
put postfix/master.cf <<'CF'
smtp      inet  n       -       y       -       -       smtpd
192.0.2.1:smtp inet n   -       y       -       -       smtpd
  -o syslog_name=postfix/other -o smtpd_tls_cert_file=@P@/other.crt
  -o { smtpd_tls_key_file = $ssl/other.key }
[2001:db8::1]:25 inet n -       y       -       -       smtpd
  -o smtpd_tls_chain_files=$ssl/c.pem
submission inet n       -       y       -       -       smtpd
  -o smtpd_tls_cert_file=$ssl/c.crt -o smtpd_tls_key_file=$ssl/c.key
pickup    unix  n       -       y       60      1       pickup
CF
take postfix postfix
names='*.w.example=wild a.example=a a.example=a-rsa b.example=b vanity.example=b'
is "$(bound)" "$(echo $names | sed 's/ vanity/ fallback:192.0.2.1=other fallback:2001:db8::1=c fallback=own vanity/')" \
	'postfix: a directory: fallbacks too'
has "$(cat "$work/out")" 'main.cf:8: mysql:/etc/postfix/sni.cf is not a map' 'postfix: a map that is no file'
has "$(cat "$work/out")" 'master.cf:7: certificates for the service submission' 'postfix: a service without an address'
take postfix postfix/main.cf
is "$(bound)" "$(echo $names | sed 's/ vanity/ fallback=own vanity/')" 'postfix: main.cf alone'
fresh postconf
tool_input=postfix/main.cf refused 3 'standard input:8: $config_directory' import --from postfix -
sed "s|\$config_directory|$work/postfix|" postfix/main.cf >postconf
tool_input=postconf tool 0 import --from postfix -
has "$(bound)" 'fallback=own' 'postfix: what postconf prints'
printf 'smtpd_tls_chain_files = %s\n' "$P/own.pem, $P/a-rsa.pem" >chain.cf
echo 'smtpd_tls_cert_file = /nowhere' >>chain.cf
take postfix chain.cf
is "$(bound)" 'fallback=a-rsa fallback=own' 'postfix: smtpd_tls_chain_files'

put maps.cf <<'CF'
tls_server_sni_maps = inline:{ a.example=@P@/a.pem,
  {b.example = @P@/b.key, @P@/b.crt} { .w.example = @P@/wild.pem } }, unionmap:{hash:/nowhere, pcre:/x}
  proxy:texthash:$config_directory/other
CF
echo "c.example $P/c.pem" >other
take postfix maps.cf
is "$(bound)" '*.w.example=wild a.example=a b.example=b c.example=c' 'postfix: names in main.cf itself, and what comes after them'
has "$(cat "$work/out")" 'maps.cf:1: unionmap:{hash:/nowhere, pcre:/x} is not a map' 'postfix: a list of maps, whole'

# --- a plain mapping ---------------------------------------------------------

put plain <<'MAP'
fallback @P@/own.pem
default@2001:DB8:0::1 @P@/other.pem
*.w.example @P@/wild.pem
münchen.example @P@/c.crt @P@/c.key
MAP
take map plain
is "$(bound)" '*.w.example=wild fallback:2001:db8::1=other fallback=own xn--mnchen-3ya.example=c' 'map: names and fallbacks'

# --- Dovecot -------------------------------------------------------------------

mkdir -p dovecot/conf.d
put dovecot/dovecot.conf <<'CONF'
# 2.3
protocols = imap lmtp
!include_try /usr/share/dovecot/protocols.d/*.protocol
!include conf.d/*.conf
!include_try nowhere.conf
local_name b.example {
  ssl_cert = <@P@/c.pem
}
local_name "b.example  vanity.example" {
  ssl_cert = <@P@/b.crt # one
  ssl_key = <@P@/b.key
}
CONF
put dovecot/conf.d/10-ssl.conf <<'CONF'
ssl = required
ssl_cert = <@P@/own.crt
ssl_key = <@P@/own.key
service imap-login {
  inet_listener imaps {
    port = 993
  }
}
local_name a.example {
  ssl_cert = <@P@/a.pem
  ssl_key = <@P@/a.pem
  ssl_alt_cert = <@P@/a-rsa.pem
  ssl_alt_key = <@P@/a-rsa.pem
}
local 192.0.2.1 {
  protocol imap {
    ssl_cert = <@P@/c.pem
  }
  ssl_cert = <@P@/other.crt
  ssl_key = <@P@/other.key
}
local 192.0.2.0/24 {
  ssl_cert = <@P@/c.pem
}
local_name *.w.example {
  ssl_cert = <@P@/wild.pem
}
local_name mail*.w.example {
  ssl_cert = <@P@/c.pem
}
CONF
take dovecot dovecot/dovecot.conf
is "$(bound)" '*.w.example=wild a.example=a a.example=a-rsa b.example=b fallback:192.0.2.1=other fallback=own vanity.example=b' \
	'dovecot 2.3: names and fallbacks'
has "$(cat "$work/out")" '10-ssl.conf:16: a certificate for only some clients or protocols' 'dovecot: a protocol'
has "$(cat "$work/out")" 'local 192.0.2.0/24 is left out' 'dovecot: a network'
has "$(cat "$work/out")" 'mail*.w.example is left out' 'dovecot: a pattern'
has "$(cat "$work/out")" 'dovecot.conf:6: b.example is at dovecot/dovecot.conf:9 too: the last counts' 'dovecot: a name of two blocks'
whole=$(bound)
take dovecot dovecot/
is "$(bound)" "$whole" 'dovecot: its directory'
put dovecot24.conf <<'CONF'
dovecot_config_version = 2.4.0
ssl_server {
  cert_file = @P@/own.crt
  key_file = @P@/own.key
}
local_name a.example {
  ssl_server_cert_file = @P@/a.crt
  ssl_server_key_file = @P@/a.key
  ssl_server_alt_cert_file = @P@/a-rsa.crt
  ssl_server_alt_key_file = @P@/a-rsa.key
}
local 2001:db8::1 {
  ssl_server_cert_file = \
    @P@/other.pem
}
CONF
take dovecot dovecot24.conf
is "$(bound)" 'a.example=a a.example=a-rsa fallback:2001:db8::1=other fallback=own' 'dovecot 2.4'

# --- HAProxy -------------------------------------------------------------------

mkdir crt
cp p/own.pem crt/0.pem
cp p/a.pem crt/a.pem.ecdsa
cp p/a-rsa.pem crt/a.pem.rsa
cp p/b.crt crt/b.crt
cp p/b.key crt/b.crt.key
cp p/c.crt crt/c.crt
cp p/c.key crt/c.key
echo x >crt/b.crt.ocsp
take haproxy crt
is "$(bound)" 'a.example=a a.example=a-rsa b.example=b c.example=c fallback=own own.example=own' 'haproxy: a crt directory'
put list <<'LIST'
# path options filters
@P@/own.pem
crt/a.pem [alpn h2 ssl-min-ver TLSv1.2] a.example
crt/b.crt !b.example extra.example
@P@/wild.pem *.w.example !secret.w.example
@P@/c.crt [key @P@/c.key]
@P@/other.pem extra.example
LIST
take haproxy list
is "$(bound)" '*.w.example=wild a.example=a a.example=a-rsa c.example=c extra.example=b fallback=own own.example=own' 'haproxy: a crt-list'
has "$(cat "$work/out")" 'secret.w.example is left out there, but *.w.example' 'haproxy: a negative filter below a wildcard'
has "$(cat "$work/out")" 'only key and issuer are imported' 'haproxy: options'
has "$(cat "$work/out")" 'extra.example has another EC chain' 'haproxy: the first counts'
is "$(grep -c 'not for extra.example' "$work/out")" 1 'haproxy: … and only it is warned of'
sed 's|^\(.*/other.pem\) .*|\1 * other.example|' list >starred
take haproxy starred
has "$(bound)" 'fallback=other' 'haproxy: * is the default'
hasnt "$(bound)" 'fallback=own' 'haproxy: … and then the first line is not'
put haproxy.cfg <<'CFG'
global
    crt-base @P@
frontend mx
    bind :25 ssl crt own.pem crt-list plain-list
    bind 192.0.2.1:25 ssl crt other.pem alpn smtp crt a.pem
CFG
echo 'b.pem b.example vanity.example' >plain-list
cat p/b.key p/b.crt >p/b.pem
take haproxy haproxy.cfg
is "$(bound)" 'a.example=a b.example=b fallback:192.0.2.1=other fallback=own other.example=other own.example=own vanity.example=b' \
	'haproxy: haproxy.cfg'

printf 'frontend mx\n  bind :25 ssl crt %s/./crt// crt-list same-list\n' "$work" >twice.cfg
echo "$work/crt/a.pem vanity.example" >same-list
take haproxy twice.cfg
is "$(grep -c '^  *[0-9]' "$work/out") $(grep -c '//\|  unchanged  ' "$work/out")" '5 0' 'haproxy: a file of two spellings is one'

# --- Exim, Haraka, mailcow, Virtualmin -----------------------------------------

mkdir -p exim/vanity.example exim/b.example
cp p/a.crt exim/a.example.crt
cp p/a.key exim/a.example.key
cp p/c.key exim/vanity.example/privkey.pem
cp p/c.crt exim/vanity.example/fullchain.pem
cp p/b.pem exim/b.example/b.example.pem
cp p/own.crt exim/default.crt
cp p/own.key exim/default.key
cp p/other.pem exim/exim.pem
take exim exim
is "$(bound)" 'a.example=a b.example=b fallback=own vanity.example=c' 'exim: files named by $tls_in_sni'
has "$(cat "$work/out")" 'exim/exim: exim is not a name' 'exim: a name that is none'

mkdir -p haraka/config/tls/sub
cp p/own.key haraka/config/tls_key.pem
cp p/own.crt haraka/config/my_cert.pem
printf '; Haraka\nrequestCert=false\ncert = my_cert.pem\n[outbound]\nkey=none.pem\n' >haraka/config/tls.ini
cp p/a.pem haraka/config/tls/one.pem
cp p/b.crt haraka/config/tls/sub/b.example.crt
cp p/b.key haraka/config/tls/sub/b.example.key
for path in haraka haraka/config; do
	take haraka $path
	is "$(bound)" 'a.example=a b.example=b fallback=own' "haraka: $path"
done
take haraka haraka/config/tls
is "$(bound)" 'a.example=a b.example=b' 'haraka: config/tls alone'

mkdir -p mailcow/data/assets/ssl/a.example mailcow/data/assets/ssl/b.example mailcow/data/assets/ssl/backups
ssl=mailcow/data/assets/ssl
cp p/own.crt $ssl/cert.pem
cp p/own.key $ssl/key.pem
for name in a b; do
	cp p/$name.crt $ssl/$name.example/cert.pem
	cp p/$name.key $ssl/$name.example/key.pem
done
echo 'a.example autodiscover.a.example' >$ssl/a.example/domains
cp p/c.crt $ssl/backups/cert.pem
cp p/c.key $ssl/backups/key.pem
for path in mailcow $ssl; do
	take mailcow $path
	is "$(bound)" 'a.example=a autodiscover.a.example=a fallback=own own.example=own' "mailcow: $path"
done

mkdir -p home/a/domains/b.example home/c records
for pair in a:home/a b:home/a/domains/b.example c:home/c; do
	cp p/${pair%%:*}.crt ${pair#*:}/ssl.cert
	cp p/${pair%%:*}.key ${pair#*:}/ssl.key
done
cp p/c.pem home/c/ssl.everything
rm home/c/ssl.key
take virtualmin home
is "$(bound)" 'a.example=a b.example=b c.example=c' 'virtualmin: homes'
printf 'dom=a.example\nssl_cert=%s\nssl_key=%s\nssl_chain=\n' "$work/home/a/ssl.cert" "$work/home/a/ssl.key" >records/1234
printf 'dom=plain.example\nhome=/home/plain\n' >records/1235
take virtualmin records
is "$(bound)" 'a.example=a' 'virtualmin: its records of domains'

# --- mistakes: one line, with file and place -------------------------------------

fresh bad
wrong() { # KIND PATTERN <TEXT
	put wrong.$1
	refused 3 "$2" import --from $1 wrong.$1
}
wrong postfix 'wrong.postfix:2: a..b is not a name' <<'MAP'
a.example @P@/a.pem
a..b @P@/b.pem
MAP
wrong postfix 'wrong.postfix:1: the name has no files' <<'MAP'
a.example
MAP
wrong postfix 'wrong.postfix:2: ' <<'MAP'
a.example @P@/a.pem
b.example @P@/nowhere.pem
MAP
has "$(cat "$work/err")" nowhere.pem 'a file that is not there: which'
wrong postfix "wrong.postfix:1: " <<'MAP'
a.example @P@/a.key @P@/b.crt
MAP
wrong postfix 'wrong.postfix:1: $myhostname' <<'MAP'
smtpd_tls_cert_file = @P@/$myhostname.pem
MAP
wrong postfix 'not supported' <<'MAP'
smtpd_tls_cert_file = ${ssl?{@P@/a.pem}}
MAP
wrong postfix 'wrong.postfix:1: an inline: map is not in { }' <<'MAP'
tls_server_sni_maps = inline:{ a.example = @P@/a.pem
MAP
wrong postfix 'wrong.postfix:1: in an inline: map, a.example */a.pem is not NAME = FILE' <<'MAP'
tls_server_sni_maps = inline:{ { a.example @P@/a.pem } }
MAP
wrong postfix 'expanded from this file' <<'MAP'
smtpd_tls_cert_file = $x
x = $y
y = $x
MAP
wrong map 'not an IPv4' <<'MAP'
default@nowhere @P@/a.pem
MAP
wrong dovecot 'wrong.dovecot:1: the block is never closed' <<'CONF'
local_name a.example {
ssl_cert = <@P@/a.pem
CONF
wrong dovecot 'wrong.dovecot:3: a } without a {' <<'CONF'
local_name a.example {
}
}
CONF
wrong dovecot 'wrong.dovecot:1: give the path of a PEM file' <<'CONF'
ssl_cert = -----BEGIN CERTIFICATE-----
CONF
wrong dovecot 'wrong.dovecot:1: ' <<'CONF'
!include nowhere.conf
CONF
wrong dovecot 'include each other' <<'CONF'
!include wrong.dovecot
CONF
wrong haproxy 'wrong.haproxy:1: a [ without' <<'LIST'
@P@/a.pem [alpn h2
LIST
wrong haproxy 'wrong.haproxy:1: @store' <<'LIST'
@store/a.pem a.example
LIST
for kind in postfix dovecot haproxy map; do
	refused 3 nowhere import --from $kind nowhere
	refused 3 'names no certificate' import --from $kind /dev/null
	head -c 3000 /dev/urandom >noise
	refused 3 noise import --from $kind noise
done
for kind in exim haraka mailcow virtualmin; do
	refused 3 nowhere import --from $kind nowhere
	mkdir -p void
	refused 3 void import --from $kind void
done
refused 2 'not a kind of source' import --from sendmail sni
refused 2 "can't be used with it" import --from postfix --name a.example sni
refused 2 "can't be used with it" import --from postfix --no-bind sni
refused 3 'import --from postfix' import sni
refused 3 'import --from haproxy' import starred
refused 3 'import --from dovecot' import dovecot/dovecot.conf

put some <<'MAP'
a.example @P@/a.pem
a..b @P@/b.pem
b.example @P@/nowhere.pem
*.w.example @P@/wild.pem
c.example
MAP
tool 3 import --keep-going --from map some
is "$(wc -l <"$work/err")" 3 '--keep-going: a line for each mistake'
for line in 2 3 5; do has "$(cat "$work/err")" "some:$line: " "--keep-going: line $line"; done
has "$(tail -n 1 "$work/out")" '3 failed' '--keep-going: counted'
is "$(bound)" '*.w.example=wild a.example=a' '--keep-going: the good ones'

# Staged, owned, and a dry run of files.
fresh more
tool 0 import --stage --owner acme --from map plain
is "$(bound)" '' '--stage: nothing is bound'
tool 0 activate --all
is "$(bound)" '*.w.example=wild fallback:2001:db8::1=other fallback=own xn--mnchen-3ya.example=c' 'activate: names and fallbacks'
is "$(snicert list --owner acme --json | grep -c '"name"')" 4 '--owner: whose they are'
state >"$work/state"
tool 0 import --dry-run p/a.pem
has "$(cat "$work/out")" a.example '--dry-run of a file'
unchanged '--dry-run of a file'
lib_finish
