#include "client_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "clock.h"
#include "utf8.h"

#define PAUSE_MAX_MS 200u

/* --- the application ------------------------------------------------------ */

static void program_name(const char *given, char out[65])
{
	FILE *f = given == NULL ? fopen("/proc/self/comm", "re") : NULL;

	out[0] = '\0';
	if (given != NULL)
		(void)snprintf(out, 65, "%s", given);
	else if (f != NULL && fgets(out, 65, f) == NULL)
		out[0] = '\0';
	if (f != NULL)
		(void)fclose(f);
	out[strcspn(out, "\n")] = '\0';
	if (!utf8_valid(slice_str(out)))
		(void)snprintf(out, 65, "?");
}

static enum hf_err random_app(uint8_t out[CLIENT_APP_BYTES])
{
	ssize_t n;

	do
		n = getrandom(out, CLIENT_APP_BYTES, 0);
	while (n < 0 && errno == EINTR);
	return n == CLIENT_APP_BYTES ? HF_OK : HF_E_INTERNAL;
}

enum hf_err client_open(const struct client_options *o, struct client **ret)
{
	struct client *c = hf_alloc(1, sizeof(*c));
	enum hf_err e;

	if (c == NULL)
		return HF_E_MEMORY;
	c->o = *o;
	if (c->o.wait_ms == 0)
		c->o.wait_ms = CLIENT_WAIT_MS;
	c->max_message = WIRE_MAX_BYTES;
	program_name(o->program, c->program);
	for (size_t i = 0; i < CLIENT_MAX_CONNECTIONS; i++)
		c->conns[i].in = BUF_MAX(WIRE_MAX_BYTES);
	e = random_app(c->app);
	if (e != HF_OK) {
		hf_free(c);
		return e;
	}
	mutex_init(&c->lock);
	mutex_init(&c->restoring);
	mutex_init(&c->random_lock);
	cond_init(&c->freed);
	*ret = c;
	return HF_OK;
}

void client_close(struct client *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < CLIENT_MAX_CONNECTIONS; i++) {
		link_drop(c, &c->conns[i]);
		buf_done(&c->conns[i].in);
	}
	random_done(c);
	sessions_done(c);
	logins_done(c);
	instance_done(&c->instance);
	cond_done(&c->freed);
	mutex_done(&c->random_lock);
	mutex_done(&c->restoring);
	mutex_done(&c->lock);
	secret_wipe(c->app, sizeof(c->app));
	hf_free(c);
}

/* In a forked child other threads' locks stay locked for ever and protected
 * memory is gone: close the descriptors, and leave all the rest alone. */
void client_forget(struct client *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < CLIENT_MAX_CONNECTIONS; i++)
		if (c->conns[i].t != NULL)
			c->conns[i].t->ops->close(c->conns[i].t);
}

size_t client_part_max(struct client *c)
{
	MUTEX_HOLD(&c->lock);

	return c->max_message / 2; /* ample for all else that a request holds */
}

int client_daemon(struct client *c)
{
	return link_peer(c);
}

/* --- one call ------------------------------------------------------------- */

static bool is_link_trouble(enum hf_err e)
{
	return e == HF_E_CONNECTION || e == HF_E_TIMEOUT;
}

static bool apart(struct slice a, struct slice b)
{
	uintptr_t x = (uintptr_t)a.p, y = (uintptr_t)b.p;

	return x < y ? y - x >= a.n : x - y >= b.n;
}

/* may_be_early: a call that is repeated finds its data where they were. */
static struct early *may_be_early(const struct call *q)
{
	struct transfer_out *o = q->output;

	if (o == NULL)
		return NULL;
	o->early = (struct early){ o->p, o->room, NULL, 0 };
	return apart(q->data, (struct slice){ o->p, o->room }) ? &o->early : NULL;
}

static enum hf_err call_send(struct client *c, struct conn *k, uint64_t vault, struct call *q)
{
	struct request r = {
		.head = {
			.opcode = (uint16_t)q->op,
			.flags = q->seen ? WIRE_FLAG_REPEAT : 0,
			.request = q->request,
			.session = vault,
		},
		.fields = q->fields,
		.data = q->data,
		.tail = q->tail,
		.early = may_be_early(q),
		.pours = !q->seen && !q->was_late,
	};
	struct request ahead;
	bool sent = false;
	enum hf_err e;

	if (q->late != NULL) {
		ahead = operation_late(q->late, vault);
		r.ahead = &ahead;
	}
	e = link_ask(c, k, &r, &sent, &q->answer);
	if (e != HF_OK && sent)
		q->seen = true;
	if (e == HF_OK) {
		q->answered = true;
		q->generation = k->generation;
		q->boot = k->boot;
	}
	return e;
}

/* output_take copies an answer's data to where the caller wants them. */
static enum hf_err output_take(struct transfer_out *o, struct slice answer)
{
	struct rd r = rd_of(answer);
	struct slice data;
	size_t done = 0;

	if (!rd_u32(&r, &o->need) || !rd_bytes(&r, o->room, &data) || !rd_done(&r))
		return HF_E_MALFORMED;
	if (o->early.from == data.p && o->early.n <= data.n)
		done = o->early.n;
	if (data.n > done)
		memcpy(o->p + done, data.p + done, data.n - done);
	o->n = data.n;
	return HF_OK;
}

static enum hf_err call_keep_response(struct conn *k, struct call *q)
{
	struct slice kept = SLICE_NONE;

	if (q->answer != HF_OK)
		return HF_OK;
	if (q->output != NULL)
		return output_take(q->output, k->answer);
	if (k->answer.n > 0)
		TRY(arena_dup(q->arena, k->answer, &kept));
	*q->rest = rd_of(kept);
	return HF_OK;
}

