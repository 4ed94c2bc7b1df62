/* SPDX-License-Identifier: ISC */
/* screen.c: a terminal's width. */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "show/screen.h"

#define UNTOLD 80       /* if the terminal doesn't know (serial lines) */
#define LEAST 20
#define MOST 100000

size_t
screen_width(FILE *out)
{
	const char *told = getenv("COLUMNS");
	long columns = told == NULL ? 0 : strtol(told, NULL, 10);
	struct winsize size;
	int fd = fileno(out);

	/* A memory stream has no descriptor. */
	if (fd < 0 || isatty(fd) != 1)
		return 0;
	if (columns <= 0 || columns > MOST)
		columns = ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : UNTOLD;
	return columns < LEAST ? LEAST : (size_t)columns;
}
