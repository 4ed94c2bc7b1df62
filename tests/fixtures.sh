#!/bin/sh
# SPDX-License-Identifier: ISC
# fixtures.sh: a throw-away CA and inputs named by their verdict.
#
#   tests/fixtures.sh DIR      makes the standard set in DIR, once
#   . tests/fixtures.sh        defines fixtures_ca and fixtures_leaf only
#
#   fixtures_ca DIR            root, an EC and an RSA intermediate in DIR/ca
#   fixtures_leaf DIR NAME [--rsa|--ec|--ed25519|--p384|--rsa1024] [--san a,b]
#       [--days N|--expired|--future|--aged] [--self-signed] [--no-san] [--ca]
#     writes NAME.key, NAME.crt, NAME.chain.pem (leaf and intermediate) and
#     NAME.pem (key, leaf, intermediate).  The names default to NAME, or to
#     NAME.example where NAME has no dot; --aged has a tenth of its life left.
#
# The standard set: good-* imports with no warning (where SSL_CERT_FILE names
# DIR/ca/root.crt), warn-* with one, bad-* is refused.  NAME-x.pem certifies
# NAME-x.example.  The passphrase of what is encrypted is "secret".  Keys are
# made here and never committed.

fixtures_time() { # seconds from now
	date -u -d "@$(($(date +%s) + $1))" +%Y%m%d%H%M%SZ
}

fixtures_key() { # FILE TYPE
	case $2 in
	rsa) openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1" ;;
	rsa1024) openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out "$1" ;;
	ed25519) openssl genpkey -algorithm ED25519 -out "$1" ;;
	p384) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$1" ;;
	*) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" ;;
	esac 2>/dev/null
	chmod 600 "$1"
}

# `openssl ca`, since `openssl x509` sets a start date only from 3.4 on.
# OUT KEY CN START END EXTENSIONS [ISSUER], where ISSUER is a path without suffix
fixtures_sign() {
	_db=$(mktemp -d) || return 1
	: >"$_db/index"
	echo 'unique_subject = no' >"$_db/index.attr"
	cat >"$_db/conf" <<-CONF
		[ca]
		default_ca = d
		[d]
		database = $_db/index
		new_certs_dir = $_db
		default_md = sha256
		policy = p
		rand_serial = yes
		x509_extensions = x
		[p]
		commonName = supplied
		[x]
		subjectKeyIdentifier = hash
		$(printf '%b' "$6")
		[req]
		distinguished_name = dn
		[dn]
	CONF
	openssl req -new -config "$_db/conf" -key "$2" -subj "/CN=$3" -out "$_db/csr" 2>"$_db/log" &&
		if [ $# -gt 6 ]; then
			openssl ca -config "$_db/conf" -batch -notext -startdate "$4" -enddate "$5" \
				-in "$_db/csr" -cert "$7.crt" -keyfile "$7.key" -out "$1" 2>"$_db/log"
		else
			openssl ca -config "$_db/conf" -batch -notext -startdate "$4" -enddate "$5" \
				-in "$_db/csr" -selfsign -keyfile "$2" -out "$1" 2>"$_db/log"
		fi
	_rc=$?
	[ $_rc -eq 0 ] || cat "$_db/log" >&2
	rm -rf "$_db"
	return $_rc
}

fixtures_ca() {
	_ca=$1/ca
	[ ! -e "$_ca/done" ] || return 0
	mkdir -p "$_ca"
	_from=$(fixtures_time -86400)
	_to=$(fixtures_time 315360000)
	_usage='keyUsage = critical,keyCertSign,cRLSign\nauthorityKeyIdentifier = keyid'
	fixtures_key "$_ca/root.key" ec
	fixtures_sign "$_ca/root.crt" "$_ca/root.key" "Fixture Root" "$_from" "$_to" \
		"basicConstraints = critical,CA:TRUE\n$_usage" || return 1
	for _type in ec rsa; do
		fixtures_key "$_ca/$_type.key" $_type
		fixtures_sign "$_ca/$_type.crt" "$_ca/$_type.key" "Fixture $_type intermediate" "$_from" "$_to" \
			"basicConstraints = critical,CA:TRUE,pathlen:0\n$_usage" "$_ca/root" || return 1
	done
	: >"$_ca/done"
}

fixtures_leaf() {
	_dir=$1 _name=$2
	shift 2
	_key=ec _san= _self= _cabit=FALSE _start=-86400 _end=$((90 * 86400))
	case $_name in *.*) _cn=$_name ;; *) _cn=$_name.example ;; esac
	_san=$_cn
	while [ $# -gt 0 ]; do
		case $1 in
		--rsa | --ec | --ed25519 | --p384 | --rsa1024) _key=${1#--} ;;
		--san) _san=$2 _cn=${2%%,*} && shift ;;
		--days) _end=$(($2 * 86400)) && shift ;;
		--expired) _start=$((-40 * 86400)) _end=-86400 ;;
		--future) _start=$((10 * 86400)) _end=$((100 * 86400)) ;;
		--aged) _start=$((-81 * 86400)) _end=$((9 * 86400)) ;;
		--self-signed) _self=yes ;;
		--no-san) _san= ;;
		--ca) _cabit=TRUE ;;
		*) echo "fixtures_leaf: unknown option $1" >&2 && return 2 ;;
		esac
		shift
	done
	fixtures_ca "${FIXTURES_ROOT:-$_dir}" || return 1
	_ext="basicConstraints = CA:$_cabit"
	[ -z "$_san" ] || _ext="$_ext\nsubjectAltName = DNS:$(echo "$_san" | sed 's/,/,DNS:/g')"
	_issuer=${FIXTURES_ROOT:-$_dir}/ca/ec
	case $_key in rsa*) _issuer=${FIXTURES_ROOT:-$_dir}/ca/rsa ;; esac
	_p=$_dir/$_name
	fixtures_key "$_p.key" $_key
	if [ -n "$_self" ]; then
		fixtures_sign "$_p.crt" "$_p.key" "$_cn" "$(fixtures_time $_start)" "$(fixtures_time $_end)" "$_ext" || return 1
		cp "$_p.crt" "$_p.chain.pem"
	else
		_ext="$_ext\nauthorityKeyIdentifier = keyid\nextendedKeyUsage = serverAuth"
		fixtures_sign "$_p.crt" "$_p.key" "$_cn" "$(fixtures_time $_start)" "$(fixtures_time $_end)" \
			"$_ext" "$_issuer" || return 1
		cat "$_p.crt" "$_issuer.crt" >"$_p.chain.pem"
	fi
	cat "$_p.key" "$_p.chain.pem" >"$_p.pem"
	chmod 600 "$_p.pem"
}

