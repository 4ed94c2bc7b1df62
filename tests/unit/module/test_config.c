/* SPDX-License-Identifier: ISC */
/* test_config.c: snicert.conf: what counts, what is refused, and where the mistake is said to be. */
#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "config.h"

#define OPTIONS_MOST 32

static char dir[] = "/tmp/snicert-config.XXXXXX";
static char file[sizeof(dir) + 16];

static void
setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/snicert.conf", dir);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static void
teardown(void)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
write_file(const char *text, size_t length, mode_t mode)
{
	FILE *out;

	remove(file);
	out = fopen(file, "w");
	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(text, 1, length, out), length);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_int_eq(chmod(file, mode), 0);
}

static void
write_text(const char *text)
{
	write_file(text, strlen(text), 0644);
}

/* All that config_each tells, one line per option: "log.level=notice*" if from the file. */
struct listing {
	char text[4096];
	int count, from_file;
};

static void
list(void *arg, const char *option, const char *value, bool from_file)
{
	struct listing *all = arg;
	size_t used = strlen(all->text);

	snprintf(all->text + used, sizeof(all->text) - used, "%s=%s%s\n", option, value,
	    from_file ? "*" : "");
	all->count++;
	all->from_file += from_file;
}

static const char defaults[] =
    "store.path=" SNICERT_LOCALSTATEDIR "/lib/snicert/store.db\n"
    "store.key=" SNICERT_SYSCONFDIR "/snicert/store.key\n"
    "store.log_days=365\n"
    "cache.memory=32M\n"
    "log.target=syslog\n"
    "log.level=notice\n"
    "log.facility=mail\n"
    "stats.path=/run/snicert/stats\n"
    "stats.unknown=1024\n"
    "stats.names=65536\n"
    "fleet.database=none\n"
    "fleet.node=none\n"
    "wildcard=on\n"
    "expired=serve\n";

static void
check_listing(const char *label, const struct config *config, const char *want)
{
	struct listing got = {0};

	config_each(config, list, &got);
	ck_assert_msg(strcmp(got.text, want) == 0, "%s: got\n%swant\n%s", label, got.text, want);
}

static void
check_has(const char *label, const struct config *config, const char *want)
{
	struct listing got = {0};

	config_each(config, list, &got);
	ck_assert_msg(strstr(got.text, want) != NULL, "%s: got\n%swant \"%s\" in it", label, got.text,
	    want);
}

static struct config *
read_good(const char *label, enum config_mode mode)
{
	struct snicert_error err = {0};
	struct config *config = NULL;

	ck_assert_msg(config_read(&config, file, mode, &err) == 0, "%s: got \"%s\", want success",
	    label, err.text);
	ck_assert_msg(err.code == SNICERT_OK, "%s: got \"%s\", want no error", label, err.text);
	ck_assert_str_eq(config->path, file);
	return config;
}

static const char *const nothing[] = { "", "\n\n", "# a comment\n", "/* another\n */ // one more\n",
	"store {\n}\n", "store {} cache {} log {}\n" };

START_TEST(test_defaults)
{
	for (int mode = CONFIG_STRICT; mode <= CONFIG_LENIENT; mode++) {
		struct config *config;

		write_text(nothing[_i]);
		config = read_good(nothing[_i], (enum config_mode)mode);
		check_listing(nothing[_i], config, defaults);
		ck_assert_uint_eq(config->cache_memory, 32u << 20);
		ck_assert(config->wildcard);
		ck_assert_int_eq(config->expired, CONFIG_EXPIRED_SERVE);
		ck_assert_int_eq(config->log_target, LOG_TARGET_SYSLOG);
		ck_assert_int_eq(config->log_facility, LOG_MAIL);
		ck_assert_int_eq(config->log_level, LOG_NOTICE);
		ck_assert_uint_eq(config->from_file, 0);
		ck_assert_uint_eq(config->program_count, 0);
		ck_assert_ptr_null(config_program(config, "nginx"));
		config_free(config);
	}
	config_free(NULL);
}
END_TEST

