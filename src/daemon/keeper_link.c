#include "keeper_link.h"

#include <pthread.h>
#include <unistd.h>

#include "log.h"
#include "map.h"

struct link {
	struct keeper base;
	int fd;
	pthread_mutex_t send, lock;
	struct map waiting; /* by request id */
	uint64_t next;
};

/* struct waiter lives on the stack of the thread that waits. */
struct waiter {
	struct map_node by_request;
	pthread_cond_t answered;
	struct buf answer;
	enum hf_err err;
	bool done;
};

static void gone(void)
{
	log_warn("the keeper is gone; the monitor starts both anew");
	_exit(EXIT_KEEPER_GONE);
}

static void *reader(void *arg)
{
	struct link *l = arg;
	struct buf in = BUF_MAX(WIRE_MAX_BYTES);
	struct wire_head head;

	while (wire_recv(l->fd, WIRE_MAX_BYTES, &head, &in) == HF_OK) {
		struct map_node *node;

		pthread_mutex_lock(&l->lock);
		node = map_del(&l->waiting, head.request);
		if (node != NULL) {
			struct waiter *w = container_of(node, struct waiter, by_request);

			w->answer = in;
			w->err = head.flags == HF_OK ? HF_OK : err_from_wire(head.flags);
			w->done = true;
			in = BUF_MAX(WIRE_MAX_BYTES);
			pthread_cond_signal(&w->answered);
		}
		pthread_mutex_unlock(&l->lock);
	}
	gone();
	return NULL;
}

static enum hf_err call(struct keeper *k, enum keeper_op op, struct slice fields, struct arena *a,
	struct rd *rest)
{
	struct link *l = container_of(k, struct link, base);
	struct waiter w = { .answered = PTHREAD_COND_INITIALIZER };
	struct wire_head head = { .opcode = (uint16_t)op };
	struct slice kept;
	enum hf_err e;

	pthread_mutex_lock(&l->lock);
	head.request = ++l->next;
	e = map_put(&l->waiting, head.request, &w.by_request);
	pthread_mutex_unlock(&l->lock);
	TRY(e);
	pthread_mutex_lock(&l->send);
	if (wire_send(l->fd, &head, fields) != HF_OK)
		gone();
	pthread_mutex_unlock(&l->send);
	pthread_mutex_lock(&l->lock);
	while (!w.done)
		pthread_cond_wait(&w.answered, &l->lock);
	pthread_mutex_unlock(&l->lock);
	e = w.err;
	if (e == HF_OK)
		e = arena_dup(a, buf_slice(&w.answer), &kept);
	if (e == HF_OK)
		*rest = rd_of(kept);
	buf_done(&w.answer);
	return e;
}

enum hf_err keeper_link_open(int fd, struct keeper **ret)
{
	struct link *l = hf_alloc(1, sizeof(*l));
	pthread_t t;

	if (l == NULL)
		return HF_E_MEMORY;
	l->base.call = call;
	l->fd = fd;
	pthread_mutex_init(&l->send, NULL);
	pthread_mutex_init(&l->lock, NULL);
	if (pthread_create(&t, NULL, reader, l) != 0)
		return HF_E_MEMORY;
	pthread_detach(t);
	*ret = &l->base;
	return HF_OK;
}
