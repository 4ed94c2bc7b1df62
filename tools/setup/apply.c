/* SPDX-License-Identifier: ISC */
/*
 * apply.c: carries out the page of `snicert setup`, item by item.  instructions.c makes the lines,
 * edit.c changes files; the journal records the changes, for undo.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "setup/apply.h"
#include "setup/edit.h"
#include "setup/guide.h"
#include "setup/journal.h"
#include "setup/run.h"
#include "show/text.h"
#include "tool.h"

struct work {
	const struct setup_host *host;
	struct journal journal;
	bool yes;
	bool restart_only;              /* the change is known */
	bool by_hand;                   /* "By hand:" was printed */
	struct apply_outcome *outcome;
};

bool
apply_agreed(bool yes, struct apply_outcome *outcome)
{
	char line[64];

	if (yes)
		return true;
	for (;;) {
		fputs("Do it? [y]es, [n]o, [q]uit: ", stdout);
		fflush(stdout);
		if (fgets(line, sizeof(line), stdin) == NULL || line[0] == 'q') {
			outcome->stopped = true;
			break;
		}
		if (line[0] == 'y')
			return true;
		if (line[0] == 'n')
			break;
	}
	outcome->left++;
	puts("Skipped.");
	return false;
}

static void
put_indented(const char *text)
{
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");

		fputs("    ", stdout);
		text_put(stdout, text, length);
		putchar('\n');
		text += length + (text[length] == '\n');
	}
}

static void
leave_to_hand(struct work *work, const char *why, const char *text)
{
	if (!work->by_hand || why != NULL) {
		fputs(why == NULL ? "By hand:" : "By hand: ", stdout);
		if (why != NULL)
			text_put(stdout, why, strlen(why));
		putchar('\n');
		work->outcome->left += why != NULL;
	}
	work->by_hand = true;
	put_indented(text);
}

/* --- files ---------------------------------------------------------------- */

int
apply_file(struct journal *journal, const char *server, const char *path, const char *before, const char *after, bool yes,
    struct apply_outcome *outcome, struct snicert_error *err)
{
	edit_show(path, before, after);
	if (!apply_agreed(yes, outcome))
		return 0;
	if (journal != NULL && journal_change(journal, server, path, before, after, err) != 0)
		return -1;
	if (edit_write(path, after, err) != 0)
		return -1;
	outcome->changed++;
	tool_changed();
	return 0;
}

/* An unknown unit, which the page calls by this name. */
static bool
is_placeholder(const char *text)
{
	return strstr(text, "YOUR-SERVICE") != NULL;
}

/* The new text of a file; NULL if its lines must be added by hand. */
static char *
text_wanted(const struct guide_item *item, const char *before)
{
	if (strcmp(item->what, "New file") == 0)
		return before == NULL ? strdup(item->text) : NULL;
	if (strcmp(item->what, "Add to") == 0 || strcmp(item->what, "Add at the end of") == 0)
		return edit_add(before, item->text, true);
	if (strcmp(item->what, "Add to the beginning of") == 0)
		return edit_add(before, item->text, false);
	return NULL;
}

/* What another server's change added goes only with its last user. */
static int
already_there(struct work *work, const char *path, struct snicert_error *err)
{
	const char *server = work->host->name;

	printf("Already in ");
	text_put(stdout, path, strlen(path));
	putchar('\n');
	if (!journal_has(&work->journal, "change", NULL, path) || journal_has(&work->journal, NULL, server, path))
		return 0;
	return journal_mark(&work->journal, "use", server, path, err);
}

static int
do_file(struct work *work, const struct guide_item *item, struct snicert_error *err)
{
	char real[PATH_MAX], *before = NULL, *after = NULL;
	struct snicert_error why = {0};
	int rc = 0;

	if (edit_real(item->path, real, &why) != 0 || edit_read(real, &before, &why) != 0)
		leave_to_hand(work, why.text, item->text);
	else if (is_placeholder(item->path))
		/* NOLINTNEXTLINE(bugprone-branch-clone): what is there already comes between */
		leave_to_hand(work, item->path, item->text);
	else if (item->there || (before != NULL && strstr(before, item->text) != NULL))
		rc = already_there(work, real, err);
	else if ((after = text_wanted(item, before)) == NULL)
		leave_to_hand(work, item->path, item->text);
	else
		rc = apply_file(&work->journal, work->host->name, real, before, after, work->yes, work->outcome, err);
	free(before);
	free(after);
	return rc;
}

/* --- commands ------------------------------------------------------------- */

/* The file that a command changes, if it is a server's; empty: none. */
static void
file_of_command(const struct work *work, const char *command, char out[PATH_MAX])
{
	out[0] = '\0';
	if (strncmp(command, "postconf ", strlen("postconf ")) == 0)
		snprintf(out, PATH_MAX, "%.*s/main.cf", PATH_MAX - 16, work->host->file);
}

