#include "conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"

#define READ_STEP ((size_t)8192)  /* bytes asked of a socket at once, at least */
#define GROWTH ((size_t)1024)     /* what an answer may be longer than the data, amply */
#define REQUESTS_IN_A_ROW 64      /* of one client, before others are served */
#define LANE_KEEPS ((size_t)3 << 20) /* a longer buffer goes back to the allocator */

enum progress { DONE, WAIT, CLOSE, ASIDE };

void conn_open(struct conn *c, int fd, struct hsm_conn *hsm, enum hf_err refused,
	size_t max_message)
{
	*c = (struct conn){ .fd = fd, .hsm = hsm, .refused = refused, .max_message = max_message,
		.failed = HF_OK, .give_fd = -1 };
	c->in = c->out = BUF_MAX(WIRE_MAX_BYTES + WIRE_HEAD);
	if (hsm == NULL) /* who is refused may not stay */
		atomic_store(&c->since_ns, clock_mono_ns());
}

void conn_done(struct conn *c)
{
	close(c->fd);
	if (c->give_fd >= 0)
		close(c->give_fd);
	channel_close(c->channel);
	if (c->hsm != NULL)
		hsm_conn_close(c->hsm);
	buf_done(&c->in);
	buf_done(&c->out);
}

void lane_done(struct lane *l)
{
	buf_done(&l->in);
	buf_done(&l->out);
}

static void swap(struct buf *a, struct buf *b)
{
	struct buf t = *a;

	*a = *b;
	*b = t;
}

static void borrow(struct buf *own, struct buf *lanes)
{
	if (own->p != NULL || lanes->p == NULL)
		return;
	lanes->max = own->max;
	swap(own, lanes);
}

static void give_back(struct buf *own, struct buf *lanes)
{
	if (own->n > 0)
		return;
	if (lanes->p != NULL || own->cap > LANE_KEEPS)
		buf_done(own);
	else
		swap(own, lanes);
	*own = BUF_MAX(WIRE_MAX_BYTES + WIRE_HEAD);
}

/* --- the client keeps us waiting --------------------------------------------- */

static void waits_from_now(struct conn *c)
{
	uint64_t none = 0;

	atomic_compare_exchange_strong(&c->since_ns, &none, clock_mono_ns());
}

static void waits(struct conn *c)
{
	if (c->in.n > 0 || c->drain)
		waits_from_now(c);
}

static void came(struct conn *c)
{
	if (c->hsm != NULL && !c->drain)
		atomic_store(&c->since_ns, 0);
}

/* --- bytes --------------------------------------------------------------------- */

static void answer_error(struct conn *c, struct wire_head head, enum hf_err e)
{
	uint8_t *p = buf_add(&c->out, WIRE_HEAD);

	head.length = 0;
	head.flags = (uint16_t)e;
	head.session = 0;
	if (p != NULL)
		wire_head_put(&head, p);
}

/* send_some sends once; a descriptor goes with the first bytes. */
static ssize_t send_some(struct conn *c)
{
	struct iovec v = { c->out.p + c->sent, c->out.n - c->sent };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .align = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	ssize_t n;

	if (c->give_fd >= 0) {
		memcpy(CMSG_DATA(&control.align), &c->give_fd, sizeof(int));
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
	}
	n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
	if (n > 0 && c->give_fd >= 0) {
		close(c->give_fd);
		c->give_fd = -1;
	}
	return n;
}

/* leave puts the answer into the channel; what remains in out is for the socket. */
static void leave(struct conn *c)
{
	struct wire_head ring = { .opcode = WIRE_OP_RING };
	struct slice a = c->in_place.n > 0 ? c->in_place : buf_slice(&c->out);
	enum channel_given g = channel_give(c->channel, a);

	c->by_channel = false;
	c->in_place = SLICE_NONE;
	if (g == CHANNEL_FULL)
		return;
	buf_reset(&c->out);
	if (g == CHANNEL_SLEEPS)
		answer_error(c, ring, HF_OK);
}

/* flush sends what is left of the answer. */
static enum progress flush(struct conn *c)
{
	if (c->by_channel && c->out.n + c->in_place.n > 0)
		leave(c);
	while (c->sent < c->out.n) {
		ssize_t n = send_some(c);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? WAIT : CLOSE;
		c->sent += (size_t)n;
	}
	buf_reset(&c->out);
	c->sent = 0;
	return DONE;
}

