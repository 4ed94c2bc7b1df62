/* SPDX-License-Identifier: ISC */
/* database.c: libpq. */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "fleet/database.h"

#ifdef HAVE_FLEET
#include <libpq-fe.h>

#define ARGUMENTS_MOST 16
#define ANSWER_MOST 120000      /* milliseconds until a server that says nothing is given up */

struct database {
	PGconn *connection;
	enum database_trouble trouble;
	bool rang;
	char about[300];
};

struct database_row {
	const PGresult *result;
	int row;
};

/* --- connecting ------------------------------------------------------------- */

/* What a person may set in the connection string otherwise is before "dbname", what must hold is after it. */
static PGconn *
connect_as(const char *conninfo, const char *name, enum database_use use)
{
	const char *keywords[16], *values[16];
	int count = 0;

#define SET(keyword, value) (keywords[count] = (keyword), values[count++] = (value))
	SET("connect_timeout", "10");
	SET("keepalives_idle", "10");
	SET("keepalives_interval", "5");
	SET("keepalives_count", "3");
	SET("tcp_user_timeout", "20000");
	SET("dbname", conninfo);
	SET("application_name", name);
	SET("client_encoding", "UTF8");
	if (use == DATABASE_WRITES)
		SET("target_session_attrs", "read-write");
	keywords[count] = NULL;
	values[count] = NULL;
#undef SET
	return PQconnectdbParams(keywords, values, 1);
}

/* Of libpq's messages the first line says it; the others guess. */
static void
one_line(const char *text, char *out, size_t size)
{
	text += strspn(text, " \n");
	snprintf(out, size, "%.*s", (int)strcspn(text, "\n"), text);
}

static void
describe(struct database *database)
{
	const char *host = PQhost(database->connection), *port = PQport(database->connection);
	const char *name = PQdb(database->connection);

	snprintf(database->about, sizeof(database->about), "%s%s%s%s, database %s", host == NULL || host[0] == '/' ? "" : "host ",
	    host == NULL || host[0] == '\0' ? "the local socket" : host, host != NULL && host[0] == '/' ? "" : ", port ",
	    host != NULL && host[0] == '/' ? "" : port == NULL ? "" : port, name == NULL ? "?" : name);
}

/* At the other end, too: a writer that was cut off would hold the head until the system there gives it up, which
 * is after two hours.  Through a socket they mean nothing; where they can't be set it is as it was. */
#define KEEPALIVES \
	"SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;" \
	"SET tcp_user_timeout = 20000"

/* Notices, such as of a table that is there already, are nobody's business. */
static void
ignore_notice(void *unused, const PGresult *result)
{
	(void)unused;
	(void)result;
}

int
database_can(struct snicert_error *err)
{
	(void)err;
	return 0;
}

int
database_open(struct database **out, const char *conninfo, const char *node, enum database_use use,
    struct snicert_error *err)
{
	struct database *database = calloc(1, sizeof(*database));
	char name[100], why[400];

