/* SPDX-License-Identifier: ISC */
/* edit.c: small changes to configuration files.  Knows files and lines, not their meaning. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "acl.h"
#include "error.h"
#include "safety.h"
#include "setup/edit.h"
#include "show/text.h"
#include "store/parents.h"

#define EDIT_MOST (8 << 20)     /* octets of a file */

/* --- files ---------------------------------------------------------------- */

static void
directory_of(const char *path, char out[PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	snprintf(out, PATH_MAX, "%.*s", slash == NULL || slash == path ? 1 : (int)(slash - path), slash == NULL ? "." : path);
}

int
edit_real(const char *path, char real[PATH_MAX], struct snicert_error *err)
{
	char directory[PATH_MAX], home[PATH_MAX], target[PATH_MAX];
	struct stat st;

	snprintf(real, PATH_MAX, "%s", path);
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : error_system(err, "%s", path);
	if (S_ISREG(st.st_mode))
		return 0;
	if (!S_ISLNK(st.st_mode))
		return error_set(err, SNICERT_EINPUT, "%s is not a file", path);
	if (realpath(path, real) == NULL)
		return error_system(err, "%s is a link to a file that can't be reached", path);
	directory_of(path, directory);
	directory_of(real, target);
	if (realpath(directory, home) == NULL || strcmp(home, target) != 0)
		return error_set(err, SNICERT_EINPUT, "%s is a link to %s", path, real);
	return 0;
}

static int
read_all(int fd, const char *path, char **text, struct snicert_error *err)
{
	struct stat st;
	size_t length = 0;
	ssize_t got = 0;

	if (fstat(fd, &st) != 0)
		return error_system(err, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_size > EDIT_MOST)
		return error_set(err, SNICERT_EINPUT, "%s is not a configuration file", path);
	*text = calloc(1, (size_t)st.st_size + 1);
	if (*text == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	while (length < (size_t)st.st_size && (got = read(fd, *text + length, (size_t)st.st_size - length)) > 0)
		length += (size_t)got;
	if (got >= 0 && strlen(*text) == (size_t)st.st_size)
		return 0;
	free(*text);
	*text = NULL;
	return got < 0 ? error_system(err, "can't read %s", path) : error_set(err, SNICERT_EINPUT, "%s is not text", path);
}

int
edit_read(const char *path, char **text, struct snicert_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;

	*text = NULL;
	if (fd < 0)
		return errno == ENOENT ? 0 : error_system(err, "can't read %s", path);
	rc = read_all(fd, path, text, err);
	close(fd);
	return rc;
}

static void
sync_directory(const char *path)
{
	char directory[PATH_MAX];
	int fd;

	directory_of(path, directory);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

/* A label is an attribute; a file without one has none to copy. */
static int
copy_attribute(const char *from, int to, const char *name)
{
	char value[4096];
	ssize_t length = getxattr(from, name, value, sizeof(value));

	return length < 0 ? 0 : fsetxattr(to, name, value, (size_t)length, 0);
}

static int
take_over(const char *path, int fd, struct snicert_error *err)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return acl_fchmod(fd, 0644) == 0 ? 0 : error_system(err, "can't set the mode of %s", path);
	/* Owner first: changing it clears bits of the mode. */
	if (fchown(fd, st.st_uid, st.st_gid) != 0 || acl_take_over(fd, path, st.st_mode & 07777) != 0 ||
	    copy_attribute(path, fd, "security.selinux") != 0)
		return error_system(err, "can't preserve owner, mode and access list of %s", path);
	return 0;
}

static int
fill(int fd, const char *path, const char *text, struct snicert_error *err)
{
	size_t length = strlen(text), done = 0;

	while (done < length) {
		ssize_t put = write(fd, text + done, length - done);

		if (put < 0 && errno != EINTR)
			return error_system(err, "can't write %s", path);
		done += put > 0 ? (size_t)put : 0;
	}
	return fsync(fd) == 0 ? 0 : error_system(err, "can't write %s", path);
}

static int
replace(const char *path, const char *text, struct snicert_error *err)
{
	char beside[PATH_MAX + 16];
	int fd, rc;

	snprintf(beside, sizeof(beside), "%s.snicert-XXXXXX", path);
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		return error_system(err, "can't write beside %s", path);
	rc = fill(fd, path, text, err) != 0 || take_over(path, fd, err) != 0 ? -1 : 0;
	close(fd);
	if (rc == 0 && rename(beside, path) != 0)
		rc = error_system(err, "can't replace %s", path);
	if (rc != 0)
		unlink(beside);
	return rc;
}

int
edit_write(const char *path, const char *text, struct snicert_error *err)
{
	int rc;

	if (text == NULL)
		rc = unlink(path) == 0 || errno == ENOENT ? 0 : error_system(err, "can't remove %s", path);
	else if (parents_make(path, err) != 0 || safety_directories(path, NULL, err) != 0)
		return -1;
	else
		rc = replace(path, text, err);
	sync_directory(path);
	return rc;
}

/* --- lines ---------------------------------------------------------------- */

/* A difference: `head` octets are equal before it; then so many of each. */
struct span {
	size_t head, before, after;
};

static bool
begins_line(const char *text, size_t at)
{
	return at == 0 || text[at - 1] == '\n';
}

static struct span
span_of(const char *before, const char *after)
{
	struct span span = {0};
	size_t old = strlen(before), new = strlen(after), whole = 0;

	for (size_t i = 0; i < old && i < new && before[i] == after[i]; i++)
		if (before[i] == '\n')
			span.head = i + 1;
	/* From the end, while whole lines are equal. */
	for (size_t tail = 1; tail <= old - span.head && tail <= new - span.head && before[old - tail] == after[new - tail]; tail++)
		if (begins_line(before, old - tail) && begins_line(after, new - tail))
			whole = tail;
	span.before = old - span.head - whole;
	span.after = new - span.head - whole;
	return span;
}

char *
edit_add(const char *before, const char *lines, bool at_end)
{
	size_t old = before == NULL ? 0 : strlen(before), size = old + strlen(lines) + 2;
	char *text = malloc(size);
	const char *gap = old > 0 && before[old - 1] != '\n' ? "\n" : "";

	if (text != NULL && at_end)
		snprintf(text, size, "%s%s%s", before == NULL ? "" : before, gap, lines);
	else if (text != NULL)
		snprintf(text, size, "%s%s", lines, before == NULL ? "" : before);
	return text;
}

/* Where the added lines begin; NULL if none, or not there. */
static const char *
find_span(const char *text, const char *after, const struct span *span)
{
	for (; span->after > 0 && text != NULL; text = strchr(text, '\n'), text += text != NULL) {
		if (strncmp(text, after + span->head, span->after) == 0)
			return text;
	}
	return NULL;
}

bool
edit_has(const char *text, const char *before, const char *after)
{
	struct span span = span_of(before == NULL ? "" : before, after == NULL ? "" : after);

	return text != NULL && after != NULL && find_span(text, after, &span) != NULL;
}

char *
edit_without(const char *text, const char *before, const char *after)
{
	const char *old = before == NULL ? "" : before, *at;
	struct span span = span_of(old, after);
	size_t length = strlen(text);
	char *out;

	at = find_span(text, after, &span);
	if (at == NULL || find_span(at + span.after, after, &span) != NULL)
		return NULL;
	out = malloc(length + span.before + 1);
	if (out != NULL)
		snprintf(out, length + span.before + 1, "%.*s%.*s%s", (int)(at - text), text, (int)span.before, old + span.head,
		    at + span.after);
	return out;
}

static void
put_marked(char mark, const char *text, size_t length)
{
	while (length > 0) {
		const char *end = memchr(text, '\n', length);
		size_t line = end == NULL ? length : (size_t)(end - text);

		printf("    %c ", mark);
		text_put(stdout, text, line);
		putchar('\n');
		line += end != NULL;
		text += line;
		length -= line;
	}
}

void
edit_show(const char *path, const char *before, const char *after)
{
	const char *old = before == NULL ? "" : before, *new = after == NULL ? "" : after;
	struct span span = span_of(old, new);

	text_put(stdout, path, strlen(path));
	printf("%s:\n", before == NULL ? " (new)" : after == NULL ? " (removed)" : "");
	put_marked('-', old + span.head, span.before);
	put_marked('+', new + span.head, span.after);
}