START_TEST(test_all_options)
{
	struct config *config;

	write_text("store { path = \"/s/store db\" key = /k/key log_days = 36500 }\n"
	    "cache { memory = 1G }\n"
	    "log { target = none level = debug facility = local7 }\n"
	    "stats { path = /r/stats unknown = 64 names = 67108864 }\n"
	    "fleet { database = \"host=/run/postgresql dbname=snicert\" node = mx1 }\n"
	    "wildcard = off\n"
	    "expired = \"fallback\"\n"
	    "program \"haproxy\" { unknown = own }\n"
	    "program \"nginx\" { unknown = refuse fallback = \"WEB.Example.\" }\n"
	    "program smtpd { }\n"
	    "program \"lmtp d\" { fallback = \"*.example\" }\n");
	config = read_good("all", CONFIG_STRICT);
	check_listing("all", config,
	    "store.path=/s/store db*\nstore.key=/k/key*\nstore.log_days=36500*\ncache.memory=1024M*\nlog.target=none*\n"
	    "log.level=debug*\nlog.facility=local7*\n"
	    "stats.path=/r/stats*\nstats.unknown=64*\nstats.names=67108864*\n"
	    "fleet.database=host=/run/postgresql dbname=snicert*\nfleet.node=mx1*\nwildcard=off*\nexpired=fallback*\n"
	    "program.haproxy.unknown=own*\n"
	    "program.nginx.unknown=refuse*\nprogram.nginx.fallback=web.example*\n"
	    "program.smtpd.unknown=fallback*\n"
	    "program.lmtp d.unknown=fallback*\nprogram.lmtp d.fallback=*.example*\n");
	ck_assert_str_eq(config->store_path, "/s/store db");
	ck_assert_str_eq(config->key_path, "/k/key");
	ck_assert_uint_eq(config->cache_memory, 1ull << 30);
	ck_assert(!config->wildcard);
	ck_assert_int_eq(config->expired, CONFIG_EXPIRED_FALLBACK);
	ck_assert_int_eq(config->log_target, LOG_TARGET_NONE);
	ck_assert_int_eq(config->log_facility, LOG_LOCAL7);
	ck_assert_int_eq(config->log_level, LOG_DEBUG);
	ck_assert_int_eq(config_program(config, "nginx")->unknown, CONFIG_UNKNOWN_REFUSE);
	ck_assert_str_eq(config_program(config, "nginx")->fallback.text, "web.example");
	ck_assert(!config_program(config, "smtpd")->has_fallback);
	ck_assert_ptr_null(config_program(config, "ngin"));
	ck_assert_ptr_null(config_program(config, "nginx2"));
	ck_assert_ptr_null(config_program(config, ""));
	config_free(config);
}
END_TEST

/* What config_each prints can be written into a file and says the same there. */
static const struct {
	const char *text, *want;
} goods[] = {
	{ "fleet { database = \"host=db user=mx\" node = mx-1.example }",
	    "fleet.database=host=db user=mx*\nfleet.node=mx-1.example*" },
	{ "fleet { database = \"postgresql://mx@db/snicert?passfile=/etc/pgpass\" }", "fleet.database=postgresql://mx@db/snicert?passfile=/etc/pgpass*" },
	{ "wildcard = on", "wildcard=on*" }, { "wildcard = yes", "wildcard=on*" },
	{ "wildcard = TRUE", "wildcard=on*" }, { "wildcard = no", "wildcard=off*" },
	{ "wildcard = False", "wildcard=off*" }, { "wildcard = OFF", "wildcard=off*" },
	{ "expired = serve", "expired=serve*" }, { "expired = Fallback", "expired=fallback*" },
	{ "log { level = err }", "log.level=err*" }, { "log { level = warning }", "log.level=warning*" },
	{ "log { level = notice }", "log.level=notice*" }, { "log { level = info }", "log.level=info*" },
	{ "log { facility = host }", "log.facility=host*" },
	{ "stats { path = none }", "stats.path=none*" }, { "stats { unknown = 64 }", "stats.unknown=64*" },
	{ "stats { unknown = 1048576 names = 1024 }", "stats.names=1024*" },
	{ "log { facility = daemon }", "log.facility=daemon*" },
	{ "log { facility = local0 }", "log.facility=local0*" },
	{ "log { target = syslog }", "log.target=syslog*" },
	{ "log { target = journal }", "log.target=journal*" },
	{ "cache { memory = 1M }", "cache.memory=1M*" },
	{ "cache { memory = 1048576 }", "cache.memory=1M*" },
	{ "cache { memory = 1048577 }", "cache.memory=1048577*" },
	{ "cache { memory = 1024k }", "cache.memory=1M*" },
#if SIZE_MAX > UINT32_MAX
	{ "cache { memory = 1024G }", "cache.memory=1048576M*" },
#else
	{ "cache { memory = 2G }", "cache.memory=2048M*" },
#endif
	{ "cache { memory = 1m memory = 2m }", "cache.memory=2M*" },
	{ "store { path = \"/a\" } store { key = \"/b\" }", "store.path=/a*\nstore.key=/b*" },
	{ "store {\n path = '/a b' }", "store.path=/a b*" },
};

