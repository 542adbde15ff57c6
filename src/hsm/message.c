#include "message.h"

#include <string.h>

#include "aead_message.h"
#include "guard.h"
#include "op_int.h"
#include "pkcs11_numbers.h"

static bool is_cipher(enum op_kind k)
{
	return k == OPK_MESSAGE_ENCRYPT || k == OPK_MESSAGE_DECRYPT;
}

static void message_end(struct op *op)
{
	op_end(op);
	op->in_message = op->fed = op->authenticated = false;
	buf_done(&op->gathered);
	op->gathered = BUF_MAX(WIRE_MAX_BYTES);
	secret_done(&op->message);
}

/* A parameter that does not fit the key is told at once; that of a cipher comes with each
 * message and need not be there yet. */
enum hf_err message_first(enum op_kind k, struct op *op)
{
	if (is_cipher(k))
		return HF_OK;
	TRY(op_start(op));
	op_end(op);
	return HF_OK;
}

/* --- one message ------------------------------------------------------------- */

/* keep copies what outlives the call: parameter, then additional data. */
static enum hf_err keep(struct op *op, const struct message_io *io, struct slice *ret_param,
	struct slice *ret_aad)
{
	struct secret s;

	secret_done(&op->message);
	TRY(secret_alloc(&s, io->param.n + io->aad.n));
	if (io->param.n > 0)
		memcpy(s.p, io->param.p, io->param.n);
	if (io->aad.n > 0)
		memcpy(s.p + io->param.n, io->aad.p, io->aad.n);
	op->message = s;
	*ret_param = (struct slice){ s.p, io->param.n };
	*ret_aad = (struct slice){ s.p + io->param.n, io->aad.n };
	return HF_OK;
}

/* refresh looks the key up anew: it may have been changed or destroyed. */
static enum hf_err refresh(struct calls_ctx *c, enum op_kind k, struct op *op, struct slice param)
{
	CLEANUP(object_release) struct object *key = NULL;
	struct object *old;
	struct mech_in in = { .type = op->crypt.mech->type, .param = param };
	struct mech_use u;

	TRY(object_get(c, op->key->handle, HF_E_KEY_HANDLE, &key));
	TRY(mech_may(c, &in, op_sorts[k].use, key, &u));
	old = op->key;
	op->key = key;
	key = old;
	op->params = u.params;
	op->crypt = (struct crypt){ u.mech, op_sorts[k].verb, u.key, &op->params, NULL };
	return HF_OK;
}

/* A second message under the IV of the first would give the key away. */
static bool has_iv(const struct op *op)
{
	return op->crypt.mech->param == PARAM_GCM;
}

/* set_iv makes the message's parameter to the family's; the IV that is made goes to
 * where the given one was. */
static enum hf_err set_iv(struct calls_ctx *c, enum op_kind k, struct op *op, struct slice aad,
	struct slice *ret_iv)
{
	struct params message = op->params;
	struct aead_message m;
	struct slice iv;

	TRY(aead_message_look(&message, &m));
	if (k == OPK_MESSAGE_DECRYPT)
		m.iv.generator = CKG_NO_GENERATE;
	TRY(iv_make(c, op->key, &m.iv, &iv));
	if (iv.n > 0 && iv.p != m.iv.given.p)
		memcpy(op->message.p + (m.iv.given.p - op->message.p), iv.p, iv.n);
	op->tag = m.tag;
	aead_message_params(&message, m.iv.given, aad, &op->params);
	return ret_iv != NULL ? arena_dup(c->arena, m.iv.given, ret_iv) : HF_OK;
}

static enum hf_err open_message(struct calls_ctx *c, enum op_kind k, struct op *op,
	const struct message_io *io)
{
	struct slice param, aad;

	TRY(keep(op, io, &param, &aad));
	if (!is_cipher(k) && param.n == 0) {
		if (has_iv(op))
			return HF_E_MECHANISM_PARAM;
		param = secret_slice(&op->param);
	}
	TRY(refresh(c, k, op, param));
	op->in_message = true;
	if (is_cipher(k))
		TRY(set_iv(c, k, op, aad, io->ret_iv));
	return op_start(op);
}

/* --- parts of it -------------------------------------------------------------- */

static bool fits(const struct message_io *io, size_t need)
{
	const struct op_io o = { .max = io->max, .ret_need = io->ret_need };

	return out_fits(&o, need);
}

static enum hf_err part(struct calls_ctx *c, struct op *op, const struct message_io *io)
{
	size_t room = 0;
	struct buf out;

	if (op->tag > 0)
		room = op->crypt.mech->family->bound(&op->crypt, io->in.n, false);
	if (io->ret_out != NULL && !fits(io, room))
		return HF_OK;
	TRY(out_room(c, room, &out));
	TRY(op_feed(op, io->in, &out));
	TRY(buf_err(&out));
	if (io->ret_out == NULL)
		return HF_OK;
	*io->ret_need = (uint32_t)out.n;
	*io->ret_out = buf_slice(&out);
	return HF_OK;
}

/* all_of: the last data as the family wants it: behind what was gathered, before the tag. */
static enum hf_err all_of(struct calls_ctx *c, struct op *op, const struct message_io *io,
	struct slice *ret)
{
	struct buf all;