# The rest makes the standard set.  $D is the directory, $P where the parts lie.

fixtures_good() {
	fixtures_leaf "$P" good-ec && fixtures_leaf "$P" good-rsa --rsa
	fixtures_leaf "$P" good-ed25519 --ed25519
	fixtures_leaf "$P" good-wildcard --san '*.good-wildcard.example,good-wildcard.example'
	for _n in good-ec good-rsa good-ed25519 good-wildcard; do cp "$P/$_n.pem" "$D/$_n.pem"; done

	# Two chains for one name, shuffled, with text around and old-fashioned line ends.
	fixtures_leaf "$P" two-ec --san good-two-keys.example
	fixtures_leaf "$P" two-rsa --rsa --san good-two-keys.example
	{
		cat "$D/ca/rsa.crt" "$P/two-ec.key" "$P/two-rsa.crt"
		echo "subject: what people leave in such files"
		openssl ecparam -name prime256v1
		sed 's/$/\r/' "$D/ca/ec.crt"
		openssl rsa -in "$P/two-rsa.key" -traditional 2>/dev/null
		printf '%s' "$(cat "$P/two-ec.crt")" # and no newline at the end
		cat "$P/two-rsa.crt"
	} >"$D/good-two-keys.pem"

	fixtures_leaf "$P" good-encrypted
	openssl pkcs8 -topk8 -in "$P/good-encrypted.key" -passout pass:secret -out "$P/good-encrypted.enc"
	cat "$P/good-encrypted.chain.pem" "$P/good-encrypted.enc" >"$D/good-encrypted.pem"
	fixtures_leaf "$P" good-traditional-encrypted
	openssl ec -in "$P/good-traditional-encrypted.key" -aes128 -passout pass:secret \
		-out "$P/good-traditional-encrypted.enc" 2>/dev/null
	cat "$P/good-traditional-encrypted.enc" "$P/good-traditional-encrypted.chain.pem" \
		>"$D/good-traditional-encrypted.pem"
	fixtures_leaf "$P" good-p12 --san good-p12.example
	openssl pkcs12 -export -inkey "$P/good-p12.key" -in "$P/good-p12.crt" -certfile "$D/ca/ec.crt" \
		-passout pass:secret -out "$D/good.p12"
	chmod 600 "$D"/good*
}

