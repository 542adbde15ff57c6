#include "anchorsync.h"

#include <pthread.h>

#include "lock.h"
#include "secret.h"

struct anchorsync {
	struct anchor *anchor;
	pthread_t thread;
	struct mutex lock; /* what follows */
	struct cond changed;
	struct buf value;  /* the thread's while given != put */
	uint64_t given, put;
	enum hf_err result; /* of the last one */
	bool stop;
};

/* next waits for a value; false: it is to end. s->lock is held. */
static bool next(struct anchorsync *s)
{
	while (s->given == s->put && !s->stop)
		cond_wait(&s->changed, &s->lock);
	return s->given != s->put;
}

static void *run(void *arg)
{
	struct anchorsync *s = arg;
	MUTEX_HOLD(&s->lock);

	while (next(s)) {
		enum hf_err e;

		mutex_unlock(&s->lock);
		e = anchor_put(s->anchor, buf_slice(&s->value));
		mutex_lock(&s->lock);
		s->result = e;
		s->put = s->given;
		cond_broadcast(&s->changed);
	}
	return NULL;
}

enum hf_err anchorsync_start(struct anchor *a, struct anchorsync **ret)
{
	struct anchorsync *s = hf_alloc(1, sizeof(*s));

	if (s == NULL)
		return HF_E_MEMORY;
	s->anchor = a;
	s->value = BUF_MAX(ANCHOR_MAX);
	mutex_init(&s->lock);
	cond_init(&s->changed);
	if (pthread_create(&s->thread, NULL, run, s) != 0) {
		hf_free(s);
		return HF_E_MEMORY;
	}
	*ret = s;
	return HF_OK;
}

/* wait is called with the lock held. */
static void wait(struct anchorsync *s)
{
	uint64_t given = s->given;

	while (s->put < given)
		cond_wait(&s->changed, &s->lock);
}

enum hf_err anchorsync_put(struct anchorsync *s, struct slice value)
{
	MUTEX_HOLD(&s->lock);

	wait(s);
	buf_reset(&s->value);
	buf_raw(&s->value, value);
	TRY(buf_err(&s->value));
	s->given++;
	cond_broadcast(&s->changed);
	return HF_OK;
}

enum hf_err anchorsync_wait(struct anchorsync *s)
{
	if (s == NULL)
		return HF_OK;
	MUTEX_HOLD(&s->lock);
	wait(s);
	return s->result;
}

enum hf_err anchorsync_mend(struct anchorsync *s)
{
	MUTEX_HOLD(&s->lock);

	wait(s);
	if (s->result != HF_OK)
		s->result = anchor_put(s->anchor, buf_slice(&s->value));
	return s->result;
}

void anchorsync_stop(struct anchorsync *s)
{
	if (s == NULL)
		return;
	mutex_lock(&s->lock);
	s->stop = true;
	cond_broadcast(&s->changed);
	mutex_unlock(&s->lock);
	lock_check(pthread_join(s->thread, NULL));
	buf_done(&s->value);
	cond_done(&s->changed);
	mutex_done(&s->lock);
	hf_free(s);
}
