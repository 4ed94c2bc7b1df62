/* SPDX-License-Identifier: ISC */
/*
 * access.c: what a user can reach, and what the module finds there.  A child process becomes that
 * user for each question, because only the system itself knows all its rules (groups, access
 * lists); it answers with lines through a pipe.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "acl.h"
#include "error.h"
#include "instance.h"
#include "safety.h"
#include "setup/setup.h"

#define SECONDS 20

const struct setup_identity *
setup_loader(const struct setup_host *host)
{
	static const struct setup_identity root = { .user = "root", .group = "root", .exists = true };

	return host->root_loads ? &root : &host->run;
}

bool
setup_can_be(const struct setup_identity *who)
{
	return geteuid() == 0 || (who->exists && who->uid == geteuid());
}

static void
say(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
say(FILE *to, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(to, format, ap);
	va_end(ap);
	fputc('\n', to);
}

static int
become(const struct setup_identity *who)
{
	if (geteuid() != 0)
		return 0;
	if (who->other_groups ? initgroups(who->user, who->gid) != 0 : setgroups(1, &who->gid) != 0)
		return -1;
	return setresgid(who->gid, who->gid, who->gid) != 0 || setresuid(who->uid, who->uid, who->uid) != 0 ? -1 : 0;
}

struct places;

struct task {
	const struct setup *setup;
	const struct setup_host *host;
	const struct setup_identity *who;       /* NULL: as it is */
	const char *more;
	void (*before)(struct task *);          /* as root, before becoming that user; or NULL */
	void (*work)(const struct task *, FILE *to);
	struct places *places;
};

static void
child(struct task *task, int fd)
{
	FILE *to = fdopen(fd, "w");

	/* End anything that gets stuck, without a core containing keys. */
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	signal(SIGALRM, SIG_DFL);
	alarm(SECONDS);
	if (to == NULL)
		_exit(1);
	if (task->before != NULL)
		task->before(task);
	if (task->who != NULL && become(task->who) != 0)
		_exit(1);
	task->work(task, to);
	_exit(fflush(to) == 0 ? 0 : 1);
}

static int
in_child(struct task *task, struct setup_findings *findings, struct snicert_error *err)
{
	int ends[2], status = 0;
	ssize_t got;
	pid_t pid;

	findings->length = 0;
	findings->text[0] = '\0';
	if (task->who != NULL && !task->who->exists)
		return error_set(err, SNICERT_ENOTFOUND, "there is no user %s", task->who->user);
	if (pipe(ends) != 0)
		return error_system(err, "no pipe");
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		child(task, ends[1]);
	}
	close(ends[1]);
	while (pid > 0 && (got = read(ends[0], findings->text + findings->length,
	    sizeof(findings->text) - 1 - findings->length)) != 0) {
		if (got > 0)
			findings->length += (size_t)got;
		else if (errno != EINTR)
			break;
	}
	findings->text[findings->length] = '\0';
	close(ends[0]);
	if (pid < 0)
		return error_system(err, "no process");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return error_set(err, SNICERT_ESYSTEM, WIFSIGNALED(status) ? "the check was killed by signal %d"
	    : "this process can't become that user (%d)", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* What lies on the way to files.  Opened as root, so that we can also judge what is behind a closed
 * directory. */
#define PLACES_MOST 128

struct places {
	struct place {
		char path[PATH_MAX];
		int fd, mode;
	} of[PLACES_MOST];
	size_t count;
};

static void
add_place(struct places *places, const char *path, int mode)
{
	struct place *place = &places->of[places->count];

	for (size_t i = 0; i < places->count; i++)
		if (strcmp(places->of[i].path, path) == 0)
			return;
	if (places->count == PLACES_MOST)
		return;
	snprintf(place->path, sizeof(place->path), "%s", path);
	place->mode = mode;
	place->fd = open(path, O_PATH | O_CLOEXEC);
	places->count++;
}

static void
add_way(struct places *places, const char *file)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", file);
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		add_place(places, path, X_OK);
		*slash = '/';
	}
	add_place(places, path, R_OK);
}

static void
collect_places(struct task *task)
{
	static const char *const tails[] = { "", "-wal", "-shm" };
	const struct config *config = task->setup->config;
	char path[PATH_MAX + 8];

	task->places = calloc(1, sizeof(*task->places));
	if (task->places == NULL)
		_exit(1);
	if (task->more != NULL)
		add_way(task->places, task->more);
	add_way(task->places, task->setup->config_path);
	add_way(task->places, config->key_path);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", config->store_path, tails[i]);
		add_way(task->places, path);
	}
}

/* A missing file isn't a permission problem. */
static void
work_denied(const struct task *task, FILE *to)
{
	for (size_t i = 0; i < task->places->count; i++) {
		const struct place *place = &task->places->of[i];
		int shut = place->fd >= 0 ? faccessat(place->fd, "", place->mode, AT_EMPTY_PATH)
		    : access(place->path, place->mode);

		if (shut != 0 && errno == EACCES)
			say(to, "%s %c", place->path, place->mode == X_OK ? 'x' : 'r');
	}
}

