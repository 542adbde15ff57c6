#include "fake_vault.h"

#include <string.h>

#include "map.h"

#define SIGNATURE "signature" /* of everything */

struct fake_link {
	struct transport t;
	struct fake_vault *v;
	uint64_t boot;
	bool broken;
};

void fake_start(struct fake_vault *v)
{
	memset(v, 0, sizeof(*v));
	mutex_init(&v->lock);
	v->boot = 1;
	v->next_id = 100;
}

static void forget_all(struct fake_vault *v)
{
	memset(v->sessions, 0, sizeof(v->sessions));
	v->logged_in = false;
}

void fake_restart(struct fake_vault *v)
{
	forget_all(v);
	v->boot++;
}

void fake_script(struct fake_vault *v, enum calls_op op, enum fake_fault f)
{
	v->fault_op = op;
	v->fault = f;
}

void fake_log_clear(struct fake_vault *v)
{
	v->log_n = 0;
	v->log[0] = '\0';
}

static void note(struct fake_vault *v, uint16_t op)
{
	const char *name = calls_rows[op].name;
	size_t n = strlen(name);

	if (v->log_n + n + 2 > sizeof(v->log))
		return;
	memcpy(v->log + v->log_n, name, n);
	memcpy(v->log + v->log_n + n, " ", 2);
	v->log_n += n + 1;
}

static struct fake_session *find_session(struct fake_vault *v, uint64_t id)
{
	for (size_t i = 0; id != 0 && i < FAKE_SESSIONS; i++)
		if (v->sessions[i].id == id)
			return &v->sessions[i];
	return NULL;
}

static size_t count_sessions(const struct fake_vault *v)
{
	size_t n = 0;

	for (size_t i = 0; i < FAKE_SESSIONS; i++)
		n += v->sessions[i].id != 0;
	return n;
}

/* --- the calls ------------------------------------------------------------ */

static enum hf_err on_open(struct fake_vault *v, struct rd *in, struct buf *out)
{
	struct session_open_req q;
	struct session_open_res r;

	if (!session_open_req_dec(in, NULL, &q))
		return HF_E_MALFORMED;
	for (size_t i = 0; i < FAKE_SESSIONS; i++) {
		if (v->sessions[i].id != 0)
			continue;
		v->sessions[i] = (struct fake_session){ .id = ++v->next_id, .slot = q.slot };
		r.session = v->sessions[i].id;
		session_open_res_enc(out, &r);
		return HF_OK;
	}
	return HF_E_SESSION_COUNT;
}

/* on_random: bytes that tell which call they came by. */
static enum hf_err on_random(struct fake_vault *v, struct rd *in, struct buf *out)
{
	struct random_req q;
	uint8_t *p;

	if (!random_req_dec(in, NULL, &q))
		return HF_E_MALFORMED;
	v->randoms++;
	buf_u32(out, q.n);
	p = buf_add(out, q.n);
	if (p != NULL)
		memset(p, (int)v->randoms, q.n);
	return HF_OK;
}

static void close_one(struct fake_vault *v, struct fake_session *s)
{
	*s = (struct fake_session){ 0 };
	if (count_sessions(v) == 0)
		v->logged_in = false;
}

static enum hf_err on_sign(struct fake_vault *v, struct fake_session *s, enum calls_op op,
	struct rd *in, struct buf *out)
{
	struct sign_res r = { .need = sizeof(SIGNATURE) - 1 };
	uint32_t max;

	if (!s->signing)
		return HF_E_OP_NONE;
	if (!v->logged_in)
		return HF_E_NOT_LOGGED_IN;
	if (op == CALLS_SIGN_UPDATE) {
		s->fed = true;
		return HF_OK;
	}
	max = get_u32(in->p + in->n - 4);
	if (max != WIRE_NO_OUTPUT && max >= r.need) {
		r.out = SLICE_STR(SIGNATURE);
		s->signing = s->fed = false;
	}
	sign_res_enc(out, &r);
	return HF_OK;
}

