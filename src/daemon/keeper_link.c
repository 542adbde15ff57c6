#include "keeper_link.h"

#include <pthread.h>
#include <unistd.h>

#include "lock.h"
#include "log.h"
#include "map.h"
#include "wait.h"

struct link {
	struct keeper base;
	int fd;
	struct mutex send; /* one request at a time goes out whole */
	struct mutex lock; /* what follows */
	struct map waiting; /* by request id */
	uint64_t next;
};

/* struct waiter lives on the stack of the thread that waits. */
struct waiter {
	struct map_node by_request;
	struct wake answered;
	struct buf answer;
	enum hf_err err;
};

static _Noreturn void gone(void)
{
	log_warn("the keeper is gone; the monitor starts both anew");
	_exit(EXIT_KEEPER_GONE);
}

/* who_asked: from here on it waits for us alone. */
static struct waiter *who_asked(struct link *l, uint64_t request)
{
	MUTEX_HOLD(&l->lock);
	struct map_node *node = map_del(&l->waiting, request);

	return node != NULL ? container_of(node, struct waiter, by_request) : NULL;
}

static void *reader(void *arg)
{
	struct link *l = arg;
	struct buf in = BUF_MAX(WIRE_MAX_BYTES);
	struct wire_head head;

	while (wire_recv(l->fd, WIRE_MAX_BYTES, &head, &in) == HF_OK) {
		struct waiter *w = who_asked(l, head.request);

		if (w == NULL)
			continue;
		w->answer = in;
		w->err = head.flags == HF_OK ? HF_OK : err_from_wire(head.flags);
		in = BUF_MAX(WIRE_MAX_BYTES);
		wake_up(&w->answered);
	}
	gone();
}

static enum hf_err send_request(struct link *l, struct wire_head *head, struct slice fields)
{
	enum hf_err e;

	MUTEX_HOLD(&l->send);
	e = wire_send(l->fd, head, fields);
	if (e == HF_E_CONNECTION || e == HF_E_TIMEOUT)
		gone();
	return e;
}

static enum hf_err wait_answer(struct waiter *w)
{
	waiting_begin();
	wake_wait(&w->answered);
	waiting_end();
	return w->err;
}

/* ask sends a request and waits for its answer, which w then owns. */
static enum hf_err ask(struct link *l, struct wire_head *head, struct slice fields,
	struct waiter *w)
{
	enum hf_err e;

	{
		MUTEX_HOLD(&l->lock);
		head->request = ++l->next;
		TRY(map_put(&l->waiting, head->request, &w->by_request));
	}
	e = send_request(l, head, fields);
	if (e == HF_OK)
		return wait_answer(w);
	MUTEX_HOLD(&l->lock);
	(void)map_del(&l->waiting, head->request);
	return e;
}

static enum hf_err call(struct keeper *k, enum keeper_op op, struct slice fields, struct arena *a,
	struct rd *rest)
{
	struct link *l = container_of(k, struct link, base);
	struct wire_head head = { .opcode = (uint16_t)op };
	struct waiter w = { 0 };
	struct slice kept;
	enum hf_err e;

	wake_init(&w.answered);
	e = ask(l, &head, fields, &w);
	if (e == HF_OK)
		e = arena_dup(a, buf_slice(&w.answer), &kept);
	if (e == HF_OK)
		*rest = rd_of(kept);
	buf_done(&w.answer);
	wake_done(&w.answered);
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
	mutex_init(&l->send);
	mutex_init(&l->lock);
	if (pthread_create(&t, NULL, reader, l) != 0)
		return HF_E_MEMORY;
	pthread_detach(t);
	*ret = &l->base;
	return HF_OK;
}