int
setup_denied(const struct setup *setup, const struct setup_identity *who, const char *more,
    struct setup_findings *findings, struct snicert_error *err)
{
	struct task task = { .setup = setup, .who = who, .more = more, .before = collect_places, .work = work_denied };

	return in_child(&task, findings, err);
}

static void
sink(void *arg, int priority, const char *text)
{
	char sentence[1024];

	/* Opening the store is no fault, whatever the log level. */
	if (priority > LOG_WARNING)
		return;
	say(arg, "%s", log_sentence_of(text, sentence, sizeof(sentence)));
}

/* As a server does at startup: the store, its key, and the global fallback. */
static void
work_open(const struct task *task, FILE *to)
{
	struct snicert_error err = {0};
	struct snicert *snicert = NULL;

	if (snicert_open_logging(&snicert, task->setup->config_path, (struct snicert_sink){ sink, to, true }, &err) != 0)
		say(to, "%s", err.text);
	snicert_close(snicert);
}

int
setup_open_as(const struct setup *setup, const struct setup_identity *who, struct setup_findings *findings,
    struct snicert_error *err)
{
	struct task task = { .setup = setup, .who = who, .work = work_open };

	return in_child(&task, findings, err);
}

/* dlsym() alone also finds other libraries' symbols: OpenSSL has an OPENSSL_init. */
static bool
has_symbol(void *object, const char *name, const char *path, FILE *to)
{
	void *symbol = dlsym(object, name);
	Dl_info info;
	struct stat a, b;

	if (symbol != NULL && dladdr(symbol, &info) != 0 && stat(info.dli_fname, &a) == 0 && stat(path, &b) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return true;
	say(to, "%s has no %s: it is not snicert.so, or is from another release", path, name);
	return false;
}

static void
work_load(const struct task *task, FILE *to)
{
	const char *path = task->setup->module, *entry = "OPENSSL_init";
	const struct snicert_module *module;
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (object == NULL) {
		say(to, "%s", dlerror());
		return;
	}
	if (task->host->way == SETUP_EXIM_OPENSSL)
		entry = "snicert_exim_attach";
	else if (task->host->way == SETUP_EXIM_GNUTLS)
		entry = "snicert_exim_certificate";
	if (!has_symbol(object, entry, path, to) || !has_symbol(object, SNICERT_MODULE_SYMBOL, path, to))
		return;
	module = dlsym(object, SNICERT_MODULE_SYMBOL);
	if (module->abi != SNICERT_ABI || strcmp(module->version, SNICERT_VERSION) != 0)
		say(to, "%s is from release %s, and this command from " SNICERT_VERSION, path, module->version);
}

int
setup_load_module(const struct setup *setup, const struct setup_host *host, struct setup_findings *findings,
    struct snicert_error *err)
{
	struct task task = { .setup = setup, .host = host, .work = work_load };

	return in_child(&task, findings, err);
}

/* Quotes for the shell. */
static const char *
quoted(const char *text, char *out, size_t size)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%,=";
	size_t length = 0;

	if (text[0] != '\0' && strspn(text, plain) == strlen(text)) {
		snprintf(out, size, "%s", text);
		return out;
	}
	out[length++] = '\'';
	for (; *text != '\0' && length + 6 < size; text++)
		length += (size_t)snprintf(out + length, size - length, *text == '\'' ? "'\\''" : "%c", *text);
	snprintf(out + length, size - length, "'");
	return out;
}

bool
setup_shared_group(const struct setup_identity *who)
{
	return strcmp(who->group, "nogroup") == 0 || strcmp(who->group, "nobody") == 0 || strcmp(who->group, "users") == 0;
}

void
setup_fix(const struct setup_identity *who, const char *line, char *out, size_t size)
{
	char path[PATH_MAX], shell[2 * PATH_MAX];
	char mode = line[strlen(line) - 1];
	struct acl list;
	struct stat st = {0};
	bool known, own;

	snprintf(path, sizeof(path), "%.*s", (int)strlen(line) - 2, line);
	quoted(path, shell, sizeof(shell));
	known = stat(path, &st) == 0;
	acl_read_path(&list, path);
	own = !setup_shared_group(who) && who->gid != 0;
	/* With a list, chmod changes the mask, which may already be right, not the group's entry. */
	if (list.length > 0 && own && st.st_gid == who->gid && mode == 'r')
		snprintf(out, size, "setfacl -m g::r %s", shell);
	/* Root's own group, or already that one: we may use the group. */
	else if (list.length == 0 && known && own && (st.st_gid == 0 || st.st_gid == who->gid))
		snprintf(out, size, "chgrp %s %s && chmod g+%c %s", who->group, shell, mode, shell);
	else
		snprintf(out, size, "setfacl -m u:%s:%c %s", who->user, mode, shell);
}