static int
run_and_note(struct work *work, const char *command, struct snicert_error *err)
{
	char path[PATH_MAX], *before = NULL, *after = NULL;
	int rc;

	file_of_command(work, command, path);
	if (path[0] != '\0' && edit_read(path, &before, err) != 0)
		return -1;
	rc = run_commands(command, err);
	if (rc == 0 && path[0] != '\0' && edit_read(path, &after, err) == 0 && after != NULL &&
	    (before == NULL || strcmp(before, after) != 0)) {
		edit_show(path, before, after);
		rc = journal_change(&work->journal, work->host->name, path, before, after, err);
	}
	free(before);
	free(after);
	return rc;
}

static int
do_command(struct work *work, const struct guide_item *item, struct snicert_error *err)
{
	const char *server = work->host->name;

	if (item->there) {
		fputs("Already done: ", stdout);
		text_put(stdout, item->text, strlen(item->text));
		putchar('\n');
		return 0;
	}
	if (item->activates && !work->restart_only && (!journal_has(&work->journal, NULL, server, NULL) ||
	    journal_has(&work->journal, "restarted", server, NULL))) {
		fputs("Not needed, nothing has changed: ", stdout);
		text_put(stdout, item->text, strlen(item->text));
		putchar('\n');
		return 0;
	}
	if (is_placeholder(item->text)) {
		leave_to_hand(work, NULL, item->text);
		return 0;
	}
	puts("Run:");
	put_indented(item->text);
	if (!apply_agreed(work->yes, work->outcome))
		return 0;
	tool_changed();
	if (run_and_note(work, item->text, err) != 0)
		return -1;
	work->outcome->changed++;
	return 0;
}

/* --- all of it ------------------------------------------------------------ */

static int
do_item(struct work *work, unsigned *step, const struct guide_item *item, struct snicert_error *err)
{
	if (strcmp(item->kind, "choice") == 0) {
		leave_to_hand(work, NULL, item->text);
		return 0;
	}
	work->by_hand = false;
	if (strcmp(item->kind, "step") == 0) {
		printf("\n%u. %s\n", ++*step, item->text);
		return 0;
	}
	if (strcmp(item->kind, "note") == 0) {
		text_put(stdout, item->text, strlen(item->text));
		putchar('\n');
		return 0;
	}
	return strcmp(item->kind, "file") == 0 ? do_file(work, item, err) : do_command(work, item, err);
}

/* The final commands belong together: the last one is the start. */
static int
do_items(struct work *work, const struct guide_plan *plan, struct snicert_error *err)
{
	const struct apply_outcome *outcome = work->outcome;
	unsigned step = 0, left = 0;
	bool activated = false;

	for (size_t i = 0; i < plan->count && !outcome->stopped; i++) {
		const struct guide_item *item = &plan->items[i];

		if (work->restart_only && !item->activates)
			continue;
		left = outcome->left;
		if (do_item(work, &step, item, err) != 0)
			return -1;
		activated = item->activates ? outcome->left == left && !outcome->stopped : activated;
	}
	if (!work->restart_only && activated && journal_has(&work->journal, NULL, work->host->name, NULL) &&
	    !journal_has(&work->journal, "restarted", work->host->name, NULL))
		return journal_mark(&work->journal, "restarted", work->host->name, "-", err);
	return 0;
}

static int
carry_out(const struct setup *setup, const struct setup_host *host, struct setup_told *told, bool yes, bool restart_only,
    struct apply_outcome *outcome, struct snicert_error *err)
{
	struct work work = { .host = host, .yes = yes, .restart_only = restart_only, .outcome = outcome };
	struct guide_plan plan = {0};
	int rc;

	rc = journal_open(&work.journal, setup->config->store_path, err);
	if (rc == 0 && !guide_plan(setup, host, told, &plan))
		rc = error_set(err, SNICERT_EMEMORY, "no memory");
	if (rc == 0)
		rc = do_items(&work, &plan, err);
	guide_plan_free(&plan);
	journal_close(&work.journal);
	return rc;
}

int
apply_server(const struct setup *setup, const struct setup_host *host, struct setup_told *told, bool yes,
    struct apply_outcome *outcome, struct snicert_error *err)
{
	printf("%s %s\n", host->kind->name[0] == '\0' ? host->name : host->kind->title, host->version);
	return carry_out(setup, host, told, yes, false, outcome, err);
}

int
apply_restart(const struct setup *setup, const struct setup_host *host, bool yes, struct apply_outcome *outcome,
    struct snicert_error *err)
{
	struct setup_told told = {0};

	return carry_out(setup, host, &told, yes, true, outcome, err);
}
