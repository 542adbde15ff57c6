/* op.c: one engine for all operations: init, single part, update, final. */
#include "op_int.h"

#include <string.h>

#include "backup.h"
#include "app.h"
#include "guard.h"
#include "onetime.h"
#include "pkcs11_numbers.h"
#include "policy.h"
#include "usage.h"

#define COPY_MAX (1u << 20) /* bytes gathered of an operation that is copied */
#define PIECE ((size_t)32 << 10) /* bytes that are ready at once of a long answer */

const struct op_sort op_sorts[OPK_COUNT] = {
	[OPK_ENCRYPT] = { CKF_ENCRYPT, VERB_ENCRYPT, false },
	[OPK_DECRYPT] = { CKF_DECRYPT, VERB_DECRYPT, true },
	[OPK_DIGEST] = { CKF_DIGEST, VERB_DIGEST, false },
	[OPK_SIGN] = { CKF_SIGN, VERB_SIGN, false },
	[OPK_SIGN_RECOVER] = { CKF_SIGN_RECOVER, VERB_SIGN_RECOVER, false },
	[OPK_VERIFY] = { CKF_VERIFY, VERB_VERIFY, false },
	[OPK_VERIFY_RECOVER] = { CKF_VERIFY_RECOVER, VERB_VERIFY_RECOVER, true },
	[OPK_VERIFY_SIGNATURE] = { CKF_VERIFY, VERB_VERIFY, false },
	[OPK_MESSAGE_ENCRYPT] = { CKF_ENCRYPT | USE_MESSAGE, VERB_ENCRYPT, false },
	[OPK_MESSAGE_DECRYPT] = { CKF_DECRYPT | USE_MESSAGE, VERB_DECRYPT, false },
	[OPK_MESSAGE_SIGN] = { CKF_SIGN | USE_MESSAGE, VERB_SIGN, false },
	[OPK_MESSAGE_VERIFY] = { CKF_VERIFY | USE_MESSAGE, VERB_VERIFY, false },
};

void op_end(struct op *op)
{
	if (op->begun)
		op->crypt.mech->family->end(&op->crypt);
	op->begun = false;
	op->crypt.state = NULL;
}

void op_free(struct op *op)
{
	if (op == NULL)
		return;
	op_end(op);
	op_bound_end(op);
	object_unref(op->key);
	buf_done(&op->gathered);
	secret_done(&op->expected);
	secret_done(&op->stash);
	secret_done(&op->param);
	secret_done(&op->message);
	hf_free(op);
}

static void op_release(struct op **op)
{
	op_free(*op);
}

enum hf_err op_start(struct op *op)
{
	enum hf_err e = op->crypt.mech->family->begin(&op->crypt);

	op->begun = e == HF_OK || op->crypt.state != NULL;
	return e;
}

/* named_key: a digest may be one over a public key that the parameter names. */
static enum hf_err named_key(struct calls_ctx *c, struct op *op, struct mech_use *u)
{
	uint64_t handle[OTHER_KEYS_MAX];

	mech_other_keys(u->mech, &u->params, handle);
	if (handle[0] == 0)
		return HF_OK;
	TRY(object_get(c, handle[0], HF_E_KEY_HANDLE, &op->key));
	if (op->key->cko != CKO_PUBLIC_KEY || op->key->ckk != u->mech->key)
		return HF_E_KEY_TYPE;
	TRY(mech_lets(c, u->mech, CKF_DIGEST, op->key));
	return object_key(op->key, &u->key);
}

/* The key's own PIN may come after the init, as that of CKA_ALWAYS_AUTHENTICATE does: then
 * the use is counted with the first data. */
static enum hf_err begin_use(struct calls_ctx *c, struct op *op)
{
	enum hf_err e = op_first_use(c, op);

	return op->use_waits ? HF_OK : e;
}

