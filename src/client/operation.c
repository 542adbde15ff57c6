#include "client_int.h"

#include <string.h>

#include "clock.h"

/* STEP_MESSAGE: the process goes on whatever it is answered. */
enum step { STEP_NONE, STEP_INIT, STEP_SINGLE, STEP_UPDATE, STEP_MESSAGE, STEP_FINAL };

/* What a call does to an operation. out: its request ends with u32 max and its
 * response begins with u32 need. */
struct op_row {
	enum step step;
	enum op_kind kind;
	bool out;
};

#define ROW(op, step, kind, out) [CALLS_##op] = { STEP_##step, OPK_##kind, out }

static const struct op_row op_rows[CALLS_ROWS] = {
	ROW(ENCRYPT_INIT, INIT, ENCRYPT, false),
	ROW(ENCRYPT, SINGLE, ENCRYPT, true),
	ROW(ENCRYPT_UPDATE, UPDATE, ENCRYPT, true),
	ROW(ENCRYPT_FINAL, FINAL, ENCRYPT, true),
	ROW(DECRYPT_INIT, INIT, DECRYPT, false),
	ROW(DECRYPT, SINGLE, DECRYPT, true),
	ROW(DECRYPT_UPDATE, UPDATE, DECRYPT, true),
	ROW(DECRYPT_FINAL, FINAL, DECRYPT, true),
	ROW(DIGEST_INIT, INIT, DIGEST, false),
	ROW(DIGEST, SINGLE, DIGEST, true),
	ROW(DIGEST_UPDATE, UPDATE, DIGEST, false),
	ROW(DIGEST_KEY, UPDATE, DIGEST, false),
	ROW(DIGEST_FINAL, FINAL, DIGEST, true),
	ROW(SIGN_INIT, INIT, SIGN, false),
	ROW(SIGN, SINGLE, SIGN, true),
	ROW(SIGN_UPDATE, UPDATE, SIGN, false),
	ROW(SIGN_FINAL, FINAL, SIGN, true),
	ROW(SIGN_RECOVER_INIT, INIT, SIGN_RECOVER, false),
	ROW(SIGN_RECOVER, SINGLE, SIGN_RECOVER, true),
	ROW(VERIFY_INIT, INIT, VERIFY, false),
	ROW(VERIFY, SINGLE, VERIFY, false),
	ROW(VERIFY_UPDATE, UPDATE, VERIFY, false),
	ROW(VERIFY_FINAL, FINAL, VERIFY, false),
	ROW(VERIFY_RECOVER_INIT, INIT, VERIFY_RECOVER, false),
	ROW(VERIFY_RECOVER, SINGLE, VERIFY_RECOVER, true),
	ROW(VERIFY_SIGNATURE_INIT, INIT, VERIFY_SIGNATURE, false),
	ROW(VERIFY_SIGNATURE, SINGLE, VERIFY_SIGNATURE, false),
	ROW(VERIFY_SIGNATURE_UPDATE, UPDATE, VERIFY_SIGNATURE, false),
	ROW(VERIFY_SIGNATURE_FINAL, FINAL, VERIFY_SIGNATURE, false),
	ROW(MESSAGE_ENCRYPT_INIT, INIT, MESSAGE_ENCRYPT, false),
	ROW(MESSAGE_ENCRYPT, MESSAGE, MESSAGE_ENCRYPT, true),
	ROW(MESSAGE_ENCRYPT_BEGIN, MESSAGE, MESSAGE_ENCRYPT, false),
	ROW(MESSAGE_ENCRYPT_NEXT, MESSAGE, MESSAGE_ENCRYPT, true),
	ROW(MESSAGE_ENCRYPT_FINAL, FINAL, MESSAGE_ENCRYPT, false),
	ROW(MESSAGE_DECRYPT_INIT, INIT, MESSAGE_DECRYPT, false),
	ROW(MESSAGE_DECRYPT, MESSAGE, MESSAGE_DECRYPT, true),
	ROW(MESSAGE_DECRYPT_BEGIN, MESSAGE, MESSAGE_DECRYPT, false),
	ROW(MESSAGE_DECRYPT_NEXT, MESSAGE, MESSAGE_DECRYPT, true),
	ROW(MESSAGE_DECRYPT_FINAL, FINAL, MESSAGE_DECRYPT, false),
	ROW(MESSAGE_SIGN_INIT, INIT, MESSAGE_SIGN, false),
	ROW(MESSAGE_SIGN, MESSAGE, MESSAGE_SIGN, true),
	ROW(MESSAGE_SIGN_BEGIN, MESSAGE, MESSAGE_SIGN, false),
	ROW(MESSAGE_SIGN_NEXT, MESSAGE, MESSAGE_SIGN, true),
	ROW(MESSAGE_SIGN_FINAL, FINAL, MESSAGE_SIGN, false),
	ROW(MESSAGE_VERIFY_INIT, INIT, MESSAGE_VERIFY, false),
	ROW(MESSAGE_VERIFY, MESSAGE, MESSAGE_VERIFY, false),
	ROW(MESSAGE_VERIFY_BEGIN, MESSAGE, MESSAGE_VERIFY, false),
	ROW(MESSAGE_VERIFY_NEXT, MESSAGE, MESSAGE_VERIFY, false),
	ROW(MESSAGE_VERIFY_FINAL, FINAL, MESSAGE_VERIFY, false),
};

