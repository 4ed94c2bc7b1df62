/* SPDX-License-Identifier: ISC */
/* tlsa_file.c: reading TLSA records. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dane/master.h"
#include "dane/tlsa_file.h"
#include "error.h"

#define RDATA_MOST 65535

struct reading {
	struct tlsa_file *out;
	struct snicert_error *err;
};

static int
bad_record(const struct reading *r, const struct master_record *record)
{
	return error_set(r->err, SNICERT_EINPUT, "%s:%u: this TLSA record can't be read: it must have three numbers "
	    "and hexadecimal digits", record->path, record->line);
}

static bool
is_number(const char *word, long most, long *out)
{
	char *end;
	long number = strtol(word, &end, 10);

	if (!isdigit((unsigned char)*word) || *end != '\0' || number > most)
		return false;
	if (out != NULL)
		*out = number;
	return true;
}

static int
hex_digit(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Join the hexadecimal words from words->at on. */
static bool
take_hex(const struct master_record *words, unsigned char *out, size_t *length)
{
	size_t digits = 0;

	for (size_t i = words->at; i < words->count; i++) {
		for (const char *at = words->words[i]; *at != '\0'; at++, digits++) {
			int digit = hex_digit(*at);

			if (digit < 0 || digits / 2 >= RDATA_MOST)
				return false;
			out[digits / 2] = (unsigned char)(digits % 2 == 0 ? digit << 4 : out[digits / 2] | digit);
		}
	}
	*length = digits / 2;
	return digits % 2 == 0;
}

static struct tlsa_entry *
keep(struct reading *r, const struct master_record *record, const char *owner, const char *doubt)
{
	struct tlsa_entry *list = realloc(r->out->list, (r->out->count + 1) * sizeof(*list)), *entry;
	size_t size = strlen(record->path) + 16;

	if (list == NULL) {
		error_set(r->err, SNICERT_EMEMORY, "no memory");
		return NULL;
	}
	r->out->list = list;
	entry = &list[r->out->count++];
	*entry = (struct tlsa_entry){ .owner = strdup(owner), .doubt = doubt, .where = malloc(size) };
	if (entry->owner == NULL || entry->where == NULL) {
		error_set(r->err, SNICERT_EMEMORY, "no memory");
		return NULL;
	}
	snprintf(entry->where, size, "%s:%u", record->path, record->line);
	return entry;
}

static int
keep_record(struct reading *r, const struct master_record *record, struct tlsa_kind kind, const unsigned char *data,
    size_t length, const char *owner, const char *doubt)
{
	struct tlsa_entry *entry = keep(r, record, owner, doubt);

	if (entry == NULL)
		return -1;
	entry->tlsa = (struct tlsa){ kind, OPENSSL_memdup(data, length), length };
	r->out->records++;
	return entry->tlsa.data != NULL ? 0 : error_set(r->err, SNICERT_EMEMORY, "no memory");
}

static int
keep_alias(struct reading *r, const struct master_record *record, enum tlsa_entry_type type, const char *target,
    const char *doubt)
{
	struct tlsa_entry *entry = keep(r, record, record->owner, doubt);

	if (entry == NULL)
		return -1;
	entry->type = type;
	entry->target = master_absolute(target, record->origin);
	return entry->target != NULL ? 0 : error_set(r->err, SNICERT_EMEMORY, "no memory");
}

/* "3 1 1 ab cd", or as an unknown type (RFC 3597): "\# 35 030101abcd". */
static int
take_rdata(struct reading *r, struct master_record *words, const char *owner, const char *doubt)
{
	unsigned char *data = calloc(1, RDATA_MOST + 1);
	long numbers[3] = {0}, said = 0;
	size_t length = 0, skip = 0;
	bool generic = words->at < words->count && strcmp(words->words[words->at], "\\#") == 0, good = data != NULL;

	if (generic) {
		good = good && words->count - words->at >= 3 && is_number(words->words[words->at + 1], RDATA_MOST, &said);
		words->at += 2;
	} else {
		good = good && words->count - words->at >= 4;
		for (size_t i = 0; i < 3 && good; i++)
			good = is_number(words->words[words->at++], 255, &numbers[i]);
	}
	good = good && take_hex(words, data, &length) && length > 0;
	if (good && generic) {
		good = length > 3 && (size_t)said == length;
		for (size_t i = 0; i < 3; i++)
			numbers[i] = data[i];
		skip = 3;
	}
	if (good)
		good = keep_record(r, words, (struct tlsa_kind){ (int)numbers[0], (int)numbers[1], (int)numbers[2] }, data + skip,
		    length - skip, owner, doubt) == 0;
	else
		bad_record(r, words);
	free(data);
	return good ? 0 : -1;
}

static bool
is_tlsa(const char *word)
{
	return strcasecmp(word, "TLSA") == 0 || strcasecmp(word, "TYPE52") == 0;
}

/* May be between owner and type, in any order: TTL (BIND also takes "1h") and class. */
static bool
is_between(const char *word)
{
	return isdigit((unsigned char)*word) || strcasecmp(word, "IN") == 0 || strcasecmp(word, "CLASS1") == 0;
}

