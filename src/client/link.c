#include "client_int.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define CONNECT_MS 2000u
/* Sharing memory costs both sides as much as some calls by the socket: a program that only looks
 * what there is, or does one thing and ends, is served without. */
#define CALLS_BEFORE_SHARING 3

/* Which place of a pool this thread used last: it will find its own connection
 * again, and nobody has to be told when the thread ends. A plain number, since
 * a destructor could run after dlclose. */
static _Thread_local size_t last_place;

/* Nobody else looks at what is in a place that is taken. */
static bool take_place(struct conn *k)
{
	bool busy = false;

	return !atomic_load(&k->busy) && atomic_compare_exchange_strong(&k->busy, &busy, true);
}

/* free_place takes a place, connected if there is such a one; NULL: all are busy. */
static struct conn *free_place(struct client *c)
{
	for (size_t i = 0; i < CLIENT_MAX_CONNECTIONS; i++)
		if (c->conns[i].t != NULL && take_place(&c->conns[i]))
			return &c->conns[i];
	for (size_t i = 0; i < CLIENT_MAX_CONNECTIONS; i++)
		if (take_place(&c->conns[i]))
			return &c->conns[i];
	return NULL;
}

/* wait_place: who gives a place back looks at `waiting` after it is free, and here it is looked for after
 * that has been counted up: so one of the two sees the other. */
static struct conn *wait_place(struct client *c)
{
	MUTEX_HOLD(&c->lock);
	struct conn *k;

	c->waiting++;
	while ((k = free_place(c)) == NULL)
		cond_wait(&c->freed, &c->lock);
	c->waiting--;
	last_place = (size_t)(k - c->conns);
	return k;
}

struct conn *link_take(struct client *c)
{
	struct conn *k = &c->conns[last_place];

	if (k->t == NULL || c->waiting > 0 || !take_place(k))
		return wait_place(c);
	return k;
}

void link_give(struct client *c, struct conn *k)
{
	struct transport *t = k->t;

	buf_reset(&k->in);
	k->answer = SLICE_NONE;
	if (t != NULL && t->ops->done != NULL)
		t->ops->done(t);
	atomic_store(&k->busy, false);
	if (c->waiting == 0)
		return;
	MUTEX_HOLD(&c->lock);
	cond_signal(&c->freed);
}

int link_peer(struct client *c)
{
	for (size_t i = 0; i < CLIENT_MAX_CONNECTIONS; i++) {
		struct conn *k = &c->conns[i];
		int pid;

		if (k->t == NULL || !take_place(k))
			continue;
		pid = k->t != NULL ? k->t->ops->peer(k->t) : 0;
		link_give(c, k);
		if (pid != 0)
			return pid;
	}
	return 0;
}

void link_drop(struct client *c, struct conn *k)
{
	if (k->t == NULL)
		return;
	k->t->ops->close(k->t);
	k->t = NULL;
	k->answer = SLICE_NONE;
	MUTEX_HOLD(&c->lock);
	c->live--;
}

uint64_t link_request_id(struct client *c)
{
	return atomic_fetch_add_explicit(&c->next_request, 1, memory_order_relaxed) + 1;
}

enum hf_err link_ask(struct client *c, struct conn *k, const struct request *q, bool *ret_sent,
	enum hf_err *ret_answer)
{
	struct answer a;
	enum hf_err e = k->t->ops->call(k->t, q, &k->in, &a, ret_sent);

	if (e == HF_OK && (a.head.opcode != q->head.opcode || a.head.request != q->head.request))
		e = HF_E_CONNECTION;
	if (e != HF_OK) {
		link_drop(c, k);
		return e;
	}
	k->answer = a.fields;
	*ret_answer = err_from_wire(a.head.flags);
	return HF_OK;
}

enum hf_err link_tell(struct client *c, struct conn *k, enum calls_op op, uint64_t vault_session,
	const struct buf *fields, enum hf_err *ret_answer)
{
	struct request q = {
		.head = { .opcode = (uint16_t)op, .request = link_request_id(c), .session = vault_session },
		.fields = fields == NULL ? SLICE_NONE : buf_slice(fields),
	};
	bool sent;

	if (fields != NULL)
		TRY(buf_err(fields));
	return link_ask(c, k, &q, &sent, ret_answer);
}

