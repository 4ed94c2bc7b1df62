/* SPDX-License-Identifier: ISC */
/*
 * directory.c: which files of a directory belong together.  It knows the trees of ACME clients and
 * servers only by their names, and opens no file; halves.c does what names can't tell.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "intake/directory.h"
#include "intake/places.h"

static int
no_memory(struct snicert_error *err)
{
	return error_set(err, SNICERT_EMEMORY, "out of memory");
}

#define DEPTH_MAX 16

/* In the order of a sorted listing. */
enum kind {
	KIND_DIRECTORY,
	KIND_ISSUERS,                 /* chain.pem, ca.cer: of everything around it */
	KIND_GENERIC,                 /* privkey.pem, fullchain.cer: of the directory */
	KIND_NAMED,
	KIND_OTHER                    /* name tells nothing */
};

struct entry {
	enum kind kind;
	char *path;                   /* directory and name */
	const char *name;             /* its last part */
	char *stem;                   /* tells groups apart; NULL for directories and others */
};

struct listing {
	struct entry *entries;
	size_t count;
	bool links;                   /* follow links to directories */
	bool others;                  /* we want files whose names tell nothing */
};

/* A directory's files by kind: half-open ranges of its sorted listing. */
struct ranges {
	size_t issuers, generic, named, end;
};

struct walk {
	struct directory_calls calls;
	struct ranges ranges;         /* of the current directory */
	size_t groups;
	struct places been;
	struct snicert_error *err;
};

static bool
is_one_of(const char *word, size_t length, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strlen(*list) == length && strncasecmp(word, *list, length) == 0)
			return true;
	return false;
}

static const char *const suffixes[] = { "key", "crt", "cer", "cert", "pem", "p12", "pfx", "der",
	"bundle", "chain", "fullchain", "issuer", "rsa", "ecdsa", "ca", "cacert", "ca-bundle", "cabundle",
	"combined", "everything", NULL };
static const char *const tails[] = { "key", "privkey", "cert", "crt", "chain", "fullchain", NULL };
/* File names in a directory that is for one chain, by the tools that write them. */
static const char *const generic[] = { "privkey", "key", "private", "cert", "certificate",
	"fullchain", NULL };
/* Not certificates in use: requests, OCSP responses, copies by editors and packages. */
static const char *const never[] = { "csr", "req", "ocsp", "sctl", "conf", "cfg", "log", "bak", "old", "orig",
	"save", "swp", "tmp", "sig", "asc", "pub", "gz", "xz", "zip", "tar", "db", "sqlite", "jks", "sh", "py",
	"disabled", "rpmsave", "rpmnew", "dpkg-old", "dpkg-dist", "dpkg-new", NULL };
/* … and those with issuers only, possibly for the chains around them too. */
static const char *const issuers[] = { "chain", "ca", "cabundle", "ca-bundle", "ca_bundle",
	"intermediate", "issuer", "bundle", NULL };
/* Looks like a key but isn't: ACME accounts. */
static const char *const strangers[] = { "account.key", "account_key.pem", NULL };

/* Only its ending looks like ours, so it is out for good: account.key, dh2048.pem. */
static bool
is_suffixed(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL && is_one_of(dot + 1, strlen(dot + 1), suffixes);
}

static bool
is_candidate(const char *name)
{
	const char *dot = strrchr(name, '.');
	const char *dh = strcasestr(name, "dhparam");

	if (dot == NULL || !is_one_of(dot + 1, strlen(dot + 1), suffixes) || dh != NULL)
		return false;
	if (strncasecmp(name, "dh", 2) == 0 && name[2 + strspn(name + 2, "0123456789")] == '.' &&
	    name + 2 + strspn(name + 2, "0123456789") == dot)
		return false;
	return !is_one_of(name, strlen(name), strangers);
}

#define OTHER_MOST ((off_t)4 << 20)

/* May hold anything; its name doesn't rule it out. */
static bool
is_other(const char *name, const struct stat *st)
{
	const char *dot = strrchr(name, '.');

	return S_ISREG(st->st_mode) && st->st_size > 0 && st->st_size <= OTHER_MOST &&
	    name[strlen(name) - 1] != '~' && strncasecmp(name, "account", 7) != 0 && strncasecmp(name, "id_", 3) != 0 &&
	    strcasestr(name, "dhparam") == NULL &&
	    (dot == NULL || !is_one_of(dot + 1, strlen(dot + 1), never));
}