/* dig +short: only the data. */
static bool
stands_alone(const struct master_record *record)
{
	return record->count >= 4 && is_number(record->words[0], 3, NULL) && is_number(record->words[1], 1, NULL) &&
	    is_number(record->words[2], 2, NULL);
}

/* Whether words from `at` on match. */
static bool
has_words(const struct master_record *record, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (record->at + i >= record->count || strcmp(record->words[record->at + i], words[i]) != 0)
			return false;
	return true;
}

/* unbound-host -v ends a line with its verdict: "(secure)", "(insecure)", "(BOGUS …)". */
static const char *
take_doubt(struct master_record *record)
{
	static const char *const doubts[] = { "insecure", "BOGUS", "error" };

	for (size_t i = record->at; i < record->count; i++) {
		const char *doubt = strcmp(record->words[i], "secure") == 0 ? "" : NULL;

		for (size_t j = 0; j < sizeof(doubts) / sizeof(doubts[0]) && doubt == NULL; j++)
			if (strcmp(record->words[i], doubts[j]) == 0)
				doubt = doubts[j];
		if (doubt == NULL)
			continue;
		record->count = i;
		return *doubt == '\0' ? NULL : doubt;
	}
	return NULL;
}

/* "NAME has TLSA record 3 1 1 …", "NAME is an alias for NAME.": host and unbound-host.  False: something else. */
static bool
take_sentence(struct reading *r, struct master_record *record, int *status)
{
	static const char *const has[] = { "has", "TLSA", "record" }, *const alias[] = { "is", "an", "alias", "for" };
	const char *doubt;

	*status = 0;
	if (has_words(record, has, 3)) {
		record->at += 3;
		doubt = take_doubt(record);
		*status = take_rdata(r, record, record->owner, doubt);
		return true;
	}
	if (!has_words(record, alias, 4))
		return false;
	record->at += 4;
	doubt = take_doubt(record);
	if (record->at < record->count)
		*status = keep_alias(r, record, TLSA_ENTRY_ALIAS, record->words[record->at], doubt);
	return true;
}

/* From the TTL on. */
static int
take_typed(struct reading *r, struct master_record *record)
{
	const char *type;

	while (record->at < record->count && is_between(record->words[record->at]))
		record->at++;
	if (record->count - record->at < 2 || record->owner == NULL)
		return 0;
	type = record->words[record->at++];
	if (is_tlsa(type))
		return take_rdata(r, record, record->owner, NULL);
	if (strcasecmp(type, "CNAME") == 0 || strcasecmp(type, "DNAME") == 0)
		return keep_alias(r, record, tolower((unsigned char)*type) == 'c' ? TLSA_ENTRY_ALIAS : TLSA_ENTRY_ALIAS_BELOW,
		    record->words[record->at], NULL);
	return 0;
}

static void
drop(struct tlsa_file *file, size_t i)
{
	struct tlsa_entry *entry = &file->list[i];

	free(entry->owner);
	free(entry->target);
	free(entry->where);
	file->records -= entry->type == TLSA_ENTRY_RECORD;
	tlsa_clear(&entry->tlsa);
	memmove(entry, entry + 1, (--file->count - i) * sizeof(*entry));
}

static bool
same_record(const struct tlsa *a, const struct tlsa *b)
{
	return memcmp(&a->kind, &b->kind, sizeof(a->kind)) == 0 && a->length == b->length &&
	    memcmp(a->data, b->data, a->length) == 0;
}

/* "update delete NAME [TTL] [CLASS] [TYPE [DATA]]" takes back what was added before. */
static int
take_back(struct reading *r, struct master_record *record)
{
	struct tlsa_file *out = r->out;
	size_t before = out->count;
	bool one;

	while (record->at < record->count && is_between(record->words[record->at]))
		record->at++;
	if (record->at < record->count && !is_tlsa(record->words[record->at++]))
		return 0;
	one = record->at < record->count;
	if (one && take_rdata(r, record, record->owner, NULL) != 0)
		return -1;
	for (size_t i = before; i-- > 0;)
		if (out->list[i].type == TLSA_ENTRY_RECORD && strcmp(out->list[i].owner, record->owner) == 0 &&
		    (!one || same_record(&out->list[i].tlsa, &out->list[out->count - 1].tlsa)))
			drop(out, i);
	if (one)
		drop(out, out->count - 1);
	return 0;
}

/* nsupdate's "update add NAME …"; the first word may be left out.  The word with the verb; 0: none. */
static const char *
update_verb(const struct master_record *record, size_t *name)
{
	static const char *const verbs[] = { "add", "delete", "del" };

	if (record->at != 1 || record->count < 2)
		return NULL;
	*name = strcasecmp(record->words[0], "update") == 0 ? 2 : 1;
	/* A relative owner may be called "add": then a class, TTL or type follows. */
	if (record->count <= *name || (*name == 1 && strchr(record->words[1], '.') == NULL))
		return NULL;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcasecmp(record->words[*name - 1], verbs[i]) == 0)
			return verbs[i];
	return NULL;
}