static enum hf_err find_instance(struct client *c, struct instance *ret)
{
	MUTEX_HOLD(&c->lock);

	if (c->instance.dir == NULL)
		TRY(client_find(&c->instance));
	*ret = c->instance;
	return HF_OK;
}

/* share: HOLDFAST_TRANSPORT=socket is for tests, and for who suspects the memory. */
static enum hf_err share(struct client *c, struct conn *k)
{
	const char *wish;
	enum hf_err e;

	if (k->calls++ != CALLS_BEFORE_SHARING || c->o.connect != NULL)
		return HF_OK;
	wish = secure_getenv("HOLDFAST_TRANSPORT");
	if (wish != NULL && strcmp(wish, "socket") == 0)
		return HF_OK;
	e = transport_unix_share(k->t, link_request_id(c));
	if (e != HF_OK)
		link_drop(c, k);
	return e;
}

static enum hf_err connect_instance(struct client *c, struct transport **ret)
{
	struct instance i; /* borrowed: c keeps it until client_close */
	enum hf_err e;

	TRY(find_instance(c, &i));
	e = transport_unix(i.dir, INSTANCE_SOCKET, CONNECT_MS, ret);
	if (e == HF_E_NO_DAEMON && i.private_) {
		TRY(c->o.no_start ? e : client_start(&i, c->o.wait_ms));
		e = transport_unix(i.dir, INSTANCE_SOCKET, CONNECT_MS, ret);
	}
	/* It was there, or somebody else restarts it: worth trying again. */
	return e == HF_E_NO_DAEMON ? HF_E_CONNECTION : e;
}

/* A new generation begins when another vault answers, or when this is the only
 * connection: then the vault may have taken the application for gone. */
static void note_hello(struct client *c, struct conn *k, const struct hello_res *r)
{
	MUTEX_HOLD(&c->lock);

	if (r->boot != c->boot || c->live == 0) {
		c->generation++;
		c->changes++;
	}
	c->boot = r->boot;
	c->max_message = r->max_message < WIRE_MAX_BYTES ? r->max_message : WIRE_MAX_BYTES;
	c->live++;
	k->boot = r->boot;
	k->generation = c->generation;
}

static enum hf_err hello(struct client *c, struct conn *k, struct transport *t,
	struct hello_res *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(1024);
	CLEANUP(arena_done) struct arena a = { 0 };
	struct hello_req q = {
		.version = WIRE_VERSION,
		.app = SLICE_OF(c->app),
		.program = slice_str(c->program),
	};
	struct wire_head h = { .opcode = CALLS_HELLO, .request = link_request_id(c) };
	struct rd rest;
	bool sent;

	hello_req_enc(&b, &q);
	TRY(buf_err(&b));
	TRY(transport_call(t, &h, buf_slice(&b), &k->in, &sent));
	TRY(err_from_wire(h.flags));
	rest = rd_of(buf_slice(&k->in));
	if (!hello_res_dec(&rest, &a, ret) || !rd_done(&rest) || ret->version != WIRE_VERSION)
		return HF_E_MALFORMED;
	return HF_OK;
}

/* A connection to a vault that has been followed by another is dead, though the
 * kernel may tell us only when we write to it. */
static bool is_current(struct client *c, struct conn *k)
{
	MUTEX_HOLD(&c->lock);

	if (k->t == NULL || k->boot != c->boot)
		return false;
	k->generation = c->generation;
	return true;
}

enum hf_err link_up(struct client *c, struct conn *k)
{
	struct hello_res r;
	struct transport *t;
	enum hf_err e;

	if (is_current(c, k))
		return share(c, k);
	link_drop(c, k);
	TRY(c->o.connect != NULL ? c->o.connect(c->o.connect_ctx, &t) : connect_instance(c, &t));
	e = hello(c, k, t, &r);
	if (e != HF_OK) {
		t->ops->close(t);
		return e;
	}
	k->t = t;
	k->calls = 0;
	note_hello(c, k, &r);
	return share(c, k);
}