START_TEST(test_good)
{
	for (int mode = CONFIG_STRICT; mode <= CONFIG_LENIENT; mode++) {
		struct config *config;

		write_text(goods[_i].text);
		config = read_good(goods[_i].text, (enum config_mode)mode);
		check_has(goods[_i].text, config, goods[_i].want);
		config_free(config);
	}
}
END_TEST

/* Each on line 3, with good options on both sides. */
static const struct {
	const char *text;
	const char *what;       /* in the error */
	const char *want;       /* in the listing, lenient */
} bads[] = {
	{ "fleet { database = \"host=db password=x\" }", "without a password", "fleet.database=none\n" },
	{ "fleet { database = \"postgresql://mx:x@db/\" }", "without a password", "fleet.database=none\n" },
	{ "fleet { database = \"\" }", "want a connection string", "fleet.database=none\n" },
	{ "fleet { node = \"a b\" }", "up to 63 letters", "fleet.node=none\n" },
	{ "wildcard = maybe", "wildcard = \"maybe\": want on or off", "wildcard=on\n" },
	{ "wildcard = \"\"", "wildcard = \"\"", "wildcard=on\n" },
	{ "wildcard = 1", "wildcard", "wildcard=on\n" },
	{ "expired = never", "expired = \"never\": want serve or fallback", "expired=serve\n" },
	{ "store { path = store.db }", "path = \"store.db\": want an absolute path",
	    "store.path=" SNICERT_LOCALSTATEDIR "/lib/snicert/store.db\n" },
	{ "store { path = \"\" }", "want an absolute path", "store.path=" SNICERT_LOCALSTATEDIR "/lib/snicert/store.db\n" },
	{ "store { key = ~/key }", "key = \"~/key\": want an absolute path",
	    "store.key=" SNICERT_SYSCONFDIR "/snicert/store.key\n" },
	{ "cache { memory = 1023k }", "memory = \"1023k\": want a size", "cache.memory=32M\n" },
	{ "cache { memory = 0 }", "memory = \"0\"", "cache.memory=32M\n" },
	{ "cache { memory = -1M }", "memory = \"-1M\"", "cache.memory=32M\n" },
	{ "cache { memory = 1025G }", "memory = \"1025G\"", "cache.memory=32M\n" },
#if SIZE_MAX == UINT32_MAX
	{ "cache { memory = 2049M }", "memory = \"2049M\": want a size from 1M to 2G", "cache.memory=32M\n" },
	{ "cache { memory = 1024G }", "memory = \"1024G\": want a size from 1M to 2G", "cache.memory=32M\n" },
#endif
	{ "cache { memory = 17592186044416M }", "memory", "cache.memory=32M\n" },
	{ "cache { memory = 99999999999999999999999 }", "memory", "cache.memory=32M\n" },
	{ "cache { memory = 18446744073709551615G }", "memory", "cache.memory=32M\n" },
	{ "cache { memory = M }", "memory = \"M\"", "cache.memory=32M\n" },
	{ "cache { memory = 32MB }", "memory = \"32MB\"", "cache.memory=32M\n" },
	{ "cache { memory = \" 32M\" }", "memory", "cache.memory=32M\n" },
	{ "cache { memory = 1.5G }", "memory", "cache.memory=32M\n" },
	{ "log { level = loud }", "level = \"loud\": want err, warning", "log.level=notice\n" },
	{ "log { level = 7 }", "level", "log.level=notice\n" },
	{ "stats { path = stats }", "path = \"stats\": want an absolute path, or none", "stats.path=/run/snicert/stats\n" },
	{ "stats { unknown = 63 }", "unknown = \"63\": want a number from 64", "stats.unknown=1024\n" },
	{ "store { log_days = 0 }", "log_days = \"0\": want a number of days", "store.log_days=365\n" },
	{ "stats { names = 1k }", "names = \"1k\": want a number", "stats.names=65536\n" },
	{ "stats { names = 67108865 }", "names = \"67108865\"", "stats.names=65536\n" },
	{ "log { target = file }", "target = \"file\": want syslog, journal or none", "log.target=syslog\n" },
	{ "log { facility = kern }", "facility = \"kern\"", "log.facility=mail\n" },
	{ "log { facility = local8 }", "facility = \"local8\"", "log.facility=mail\n" },
	{ "program p { unknown = drop }", "unknown = \"drop\": want fallback, own or refuse",
	    "program.p.unknown=fallback*\n" },
	{ "program p { fallback = \"a..b\" }", "fallback = \"a..b\": want a name of the store",
	    "program.p.unknown=fallback*\n" },
	{ "program p { fallback = \"@\" }", "fallback = \"@\"", "program.p.unknown=fallback*\n" },
	{ "bogus = 1", "no such option 'bogus'", "wildcard=on\n" },
	{ "bogus = { 1, 2 }", "no such option 'bogus'", "wildcard=on\n" },
	{ "wildcrad = on", "no such option 'wildcrad'; did you mean wildcard?", "wildcard=on\n" },
	{ "store { paht = 1 }", "no such option 'paht'; did you mean path?", "wildcard=on\n" },
	{ "bogus(\"x\")", "no such option 'bogus'", "wildcard=on\n" },
	{ "include(\"/etc/passwd\")", "no such option 'include'", "wildcard=on\n" },
	{ "store { bogus = 1 }", "no such option 'bogus'", "store.path=" SNICERT_LOCALSTATEDIR "/lib/snicert/store.db\n" },
	{ "program p { path = \"/x\" }", "no such option 'path'", "program.p.unknown=fallback*\n" },
};