	if (op->gathered.n == 0 && io->tag.n == 0) {
		*ret = io->in;
		return HF_OK;
	}
	TRY(out_room(c, op->gathered.n + io->in.n + io->tag.n, &all));
	buf_raw(&all, buf_slice(&op->gathered));
	buf_raw(&all, io->in);
	buf_raw(&all, io->tag);
	*ret = buf_slice(&all);
	return buf_err(&all);
}

/* cut_tag takes the tag from the end of what was encrypted. */
static enum hf_err cut_tag(struct op *op, struct buf *out, struct slice *ret)
{
	if (out->n < op->tag)
		return HF_E_INTERNAL;
	*ret = (struct slice){ out->p + out->n - op->tag, op->tag };
	out->n -= op->tag; /* the tag's bytes stay where they are */
	return HF_OK;
}

/* last sets *ret_lives if the message goes on: its result had no room. */
static enum hf_err last(struct calls_ctx *c, enum op_kind k, struct op *op,
	const struct message_io *io, bool *ret_lives)
{
	const struct family *f = op->crypt.mech->family;
	size_t cut = k == OPK_MESSAGE_ENCRYPT ? op->tag : 0, room;
	struct slice in;
	struct buf out;

	if (k == OPK_MESSAGE_DECRYPT && io->tag.n != op->tag)
		return HF_E_MECHANISM_PARAM;
	room = f->bound(&op->crypt, op->gathered.n + io->in.n + io->tag.n, true);
	*ret_lives = io->ret_out != NULL && !fits(io, room - cut);
	if (*ret_lives)
		return HF_OK;
	TRY(all_of(c, op, io, &in));
	TRY(out_room(c, room, &out));
	TRY(f->finish(&op->crypt, in, io->signature, &out));
	TRY(buf_err(&out));
	if (cut > 0)
		TRY(cut_tag(op, &out, io->ret_tag));
	if (io->ret_out == NULL)
		return HF_OK;
	*io->ret_need = (uint32_t)out.n;
	*io->ret_out = buf_slice(&out);
	return HF_OK;
}

/* --- the calls --------------------------------------------------------------- */

static enum hf_err process(struct calls_ctx *c, enum op_kind k, bool within, struct op **ret)
{
	struct op *op = c->session->ops[k];

	if (op == NULL || (within && !op->in_message))
		return HF_E_OP_NONE;
	c->worked = op->crypt.mech->type + 1;
	if (op->key != NULL)
		object_audit(c, op->key);
	TRY(op_usable(c, op, OP_FINAL));
	if (!within && op->in_message)
		return HF_E_OP_ACTIVE;
	*ret = op;
	return HF_OK;
}

/* The length of a cipher's output is known before an IV is spent, that of a signature before
 * a use of the key is counted. */
static enum hf_err whole(struct calls_ctx *c, enum op_kind k, struct op *op,
	const struct message_io *io)
{
	struct slice param = io->param.n > 0 ? io->param : secret_slice(&op->param);
	const struct key_use use = { .ckf = op_sorts[k].use, .mech = { op->crypt.mech->type, param },
		.aad = io->aad, .data = io->in };
	bool asked = false;

	if (is_cipher(k) && !fits(io, io->in.n))
		return HF_OK;
	TRY(open_message(c, k, op, io));
	if (io->ret_out != NULL && !is_cipher(k) &&
	    !fits(io, op->crypt.mech->family->bound(&op->crypt, io->in.n, true)))
		return HF_OK;
	TRY(guard_use(c, op->key, &use));
	return last(c, k, op, io, &asked);
}

enum hf_err message_whole(struct calls_ctx *c, enum op_kind k, const struct message_io *io)
{
	bool again;
	struct op *op;
	enum hf_err e;

	TRY(process(c, k, false, &op));
	again = op->authenticated;
	e = whole(c, k, op, io);
	message_end(op);
	/* Who only asked for the length has not used the key yet. */
	op->authenticated = again && e == HF_OK && io->ret_out != NULL && !fits(io, *io->ret_need);
	return e;
}

enum hf_err message_begin(struct calls_ctx *c, enum op_kind k, const struct message_io *io)
{
	struct op *op;
	enum hf_err e;

	TRY(process(c, k, false, &op));
	e = open_message(c, k, op, io);
	if (e == HF_OK)
		e = guard_use(c, op->key, NULL);
	if (e != HF_OK)
		message_end(op);
	return e;
}

enum hf_err message_next(struct calls_ctx *c, enum op_kind k, const struct message_io *io)
{
	bool lives = true;
	struct op *op;
	enum hf_err e;

	TRY(process(c, k, true, &op));
	e = io->last ? last(c, k, op, io, &lives) : part(c, op, io);
	if (e != HF_OK || !lives)
		message_end(op);
	return e;
}

enum hf_err message_final(struct calls_ctx *c, enum op_kind k)
{
	struct op *op = c->session->ops[k];

	if (op == NULL)
		return HF_E_OP_NONE;
	if (op->in_message)
		return HF_E_OP_ACTIVE;
	op_cancel(c->session, k);
	return HF_OK;
}
