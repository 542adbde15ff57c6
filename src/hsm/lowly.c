#include "lowly.h"

#include <sys/resource.h>

#include "lock.h"
#include "wait.h"

#define AT_ONCE 2u
#define NICENESS 10 /* a tenth of the weight; the sandbox allows this one */

static struct {
	struct mutex lock;
	pthread_cond_t free;
	unsigned n;
} places = { .lock = MUTEX_INIT, .free = PTHREAD_COND_INITIALIZER };

struct task {
	enum hf_err (*f)(void *ctx);
	void *ctx;
	enum hf_err result;
};

static void *run(void *arg)
{
	struct task *t = arg;

	(void)setpriority(PRIO_PROCESS, 0, NICENESS); /* of the calling thread */
	t->result = t->f(t->ctx);
	return NULL;
}

static void enter(void)
{
	MUTEX_HOLD(&places.lock);

	while (places.n == AT_ONCE)
		lock_check(pthread_cond_wait(&places.free, &places.lock.m));
	places.n++;
}

static void leave(void)
{
	MUTEX_HOLD(&places.lock);

	places.n--;
	lock_check(pthread_cond_signal(&places.free));
}

enum hf_err lowly(enum hf_err (*f)(void *ctx), void *ctx)
{
	struct task t = { f, ctx, HF_E_INTERNAL };
	pthread_t thread;
	int e;

	waiting_begin();
	enter();
	e = pthread_create(&thread, NULL, run, &t);
	if (e == 0)
		lock_check(pthread_join(thread, NULL));
	leave();
	waiting_end();
	return e == 0 ? t.result : HF_E_MEMORY;
}
