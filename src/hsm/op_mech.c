/* op_mech.c: may this mechanism be used so, with this key? */
#include "gate.h"
#include "guard.h"
#include "op.h"
#include "pkcs11_numbers.h"
#include "policy.h"
#include "usage.h"

/* struct use: what a use of a key is called in its attributes and errors. */
struct use {
	uint32_t ckf, cka;
	enum hf_err handle, type, size;
};

#define KEY_ERRORS HF_E_KEY_HANDLE, HF_E_KEY_TYPE, HF_E_KEY_SIZE
static const struct use uses[] = {
	{ CKF_ENCRYPT, CKA_ENCRYPT, KEY_ERRORS },
	{ CKF_DECRYPT, CKA_DECRYPT, KEY_ERRORS },
	{ CKF_SIGN, CKA_SIGN, KEY_ERRORS },
	{ CKF_SIGN_RECOVER, CKA_SIGN_RECOVER, KEY_ERRORS },
	{ CKF_VERIFY, CKA_VERIFY, KEY_ERRORS },
	{ CKF_VERIFY_RECOVER, CKA_VERIFY_RECOVER, KEY_ERRORS },
	{ CKF_DERIVE, CKA_DERIVE, KEY_ERRORS },
	{ CKF_ENCAPSULATE, CKA_ENCAPSULATE, KEY_ERRORS },
	{ CKF_DECAPSULATE, CKA_DECAPSULATE, KEY_ERRORS },
	{ CKF_WRAP, CKA_WRAP, HF_E_WRAPPING_KEY_HANDLE, HF_E_WRAPPING_KEY_TYPE,
		HF_E_WRAPPING_KEY_SIZE },
	{ CKF_UNWRAP, CKA_UNWRAP, HF_E_UNWRAPPING_KEY_HANDLE, HF_E_UNWRAPPING_KEY_TYPE,
		HF_E_UNWRAPPING_KEY_SIZE },
};

static const struct use *use_of(uint32_t ckf)
{
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		if (uses[i].ckf == ckf)
			return &uses[i];
	return NULL;
}

/* able: the operations that a family has functions for. */
static uint32_t able(const struct family *f)
{
	uint32_t r = 0;

	if (f->begin != NULL && f->finish != NULL && f->bound != NULL && f->end != NULL)
		r |= CKF_ENCRYPT | CKF_DECRYPT | CKF_DIGEST | CKF_SIGN | CKF_SIGN_RECOVER |
			CKF_VERIFY | CKF_VERIFY_RECOVER | CKF_WRAP | CKF_UNWRAP;
	if (f->generate != NULL)
		r |= CKF_GENERATE | CKF_GENERATE_KEY_PAIR;
	if (f->derive != NULL || f->derive_many != NULL || f->public_half != NULL)
		r |= CKF_DERIVE;
	if (f->kem != NULL)
		r |= CKF_ENCAPSULATE | CKF_DECAPSULATE;
	return r;
}

/* for_messages: what its operations are called when they are of messages. */
static uint32_t for_messages(const struct mech *m, uint32_t ops)
{
	static const struct { uint32_t plain, message; } all[] = {
		{ CKF_ENCRYPT, CKF_MESSAGE_ENCRYPT },
		{ CKF_DECRYPT, CKF_MESSAGE_DECRYPT },
		{ CKF_SIGN, CKF_MESSAGE_SIGN },
		{ CKF_VERIFY, CKF_MESSAGE_VERIFY },
	};
	uint32_t r = 0;

	if (params_of_message(m->param) == PARAM_COUNT)
		ops &= ~(uint32_t)(CKF_ENCRYPT | CKF_DECRYPT);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		r |= (ops & all[i].plain) != 0 ? all[i].message : 0;
	return r != 0 && (m->flags & MECH_NO_MULTI) == 0 ? r | CKF_MULTI_MESSAGE : r;
}

uint32_t mech_ops(const struct partition *p, const struct mech *m)
{
	uint32_t ops = m->ops & able(m->family) & policy_ops(p, m);

	return ops | for_messages(m, ops);
}

static bool takes(const struct mech *m, const struct object *key)
{
	if (m->key == CKK_ANY_SECRET || m->alt_key == CKK_ANY_SECRET)
		return key->cko == CKO_SECRET_KEY || key->ckk == m->key;
	if (m->key == CKK_ANY_PRIVATE)
		return key->cko == CKO_PRIVATE_KEY;
	return key->ckk == m->key || (m->alt_key != CKK_NONE && key->ckk == m->alt_key);
}

static bool is_key(const struct object *o)
{
	return o->cko == CKO_PUBLIC_KEY || o->cko == CKO_PRIVATE_KEY || o->cko == CKO_SECRET_KEY ||
		o->cko == CKO_OTP_KEY;
}

