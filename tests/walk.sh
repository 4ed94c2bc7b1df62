#!/bin/sh
# SPDX-License-Identifier: ISC
# walk.sh [SERVER…]          an admin's first hour, in a clean Debian 12: the package built and installed, a
#                            server (postfix, dovecot, exim, exim_split, nginx; default: each) set up by what
#                            `snicert setup` prints alone, chains of two customers issued and renewed by
#                            certbot, lego, uacme or dehydrated against Debian's ACME server, looked at from
#                            outside, then the package removed and purged under the server that runs.
#   --write                  makes doc/tutorial.md, the transcript, anew, or the parts of these servers;
#                            else it is compared with
#
# Each has a layer of its own on top of the clean root (package-lib.sh), without a
# network but its own loopback, where the packages that apt has fetched before are installed.
# As root; 77 where Debian or one of its packages can't be had.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2046,SC2086,SC2154
set -u
what=walk
. "$(dirname "$0")/package-lib.sh"
servers='postfix dovecot exim exim_split nginx'

client_of() { # SERVER: each client has its turn
	case $1 in
	dovecot | exim_split) echo lego ;;
	exim) echo uacme ;;
	nginx) echo dehydrated ;;
	*) echo certbot ;;
	esac
}
packages_of() { # SERVER
	case $1 in
	dovecot) echo dovecot-imapd ;;
	exim*) echo exim4-daemon-heavy ;;
	nginx) echo nginx-light ssl-cert ;;
	*) echo "$1" ;;
	esac
}
title_of() { # SERVER: of its part of the page
	case $1 in
	postfix) echo 'Postfix, with certbot' ;;
	dovecot) echo 'Dovecot, with lego' ;;
	exim) echo 'Exim, with uacme' ;;
	exim_split) echo 'Exim with a split configuration' ;;
	nginx) echo 'nginx, with dehydrated' ;;
	esac
}
# What stands around it: a CA, a web server for its challenges, and what looks.
around='pebble python3-minimal libpython3-stdlib openssl ca-certificates iproute2 curl procps swaks libnet-ssleay-perl'

# --- in the layer ----------------------------------------------------------------

fetch() { # SERVER
	# `apt install` would throw away what others want, too.
	echo 'Binary::apt::APT::Keep-Downloaded-Packages "1";' >/etc/apt/apt.conf.d/99walk
	echo 'postfix postfix/main_mailer_type select Internet Site
postfix postfix/mailname string provider.example
exim4-config exim4/dc_eximconfig_configtype select internet site; mail is sent and received directly using SMTP
exim4-config exim4/mailname string provider.example' | debconf-set-selections
	[ "$1" != exim_split ] || echo 'exim4-config exim4/use_split_config boolean true' | debconf-set-selections
	apt-get update -qq || exit 1
	apt-get install -y -qq --download-only $around $(packages_of "$1") $(client_of "$1") /src/snicert_*.deb || exit 2
	exec unshare -n -u sh /src/snicert/tests/walk.sh --offline "$1"
}

# A CA that asks for http-01 on port 5002, and what answers there.
directory=https://localhost:14000/dir
www=/var/www/html
start_pebble() {
	mkdir -p /etc/pebble $www/.well-known/acme-challenge
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /etc/pebble/ca.key -days 2 \
		-subj '/CN=CA of the ACME server' -out /etc/pebble/ca.pem 2>/dev/null
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /etc/pebble/key.pem -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost 2>/dev/null |
		openssl x509 -req -CA /etc/pebble/ca.pem -CAkey /etc/pebble/ca.key -days 2 -copy_extensions copy -out /etc/pebble/cert.pem 2>/dev/null
	cp /etc/pebble/ca.pem /usr/local/share/ca-certificates/pebble.crt
	update-ca-certificates >/dev/null 2>&1
	cat >/etc/pebble/config.json <<-'JSON'
		{ "pebble": { "listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000",
		"certificate": "/etc/pebble/cert.pem", "privateKey": "/etc/pebble/key.pem", "httpPort": 5002, "tlsPort": 5001 } }
	JSON
	pebble-challtestsrv -defaultIPv6 '' -dns01 127.0.0.1:8053 -http01 '' -https01 '' -tlsalpn01 '' -management 127.0.0.1:8055 >$work/dns.log 2>&1 &
	python3 -m http.server 5002 --bind 127.0.0.1 --directory $www >$work/www.log 2>&1 &
	PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 pebble -config /etc/pebble/config.json -dnsserver 127.0.0.1:8053 >$work/pebble.log 2>&1 &
	for _port in 14000 15000 5002 8055; do await "a service on port $_port" listening $_port; done
	# A CA that clients know.
	curl -sS -o /usr/local/share/ca-certificates/walk.crt https://localhost:15000/roots/0 && update-ca-certificates >/dev/null 2>&1
}
listening() { ss -Hltn "sport = :$1" | grep -q .; }