static int
take_update(struct reading *r, struct master_record *record, const char *verb, size_t name)
{
	char *owner = master_absolute(record->words[name], record->origin);
	int status;

	if (owner == NULL)
		return error_set(r->err, SNICERT_EMEMORY, "no memory");
	record->at = name + 1;
	record->owner = owner;
	status = *verb == 'a' ? take_typed(r, record) : take_back(r, record);
	free(owner);
	return status;
}

/* Existing names stop wildcards. */
static int
note_owner(struct reading *r, const char *owner)
{
	struct tlsa_file *out = r->out;
	char **list;

	if (owner == NULL || (out->owner_count > 0 && strcmp(out->owners[out->owner_count - 1], owner) == 0))
		return 0;
	list = realloc(out->owners, (out->owner_count + 1) * sizeof(*list));
	if (list == NULL)
		return error_set(r->err, SNICERT_EMEMORY, "no memory");
	out->owners = list;
	list[out->owner_count] = strdup(owner);
	return list[out->owner_count] != NULL ? (out->owner_count++, 0) : error_set(r->err, SNICERT_EMEMORY, "no memory");
}

static int
take_record(void *arg, struct master_record *record, struct snicert_error *err)
{
	struct reading *r = arg;
	const char *verb;
	size_t name;
	int status;

	(void)err;
	if (stands_alone(record)) {
		record->at = 0;
		return take_rdata(r, record, "", NULL);
	}
	if ((verb = update_verb(record, &name)) != NULL)
		return take_update(r, record, verb, name);
	if (note_owner(r, record->owner) != 0)
		return -1;
	return take_sentence(r, record, &status) ? status : take_typed(r, record);
}

int
tlsa_file_read(const char *path, struct tlsa_file *out, struct snicert_error *err)
{
	struct reading r = { out, err };

	return master_read(path, take_record, &r, err);
}

void
tlsa_file_free(struct tlsa_file *file)
{
	for (size_t i = 0; i < file->count; i++) {
		free(file->list[i].owner);
		free(file->list[i].target);
		free(file->list[i].where);
		tlsa_clear(&file->list[i].tlsa);
	}
	for (size_t i = 0; i < file->owner_count; i++)
		free(file->owners[i]);
	free(file->owners);
	free(file->list);
	*file = (struct tlsa_file){0};
}

bool
tlsa_entry_name(const struct tlsa_entry *entry, long port, struct name *out)
{
	const char *at = entry->owner;
	char label[16];

	snprintf(label, sizeof(label), "_%ld.", port);
	if (strncmp(at, label, strlen(label)) == 0)
		at += strlen(label);
	else if (strncmp(at, "*.", 2) == 0)
		at += 2;
	else
		return false;
	if (strncmp(at, "_tcp.", 5) == 0)
		at += 5;
	else if (entry->owner[0] != '*')
		return false;
	return name_normalise(out, at, strlen(at));
}

static bool
cert_matches(const struct tlsa *wanted, const struct store_cert *row)
{
	const unsigned char *at = row->der.data;
	X509 *cert = at == NULL ? NULL : d2i_X509(NULL, &at, (long)row->der.length);
	struct tlsa tlsa = {0};
	bool same = cert != NULL && tlsa_of_cert(wanted->kind, cert, &tlsa, NULL) == 0 && tlsa_equal(wanted, &tlsa);

	tlsa_clear(&tlsa);
	X509_free(cert);
	return same;
}

bool
tlsa_entry_matches(const struct tlsa_entry *entry, const struct store_chain *chain)
{
	struct tlsa_kind kind = entry->tlsa.kind;

	if (entry->type != TLSA_ENTRY_RECORD || kind.selector > 1 || kind.matching > 2 || chain->cert_count == 0)
		return false;
	if (kind.usage == 3)
		return cert_matches(&entry->tlsa, &chain->certs[0]);
	for (size_t i = 1; kind.usage == 2 && i < chain->cert_count; i++)
		if (cert_matches(&entry->tlsa, &chain->certs[i]))
			return true;
	return false;
}

const char *
tlsa_entry_useless(const struct tlsa_entry *entry)
{
	static const size_t lengths[] = { 0, 32, 64 };
	struct tlsa_kind kind = entry->tlsa.kind;

	if (entry->doubt != NULL)
		return strcmp(entry->doubt, "insecure") == 0
		    ? "it is insecure (not signed), so clients ignore it" : "the resolver found its DNSSEC signature bogus";
	if (kind.usage < 2)
		return "SMTP clients ignore usages 0 and 1 (RFC 7672 section 3.1.3)";
	if (kind.usage > 3 || kind.selector > 1 || kind.matching > 2)
		return "its usage, selector or matching type is not defined";
	return kind.matching > 0 && entry->tlsa.length != lengths[kind.matching]
	    ? "its data has the wrong length for that digest" : NULL;
}