static void
check_error(const char *label, const struct snicert_error *err, int line, const char *what)
{
	char where[sizeof(file) + 32];

	snprintf(where, sizeof(where), "%s:%d: ", file, line);
	ck_assert_msg(err->code == SNICERT_ECONFIG, "%s: code: got %d, want %d", label, err->code,
	    SNICERT_ECONFIG);
	ck_assert_msg(strncmp(err->text, where, strlen(where)) == 0,
	    "%s: got \"%s\", want it to start with \"%s\"", label, err->text, where);
	ck_assert_msg(strstr(err->text, what) != NULL, "%s: got \"%s\", want \"%s\" in it", label,
	    err->text, what);
}

static void
write_around(const char *text)
{
	char whole[1024];

	snprintf(whole, sizeof(whole), "log { facility = daemon }\nstore { key = /before }\n%s\n"
	    "program behind { unknown = refuse }\ncache { memory = 7M }\n", text);
	/* The option itself may be one of these: then leave that out. */
	if (strstr(text, "facility") != NULL)
		memset(whole, ' ', strlen("log { facility = daemon }"));
	if (strstr(text, "memory") != NULL)
		*strstr(whole, "cache { memory = 7M }") = '\0';
	if (strstr(text, "{ key") != NULL)
		memset(strstr(whole, "store { key = /before }"), ' ', strlen("store { key = /before }"));
	write_text(whole);
}

START_TEST(test_bad_strict)
{
	struct snicert_error err = {0};
	struct config *config = NULL;

	write_around(bads[_i].text);
	ck_assert_msg(config_read(&config, file, CONFIG_STRICT, &err) == -1, "%s: got success",
	    bads[_i].text);
	ck_assert_ptr_null(config);
	check_error(bads[_i].text, &err, 3, bads[_i].what);
}
END_TEST

START_TEST(test_bad_lenient)
{
	struct snicert_error err = {0};
	struct config *config = NULL;

	write_around(bads[_i].text);
	ck_assert_msg(config_read(&config, file, CONFIG_LENIENT, &err) == 0,
	    "%s: got \"%s\", want success", bads[_i].text, err.text);
	check_error(bads[_i].text, &err, 3, bads[_i].what);
	check_has(bads[_i].text, config, bads[_i].want);
	if (strstr(bads[_i].text, "facility") == NULL)
		check_has(bads[_i].text, config, "log.facility=daemon*\n");
	if (strstr(bads[_i].text, "{ key") == NULL)
		check_has(bads[_i].text, config, "store.key=/before*\n");
	if (strstr(bads[_i].text, "memory") == NULL)
		check_has(bads[_i].text, config, "cache.memory=7M*\n");
	check_has(bads[_i].text, config, "program.behind.unknown=refuse*\n");
	config_free(config);
}
END_TEST

