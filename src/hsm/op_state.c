#include "op_state.h"

#include <string.h>

#include "crypto.h"
#include "guard.h"
#include "op_int.h"
#include "pkcs11_numbers.h"

#define STATE_FORMAT 1
#define NOTE_MAX 512

/* struct saved_op is one state that was put by; a reference each for the list and for whoever
 * takes it up just now. */
struct saved_op {
	struct saved_op *next;
	atomic_uint refs;
	uint64_t id;
	const struct partition *part;
	struct op *ops[OPK_COUNT];
};

static void saved_unref(struct saved_op *s)
{
	if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (int k = 0; k < OPK_COUNT; k++)
		op_free(s->ops[k]);
	hf_free(s);
}

static void saved_release(struct saved_op **s)
{
	saved_unref(*s);
}

void saved_drop(struct app *app, const struct partition *p)
{
	struct saved_op **at = &app->saved;

	while (*at != NULL) {
		struct saved_op *s = *at;

		if (p != NULL && s->part != p) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		saved_unref(s);
	}
}

/* --- which operations ------------------------------------------------------------ */

/* A state has room for one key that encrypts or decrypts and one that signs or verifies. */
enum key_place { PLACE_NONE, PLACE_CIPHER, PLACE_AUTH, PLACES };

static enum key_place place_of(enum op_kind k)
{
	if (k == OPK_ENCRYPT || k == OPK_DECRYPT)
		return PLACE_CIPHER;
	return k == OPK_DIGEST ? PLACE_NONE : PLACE_AUTH;
}

static enum hf_err may_save(struct op *const ops[OPK_COUNT])
{
	unsigned n[PLACES] = { 0 }, all = 0;

	for (int k = 0; k < OPK_COUNT; k++) {
		if (ops[k] == NULL)
			continue;
		/* IVs that the vault counts are not to be counted twice. */
		if (op_is_message((enum op_kind)k))
			return HF_E_STATE_UNSAVEABLE;
		n[place_of((enum op_kind)k)]++;
		all++;
	}
	if (all == 0)
		return HF_E_OP_NONE;
	return n[PLACE_CIPHER] > 1 || n[PLACE_AUTH] > 1 ? HF_E_STATE_UNSAVEABLE : HF_OK;
}

/* --- the note ------------------------------------------------------------------------ */

static void note(const struct hsm *h, uint64_t id, struct op *const ops[OPK_COUNT], struct buf *b)
{
	static const uint8_t none[UID_LEN];
	unsigned n = 0;

	for (int k = 0; k < OPK_COUNT; k++)
		n += ops[k] != NULL;
	buf_u8(b, STATE_FORMAT);
	buf_u64(b, id);
	buf_u64(b, h->boot);
	buf_u8(b, (uint8_t)n);
	for (int k = 0; k < OPK_COUNT; k++) {
		if (ops[k] == NULL)
			continue;
		buf_u8(b, (uint8_t)k);
		buf_u32(b, ops[k]->crypt.mech->type);
		buf_raw(b, ops[k]->key != NULL ? SLICE_OF(ops[k]->key->uid) : SLICE_OF(none));
	}
}

static enum hf_err seal_key(struct calls_ctx *c, struct secret *ret, struct buf *aad)
{
	buf_raw(aad, SLICE_OF(c->app->id));
	buf_raw(aad, slice_str(c->part->serial));
	TRY(buf_err(aad));
	return crypto_derive(secret_slice(&c->hsm->ticket_key), "operation state", SLICE_NONE, ret);
}

static enum hf_err seal(struct calls_ctx *c, const struct buf *plain, struct slice *ret)
{
	CLEANUP(buf_done) struct buf aad = BUF_MAX(NOTE_MAX), out = BUF_MAX(NOTE_MAX * 2);
	CLEANUP(secret_done) struct secret key = { 0 };

	TRY(seal_key(c, &key, &aad));
	TRY(crypto_seal(secret_slice(&key), buf_slice(&aad), buf_slice(plain), &out));
	return arena_dup(c->arena, buf_slice(&out), ret);
}

static enum hf_err unseal(struct calls_ctx *c, struct slice sealed, struct secret *ret)
{
	CLEANUP(buf_done) struct buf aad = BUF_MAX(NOTE_MAX);
	CLEANUP(secret_done) struct secret key = { 0 };
	enum hf_err e;

	if (sealed.n > NOTE_MAX)
		return HF_E_SAVED_STATE;
	TRY(seal_key(c, &key, &aad));
	e = crypto_open(secret_slice(&key), buf_slice(&aad), sealed, ret);
	return e == HF_E_DAMAGED ? HF_E_SAVED_STATE : e;
}

/* --- saving ------------------------------------------------------------------------------ */

static enum hf_err copy_all(struct op *const from[OPK_COUNT], struct op *to[OPK_COUNT])
{
	for (int k = 0; k < OPK_COUNT; k++)
		if (from[k] != NULL)
			TRY(op_copy(from[k], &to[k]));
	return HF_OK;
}

