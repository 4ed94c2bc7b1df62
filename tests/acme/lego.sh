#!/bin/sh
# SPDX-License-Identifier: ISC
# lego.sh: lego's --run-hook and --renew-hook.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
acme_start lego
snicert hook lego --install >install.sh
hook() { sed -n "s/.*--$1-hook '\(.*\)'.*/\1/p" install.sh; }
lego() {
	as_acme lego --path $home/lego --server $directory --email admin@provider.example --accept-tos \
		--http --http.webroot $www --domains $mx --domains $other "$@"
}
issue() { lego run --run-hook "$(hook run)"; }
renew() { lego renew --days 9999 --no-random-sleep ${no_bundle:-} --renew-hook "$(hook renew)"; }
again() {
	as_acme env LEGO_CERT_DOMAIN=$mx LEGO_CERT_PATH=$home/lego/certificates/$mx.crt \
		LEGO_CERT_KEY_PATH=$home/lego/certificates/$mx.key $(hook run)
}
acme_cycle lego/certificates/$mx.crt 3
no_bundle=--no-bundle
client_runs 0 'lego: renew, the intermediates in a file of their own' renew
is "$(leaf_of $mx)" "$(sha_of $home/lego/certificates/$mx.crt)" 'is served'
handshake $mx >handshake
is "$(grep -c '^ *[0-9] s:' handshake)" 2 'with its intermediate'
_changes=$(changes)
client_runs 0 "lego 5's variables" as_acme env LEGO_HOOK_CERT_NAME=$mx LEGO_HOOK_CERT_PATH=$home/lego/certificates/$mx.crt \
	LEGO_HOOK_CERT_KEY_PATH=$home/lego/certificates/$mx.key $(hook run)
is "$(changes)" "$_changes" 'name the same files'
acme_finish
