/* handlers_messages.c: how each call on messages maps onto the engine. */
#include "message.h"
#include "op.h"

#define ON(call)                                                               \
	enum hf_err on_##call(struct calls_ctx *c, const struct call##_req *q, \
		struct call##_res *r)

#define ON_INIT(call, kind)                                                    \
	ON(call)                                                               \
	{                                                                      \
		(void)r;                                                       \
		return op_begin(c, kind, &q->mech, q->key);                    \
	}

#define ON_FINAL(call, kind)                                                   \
	ON(call)                                                               \
	{                                                                      \
		(void)q;                                                       \
		(void)r;                                                       \
		return message_final(c, kind);                                 \
	}

/* --- encrypt ----------------------------------------------------------------- */

ON_INIT(message_encrypt_init, OPK_MESSAGE_ENCRYPT)

ON(message_encrypt)
{
	struct message_io io = {
		.param = q->param, .aad = q->aad, .in = q->data, .max = q->max,
		.ret_need = &r->need, .ret_out = &r->out, .ret_iv = &r->iv, .ret_tag = &r->tag,
	};

	return message_whole(c, OPK_MESSAGE_ENCRYPT, &io);
}

ON(message_encrypt_begin)
{
	struct message_io io = { .param = q->param, .aad = q->aad, .ret_iv = &r->iv };

	return message_begin(c, OPK_MESSAGE_ENCRYPT, &io);
}

ON(message_encrypt_next)
{
	struct message_io io = {
		.in = q->data, .last = q->last, .max = q->max,
		.ret_need = &r->need, .ret_out = &r->out, .ret_tag = &r->tag,
	};

	return message_next(c, OPK_MESSAGE_ENCRYPT, &io);
}

ON_FINAL(message_encrypt_final, OPK_MESSAGE_ENCRYPT)

/* --- decrypt ----------------------------------------------------------------- */

ON_INIT(message_decrypt_init, OPK_MESSAGE_DECRYPT)

ON(message_decrypt)
{
	struct message_io io = {
		.param = q->param, .aad = q->aad, .in = q->data, .tag = q->tag, .max = q->max,
		.ret_need = &r->need, .ret_out = &r->out,
	};

	return message_whole(c, OPK_MESSAGE_DECRYPT, &io);
}

ON(message_decrypt_begin)
{
	struct message_io io = { .param = q->param, .aad = q->aad };

	(void)r;
	return message_begin(c, OPK_MESSAGE_DECRYPT, &io);
}

ON(message_decrypt_next)
{
	struct message_io io = {
		.in = q->data, .tag = q->last ? q->tag : SLICE_NONE, .last = q->last, .max = q->max,
		.ret_need = &r->need, .ret_out = &r->out,
	};

	return message_next(c, OPK_MESSAGE_DECRYPT, &io);
}

ON_FINAL(message_decrypt_final, OPK_MESSAGE_DECRYPT)

/* --- sign ---------------------------------------------------------------------- */

ON_INIT(message_sign_init, OPK_MESSAGE_SIGN)

ON(message_sign)
{
	struct message_io io = {
		.param = q->param, .in = q->data, .max = q->max,
		.ret_need = &r->need, .ret_out = &r->out,
	};

	return message_whole(c, OPK_MESSAGE_SIGN, &io);
}

ON(message_sign_begin)
{
	struct message_io io = { .param = q->param };

	(void)r;
	return message_begin(c, OPK_MESSAGE_SIGN, &io);
}

ON(message_sign_next)
{
	struct message_io io = {
		.in = q->data, .last = q->last, .max = q->max, .ret_need = &r->need,
		.ret_out = q->last ? &r->out : NULL,
	};

	return message_next(c, OPK_MESSAGE_SIGN, &io);
}

ON_FINAL(message_sign_final, OPK_MESSAGE_SIGN)

/* --- verify -------------------------------------------------------------------- */

ON_INIT(message_verify_init, OPK_MESSAGE_VERIFY)

ON(message_verify)
{
	struct message_io io = { .param = q->param, .in = q->data, .signature = q->signature };

	(void)r;
	return message_whole(c, OPK_MESSAGE_VERIFY, &io);
}

ON(message_verify_begin)
{
	struct message_io io = { .param = q->param };

	(void)r;
	return message_begin(c, OPK_MESSAGE_VERIFY, &io);
}

ON(message_verify_next)
{
	struct message_io io = { .in = q->data, .signature = q->signature, .last = q->last };

	(void)r;
	return message_next(c, OPK_MESSAGE_VERIFY, &io);
}

ON_FINAL(message_verify_final, OPK_MESSAGE_VERIFY)
