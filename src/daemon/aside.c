#include "aside.h"

/* call_one: somebody looks at what is ready, unless somebody does already; the lock is held. */
static void call_one(struct aside *a)
{
	if (a->awake > 0 || (a->first == NULL && !a->stopping))
		return;
	a->awake++;
	a->called++;
	cond_signal(&a->some);
}

static void push(struct aside *a, struct conn *c)
{
	MUTEX_HOLD(&a->lock);

	c->next_aside = NULL;
	*a->last = c;
	a->last = &c->next_aside;
	call_one(a);
}

/* half: who put the call aside has left the connection, or the call is ready: with the other half of it
 * somebody may have it. */
static void half(struct aside *a, struct conn *c)
{
	if (atomic_fetch_add(&c->aside_halves, 1) == 1)
		push(a, c);
}

static void ready(void *ctx)
{
	struct conn *c = ctx;

	half(c->aside, c);
}

void aside_welcome(struct aside *a, struct conn *c)
{
	c->aside = a;
	c->later = (struct hsm_later){ .ready = ready, .ctx = c };
}

void aside_put(struct aside *a, struct conn *c)
{
	atomic_fetch_add(&a->count, 1);
	half(a, c);
}

/* waits: one of the threads is about to wait for a disk: another one goes on. */
static void waits(void *ctx, bool begins)
{
	struct aside *a = ctx;
	MUTEX_HOLD(&a->lock);

	a->awake += begins ? -1u : 1u;
	call_one(a);
}

/* next waits for a connection; NULL: the end. */
static struct conn *next(struct aside *a)
{
	struct conn *c;

	while (a->first == NULL) {
		if (a->stopping && atomic_load(&a->count) == 0)
			return NULL;
		a->awake--;
		while (a->called == 0)
			cond_wait(&a->some, &a->lock);
		a->called--;
	}
	c = a->first;
	a->first = c->next_aside;
	if (a->first == NULL)
		a->last = &a->first;
	return c;
}

static void *run(void *arg)
{
	CLEANUP(lane_done) struct lane lane = { 0 };
	struct aside *a = arg;
	struct conn *c;

	waiting_tell(&a->tell);
	mutex_lock(&a->lock);
	while ((c = next(a)) != NULL) {
		mutex_unlock(&a->lock);
		atomic_store(&c->aside_halves, 0);
		if (!a->server.go_on(a->server.ctx, c, &lane))
			aside_put(a, c);
		atomic_fetch_sub(&a->count, 1);
		mutex_lock(&a->lock);
	}
	a->awake--;
	call_one(a); /* to hear of the end, too */
	mutex_unlock(&a->lock);
	return NULL;
}

enum hf_err aside_start(struct aside *a, const struct aside_server *s)
{
	*a = (struct aside){ .server = *s };
	a->tell = (struct waiting){ waits, a };
	a->last = &a->first;
	mutex_init(&a->lock);
	cond_init(&a->some);
	MUTEX_HOLD(&a->lock);
	for (; a->threads < ASIDE_THREADS; a->threads++) {
		if (pthread_create(&a->thread[a->threads], NULL, run, a) != 0)
			return HF_E_MEMORY;
		a->awake++;
	}
	return HF_OK;
}

void aside_stop(struct aside *a)
{
	{
		MUTEX_HOLD(&a->lock);
		a->stopping = true;
		call_one(a);
	}
	for (unsigned i = 0; i < a->threads; i++)
		pthread_join(a->thread[i], NULL);
}
