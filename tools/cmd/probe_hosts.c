/* SPDX-License-Identifier: ISC */
/* probe_hosts.c: many hosts.  A dead one uses up its time-out without delaying others. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/probe.h"

#define THREADS 16      /* besides this one */

bool
probe_hosts_is_host(const char *text)
{
	struct in_addr address;

	return strchr(text, ':') != NULL || inet_pton(AF_INET, text, &address) == 1;
}

int
probe_hosts_add(struct probe_hosts *hosts, const char *text, struct snicert_error *err)
{
	struct probe_host *list = realloc(hosts->list, (hosts->count + 1) * sizeof(*list));

	if (list == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	hosts->list = list;
	list[hosts->count] = (struct probe_host){ .text = strdup(text) };
	if (list[hosts->count].text == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	hosts->count++;
	return 0;
}

static int
read_lines(struct probe_hosts *hosts, FILE *file, struct snicert_error *err)
{
	char *line = NULL, *rest;
	size_t size = 0;
	int status = 0;

	while (status == 0 && getline(&line, &size, file) > 0) {
		const char *host;

		line[strcspn(line, "#\r\n")] = '\0';
		host = strtok_r(line, " \t", &rest);
		if (host == NULL)
			continue;
		if (strtok_r(NULL, " \t", &rest) != NULL)
			status = error_set(err, SNICERT_EUSAGE, "%s: write only one host per line", host);
		else
			status = probe_hosts_add(hosts, host, err);
	}
	if (status == 0 && ferror(file))
		status = error_system(err, "can't read the hosts");
	free(line);
	return status;
}

int
probe_hosts_read(struct probe_hosts *hosts, const char *path, struct snicert_error *err)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	size_t before = hosts->count;
	int status;

	if (file == NULL)
		return error_system(err, "can't read %s", path);
	status = read_lines(hosts, file, err);
	if (file != stdin)
		fclose(file);
	if (status == 0 && hosts->count == before)
		status = error_set(err, SNICERT_EUSAGE, "%s has no hosts", path);
	return status;
}

int
probe_host_plan(struct probe_host *host, const char *name, enum probe_key ask, struct snicert_error *err)
{
	struct probe_shake *shakes = realloc(host->shakes, (host->count + 1) * sizeof(*shakes));

	if (shakes == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	host->shakes = shakes;
	memset(&shakes[host->count], 0, sizeof(*shakes));
	shakes[host->count].name = name;
	shakes[host->count++].ask = ask;
	return 0;
}

/* If one can't connect, the others can't either. */
static void
run_host(struct probe_host *host)
{
	for (size_t i = 0; i < host->count; i++) {
		struct probe_shake *shake = &host->shakes[i];

		probe_run(&host->target, shake->name, shake->ask, 0, &shake->result, &shake->trouble);
		shake->done = true;
		if (!shake->result.connected)
			return;
	}
}

struct crew {
	struct probe_hosts *hosts;
	atomic_size_t next;
};

static void *
work(void *arg)
{
	struct crew *crew = arg;
	size_t i;

	while ((i = atomic_fetch_add(&crew->next, 1)) < crew->hosts->count)
		run_host(&crew->hosts->list[i]);
	return NULL;
}

void
probe_hosts_run(struct probe_hosts *hosts)
{
	struct crew crew = { .hosts = hosts };
	pthread_t threads[THREADS];
	size_t count = 0;

	/* Fewer threads are only slower. */
	while (count < THREADS && count + 1 < hosts->count && pthread_create(&threads[count], NULL, work, &crew) == 0)
		count++;
	work(&crew);
	while (count > 0)
		pthread_join(threads[--count], NULL);
}

void
probe_hosts_free(struct probe_hosts *hosts)
{
	for (size_t i = 0; i < hosts->count; i++) {
		struct probe_host *host = &hosts->list[i];

		for (size_t j = 0; j < host->count; j++)
			probe_result_clear(&host->shakes[j].result);
		free(host->shakes);
		free(host->text);
	}
	free(hosts->list);
}