/* A section of a release to come costs the reader no more than itself. */
static const char *const sections[] = { "bogus {\n}", "bogus { x = 1 }",
	"bogus {\n x = 1\n y = \"}\" }", "bogus \"title\" { x = 1 }", "bogus { x { y = 1 } }" };

START_TEST(test_unknown_section)
{
	struct snicert_error err = {0};
	struct config *config = NULL;

	write_around(sections[_i]);
	ck_assert_msg(config_read(&config, file, CONFIG_STRICT, &err) == -1, "%s: got success",
	    sections[_i]);
	check_error(sections[_i], &err, 3, "bogus");
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(config_read(&config, file, CONFIG_LENIENT, &err), 0);
	check_error(sections[_i], &err, 3, "bogus");
	check_has(sections[_i], config, "store.key=/before*\n");
	check_has(sections[_i], config, "cache.memory=7M*\n");
	check_has(sections[_i], config, "program.behind.unknown=refuse*\n");
	config_free(config);
}
END_TEST

/* Of several mistakes the first is told, and each costs its own option only. */
START_TEST(test_first_mistake)
{
	struct snicert_error err = {0};
	struct config *config = NULL;

	write_text("expired = fallback\nwildcard = maybe\nbogus = 1\nstore { path = rel\n key = /k }\n"
	    "log { level = loud\n target = none }\n");
	ck_assert_int_eq(config_read(&config, file, CONFIG_LENIENT, &err), 0);
	check_error("several", &err, 2, "wildcard = \"maybe\"");
	check_listing("several", config,
	    "store.path=" SNICERT_LOCALSTATEDIR "/lib/snicert/store.db\nstore.key=/k*\nstore.log_days=365\ncache.memory=32M\nlog.target=none*\n"
	    "log.level=notice\nlog.facility=mail\n"
	    "stats.path=/run/snicert/stats\nstats.unknown=1024\nstats.names=65536\nfleet.database=none\nfleet.node=none\nwildcard=on\nexpired=fallback*\n");
	config_free(config);
}
END_TEST

static const struct {
	const char *label, *text;
	int line;               /* 0: libconfuse lets it pass */
} broken[] = {
	{ "no equal sign", "expired = fallback\nwildcard off\n", 2 },
	{ "no value", "expired = fallback\nwildcard =\n", 3 },
	{ "no closing quote", "expired = fallback\nwildcard = \"off\n", 2 },
	{ "no closing brace", "expired = fallback\nstore {\n key = /k\n", 2 },
	{ "too many braces", "expired = fallback\n}\nwildcard = off\n", 2 },
	{ "no title", "expired = fallback\nprogram { }\n", 2 },
	{ "a list", "expired = fallback\ncache { memory = { 1M, 2M } }\n", 2 },
	{ "a section as option", "expired = fallback\nstore = /x\n", 2 },
	{ "an option as section", "expired = fallback\nwildcard { }\n", 2 },
	{ "appended", "expired = fallback\nwildcard += off\n", 2 },
	{ "twice the same program", "expired = fallback\nprogram a { }\nprogram a { }\n", 3 },
	{ "an open comment", "expired = fallback\n/* wildcard = off\n", 0 },
};

START_TEST(test_syntax)
{
	struct snicert_error err = {0};
	struct config *config = NULL;
	const char *label = broken[_i].label;

	write_text(broken[_i].text);
	if (config_read(&config, file, CONFIG_STRICT, &err) == 0) {
		ck_assert_msg(broken[_i].line == 0, "%s: got success, want an error", label);
		check_has(label, config, "expired=fallback*\n");
		config_free(config);
		return;
	}
	check_error(label, &err, broken[_i].line, "");
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(config_read(&config, file, CONFIG_LENIENT, &err), 0);
	check_error(label, &err, broken[_i].line, "");
	check_has(label, config, "expired=fallback*\n");
	check_has(label, config, "store.path=" SNICERT_LOCALSTATEDIR "/lib/snicert/store.db\n");
	check_has(label, config, "wildcard=on\n");
	config_free(config);
}
END_TEST