/* op_new checks everything and begins. */
static enum hf_err op_new(struct calls_ctx *c, enum op_kind k, const struct mech_in *m,
	uint64_t key, struct op **ret)
{
	CLEANUP(op_release) struct op *op = hf_alloc(1, sizeof(*op));
	struct mech_in in = { .type = m->type };
	struct mech_use u;

	if (op == NULL)
		return HF_E_MEMORY;
	if (k != OPK_DIGEST)
		TRY(object_get(c, key, HF_E_KEY_HANDLE, &op->key));
	if (m->param.n != 0)
		TRY(secret_dup(m->param, &op->param));
	in.param = secret_slice(&op->param);
	TRY(mech_may(c, &in, op_sorts[k].use, op->key, &u));
	if (k == OPK_DIGEST)
		TRY(named_key(c, op, &u));
	op->params = u.params;
	op->crypt = (struct crypt){ u.mech, op_sorts[k].verb, u.key, &op->params, NULL };
	if (k == OPK_SIGN && c->conn != NULL)
		atomic_store_explicit(&c->conn->signs_slowly, (u.mech->flags & MECH_ONE_TIME) != 0,
			memory_order_relaxed);
	op->gathers = u.mech->family->update == NULL || (u.mech->flags & MECH_NO_MULTI) != 0;
	op->gathered = BUF_MAX(WIRE_MAX_BYTES);
	op->use = op_sorts[k].use;
	if (op->key != NULL && !op_is_message(k)) /* messages are counted one by one */
		TRY(begin_use(c, op));
	op->wants_login = op->key != NULL && op->key->wants_login;
	TRY(op_is_message(k) ? message_first(k, op) : op_start(op));
	*ret = op;
	op = NULL;
	return HF_OK;
}

static enum hf_err copy_secret(const struct secret *from, struct secret *to)
{
	return from->n == 0 ? HF_OK : secret_dup(secret_slice(from), to);
}

/* copy_parts: all but the family's state. */
static enum hf_err copy_parts(const struct op *from, struct op *op)
{
	if (from->gathered.n > COPY_MAX || from->bound)
		return HF_E_STATE_UNSAVEABLE;
	op->fed = from->fed;
	op->gathers = from->gathers;
	op->finished = from->finished;
	op->wants_login = from->wants_login;
	op->gathered = BUF_MAX(WIRE_MAX_BYTES);
	buf_raw(&op->gathered, buf_slice(&from->gathered));
	TRY(buf_err(&op->gathered));
	TRY(copy_secret(&from->param, &op->param));
	TRY(copy_secret(&from->expected, &op->expected));
	TRY(copy_secret(&from->stash, &op->stash));
	return params_decode(from->crypt.mech->param, secret_slice(&op->param), &op->params);
}

enum hf_err op_copy(const struct op *from, struct op **ret)
{
	CLEANUP(op_release) struct op *op = hf_alloc(1, sizeof(*op));
	const struct crypt *c = &from->crypt;

	if (op == NULL)
		return HF_E_MEMORY;
	TRY(copy_parts(from, op));
	op->key = from->key;
	if (op->key != NULL)
		object_ref(op->key);
	op->crypt = (struct crypt){ c->mech, c->verb, c->key, &op->params, NULL };
	TRY(op_start(op));
	if (from->fed && !from->gathers && !from->finished)
		TRY(c->mech->family->copy == NULL ? HF_E_STATE_UNSAVEABLE :
						    c->mech->family->copy(c, &op->crypt));
	*ret = op;
	op = NULL;
	return HF_OK;
}

enum hf_err op_begin(struct calls_ctx *c, enum op_kind k, const struct mech_in *m, uint64_t key)
{
	struct op **at = &c->session->ops[k];

	/* A request sent again may find what its first copy began. */
	if (*at != NULL && ((c->head.flags & WIRE_FLAG_REPEAT) == 0 || (*at)->fed))
		return HF_E_OP_ACTIVE;
	op_cancel(c->session, k);
	return op_new(c, k, m, key, at);
}

void op_cancel(struct session *s, enum op_kind k)
{
	op_free(s->ops[k]);
	s->ops[k] = NULL;
}

enum hf_err op_expect(struct calls_ctx *c, enum op_kind k, struct slice signature)
{
	enum hf_err e = HF_OK;

	if (signature.n != 0)
		e = secret_dup(signature, &c->session->ops[k]->expected);
	if (e != HF_OK)
		op_cancel(c->session, k);
	return e;
}

void ops_drop(struct session *s)
{
	backup_drop(s);
	for (int k = 0; k < OPK_COUNT; k++)
		op_cancel(s, (enum op_kind)k);
}

void ops_drop_private(struct session *s)
{
	backup_drop(s);
	for (int k = 0; k < OPK_COUNT; k++)
		if (s->ops[k] != NULL && s->ops[k]->key != NULL && s->ops[k]->key->private_)
			op_cancel(s, (enum op_kind)k);
}

uint64_t op_waits_for_login(const struct session *s)
{
	for (int k = 0; k < OPK_COUNT; k++)
		if (s->ops[k] != NULL && (s->ops[k]->wants_login || s->ops[k]->use_waits))
			return s->ops[k]->key->handle;
	return 0;
}

