#!/bin/sh
# SPDX-License-Identifier: ISC
# foreign.sh: hosts whose TLS library is not the one that the module calls, or not the only one: linked statically, with
# its functions exported or not, of another release, under another name, BoringSSL.  By dlopen the module's calls say
# so, under openssl.cnf a line of the log does; in both cases the host's own handshakes go on.
# shellcheck disable=SC1091,SC2015,SC2016,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
lib_start foreign

# A module built with a sanitizer needs a program that was, too.
if nm -D "$build/.libs/snicert.so" | grep -qE '__(asan|tsan|ubsan)_'; then
	echo 'SKIPPED: the module is built with a sanitizer'
	exit 77
fi
module=$build/.libs/snicert.so
compile() { # SOURCE -o NAME OPTION…
	${CC:-cc} -Wall -Wextra -Werror -I"$src/include" "$src/tests/live/foreign_log.c" \
		-Wl,--export-dynamic-symbol=syslog,--export-dynamic-symbol=__syslog_chk "$@" 2>errors
}
host() { compile "$src/tests/live/foreign.c" "$@"; }
if ! echo 'int main(void) { return 0; }' >empty.c || ! ${CC:-cc} empty.c -o empty 2>errors; then
	skip 'hosts with another TLS library' "no compiler: $(head -n 1 errors)"
	lib_finish
fi
host -o shared -lssl -lcrypto -ldl || not_ok 'the host compiles' "$(head -n 5 errors)"
own_certificate
new_store "$work/store"
tool 0 import "$fixtures/good-ec.pem"
for name in shared within exported whole twice renamed release inside boring; do
	echo "program \"$name\" { }" >>"$conf"
done
cat >openssl.cnf <<-END
	openssl_conf = init
	[init]
	snicert = snicert_section
	[snicert_section]
	path = $module
	config = $conf
END

run() { # FILE COMMAND…: what it says, in the file; it ends in peace
	_file=$1
	shift
	"$@" >"$_file" 2>errors </dev/null
	is "$? $(tail -n 1 "$_file")" '0 end' "$what: $_file: it ends in peace"
	is "$(head -n 3 errors)" '' "$what: $_file: it has nothing to complain of"
}
by_dlopen() { run dlopen timeout 60 "$program" own.crt own.key "$module" "$conf" "$@"; }
by_conf() { run conf env OPENSSL_CONF="$work/openssl.cnf" timeout 60 "$program" own.crt own.key - - "$@"; }
says() { sed -n "s/^$2: //p" "$1"; } # FILE OF-WHAT
own_serves() { # FILE: each handshake is complete, and the host's own
	is "$(sed -n 's/^\(before\|attached\|detached\|after\): //p' "$1" | sort -u)" own.example "$what: $1: its own certificate serves"
}
serves_by_name() { # as a host with one OpenSSL
	by_dlopen
	is "$(says dlopen attach)$(says dlopen attached)$(says dlopen detached)" '0 good-ec.exampleown.example' "$what: served"
	by_conf
	is "$(says conf before)" good-ec.example "$what: served under openssl.cnf"
}
open_refuses() { # PATTERN
	has "$(says dlopen open)" "-1 $1" "$what: open says why"
	own_serves dlopen
}
calls_refuse() { # PATTERN
	is "$(says dlopen open)" '0 ' "$what: open"
	for call in attach attach2 choose set_name set_local lookup; do
		has "$(says dlopen $call)" "-1 $1" "$what: $call says why"
	done
	own_serves dlopen
}
logs_once() { # PATTERN
	is "$(grep -c '^log: ' conf)" 1 "$what: openssl.cnf: a line of the log"
	has "$(says conf log)" "$1" "$what: openssl.cnf: it says why"
	own_serves conf
}

what='the only OpenSSL' program=./shared
serves_by_name

# --- in the program itself

