#include "auditsync.h"

#include <pthread.h>
#include <string.h>

#include "log.h"
#include "secret.h"

#define WAITING_MAX 64u
#define ANSWER_MAX 64u /* bytes: audit_append's is two flags */

struct waiting {
	struct wire_head head;
	uint8_t answer[ANSWER_MAX];
	size_t n;
};

struct auditsync {
	struct auditsync_to to;
	pthread_t thread;
	struct mutex lock; /* what follows */
	struct cond changed;
	struct waiting v[WAITING_MAX];
	size_t n;
	bool go, stop;
};

static void answer(const struct auditsync *s, const struct waiting *w, enum hf_err e)
{
	struct wire_head head = { .opcode = w->head.opcode, .flags = (uint16_t)e,
		.request = w->head.request };
	MUTEX_HOLD(s->to.send);

	if (wire_send(s->to.fd, &head, e == HF_OK ? (struct slice){ w->answer, w->n } : SLICE_NONE) != HF_OK)
		log_debug("audit: the vault is gone before its answer"); /* the keeper's loop will notice */
}

/* take moves all that wait to v; s->lock is held. */
static size_t take(struct auditsync *s, struct waiting v[WAITING_MAX])
{
	size_t n = s->n;

	memcpy(v, s->v, n * sizeof(*v));
	s->n = 0;
	s->go = false;
	cond_broadcast(&s->changed);
	return n;
}

/* take_later waits for auditsync_go; 0: it is to end. */
static size_t take_later(struct auditsync *s, struct waiting v[WAITING_MAX])
{
	MUTEX_HOLD(&s->lock);

	while (!s->go && !s->stop)
		cond_wait(&s->changed, &s->lock);
	return take(s, v);
}

static void flush(struct auditsync *s, const struct waiting *v, size_t n)
{
	enum hf_err e = auditlog_flush(s->to.log);

	/* The next commit mends that. */
	if (anchorsync_wait(s->to.anchor) != HF_OK)
		log_debug("audit: a record is kept, an anchor before it is not");
	for (size_t i = 0; i < n; i++)
		answer(s, &v[i], e);
}

static void *run(void *arg)
{
	struct waiting v[WAITING_MAX];
	struct auditsync *s = arg;
	size_t n;

	while ((n = take_later(s, v)) > 0)
		flush(s, v, n);
	return NULL;
}

enum hf_err auditsync_start(const struct auditsync_to *to, struct auditsync **ret)
{
	struct auditsync *s = hf_alloc(1, sizeof(*s));

	if (s == NULL)
		return HF_E_MEMORY;
	s->to = *to;
	mutex_init(&s->lock);
	cond_init(&s->changed);
	if (pthread_create(&s->thread, NULL, run, s) != 0) {
		hf_free(s);
		return HF_E_MEMORY;
	}
	*ret = s;
	return HF_OK;
}

static void start(struct auditsync *s)
{
	s->go = true;
	cond_broadcast(&s->changed);
}

enum hf_err auditsync_put(struct auditsync *s, const struct wire_head *head, struct slice bytes)
{
	struct waiting w = { .head = *head, .n = bytes.n };

	if (bytes.n > sizeof(w.answer))
		return HF_E_MEMORY;
	if (bytes.n > 0)
		memcpy(w.answer, bytes.p, bytes.n);
	MUTEX_HOLD(&s->lock);
	while (s->n == WAITING_MAX) {
		start(s);
		cond_wait(&s->changed, &s->lock);
	}
	s->v[s->n++] = w;
	return HF_OK;
}

void auditsync_go(struct auditsync *s)
{
	MUTEX_HOLD(&s->lock);

	if (s->n > 0)
		start(s);
}

void auditsync_here(struct auditsync *s)
{
	struct waiting v[WAITING_MAX];
	size_t n;

	mutex_lock(&s->lock);
	n = take(s, v);
	mutex_unlock(&s->lock);
	if (n > 0)
		flush(s, v, n);
}

void auditsync_stop(struct auditsync *s)
{
	if (s == NULL)
		return;
	mutex_lock(&s->lock);
	s->stop = true;
	cond_broadcast(&s->changed);
	mutex_unlock(&s->lock);
	lock_check(pthread_join(s->thread, NULL));
	cond_done(&s->changed);
	mutex_done(&s->lock);
	hf_free(s);
}