# The lines of a step, by its title: commands are typed, files get what is to be added.  The steps
# that are choices are the script's (`chooses`).  At the end none may be left.
step_of() { awk -v title="$1" '/^[0-9]+\. / { on = index($0, title) > 0 } on' $work/setup; }
follow() { # TITLE…
	for _title; do
		step_of "$_title" >$work/step
		[ -s $work/step ] || not_ok "the page has a step \"$_title\"" "$(cat $work/setup)"
		echo "$_title" >>$work/followed
		# A command is a line; so is a text, which ends in its number.
		awk -v at=$work/step '
			function flush() { if (file != "" && text != "") { n++; printf "%s", text >(at "." n); close(at "." n); print "file " n " " file } text = "" }
			/^(Add to|Add at the end of|New file) .*:$/ { flush(); file = $NF; sub(/:$/, "", file); run = 0; next }
			/^Run:$/ { flush(); file = ""; run = 1; next }
			/^    / && (run || file != "") { if (run) print "run " substr($0, 5); else text = text substr($0, 5) "\n"; next }
			{ flush(); file = ""; run = 0 }
			END { flush() }' $work/step >$work/todo
		while read -r _kind _rest; do
			case $_kind in
			run) types 0 "$_rest" ;;
			file)
				_file=${_rest#* }
				[ -d "${_file%/*}" ] || types 0 "mkdir -p ${_file%/*}"
				types 0 "cat >>$_file <<'END'
$(cat $work/step.${_rest%% *})
END"
				;;
			esac
		done 3<&0 <$work/todo
	done
}
chooses() { # TITLE LINE: one of the choices of a step
	step_of "$1" | grep -qF "      $2" && ok "the page offers: $2" || not_ok "the page offers: $2" "$(step_of "$1")"
	echo "$1" >>$work/followed
}
nothing_left() {
	sed -n 's/^[0-9]*\. //p' $work/setup | while read -r _title; do
		case $_title in 'The package' | 'See it work'* | 'To undo this') continue ;; esac
		grep -qxF "$_title" $work/followed || echo "$_title"
	done >$work/left
	is "$(cat $work/left)" '' 'each step of the page is done'
}

# --- the parts of the hour

page_starts() { # SERVER
	case $1 in
	dovecot) port=143 starttls=imap ;;
	nginx) port=443 starttls=- ;;
	*) port=25 starttls=smtp ;;
	esac
	s_client="-starttls $starttls -connect localhost:$port"
	ours=mx.provider.example acme=smtp.acme.example acme_too=mx.acme.example beta=smtp.beta.example
	[ $1 != nginx ] || {
		s_client="-connect localhost:$port"
		ours=mta-sts.provider.example acme=mta-sts.acme.example acme_too=mta-sts.acme-shop.example beta=mta-sts.beta.example
	}
	obtains_ours
	say <<-TEXT

		## $(title_of $1)
	TEXT
}
# What any server has before: a certificate of its own, as Debian makes it.
serves_own() { # WHAT
	is "$(leaf_of $acme)" "$(sha_of "$(own_file)")" "$1"
}
still_own() { [ "$(leaf_of $acme)" = "$(sha_of "$(own_file)")" ]; }
is_up() { listening $port; }
own_file() {
	case $server in
	dovecot) echo /etc/dovecot/private/dovecot.pem ;;
	exim*) echo /etc/exim4/exim.crt ;;
	*) echo /etc/ssl/certs/ssl-cert-snakeoil.pem ;;
	esac
}