fixtures_warn() {
	fixtures_leaf "$P" warn-self-signed --self-signed
	fixtures_leaf "$P" warn-ca-leaf --ca
	fixtures_leaf "$P" warn-cn-only --no-san
	fixtures_leaf "$P" warn-no-intermediate
	cat "$P/warn-no-intermediate.key" "$P/warn-no-intermediate.crt" >"$D/warn-no-intermediate.pem"
	fixtures_leaf "$P" warn-short-life --aged
	for _n in self-signed ca-leaf cn-only short-life; do cp "$P/warn-$_n.pem" "$D/warn-$_n.pem"; done
	chmod 600 "$D"/warn*
}

fixtures_bad() {
	for _n in mismatch no-key no-cert not-linked; do fixtures_leaf "$P" bad-$_n; done
	cat "$P/good-ec.key" "$P/bad-mismatch.chain.pem" >"$D/bad-mismatch.pem"
	cat "$P/bad-no-key.chain.pem" >"$D/bad-no-key.pem"
	cat "$P/bad-no-cert.key" >"$D/bad-no-cert.pem"
	cat "$P/bad-not-linked.key" "$P/bad-not-linked.crt" "$D/ca/rsa.crt" >"$D/bad-not-linked.pem"
	fixtures_leaf "$P" bad-expired --expired
	fixtures_leaf "$P" bad-future --future
	fixtures_leaf "$P" bad-weak-rsa1024 --rsa1024
	for _n in expired future weak-rsa1024; do cp "$P/bad-$_n.pem" "$D/bad-$_n.pem"; done
	{
		cat "$P/good-ec.key"
		echo "-----BEGIN CERTIFICATE-----"
		echo "bm90IGEgY2VydGlmaWNhdGUgYXQgYWxsLCBqdXN0IHRleHQ="
		echo "-----END CERTIFICATE-----"
	} >"$D/bad-garbage.pem"
	head -c "$(($(wc -c <"$P/good-ec.pem") - 200))" "$P/good-ec.pem" >"$D/bad-truncated.pem"
	head -c 300 /dev/urandom | tr -d '\060-' >"$D/bad-binary.pem"
	chmod 600 "$D"/bad*
}

fixtures_certbot() {
	mkdir -p "$D/certbot/accounts/x" "$D/certbot/renewal" "$D/certbot/keys" "$D/certbot/csr"
	cp "$P/bad-no-cert.key" "$D/certbot/keys/0000_key-certbot.pem"
	echo "README" >"$D/certbot/renewal/README"
	for _n in certbot-a.example certbot-b.example; do
		fixtures_leaf "$P" $_n
		mkdir -p "$D/certbot/archive/$_n" "$D/certbot/live/$_n"
		cp "$P/$_n.key" "$D/certbot/archive/$_n/privkey1.pem"
		cp "$P/$_n.crt" "$D/certbot/archive/$_n/cert1.pem"
		cp "$D/ca/ec.crt" "$D/certbot/archive/$_n/chain1.pem"
		cp "$P/$_n.chain.pem" "$D/certbot/archive/$_n/fullchain1.pem"
		for _f in privkey cert chain fullchain; do
			ln -s "../../archive/$_n/${_f}1.pem" "$D/certbot/live/$_n/$_f.pem"
		done
		echo "explains" >"$D/certbot/live/$_n/README"
	done
}

fixtures_dehydrated() {
	mkdir -p "$D/dehydrated/accounts/x"
	cp "$P/bad-no-cert.key" "$D/dehydrated/accounts/x/account_key.pem"
	for _n in dehydrated-a.example dehydrated-b.example; do
		_d=$D/dehydrated/certs/$_n
		mkdir -p "$_d"
		fixtures_leaf "$P" $_n
		cp "$P/bad-no-cert.key" "$_d/privkey-1600000000.pem"
		cp "$P/$_n.key" "$_d/privkey-1700000000.pem"
		cp "$P/$_n.crt" "$_d/cert-1700000000.pem"
		cp "$D/ca/ec.crt" "$_d/chain-1700000000.pem"
		cp "$P/$_n.chain.pem" "$_d/fullchain-1700000000.pem"
		for _f in privkey cert chain fullchain; do ln -s $_f-1700000000.pem "$_d/$_f.pem"; done
		echo csr >"$_d/cert.csr"
	done
}