static='-Wl,-Bstatic -lssl -lcrypto -Wl,-Bdynamic -ldl -pthread'
if host -o within $static; then
	what='OpenSSL in the program' program=./within
	by_dlopen
	calls_refuse 'the SSL* was made by ./within, snicert calls *libssl.so*'
	has "$(says dlopen served)" '-1 *another TLS library*' "$what: served says why"
	by_conf
	logs_once '*another OpenSSL*'

	# Of what it does not use itself, such a program has nothing.
	host -o exported -rdynamic $static
	what='some of OpenSSL in the program, exported' program=./exported
	by_dlopen
	open_refuses '* of the functions that snicert calls are in ./exported, and * in *libcrypto.so*'
	by_conf
	logs_once '* are in ./exported, and *'

	host -o whole -rdynamic -Wl,--whole-archive $static -Wl,--no-whole-archive
	what='all of OpenSSL in the program, exported' program=./whole
	serves_by_name
else
	skip 'OpenSSL in the program' "$(head -n 1 errors)"
fi

# --- another one beside the system's

# With the names of its file and of its functions' version changed, of the same length, a library is another one, with
# an own state; a program is bound to it by the same change.
renamed='s/lib(ssl|crypto)\.so\.[0-9]/lib\1.so.x/g' released='s/OPENSSL_[0-9]\.[0-9]\.[0-9]/OPENSSL_x.y.z/g'
another() { # DIRECTORY PROGRAM SED-OPTION…
	directory=$1 _of=$2
	shift 2
	mkdir "$directory"
	for library in ssl crypto; do
		sed -E "$@" "$(ldd ./shared | sed -n "s/.*lib$library\\.so[^ ]* => \\([^ ]*\\).*/\\1/p")" >"$directory/lib$library.so.x"
	done
	sed -E "$@" "$_of" >"$directory/$directory"
	chmod 755 "$directory/$directory"
	program=$work/$directory/$directory
}
host -o finds -Wl,-rpath,'$ORIGIN' -lssl -lcrypto -ldl

what='a second libssl, loaded by a plug-in' program=./shared
another twice shared -e "$renamed" -e "$released"
program=./shared
by_dlopen "$work/twice/libcrypto.so.x" "$work/twice/libssl.so.x"
calls_refuse '2 libssl and 2 libcrypto are loaded *'
by_conf "$work/twice/libcrypto.so.x" "$work/twice/libssl.so.x"
is "$(says conf before)" good-ec.example "$what: openssl.cnf: the program's own contexts are served"

what='OpenSSL under another name'
another renamed finds -e "$renamed"
by_dlopen
calls_refuse '2 libssl and 2 libcrypto are loaded *'
by_conf
is "$(says conf before)" good-ec.example "$what: openssl.cnf: all calls go to it"

what='another release of OpenSSL'
another release finds -e "$renamed" -e "$released"
by_dlopen
calls_refuse 'the SSL* was made by */release/libssl.so.x, snicert calls *libssl.so.[0-9]*'
has "$(says dlopen served)" '-1 *another TLS library*' "$what: served says why"
by_conf
logs_once '*another OpenSSL*'

# As a wheel of Python has it: visible to nobody else.
what='OpenSSL of a plug-in'
cat >inside.c <<'C'
#include <dlfcn.h>
int main(int argc, char **argv)
{
	void *so = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
	int (*run)(int, char **) = so == 0 ? 0 : (int (*)(int, char **))dlsym(so, "main");
	return run == 0 ? 3 : run(argc, argv);
}
C
host -shared -fPIC -o plugin.so -Wl,-rpath,'$ORIGIN' -lssl -lcrypto -ldl
another plugin plugin.so -e "$renamed" -e "$released"
compile -DPLUGIN="\"$program\"" -o inside inside.c -ldl
program=./inside
by_dlopen
calls_refuse 'the SSL* was made by */plugin/libssl.so.x, snicert calls *libssl.so.[0-9]*'
by_conf
logs_once '*another OpenSSL*'

# --- BoringSSL, as Debian has it for Android's tools

what=BoringSSL program=./boring
boring=/usr/lib/$(${CC:-cc} -print-multiarch 2>/dev/null)/android
# Without it -lssl would be OpenSSL.
if [ ! -e "$boring/libssl.so" ]; then
	skip BoringSSL 'no android-libboringssl-dev'
elif host -o boring -I/usr/include/android -L"$boring" -Wl,-rpath,"$boring" -lssl -lcrypto -ldl; then
	by_dlopen
	open_refuses '* of the functions that snicert calls are in *android/lib*'
	by_conf
	own_serves conf
else
	not_ok 'BoringSSL: the host compiles' "$(head -n 5 errors)"
fi
lib_finish