/* read_size: memory grows with what has arrived, so a length that a stranger says
 * allocates nothing; and of what follows the request only little is taken along. */
static size_t read_size(const struct conn *c)
{
	size_t was = c->in.n, step = was > READ_STEP ? was : READ_STEP;
	size_t whole = was < WIRE_HEAD ? READ_STEP : WIRE_HEAD + get_u32(c->in.p);
	size_t missing = whole - was > READ_STEP ? whole - was : READ_STEP;

	step = step < missing ? step : missing;
	return step < c->in.max - was ? step : c->in.max - was;
}

/* fill reads once. WAIT: nothing there. */
static enum progress fill(struct conn *c)
{
	size_t was = c->in.n, step = read_size(c);
	uint8_t *p = step > 0 ? buf_add(&c->in, step) : NULL;
	ssize_t n;

	if (p == NULL)
		return CLOSE;
	do
		n = recv(c->fd, p, step, 0);
	while (n < 0 && errno == EINTR);
	buf_cut(&c->in, was + (n > 0 ? (size_t)n : 0));
	if (n < 0)
		return errno == EAGAIN ? WAIT : CLOSE;
	return n == 0 ? CLOSE : DONE;
}

/* discard: the client may still be sending what was refused; closing now would take
 * the answer away from it. */
static enum progress discard(struct conn *c)
{
	enum progress p;

	do {
		buf_reset(&c->in);
		p = fill(c);
	} while (p == DONE);
	return p;
}

/* --- requests -------------------------------------------------------------------- */

/* whole looks for a request at the front of what was read. CLOSE: it is too long. */
static enum progress whole(const struct conn *c, struct wire_head *ret)
{
	if (c->in.n < WIRE_HEAD)
		return WAIT;
	if (wire_head_get(c->in.p, WIRE_MAX_BYTES, ret) != HF_OK || ret->length > c->max_message) {
		ret->opcode = get_u16(c->in.p + 4);
		ret->request = get_u64(c->in.p + 8);
		return CLOSE;
	}
	return c->in.n - WIRE_HEAD >= ret->length ? DONE : WAIT;
}

/* drop removes the request that was answered from the front; its wiping takes time that the
 * client need not wait for. */
static void drop(struct conn *c)
{
	size_t rest = c->in.n - c->used;

	if (c->used == 0)
		return;
	memmove(c->in.p, c->in.p + c->used, rest);
	buf_cut(&c->in, rest);
	c->used = 0;
	if (rest == 0)
		c->bulk = SLICE_NONE;
}

/* refuse answers for the last time. */
static void refuse(struct conn *c, const struct wire_head *head, enum hf_err e)
{
	answer_error(c, *head, e);
	c->drain = true;
	waits(c);
}

/* share answers with memory of the client's and ours. */
static void share(struct conn *c, const struct wire_head *head)
{
	struct channel *made;
	enum hf_err e = c->channel != NULL || head->session != CHANNEL_LAYOUT ? HF_E_STATE :
		channel_make(&made, &c->give_fd);

	answer_error(c, *head, e);
	if (e != HF_OK)
		return;
	channel_watch(made);
	c->channel = made;
}

bool conn_asked(const struct conn *c)
{
	return c->channel != NULL && channel_asked(c->channel);
}

bool conn_asked_soon(const struct conn *c)
{
	return c->channel != NULL && channel_asked_soon(c->channel);
}

bool conn_rests(const struct conn *c)
{
	return c->channel != NULL && c->in.n == 0 && c->out.n == 0 && atomic_load(&c->since_ns) == 0;
}

void conn_watch(struct conn *c)
{
	if (c->channel == NULL)
		return;
	channel_watch(c->channel);
	c->called = true;
}

bool conn_unwatch(struct conn *c)
{
	return c->channel != NULL && channel_unwatch(c->channel);
}

void conn_crowded(struct conn *c, enum channel_crowd crowd)
{
	if (c->channel != NULL)
		channel_crowded(c->channel, crowd);
}

unsigned conn_seat(const struct conn *c)
{
	return c->channel != NULL ? channel_seat(c->channel) : 0;
}

void conn_nap(struct conn *c, uint64_t ns)
{
	if (c->channel != NULL)
		channel_nap(c->channel, ns);
}

bool conn_trim(struct conn *c, uint64_t now)
{
	struct channel *shared = c->channel;

	return shared != NULL && channel_trim(shared, now);
}

static bool there(const struct hsm_bulk *b, size_t n)
{
	return channel_there(b->ctx, b->data.n - n + sizeof(uint32_t)); /* max stands behind them */
}