/* privkey-1700000000.pem: dehydrated's versions; privkey.pem is the last. */
static bool
is_version(const char *name)
{
	size_t word = strcspn(name, "-");

	return name[word] == '-' &&
	    (is_one_of(name, word, generic) || is_one_of(name, word, issuers)) &&
	    isdigit((unsigned char)name[word + 1]) &&
	    name[word + 1 + strspn(name + word + 1, "0123456789")] == '.';
}

/* NAME of NAME.pem.rsa, NAME.issuer.crt, NAME-key.pem; the caller frees it. */
static char *
stem_of(const char *name)
{
	char *stem = strdup(name);
	char *at;

	if (stem == NULL)
		return NULL;
	while ((at = strrchr(stem, '.')) != NULL && at != stem && is_one_of(at + 1, strlen(at + 1), suffixes))
		*at = '\0';
	at = strrchr(stem, '-');
	if (at != NULL && at != stem && is_one_of(at + 1, strlen(at + 1), tails))
		*at = '\0';
	return stem;
}

static void
listing_free(struct listing *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->entries[i].path);
		free(list->entries[i].stem);
	}
	free(list->entries);
}

static int
by_stem(const void *a, const void *b)
{
	const struct entry *one = a, *two = b;
	int order = (int)one->kind - (int)two->kind;

	if (order == 0 && one->stem != NULL)
		order = strcmp(one->stem, two->stem);
	return order != 0 ? order : strcmp(one->name, two->name);
}

static enum kind
kind_of(const char *stem)
{
	if (is_one_of(stem, strlen(stem), issuers))
		return KIND_ISSUERS;
	return is_one_of(stem, strlen(stem), generic) ? KIND_GENERIC : KIND_NAMED;
}

char *
directory_stem(const char *name, bool *own)
{
	char *stem = stem_of(name);

	*own = stem != NULL && kind_of(stem) == KIND_GENERIC;
	return stem;
}

/*
 * The kind of an entry.  We keep a dangling link as a file: its group then reports it, instead of
 * silently missing a name.
 */
static bool
entry_kind(const struct listing *list, struct entry *entry)
{
	struct stat st, link;
	bool there = stat(entry->path, &st) == 0;

	if (there && S_ISDIR(st.st_mode)) {
		entry->kind = KIND_DIRECTORY;
		return list->links || (lstat(entry->path, &link) == 0 && S_ISDIR(link.st_mode));
	}
	if (is_version(entry->name) || (there && !S_ISREG(st.st_mode)))
		return false;
	entry->kind = is_candidate(entry->name) ? KIND_NAMED : KIND_OTHER;
	return entry->kind == KIND_NAMED || (list->others && there && !is_suffixed(entry->name) && is_other(entry->name, &st));
}

/* Fills *out, or leaves its path NULL if irrelevant. */
static int
entry_init(const struct listing *list, struct entry *out, const char *directory, const char *name)
{
	size_t room = strlen(directory) + strlen(name) + 2;

	if ((out->path = malloc(room)) == NULL)
		return -1;
	snprintf(out->path, room, "%s/%s", directory, name);
	out->name = out->path + strlen(directory) + 1;
	if (!entry_kind(list, out)) {
		free(out->path);
		out->path = NULL;
	} else if (out->kind == KIND_NAMED) {
		if ((out->stem = stem_of(name)) == NULL) {
			free(out->path);
			return -1;
		}
		out->kind = kind_of(out->stem);
	}
	return 0;
}

static int
listing_add(struct listing *list, const char *directory, const char *name)
{
	struct entry *bigger = reallocarray(list->entries, list->count + 1, sizeof(*bigger));
	struct entry found = { .kind = KIND_DIRECTORY };

	if (bigger == NULL)
		return -1;
	list->entries = bigger;
	if (entry_init(list, &found, directory, name) != 0)
		return -1;
	if (found.path != NULL)
		bigger[list->count++] = found;
	return 0;
}

static int
listing_read(struct listing *list, const char *directory, struct snicert_error *err)
{
	DIR *dir = opendir(directory);
	struct dirent *at;
	int rc = 0;

	if (dir == NULL)
		return error_system(err, "%s", directory);
	while (rc == 0 && (errno = 0, at = readdir(dir)) != NULL)
		if (at->d_name[0] != '.' && listing_add(list, directory, at->d_name) != 0)
			rc = no_memory(err);
	if (rc == 0 && errno != 0)
		rc = error_system(err, "%s", directory);
	closedir(dir);
	if (list->count > 1)
		qsort(list->entries, list->count, sizeof(*list->entries), by_stem);
	return rc;
}

