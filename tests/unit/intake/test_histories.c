/* SPDX-License-Identifier: ISC */
/*
 * test_histories.c: random histories of imports, and three rules that hold in each.
 *
 * A directory holds a few lineages, as certbot does, two of which share names; they are
 * renewed with names added and dropped, keys kept and new, in any order of the directory,
 * imported twice, rolled back, unbound, and bound by hand.  Then: the newest valid chain of a
 * lineage serves all that its predecessor served and it certifies, or that was bound
 * on purpose; a second run changes nothing, whatever was undone by hand; no name goes
 * without a chain that it had.  And a name that is rolled back right after an import has what it had before.  The same histories each time; SNICERT_HISTORIES_SEED=N makes that one,
 * and SNICERT_HISTORIES_SECONDS=N as many new ones as fit into so long.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "../harness.h"
#include "intake/renewal.h"
#include "name.h"
#include "store/admin_related.h"
#include "x509/cert.h"

#define LINEAGES 4
#define NAMES 6
#define KEYS 64
#define STEPS 14
#define HISTORIES 12

struct lineage {
	char directory[160];
	unsigned names;                 /* a bit for each of the pool */
	enum key_kind kind;
	EVP_PKEY *key;
	int64_t to;                     /* not_after of the newest, from now */
	bool there;
};

/* What is bound to what. */
struct state {
	struct binding {
		char key[64], key_type[16], lineage[160], names[200];
		int64_t chain, not_after;
	} all[KEYS];
	size_t count;
};

static struct world *world;
static struct lineage lineages[LINEAGES];
static unsigned seed;
static char story[4000];
static bool refused;            /* something, by the last import */

static unsigned
any(unsigned below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % below;
}

static void
tell(const char *format, const char *what, int number)
{
	size_t used = strlen(story);

	snprintf(story + used, sizeof(story) - used, format, what, number);
}

/* Runs the tool; its exit code. */
static int
run(const char *arguments)
{
	char line[700];
	int status;

	snprintf(line, sizeof(line), "%s/snicert -c %s %s >%s/out 2>&1", getenv("SNICERT_BUILDDIR") != NULL
	    ? getenv("SNICERT_BUILDDIR") : ".", world->config, arguments, world->dir);
	status = system(line); /* NOLINT(cert-env33-c): a test */
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Whether all that the last command complained of is that. */
static bool
says(const char *text)
{
	char path[100], line[1000];
	FILE *in;
	bool all = true;

	snprintf(path, sizeof(path), "%s/out", world->dir);
	in = fopen(path, "r");
	ck_assert_ptr_nonnull(in);
	while (fgets(line, sizeof(line), in) != NULL)
		if (strncmp(line, "snicert:", 8) == 0)
			all = all && strstr(line, text) != NULL;
	fclose(in);
	return all;
}

static int
take_details(void *arg, const struct admin_chain *chain)
{
	struct binding *to = arg;

	to->not_after = chain->not_after;
	snprintf(to->lineage, sizeof(to->lineage), "%s", chain->lineage == NULL ? "" : chain->lineage);
	snprintf(to->names, sizeof(to->names), "%s", chain->names);
	return 0;
}

static int
take_binding(void *arg, const char *key, const char *key_type, int64_t chain)
{
	struct state *state = arg;
	struct binding *to = &state->all[state->count];

	ck_assert_uint_lt(state->count, KEYS);
	state->count++;
	*to = (struct binding){ .chain = chain };
	snprintf(to->key, sizeof(to->key), "%s", key);
	snprintf(to->key_type, sizeof(to->key_type), "%s", key_type);
	return 0;
}

static void
look(struct state *state)
{
	struct admin *admin = world_admin(world);
	struct snicert_error err = {0};

	memset(state, 0, sizeof(*state));
	ck_assert_int_eq(admin_bindings(admin, NULL, 0, take_binding, state, &err), 0);
	for (size_t i = 0; i < state->count; i++)
		ck_assert_int_eq(admin_chains(admin, state->all[i].chain, NULL, take_details, &state->all[i], &err), 0);
	admin_close(admin);
}

/* What differs, for the message. */
static const char *
difference(const struct state *before, const struct state *after)
{
	static char text[4000];

	text[0] = '\0';
	for (size_t i = 0; i < before->count || i < after->count; i++) {
		const struct binding *was = &before->all[i], *is = &after->all[i];

		if (memcmp(was, is, sizeof(*was)) != 0)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s: chain %d (%s), now %s: chain %d (%s);",
			    was->key, (int)was->chain, was->lineage, is->key, (int)is->chain, is->lineage);
	}
	return text;
}