installs() {
	types 0 'apt install ./snicert_*.deb' "sed -n '/^Setting up snicert/p'"
}
prints() { # SERVER
	types 0 "snicert setup $1"
	cp $work/said $work/setup
	: >$work/followed
}

looks_at() { # NAME
	types 0 "openssl s_client $s_client -servername $1 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName" \
		"sed -n 's/^ *DNS/DNS/p'"
}
gets() { # NAME|- FILE WHAT: a client gets the chain of that file, and trusts it; one that sends mail, too
	is "$(leaf_of $1)" "$(sha_of "$2")" "$3"
	has "$(cat $work/handshake)" 'Verification: OK' '… and it is a chain that clients trust'
	is "$(grep -c '^ *[0-9] s:' $work/handshake)" 2 '… with its intermediate'
	[ $starttls = smtp ] && [ $1 != - ] || return 0
	rm -f $work/peer.pem
	timeout 60 swaks --server 127.0.0.1:$port --helo client.example --quit-after EHLO --tls --tls-sni $1 --tls-get-peer-cert $work/peer.pem \
		>$work/swaks 2>&1
	is "$(openssl x509 -noout -fingerprint -in $work/peer.pem 2>&1)" "$(openssl x509 -noout -fingerprint -in "$2")" '… so does swaks'
	grep -q BEGIN $work/peer.pem || tail -n 30 $work/swaks
}
gets_all() { # WHAT: each name its own, and the fallback
	for _name in $acme $acme_too; do gets $_name $(file_of $acme) "$1: $_name"; done
	gets $beta $(file_of $beta) "$1: $beta"
	gets - $(file_of $ours) "$1: the fallback for no name"
	case $server in
	nginx) is "$(served unknown.example)" 'no handshake' "$1: an unknown name is refused" ;;
	*) gets unknown.example $(file_of $ours) "$1: the fallback for an unknown name" ;;
	esac
}

fallback() {
	chooses 'The fallback, for missing and unknown names' 'snicert import --no-bind FILE'
	types 0 "snicert import --no-bind $(pem_of $ours)"
	types 0 'snicert fallback 1'
}
renewal() {
	_before=$(sha_of $(file_of $acme)) _pid=$(pid_of)
	say <<-'TEXT'

		A renewal, as the client's timer does it. The server serves it from the next handshake:

	TEXT
	renews $acme
	types 0 "snicert list $acme"
	isnt "$(sha_of $(file_of $acme))" "$_before" 'there is another certificate'
	gets_all 'renewed'
	is "$(pid_of)" "$_pid" 'it is the same server'
	upgrade
}
# The package anew over the module that the server has loaded, as an upgrade brings it.
upgrade() {
	_inode=$(stat -c %i /usr/lib/snicert/snicert.so)
	apt-get install -y -qq --reinstall /src/snicert_*.deb >$work/said 2>&1 || not_ok 'upgraded: apt' "$(tail -n 5 $work/said)"
	isnt "$(stat -c %i /usr/lib/snicert/snicert.so)" "$_inode" 'upgraded: the module is another file'
	gets_all 'upgraded'
	is "$(pid_of)" "$_pid" 'upgraded: the same server goes on'
}
removal() { # [COMMAND] that has the server read its configuration again
	say <<-'TEXT'

		Without the package the server goes on with its own certificate. The store stays,
		as it has other people's keys:

	TEXT
	types 0 'apt remove snicert' "sed -n '/^Removing snicert/p'"
	tls_goes_on 'removed'
	[ -z "${1:-}" ] || types 0 "$1"
	await 'removed: its own certificate' still_own && ok 'removed: its own certificate'
	types 0 'apt purge snicert' "sed -n '/^snicert: /p'"
	tls_goes_on 'purged'
	[ -z "${1:-}" ] || types 0 "$1"
	await 'purged: its own certificate' still_own && ok 'purged: its own certificate'
}
tls_goes_on() { isnt "$(served $acme)" 'no handshake' "$1: TLS goes on"; }
pid_of() {
	case $server in
	postfix) cat /var/spool/postfix/pid/master.pid ;;
	dovecot) cat /run/dovecot/master.pid ;;
	exim*) cat /run/exim4/exim.pid ;;
	nginx) cat /run/nginx.pid ;;
	esac
}

