#!/bin/sh
# SPDX-License-Identifier: ISC
# exim-gnutls.sh: Debian's own Exim, with GnuTLS, unmodified; the chain and its
# key handed over by ${dlfunc …} as a path to a file of memory.
# shellcheck disable=SC1003,SC1091,SC2016,SC2034,SC2046,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/exim-lib.sh"
mta_start exim-gnutls exim4-daemon-heavy swaks
exim=/usr/sbin/exim4 exim_conf=/etc/exim4/exim4.conf
chmod 4755 $exim

own_files='tls_certificate = /etc/ssl/exim.crt
tls_privatekey = /etc/ssl/exim.key'
dlfunc() { # NAME OWN-FILE
	echo "\${if exists{/usr/lib/snicert/snicert.so}{\${dlfunc{/usr/lib/snicert/snicert.so}{$1}{/etc/snicert/snicert.conf}{\$tls_in_sni}{$2}{\$received_ip_address}}}{$2}}"
}
by_name="tls_certificate = $(dlfunc snicert_exim_certificate /etc/ssl/exim.crt)
tls_privatekey = $(dlfunc snicert_exim_privatekey /etc/ssl/exim.key)"
in_daemon='smtp_accept_max_per_host = ${dlfunc{/usr/lib/snicert/snicert.so}{snicert_exim_attach}{/etc/snicert/snicert.conf}}'
exim_tls() { echo "$options"; }
again_as() { options=$1; exim_conf; again; }

each='daemon smtps inetd'
options=$own_files
exim_setup
row "Exim $($exim -bV | sed -n 's/^Exim version \([^ ]*\).*/\1/p') (GnuTLS)" dlfunc

# --- without the module: what GnuTLS refuses by itself
exim_start || lib_finish
odd='no handshake'
is "$(on daemon nobody.example)" own.example 'without the module: own certificate'
is "$(on daemon 'smtp.customer-a.example\')" "$odd" 'without the module: GnuTLS refuses a name that ends in a backslash'
is "$(on daemon '../../etc/ssl/exim')" "$odd" 'without the module: … and one that is a path'

again_as "$by_name
tls_require_ciphers = NORMAL:%SERVER_PRECEDENCE"
exim_names
is "$(on daemon smtp.customer-a.example -tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384)" \
	smtp.customer-a.example 'a client of TLS 1.2 that prefers RSA, the name has ECDSA'
exim_resumption
exim_changes
short_ends exim_finish
exim_mail
exim_troubles

# --- no chain of the store has RSA: Exim's own file has
column rsa
tool 0 fallback "$(sha_of certs/fall2.crt)"
for w in $each; do
	is "$(on $w smtp.customer-a.example $rsa_only)" own.example "$w: RSA only, neither the name nor the fallback has it"
	is "$(on $w smtp.customer-a.example)" smtp.customer-a.example "$w: … and a client that has more"
done
tool 0 fallback $fallbacks

# --- nothing of it is in a file system, and it ends with its process
column -
sleep 600 | openssl s_client -connect 127.0.0.1:$daemon -starttls smtp -servername smtp.customer-b.example >held 2>&1 &
held_pid=$!
mta_wait 'a connection that stays' grep -q 'Verify return code' held
child=$(pgrep -P $exim_pid | head -n 1)
has "$(ls -l /proc/$child/fd)" 'memfd:snicert' 'the key is in a file of memory'
is "$(grep -rlF -e "$(sed -n 2p certs/smtp.customer-b.example.key)" /var /etc /run /dev/shm 2>/dev/null)" '' 'no key is in any file'
kill $held_pid
ended() { ! kill -0 $child; }
mta_wait 'the process ends with its connection' ended && ok 'the process ends with its connection'
exim_growth 'loaded in each connection'

# --- loaded in the daemon already, for its children
again_as "$by_name
$in_daemon"
exim_names
exim_changes
exim_growth 'loaded in the daemon'
exim_finish
