#!/bin/sh
# SPDX-License-Identifier: ISC
# exim.sh: Exim with OpenSSL, unmodified, from Debian's source package; attached
# by ${dlfunc …} where a connection starts, while its preloading of certificates
# stays on.
# shellcheck disable=SC1003,SC1091,SC2016,SC2034,SC2046,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/exim-lib.sh"
mta_exim_openssl exim
mta_start exim libpcre2-8-0 libdb5.3 swaks
exim=/usr/exim/bin/exim4 exim_conf=/etc/exim.conf
mkdir -p /usr/exim/bin
cp "$SNICERT_EXIM/exim" $exim
chmod 4755 $exim

attach='${if exists{/usr/lib/snicert/snicert.so}{${dlfunc{/usr/lib/snicert/snicert.so}{snicert_exim_attach}{/etc/snicert/snicert.conf}}}}'
exim_tls() {
	echo "tls_certificate = ${certificate:-/etc/ssl/exim.crt}"
	echo "tls_privatekey = ${private_key:-/etc/ssl/exim.key}"
	case $way in
	acl) echo 'acl_smtp_connect = connect' ;;
	hostname) echo "smtp_active_hostname = $attach" ;;
	daemon) echo "smtp_active_hostname = $attach"; echo "smtp_accept_max_per_host = $attach" ;;
	esac
}
exim_acl() {
	[ $way != acl ] || printf 'connect:\n  accept set acl_c_snicert = %s\n' "$attach"
}

again_as() { way=$1; exim_conf; again; }

way=hostname
exim_setup
row "Exim $($exim -bV | sed -n 's/^Exim version \([^ ]*\).*/\1/p') (OpenSSL)" dlfunc
exim_start || lib_finish
exim_names
exim_resumption
exim_changes
exim_mail
exim_troubles
exim_growth 'attached in each connection'

# --- Exim's preloading of certificates stays on
column -
$exim -bdf -d+tls -oX 2700 -oP /run/exim-debug.pid >debug 2>&1 &
debug_pid=$!
mta_wait 'a daemon that debugs' mta_listening 2700
port=2700 starttls=smtp
is "$(served smtp.customer-a.example)" smtp.customer-a.example 'a daemon that debugs: a known name'
kill $debug_pid && wait $debug_pid 2>/dev/null
has "$(cat debug)" 'TLS: server certs were preloaded' 'certificates were preloaded, and the chain of the name was served'

# --- attached in the daemon already, for its children
again_as daemon
exim_names
exim_changes
exim_growth 'attached in the daemon'

# --- from the ACL for new connections: all but TLS on connect, which starts before
again_as acl
each='daemon inetd pipes'
exim_names
each='daemon smtps inetd pipes'
column -
case $($exim -bV | sed -n 's/^Exim version \([^ ]*\).*/\1/p') in
4.9[0-7]*) is "$(on smtps smtp.customer-a.example)" own.example 'acl, TLS on connect: own certificate' ;;
*) is "$(on smtps smtp.customer-a.example)" smtp.customer-a.example 'acl, TLS on connect: the ACL comes first since Exim 4.98' ;;
esac

# --- beside a tls_certificate that depends on the name: Exim makes a context in the handshake
fixtures_leaf certs map --san map.example --rsa
cp certs/map.chain.pem /etc/ssl/map.example.crt
certificate='${if eq{$tls_in_sni}{map.example}{/etc/ssl/map.example.crt}{/etc/ssl/exim.crt}}'
private_key='${if eq{$tls_in_sni}{map.example}{/etc/ssl/map.example.key}{/etc/ssl/exim.key}}'
cp certs/map.key /etc/ssl/map.example.key
chown Debian-exim /etc/ssl/map.example.key
for fallback in with without; do
	[ $fallback = with ] || tool 0 fallback none
	again_as hostname
	for w in $each; do
		is "$(on $w smtp.customer-a.example)" smtp.customer-a.example "$w: beside Exim's own choice, $fallback fallback: a name of the store"
		is "$(on $w map.example)" $([ $fallback = with ] && echo mx.provider.example || echo map.example) \
			"$w: beside Exim's own choice, $fallback fallback: a name of Exim's"
		is "$(on $w nobody.example)" $([ $fallback = with ] && echo mx.provider.example || echo own.example) \
			"$w: beside Exim's own choice, $fallback fallback: an unknown name"
	done
done
exim_finish