# --- the ACME clients: what it is called with, and where the leaf is

file_of() { # NAME
	case $client in
	certbot) echo /etc/letsencrypt/live/$1/cert.pem ;;
	lego) echo /var/lib/lego/certificates/$1.crt ;;
	uacme) echo /etc/ssl/uacme/$1/cert.pem ;;
	dehydrated) echo /var/lib/dehydrated/certs/$1/cert.pem ;;
	esac
}
pem_of() { # NAME: key and chain, as a directory or as files
	case $client in
	certbot) echo /etc/letsencrypt/live/$1 ;;
	lego) echo /var/lib/lego/certificates/$1.key /var/lib/lego/certificates/$1.crt ;;
	uacme) echo /etc/ssl/uacme/private/$1/key.pem /etc/ssl/uacme/$1/cert.pem ;;
	dehydrated) echo /var/lib/dehydrated/certs/$1/privkey.pem /var/lib/dehydrated/certs/$1/fullchain.pem ;;
	esac
}
# Settings that Let's Encrypt and a port 80 need not.
client_settings() {
	case $client in
	certbot)
		mkdir -p /etc/letsencrypt
		printf '%s\n' "server = $directory" 'non-interactive = true' 'agree-tos = true' 'register-unsafely-without-email = true' >>/etc/letsencrypt/cli.ini
		;;
	uacme) ln -s html/.well-known /var/www/.well-known ;;
	dehydrated)
		printf '%s\n' "CA=$directory" "WELLKNOWN=$www/.well-known/acme-challenge" >/etc/dehydrated/conf.d/walk.sh
		;;
	esac
}
# The server's own name has a certificate before snicert is there.
obtains_ours() {
	case $client in
	certbot) certbot certonly --webroot -w $www -d $ours ;;
	lego) $lego --server $directory --domains $ours run ;;
	uacme) uacme -a $directory -y new admin@provider.example && uacme -a $directory -h /usr/share/uacme/uacme.sh issue $ours ;;
	dehydrated) dehydrated --register --accept-terms && dehydrated --cron --domain $ours ;;
	esac >$work/client 2>&1 </dev/null && ok "$client: the server's own name" || not_ok "$client: the server's own name" "$(cat $work/client)"
}
installs_hook() {
	chooses 'The chains' "snicert hook $client --install | sh"
	types 0 "snicert hook $client --install | sh"
	hook=$(sed -n "s/.*-hook '\(.*\)'.*/\1/p" $work/said | head -n 1)
	line=$(sed -n 's/^# *\(uacme -.*\)/\1/p' $work/said)
}
issues() { # NAME…
	case $client in
	certbot)
		types 0 "certbot certonly --webroot -w $www --deploy-hook '$hook' -d $(echo "$*" | sed 's/ /,/g')" "$said"
		;;
	lego) types 0 "$lego$(printf ' --domains %s' "$@") run --run-hook '$hook'" "$said" ;;
	uacme) types 0 "$(echo "$line" | sed "s/issue NAME;/issue $*;/;s/NAME\$/$1/")" "$said" ;;
	dehydrated)
		types 0 "echo $* >>/etc/dehydrated/domains.txt"
		types 0 'dehydrated --cron' "$said"
		;;
	esac
}
renews() { # NAME
	case $client in
	certbot) types 0 "certbot renew --force-renewal --no-random-sleep-on-renew --cert-name $1" "$said" ;;
	lego) types 0 "$lego --domains $1 --domains $acme_too renew --days 9999 --no-random-sleep --renew-hook '$hook'" "$said" ;;
	uacme) types 0 "$(echo "$line" | sed "s/^uacme /uacme -f /;s/issue NAME;/issue $acme $acme_too;/;s/NAME\$/$1/")" "$said" ;;
	dehydrated) types 0 'dehydrated --cron --force' "$said" ;;
	esac
}
lego="lego --path /var/lib/lego --email admin@provider.example --accept-tos --http --http.webroot $www"
said="sed -n 's/.*\(chain [0-9]* [a-z]*: .*\)/\1/p'"