static const struct binding *
find(const struct state *state, const char *key, const char *key_type)
{
	for (size_t i = 0; i < state->count; i++)
		if (strcmp(state->all[i].key, key) == 0 &&
		    (key_type == NULL || strcmp(state->all[i].key_type, key_type) == 0))
			return &state->all[i];
	return NULL;
}

static void
write_chain(const struct lineage *lineage)
{
	char names[200] = "", cn[40], path[220];
	struct spec spec = { .cn = cn, .names = names, .kind = lineage->kind, .to = lineage->to, .key = lineage->key,
		.from = -60 * DAY * (60 * DAY) / (60 * DAY + lineage->to) };
	X509 *leaf;
	FILE *out;

	for (int i = 0; i < NAMES; i++)
		if ((lineage->names & 1u << i) != 0)
			snprintf(names + strlen(names), sizeof(names) - strlen(names), "%sn%d.example", names[0] == '\0' ? "" : " ", i);
	snprintf(cn, sizeof(cn), "%.*s", (int)strcspn(names, " "), names);
	leaf = cert_make(&spec, lineage->key);
	mkdir(lineage->directory, 0700);
	snprintf(path, sizeof(path), "%s/privkey.pem", lineage->directory);
	out = fopen(path, "w");
	ck_assert_ptr_nonnull(out);
	PEM_write_PrivateKey(out, lineage->key, NULL, NULL, 0, NULL, NULL);
	fclose(out);
	chmod(path, 0600);
	snprintf(path, sizeof(path), "%s/fullchain.pem", lineage->directory);
	out = fopen(path, "w");
	ck_assert_ptr_nonnull(out);
	PEM_write_X509(out, leaf);
	fclose(out);
	X509_free(leaf);
}

/* With names added or dropped, and the key kept or new; now and then to a shorter life than others have. */
static void
renew(struct lineage *lineage)
{
	lineage->names ^= any(2) == 0 ? 0 : 1u << any(NAMES);
	if (lineage->names == 0)
		lineage->names = 1u << any(NAMES);
	if (lineage->key == NULL || any(2) == 0) {
		EVP_PKEY_free(lineage->key);
		lineage->key = key_make(lineage->kind);
	}
	lineage->to += (int64_t)(1 + any(20)) * DAY;
	lineage->there = true;
	tell(" renew %s", strrchr(lineage->directory, '/') + 1, 0);
	write_chain(lineage);
}

static void
import_directory(int want)
{
	char line[200];
	int got;

	snprintf(line, sizeof(line), "import %s/live", world->dir);
	got = run(line);
	refused = got != 0;
	/* A lineage that comes for the first time may be a stranger. */
	ck_assert_msg(got == want || (got == 3 && says("which this one does not renew")), "import: got %d, want %d;%s; see %s",
	    got, want, story, world->dir);
}

/* No name goes without a chain that it had. */
static void
check_served(const struct state *before, const struct state *after)
{
	for (size_t i = 0; i < before->count; i++)
		ck_assert_msg(find(after, before->all[i].key, before->all[i].key_type) != NULL, "%s (%s) is bound no more:%s",
		    before->all[i].key, before->all[i].key_type, story);
}

static bool
certifies(const char *names, const char *key)
{
	struct name name = { .length = strlen(key) };

	snprintf(name.text, sizeof(name.text), "%s", key);
	return key[0] != '@' && cert_names_cover(names, &name);
}

struct newest {
	const char *lineage;
	int64_t chain, not_before, not_after;
	char names[200];
};

static int
take_newest(void *arg, const struct admin_chain *chain)
{
	struct newest *newest = arg;

	if (chain->lineage == NULL || strcmp(chain->lineage, newest->lineage) != 0 || chain->not_after <= newest->not_after)
		return 0;
	newest->chain = chain->id;
	newest->not_before = chain->not_before;
	newest->not_after = chain->not_after;
	snprintf(newest->names, sizeof(newest->names), "%s", chain->names);
	return 0;
}