static void ready(const struct hsm_bulk *b, const uint8_t *p, size_t n)
{
	channel_ready(b->ctx, p, n);
}

/* serve_bulk: the data of this request are still in the shared memory, and its answer may go there. */
static bool serve_bulk(struct conn *c, const struct wire_head *head, struct slice fields)
{
	size_t most = c->bulk.n < CHANNEL_ROOM - GROWTH ? c->bulk.n + GROWTH : CHANNEL_ROOM;
	const struct hsm_bulk b = { c->bulk, channel_room(c->channel, most), most, there, ready, c->channel };
	struct buf own;
	bool ok;

	if (buf_add(&c->out, WIRE_HEAD) == NULL) /* so that it does not move */
		return false;
	buf_cut(&c->out, 0);
	own = c->out;
	ok = hsm_serve_bulk(c->hsm, head, fields, &b, &c->out);
	if (c->out.p != b.room)
		return ok;
	c->in_place = buf_slice(&c->out);
	ok &= buf_err(&c->out) == HF_OK;
	c->out = own;
	buf_reset(&c->out);
	return ok;
}

/* serve: what a quiet request came to is kept for the next one. */
static bool serve(struct conn *c, const struct wire_head *head, struct slice fields)
{
	struct wire_head h = *head;

	h.flags &= (uint16_t)~WIRE_FLAG_QUIET;
	if (c->bulk.n > 0 && WIRE_HEAD + fields.n == c->in.n)
		return serve_bulk(c, head, fields) && buf_err(&c->out) == HF_OK;
	if (c->aside != NULL && (head->flags & WIRE_FLAG_QUIET) == 0)
		return hsm_serve_later(c->hsm, &h, fields, &c->later, &c->out) &&
			(c->later.call != NULL || buf_err(&c->out) == HF_OK);
	if (!hsm_serve(c->hsm, &h, fields, &c->out) || buf_err(&c->out) != HF_OK)
		return false;
	if ((head->flags & WIRE_FLAG_QUIET) != 0) {
		c->failed = err_from_wire(get_u16(c->out.p + 6));
		buf_reset(&c->out);
	}
	return true;
}

static struct slice request_fields(const struct conn *c, const struct wire_head *head)
{
	return (struct slice){ c->in.p + WIRE_HEAD, head->length };
}

static enum progress answer(struct conn *c, const struct wire_head *head)
{
	struct slice fields = request_fields(c, head);

	if (c->hsm == NULL) {
		refuse(c, head, c->refused);
		return DONE;
	}
	c->served++;
	c->used = WIRE_HEAD + head->length;
	if (head->opcode == WIRE_OP_CHANNEL) {
		share(c, head);
		return DONE;
	}
	if (c->failed != HF_OK) {
		answer_error(c, *head, c->failed);
		c->failed = HF_OK;
	} else if (!serve(c, head, fields)) {
		return CLOSE;
	}
	return c->later.call != NULL ? ASIDE : DONE;
}

/* last_frame finds where the last of the frames begins whose first bytes are in in, all `whole` long. */
static bool last_frame(const struct buf *in, size_t whole, size_t *ret_at, struct wire_head *ret)
{
	for (size_t at = 0; at + WIRE_HEAD + sizeof(uint32_t) <= in->n; at += WIRE_HEAD + ret->length) {
		if (wire_head_get(in->p + at, whole - at - WIRE_HEAD, ret) != HF_OK)
			return false;
		*ret_at = at;
		if (ret->length == whole - at - WIRE_HEAD)
			return true;
	}
	return false;
}

/* set_aside leaves a request's data in the shared memory. false: all is to be copied.
 *   there:  | what is ahead | head | length u32 | data          | u32 |
 *   in in:  | what is ahead | head | RD_ASIDE u32               | u32 | */
static bool set_aside(struct conn *c, struct slice whole)
{
	struct wire_head h = { 0 };
	size_t at, n;

	if (!last_frame(&c->in, whole.n, &at, &h) || !hsm_takes_bulk(&h) || h.flags & WIRE_FLAG_QUIET ||
	    h.length > c->max_message || h.length < 2 * sizeof(uint32_t))
		return false;
	n = get_u32(c->in.p + at + WIRE_HEAD);
	if (n == 0 || n != h.length - 2 * sizeof(uint32_t))
		return false;
	h.length = 2 * sizeof(uint32_t);
	wire_head_put(&h, c->in.p + at);
	put_u32(c->in.p + at + WIRE_HEAD, RD_ASIDE);
	buf_cut(&c->in, at + WIRE_HEAD + sizeof(uint32_t));
	buf_raw(&c->in, (struct slice){ whole.p + whole.n - sizeof(uint32_t), sizeof(uint32_t) });
	c->bulk = (struct slice){ whole.p + at + WIRE_HEAD + sizeof(uint32_t), n };
	return buf_err(&c->in) == HF_OK;
}