# --- the hour

# Nobody is there to answer apt; lego's and uacme's CA would be Let's Encrypt.
transcript_run() { sed "s/^apt /apt -y /; s,^lego ,lego --server $directory ,; s,^uacme ,uacme -a $directory ,"; }
# nginx has a worker for each processor.
transcript_tidy() { sed 's/\([A-Za-z][a-z]* [0-9]*\.[0-9]*\)\.[0-9][0-9.]*/\1/;s/all [0-9]* processes/all 3 processes/'; }

inside_walk() { # SERVER
	server=$1 client=$(client_of "$1")
	. /src/snicert/tests/lib.sh
	handshake() { # of lib.sh, on other ports and with other protocols
		_name=$1
		shift
		if [ "$_name" = - ]; then set -- "$@" -noservername; else set -- "$@" -servername "$_name"; fi
		[ $starttls = - ] || set -- "$@" -starttls $starttls
		printf 'Q\n' | timeout 60 openssl s_client -connect "127.0.0.1:$port" "$@" 2>&1
	}
	unset SSL_CERT_FILE
	unset -f snicert
	work=/tmp/walk VERBOSE=1 lib_name="walk: $server" lib_started=$(date +%s)
	mkdir -p $work && chmod 711 $work
	cd /root || exit 99
	# SIOCSIFFLAGS: lo up
	perl -MSocket -e 'socket(my $s, AF_INET, SOCK_DGRAM, 0); my $r = pack("a16sx14", "lo", 0x49); ioctl($s, 0x8914, $r) or die "lo: $!\n"' || exit 99
	hostname mx.provider.example
	echo '127.0.0.1 localhost mx.provider.example' >/etc/hosts
	. /src/snicert/tests/transcript.sh
	apt-get install -y -qq --no-download --no-install-recommends $around $(packages_of $server) $client >$work/apt.log 2>&1 ||
		{ tail -n 20 $work/apt.log; exit 1; }
	cp /src/snicert_*.deb /root
	start_pebble
	client_settings
	walk_$server
	transcript_end
	cp $page /src/page.$server
	lib_finish
}

walk_postfix() {
	page_starts postfix
	postconf -e 'maillog_file = /var/log/postfix.log' # there is no syslog
	service postfix restart >/dev/null 2>&1
	await 'Postfix starts' is_up
	serves_own 'before: its own certificate'
	say <<-'TEXT'

		Install the package, and let `setup` tell what to do:

	TEXT
	installs
	prints postfix
	say <<-'TEXT'

		Go from step to step. The server's own chain becomes the fallback:

	TEXT
	follow 'The store'
	fallback
	say <<-'TEXT'

		certbot hands each renewal to the hook, and the first certificate of a name, too,
		if you say so. Acme has two names, beta one:

	TEXT
	installs_hook
	issues $acme $acme_too
	issues $beta
	say <<-'TEXT'

		The rest of the page makes Postfix load the module:

	TEXT
	follow 'The programs that the module serves' 'What OpenSSL is to load' 'Make the server read it' 'Start it again'
	nothing_left
	say <<-'TEXT'

		See that it works: what is set up, what the server presents, and what another
		client gets, for a customer's name and for an unknown one:

	TEXT
	types 0 'snicert setup --check postfix'
	types 0 "snicert probe localhost:25 $acme $beta"
	looks_at $acme
	looks_at unknown.example
	gets_all 'set up'
	renewal
	removal 'postfix reload'
}