bool operation_makes_iv(enum calls_op op)
{
	return op == CALLS_MESSAGE_ENCRYPT || op == CALLS_MESSAGE_ENCRYPT_BEGIN ||
	       op == CALLS_KEY_WRAP_AUTH;
}

bool operation_is(enum calls_op op)
{
	return op == CALLS_OP_CANCEL || op_rows[op].step != STEP_NONE;
}

static uint32_t bit(enum op_kind k)
{
	return 1u << k;
}

static void forget(struct session *s, enum op_kind k)
{
	buf_done(&s->ops[k].request);
	s->ops[k] = (struct op_memory){ 0 };
	s->late &= ~bit(k);
}

/* end keeps what is known of its _init. */
static void end(struct session *s, enum op_kind k)
{
	struct op_memory *m = &s->ops[k];

	m->active = m->fed = m->unsure = false;
	s->late &= ~bit(k);
}

bool client_operation(struct client *c, uint64_t session, enum op_kind k, uint32_t *ret_type)
{
	struct session *s = session_get(c, session);
	bool runs = false;

	if (s == NULL)
		return false;
	{
		MUTEX_HOLD(&s->lock);
		struct rd r = rd_of(buf_slice(&s->ops[k].request)); /* its first field */

		runs = s->ops[k].active && rd_u32(&r, ret_type);
	}
	session_put(s);
	return runs;
}

void client_operations_taken(struct client *c, uint64_t session, uint32_t ops)
{
	struct session *s = session_get(c, session);

	if (s == NULL)
		return;
	mutex_lock(&s->lock);
	for (unsigned i = 0; i < OPK_COUNT; i++) {
		forget(s, i);
		if (ops >> i & 1)
			s->ops[i] = (struct op_memory){ .active = true, .fed = true, .epoch = s->epoch };
	}
	mutex_unlock(&s->lock);
	session_put(s);
}

void operations_done(struct session *s)
{
	for (unsigned i = 0; i < OPK_COUNT; i++)
		forget(s, i);
}

/* --- before a call -------------------------------------------------------- */

static enum hf_err cancel(struct client *c, struct conn *k, struct session *s, enum op_kind kind)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(64);
	struct op_cancel_req q = { .ops = bit(kind) };
	enum hf_err ignored;

	op_cancel_req_enc(&b, &q);
	return link_tell(c, k, CALLS_OP_CANCEL, s->vault, &b, &ignored);
}

static enum hf_err begin_anew(struct client *c, struct conn *k, struct session *s,
	enum op_kind kind, struct call *q)
{
	struct op_memory *m = &s->ops[kind];
	enum hf_err answer;

	TRY(cancel(c, k, s, kind));
	TRY(link_tell(c, k, (enum calls_op)m->init, s->vault, &m->request, &answer));
	if (answer != HF_OK) {
		forget(s, kind);
		q->answered = true;
		q->answer = answer;
		return HF_OK;
	}
	m->epoch = s->epoch;
	m->unsure = false;
	s->late &= ~bit(kind);
	return HF_OK;
}