START_TEST(test_programs)
{
	char text[64 * 100], *at = text;
	struct snicert_error err = {0};
	struct config *config = NULL;

	for (int i = 0; i < 100; i++)
		at += sprintf(at, "program p%d { unknown = %s }\n", i, i % 2 == 0 ? "refuse" : "fallback");
	write_text(text);
	config = read_good("100 programs", CONFIG_STRICT);
	ck_assert_uint_eq(config->program_count, 100);
	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%d", i);
		ck_assert_ptr_nonnull(config_program(config, name));
		ck_assert_int_eq(config_program(config, name)->unknown == CONFIG_UNKNOWN_REFUSE, i % 2 == 0);
	}
	config_free(config);
	write_text("program nginx { unknown = refuse }\nprogram nginx { unknown = fallback }\n");
	ck_assert_int_eq(config_read(&config, file, CONFIG_STRICT, &err), -1);
	check_error("twice", &err, 2, "nginx");
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(config_read(&config, file, CONFIG_LENIENT, &err), 0);
	ck_assert_uint_eq(config->program_count, 1);
	ck_assert_int_eq(config->programs[0].unknown, CONFIG_UNKNOWN_REFUSE);
	config_free(config);
}
END_TEST

/* What is no good file at all: strict says so, lenient as well and goes on with the defaults. */
static void
check_refused(const char *label, int code, const char *what)
{
	for (int mode = CONFIG_STRICT; mode <= CONFIG_LENIENT; mode++) {
		struct snicert_error err = {0};
		struct config *config = NULL;
		int want = mode == CONFIG_STRICT ? -1 : 0;
		int got = config_read(&config, file, (enum config_mode)mode, &err);

		ck_assert_msg(got == want, "%s, mode %d: got %d, want %d", label, mode, got, want);
		ck_assert_msg(err.code == code, "%s: code: got %d, want %d (%s)", label, err.code, code,
		    err.text);
		ck_assert_msg(strstr(err.text, file) != NULL && strstr(err.text, what) != NULL,
		    "%s: got \"%s\", want \"%s\" and \"%s\" in it", label, err.text, file, what);
		if (got == 0)
			check_listing(label, config, defaults);
		config_free(config);
	}
}

START_TEST(test_no_file)
{
	remove(file);
	check_refused("missing", SNICERT_ESYSTEM, "No such file");
	ck_assert_int_eq(mkdir(file, 0755), 0);
	check_refused("directory", SNICERT_EPERM, "not a regular file");
	remove(file);
	ck_assert_int_eq(mkfifo(file, 0644), 0);
	alarm(10); /* nobody writes: it must not wait */
	check_refused("FIFO", SNICERT_EPERM, "not a regular file");
	alarm(0);
	remove(file);
	ck_assert_int_eq(symlink("/dev/zero", file), 0);
	alarm(10);
	check_refused("device", SNICERT_EPERM, "not a regular file");
	alarm(0);
	remove(file);
	ck_assert_int_eq(symlink(file, file), 0);
	check_refused("loop", SNICERT_ESYSTEM, "symbolic links");
	remove(file);
}
END_TEST

START_TEST(test_unsafe_mode)
{
	static const mode_t refused[] = { 0666, 0664, 0646, 0777, 0602 };
	static const mode_t accepted[] = { 0644, 0640, 0600, 0444 };

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		write_file("wildcard = off\n", 15, refused[i]);
		check_refused("unsafe mode", SNICERT_EPERM, "chmod go-w");
	}
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		struct config *config;

		write_file("wildcard = off\n", 15, accepted[i]);
		config = read_good("safe mode", CONFIG_STRICT);
		check_has("safe mode", config, "wildcard=off*");
		config_free(config);
	}
}
END_TEST

START_TEST(test_default_path)
{
	struct snicert_error err = {0};
	struct config *config = NULL;

	ck_assert_msg(strstr(config_default_path(), "/snicert/snicert.conf") != NULL, "got \"%s\"",
	    config_default_path());
	if (access(config_default_path(), F_OK) == 0)
		return; /* this machine has one */
	ck_assert_int_eq(config_read(&config, NULL, CONFIG_STRICT, &err), 0);
	ck_assert_msg(err.code == SNICERT_OK, "got \"%s\", want no error", err.text);
	check_listing("no file", config, defaults);
	ck_assert_ptr_null(config->path);
	config_free(config);
}
END_TEST

