/* SPDX-License-Identifier: ISC */
/* roster.c: the rows of the statistics file for each process. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "roster.h"
#include "safety.h"

uint64_t
roster_start_of(pid_t pid)
{
	char path[64], text[1024], *at;
	unsigned occupied = safety_fds_occupy();
	ssize_t length = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	safety_fds_release(occupied);
	if (fd >= 0) {
		length = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (length <= 0)
		return 0;
	text[length] = '\0';
	/* The second field is the program's name, in parentheses, and may hold anything. */
	at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at == NULL ? 0 : strtoull(at + 1, NULL, 10);
}

/* In another PID namespace a living one may look dead: it loses its row, but no counts. */
static bool
is_dead(int32_t pid)
{
	int saved = errno;
	bool dead = pid <= 0 || (kill(pid, 0) != 0 && errno == ESRCH);

	errno = saved;
	return dead;
}

static bool
claim(struct mapping_process *row, int32_t former, int32_t pid)
{
	return atomic_compare_exchange_strong(&row->pid, &former, pid);
}

static struct mapping_process *
find_row(const struct mapping *mapping, int32_t self)
{
	for (unsigned i = 0; i < MAPPING_PROCESSES; i++) {
		struct mapping_process *row = &mapping->processes[i];

		if (atomic_load(&row->pid) == self)
			return row; /* of an earlier program or process of this number */
	}
	for (unsigned i = 0; i < MAPPING_PROCESSES; i++)
		if (atomic_load(&mapping->processes[i].pid) == 0 && claim(&mapping->processes[i], 0, self))
			return &mapping->processes[i];
	for (unsigned i = 0; i < MAPPING_PROCESSES; i++) {
		int32_t former = atomic_load(&mapping->processes[i].pid);

		if (is_dead(former) && claim(&mapping->processes[i], former, self))
			return &mapping->processes[i];
	}
	return NULL;
}

struct mapping_process *
roster_join(const struct mapping *mapping, const char *program, const char *version)
{
	struct mapping_process *row = find_row(mapping, getpid());
	uint32_t odd;

	if (row == NULL)
		return NULL;
	odd = atomic_load(&row->version) | 1; /* already odd if its writer died */
	atomic_store(&row->version, odd);
	atomic_store(&row->start, roster_start_of(getpid()));
	atomic_store(&row->opened, (int64_t)time(NULL));
	atomic_store(&row->served, 0);
	atomic_store(&row->commit, 0);
	atomic_store(&row->commit_seen, 0);
	atomic_store(&row->threads, 0);
	atomic_store(&row->changes, 0);
	atomic_store(&row->uid, geteuid());
	atomic_store(&row->error_at, 0);
	row->error[0] = '\0';
	snprintf(row->program, sizeof(row->program), "%s", program);
	snprintf(row->module, sizeof(row->module), "%s", version);
	atomic_store(&row->version, odd + 1);
	return row;
}

void
roster_leave(struct mapping_process *row)
{
	if (row != NULL)
		claim(row, getpid(), 0);
}

void
roster_error(struct mapping_process *row, const char *text)
{
	uint32_t even = atomic_load(&row->version);

	if ((even & 1) != 0 || !atomic_compare_exchange_strong(&row->version, &even, even + 1))
		return;
	snprintf(row->error, sizeof(row->error), "%s", text);
	atomic_store(&row->error_at, (int64_t)time(NULL));
	atomic_store(&row->version, even + 2);
}
