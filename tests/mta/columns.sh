# SPDX-License-Identifier: ISC
# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# columns.sh: the columns of the matrix that are the same question to every
# server.  Sourced after mta_module; the script defines
#
#   again           stops the server and starts it; SIGHUP is not enough
#   programs        the text of snicert.conf
#   ident           how the server's lines in syslog begin, a basic regular expression
#   port, starttls  as in tests/mta/lib.sh, before each call
#   jailed          yes where the store's path is gone once the server runs
#   unreadable      what a known name gets where the store key is root's alone
#   missing         what a client gets where the module's path is wrong
#
# and runs
#
#   certificates [INIT-OPTION…]    certs/, own.pem, the store and a fallback of both key types
#   ask WHERE                      nosni, known, two, wildcard, unknown, rsa
#   ask_resume WHERE               resume
#   ask_changes WHERE              renewal, fallback
#   ask_trouble WHERE              log, nostore, nokey, badconf
jailed=no unreadable=mail.customer-a.example missing=own.example

certificates() { # [INIT-OPTION…]
	mkdir certs
	fixtures_leaf certs mail.customer-a.example
	fixtures_leaf certs mail.customer-b.example --rsa
	fixtures_leaf certs wild --san '*.customer-c.example'
	fixtures_leaf certs fall.ec --san mx.provider.example
	fixtures_leaf certs fall.rsa --rsa --san mx.provider.example
	fixtures_leaf certs fall2 --san mx2.provider.example
	cheap_key own.key
	cheap_chain own.pem own.key own.example
	mv own.pem.crt own.crt
	chmod 600 own.key own.pem
	chmod 644 /etc/ssl/fixture-root.crt
	mta_conf "$programs"
	mkdir -m 755 /run/snicert
	rmdir /var/lib/snicert
	tool 0 init "$@"
	tool 0 import certs/mail.customer-a.example.pem certs/mail.customer-b.example.pem certs/wild.pem
	tool 0 import --no-bind certs/fall.ec.pem certs/fall.rsa.pem certs/fall2.pem
	fallback
}
fallback() { tool 0 fallback "$(sha_of certs/fall.ec.crt)" "$(sha_of certs/fall.rsa.crt)"; }

# The directory is there before the server starts, as tmpfiles.d makes it.
counted() { # WHERE: what is served is in the statistics
	column -
	tool 0 stats --reset
	served mail.customer-a.example >/dev/null
	served nobody.example >/dev/null
	tool 0 stats --json
	is "$(json out '$.overview.handshakes')" 2 "$1: what clients get is counted"
}

ask() { # WHERE
	column nosni
	is "$(served -)" mx.provider.example "$1: no name gets the fallback"
	column known
	is "$(served mail.customer-a.example -CAfile /etc/ssl/fixture-root.crt)" mail.customer-a.example "$1: a known name"
	is "$(grep Verification: handshake)" 'Verification: OK' "$1: … with its intermediate"
	is "$(served MAIL.Customer-A.Example -tls1_2)" mail.customer-a.example "$1: TLS 1.2, in capitals"
	is "$(served mail.customer-a.example -groups P-521:P-256)" mail.customer-a.example "$1: HelloRetryRequest"
	column two
	is "$(served mail.customer-b.example) $(served mail.customer-a.example) $(served mail.customer-b.example)" \
		'mail.customer-b.example mail.customer-a.example mail.customer-b.example' "$1: two names in turn"
	column wildcard
	is "$(served mx1.customer-c.example)" '*.customer-c.example' "$1: a wildcard"
	is "$(served a.mx1.customer-c.example)" mx.provider.example "$1: two labels deep"
	column unknown
	is "$(served nobody.example)" mx.provider.example "$1: an unknown name gets the fallback"
	counted "$1"
	column rsa
	is "$(served mail.customer-a.example $rsa_only) $(key_served)" 'mx.provider.example RSA' "$1: RSA only, and the name has ECDSA"
	is "$(served mail.customer-b.example $rsa_only) $(key_served)" 'mail.customer-b.example RSA' "$1: RSA only, and the name has RSA"
	column -
}

ask_resume() { # WHERE
	column resume
	_way=
	[ "$starttls" = - ] || _way="-starttls $starttls"
	for _version in tls1_2 tls1_3; do
		# sendmail's tickets are good for a second, which may be too short here.
		for _ in 1 2 3 4 5; do
			rm -f session
			# The ticket of TLS 1.3 comes after the handshake.
			(for _ in $(seq 300); do [ ! -s session ] || break; sleep 0.1; done; printf 'a LOGOUT\r\nQUIT\r\n') | timeout $mta_patience openssl s_client -connect 127.0.0.1:$port $_way \
				-servername mail.customer-a.example -$_version -sess_out session >/dev/null 2>&1
			is "$(served mail.customer-a.example -$_version -sess_in session)" mail.customer-a.example "$1: the name of the session, $_version"
			! grep -q 'Reused, TLS' handshake || break
		done
		has "$(cat handshake)" 'Reused, TLS' "$1: resumption, $_version"
	done
	column -
}

ask_changes() { # WHERE
	column renewal
	fixtures_leaf certs mail.customer-a.example
	tool 0 import certs/mail.customer-a.example.pem
	is "$(leaf_of mail.customer-a.example)" "$(sha_of certs/mail.customer-a.example.crt)" "$1: a renewal is served at once"
	fixtures_leaf certs wild --san '*.customer-c.example'
	tool 0 import certs/wild.pem
	is "$(leaf_of mx2.customer-c.example)" "$(sha_of certs/wild.crt)" "$1: that of a wildcard"
	column fallback
	tool 0 fallback "$(sha_of certs/fall2.crt)"
	is "$(served -) $(served nobody.example)" 'mx2.provider.example mx2.provider.example' "$1: another fallback is served at once"
	tool 0 fallback none
	is "$(served nobody.example)" own.example "$1: no fallback: the server's own certificate"
	fallback
	is "$(served -) $(served nobody.example)" 'mx.provider.example mx.provider.example' "$1: the first one again"
	column -
}

