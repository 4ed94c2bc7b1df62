/* SPDX-License-Identifier: ISC */
/* test_name.c: server names as the store keys them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "name.h"

#define L63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"
#define L61 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxy"
#define N253 L63 "." L63 "." L63 "." L61        /* 63*3 + 3 + 61 = 253 */
#define N254 L63 "." L63 "." L63 "." L61 "z"
#define LITERAL(text) text, sizeof(text) - 1

static const struct {
	const char *label;
	const char *text;
	size_t length;
	const char *want;       /* NULL: no known name */
} names[] = {
	{ "as it is", LITERAL("mx.example.org"), "mx.example.org" },
	{ "upper case", LITERAL("MX.Example.ORG"), "mx.example.org" },
	{ "every letter", LITERAL("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), "abcdefghijklmnopqrstuvwxyz" },
	{ "one label", LITERAL("localhost"), "localhost" },
	{ "one octet", LITERAL("x"), "x" },
	{ "trailing dot", LITERAL("mx.example.org."), "mx.example.org" },
	{ "two trailing dots", LITERAL("mx.example.org.."), NULL },
	{ "leading dot", LITERAL(".example.org"), NULL },
	{ "empty label", LITERAL("mx..example.org"), NULL },
	{ "nothing", LITERAL(""), NULL },
	{ "a dot", LITERAL("."), NULL },
	{ "two dots", LITERAL(".."), NULL },
	{ "underscore", LITERAL("_dmarc.my_host.example"), "_dmarc.my_host.example" },
	{ "hyphens", LITERAL("-a-.b--c.example"), "-a-.b--c.example" },
	{ "A-label", LITERAL("XN--MLLER-KVA.example"), "xn--mller-kva.example" },
	{ "U-label", LITERAL("m\xc3\xbcller.example"), NULL },
	{ "Latin-1", LITERAL("m\xfcller.example"), NULL },
	{ "byte 0x80", LITERAL("a\x80.example"), NULL },
	{ "byte 0xff", LITERAL("\xff"), NULL },
	{ "NUL inside", LITERAL("mx.example.org\0.evil.example"), NULL },
	{ "NUL at the end", LITERAL("mx.example.org\0"), NULL },
	{ "NUL alone", LITERAL("\0"), NULL },
	{ "quote", LITERAL("mx'; DROP TABLE chain; --.example"), NULL },
	{ "double quote", LITERAL("mx\".example"), NULL },
	{ "percent", LITERAL("%s%n.example"), NULL },
	{ "backslash", LITERAL("mx.example\\"), NULL },
	{ "slash", LITERAL("../../etc/passwd"), NULL },
	{ "blank", LITERAL("mx .example"), NULL },
	{ "blank behind", LITERAL("mx.example "), NULL },
	{ "newline", LITERAL("mx.example\n"), NULL },
	{ "tab", LITERAL("\tmx.example"), NULL },
	{ "at", LITERAL("@"), NULL },
	{ "an address's key", LITERAL("@192.0.2.1"), NULL },
	{ "colon", LITERAL("mx.example:25"), NULL },
	{ "star", LITERAL("*"), NULL },
	{ "wildcard", LITERAL("*.example.org"), NULL },
	{ "star inside", LITERAL("mx.*.org"), NULL },
	{ "IPv4", LITERAL("192.0.2.1"), NULL },
	{ "IPv4 with a dot", LITERAL("192.0.2.1."), NULL },
	{ "IPv4, short", LITERAL("127.1"), NULL },
	{ "IPv4, decimal", LITERAL("2130706433"), NULL },
	{ "IPv6", LITERAL("2001:db8::1"), NULL },
	{ "IPv6 in brackets", LITERAL("[2001:db8::1]"), NULL },
	{ "IPv6 with IPv4", LITERAL("::ffff:192.0.2.1"), NULL },
	{ "digits first", LITERAL("1.2.3.example"), "1.2.3.example" },
	{ "digits with a letter", LITERAL("mx.0a"), "mx.0a" },
	{ "in-addr", LITERAL("1.2.0.192.in-addr.arpa"), "1.2.0.192.in-addr.arpa" },
	{ "63 octets", LITERAL(L63 ".example"), L63 ".example" },
	{ "64 octets", LITERAL(L63 "x.example"), NULL },
	{ "64 octets, last", LITERAL("mx." L63 "x"), NULL },
	{ "253 octets", LITERAL(N253), N253 },
	{ "253 and a dot", LITERAL(N253 "."), N253 },
	{ "253 and two dots", LITERAL(N253 ".."), NULL },
	{ "254 octets", LITERAL(N254), NULL },
	{ "254 and a dot", LITERAL(N254 "."), NULL },
	{ "255 octets", LITERAL(N254 "z"), NULL },
	{ "only what length says", "mx.example.org", 10, "mx.example" },
};

/* In a block of its own, so that a sanitizer sees a read behind the end. */
static bool
normalise(bool (*how)(struct name *, const char *, size_t), struct name *out, const char *text,
    size_t length)
{
	char *copy = malloc(length == 0 ? 1 : length);
	bool known;

	memcpy(copy, text, length);
	memset(out, 0x55, sizeof(*out));
	known = how(out, copy, length);
	free(copy);
	return known;
}

static void
check_name(const char *label, bool known, const struct name *got, const char *want)
{
	ck_assert_msg(known == (want != NULL), "%s: got %s, want %s", label,
	    known ? "a name" : "no known name", want != NULL ? "a name" : "no known name");
	if (want == NULL)
		return;
	ck_assert_msg(got->length == strlen(want), "%s: length: got %zu, want %zu", label,
	    got->length, strlen(want));
	ck_assert_msg(memcmp(got->text, want, got->length + 1) == 0, "%s: got \"%s\", want \"%s\"",
	    label, got->text, want);
}

START_TEST(test_normalise)
{
	struct name got, again;
	bool known = normalise(name_normalise, &got, names[_i].text, names[_i].length);

	check_name(names[_i].label, known, &got, names[_i].want);
	if (!known)
		return;
	known = normalise(name_normalise, &again, got.text, got.length);
	check_name(names[_i].label, known, &again, names[_i].want);
	ck_assert_msg(name_equal(&got, &again), "%s: not equal to itself", names[_i].label);
}
END_TEST

/* Of all octets, those of a host name and no others; the same inside a label and at its ends. */
START_TEST(test_octets)
{
	static const char *const forms[] = { "?", "?mx.example", "m?x.example", "mx?.example",
		"mx.e?" };

	for (int c = 0; c < 256; c++) {
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool digit = c >= '0' && c <= '9';

		for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
			size_t length = strlen(forms[i]);
			char text[32];
			struct name got;
			bool want = letter || c == '-' || c == '_' || (digit && i > 0) ||
			    (c == '.' && i >= 2);

			memcpy(text, forms[i], length);
			*(char *)memchr(text, '?', length) = (char)c;
			/* "mx..example" has an empty label. */
			if (c == '.' && i == 3)
				want = false;
			ck_assert_msg(normalise(name_normalise, &got, text, length) == want,
			    "octet 0x%02x in \"%s\": got %d, want %d", c, forms[i], !want, want);
			ck_assert_msg(!want || memchr(got.text, 'A' <= c && c <= 'Z' ? c : 0, got.length) == NULL,
			    "octet 0x%02x in \"%s\": upper case left", c, forms[i]);
		}
	}
}
END_TEST

static const struct {
	const char *label;
	const char *text;
	size_t length;
	const char *want;
} patterns[] = {
	{ "a name", LITERAL("MX.example."), "mx.example" },
	{ "one label behind", LITERAL("*.x"), "*.x" },
	{ "upper case", LITERAL("*.Example.ORG"), "*.example.org" },
	{ "trailing dot", LITERAL("*.example.org."), "*.example.org" },
	{ "two stars", LITERAL("*.*.x"), NULL },
	{ "star inside", LITERAL("a.*.x"), NULL },
	{ "star alone", LITERAL("*"), NULL },
	{ "star and dot", LITERAL("*."), NULL },
	{ "star and two dots", LITERAL("*.."), NULL },
	{ "empty label", LITERAL("*..x"), NULL },
	{ "part of a label", LITERAL("m*.example"), NULL },
	{ "star behind", LITERAL("*x.example"), NULL },
	{ "star at the end", LITERAL("example.*"), NULL },
	{ "an address", LITERAL("*.2.0.192"), NULL },
	{ "octet", LITERAL("*.\x80"), NULL },
	{ "NUL", LITERAL("*.x\0y"), NULL },
	{ "nothing", LITERAL(""), NULL },
	{ "255 octets", LITERAL("*." N253), NULL },
	{ "251 behind", LITERAL("*." L63 "." L63 "." L63 "."
	    "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvw"),
	    "*." L63 "." L63 "." L63 "."
	    "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvw" },
	{ "252 behind", LITERAL("*." L63 "." L63 "." L63 "."
	    "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwx"), NULL },
};

START_TEST(test_pattern)
{
	struct name got;
	bool known = normalise(name_normalise_pattern, &got, patterns[_i].text, patterns[_i].length);

	check_name(patterns[_i].label, known, &got, patterns[_i].want);
}
END_TEST

static const struct {
	const char *name, *want;
} wildcards[] = {
	{ "mx.example.org", "*.example.org" },
	{ "a.b.example.org", "*.b.example.org" },
	{ "example.org", "*.org" },
	{ "localhost", NULL },
	{ "x", NULL },
	{ "a.b", "*.b" },
	{ "_x.example", "*.example" },
	{ "*.example.org", NULL },
	{ N253, "*." L63 "." L63 "." L61 },
	{ "a." L63 "." L63 "." L63 "."
	    "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvw",
	    "*." L63 "." L63 "." L63 "."
	    "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvw" },
};

static void
take(struct name *out, const char *text)
{
	if (text[0] == '@') {
		name_fallback(out, text[1] == '\0' ? NULL : text + 1);
		return;
	}
	ck_assert_msg(name_normalise_pattern(out, text, strlen(text)), "\"%s\" is no pattern", text);
}

START_TEST(test_wildcard)
{
	struct name name, got;
	bool has;

	take(&name, wildcards[_i].name);
	memset(&got, 0x55, sizeof(got));
	has = name_wildcard(&got, &name);
	check_name(wildcards[_i].name, has, &got, wildcards[_i].want);
	if (has) {
		ck_assert_msg(name_covers(&got, &name), "\"%s\" does not cover \"%s\"", got.text,
		    name.text);
		take(&got, name.text);
		ck_assert_msg(name_covers(&got, &name), "\"%s\" does not cover itself", name.text);
	}
}
END_TEST

static const struct {
	const char *pattern, *name;
	bool want;
} covers[] = {
	{ "mx.example", "mx.example", true },
	{ "mx.example", "MX.Example.", true },
	{ "mx.example", "mx.example.org", false },
	{ "mx.example", "my.example", false },
	{ "example", "mx.example", false },
	{ "*.example", "mx.example", true },
	{ "*.example", "example", false },
	{ "*.example", "a.mx.example", false },
	{ "*.mx.example", "a.mx.example", true },
	{ "*.example", "mxexample", false },
	{ "*.ample", "mx.example", false },
	{ "mx.example", "*.example", false },
	{ "*.example", "*.example", true },
	{ "*.example", "*.mx.example", false },
	{ "@", "mx.example", false },
	{ "@", "@", true },
	{ "@", "@192.0.2.1", false },
	{ "@192.0.2.1", "@192.0.2.1", true },
};

START_TEST(test_covers)
{
	struct name pattern, name;

	take(&pattern, covers[_i].pattern);
	take(&name, covers[_i].name);
	ck_assert_msg(name_covers(&pattern, &name) == covers[_i].want,
	    "\"%s\" covers \"%s\": got %d, want %d", covers[_i].pattern, covers[_i].name,
	    !covers[_i].want, covers[_i].want);
}
END_TEST

static const struct {
	const char *address, *want;
} fallbacks[] = {
	{ NULL, "@" },
	{ "192.0.2.1", "@192.0.2.1" },
	{ "2001:db8::1", "@2001:db8::1" },
	{ "fe80::1%eth0", "@fe80::1%eth0" },
};

START_TEST(test_fallback)
{
	struct name got, other;

	memset(&got, 0x55, sizeof(got));
	name_fallback(&got, fallbacks[_i].address);
	check_name("fallback", true, &got, fallbacks[_i].want);
	/* No peer can name it. */
	ck_assert_msg(!name_normalise(&other, got.text, got.length) &&
	        !name_normalise_pattern(&other, got.text, got.length),
	    "\"%s\" is taken as a server name", got.text);
}
END_TEST

static const struct {
	const char *key, *want, *word;
} descriptions[] = {
	{ "mx.example", "mx.example", "mx.example" }, { "*.example", "*.example", "*.example" },
	{ "@", "fallback", "fallback" }, { "@192.0.2.1", "fallback 192.0.2.1", "fallback:192.0.2.1" },
	{ N253, N253, N253 },
};

START_TEST(test_describe)
{
	char text[NAME_TEXT_SIZE];
	struct name key;
	const char *got;

	take(&key, descriptions[_i].key);
	got = name_describe(&key, text);
	ck_assert_msg(strcmp(got, descriptions[_i].want) == 0, "got \"%s\", want \"%s\"", got,
	    descriptions[_i].want);
	ck_assert_str_eq(name_word(&key, text), descriptions[_i].word);
}
END_TEST

START_TEST(test_fallback_long)
{
	char address[400], text[NAME_TEXT_SIZE];
	struct name got;

	memset(address, '1', sizeof(address) - 1);
	address[sizeof(address) - 1] = '\0';
	name_fallback(&got, address);
	ck_assert_msg(got.length == NAME_MAX_LENGTH && strlen(got.text) == got.length,
	    "length: got %zu, want %d", got.length, NAME_MAX_LENGTH);
	ck_assert_uint_lt(strlen(name_describe(&got, text)), NAME_TEXT_SIZE);
}
END_TEST

START_TEST(test_equal)
{
	static const char *const texts[] = { "mx.example", "mx.exampl", "my.example", "@", "@1" };
	struct name a, b;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (size_t j = 0; j < sizeof(texts) / sizeof(texts[0]); j++) {
			memset(&a, 0x11, sizeof(a));
			memset(&b, 0x22, sizeof(b));
			take(&a, texts[i]);
			take(&b, texts[j]);
			ck_assert_msg(name_equal(&a, &b) == (i == j), "\"%s\" = \"%s\": got %d, want %d",
			    a.text, b.text, i != j, i == j);
		}
	}
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("name");
	TCase *tc = tcase_create("name");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_normalise, 0, COUNT(names));
	tcase_add_test(tc, test_octets);
	tcase_add_loop_test(tc, test_pattern, 0, COUNT(patterns));
	tcase_add_loop_test(tc, test_wildcard, 0, COUNT(wildcards));
	tcase_add_loop_test(tc, test_covers, 0, COUNT(covers));
	tcase_add_loop_test(tc, test_fallback, 0, COUNT(fallbacks));
	tcase_add_loop_test(tc, test_describe, 0, COUNT(descriptions));
	tcase_add_test(tc, test_fallback_long);
	tcase_add_test(tc, test_equal);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
