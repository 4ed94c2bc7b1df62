# SPDX-License-Identifier: ISC
# shellcheck shell=sh disable=SC2015,SC2086,SC2154
# setup-lib.sh: what the tests of `snicert setup` beside servers share: doing
# what its page says, and reading what --check says.  $module is the module.

# --- the page, and what it says done
setup() { tool "$1" setup --module $module "$2" && cp out page; }
# Lines with four blanks in front: text for the file named above them, or commands.
apply() { setup 0 "$1" && follow "$1"; } # SERVER
follow() { # SERVER: the page at hand
	# The tool that the commands call is not installed.
	awk -v snicert="$build/snicert" '
		/^(Add to|Add at the end of|New file) .*:$/ { file = $NF; sub(/:$/, "", file); run = 0; next }
		/^Run:$/ { run = 1; next }
		/^    [^ ]|^      OPENSSL_CONF = / && (run || file != "") {
			line = substr($0, 5)
			if (run) { sub(/^snicert /, snicert " ", line); print line; next }
			print "mkdir -p \"$(dirname " file ")\"; cat >>" file " <<\"LINE\"\n" line "\nLINE"
			next
		}
		{ file = ""; run = 0 }' page >"apply.$1"
	sh -ex "apply.$1" >apply.log 2>&1 && ok "$1: what the page says can be done" || not_ok "$1: what the page says can be done" "$(cat apply.log)"
}

# --- what --check says
check() { # EXIT SERVER
	tool "$1" setup --module $module --check --json "$2" || { cat out; return 1; }
}
of() { # CHECK: "RESULT: FINDING -> MEND" of all rows of that check
	sqlite3 :memory: "SELECT json_extract(value, '\$.result') || ': ' || json_extract(value, '\$.finding') || ' -> ' ||
		ifnull(json_extract(value, '\$.fix'), '') FROM json_each(CAST(readfile('out') AS TEXT))
		WHERE json_extract(value, '\$.check') = '$1'"
}
verdicts() { sqlite3 :memory: "SELECT group_concat(DISTINCT json_extract(value, '\$.result')) FROM json_each(CAST(readfile('out') AS TEXT))"; }
bad() { # SERVER CHECK PATTERN WHAT: the one thing that is wrong
	check 1 "$1" || return
	has "$(of "$2")" "wrong: *$3" "$1: $4"
	[ "$(grep -c '"result": "wrong"' out)" = "${5:-1}" ] || not_ok "$1: $4: nothing else is wrong" "$(cat out)"
}
well() { # SERVER WHAT
	check 0 "$1" && [ "$(verdicts)" = ok ] && ok "$1: $2: all is well" || not_ok "$1: $2: all is well" "$(grep -v '"result": "ok"' out)"
}