START_TEST(test_huge)
{
	size_t size = 8u << 20;
	char *text = malloc(size);
	struct snicert_error err = {0};
	struct config *config = NULL;

	memset(text, '#', size);
	for (size_t i = 79; i < size; i += 80)
		text[i] = '\n';
	memcpy(text + size - 16, "\nwildcard = off\n", 16);
	write_file(text, size, 0644);
	config = read_good("comments", CONFIG_STRICT);
	check_has("comments", config, "wildcard=off*");
	config_free(config);
	/* One long value. */
	size = 1u << 18;
	memset(text, 'x', size);
	memcpy(text, "store { path = \"/", 17);
	memcpy(text + size - 3, "\" }", 3);
	write_file(text, size, 0644);
	ck_assert_int_eq(config_read(&config, file, CONFIG_STRICT, &err), -1);
	ck_assert_int_eq(err.code, SNICERT_ECONFIG);
	free(text);
}
END_TEST

START_TEST(test_garbage)
{
	unsigned seed = 20261123;

	for (int round = 0; round < 300; round++) {
		static const char pieces[] = "store{}path=\"'#/*,()+\n\\ program\0\x80\xff";
		char text[200];
		struct snicert_error err = {0};
		struct config *config = NULL;

		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = pieces[(unsigned)rand_r(&seed) % sizeof(pieces)];
		write_file(text, sizeof(text), 0644);
		ck_assert_int_eq(config_read(&config, file, CONFIG_LENIENT, &err), 0);
		config_free(config);
		config = NULL;
		if (config_read(&config, file, CONFIG_STRICT, NULL) == 0)
			config_free(config);
	}
}
END_TEST

/* libconfuse's scanner prints what it has no rule for: not on the host's stdout. */
START_TEST(test_silent)
{
	static const char *const texts[] = { "\"\\", "wildcard = \"o\\", "'a\\", "\\", "store { \\" };
	char path[sizeof(dir) + 16];
	int saved = dup(1), out;
	struct stat st;

	snprintf(path, sizeof(path), "%s/stdout", dir);
	fflush(stdout);
	out = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
	ck_assert_int_eq(dup2(out, 1), 1);
	for (int i = 0; i < (int)(sizeof(texts) / sizeof(texts[0])); i++) {
		struct config *config = NULL;

		write_text(texts[i]);
		if (config_read(&config, file, CONFIG_LENIENT, NULL) == 0)
			config_free(config);
	}
	fflush(stdout);
	dup2(saved, 1);
	close(saved);
	ck_assert_int_eq(fstat(out, &st), 0);
	close(out);
	ck_assert_msg(st.st_size == 0, "printed: got %ld octets, want 0", (long)st.st_size);
}
END_TEST

static void *
read_many(void *arg)
{
	for (int i = 0; i < 50; i++) {
		struct snicert_error err = {0};
		struct config *config = NULL;

		if (config_read(&config, arg, CONFIG_LENIENT, &err) != 0 || config->cache_memory != 3u << 20 ||
		    err.code != SNICERT_ECONFIG)
			return arg;
		config_free(config);
	}
	return NULL;
}

START_TEST(test_threads)
{
	pthread_t threads[4];
	void *bad;

	write_text("cache { memory = 3M }\nwildcard = maybe\n");
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, read_many, file), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &bad);
		ck_assert_msg(bad == NULL, "thread %d: got another configuration", i);
	}
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("config");
	TCase *tc = tcase_create("config");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_defaults, 0, COUNT(nothing));
	tcase_add_test(tc, test_all_options);
	tcase_add_loop_test(tc, test_good, 0, COUNT(goods));
	tcase_add_loop_test(tc, test_bad_strict, 0, COUNT(bads));
	tcase_add_loop_test(tc, test_bad_lenient, 0, COUNT(bads));
	tcase_add_loop_test(tc, test_unknown_section, 0, COUNT(sections));
	tcase_add_test(tc, test_first_mistake);
	tcase_add_loop_test(tc, test_syntax, 0, COUNT(broken));
	tcase_add_test(tc, test_programs);
	tcase_add_test(tc, test_no_file);
	tcase_add_test(tc, test_unsafe_mode);
	tcase_add_test(tc, test_default_path);
	tcase_add_test(tc, test_huge);
	tcase_add_test(tc, test_garbage);
	tcase_add_test(tc, test_silent);
	tcase_add_test(tc, test_threads);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