/* Directories come first, sorted by name. */
static bool
has_directory(const struct listing *list, const char *name)
{
	for (size_t i = 0; i < list->count && list->entries[i].kind == KIND_DIRECTORY; i++)
		if (strcmp(list->entries[i].name, name) == 0)
			return true;
	return false;
}

static bool
has_account_conf(const char *directory)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/account.conf", directory);
	return access(path, F_OK) == 0;
}

/* An ACME client's directories without chains in use. */
static bool
is_skipped(const struct listing *list, const char *directory, const char *name)
{
	static const char *const certbot[] = { "archive", "csr", "keys", "accounts", "renewal",
		"renewal-hooks", NULL };
	static const char *const dehydrated[] = { "archive", "accounts", "chains", NULL };
	size_t length = strlen(name);

	return (is_one_of(name, length, certbot) && has_directory(list, "live")) ||
	    (is_one_of(name, length, dehydrated) && has_directory(list, "certs")) ||
	    (strcmp(name, "accounts") == 0 && has_directory(list, "certificates")) ||
	    (strcmp(name, "ca") == 0 && has_account_conf(directory));
}

static bool
is_archive(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL && (strcasecmp(dot, ".p12") == 0 || strcasecmp(dot, ".pfx") == 0);
}

/* lego writes NAME.pfx beside NAME.key: the same, behind a passphrase. */
static size_t
drop_archives(const char **files, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		kept += !is_archive(files[i]);
	if (kept < 2 || kept == count)
		return count;
	kept = 0;
	for (size_t i = 0; i < count; i++)
		if (!is_archive(files[i]))
			files[kept++] = files[i];
	return kept;
}

static struct ranges
ranges_of(const struct listing *list)
{
	struct ranges r = { 0, 0, 0, list->count };

	while (r.end > 0 && list->entries[r.end - 1].kind == KIND_OTHER)
		r.end--;
	while (r.issuers < r.end && list->entries[r.issuers].kind < KIND_ISSUERS)
		r.issuers++;
	for (r.generic = r.issuers; r.generic < r.end && list->entries[r.generic].kind < KIND_GENERIC;)
		r.generic++;
	for (r.named = r.generic; r.named < r.end && list->entries[r.named].kind < KIND_NAMED;)
		r.named++;
	return r;
}

/* One group: entries `from` to `to`, with the issuers' files if it has others. */
static int
group_send(struct walk *walk, const struct listing *list, const char *directory, const char *stem,
    size_t from, size_t to)
{
	const struct ranges *r = &walk->ranges;
	const char **files = calloc(to - from + r->generic - r->issuers, sizeof(*files));
	size_t count = 0, room = strlen(directory) + (stem == NULL ? 0 : strlen(stem)) + 2;
	char *label = malloc(room);
	int rc = 0;

	if (files == NULL || label == NULL) {
		free(files);
		free(label);
		return no_memory(walk->err);
	}
	snprintf(label, room, stem == NULL ? "%s" : "%s/%s", directory, stem);
	for (size_t i = from; i < to; i++)
		files[count++] = list->entries[i].path;
	for (size_t i = r->issuers; i < r->generic && from >= r->generic; i++)
		files[count++] = list->entries[i].path;
	count = drop_archives(files, count);
	walk->groups++;
	rc = walk->calls.each(walk->calls.arg, label, files, count);
	free(files);
	free(label);
	return rc;
}

static size_t
stem_end(const struct listing *list, size_t from)
{
	size_t to = from + 1;

	while (to < list->count && list->entries[to].stem != NULL && strcmp(list->entries[to].stem, list->entries[from].stem) == 0)
		to++;
	return to;
}

static bool
has_generic_key(const struct listing *list, const struct ranges *r)
{
	for (size_t i = r->generic; i < r->named; i++)
		if (strcasestr(list->entries[i].stem, "key") != NULL ||
		    strcasecmp(list->entries[i].stem, "private") == 0)
			return true;
	return false;
}

/*
 * The groups of one directory.  Files with generic names are their own chain if one is a key
 * (certbot), else they go with the directory's only stem (acme.sh).  Issuers' files go with every
 * group.
 */