static enum hf_err give_up(struct client *c, struct conn *k, struct session *s, enum op_kind kind,
	struct call *q)
{
	forget(s, kind);
	q->answered = true;
	q->answer = HF_E_OP_LOST;
	return cancel(c, k, s, kind);
}

/* --- an _init that can wait ------------------------------------------------ */

struct request operation_late(const struct op_memory *m, uint64_t vault_session)
{
	struct slice s = buf_slice(&m->request);

	return (struct request){
		.head = { (uint32_t)s.n, m->init, WIRE_FLAG_QUIET, 0, vault_session },
		.fields = s,
	};
}

/* is_known: this _init went well before, and would again. */
static bool is_known(const struct client *c, const struct op_memory *m, const struct call *q)
{
	return m->known && !m->active && m->init == q->op && m->changes == c->changes &&
	       slice_eq(buf_slice(&m->request), q->fields);
}

static bool is_leased(const struct op_memory *m)
{
	return m->lease != 0 && clock_mono_ns() < m->lease;
}

/* leased_once: the vault has to be asked, for only the answer to an _init of its own says so again. */
static bool leased_once(const struct op_memory *m)
{
	return m->lease != 0 && !is_leased(m);
}

static bool may_wait(const struct client *c, const struct conn *k, const struct op_memory *m,
	const struct call *q)
{
	return is_known(c, m, q) && k->t->ops->pairs && !q->seen && !leased_once(m);
}

static void begin_late(struct session *s, enum op_kind k, struct call *q)
{
	static const uint8_t no_lease[sizeof(uint32_t)];
	struct op_memory *m = &s->ops[k];

	m->active = true;
	s->late |= bit(k);
	m->fed = m->unsure = false;
	m->epoch = s->epoch;
	q->answered = true;
	q->answer = HF_OK;
	if (q->op == CALLS_DIGEST_INIT)
		q->said = SLICE_OF(no_lease);
}

enum hf_err operations_settle(struct client *c, struct conn *k, struct session *s, const struct call *q)
{
	const struct op_row *row = &op_rows[q->op];
	uint32_t due = s->late & ~(row->step > STEP_INIT ? bit(row->kind) : 0);

	for (unsigned i = 0; due >> i != 0; i++) {
		struct call ignored = { 0 };

		if (due >> i & 1)
			TRY(begin_anew(c, k, s, i, &ignored));
	}
	return HF_OK;
}

enum hf_err operation_restore(struct client *c, struct conn *k, struct session *s, struct call *q)
{
	const struct op_row *row = &op_rows[q->op];
	struct op_memory *m = &s->ops[row->kind];
	bool late;

	if (row->step == STEP_NONE)
		return HF_OK;
	q->late = NULL;
	if (row->step == STEP_INIT && may_wait(c, k, m, q)) {
		begin_late(s, row->kind, q);
		return HF_OK;
	}
	/* An _init that may have arrived before must not meet its own operation. */
	if (row->step == STEP_INIT)
		return q->seen && !m->active ? cancel(c, k, s, row->kind) : HF_OK;
	late = (s->late & bit(row->kind)) != 0;
	if (late && m->epoch == s->epoch && !m->unsure && k->t->ops->pairs)
		q->late = m;
	if (q->late != NULL || !m->active || (m->epoch == s->epoch && !m->unsure && !late))
		return HF_OK;
	if (m->fed)
		return give_up(c, k, s, row->kind, q);
	return begin_anew(c, k, s, row->kind, q);
}

/* --- without the vault ------------------------------------------------------ */

static uint32_t mechanism_of(const struct op_memory *m)
{
	struct rd r = rd_of(buf_slice(&m->request)); /* its first field */
	uint32_t type;

	return rd_u32(&r, &type) ? type : UINT32_MAX;
}

/* digest is C_Digest as the vault would answer it. */
static void digest(struct session *s, struct call *q)
{
	const struct op_memory *m = &s->ops[OPK_DIGEST];
	uint32_t type = mechanism_of(m), max = get_u32(q->tail.p);
	uint8_t out[DIGEST_HERE_MAX];

	q->answered = true;
	q->answer = HF_OK;
	q->output->need = (uint32_t)digest_here(type, q->data, NULL);
	q->output->n = 0;
	if (max == WIRE_NO_OUTPUT || q->output->need > max)
		return;
	q->output->n = digest_here(type, q->data, out);
	memcpy(q->output->p, out, q->output->n);
	end(s, OPK_DIGEST);
}