	if (database == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	snprintf(name, sizeof(name), "snicert %.40s %ld", node, (long)getpid());
	database->connection = connect_as(conninfo, name, use);
	if (database->connection == NULL) {
		free(database);
		return error_set(err, SNICERT_EMEMORY, "no memory");
	}
	if (PQstatus(database->connection) != CONNECTION_OK) {
		one_line(PQerrorMessage(database->connection), why, sizeof(why));
		database_close(database);
		return error_set(err, SNICERT_ESYSTEM, "the fleet's database can't be reached: %s", why);
	}
	PQsetNoticeReceiver(database->connection, ignore_notice, NULL);
	describe(database);
	database_execute(database, KEEPALIVES, NULL);
	*out = database;
	return 0;
}

bool
database_may_come(const char *conninfo, enum database_use use)
{
	const char *const keywords[] = { "connect_timeout", "dbname", NULL }, *const values[] = { "5", conninfo, NULL };
	PGPing answer = PQpingParams(keywords, values, 1);
	PGconn *any;
	bool is_there;

	/* Of a connection string that libpq can't read nothing comes. */
	if (answer != PQPING_OK || use != DATABASE_WRITES)
		return answer == PQPING_REJECT || answer == PQPING_NO_RESPONSE;
	any = connect_as(conninfo, "snicert", DATABASE_READS);
	is_there = PQstatus(any) == CONNECTION_OK;
	PQfinish(any);
	return is_there;
}

void
database_close(struct database *database)
{
	if (database == NULL)
		return;
	PQfinish(database->connection);
	free(database);
}

const char *
database_describe(const struct database *database)
{
	return database->about;
}

/* --- statements ----------------------------------------------------------------- */

/* Of a class of SQLSTATE (PostgreSQL's appendix A). */
static enum database_trouble
trouble_of(const char *state)
{
	if (state == NULL)
		return DATABASE_LOST;
	if (strcmp(state, "55P03") == 0 || strcmp(state, "40P01") == 0)
		return DATABASE_LOCKED;
	if (strcmp(state, "42P01") == 0 || strcmp(state, "3F000") == 0)
		return DATABASE_NO_TABLES;
	/* No such column, another type of it, no such operator for it, not a table. */
	if (strcmp(state, "42703") == 0 || strcmp(state, "42804") == 0 || strcmp(state, "42883") == 0 || strcmp(state, "42809") == 0)
		return DATABASE_FOREIGN;
	if (strcmp(state, "42501") == 0)
		return DATABASE_FORBIDDEN;
	/* Shutdown, crash of another session, no such connection. */
	if (strncmp(state, "57P0", 4) == 0 || strncmp(state, "08", 2) == 0)
		return DATABASE_LOST;
	return DATABASE_OTHER;
}

static int
fail(struct database *database, const PGresult *result, struct snicert_error *err)
{
	const char *state = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *text = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	char why[400];

	database->trouble = PQstatus(database->connection) == CONNECTION_OK ? trouble_of(state) : DATABASE_LOST;
	one_line(text != NULL ? text : PQerrorMessage(database->connection), why, sizeof(why));
	switch (database->trouble) {
	case DATABASE_NO_TABLES:
		return error_set(err, SNICERT_ESTORE, "there is no fleet in %s: make one with `snicert fleet init`",
		    database->about);
	case DATABASE_FOREIGN:
		return error_set(err, SNICERT_ESTORE, "the schema snicert in %s is not a fleet's of this program (%s): give the fleet a "
		    "database of its own", database->about, why);
	case DATABASE_FORBIDDEN:
		return error_set(err, SNICERT_EPERM, "%s: %s: the role %s needs to be a member of snicert_writer, or of "
		    "snicert_follower if it only follows", database->about, why, PQuser(database->connection));
	default:
		return error_set(err, SNICERT_ESYSTEM, "%s: %s", database->about, why);
	}
}

/* Until the socket can be read; false once the server has said nothing for too long. */
static bool
wait_to_read(const struct database *database)
{
	struct pollfd events = { .fd = PQsocket(database->connection), .events = POLLIN };
	int64_t until = clock_ms() + ANSWER_MOST, left;

	while ((left = until - clock_ms()) > 0) {
		int got = poll(&events, 1, (int)left);

		if (got > 0)
			return true;
		if (got < 0 && errno != EINTR)
			return false;
	}
	return false;
}

static PGresult *
next_result(struct database *database, bool *silent)
{
	while (PQisBusy(database->connection)) {
		if (!wait_to_read(database)) {
			*silent = true;
			return NULL;
		}
		if (PQconsumeInput(database->connection) != 1)
			break;
	}
	return PQgetResult(database->connection);
}

static void
take_notifications(struct database *database)
{
	PGnotify *notification;

	while ((notification = PQnotifies(database->connection)) != NULL) {
		database->rang = true;
		PQfreemem(notification);
	}
}

/* All results of a statement; after an end that its caller asked for, without telling of them. */
static int
take_results(struct database *database, database_row_fn *row, void *arg, struct snicert_error *err)
{
	int status = 0;
	bool silent = false;
	PGresult *result;

	while ((result = next_result(database, &silent)) != NULL) {
		ExecStatusType is = PQresultStatus(result);

		if (is == PGRES_SINGLE_TUPLE || is == PGRES_TUPLES_OK) {
			for (int i = 0; i < PQntuples(result) && status == 0 && row != NULL; i++)
				status = row(arg, &(struct database_row){ result, i });
		} else if (is != PGRES_COMMAND_OK && status != -1) {
			status = fail(database, result, err);
		}
		PQclear(result);
	}
	take_notifications(database);
	if (silent) {
		database->trouble = DATABASE_LOST;
		return error_set(err, SNICERT_ESYSTEM, "%s: has said nothing for %d s", database->about, ANSWER_MOST / 1000);
	}
	if (status == 0 && PQstatus(database->connection) != CONNECTION_OK)
		return fail(database, NULL, err);
	return status;
}

struct arguments {
	int count;
	const char *values[ARGUMENTS_MOST];
	int lengths[ARGUMENTS_MOST], formats[ARGUMENTS_MOST];
	char numbers[ARGUMENTS_MOST][24];
};

static void
take_arguments(struct arguments *arguments, const char *types, va_list ap)
{
	for (; types[arguments->count] != '\0' && arguments->count < ARGUMENTS_MOST; arguments->count++) {
		int i = arguments->count;

		switch (types[i]) {
		case 'i':
			snprintf(arguments->numbers[i], sizeof(arguments->numbers[i]), "%lld", (long long)va_arg(ap, int64_t));
			arguments->values[i] = arguments->numbers[i];
			break;
		case 't':
			arguments->values[i] = va_arg(ap, const char *);
			break;
		default:
			arguments->values[i] = va_arg(ap, const void *);
			arguments->lengths[i] = (int)va_arg(ap, size_t);
			arguments->formats[i] = 1;
			break;
		}
	}
}

int
database_run(struct database *database, database_row_fn *row, void *arg, struct snicert_error *err, const char *sql,
    const char *types, ...)
{
	struct arguments arguments = {0};
	va_list ap;

	va_start(ap, types);
	take_arguments(&arguments, types, ap);
	va_end(ap);
	database->trouble = DATABASE_FINE;
	if (PQsendQueryParams(database->connection, sql, arguments.count, NULL, arguments.values, arguments.lengths,
	        arguments.formats, 1) != 1)
		return fail(database, NULL, err);
	PQsetSingleRowMode(database->connection);
	return take_results(database, row, arg, err);
}

int
database_execute(struct database *database, const char *sql, struct snicert_error *err)
{
	database->trouble = DATABASE_FINE;
	if (PQsendQuery(database->connection, sql) != 1)
		return fail(database, NULL, err);
	return take_results(database, NULL, NULL, err);
}

enum database_trouble
database_trouble(const struct database *database)
{
	return database->trouble;
}

/* --- answers ------------------------------------------------------------------------ */

bool
database_is_null(const struct database_row *row, int column)
{
	return PQgetisnull(row->result, row->row, column) == 1;
}

int64_t
database_int(const struct database_row *row, int column)
{
	const char *octets = PQgetvalue(row->result, row->row, column);
	uint64_t wide;
	uint32_t narrow;

	switch (PQgetlength(row->result, row->row, column)) {
	case 8:
		memcpy(&wide, octets, sizeof(wide));
		return (int64_t)be64toh(wide);
	case 4:
		memcpy(&narrow, octets, sizeof(narrow));
		return (int32_t)be32toh(narrow);
	case 1: /* boolean */
		return octets[0];
	default:
		return 0;
	}
}

const char *
database_text(const struct database_row *row, int column)
{
	return PQgetvalue(row->result, row->row, column);
}

const unsigned char *
database_octets(const struct database_row *row, int column, size_t *length)
{
	*length = (size_t)PQgetlength(row->result, row->row, column);
	return (const unsigned char *)PQgetvalue(row->result, row->row, column);
}

const unsigned char *
database_digest(const struct database_row *row, int column)
{
	size_t length;
	const unsigned char *octets = database_octets(row, column, &length);

	return length == 32 ? octets : NULL;
}

int
database_socket(const struct database *database)
{
	return PQsocket(database->connection);
}

bool
database_has_rung(const struct database *database)
{
	return database->rang;
}

bool
database_rang(struct database *database)
{
	bool rang;

	PQconsumeInput(database->connection);
	take_notifications(database);
	rang = database->rang;
	database->rang = false;
	return rang;
}

#else /* without libpq: nothing is ever connected */

int
database_can(struct snicert_error *err)
{
	return error_set(err, SNICERT_EUSAGE, "this snicert was built without fleets: its configure found no libpq, or an SQLite "
	    "without its session extension");
}

int
database_open(struct database **out, const char *conninfo, const char *node, enum database_use use,
    struct snicert_error *err)
{
	(void)out;
	(void)conninfo;
	(void)node;
	(void)use;
	return database_can(err);
}

bool
database_may_come(const char *conninfo, enum database_use use)
{
	(void)conninfo;
	(void)use;
	return false;
}

void
database_close(struct database *database)
{
	(void)database;
}

int
database_run(struct database *database, database_row_fn *row, void *arg, struct snicert_error *err, const char *sql,
    const char *types, ...)
{
	(void)database;
	(void)row;
	(void)arg;
	(void)sql;
	(void)types;
	return database_can(err);
}

int
database_execute(struct database *database, const char *sql, struct snicert_error *err)
{
	return database_run(database, NULL, NULL, err, sql, "");
}

enum database_trouble
database_trouble(const struct database *database)
{
	(void)database;
	return DATABASE_OTHER;
}

int64_t
database_int(const struct database_row *row, int column)
{
	(void)row;
	(void)column;
	return 0;
}

const char *
database_text(const struct database_row *row, int column)
{
	(void)row;
	(void)column;
	return "";
}

const unsigned char *
database_octets(const struct database_row *row, int column, size_t *length)
{
	(void)row;
	(void)column;
	*length = 0;
	return NULL;
}

bool
database_is_null(const struct database_row *row, int column)
{
	(void)row;
	(void)column;
	return true;
}

const unsigned char *
database_digest(const struct database_row *row, int column)
{
	(void)row;
	(void)column;
	return NULL;
}

int
database_socket(const struct database *database)
{
	(void)database;
	return -1;
}

bool
database_has_rung(const struct database *database)
{
	(void)database;
	return false;
}

bool
database_rang(struct database *database)
{
	(void)database;
	return false;
}

const char *
database_describe(const struct database *database)
{
	(void)database;
	return "no database";
}
#endif

int
database_first_int(void *arg, const struct database_row *row)
{
	*(int64_t *)arg = database_int(row, 0);
	return 0;
}