/* listed: an absent or empty list allows all. */
static bool listed(struct slice mechs, uint32_t type)
{
	for (size_t i = 0; i + 8 <= mechs.n; i += 8)
		if (get_u64(mechs.p + i) == type)
			return true;
	return mechs.n == 0;
}

enum hf_err mech_lets(struct calls_ctx *c, const struct mech *m, uint32_t use,
	const struct object *key)
{
	if (key->lists_mechanisms && !listed(attrs_get(&key->attrs, CKA_ALLOWED_MECHANISMS), m->type))
		return HF_E_MECHANISM;
	return policy_use(c, use, key);
}

static enum hf_err check_key(struct calls_ctx *c, const struct mech *m, uint32_t ckf,
	struct object *o, const struct key **ret)
{
	const struct use *u = use_of(ckf);
	const struct key *k;

	if (u == NULL)
		return HF_E_INTERNAL;
	if (!is_key(o))
		return u->handle;
	if (!takes(m, o) || (ckf == CKF_DERIVE && o->cko == CKO_PUBLIC_KEY))
		return u->type;
	/* A public half is no secret: CKA_PUBLIC_KEY_INFO tells it, too. */
	if (!attrs_bool(&o->attrs, u->cka) && m->family->public_half == NULL)
		return HF_E_KEY_FUNCTION;
	TRY(mech_lets(c, m, ckf, o));
	TRY(object_key(o, &k));
	if (m->max != 0 && (key_size(k) < m->min || key_size(k) > m->max))
		return u->size;
	*ret = k;
	return HF_OK;
}

/* param_of: which parameter comes with that use; PARAM_COUNT: it is not for messages. */
static enum param_id param_of(const struct mech *m, uint32_t use)
{
	if ((use & USE_MESSAGE) == 0 || (use & (CKF_SIGN | CKF_VERIFY)) != 0)
		return m->param;
	return params_of_message(m->param);
}

/* outside_iv: GCM and GMAC protect data under an IV that was not made here. */
static bool outside_iv(const struct params *p, uint32_t use)
{
	if ((use & (CKF_ENCRYPT | CKF_SIGN | CKF_WRAP)) == 0)
		return false;
	return p->id == PARAM_GCM || (p->id == PARAM_GCM_MESSAGE && p->present &&
		p->u.gcm_message.generator == CKG_NO_GENERATE);
}

/* FIPS 140-3 IG C.H: then it is no approved service. */
static enum hf_err check_iv(struct calls_ctx *c, const struct params *p, uint32_t use)
{
	if (!outside_iv(p, use))
		return HF_OK;
	c->service = SERVICE_NOT_APPROVED;
	if (!p->approved)
		return HF_OK;
	call_detail(c, "the IV has to be made by the HSM (C_EncryptMessage with a generator, such as "
		"CKG_GENERATE_RANDOM)");
	return policy_forbids(c, POLICY_NON_APPROVED, HF_E_MECHANISM_FORBIDDEN);
}

enum hf_err mech_may(struct calls_ctx *c, const struct mech_in *in, uint32_t use,
	struct object *key, struct mech_use *ret)
{
	struct mech_use u = { .mech = mech_find(in->type) };
	bool so_far = c->service != SERVICE_NOT_APPROVED;
	uint32_t plain = use & ~USE_MESSAGE;

	c->audit.mechanism = in->type;
	c->service = SERVICE_NOT_APPROVED;
	if (key != NULL)
		object_audit(c, key);
	if (key != NULL)
		TRY(usage_note(c, key, plain));
	if (u.mech == NULL || (u.mech->ops & able(u.mech->family) & plain) == 0 ||
	    param_of(u.mech, use) == PARAM_COUNT)
		return HF_E_MECHANISM;
	TRY(policy_mechanism(c, u.mech, plain));
	if (so_far && mech_approved(u.mech))
		c->service = SERVICE_APPROVED;
	if (key != NULL)
		TRY(check_key(c, u.mech, plain, key, &u.key));
	TRY(params_decode(param_of(u.mech, use), in->param, &u.params));
	u.params.approved = policy_value(c->part, POLICY_NON_APPROVED) == 0;
	TRY(check_iv(c, &u.params, use));
	*ret = u;
	return HF_OK;
}

enum hf_err mech_check(struct calls_ctx *c, const struct mech_in *in, uint32_t use,
	struct object *key, struct mech_use *ret)
{
	struct mech_use u;

	TRY(mech_may(c, in, use, key, &u));
	if (key != NULL) {
		const struct key_use call = use_of_call(c, use, in);

		TRY(guard_use(c, key, &call));
	}
	*ret = u;
	return HF_OK;
}