fixtures_acme_sh() {
	mkdir -p "$D/acme.sh/ca/acme.example/directory"
	echo "conf" >"$D/acme.sh/account.conf"
	cp "$P/bad-no-cert.key" "$D/acme.sh/ca/acme.example/directory/account.key"
	for _n in acme-a.example acme-b.example; do
		_d=$D/acme.sh/$_n
		[ $_n = acme-a.example ] || _d=${_d}_ecc
		mkdir -p "$_d"
		fixtures_leaf "$P" $_n
		cp "$P/$_n.key" "$_d/$_n.key"
		cp "$P/$_n.crt" "$_d/$_n.cer"
		cp "$D/ca/ec.crt" "$_d/ca.cer"
		cp "$P/$_n.chain.pem" "$_d/fullchain.cer"
		echo x >"$_d/$_n.conf" && echo x >"$_d/$_n.csr" && echo x >"$_d/$_n.csr.conf"
	done
}

fixtures_flat_dirs() {
	mkdir -p "$D/lego/certificates" "$D/lego/accounts/x/keys" "$D/haproxy" "$D/flat" "$D/mixed-one-bad"
	cp "$P/bad-no-cert.key" "$D/lego/accounts/x/keys/me.key"
	for _n in lego-a.example lego-b.example _.lego-c.example; do
		fixtures_leaf "$P" $_n --san "$(echo $_n | sed 's/^_/*/')"
		cp "$P/$_n.key" "$D/lego/certificates/"
		cp "$P/$_n.chain.pem" "$D/lego/certificates/$_n.crt"
		cp "$D/ca/ec.crt" "$D/lego/certificates/$_n.issuer.crt"
		echo '{}' >"$D/lego/certificates/$_n.json"
	done
	for _n in haproxy-a.example haproxy-b.example haproxy-c.example; do fixtures_leaf "$P" $_n; done
	cp "$P/haproxy-a.example.pem" "$D/haproxy/"
	cp "$P/haproxy-b.example.crt" "$D/haproxy/haproxy-b.example.pem"
	cp "$P/haproxy-b.example.key" "$D/haproxy/haproxy-b.example.pem.key"
	cp "$D/ca/ec.crt" "$D/haproxy/haproxy-b.example.pem.issuer"
	echo x >"$D/haproxy/haproxy-b.example.pem.ocsp"
	fixtures_leaf "$P" haproxy-c-rsa --rsa --san haproxy-c.example
	cp "$P/haproxy-c.example.pem" "$D/haproxy/haproxy-c.example.pem.ecdsa"
	cp "$P/haproxy-c-rsa.pem" "$D/haproxy/haproxy-c.example.pem.rsa"
	for _n in flat-a.example flat-b.example; do
		fixtures_leaf "$P" $_n
		cp "$P/$_n.key" "$D/flat/"
		cp "$P/$_n.crt" "$D/flat/$_n.cert"
	done
	cp "$D/ca/ec.crt" "$D/flat/ca-bundle.crt"
	openssl ecparam -name prime256v1 -out "$D/flat/dhparam.pem"
	for _n in mixed-a.example mixed-c.example; do
		fixtures_leaf "$P" $_n
		cp "$P/$_n.pem" "$D/mixed-one-bad/"
	done
	cp "$D/bad-mismatch.pem" "$D/mixed-one-bad/mixed-b.example.pem"
}

fixtures_all() {
	D=$1 P=$1/parts FIXTURES_ROOT=$1
	[ ! -e "$D/stamp" ] || return 0
	rm -rf "$D/ca" "$P" "$D/certbot" "$D/dehydrated" "$D/acme.sh" "$D/lego" "$D/haproxy" "$D/flat" "$D/mixed-one-bad"
	mkdir -p "$P"
	fixtures_ca "$D"
	fixtures_good
	fixtures_warn
	fixtures_bad
	fixtures_certbot
	fixtures_dehydrated
	fixtures_acme_sh
	fixtures_flat_dirs
	: >"$D/stamp"
}

case ${0##*/} in
fixtures.sh)
	set -eu
	[ $# -eq 1 ] || {
		echo "usage: $0 DIRECTORY" >&2
		exit 2
	}
	umask 077
	fixtures_all "$1"
	;;
esac
