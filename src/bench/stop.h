/* stop.h: SIGINT, SIGTERM and SIGHUP end a measurement in order: who measures asks here, cleans up,
 * and ends by the signal that came. */
#ifndef HF_BENCH_STOP_H
#define HF_BENCH_STOP_H

#include <stdbool.h>

/* stop_catch: from now on the first of each is only noted; the next one ends the program as ever.
 * A signal that is ignored stays so. It says what went wrong. */
bool stop_catch(void);
/* stop_asked: has one come? Never, without stop_catch. */
bool stop_asked(void);
/* stop_wait waits until one has come, fd (-1: none) has something to read or is at its end, or
 * so many seconds (below 0: any) are over. */
void stop_wait(int fd, double seconds);
/* stop_follow ends the program by the signal, if one has come. */
void stop_follow(void);

#endif
