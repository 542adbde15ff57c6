/* watch_int.h: inside of watch.c and watch_source.c: one source and its kind. */
#ifndef HF_WATCH_INT_H
#define HF_WATCH_INT_H

#include <stdint.h>

#include "watch.h"

#define SPEC_MAX 256 /* of a path */

struct source {
	const struct source_kind *kind;
	const char *spec;     /* behind "kind:" */
	int fd;               /* -1: none now */
	pid_t pid;            /* command: the process; 0: none */
	uint64_t due_ns;      /* command: when to run it again */
	bool bad;             /* command: it ended badly, and that was told */
	char line[WATCH_WHY]; /* command: what it said of a line so far */
	size_t n;
	unsigned want[3];     /* input: type, code, value */
	const struct watcher *to;
};

/* struct source_kind: a new kind of source is a row here. */
struct source_kind {
	const char *name;
	bool (*parse)(struct source *s, char path[SPEC_MAX]); /* false: it has logged why */
	bool (*open)(struct source *s);  /* as parse */
	void (*ready)(struct source *s); /* fd may be read */
};
extern const struct source_kind source_kinds[];
extern const size_t source_kind_count;

void source_event(const struct source *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* command_run starts the command of a source; command_ended hears of its end. */
bool command_run(struct source *s);
void command_ended(struct source *s, int status);

#endif