both() { # WANT WHAT: a name that the store has, and one that it has not
	is "$(served mail.customer-a.example) $(served nobody.example)" "$1 $1" "$2"
}
healed() { [ "$(served mail.customer-a.example)" = mail.customer-a.example ]; }

# A chain that can't be used, while the server runs, is a line in its log, chroot or not.
ask_log() { # WHERE
	column log
	fixtures_leaf certs broken --san broken.example
	tool 0 import certs/broken.pem
	sqlite3 $store '.filectrl persist_wal on' "UPDATE chain SET sealed_key = zeroblob(length(sealed_key)) WHERE names LIKE '%broken.example%'" >/dev/null
	log_mark
	is "$(served broken.example)" mx.provider.example "$1: a chain whose key does not open: the fallback"
	logged "$ident.*snicert: event=chain .*bound=broken.example .*EC chain of broken.example skipped" "$1: … and the log says why"
	tool 0 remove --force "$(sha_of certs/broken.crt)"
	column -
}

ask_trouble() { # WHERE
	ask_log "$1"
	column nostore
	log_mark
	mkdir "$work/hidden"
	# Where each connection is a process of its own: for the parent to have it, and the next to inherit it.
	for _i in 1 2 3; do served mail.customer-a.example >/dev/null; done
	mv $store* "$work/hidden/"
	is "$(served mail.customer-a.example)" mail.customer-a.example "$1: the store is removed while it runs"
	is "$(served nobody.example)" mx.provider.example "$1: … the fallback stays"
	again
	both own.example "$1: started without a store: the server's own certificate"
	logged "$ident.*snicert: event=store-unavailable .*store $store: No such file" "$1: … and the log says why"
	mv "$work"/hidden/* ${store%/*}
	rmdir "$work/hidden"
	[ $jailed = no ] || again
	is "$(served mail.customer-a.example)" mail.customer-a.example "$1: the store is back"
	cp $store store.copy
	printf 'this is no database' >$store.other && chmod --reference=$store $store.other && chgrp --reference=$store $store.other
	log_mark
	mv $store.other $store
	again
	both own.example "$1: something else in its place"
	logged "$ident.*snicert: .*$store" "$1: … and the log says so"
	cp -p store.copy $store.new && chmod --reference=$store $store.new && chgrp --reference=$store $store.new && mv $store.new $store
	rm -f $store-wal $store-shm
	tool 0 list
	again

	column nokey
	_group=$(stat -c %G $store_key) _mode=$(stat -c %a $store_key)
	log_mark
	chgrp root $store_key && chmod 600 $store_key
	again
	is "$(served mail.customer-a.example)" "$unreadable" "$1: a store key of root's alone: $unreadable"
	[ $unreadable != own.example ] || logged "$ident.*snicert: .*$store_key" "$1: … and the log says why"
	log_mark
	chmod 644 $store_key
	again
	both own.example "$1: a store key that everybody reads is refused"
	logged "$ident.*snicert: .*store.key has the unsafe mode 0644" "$1: … and the log says what to do"
	log_mark
	mv $store_key away.key
	again
	both own.example "$1: no store key: the server's own certificate"
	logged "$ident.*snicert: .*$store_key: No such file" "$1: … and the log says why"
	mv away.key $store_key
	chgrp $_group $store_key && chmod $_mode $store_key
	[ $jailed = no ] || again
	mta_wait "$1: the key is back" healed && ok "$1: the key is back"

	column badconf
	badconf "$1" "$programs
expired = \"later\"" mail.customer-a.example 'snicert.conf:[0-9]*: expired = \\"later\\": want serve or fallback; using the default'
	badconf "$1" "$programs
cache { memory = " mail.customer-a.example 'snicert.conf:'
	badconf "$1" "$(echo "$programs" | tr -d '}')" own.example 'snicert.conf:'
	badconf "$1" - own.example '.*snicert.conf: .*No such file'
	mta_openssl_cnf /usr/lib/snicert/missing.so
	again
	both $missing "$1: the module is missing"
	mta_openssl_cnf
	# What the package brings goes together, and what the admin wrote stays.
	mkdir removed && mv /usr/lib/snicert/snicert.so /usr/share/snicert/openssl.cnf removed/
	mta_conf "$programs"
	again
	both own.example "$1: the package is removed"
	mv removed/snicert.so /usr/lib/snicert/ && mv removed/openssl.cnf /usr/share/snicert/ && rmdir removed
	mta_conf "$programs"
	again
	healed && ok "$1: all is fixed" || not_ok "$1: all is fixed" "$(served mail.customer-a.example)"
	# As dpkg does it: beside, and renamed.
	cp /usr/lib/snicert/snicert.so /usr/lib/snicert/snicert.so.dpkg-new && mv /usr/lib/snicert/snicert.so.dpkg-new /usr/lib/snicert/snicert.so
	is "$(served mail.customer-a.example)" mail.customer-a.example "$1: the package is upgraded under it"
	column -
}
badconf() { # WHERE TEXT|- WANT LOG-PATTERN
	if [ "$2" = - ]; then rm $conf; else mta_conf "$2"; fi
	log_mark
	again
	is "$(served mail.customer-a.example)" "$3" "$1: snicert.conf is $(echo "$2" | tail -n 1): $3"
	logged "$ident.*snicert: .*$4" "$1: … and the log says so"
}