static enum hf_err on_digest(const struct fake_vault *v, struct fake_session *s, enum calls_op op,
	struct buf *out)
{
	static const struct digest_res r = { .need = sizeof(SIGNATURE) - 1, .out = SLICE_STR(SIGNATURE) };
	const struct digest_init_res lent = { .lease = v->lease };

	if ((op == CALLS_DIGEST_INIT) == s->digesting)
		return s->digesting ? HF_E_OP_ACTIVE : HF_E_OP_NONE;
	if (op == CALLS_DIGEST_INIT)
		digest_init_res_enc(out, &lent);
	if (op == CALLS_DIGEST)
		digest_res_enc(out, &r);
	s->digesting = op != CALLS_DIGEST;
	return HF_OK;
}

static void put_ticket(const struct fake_vault *v, struct buf *out)
{
	buf_bytes(out, SLICE_STR("ticket"));
	buf_u32(out, v->renew_s);
}

static enum hf_err on_create(struct fake_vault *v, const struct wire_head *h, struct buf *out)
{
	if (!(h->flags & WIRE_FLAG_REPEAT) || h->request != v->last_origin)
		v->created++;
	v->last_origin = h->request;
	buf_u64(out, v->created);
	return HF_OK;
}

static enum hf_err on_session(struct fake_vault *v, struct fake_session *s,
	const struct wire_head *h, struct rd *in, struct buf *out)
{
	struct session_info_res info;

	if (s == NULL)
		return HF_E_SESSION_HANDLE;
	switch (h->opcode) {
	case CALLS_SESSION_INFO:
		info = (struct session_info_res){ .slot = s->slot, .state = 1, .rw = true };
		session_info_res_enc(out, &info);
		return HF_OK;
	case CALLS_SESSION_CLOSE:
		close_one(v, s);
		return HF_OK;
	case CALLS_LOGIN:
		if (v->logged_in)
			return HF_E_ALREADY_LOGGED_IN;
		v->logged_in = true;
		put_ticket(v, out);
		return HF_OK;
	case CALLS_LOGOUT:
		if (!v->logged_in)
			return HF_E_NOT_LOGGED_IN;
		v->logged_in = false;
		return HF_OK;
	case CALLS_TICKET_RENEW:
		put_ticket(v, out);
		return HF_OK;
	case CALLS_SIGN_INIT:
	case CALLS_ENCRYPT_INIT: /* is all the same here */
		if (s->signing)
			return HF_E_OP_ACTIVE;
		if (v->key_gone)
			return HF_E_KEY_HANDLE;
		s->signing = true;
		s->fed = false;
		return HF_OK;
	case CALLS_SIGN:
	case CALLS_ENCRYPT:
	case CALLS_SIGN_UPDATE:
	case CALLS_SIGN_FINAL:
		return on_sign(v, s, h->opcode, in, out);
	case CALLS_DIGEST_INIT:
	case CALLS_DIGEST:
	case CALLS_DIGEST_UPDATE:
		return on_digest(v, s, h->opcode, out);
	case CALLS_OP_CANCEL:
		s->signing = s->fed = s->digesting = false;
		return HF_OK;
	case CALLS_RANDOM:
		return on_random(v, in, out);
	case CALLS_OBJECT_CREATE:
		return on_create(v, h, out);
	default:
		return HF_E_UNSUPPORTED;
	}
}

static enum hf_err answer(struct fake_vault *v, const struct wire_head *h, struct rd in,
	struct buf *out)
{
	struct hello_res hello = { WIRE_VERSION, 1024, SLICE_STR("0123456789abcdef"), v->boot };

	switch (h->opcode) {
	case CALLS_HELLO:
		hello_res_enc(out, &hello);
		return HF_OK;
	case CALLS_PING:
		return HF_OK;
	case CALLS_SESSION_OPEN:
		return on_open(v, &in, out);
	case CALLS_SESSION_CLOSE_ALL:
		forget_all(v);
		return HF_OK;
	case CALLS_RESUME:
		if (v->refuse_tickets)
			return HF_E_TICKET;
		if (v->logged_in)
			return HF_E_ALREADY_LOGGED_IN;
		v->logged_in = true;
		return HF_OK;
	default:
		return on_session(v, find_session(v, h->session), h, &in, out);
	}
}