# By --apply, which does all of the page that is no choice.
walk_dovecot() {
	page_starts dovecot
	service dovecot restart >/dev/null 2>&1
	await 'Dovecot starts' is_up
	serves_own 'before: its own certificate'
	say <<-'TEXT'

		`--apply` carries the page out. It would ask before each change, without `--yes`:

	TEXT
	installs
	types 0 'snicert setup --apply --yes dovecot'
	snicert setup dovecot >$work/setup
	say <<-'TEXT'

		The store is empty, it says. The server's own chain becomes the fallback, and lego
		gets the customers':

	TEXT
	fallback
	installs_hook
	issues $acme $acme_too
	issues $beta
	types 0 'snicert setup --check dovecot'
	looks_at $acme
	looks_at unknown.example
	gets_all 'set up'
	renewal
	removal 'service dovecot restart'
}

walk_exim() {
	page_starts exim
	service exim4 restart >/dev/null 2>&1
	await 'Exim starts' is_up
	made_itself
	say <<-'TEXT'

		A new Exim of Debian's has no certificate in a file; it makes one in memory. The page has
		a step that makes the file:

	TEXT
	installs
	prints exim
	say <<-'TEXT'

		The store, and its fallback:

	TEXT
	follow 'The store'
	fallback
	say <<-'TEXT'

		uacme runs no hook after a renewal. Its exit status says what it did, and the line that
		`--install` prints hands that on:

	TEXT
	installs_hook
	issues $acme $acme_too
	issues $beta
	say <<-'TEXT'

		The rest of the page. This Exim is built with GnuTLS, and its configuration calls the
		module; there is no OpenSSL to tell:

	TEXT
	follow "A certificate of its own, for when the store can't serve" 'Make the server read it' 'Start it again'
	nothing_left
	say <<-'TEXT'

		See that it works:

	TEXT
	await 'Exim is back' is_up
	exim_works
	removal
}
made_itself() {
	is "$(served $acme)" $(hostname) 'before: a certificate that it made itself'
	[ ! -e "$(own_file)" ] && ok 'before: … not in a file' || not_ok 'before: … not in a file'
}
exim_works() {
	types 0 'snicert setup --check exim'
	types 0 "snicert probe localhost:25 $acme $beta"
	looks_at $acme
	looks_at unknown.example
	gets_all 'set up'
	renewal
	say <<-'TEXT'

		Exim looks for the module at each connection, so nothing needs a restart below.
	TEXT
}

walk_exim_split() {
	page_starts exim_split
	service exim4 restart >/dev/null 2>&1
	await 'Exim starts' is_up
	made_itself
	say <<-'TEXT'

		With `dc_use_split_config='true'` in /etc/exim4/update-exim4.conf.conf, Exim reads the
		files below /etc/exim4/conf.d. `setup` adds its lines there:

	TEXT
	installs
	types 0 'snicert setup --apply --yes exim'
	snicert setup exim >$work/setup
	await 'Exim is back' is_up
	say <<-'TEXT'

		The chains, as lego gets them:

	TEXT
	fallback
	installs_hook
	issues $acme $acme_too
	issues $beta
	exim_works
	removal
}

# It has its own certificate as any site, and refuses unknown names.
walk_nginx() {
	page_starts nginx
	cat >/etc/nginx/sites-available/policies <<-'CONF'
		server {
		    listen 443 ssl;
		    ssl_certificate /etc/ssl/certs/ssl-cert-snakeoil.pem;
		    ssl_certificate_key /etc/ssl/private/ssl-cert-snakeoil.key;
		    root /var/www/policies/$host;
		}
	CONF
	ln -s ../sites-available/policies /etc/nginx/sites-enabled/policies
	service nginx restart >/dev/null 2>&1
	await 'nginx starts' is_up
	serves_own 'before: its own certificate'
	say <<-'TEXT'

		A web server for customers' MTA-STS policies needs a certificate for each `mta-sts` name.
		nginx has one site for them all, with any certificate:

	TEXT
	types 0 'cat /etc/nginx/sites-enabled/policies'
	installs
	prints nginx
	say <<-'TEXT'

		The store, and its fallback:

	TEXT
	follow 'The store'
	fallback
	say <<-'TEXT'

		dehydrated finds the hook in its directory of settings, and names in domains.txt:

	TEXT
	installs_hook
	issues $acme $acme_too
	issues $beta
	say <<-'TEXT'

		The rest of the page makes nginx load the module:

	TEXT
	follow 'The programs that the module serves' 'What OpenSSL is to load' 'Make the server read it' 'Start it again'
	nothing_left
	await 'nginx is back' is_up
	say <<-'TEXT'

		See that it works. A name that is not in the store is refused:

	TEXT
	types 0 'snicert setup --check nginx'
	types 0 "snicert probe --implicit localhost:443 $acme $beta"
	looks_at $acme
	types 0 "openssl s_client $s_client -servername unknown.example </dev/null 2>&1 | grep alert" "sed 's/.*:\(tlsv1 [a-z ]*\):.*/\1/'"
	gets_all 'set up'
	renewal
	removal 'service nginx restart'
}

