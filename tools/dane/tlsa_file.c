/* SPDX-License-Identifier: ISC */
/*
 * tlsa_file.c: reading TLSA records.  A master file (RFC 1035 section 5) as far as
 * records of one type need it: lines joined by parentheses, comments, quotes,
 * $ORIGIN, owners left out.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dane/tlsa_file.h"
#include "error.h"

#define FILE_MOST ((size_t)64 << 20)
#define RDATA_MOST 65535

struct reading {
	const char *path;
	struct tlsa_file *out;
	char *origin, *owner;           /* of the lines before */
	unsigned line;                  /* where the record at hand begins */
	struct snicert_error *err;
};

/* The words of one record. */
struct words {
	char **list;
	size_t count, at;
	bool indented;                  /* the owner is the one before */
};

static int
bad_record(const struct reading *r)
{
	return error_set(r->err, SNICERT_EINPUT, "%s:%u: the TLSA record can't be read: three numbers and "
	    "hexadecimal digits are wanted", r->path, r->line);
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

/* The hexadecimal words from words->at on, as one. */
static bool
take_hex(const struct words *words, unsigned char *out, size_t *length)
{
	size_t digits = 0;

	for (size_t i = words->at; i < words->count; i++) {
		for (const char *at = words->list[i]; *at != '\0'; at++, digits++) {
			int digit = hex_digit(*at);

			if (digit < 0 || digits / 2 >= RDATA_MOST)
				return false;
			out[digits / 2] = (unsigned char)(digits % 2 == 0 ? digit << 4 : out[digits / 2] | digit);
		}
	}
	*length = digits / 2;
	return digits % 2 == 0;
}

static int
keep(struct reading *r, struct tlsa_kind kind, const unsigned char *data, size_t length,
    const char *owner)
{
	struct tlsa_entry *list = realloc(r->out->list, (r->out->count + 1) * sizeof(*list)), *entry;

	if (list == NULL)
		return error_set(r->err, SNICERT_EMEMORY, "no memory");
	r->out->list = list;
	entry = &list[r->out->count++];
	entry->owner = strdup(owner);
	entry->tlsa = (struct tlsa){ kind, OPENSSL_memdup(data, length), length };
	return entry->owner != NULL && entry->tlsa.data != NULL ? 0
	    : error_set(r->err, SNICERT_EMEMORY, "no memory");
}

/* "3 1 1 ab cd", or as of a type unknown (RFC 3597): "\# 35 030101abcd". */
static int
take_rdata(struct reading *r, struct words *words, const char *owner)
{
	unsigned char *data = malloc(RDATA_MOST + 1);
	long numbers[3] = {0}, said = 0;
	size_t length = 0, skip = 0;
	bool generic = words->at < words->count && strcmp(words->list[words->at], "\\#") == 0, good = data != NULL;

	if (generic) {
		good = good && words->count - words->at >= 3 && is_number(words->list[words->at + 1], RDATA_MOST, &said);
		words->at += 2;
	} else {
		good = good && words->count - words->at >= 4;
		for (size_t i = 0; i < 3 && good; i++)
			good = is_number(words->list[words->at++], 255, &numbers[i]);
	}
	good = good && take_hex(words, data, &length) && length > 0;
	if (good && generic) {
		good = length > 3 && (size_t)said == length;
		for (size_t i = 0; i < 3; i++)
			numbers[i] = data[i];
		skip = 3;
	}
	if (good)
		good = keep(r, (struct tlsa_kind){ (int)numbers[0], (int)numbers[1], (int)numbers[2] }, data + skip,
		    length - skip, owner) == 0;
	else
		bad_record(r);
	free(data);
	return good ? 0 : -1;
}

/* As it is compared: absolute, lower case, without the last dot. */
static char *
absolute(const struct reading *r, const char *word)
{
	size_t length = strlen(word);
	const char *origin = r->origin != NULL ? r->origin : "";
	bool relative = length == 0 || word[length - 1] != '.';
	char *text = malloc(length + strlen(origin) + 3);

	if (text == NULL)
		return NULL;
	if (strcmp(word, "@") == 0)
		strcpy(text, origin);
	else
		sprintf(text, "%s%s%s", word, relative && *origin != '\0' ? "." : "", relative ? origin : "");
	length = strlen(text);
	if (length > 0 && text[length - 1] == '.')
		text[length - 1] = '\0';
	for (char *at = text; *at != '\0'; at++)
		*at = (char)tolower((unsigned char)*at);
	return text;
}

static int
set_text(struct reading *r, char **into, const char *word)
{
	char *text = absolute(r, word);

	if (text == NULL)
		return error_set(r->err, SNICERT_EMEMORY, "no memory");
	free(*into);
	*into = text;
	return 0;
}

static bool
is_tlsa(const char *word)
{
	return strcasecmp(word, "TLSA") == 0 || strcasecmp(word, "TYPE52") == 0;
}

/* What may stand between owner and type: TTL (BIND takes "1h" too), class, and host's "has". */
static bool
is_between(const char *word)
{
	return isdigit((unsigned char)*word) || strcasecmp(word, "IN") == 0 || strcasecmp(word, "CH") == 0 ||
	    strcasecmp(word, "HS") == 0 || strcmp(word, "has") == 0;
}

/* dig +short: the data alone. */
static bool
stands_alone(const struct words *words)
{
	return words->count >= 4 && is_number(words->list[0], 3, NULL) && is_number(words->list[1], 1, NULL) &&
	    is_number(words->list[2], 2, NULL);
}

static int
take_words(struct reading *r, struct words *words)
{
	if (strcasecmp(words->list[0], "$ORIGIN") == 0)
		return words->count > 1 ? set_text(r, &r->origin, words->list[1]) : 0;
	if (stands_alone(words))
		return take_rdata(r, words, "");
	if (strcmp(words->list[0], "update") == 0)
		words->at++;
	if (words->at < words->count && strcmp(words->list[words->at], "add") == 0)
		words->at++;
	else if (words->at > 0)
		return 0; /* update delete */
	if ((words->at > 0 || !words->indented) &&
	    (words->at == words->count || set_text(r, &r->owner, words->list[words->at++]) != 0))
		return words->at == words->count ? 0 : -1;
	while (words->at < words->count && is_between(words->list[words->at]))
		words->at++;
	if (words->at == words->count || !is_tlsa(words->list[words->at]) || r->owner == NULL)
		return 0;
	words->at++;
	if (words->at < words->count && strcmp(words->list[words->at], "record") == 0)
		words->at++;
	return take_rdata(r, words, r->owner);
}

/* One record: comments are gone, its lines are one. */
static int
take_record(struct reading *r, char *text)
{
	struct words words = { .indented = isspace((unsigned char)*text) };
	size_t room = strlen(text) / 2 + 2;
	char *save = NULL;
	int status = 0;

	words.list = calloc(room, sizeof(*words.list));
	if (words.list == NULL)
		return error_set(r->err, SNICERT_EMEMORY, "no memory");
	for (char *word = strtok_r(text, " \t\r\n\f\v", &save); word != NULL; word = strtok_r(NULL, " \t\r\n\f\v", &save))
		words.list[words.count++] = word;
	if (words.count > 0)
		status = take_words(r, &words);
	free(words.list);
	return status;
}

/* Cut into records in place: comments and parentheses become blanks. */
static int
take_text(struct reading *r, char *text)
{
	char *start = text;
	bool quoted = false, comment = false;
	int depth = 0;
	unsigned line = 1;

	r->line = 1;
	for (char *at = text;; at++) {
		char c = *at;
		bool ends = c == '\0' || (c == '\n' && depth == 0);

		if (c == '\n' || c == '\0')
			comment = quoted = false;
		if (c == '"' && !comment)
			quoted = !quoted;
		if (c == ';' && !quoted)
			comment = true;
		if (!comment && !quoted && (c == '(' || c == ')'))
			depth = c == '(' ? 1 : 0;
		if (c != '\0' && (comment || (!quoted && (c == '(' || c == ')'))))
			*at = ' ';
		line += c == '\n';
		if (!ends)
			continue;
		*at = '\0';
		if (take_record(r, start) != 0)
			return -1;
		if (c == '\0')
			return 0;
		start = at + 1;
		r->line = line;
	}
}

static char *
read_all(FILE *in, const char *path, struct snicert_error *err)
{
	char *text = NULL;
	size_t used = 0, room = 0;

	for (;;) {
		if (used + 1 >= room) {
			char *more = room > FILE_MOST ? NULL : realloc(text, room = 2 * room + 65536);

			if (more == NULL) {
				free(text);
				error_set(err, SNICERT_EINPUT, "%s is too large for a file of records", path);
				return NULL;
			}
			text = more;
		}
		size_t got = fread(text + used, 1, room - used - 1, in);

		if (got == 0)
			break;
		used += got;
	}
	if (ferror(in)) {
		error_system(err, "can't read %s", path);
		free(text);
		return NULL;
	}
	for (size_t i = 0; i < used; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	text[used] = '\0';
	return text;
}

int
tlsa_file_read(const char *path, struct tlsa_file *out, struct snicert_error *err)
{
	bool standard = strcmp(path, "-") == 0;
	FILE *in = standard ? stdin : fopen(path, "re");
	struct reading r = { .path = standard ? "standard input" : path, .out = out, .err = err };
	char *text;
	int status = -1;

	if (in == NULL)
		return error_system(err, "can't read %s", path);
	text = read_all(in, r.path, err);
	if (text != NULL)
		status = take_text(&r, text);
	if (status == 0 && out->count == 0)
		status = error_set(err, SNICERT_EINPUT, "%s has no TLSA record: give the zone file, or what "
		    "`dig +noall +answer` says of the name", r.path);
	if (!standard)
		fclose(in);
	free(text);
	free(r.origin);
	free(r.owner);
	return status;
}

void
tlsa_file_free(struct tlsa_file *file)
{
	for (size_t i = 0; i < file->count; i++) {
		free(file->list[i].owner);
		tlsa_clear(&file->list[i].tlsa);
	}
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

	if (kind.selector > 1 || kind.matching > 2 || chain->cert_count == 0)
		return false;
	if (kind.usage == 3)
		return cert_matches(&entry->tlsa, &chain->certs[0]);
	for (size_t i = 1; kind.usage == 2 && i < chain->cert_count; i++)
		if (cert_matches(&entry->tlsa, &chain->certs[i]))
			return true;
	return false;
}
