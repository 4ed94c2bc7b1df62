/* SPDX-License-Identifier: ISC */
/* following.c: the file of `snicert follow`. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/following.h"

static void
path_of(const char *store, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s.follow", store);
}

void
following_write(const char *store, const struct following *following)
{
	char path[PATH_MAX], part[PATH_MAX + 8], text[600];
	int length, fd;

	path_of(store, path);
	snprintf(part, sizeof(part), "%s.part", path);
	length = snprintf(text, sizeof(text), "%" PRId64 " %" PRId64 " %s\n", following->at, following->head,
	    following->trouble);
	unlink(part);
	fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return;
	if (write(fd, text, (size_t)length) != length || fchmod(fd, 0644) != 0 || rename(part, path) != 0)
		unlink(part);
	close(fd);
}

bool
following_read(const char *store, struct following *out)
{
	char path[PATH_MAX], line[600];
	FILE *file;
	int used = 0;
	bool good;

	*out = (struct following){0};
	path_of(store, path);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	good = fgets(line, sizeof(line), file) != NULL &&
	    sscanf(line, "%" SCNd64 " %" SCNd64 " %n", &out->at, &out->head, &used) == 2 && used > 0;
	fclose(file);
	if (!good)
		return false;
	line[strcspn(line, "\n")] = '\0';
	snprintf(out->trouble, sizeof(out->trouble), "%s", (size_t)used <= strlen(line) ? line + used : "");
	return true;
}

static void
age_text(int64_t seconds, char *text, size_t size)
{
	if (seconds < 7200)
		snprintf(text, size, "%" PRId64 " minutes", seconds / 60);
	else
		snprintf(text, size, "%" PRId64 " hours", seconds / 3600);
}

int64_t
following_judge(const char *store, int64_t seq, int64_t now, char *text, unsigned long size)
{
	struct following following;
	int64_t late;
	char age[40];

	if (!following_read(store, &following)) {
		snprintf(text, size, "the store is of a fleet, and nothing has followed it: start `snicert follow`");
		return FOLLOWING_LATE;
	}
	late = now - following.at;
	if (late < FOLLOWING_LATE)
		return 0;
	age_text(late, age, sizeof(age));
	if (following.trouble[0] != '\0')
		snprintf(text, size, "not with the fleet for %s: %s", age, following.trouble);
	else if (following.head > seq)
		snprintf(text, size, "behind the fleet for %s, by %" PRId64 " changes: is `snicert follow` running?", age,
		    following.head - seq);
	else
		snprintf(text, size, "nothing has followed the fleet for %s: is `snicert follow` running?", age);
	return late;
}
