/* SPDX-License-Identifier: ISC */
/* questions.c: what questions to all servers share: running them, reading answers, users. */
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "setup/elf.h"
#include "setup/questions.h"

#define FILE_MOST (8u << 20)    /* octets per file */

void
setup_put(char *out, size_t size, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	/* Truncated only if longer than any real one. */
	if (vsnprintf(out, size, format, ap) < 0)
		out[0] = '\0';
	va_end(ap);
}

void
setup_beside(const char *path, const char *name, char *out, size_t size)
{
	const char *slash = strrchr(path, '/');

	setup_put(out, size, "%.*s/%s", slash == NULL ? 0 : (int)(slash - path), path, name);
}

void
setup_add_program(struct setup_host *host, const char *name)
{
	for (size_t i = 0; i < host->program_count; i++)
		if (strcmp(host->programs[i], name) == 0)
			return;
	if (host->program_count < SETUP_PROGRAMS_MOST)
		setup_put(host->programs[host->program_count++], sizeof(host->programs[0]), "%s", name);
}

const char *
setup_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

void
setup_runs_as(struct setup_host *host, const char *user, const char *group, bool other_groups)
{
	struct setup_identity *run = &host->run;
	const struct passwd *pw = getpwnam(user);
	const struct group *gr = group != NULL && group[0] != '\0' ? getgrnam(group) : NULL;

	PUT(run->user, "%s", user);
	run->exists = pw != NULL;
	run->other_groups = other_groups;
	if (pw == NULL)
		return;
	run->uid = pw->pw_uid;
	run->gid = gr != NULL ? gr->gr_gid : pw->pw_gid;
	gr = getgrgid(run->gid);
	if (gr != NULL)
		PUT(run->group, "%s", gr->gr_name);
	else
		PUT(run->group, "%lu", (unsigned long)run->gid);
}

/* --- questions ------------------------------------------------------------ */

int
setup_ask(const struct setup_host *host, const char *const arguments[], struct ask_answer *answer,
    struct snicert_error *err)
{
	const char *argv[32] = { host->binary };

	for (size_t i = 0; arguments[i] != NULL && i + 2 < sizeof(argv) / sizeof(argv[0]); i++)
		argv[i + 1] = arguments[i];
	return ask_run(argv, SETUP_SECONDS, answer, err);
}

/* The rest of the line after `key`, trimmed; false if no line begins so. */
bool
setup_line_after(const char *text, const char *key, char *out, size_t size)
{
	size_t length = strlen(key);

	for (; *text != '\0'; text += *text == '\n') {
		text += strspn(text, " \t");
		if (strncmp(text, key, length) == 0) {
			const char *value = text + length + strspn(text + length, " \t");
			size_t end = strcspn(value, "\n");

			while (end > 0 && (value[end - 1] == ' ' || value[end - 1] == '\t'))
				end--;
			setup_put(out, size, "%.*s", (int)end, value);
			return true;
		}
		text += strcspn(text, "\n");
	}
	return false;
}

/* "NAME = value", as most print settings. */
bool
setup_setting(const char *text, const char *name, char *out, size_t size)
{
	char key[80];

	PUT(key, "%s =", name);
	return setup_line_after(text, key, out, size);
}

/* The word at a place: a version ends at a space, bracket or comma. */
void
setup_take_word(const char *from, char *out, size_t size)
{
	setup_put(out, size, "%.*s", (int)strcspn(from, " \t\n,()"), from);
}

/* A file's text, for servers we can't ask; the caller frees it. */
char *
setup_file_text(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = file == NULL ? NULL : malloc(FILE_MOST + 1);
	size_t length = text == NULL ? 0 : fread(text, 1, FILE_MOST, file);

	if (text != NULL)
		text[length] = '\0';
	if (file != NULL)
		fclose(file);
	return text;
}

bool
setup_file_has(const char *path, const char *marker)
{
	FILE *file = fopen(path, "re");
	char *data = file == NULL ? NULL : malloc(FILE_MOST);
	size_t length = data == NULL ? 0 : fread(data, 1, FILE_MOST, file);
	bool has = length > 0 && memmem(data, length, marker, strlen(marker)) != NULL;

	free(data);
	if (file != NULL)
		fclose(file);
	return has;
}

/* What the file is linked with; `server` does the TLS. */
void
setup_look_at(struct setup_host *host, const char *server)
{
	char library[48];

	PUT(host->server, "%s", server);
	if (elf_tls_library(server, library, sizeof(library)))
		PUT(host->library, "%s", library);
	else if (elf_tls_inside(server, library, sizeof(library)))
		PUT(host->library, "%s within it", library);
}

/* Set-id, or with file capabilities: OpenSSL then ignores OPENSSL_CONF (secure_getenv(3)). */
bool
setup_is_privileged(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && ((st.st_mode & (S_ISUID | S_ISGID)) != 0 ||
	    getxattr(path, "security.capability", NULL, 0) > 0);
}