case ${1:-} in
--fetch) shift; fetch "$@" ;;
--offline) shift; inside_walk "$@"; exit ;;
esac

# --- outside -----------------------------------------------------------------------

introduction() {
	cat <<-'TEXT'
		# The first hour with snicert

		<!-- made by tests/walk.sh: change that, and `sh tests/walk.sh --write` -->

		This page goes from the package to a server that presents customers' chains by
		name, their renewals, and the way out again, on a new Debian 12. You run mail servers
		as `mx.provider.example`. Two customers have MX records with names of their own:
		acme, and beta. A test (`tests/walk.sh`) typed every command here and
		looked at every chain. The certificates are those of an ACME client, as from Let's
		Encrypt. Long output is shortened; dates, digests and the like are made readable.

		Each part is a machine of its own, with one server and one ACME client. Read that of your
		server; any of the clients goes with it:

		* [Postfix, with certbot](#postfix-with-certbot), by the page that `setup` prints
		* [Dovecot, with lego](#dovecot-with-lego), by `setup --apply`
		* [Exim, with uacme](#exim-with-uacme), by the page
		* [Exim with a split configuration](#exim-with-a-split-configuration), with lego, by `--apply`
		* [nginx, with dehydrated](#nginx-with-dehydrated), for MTA-STS policies, by the page

		[A week with snicert](week.md) goes on from here.
	TEXT
}

write=
[ "${1:-}" != --write ] || { write=yes; shift; }
[ $# != 0 ] || set -- $servers
package_start
package_roots 12
package_debs
rm -f "$at"/src/page.*
failed=0
for server; do
	on_top "$at/root" /src/snicert/tests/walk.sh --fetch "$server" >"$at/log.walk.$server" 2>&1 </dev/null
	case $? in
	0) tail -n 1 "$at/log.walk.$server" ;;
	2) echo "SKIPPED: walk: $server: $(grep -m 1 '^E: ' "$at/log.walk.$server")"; exit 77 ;;
	*) cut -c1-300 "$at/log.walk.$server" | tail -n 60; failed=1 ;;
	esac
done
# The page has a part for each server, between its first words and its last.
section() { # SERVER
	awk -v title="## $(title_of "$1")" '/^## / { on = $0 == title } on' "$src/doc/tutorial.md" | sed '${/^$/d}'
}
if [ "$write" = yes ]; then
	{
		introduction
		for server in $servers; do
			cat "$at/src/page.$server" 2>/dev/null || { echo && section "$server"; }
		done
	} >"$at/tutorial.md" && [ $failed = 0 ] && cp "$at/tutorial.md" "$src/doc/tutorial.md" && echo 'walk: doc/tutorial.md written'
else
	for server; do
		[ -s "$at/src/page.$server" ] || continue
		sed '1{/^$/d}' "$at/src/page.$server" >"$at/part"
		section "$server" | diff - "$at/part" >"$at/diff" && continue
		failed=1
		head -n 30 "$at/diff"
		echo "walk: $server: doc/tutorial.md has other words; sh tests/walk.sh --write makes it anew"
	done
fi
package_done
[ $failed = 0 ] && echo "walk: fine: $*"
exit $failed