bool operation_here(const struct client *c, struct session *s, struct call *q)
{
	const struct op_memory *m = &s->ops[OPK_DIGEST];

	if (q->op != CALLS_DIGEST_INIT && q->op != CALLS_DIGEST)
		return false;
	MUTEX_HOLD(&s->lock);
	if (q->seen || !is_leased(m))
		return false;
	if (q->op == CALLS_DIGEST_INIT && is_known(c, m, q))
		begin_late(s, OPK_DIGEST, q);
	else if (q->op == CALLS_DIGEST && (s->late & bit(OPK_DIGEST)) != 0 && q->output != NULL &&
		 q->tail.n == sizeof(uint32_t))
		digest(s, q);
	return q->answered;
}

/* --- after it ------------------------------------------------------------- */

/* note_lease: of a digest that is not known here nothing comes. */
static void note_lease(struct op_memory *m, const struct call *q, struct slice response)
{
	struct rd r = rd_of(response);
	uint32_t ms;

	if (q->op == CALLS_DIGEST_INIT && rd_u32(&r, &ms) && ms > 0 &&
	    digest_here(mechanism_of(m), SLICE_NONE, NULL) > 0)
		m->lease = clock_mono_ns() + (uint64_t)ms * 1000000u;
}

static void note_init(struct session *s, const struct call *q, enum op_kind k, struct slice response)
{
	struct op_memory *m = &s->ops[k];

	if (q->answer != HF_OK)
		return;
	forget(s, k);
	m->request = BUF_MAX(WIRE_MAX_BYTES);
	buf_raw(&m->request, q->fields);
	if (buf_err(&m->request) != HF_OK) { /* no memory: it will not be repeated */
		forget(s, k);
		return;
	}
	m->active = m->known = true;
	m->init = (uint16_t)q->op;
	m->epoch = s->epoch;
	m->changes = q->changes;
	note_lease(m, q, response);
}

/* Too small a buffer, or only the length asked for: the operation goes on. */
static bool output_did_not_fit(const struct op_row *row, const struct call *q, struct slice response)
{
	struct slice last = q->tail.n > 0 ? q->tail : q->fields;
	struct rd r = rd_of(response);
	uint32_t need, max;

	if (!row->out || last.n < 4 || !rd_u32(&r, &need))
		return false;
	max = get_u32(last.p + last.n - 4);
	return max == WIRE_NO_OUTPUT || need > max;
}

static void note_cancel(struct session *s, const struct call *q)
{
	struct rd r = rd_of(q->fields);
	uint32_t ops;

	if (q->answer != HF_OK || !rd_u32(&r, &ops))
		return;
	for (unsigned i = 0; i < OPK_COUNT; i++)
		if (ops >> i & 1)
			forget(s, i);
}

/* went_on: the operation lives, and the vault has begun it. */
static void went_on(struct session *s, enum op_kind k, bool fed)
{
	s->ops[k].fed |= fed;
	s->late &= ~bit(k);
}

void operation_note(struct session *s, const struct call *q, struct slice response)
{
	const struct op_row *row = &op_rows[q->op];

	if (q->answer == HF_E_SESSION_HANDLE) /* it will be opened anew, and this be done */
		return;
	if (q->answer == HF_E_DATA_LATE) { /* and begun */
		went_on(s, row->kind, false);
		return;
	}
	if (q->op == CALLS_OP_CANCEL)
		note_cancel(s, q);
	else if (row->step == STEP_INIT)
		note_init(s, q, row->kind, response);
	else if (row->step == STEP_MESSAGE && q->answer != HF_E_OP_NONE)
		went_on(s, row->kind, true);
	else if (q->answer != HF_OK)
		forget(s, row->kind);
	else if (output_did_not_fit(row, q, response))
		went_on(s, row->kind, false);
	else if (row->step == STEP_UPDATE)
		went_on(s, row->kind, true);
	else
		end(s, row->kind);
}

void operation_broken(struct session *s, const struct call *q)
{
	struct op_memory *m = &s->ops[op_rows[q->op].kind];

	if (op_rows[q->op].step != STEP_NONE)
		m->unsure = m->active;
}