void op_context_login(struct session *s, uint64_t key)
{
	for (int k = 0; k < OPK_COUNT; k++)
		if (s->ops[k] != NULL && s->ops[k]->wants_login &&
		    (key == 0 || s->ops[k]->key->handle == key))
			s->ops[k]->authenticated = true;
}

bool out_fits(const struct op_io *io, size_t need)
{
	*io->ret_need = need < UINT32_MAX ? (uint32_t)need : UINT32_MAX - 1;
	return io->max != WIRE_NO_OUTPUT && need <= io->max;
}

enum hf_err out_room(struct calls_ctx *c, size_t n, struct buf *ret)
{
	uint8_t *p = arena_alloc(c->arena, n != 0 ? n : 1, 1);

	if (p == NULL)
		return HF_E_SECRET_MEMORY;
	/* Full capacity from the start: it never moves out of the arena. */
	*ret = (struct buf){ .p = p, .cap = n, .max = n };
	return HF_OK;
}

/* in_sight: this step may work where the client can see and change its data and its answer. */
static bool in_sight(const struct calls_ctx *c, enum op_kind k, const struct op_io *io)
{
	const struct op *op = c->session->ops[k];

	return c->in_sight && c->bulk->data.p == io->in.p && k == OPK_ENCRYPT && !op->bound &&
	       op->crypt.mech->family->encrypts_in_sight;
}

/* use_room has the answer written where the client sees it, if it fits there. */
static void use_room(struct calls_ctx *c, size_t n)
{
	if (c->answer->n != WIRE_HEAD || c->bulk->room_n < WIRE_HEAD + WIRE_BEFORE_OUT + n)
		return;
	*c->answer = (struct buf){
		.p = c->bulk->room, .n = WIRE_HEAD, .cap = c->bulk->room_n, .max = c->bulk->room_n,
	};
}

/* answer_room gives a buffer for n bytes where they will stand in the answer: need u32, then
 * out bytes, are all its fields. As a rule not where the client sees it: the answer may be withheld. */
static enum hf_err answer_room(struct calls_ctx *c, const struct op_io *io, size_t n, struct buf *ret)
{
	uint8_t *p;

	if (io->ret_out == NULL || c->answer == NULL)
		return out_room(c, n, ret);
	if (io->in_sight)
		use_room(c, n);
	p = buf_lend(c->answer, WIRE_BEFORE_OUT, n);
	if (p == NULL)
		return HF_E_SECRET_MEMORY;
	*ret = (struct buf){ .p = p, .cap = n, .max = n };
	return HF_OK;
}

/* take_numbers: those of this signature, from keys that count them. */
static enum hf_err take_numbers(struct calls_ctx *c, struct op *op)
{
	bool once = op->crypt.verb == VERB_SIGN && (op->crypt.mech->flags & MECH_ONE_TIME) != 0;

	if (!op->crypt.counts && !once)
		return HF_OK;
	if (op->key == NULL)
		return HF_E_INTERNAL;
	if (op->crypt.counts)
		TRY(object_count(c, op->key->handle, CKA_OTP_COUNTER, &op->crypt.counter));
	if (once)
		TRY(onetime_take(c, op->key, &op->crypt.leaf));
	op->crypt.has_leaf = once;
	return HF_OK;
}

/* are_there waits a little for the data before `end`. */
static enum hf_err are_there(const struct hsm_bulk *b, const uint8_t *end)
{
	return b->there(b, (size_t)(end - b->data.p)) ? HF_OK : HF_E_DATA_LATE;
}

/* in_pieces: in sight the client leaves data while those before are worked on, and takes out what is
 * ready. The last piece is left in in. */
static enum hf_err in_pieces(const struct calls_ctx *c, struct op *op, struct slice *in, struct buf *out)
{
	const struct family *f = op->crypt.mech->family;
	const struct hsm_bulk *b = c->bulk;

	if (f->ends_with != NULL)
		TRY(f->ends_with(&op->crypt, in->n));
	for (; in->n > PIECE; in->p += PIECE, in->n -= PIECE) {
		TRY(are_there(b, in->p + PIECE));
		TRY(f->update(&op->crypt, (struct slice){ in->p, PIECE }, out));
		TRY(buf_err(out));
		if (c->answer->p == b->room)
			b->ready(b, out->p, out->n);
	}
	return are_there(b, in->p + in->n);
}