/* take takes what is in the shared memory. */
static void take(struct conn *c)
{
	struct slice whole;

	c->bulk = SLICE_NONE;
	c->by_channel = channel_take(c->channel, &c->in, &whole);
	if (!c->by_channel || whole.n == 0 || set_aside(c, whole))
		return;
	c->by_channel = channel_take_rest(c->channel, whole, &c->in);
	if (!c->by_channel) {
		buf_reset(&c->in);
		waits_from_now(c);
	}
}

/* next_request reads until there is one, or what is there has been refused. */
static enum progress next_request(struct conn *c, struct wire_head *head)
{
	enum progress p;

	for (;;) {
		if (c->channel != NULL && c->in.n == 0)
			take(c);
		p = whole(c, head);
		if (p == DONE && head->opcode == WIRE_OP_RING) {
			c->used = WIRE_HEAD + head->length;
			drop(c);
			continue;
		}
		if (p == DONE)
			return DONE;
		if (p == CLOSE) {
			refuse(c, head, HF_E_TOO_BIG);
			return DONE;
		}
		p = fill(c);
		if (p != DONE)
			return p;
	}
}

static enum conn_next go_on(struct conn *c, bool may_be_slow)
{
	bool from_channel = false;

	/* Left there, what rang would call again. */
	if (c->called && fill(c) == CLOSE)
		return CONN_CLOSE;
	c->called = false;
	for (unsigned served = 0;; served++) {
		struct wire_head head = { 0 };
		enum progress p = flush(c);

		if (p != DONE)
			return p == WAIT ? CONN_WRITE : CONN_CLOSE;
		drop(c);
		if (c->channel != NULL && channel_spoilt(c->channel))
			return CONN_CLOSE;
		if (c->drain)
			return discard(c) == WAIT ? CONN_READ : CONN_CLOSE;
		if (served == REQUESTS_IN_A_ROW)
			return CONN_AGAIN;
		/* Whose requests come through the channel has nothing on the socket; if so, it will
		 * be seen when the socket is waited for. And others may be due. */
		if (from_channel && c->in.n == 0)
			return CONN_READ;
		p = next_request(c, &head);
		if (p != DONE)
			return p == WAIT ? CONN_READ : CONN_CLOSE;
		if (c->drain)
			continue;
		came(c);
		if (!may_be_slow && hsm_is_slow(c->hsm, &head, request_fields(c, &head)))
			return CONN_SLOW;
		may_be_slow = false;
		from_channel = c->by_channel;
		p = answer(c, &head);
		if (p == ASIDE)
			return CONN_ASIDE;
		if (p == CLOSE) {
			(void)flush(c);
			return CONN_CLOSE;
		}
	}
}

/* finish_aside: others of this connection's requests may have come with the one that is answered now. */
static enum conn_next finish_aside(struct conn *c)
{
	enum progress p;

	if (!hsm_go_on(&c->later))
		return CONN_ASIDE;
	if (buf_err(&c->out) != HF_OK)
		return CONN_CLOSE;
	p = flush(c);
	if (p != DONE)
		return p == WAIT ? CONN_WRITE : CONN_CLOSE;
	drop(c);
	return c->in.n > 0 ? CONN_AGAIN : CONN_READ;
}

static void give_back_both(struct conn *c, struct lane *l)
{
	give_back(&c->in, &l->in);
	give_back(&c->out, &l->out);
}

enum conn_next conn_go_on(struct conn *c, struct lane *l)
{
	enum conn_next next = finish_aside(c);

	give_back_both(c, l);
	return next;
}

enum conn_next conn_advance(struct conn *c, struct lane *l, bool may_be_slow)
{
	enum conn_next next;

	borrow(&c->in, &l->in);
	borrow(&c->out, &l->out);
	next = go_on(c, may_be_slow);
	if (next == CONN_READ)
		waits(c);
	if (c->drain)
		buf_reset(&c->in);
	give_back_both(c, l);
	return next;
}
