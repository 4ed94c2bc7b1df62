/* SPDX-License-Identifier: ISC */
/*
 * tree.c: CPU time and memory of a process and all below it, from /proc.
 *
 * A living process's own time comes from its CPU clock, in nanoseconds; that of
 * the children it has waited for is in clock ticks, 10 ms, of which the kernel
 * rounds down a sum and not each child.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tree.h"

struct process {
	pid_t pid, parent;
	uint64_t own_ns, waited_ns;
	bool inside;
};

struct table {
	struct process *rows;
	size_t count, room;
};

static uint64_t
ticks_ns(unsigned long ticks)
{
	return (uint64_t)ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

static uint64_t
clock_ns(pid_t pid, uint64_t otherwise)
{
	struct timespec now;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &now) != 0)
		return otherwise;	/* a zombie has no clock any more */
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* 0, or -1 where the process is gone. */
static int
process_read(pid_t pid, struct process *out)
{
	unsigned long user, system;
	long waited_user, waited_system;
	char path[64], line[1024], *rest;
	FILE *file;
	size_t n;
	int parent;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return -1;
	n = fread(line, 1, sizeof(line) - 1, file);
	fclose(file);
	line[n] = '\0';
	rest = strrchr(line, ')');	/* its name may have anything in it */
	if (rest == NULL || sscanf(rest + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld",
	    &parent, &user, &system, &waited_user, &waited_system) != 5)
		return -1;
	*out = (struct process){ .pid = pid, .parent = parent,
		.own_ns = clock_ns(pid, ticks_ns(user + system)),
		.waited_ns = ticks_ns((unsigned long)(waited_user + waited_system)) };
	return 0;
}

static int
table_add(struct table *table, const struct process *process)
{
	if (table->count == table->room) {
		size_t room = table->room > 0 ? table->room * 2 : 256;
		struct process *rows = realloc(table->rows, room * sizeof(*rows));

		if (rows == NULL)
			return -1;
		table->rows = rows;
		table->room = room;
	}
	table->rows[table->count++] = *process;
	return 0;
}

static int
table_read(struct table *table)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	struct process process;

	if (directory == NULL)
		return -1;
	while ((entry = readdir(directory)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    process_read((pid_t)atol(entry->d_name), &process) == 0 &&
		    table_add(table, &process) != 0)
			break;
	closedir(directory);
	return entry == NULL ? 0 : -1;
}

/* Mark the root and all below it; children may be listed ahead of parents. */
static void
table_mark(struct table *table, pid_t root)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < table->count; i++) {
			struct process *p = &table->rows[i];
			bool inside = p->pid == root;

			for (size_t k = 0; !p->inside && !inside && k < table->count; k++)
				inside = table->rows[k].inside && table->rows[k].pid == p->parent;
			if (!p->inside && inside)
				p->inside = more = true;
		}
	}
}

static void
add_memory(pid_t pid, struct tree_usage *out)
{
	char path[64], line[256];
	uint64_t kib;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", (long)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "Pss: %" SCNu64, &kib) == 1)
			out->pss_kib += kib;
		else if (sscanf(line, "Rss: %" SCNu64, &kib) == 1)
			out->rss_kib += kib;
	}
	fclose(file);
}

int
tree_read(pid_t root, bool memory, struct tree_usage *out)
{
	struct table table = { 0 };
	int result = table_read(&table);

	*out = (struct tree_usage){ 0 };
	table_mark(&table, root);
	for (size_t i = 0; i < table.count; i++) {
		const struct process *p = &table.rows[i];

		if (!p->inside)
			continue;
		out->processes++;
		out->cpu_ns += p->own_ns + p->waited_ns;
		if (memory)
			add_memory(p->pid, out);
	}
	free(table.rows);
	return result == 0 && out->processes > 0 ? 0 : -1;
}