/* finish runs the family over the last data. */
static enum hf_err finish(struct calls_ctx *c, struct op *op, const struct op_io *io,
	struct slice in, struct buf *out)
{
	const struct family *f = op->crypt.mech->family;
	struct slice signature = op->expected.n != 0 ? secret_slice(&op->expected) : io->signature;
	size_t room = io->ret_out != NULL ? f->bound(&op->crypt, in.n, true) : 0;

	TRY(answer_room(c, io, room, out));
	TRY(op_bound_use(c, op, in));
	TRY(take_numbers(c, op));
	if (io->in_sight)
		TRY(in_pieces(c, op, &in, out));
	TRY(f->finish(&op->crypt, in, signature, out));
	return buf_err(out);
}

/* too_small: the result cannot be given out now, and the operation need not run
 * to know that. */
static bool too_small(enum op_kind k, const struct op *op, const struct op_io *io, size_t in)
{
	if (io->ret_out == NULL)
		return false;
	if (out_fits(io, op->crypt.mech->family->bound(&op->crypt, in, true)))
		return false;
	return io->max == WIRE_NO_OUTPUT || !op_sorts[k].varies;
}

/* The steps set *ret_lives if the operation goes on after success. */
static enum hf_err single(struct calls_ctx *c, enum op_kind k, struct op *op,
	const struct op_io *io, bool *ret_lives)
{
	struct buf out;
	enum hf_err e;

	*ret_lives = true;
	if (too_small(k, op, io, io->in.n))
		return HF_OK;
	e = finish(c, op, io, io->in, &out);
	if (e == HF_E_DATA_LATE || (e == HF_OK && io->ret_out != NULL && !out_fits(io, out.n))) {
		/* As if it had not run: the caller may come with other data. */
		op_end(op);
		TRY(op_start(op));
		return e;
	}
	if (e == HF_OK && io->ret_out != NULL)
		*io->ret_out = buf_slice(&out);
	*ret_lives = false;
	return e;
}

enum hf_err op_feed(struct op *op, struct slice in, struct buf *out)
{
	TRY(op_bound_feed(op, in));
	op->fed = true;
	if (!op->gathers)
		return op->crypt.mech->family->update(&op->crypt, in, out);
	buf_raw(&op->gathered, in);
	return buf_err(&op->gathered) == HF_E_TOO_BIG ? HF_E_DATA_LEN : buf_err(&op->gathered);
}

static enum hf_err update(struct calls_ctx *c, struct op *op, const struct op_io *io,
	bool *ret_lives)
{
	size_t room = 0;
	struct buf out;

	*ret_lives = true;
	if (io->ret_out != NULL && !op->gathers)
		room = op->crypt.mech->family->bound(&op->crypt, io->in.n, false);
	if (io->ret_out != NULL && !out_fits(io, room))
		return HF_OK;
	TRY(answer_room(c, io, room, &out));
	TRY(op_feed(op, io->in, &out));
	TRY(buf_err(&out));
	if (io->ret_out == NULL)
		return HF_OK;
	*io->ret_need = (uint32_t)out.n;
	*io->ret_out = buf_slice(&out);
	return HF_OK;
}

/* fetch gives out a result that had no room before. */
static enum hf_err fetch(struct calls_ctx *c, struct op *op, const struct op_io *io,
	bool *ret_lives)
{
	*ret_lives = !out_fits(io, op->stash.n);
	if (*ret_lives)
		return HF_OK;
	return arena_dup(c->arena, secret_slice(&op->stash), io->ret_out);
}

static enum hf_err final(struct calls_ctx *c, enum op_kind k, struct op *op,
	const struct op_io *io, bool *ret_lives)
{
	struct slice in = buf_slice(&op->gathered);
	struct buf out;

	if (op->finished)
		return fetch(c, op, io, ret_lives);
	*ret_lives = true;
	if (too_small(k, op, io, in.n))
		return HF_OK;
	TRY(finish(c, op, io, in, &out));
	if (io->ret_out != NULL && !out_fits(io, out.n)) {
		op->finished = true;
		return secret_dup(buf_slice(&out), &op->stash);
	}
	if (io->ret_out != NULL)
		*io->ret_out = buf_slice(&out);
	*ret_lives = false;
	return HF_OK;
}