static int
take_life(void *arg, const struct admin_chain *chain)
{
	struct newest *to = arg;

	to->not_before = chain->not_before;
	to->not_after = chain->not_after;
	return 0;
}

/*
 * Whether a name was rolled back from a chain that was issued later than the newest one, and lasts longer.  Its
 * file may have been there all the time, left out as superseded: then it is no renewal of what came back.
 */
static bool
was_rolled_back(struct admin *admin, const struct binding *was, const struct newest *newest)
{
	struct newest from = {0};
	int64_t chain = 0;

	ck_assert_int_eq(admin_rolled_back(admin, was->key, was->key_type, &chain, NULL), 0);
	if (chain == 0)
		return false;
	ck_assert_int_eq(admin_chains(admin, chain, NULL, take_life, &from, NULL), 0);
	return newest->not_after <= from.not_after && newest->not_before <= from.not_before && newest->chain != chain;
}

/* The newest chain of a lineage serves all that its predecessors served: itself, or what lasts longer. */
static void
check_newest(const struct lineage *lineage, const struct state *before, const struct state *after)
{
	struct newest newest = { .lineage = lineage->directory };
	struct admin *admin = world_admin(world);

	ck_assert_int_eq(admin_chains(admin, 0, NULL, take_newest, &newest, NULL), 0);
	for (size_t i = 0; i < before->count; i++) {
		const struct binding *was = &before->all[i];
		const struct binding *is = find(after, was->key, was->key_type);

		if (strcmp(was->lineage, lineage->directory) != 0 || was->not_after >= newest.not_after ||
		    (certifies(was->names, was->key) && !certifies(newest.names, was->key)))
			continue;
		ck_assert_msg(is->chain == newest.chain || is->not_after >= newest.not_after ||
		    was_rolled_back(admin, was, &newest), "%s stays with chain %d, the newest of %s is %d:%s", was->key, (int)is->chain, lineage->directory,
		    (int)newest.chain, story);
	}
	admin_close(admin);
}

static void
import_twice(struct lineage *renewed)
{
	struct state before, after;
	unsigned char first[32], second[32];

	look(&before);
	import_directory(0);
	tell(" import", "", 0);
	look(&after);
	check_served(&before, &after);
	if (renewed != NULL)
		check_newest(renewed, &before, &after);
	world_digest(world, first);
	import_directory(0);
	world_digest(world, second);
	ck_assert_msg(memcmp(first, second, 32) == 0, "a second import changes something:%s; see %s", story, world->dir);
}

/* What was done by hand is not undone by files that are as they were. */
static void
by_hand(const char *command, const char *key, int chain)
{
	struct state before, after;
	char line[200];

	look(&before);
	snprintf(line, sizeof(line), "%s %s", command, key);
	if (chain != 0)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), " %d", chain);
	tell(" %s", line, 0);
	if (run(line) == 0 && strncmp(command, "default", 7) != 0) {
		look(&after);
		check_served(&before, &after);
	}
	import_directory(0);
	look(&before);
	import_directory(0);
	look(&after);
	ck_assert_msg(memcmp(&before, &after, sizeof(before)) == 0, "imports undo what was done by hand:%s%s", story,
	    difference(&before, &after));
}

static void
undone(const char *command, const char *key)
{
	struct state before, after;
	char line[200];

	/* What was refused for a name may come when that is free. */
	if (refused)
		return;
	snprintf(line, sizeof(line), "%s %s", command, key);
	tell(" %s", line, 0);
	run(line);
	memset(&before, 0, sizeof(before));
	memset(&after, 0, sizeof(after));
	look(&before);
	import_directory(0);
	look(&after);
	ck_assert_msg(memcmp(&before, &after, sizeof(before)) == 0, "an import of unchanged files undoes %s:%s%s", line, story,
	    difference(&before, &after));
}

/* How many chains a key has. */
static size_t
count(const struct state *state, const char *key)
{
	size_t count = 0;

	for (size_t i = 0; i < state->count; i++)
		count += strcmp(state->all[i].key, key) == 0;
	return count;
}

/* Whether a key has the same chains in both. */
static bool
same(const struct state *a, const struct state *b, const char *key)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct binding *other = find(b, a->all[i].key, a->all[i].key_type);

		if (strcmp(a->all[i].key, key) == 0 && (other == NULL || other->chain != a->all[i].chain))
			return false;
	}
	return count(a, key) == count(b, key);
}