/* A call that must not be repeated first asks whether the line is good, so that
 * a vault that restarted while the application was idle is no error. */
static enum hf_err call_probe(struct client *c, struct conn *k, const struct call *q)
{
	enum hf_err ignored;

	if (q->row->repeat != CALL_REPEAT_NO)
		return HF_OK;
	return link_tell(c, k, CALLS_PING, 0, NULL, &ignored);
}

static enum hf_err operation_call(struct client *c, struct conn *k, struct session *s,
	struct call *q)
{
	enum hf_err e;

	TRY(operation_restore(c, k, s, q));
	if (q->answered) {
		k->answer = q->said;
		return HF_OK;
	}
	e = call_send(c, k, s->vault, q);
	if (e == HF_OK)
		operation_note(s, q, k->answer);
	else if (q->seen)
		operation_broken(s, q);
	return e;
}

/* Calls of an operation keep the session to themselves, since what they may
 * repeat depends on the calls before; others only while they look at it. */
static enum hf_err session_call(struct client *c, struct conn *k, struct session *s, struct call *q)
{
	uint64_t vault;

	{
		MUTEX_HOLD(&s->lock);
		TRY(session_restore(c, k, s, q));
		if (q->answered)
			return HF_OK;
		TRY(operations_settle(c, k, s, q));
		s->ivs += operation_makes_iv(q->op);
		if (operation_is(q->op))
			return operation_call(c, k, s, q);
		vault = s->vault;
	}
	return call_send(c, k, vault, q);
}

static enum hf_err call_attempt(struct client *c, struct conn *k, struct session *s, struct call *q)
{
	TRY(link_up(c, k));
	TRY(call_probe(c, k, q));
	TRY(s != NULL ? session_call(c, k, s, q) : call_send(c, k, 0, q));
	return call_keep_response(k, q);
}

static enum hf_err call_once(struct client *c, struct call *q)
{
	struct session *s = NULL;
	struct conn *k;
	enum hf_err e;

	if (q->row->needs == CALL_NEEDS_SESSION) {
		s = session_get(c, q->session);
		if (s == NULL)
			return HF_E_SESSION_HANDLE;
		if (operation_here(c, s, q)) {
			*q->rest = rd_of(q->said);
			session_put(s);
			return HF_OK;
		}
	}
	if (q->request == 0)
		q->request = link_request_id(c);
	k = link_take(c);
	e = call_attempt(c, k, s, q);
	link_give(c, k);
	if (e == HF_OK && s != NULL && q->answer == HF_E_SESSION_HANDLE && !q->reopened) {
		session_lost(c, s);
		q->reopened = true;
		q->answered = false;
		q->seen = false;
	}
	if (e == HF_OK && q->answer == HF_E_DATA_LATE && !q->was_late) {
		q->was_late = true;
		q->answered = false;
	}
	if (s != NULL)
		session_put(s);
	return e;
}

static bool crowded(struct client *c)
{
	MUTEX_HOLD(&c->lock);

	return c->live > 0;
}

/* Whether the call may be tried again; then a pause is made, longer each time. */
static bool call_again(struct client *c, struct call *q, enum hf_err e)
{
	struct timespec t;
	uint64_t now = clock_mono_ns();

	if (!is_link_trouble(e) && !(e == HF_E_LIMIT && crowded(c)))
		return false;
	if (q->seen && q->row->repeat == CALL_REPEAT_NO)
		return false;
	if (q->deadline == 0)
		q->deadline = now + (uint64_t)c->o.wait_ms * 1000000u;
	else if (now >= q->deadline)
		return false;
	t = (struct timespec){ 0, (long)q->pause_ms * 1000000 };
	if (q->pause_ms > 0)
		(void)nanosleep(&t, NULL);
	q->pause_ms = q->pause_ms == 0 ? 1 : q->pause_ms * 2;
	if (q->pause_ms > PAUSE_MAX_MS)
		q->pause_ms = PAUSE_MAX_MS;
	return true;
}

/* changes_much: afterwards an _init may be answered otherwise than before. */
static bool changes_much(const struct call_row *row)
{
	return row->audit != CALL_AUDIT_NO && row->audit != CALL_AUDIT_USE;
}

enum hf_err call_run(struct client *c, struct call *q)
{
	enum hf_err e;

	q->row = &calls_rows[q->op];
	q->changes = c->changes;
	do {
		e = call_once(c, q);
		if (changes_much(q->row))
			c->changes++;
		if (q->answered && e == HF_OK)
			return q->answer;
	} while (e == HF_OK || call_again(c, q, e));
	if (!is_link_trouble(e))
		return e;
	return q->seen ? HF_E_CONNECTION : HF_E_NO_DAEMON;
}

enum hf_err client_call(struct client *c, enum calls_op op, uint64_t session,
	struct slice fields, struct arena *a, struct rd *rest)
{
	struct call q = {
		.op = op, .session = session, .fields = fields, .arena = a, .rest = rest,
	};

	return call_run(c, &q);
}

enum hf_err client_transfer(struct client *c, const struct transfer *t, struct transfer_out *o)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	uint8_t length[4];
	struct rd rest = { 0 };
	struct call q = {
		.op = t->op, .session = t->session, .tail = t->tail, .arena = &a, .rest = &rest, .output = o,
	};

	if (t->data != NULL) {
		if (t->data->n > WIRE_MAX_BYTES)
			return HF_E_TOO_BIG;
		put_u32(length, (uint32_t)t->data->n);
		q.fields = SLICE_OF(length);
		q.data = *t->data;
	}
	TRY(call_run(c, &q));
	return rd_done(&rest) ? HF_OK : HF_E_MALFORMED;
}