/* --- the link ------------------------------------------------------------- */

static enum hf_err break_link(struct fake_link *l)
{
	l->broken = true;
	return HF_E_CONNECTION;
}

static enum fake_fault take_fault(struct fake_vault *v, uint16_t op)
{
	enum fake_fault f = v->fault_op == op ? v->fault : FAULT_NONE;

	if (f != FAULT_NONE)
		v->fault = FAULT_NONE;
	return f;
}

static enum hf_err fake_one(struct transport *t, const struct request *q, struct buf *in,
	struct answer *ret, bool *ret_sent)
{
	CLEANUP(buf_done) struct buf fields = BUF_MAX(WIRE_MAX_BYTES);
	struct fake_link *l = container_of(t, struct fake_link, t);
	MUTEX_HOLD(&l->v->lock);
	enum fake_fault f = take_fault(l->v, q->head.opcode);

	*ret_sent = false;
	if (l->broken || l->boot != l->v->boot || f == FAULT_UNSEEN)
		return break_link(l);
	*ret_sent = true;
	note(l->v, q->head.opcode);
	l->v->early = q->early != NULL;
	l->v->poured = q->pours;
	if (f == FAULT_EARLY && q->early != NULL)
		memset(q->early->p, 'x', q->early->room);
	if (f == FAULT_RESTART || f == FAULT_EARLY)
		fake_restart(l->v);
	if (f == FAULT_FORGET)
		forget_all(l->v);
	if (f == FAULT_RESTART || f == FAULT_EARLY || f == FAULT_SEEN)
		return break_link(l);
	buf_raw(&fields, q->fields);
	buf_raw(&fields, q->data);
	buf_raw(&fields, q->tail);
	TRY(buf_err(&fields));
	buf_reset(in);
	ret->head = q->head;
	ret->head.flags = f == FAULT_LATE ? HF_E_DATA_LATE :
		(uint16_t)answer(l->v, &q->head, rd_of(buf_slice(&fields)), in);
	ret->fields = buf_slice(in);
	return f == FAULT_DONE ? break_link(l) : buf_err(in);
}

static enum hf_err fake_call(struct transport *t, const struct request *q, struct buf *in,
	struct answer *ret, bool *ret_sent)
{
	if (q->ahead != NULL) {
		TRY(fake_one(t, q->ahead, in, ret, ret_sent));
		if (ret->head.flags != HF_OK) {
			const uint16_t flags = ret->head.flags;

			*ret = (struct answer){ .head = q->head };
			ret->head.flags = flags;
			return HF_OK;
		}
	}
	return fake_one(t, q, in, ret, ret_sent);
}

static void fake_close(struct transport *t)
{
	struct fake_link *l = container_of(t, struct fake_link, t);

	{
		MUTEX_HOLD(&l->v->lock);
		l->v->links--;
	}
	hf_free(l);
}

enum hf_err fake_connect(void *ctx, struct transport **ret)
{
	static const struct transport_ops single = { fake_call, fake_close, .peer = NULL, .pairs = false };
	static const struct transport_ops pairs = { fake_call, fake_close, .peer = NULL, .pairs = true };
	struct fake_vault *v = ctx;
	struct fake_link *l;
	MUTEX_HOLD(&v->lock);

	if (v->waiting_opens > 0) {
		v->waiting_opens--;
		return HF_E_CONNECTION;
	}
	l = hf_alloc(1, sizeof(*l));
	if (l == NULL)
		return HF_E_MEMORY;
	*l = (struct fake_link){ .t = { v->pairs ? &pairs : &single }, .v = v, .boot = v->boot };
	v->links++;
	v->opened++;
	*ret = &l->t;
	return HF_OK;
}