/* A renewal, or a key type more, is taken back. */
static void
back_again(struct lineage *lineage)
{
	struct state before, after, back, again;
	const char *key = NULL;
	char line[200];

	look(&before);
	renew(lineage);
	import_directory(0);
	look(&after);
	for (size_t i = any(4); i < after.count && key == NULL; i++)
		if (!same(&before, &after, after.all[i].key))
			key = after.all[i].key;
	if (key == NULL || refused)
		return;
	snprintf(line, sizeof(line), "rollback %s", key[0] == '@' ? "--fallback" : key);
	tell(" %s", line, 0);
	run(line);
	look(&back);
	ck_assert_msg(count(&before, key) == 0 ? count(&back, key) > 0 : same(&before, &back, key),
	    "%s is not as before:%s%s; see %s", key, story, difference(&before, &back), world->dir);
	for (size_t i = 0; i < before.count; i++)
		ck_assert_msg(count(&back, before.all[i].key) > 0, "%s has nothing:%s", before.all[i].key, story);
	import_directory(0);
	look(&again);
	ck_assert_msg(same(&back, &again, key), "an import of unchanged files undoes %s:%s%s", line, story,
	    difference(&back, &again));
}

static void
step(void)
{
	struct lineage *lineage = &lineages[any(LINEAGES)];
	struct state state;
	char name[40];

	snprintf(name, sizeof(name), "n%u.example", any(NAMES));
	look(&state);
	switch (any(9)) {
	case 0:
		undone("rollback", name);
		break;
	case 1:
		undone("unbind", name);
		break;
	case 2:
		if (state.count > 0)
			by_hand("bind vanity.example", "", (int)state.all[any((unsigned)state.count)].chain);
		break;
	case 3:
		if (state.count > 0)
			by_hand("default", "", (int)state.all[any((unsigned)state.count)].chain);
		break;
	case 4:
		back_again(lineage);
		break;
	default:
		renew(lineage);
		import_twice(lineage);
	}
}

static void
history(unsigned number)
{
	static const enum key_kind kinds[LINEAGES] = { KEY_P256, KEY_P256, KEY_P256, KEY_ED25519 };
	char live[100];

	world = world_new();
	snprintf(live, sizeof(live), "%s/live", world->dir);
	mkdir(live, 0700);
	snprintf(story, sizeof(story), " (SNICERT_HISTORIES_SEED=%u)", number);
	for (int i = 0; i < LINEAGES; i++) {
		/* In any order of the directory. */
		snprintf(lineages[i].directory, sizeof(lineages[i].directory), "%s/%c%d", live, (char)('a' + any(26)), i);
		lineages[i].names = i == 1 ? lineages[0].names : 1 + any((1u << NAMES) - 1);
		lineages[i].kind = kinds[i];
		lineages[i].to = (int64_t)(20 + any(40)) * DAY;
		lineages[i].there = false;
	}
	renew(&lineages[0]);
	import_twice(NULL);
	for (int i = 0; i < STEPS; i++)
		step();
	for (int i = 0; i < LINEAGES; i++) {
		EVP_PKEY_free(lineages[i].key);
		lineages[i].key = NULL;
	}
	world_free(world);
}

START_TEST(test_histories)
{
	const char *given = getenv("SNICERT_HISTORIES_SEED"), *seconds = getenv("SNICERT_HISTORIES_SECONDS");
	unsigned first = given != NULL ? (unsigned)strtoul(given, NULL, 10) : seconds != NULL ? (unsigned)time(NULL) : 1;
	unsigned count = 0, most = given != NULL ? 1 : seconds != NULL ? UINT_MAX : HISTORIES;
	time_t end = time(NULL) + (seconds != NULL ? atoi(seconds) : 0);

	do {
		seed = first + count;
		history(first + count);
		count++;
	} while (count < most && (seconds == NULL || time(NULL) < end));
	printf("%u histories from seed %u on\n", count, first);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("histories");
	TCase *tc = tcase_create("histories");
	int status;

	tcase_set_timeout(tc, 3600);
	tcase_add_test(tc, test_histories);
	suite_add_tcase(suite, tc);
	harness_start();
	status = harness_run(suite);
	harness_end();
	return status;
}
