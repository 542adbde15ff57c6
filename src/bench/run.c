#include "run.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "secret.h"
#include "stop.h"

struct worker {
	const struct bench_work *work;
	pthread_t thread;
	pthread_barrier_t *barrier;
	atomic_bool *end;
	uint64_t count, begin_ns, end_ns; /* from the first operation's begin to the last one's end */
	uint32_t *sample; /* nanoseconds */
	size_t samples;
	uint64_t step; /* every step-th latency is kept */
	bool ok;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* keep_sample keeps every step-th latency; when full, every second one goes. */
static void keep_sample(struct worker *w, uint64_t ns)
{
	if (w->count % w->step != 0)
		return;
	if (w->samples == BENCH_SAMPLES) {
		for (size_t i = 0; i < BENCH_SAMPLES / 2; i++)
			w->sample[i] = w->sample[2 * i];
		w->samples /= 2;
		w->step *= 2;
	}
	w->sample[w->samples++] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static void *run_worker(void *arg)
{
	struct worker *w = arg;
	void *state = w->work->start(w->work->shared);
	uint64_t begin, last;

	w->ok = state != NULL && w->work->once(state);
	pthread_barrier_wait(w->barrier);
	begin = last = now_ns();
	while (w->ok && !atomic_load_explicit(w->end, memory_order_relaxed)) {
		w->ok = w->work->once(state);
		uint64_t t = now_ns();
		keep_sample(w, t - last);
		last = t;
		w->count++;
	}
	w->begin_ns = begin;
	w->end_ns = last;
	if (state != NULL)
		w->work->stop(state);
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static struct bench_result sum_up(struct worker *w, unsigned threads)
{
	struct bench_result r = { .ok = true };
	uint32_t *all = hf_alloc((size_t)BENCH_SAMPLES * threads, sizeof(*all));
	uint64_t count = 0, begin = UINT64_MAX, end = 0;
	size_t n = 0;

	for (unsigned i = 0; i < threads; i++) {
		r.ok = r.ok && w[i].ok;
		count += w[i].count;
		begin = w[i].begin_ns < begin ? w[i].begin_ns : begin;
		end = w[i].end_ns > end ? w[i].end_ns : end;
		for (size_t k = 0; all != NULL && k < w[i].samples; k++)
			all[n++] = w[i].sample[k];
	}
	if (end > begin)
		r.per_second = (double)count * 1e9 / (double)(end - begin);
	if (n > 0) {
		size_t middle = n / 2, last = n - 1 - n / 100;

		qsort(all, n, sizeof(*all), by_value);
		r.p50_us = all[middle] / 1e3;
		r.p99_us = all[last] / 1e3;
	}
	hf_free(all);
	return r;
}

/* wait_for waits for other programs that shall begin at the same time; false: it cannot, or shall
 * not any more. */
static bool wait_for(int fd)
{
	char dropped[64];
	ssize_t n;

	fprintf(stderr, "ready\n");
	do {
		stop_wait(fd, -1);
		if (stop_asked())
			return false;
		n = read(fd, dropped, sizeof(dropped));
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		fprintf(stderr, "holdfast: bench: file descriptor %d: %s\n", fd, strerror(errno));
	return n == 0;
}

struct bench_result bench_run(const struct bench_work *work, unsigned threads, double seconds)
{
	struct worker *w = hf_alloc(threads, sizeof(*w));
	pthread_barrier_t barrier;
	atomic_bool end = false;
	struct bench_result r = { 0 };
	bool go = true;

	if (w == NULL)
		return r;
	pthread_barrier_init(&barrier, NULL, threads + 1);
	for (unsigned i = 0; i < threads; i++) {
		w[i] = (struct worker){ .work = work, .barrier = &barrier, .end = &end, .step = 1 };
		w[i].sample = hf_alloc(BENCH_SAMPLES, sizeof(uint32_t));
		if (w[i].sample == NULL ||
		    pthread_create(&w[i].thread, NULL, run_worker, &w[i]) != 0)
			abort();
	}
	if (work->wait_fd > 0)
		go = wait_for(work->wait_fd);
	pthread_barrier_wait(&barrier);
	if (go)
		stop_wait(-1, seconds);
	atomic_store(&end, true);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(w[i].thread, NULL);
	r = sum_up(w, threads);
	r.ok = r.ok && go && !stop_asked();
	for (unsigned i = 0; i < threads; i++)
		hf_free(w[i].sample);
	hf_free(w);
	pthread_barrier_destroy(&barrier);
	return r;
}