/* put_by makes room for it: the oldest goes. */
static void put_by(struct app *app, struct saved_op *s)
{
	struct saved_op **at = &app->saved;
	MUTEX_HOLD(&app->lock);

	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed); /* the list's */
	s->id = ++app->next_saved;
	s->next = app->saved;
	app->saved = s;
	for (unsigned n = 0; n < SAVED_MAX && *at != NULL; n++)
		at = &(*at)->next;
	s = *at;
	*at = NULL;
	saved_unref(s); /* never more than one is too many */
}

enum hf_err on_state_get(struct calls_ctx *c, const struct state_get_req *q, struct state_get_res *r)
{
	CLEANUP(saved_release) struct saved_op *s = NULL;
	CLEANUP(buf_done) struct buf plain = BUF_MAX(NOTE_MAX);
	struct op_io io = { .max = q->max, .ret_need = &r->need };

	TRY(may_save(c->session->ops));
	note(c->hsm, 0, c->session->ops, &plain);
	TRY(buf_err(&plain));
	if (!out_fits(&io, plain.n + CRYPTO_SEAL_EXTRA))
		return HF_OK;
	s = hf_alloc(1, sizeof(*s));
	if (s == NULL)
		return HF_E_MEMORY;
	atomic_init(&s->refs, 1); /* ours */
	s->part = c->part;
	TRY(copy_all(c->session->ops, s->ops));
	put_by(c->app, s);
	buf_reset(&plain);
	note(c->hsm, s->id, s->ops, &plain);
	TRY(buf_err(&plain));
	return seal(c, &plain, &r->out);
}

/* --- taking up -------------------------------------------------------------------------------- */

/* find: the note must say just what is kept. */
static enum hf_err find(struct calls_ctx *c, struct slice plain, struct saved_op **ret)
{
	CLEANUP(buf_done) struct buf same = BUF_MAX(NOTE_MAX);
	struct rd r = rd_of(plain);
	uint8_t format;
	uint64_t id;

	if (!rd_u8(&r, &format) || !rd_u64(&r, &id))
		return HF_E_SAVED_STATE;
	MUTEX_HOLD(&c->app->lock);
	for (struct saved_op *s = c->app->saved; s != NULL; s = s->next) {
		if (s->id != id || s->part != c->part)
			continue;
		note(c->hsm, id, s->ops, &same);
		if (buf_err(&same) != HF_OK || !secret_eq(buf_slice(&same), plain))
			break;
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
		*ret = s;
		return HF_OK;
	}
	return HF_E_SAVED_STATE;
}

/* check_key: who goes on with an operation must be able to begin it. */
static enum hf_err check_key(struct calls_ctx *c, enum op_kind k, const struct op *op, uint64_t handle)
{
	CLEANUP(object_release) struct object *key = NULL;
	struct mech_in in = { op->crypt.mech->type, secret_slice(&op->param) };
	struct mech_use u;

	if (handle == 0)
		return HF_E_KEY_NEEDED;
	TRY(object_get(c, handle, HF_E_KEY_HANDLE, &key));
	if (!secret_eq(SLICE_OF(key->uid), SLICE_OF(op->key->uid)))
		return HF_E_KEY_CHANGED;
	TRY(mech_may(c, &in, op_sorts[k].use, key, &u));
	return guard_use(c, key, NULL);
}

static enum hf_err check_keys(struct calls_ctx *c, const struct saved_op *s,
	const uint64_t handles[PLACES])
{
	bool used[PLACES] = { false };

	for (int k = 0; k < OPK_COUNT; k++) {
		enum key_place p = place_of((enum op_kind)k);

		if (s->ops[k] != NULL)
			used[p] = p != PLACE_NONE;
	}
	for (int p = PLACE_CIPHER; p < PLACES; p++)
		if (handles[p] != 0 && !used[p])
			return HF_E_KEY_NOT_NEEDED;
	for (int k = 0; k < OPK_COUNT; k++)
		if (s->ops[k] != NULL && place_of((enum op_kind)k) != PLACE_NONE)
			TRY(check_key(c, (enum op_kind)k, s->ops[k], handles[place_of((enum op_kind)k)]));
	return HF_OK;
}

static void take_up(struct session *s, struct op *ops[OPK_COUNT], uint32_t *ret)
{
	*ret = 0;
	for (int k = 0; k < OPK_COUNT; k++) {
		op_cancel(s, (enum op_kind)k);
		s->ops[k] = ops[k];
		*ret |= ops[k] != NULL ? 1u << k : 0;
	}
}

enum hf_err on_state_set(struct calls_ctx *c, const struct state_set_req *q, struct state_set_res *r)
{
	const uint64_t handles[PLACES] = { 0, q->encryption_key, q->authentication_key };
	CLEANUP(saved_release) struct saved_op *s = NULL;
	CLEANUP(secret_done) struct secret plain = { 0 };
	struct op *ops[OPK_COUNT] = { NULL };
	enum hf_err e;

	TRY(unseal(c, q->state, &plain));
	TRY(find(c, secret_slice(&plain), &s));
	TRY(check_keys(c, s, handles));
	e = copy_all(s->ops, ops);
	if (e == HF_OK)
		take_up(c->session, ops, &r->ops);
	for (int k = 0; e != HF_OK && k < OPK_COUNT; k++)
		op_free(ops[k]);
	return e;
}
