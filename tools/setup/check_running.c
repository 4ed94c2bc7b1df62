/* SPDX-License-Identifier: ISC */
/* check_running.c: judges the running processes by what is in their memory. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "setup/check_internal.h"

struct census {
	unsigned running, loaded, former, hidden;
	bool master;                            /* the program that starts those runs */
	unsigned doubled;                       /* with two libssl or two libcrypto */
	char twins[2 * PATH_MAX + 16];          /* of one of these, "FILE and FILE" */
};

/* Remember the library's first file, and report another one. */
static bool
is_another(char *first, size_t size, const char *path, const char *prefix, struct census *census)
{
	const char *base = strrchr(path, '/') + 1;

	if (strncmp(base, prefix, strlen(prefix)) != 0 || strcmp(first, path) == 0)
		return false;
	if (first[0] == '\0') {
		snprintf(first, size, "%s", path);
		return false;
	}
	snprintf(census->twins, sizeof(census->twins), "%s and %s", first, path);
	return true;
}

/* Whether a process has loaded this module, not a former one. */
static void
count_maps(struct census *census, const char *pid, const char *module)
{
	char path[64], line[PATH_MAX + 256], ssl[PATH_MAX] = "", crypto[PATH_MAX] = "", *at;
	bool loaded = false, former = false, doubled = false;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%.20s/maps", pid);
	maps = fopen(path, "re");
	if (maps == NULL) {
		census->hidden++;
		return;
	}
	while (fgets(line, sizeof(line), maps) != NULL) {
		at = strchr(line, '/');
		if (at == NULL)
			continue;
		at[strcspn(at, "\n")] = '\0';
		/* A library that was replaced on disk is the current one for older processes. */
		if (strstr(at, " (deleted)") == NULL)
			doubled = is_another(ssl, sizeof(ssl), at, "libssl.so", census) ||
			    is_another(crypto, sizeof(crypto), at, "libcrypto.so", census) || doubled;
		if (strncmp(at, module, strlen(module)) != 0)
			continue;
		loaded = loaded || at[strlen(module)] == '\0';
		former = former || strcmp(at + strlen(module), " (deleted)") == 0;
	}
	fclose(maps);
	census->doubled += doubled;
	census->loaded += loaded;
	census->former += former && !loaded;
}

static bool
is_master(const struct setup_host *host, const char *exe)
{
	char real[PATH_MAX];

	return host->master[0] != '\0' && realpath(host->master, real) != NULL && strcmp(real, exe) == 0;
}

/* The server's program, or another in its directory. */
static bool
is_of_server(const struct setup_host *host, const char *exe)
{
	char sibling[PATH_MAX], real[PATH_MAX];

	if (realpath(host->server, real) != NULL && strcmp(real, exe) == 0)
		return true;
	for (size_t i = 0; i < host->program_count; i++) {
		setup_beside(host->server, host->programs[i], sibling, sizeof(sibling));
		if (realpath(sibling, real) != NULL && strcmp(real, exe) == 0)
			return true;
	}
	return false;
}

static void
take_census(const struct check *c, const char *module, struct census *census)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;

	while (processes != NULL && (entry = readdir(processes)) != NULL) {
		char link[64], exe[PATH_MAX];
		ssize_t length;

		snprintf(link, sizeof(link), "/proc/%.20s/exe", entry->d_name);
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		length = readlink(link, exe, sizeof(exe) - 1);
		if (length <= 0)
			continue;
		exe[length] = '\0';
		census->master = census->master || is_master(c->host, exe);
		if (!is_of_server(c->host, exe))
			continue;
		census->running++;
		count_maps(census, entry->d_name, module);
	}
	if (processes != NULL)
		closedir(processes);
}

void
check_running(struct check *c)
{
	static const char again[] = "start it again";
	struct census census = {0};
	char module[PATH_MAX];

	/* Exim loads it per connection; one Python looks like another. */
	if (c->host->way == SETUP_EXIM_OPENSSL || c->host->way == SETUP_EXIM_GNUTLS ||
	    strstr(c->host->server, ".so") != NULL || realpath(c->setup->module, module) == NULL)
		return;
	take_census(c, module, &census);
	if (census.doubled > 0)
		check_result(c, WRONG, "library", "build the server, or its plug-ins, so that all use one OpenSSL",
		    "%u of %u processes have two OpenSSL libraries, and the module serves none of their contexts: %s",
		    census.doubled, census.running, census.twins);
	if (geteuid() != 0 && (census.hidden > 0 || census.running == 0))
		check_result(c, WARN, "running", AS_ROOT, "only root can see whether running processes have the module loaded");
	else if (census.running == 0)
		check_result(c, OK, "running", NULL, census.master ? "it is running; no process of it does TLS at the moment" :
		    "it is not running");
	else if (census.loaded == census.running)
		check_result(c, OK, "running", NULL, "all %u processes have the module loaded", census.running);
	else if (census.former > 0)
		check_result(c, WARN, "running", again, "%u of %u processes have an older copy of the module loaded", census.former, census.running);
	else
		check_result(c, census.loaded == 0 ? WRONG : WARN, "running", again, "%u of %u processes have the module loaded",
		    census.loaded, census.running);
}
