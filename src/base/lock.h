/* lock.h: pthread locks that cannot fail: an error of theirs is a bug of ours
 * and aborts. */
#ifndef HF_LOCK_H
#define HF_LOCK_H

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "err.h"

static inline void lock_check(int e)
{
	if (__builtin_expect(e != 0, 0))
		abort();
}

/* struct mutex; MUTEX_INIT for static ones. */
struct mutex {
	pthread_mutex_t m;
};

#define MUTEX_INIT { PTHREAD_MUTEX_INITIALIZER }

static inline void mutex_init(struct mutex *l)
{
	lock_check(pthread_mutex_init(&l->m, NULL));
}

static inline void mutex_done(struct mutex *l)
{
	lock_check(pthread_mutex_destroy(&l->m));
}

static inline void mutex_lock(struct mutex *l)
{
	lock_check(pthread_mutex_lock(&l->m));
}

static inline void mutex_unlock(struct mutex *l)
{
	lock_check(pthread_mutex_unlock(&l->m));
}

/* mutex_lock_unless waits for l; false: *stop was set meanwhile. For a thread that may be waited for
 * by who holds l. */
static inline bool mutex_lock_unless(struct mutex *l, const atomic_bool *stop)
{
	static const struct timespec pause = { 0, 5000000 };

	while (pthread_mutex_trylock(&l->m) != 0) {
		if (atomic_load(stop))
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

static inline void mutex_release(struct mutex **l)
{
	if (*l != NULL)
		mutex_unlock(*l);
}

/* MUTEX_HOLD(l) holds l until the end of the scope. */
#define LOCK_JOIN_(a, b) a##b
#define LOCK_NAME_(a, b) LOCK_JOIN_(a, b)
#define MUTEX_HOLD(l)                                                          \
	CLEANUP(mutex_release) struct mutex *LOCK_NAME_(held_, __LINE__) = (l);    \
	mutex_lock(LOCK_NAME_(held_, __LINE__))

/* struct rwlock: many readers or one writer. */
struct rwlock {
	pthread_rwlock_t l;
};

/* RWLOCK_INIT_FAIR: see rwlock_init_fair. */
#define RWLOCK_INIT_FAIR { PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP }

static inline void rwlock_init(struct rwlock *l)
{
	lock_check(pthread_rwlock_init(&l->l, NULL));
}

/* rwlock_init_fair: readers that come while a writer waits wait behind it; nobody reads twice. */
static inline void rwlock_init_fair(struct rwlock *l)
{
	pthread_rwlockattr_t a;

	lock_check(pthread_rwlockattr_init(&a));
	lock_check(pthread_rwlockattr_setkind_np(&a, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP));
	lock_check(pthread_rwlock_init(&l->l, &a));
	lock_check(pthread_rwlockattr_destroy(&a));
}

static inline void rwlock_done(struct rwlock *l)
{
	lock_check(pthread_rwlock_destroy(&l->l));
}

static inline void rwlock_read(struct rwlock *l)
{
	lock_check(pthread_rwlock_rdlock(&l->l));
}

static inline void rwlock_write(struct rwlock *l)
{
	lock_check(pthread_rwlock_wrlock(&l->l));
}

static inline void rwlock_unlock(struct rwlock *l)
{
	lock_check(pthread_rwlock_unlock(&l->l));
}

/* struct cond: waits on CLOCK_MONOTONIC. */
struct cond {
	pthread_cond_t c;
};

static inline void cond_init(struct cond *c)
{
	pthread_condattr_t a;

	lock_check(pthread_condattr_init(&a));
	lock_check(pthread_condattr_setclock(&a, CLOCK_MONOTONIC));
	lock_check(pthread_cond_init(&c->c, &a));
	lock_check(pthread_condattr_destroy(&a));
}

static inline void cond_done(struct cond *c)
{
	lock_check(pthread_cond_destroy(&c->c));
}

static inline void cond_wait(struct cond *c, struct mutex *l)
{
	lock_check(pthread_cond_wait(&c->c, &l->m));
}

/* cond_wait_until waits until clock_mono_ns() is ns; false: that time came. */
static inline bool cond_wait_until(struct cond *c, struct mutex *l, uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
	int e = pthread_cond_timedwait(&c->c, &l->m, &t);

	if (e == ETIMEDOUT)
		return false;
	lock_check(e);
	return true;
}

static inline void cond_signal(struct cond *c)
{
	lock_check(pthread_cond_signal(&c->c));
}

static inline void cond_broadcast(struct cond *c)
{
	lock_check(pthread_cond_broadcast(&c->c));
}

static inline void lock_sem_wait(sem_t *s)
{
	while (sem_wait(s) != 0)
		lock_check(errno == EINTR ? 0 : errno);
}

/* struct baton: a lock that another thread may give back than the one that took it. */
struct baton {
	sem_t s;
};

static inline void baton_init(struct baton *b)
{
	lock_check(sem_init(&b->s, 0, 1));
}

static inline void baton_done(struct baton *b)
{
	lock_check(sem_destroy(&b->s));
}

static inline void baton_take(struct baton *b)
{
	lock_sem_wait(&b->s);
}

/* baton_try: false: somebody has it. */
static inline bool baton_try(struct baton *b)
{
	return sem_trywait(&b->s) == 0;
}

static inline void baton_give(struct baton *b)
{
	lock_check(sem_post(&b->s));
}

/* struct wake: one thread sleeps until others woke it, as often as they did. It needs no lock for that, which
 * it would find taken by who wakes it; and its memory may go as soon as it wakes. */
struct wake {
	sem_t s;
};

static inline void wake_init(struct wake *w)
{
	lock_check(sem_init(&w->s, 0, 0));
}

static inline void wake_done(struct wake *w)
{
	lock_check(sem_destroy(&w->s));
}

static inline void wake_wait(struct wake *w)
{
	lock_sem_wait(&w->s);
}

static inline void wake_up(struct wake *w)
{
	lock_check(sem_post(&w->s));
}

#endif
