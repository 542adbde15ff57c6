/* watch.h: what the monitor watches for signs that somebody lays hands on the HSM.
 *
 * Sources from outside, in the setting tamper-source, separated by semicolons:
 *   command:SHELL COMMAND       each line that it prints is an event, and an exit with
 *                               another code than 0; it is run again 10 s after it ended
 *   gpio:/dev/gpiochipN:LINE:high|low    the line is, or becomes, so
 *   input:/dev/input/eventN:TYPE:CODE:VALUE    such an input event (linux/input.h)
 * And by itself, with tamper-watch: debuggers at the processes, clocks that jump. */
#ifndef HF_WATCH_H
#define HF_WATCH_H

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#include "config.h"

#define WATCH_SOURCES 8
#define WATCH_WHY 180 /* bytes of an event's text, NUL included */
#define WATCH_TICK_MS 1000

struct watch;

/* struct watcher is who gets to know. */
struct watcher {
	void *ctx;
	void (*event)(void *ctx, const char *why);
};

/* watch_possible reads the setting and opens nothing; false after it has logged what is wrong. */
bool watch_possible(const struct config *c);
/* watch_new opens the sources; NULL after it has logged which one it cannot. */
struct watch *watch_new(const struct config *c, const struct watcher *to);
/* watch_poll fills in descriptors to poll for reading, at most WATCH_SOURCES. */
size_t watch_poll(const struct watch *w, struct pollfd *ret);
/* watch_ready takes what came; p is as watch_poll filled it, n its length. */
void watch_ready(struct watch *w, const struct pollfd *p, size_t n);
/* watch_reaped: a child ended that is none of the caller's. */
void watch_reaped(struct watch *w, pid_t pid, int status);
/* watch_tick, once in WATCH_TICK_MS: looks at these processes (0: none) and at the clocks, and
 * starts commands that are due. */
void watch_tick(struct watch *w, const pid_t *pids, size_t n);
void watch_close(struct watch *w); /* ends the commands; NULL-safe */

#endif