static int
groups_send(struct walk *walk, const struct listing *list, const char *directory)
{
	const struct ranges r = walk->ranges = ranges_of(list);
	size_t from = r.named, to;
	bool one_stem = r.named < r.end && stem_end(list, r.named) == r.end;
	int rc = 0;

	if (one_stem && !has_generic_key(list, &r))
		return group_send(walk, list, directory, list->entries[r.named].stem, r.generic, r.end);
	if (r.generic < r.named)
		rc = group_send(walk, list, directory, NULL, r.generic, r.named);
	else if (r.named == r.end && r.issuers < r.end)
		return group_send(walk, list, directory, NULL, r.issuers, r.end);
	for (; rc == 0 && from < r.end; from = to) {
		to = stem_end(list, from);
		rc = group_send(walk, list, directory, list->entries[from].stem, from, to);
	}
	return rc;
}

static int
others_send(struct walk *walk, const struct listing *list)
{
	int rc = 0;

	for (size_t i = walk->ranges.end; rc == 0 && i < list->count; i++) {
		const char *file = list->entries[i].path;

		walk->groups++;
		rc = walk->calls.others(walk->calls.arg, file, &file, 1);
	}
	return rc;
}

/* Whether a directory is new to the walk: links may lead to one twice, or in a circle. */
static bool
is_new(struct walk *walk, const char *directory, bool *memory)
{
	struct stat st;

	return stat(directory, &st) != 0 || places_add(&walk->been, st.st_dev, st.st_ino, memory);
}

static int walk_directory(struct walk *walk, const char *directory, int depth);

static int
walk_inner(struct walk *walk, const struct listing *list, const char *directory, int depth)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < list->count && list->entries[i].kind == KIND_DIRECTORY; i++)
		if (depth < DEPTH_MAX && !is_skipped(list, directory, list->entries[i].name))
			rc = walk_directory(walk, list->entries[i].path, depth + 1);
	return rc;
}

/* An unreadable one below is reported; the rest is imported. */
static int
unread(struct walk *walk, const char *directory, int depth)
{
	int rc;

	if (depth == 0 || walk->calls.unread == NULL || walk->err->code == SNICERT_EMEMORY)
		return -1;
	rc = walk->calls.unread(walk->calls.arg, directory, walk->err);
	error_clear(walk->err);
	return rc;
}

static int
walk_directory(struct walk *walk, const char *directory, int depth)
{
	struct listing list = { .links = true, .others = walk->calls.others != NULL };
	bool memory = true;
	int rc;

	if (!is_new(walk, directory, &memory))
		return memory ? 0 : no_memory(walk->err);
	rc = listing_read(&list, directory, walk->err);
	if (rc != 0) {
		listing_free(&list);
		return unread(walk, directory, depth);
	}
	rc = groups_send(walk, &list, directory);
	if (rc == 0)
		rc = others_send(walk, &list);
	if (rc == 0)
		rc = walk_inner(walk, &list, directory, depth);
	listing_free(&list);
	return rc;
}

int
directory_read(const char *path, directory_inner *inner, const struct directory_calls *calls, struct snicert_error *err)
{
	struct walk walk = { .calls = *calls, .err = err };
	struct listing list = { .links = true, .others = calls->others != NULL };
	int rc = listing_read(&list, path, err);

	for (size_t i = 0; rc == 0 && i < list.count && list.entries[i].kind == KIND_DIRECTORY; i++)
		if (!is_skipped(&list, path, list.entries[i].name))
			rc = inner(calls->arg, list.entries[i].path);
	if (rc == 0)
		rc = groups_send(&walk, &list, path);
	if (rc == 0 && calls->others != NULL)
		rc = others_send(&walk, &list);
	listing_free(&list);
	return rc;
}

int
directory_walk(const char *path, directory_group *each, void *arg, struct snicert_error *err)
{
	return directory_walk_all(path, &(struct directory_calls){ .each = each, .arg = arg }, err);
}

int
directory_walk_all(const char *path, const struct directory_calls *calls, struct snicert_error *err)
{
	struct snicert_error own = {0};
	struct walk walk = { .calls = *calls, .err = err != NULL ? err : &own };
	size_t length = strlen(path);
	char *directory = strdup(path);
	int rc;

	if (directory == NULL)
		return no_memory(err);
	while (length > 1 && directory[length - 1] == '/')
		directory[--length] = '\0';
	rc = walk_directory(&walk, directory, 0);
	free(directory);
	places_free(&walk.been);
	if (rc == 0 && walk.groups == 0)
		return error_set(err, SNICERT_EINPUT,
		    "no certificate and no private key in %s; looked for .pem, .key, .crt, .cer, .cert,"
		    " .p12, .pfx and .der", path);
	return rc;
}
