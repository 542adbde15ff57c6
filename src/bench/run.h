/* run.h: threads that repeat one piece of work for a time, and the figures that
 * come of it. */
#ifndef HF_BENCH_RUN_H
#define HF_BENCH_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_THREADS_MAX 256
#define BENCH_SAMPLES 65536 /* latencies kept a thread, evenly thinned */

/* struct bench_work: start is called once in each thread and returns its state;
 * once does the work one time, false stops the run as failed. */
struct bench_work {
	void *(*start)(void *shared);
	bool (*once)(void *state);
	void (*stop)(void *state);
	void *shared;
	int wait_fd; /* over 0: says "ready" on standard error and begins when this has come to its end */
};

struct bench_result {
	double per_second;
	double p50_us, p99_us;
	bool ok;
};

/* bench_run measures for so many seconds; not ok, too, where stop_asked (stop.h) ended that. */
struct bench_result bench_run(const struct bench_work *w, unsigned threads, double seconds);

#endif