enum hf_err op_usable(struct calls_ctx *c, struct op *op, enum op_step s)
{
	if (op->key != NULL && op->key->private_ && !role_is_user(c->role))
		return HF_E_NOT_LOGGED_IN;
	if (op->wants_login && !op->authenticated)
		return HF_E_NOT_LOGGED_IN;
	if ((s == OP_SINGLE && op->fed) || (s != OP_FINAL && op->finished))
		return HF_E_OP_ACTIVE;
	if (op->use_waits)
		TRY(op_first_use(c, op));
	return HF_OK;
}

/* secure_input copies data that the client may change, unless the step may work on them. */
static enum hf_err secure_input(struct calls_ctx *c, enum op_kind k, struct op_io *io)
{
	io->in_sight = in_sight(c, k, io);
	if (io->in_sight || c->bulk == NULL || io->in.p != c->bulk->data.p)
		return HF_OK;
	TRY(are_there(c->bulk, io->in.p + io->in.n));
	return arena_dup(c->arena, io->in, &io->in);
}

enum hf_err op_data(struct calls_ctx *c, enum op_kind k, enum op_step s, const struct op_io *io)
{
	struct op *op = c->session->ops[k];
	struct op_io own = *io;
	bool lives = false;
	enum hf_err e;

	if (op == NULL)
		return HF_E_OP_NONE;
	c->worked = op->crypt.mech->type + 1;
	if (op->key != NULL)
		object_audit(c, op->key);
	e = op_usable(c, op, s);
	if (e == HF_OK)
		e = secure_input(c, k, &own);
	if (e == HF_OK) {
		switch (s) {
		case OP_SINGLE:
			e = single(c, k, op, &own, &lives);
			break;
		case OP_UPDATE:
			e = update(c, op, &own, &lives);
			break;
		case OP_FINAL:
			e = final(c, k, op, &own, &lives);
			break;
		}
	}
	if (e == HF_OK ? !lives : e != HF_E_DATA_LATE)
		op_cancel(c->session, k);
	return e;
}

#define DIGESTIBLE_MIN 14 /* bytes: 112 bits are not guessed from a digest */

static enum hf_err key_value(const struct object *o, struct slice *ret)
{
	struct slice v = attrs_get(&o->attrs, CKA_VALUE);

	if (o->cko != CKO_SECRET_KEY)
		return HF_E_KEY_INDIGESTIBLE;
	if (v.n < DIGESTIBLE_MIN && !attrs_bool(&o->attrs, CKA_EXTRACTABLE))
		return HF_E_KEY_INDIGESTIBLE;
	*ret = v;
	return HF_OK;
}

static enum hf_err digest_key(struct calls_ctx *c, struct op *op, uint64_t key)
{
	CLEANUP(object_release) struct object *o = NULL;
	struct buf none = BUF_MAX(0);
	struct slice v;

	TRY(policy_need(c, POLICY_DIGEST_KEY));
	TRY(object_get(c, key, HF_E_KEY_HANDLE, &o));
	object_audit(c, o);
	TRY(usage_note(c, o, CKF_DIGEST));
	TRY(mech_lets(c, op->crypt.mech, CKF_DIGEST, o));
	TRY(guard_use(c, o, NULL));
	TRY(key_value(o, &v));
	return op_feed(op, v, &none);
}

enum hf_err op_digest_key(struct calls_ctx *c, uint64_t key)
{
	struct op *op = c->session->ops[OPK_DIGEST];
	enum hf_err e;

	if (op == NULL)
		return HF_E_OP_NONE;
	e = op->finished ? HF_E_OP_ACTIVE : digest_key(c, op, key);
	if (e != HF_OK)
		op_cancel(c->session, OPK_DIGEST);
	return e;
}

static struct crypt crypt_of(const struct mech_use *u, enum verb v)
{
	return (struct crypt){ u->mech, v, u->key, &u->params, NULL };
}

static void crypt_end(struct crypt *c)
{
	if (c->state != NULL)
		c->mech->family->end(c);
}

enum hf_err crypt_once(const struct mech_use *u, enum verb v, struct slice in, struct buf *out)
{
	CLEANUP(crypt_end) struct crypt c = crypt_of(u, v);

	TRY(u->mech->family->begin(&c));
	TRY(u->mech->family->finish(&c, in, SLICE_NONE, out));
	return buf_err(out);
}

enum hf_err crypt_bound(const struct mech_use *u, enum verb v, size_t in, size_t *ret)
{
	CLEANUP(crypt_end) struct crypt c = crypt_of(u, v);

	TRY(u->mech->family->begin(&c));
	*ret = u->mech->family->bound(&c, in, true);
	return HF_OK;
}
