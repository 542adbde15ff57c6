/* handlers_ops.c: operations on data: how each call maps onto the engine. */
#include "audit_level.h"
#include "module.h"
#include "op.h"
#include "policy.h"

#define RANDOM_MAX (1u << 20) /* bytes a call */
#define SEED_MAX (1u << 16)
#define DIGEST_LEASE_MS 100u /* a change of policy reaches the clients within */

#define ON_INIT(call, kind)                                                    \
	enum hf_err on_##call(struct calls_ctx *c, const struct call##_req *q, \
		struct call##_res *r)                                          \
	{                                                                      \
		(void)r;                                                       \
		return op_begin(c, kind, &q->mech, q->key);                    \
	}

/* in and sig: the request's fields, or SLICE_NONE. */
#define ON_OUTPUT(call, kind, step, data_in, sig)                              \
	enum hf_err on_##call(struct calls_ctx *c, const struct call##_req *q, \
		struct call##_res *r)                                          \
	{                                                                      \
		struct op_io io = { data_in, sig, q->max, &r->need, &r->out }; \
									       \
		return op_data(c, kind, step, &io);                            \
	}

#define ON_INPUT(call, kind, step, data_in, sig)                               \
	enum hf_err on_##call(struct calls_ctx *c, const struct call##_req *q, \
		struct call##_res *r)                                          \
	{                                                                      \
		struct op_io io = { .in = data_in, .signature = sig };         \
									       \
		(void)r;                                                       \
		return op_data(c, kind, step, &io);                            \
	}

ON_INIT(encrypt_init, OPK_ENCRYPT)
ON_OUTPUT(encrypt, OPK_ENCRYPT, OP_SINGLE, q->data, SLICE_NONE)
ON_OUTPUT(encrypt_update, OPK_ENCRYPT, OP_UPDATE, q->data, SLICE_NONE)
ON_OUTPUT(encrypt_final, OPK_ENCRYPT, OP_FINAL, SLICE_NONE, SLICE_NONE)

ON_INIT(decrypt_init, OPK_DECRYPT)
ON_OUTPUT(decrypt, OPK_DECRYPT, OP_SINGLE, q->data, SLICE_NONE)
ON_OUTPUT(decrypt_update, OPK_DECRYPT, OP_UPDATE, q->data, SLICE_NONE)
ON_OUTPUT(decrypt_final, OPK_DECRYPT, OP_FINAL, SLICE_NONE, SLICE_NONE)

ON_INIT(sign_init, OPK_SIGN)
ON_OUTPUT(sign, OPK_SIGN, OP_SINGLE, q->data, SLICE_NONE)
ON_INPUT(sign_update, OPK_SIGN, OP_UPDATE, q->data, SLICE_NONE)
ON_OUTPUT(sign_final, OPK_SIGN, OP_FINAL, SLICE_NONE, SLICE_NONE)

ON_INIT(sign_recover_init, OPK_SIGN_RECOVER)
ON_OUTPUT(sign_recover, OPK_SIGN_RECOVER, OP_SINGLE, q->data, SLICE_NONE)

ON_INIT(verify_init, OPK_VERIFY)
ON_INPUT(verify, OPK_VERIFY, OP_SINGLE, q->data, q->signature)
ON_INPUT(verify_update, OPK_VERIFY, OP_UPDATE, q->data, SLICE_NONE)
ON_INPUT(verify_final, OPK_VERIFY, OP_FINAL, SLICE_NONE, q->signature)

ON_INIT(verify_recover_init, OPK_VERIFY_RECOVER)
ON_OUTPUT(verify_recover, OPK_VERIFY_RECOVER, OP_SINGLE, SLICE_NONE, q->signature)

enum hf_err on_verify_signature_init(struct calls_ctx *c, const struct verify_signature_init_req *q,
	struct verify_signature_init_res *r)
{
	(void)r;
	TRY(op_begin(c, OPK_VERIFY_SIGNATURE, &q->mech, q->key));
	return op_expect(c, OPK_VERIFY_SIGNATURE, q->signature);
}

ON_INPUT(verify_signature, OPK_VERIFY_SIGNATURE, OP_SINGLE, q->data, SLICE_NONE)
ON_INPUT(verify_signature_update, OPK_VERIFY_SIGNATURE, OP_UPDATE, q->data, SLICE_NONE)

enum hf_err on_verify_signature_final(struct calls_ctx *c,
	const struct verify_signature_final_req *q, struct verify_signature_final_res *r)
{
	struct op_io io = { .in = SLICE_NONE };

	(void)q;
	(void)r;
	return op_data(c, OPK_VERIFY_SIGNATURE, OP_FINAL, &io);
}

/* lease: data are digested without any key, so that the client may as well do it itself: unless
 * somebody wants it recorded, or done by the validated module. What the session's indicator says
 * stays true, since only approved digests are lent. */
static uint32_t lease(const struct calls_ctx *c)
{
	if (policy_value(c->part, POLICY_LIBRARY_DIGESTS) == 0 ||
	    policy_value(c->part, POLICY_NON_APPROVED) == 0 || crypto_is_fips() ||
	    c->service != SERVICE_APPROVED || audit_wants(c, HF_OK) != AUDIT_NONE)
		return 0;
	return DIGEST_LEASE_MS;
}

enum hf_err on_digest_init(struct calls_ctx *c, const struct digest_init_req *q,
	struct digest_init_res *r)
{
	TRY(op_begin(c, OPK_DIGEST, &q->mech, 0));
	r->lease = lease(c);
	return HF_OK;
}

ON_OUTPUT(digest, OPK_DIGEST, OP_SINGLE, q->data, SLICE_NONE)
ON_INPUT(digest_update, OPK_DIGEST, OP_UPDATE, q->data, SLICE_NONE)
ON_OUTPUT(digest_final, OPK_DIGEST, OP_FINAL, SLICE_NONE, SLICE_NONE)

enum hf_err on_digest_key(struct calls_ctx *c, const struct digest_key_req *q,
	struct digest_key_res *r)
{
	(void)r;
	return op_digest_key(c, q->key);
}

enum hf_err on_op_cancel(struct calls_ctx *c, const struct op_cancel_req *q,
	struct op_cancel_res *r)
{
	(void)r;
	for (unsigned k = 0; k < OPK_COUNT; k++)
		if ((q->ops & (1u << k)) != 0)
			op_cancel(c->session, (enum op_kind)k);
	return HF_OK;
}

enum hf_err on_random(struct calls_ctx *c, const struct random_req *q, struct random_res *r)
{
	uint8_t *p;

	if (q->n > RANDOM_MAX)
		return HF_E_ARGUMENTS;
	p = arena_alloc(c->arena, q->n != 0 ? q->n : 1, 1);
	if (p == NULL)
		return HF_E_SECRET_MEMORY;
	TRY(crypto_random(p, q->n));
	r->out = (struct slice){ p, q->n };
	return HF_OK;
}

/* The generator seeds itself from the kernel; this comes on top. */
enum hf_err on_random_seed(struct calls_ctx *c, const struct random_seed_req *q,
	struct random_seed_res *r)
{
	(void)c;
	(void)r;
	if (q->seed.n > SEED_MAX)
		return HF_E_ARGUMENTS;
	return crypto_stir(q->seed);
}
