/* handlers_wrap.c: keys that leave and come wrapped or encapsulated. */
#include "aead_message.h"
#include "attrs.h"
#include "guard.h"
#include "handlers_keys.h"
#include "module.h"
#include "object.h"
#include "op.h"
#include "pkcs11_numbers.h"
#include "policy.h"

/* wrappable: may `with` take `key` out? (PKCS#11 3.2 §5.18.3) */
static enum hf_err wrappable(struct calls_ctx *c, const struct object *with,
	const struct object *key)
{
	struct attr_list must;

	if (key->cko != CKO_SECRET_KEY && key->cko != CKO_PRIVATE_KEY)
		return HF_E_KEY_NOT_WRAPPABLE;
	if (!attrs_bool(&key->attrs, CKA_EXTRACTABLE))
		return HF_E_KEY_UNEXTRACTABLE;
	TRY(policy_wrap(c, key->cko));
	if (guarded(c, key)) /* outside nobody would guard it */
		return HF_E_KEY_NOT_WRAPPABLE;
	TRY(guard_double(c, key));
	if (attrs_bool(&key->attrs, CKA_WRAP_WITH_TRUSTED) &&
	    !attrs_bool(&with->attrs, CKA_TRUSTED))
		return HF_E_KEY_NOT_WRAPPABLE;
	TRY(attrs_nested(attrs_get(&with->attrs, CKA_WRAP_TEMPLATE), c->arena, &must));
	return attrs_match(&key->attrs, must) ? HF_OK : HF_E_KEY_HANDLE;
}

/* struct leaving is a key on its way out, and what takes it. */
struct leaving {
	struct object *with, *key;
	struct mech_use u;
	const struct key *k;
};

static void leaving_done(struct leaving *l)
{
	object_unref(l->with);
	object_unref(l->key);
}

static enum hf_err leave(struct calls_ctx *c, const struct mech_in *m, uint32_t use, uint64_t with,
	uint64_t key, struct leaving *l)
{
	TRY(object_get(c, with, HF_E_WRAPPING_KEY_HANDLE, &l->with));
	TRY(mech_may(c, m, use, l->with, &l->u)); /* who only asks for the length uses no key */
	TRY(object_get(c, key, HF_E_KEY_HANDLE, &l->key));
	object_audit(c, l->key); /* what leaves matters more than what wraps it */
	TRY(once_login(l->with));
	TRY(wrappable(c, l->with, l->key));
	return object_key(l->key, &l->k);
}

static enum hf_err use_for_leaving(struct calls_ctx *c, const struct mech_in *m, const struct leaving *l)
{
	struct key_use use = use_of_call(c, CKF_WRAP, m);

	use.leaves = l->key;
	return guard_use(c, l->with, &use);
}

static enum hf_err wrap(struct calls_ctx *c, const struct mech_in *m, const struct leaving *l,
	const struct op_io *io)
{
	CLEANUP(secret_done) struct secret plain = { 0 };
	struct buf out;
	size_t room;

	TRY(key_encode(l->k, &plain));
	TRY(crypt_bound(&l->u, VERB_WRAP, plain.n, &room));
	if (!out_fits(io, room))
		return HF_OK;
	TRY(use_for_leaving(c, m, l));
	TRY(out_room(c, room, &out));
	TRY(crypt_once(&l->u, VERB_WRAP, secret_slice(&plain), &out));
	*io->ret_need = (uint32_t)out.n;
	*io->ret_out = buf_slice(&out);
	return HF_OK;
}

enum hf_err on_key_wrap(struct calls_ctx *c, const struct key_wrap_req *q, struct key_wrap_res *r)
{
	CLEANUP(leaving_done) struct leaving l = { 0 };
	struct op_io io = { .max = q->max, .ret_need = &r->need, .ret_out = &r->out };

	TRY(leave(c, &q->mech, CKF_WRAP, q->with, q->key, &l));
	return wrap(c, &q->mech, &l, &io);
}

/* What is wrapped is as long as the key, the tag apart; the length is told before an IV
 * is spent. */
enum hf_err on_key_wrap_auth(struct calls_ctx *c, const struct key_wrap_auth_req *q,
	struct key_wrap_auth_res *r)
{
	CLEANUP(leaving_done) struct leaving l = { 0 };
	CLEANUP(secret_done) struct secret plain = { 0 };
	struct op_io io = { .max = q->max, .ret_need = &r->need };
	struct mech_use u;
	struct aead_message m;
	struct buf out;

	TRY(leave(c, &q->mech, CKF_WRAP | USE_MESSAGE, q->with, q->key, &l));
	TRY(aead_message_look(&l.u.params, &m));
	TRY(key_encode(l.k, &plain));
	if (!out_fits(&io, plain.n))
		return HF_OK;
	TRY(use_for_leaving(c, &q->mech, &l));
	TRY(iv_make(c, l.with, &m.iv, &r->iv));
	u = l.u;
	aead_message_params(&l.u.params, r->iv, q->aad, &u.params);
	TRY(out_room(c, plain.n + m.tag, &out));
	TRY(crypt_once(&u, VERB_WRAP, secret_slice(&plain), &out));
	if (out.n != plain.n + m.tag)
		return HF_E_INTERNAL;
	r->out = (struct slice){ out.p, plain.n };
	r->tag = (struct slice){ out.p + plain.n, m.tag };
	return HF_OK;
}

/* unwrap_error: the words of C_UnwrapKey for what decryption found. */
static enum hf_err unwrap_error(enum hf_err e)
{
	switch ((int)e) {
	case HF_E_ENCRYPTED_DATA:
	case HF_E_AEAD:
	case HF_E_DATA:
		return HF_E_WRAPPED_KEY;
	case HF_E_ENCRYPTED_DATA_LEN:
	case HF_E_DATA_LEN:
		return HF_E_WRAPPED_KEY_LEN;
	default:
		return e;
	}
}

static enum hf_err unwrap(struct calls_ctx *c, const struct mech_use *u, struct slice wrapped,
	const struct attrs *a, struct parts *ret)
{
	struct buf plain;
	size_t room;
	uint64_t want;

	TRY(unwrap_error(crypt_bound(u, VERB_UNWRAP, wrapped.n, &room)));
	TRY(out_room(c, room, &plain));
	TRY(unwrap_error(crypt_once(u, VERB_UNWRAP, wrapped, &plain)));
	want = attrs_u64(a, CKA_VALUE_LEN, plain.n);
	if (want > plain.n)
		return HF_E_TEMPLATE_CONFLICT;
	/* Ciphers of whole blocks leave zeros behind a shorter key: the template's
	 * length cuts them off (PKCS#11 3.2, "Unwrapping" of AES-ECB and -CBC). */
	if (attrs_u64(a, CKA_CLASS, 0) == CKO_SECRET_KEY)
		buf_cut(&plain, (size_t)want);
	return key_decode((uint32_t)attrs_u64(a, CKA_CLASS, 0),
		(uint32_t)attrs_u64(a, CKA_KEY_TYPE, 0), buf_slice(&plain), ret);
}

/* struct coming is a wrapped key on its way in; use: with USE_MESSAGE aad and tag hold. */
struct coming {
	const struct mech_in *mech;
	uint32_t use;
	uint64_t with;
	struct slice wrapped, aad, tag;
	struct attr_list attrs;
};

/* as_plain makes of an unwrapping with a message's parameter one that the family knows. */
static enum hf_err as_plain(struct calls_ctx *c, struct coming *q, struct mech_use *u)
{
	const struct params message = u->params;
	struct aead_message m;
	struct buf all;

	TRY(aead_message_look(&message, &m));
	if (q->tag.n != m.tag)
		return HF_E_MECHANISM_PARAM;
	TRY(out_room(c, q->wrapped.n + m.tag, &all));
	buf_raw(&all, q->wrapped);
	buf_raw(&all, q->tag);
	q->wrapped = buf_slice(&all);
	aead_message_params(&message, m.iv.given, q->aad, &u->params);
	return buf_err(&all);
}

static enum hf_err come(struct calls_ctx *c, struct coming *q, uint64_t *ret_key)
{
	CLEANUP(object_release) struct object *with = NULL;
	CLEANUP(attrs_done) struct attrs a = { 0 };
	CLEANUP(parts_done) struct parts p = { 0 };
	struct birth_info b = {
		.how = BIRTH_UNWRAP, .cko = ATTRS_AS_GIVEN, .ckk = ATTRS_AS_GIVEN, .role = c->role,
	};
	struct attr_list t;
	struct mech_use u;

	TRY(object_get(c, q->with, HF_E_UNWRAPPING_KEY_HANDLE, &with));
	TRY(mech_check(c, q->mech, q->use, with, &u));
	TRY(once_login(with));
	if ((q->use & USE_MESSAGE) != 0)
		TRY(as_plain(c, q, &u));
	if (made_before(c, ret_key))
		return HF_OK;
	TRY(merge_template(c, q->attrs, with, CKA_UNWRAP_TEMPLATE, &t));
	TRY(attrs_birth(&b, t, &a));
	TRY(policy_unwrap(c, attrs_u64(&a, CKA_CLASS, ATTRS_AS_GIVEN)));
	TRY(policy_unwrapped(c, &a));
	TRY(object_permit(c, &a));
	TRY(unwrap(c, &u, q->wrapped, &a, &p));
	return add_key(c, &a, &p, ret_key);
}

enum hf_err on_key_unwrap(struct calls_ctx *c, const struct key_unwrap_req *q,
	struct key_unwrap_res *r)
{
	struct coming k = {
		.mech = &q->mech, .use = CKF_UNWRAP, .with = q->with, .wrapped = q->wrapped,
		.attrs = q->attrs,
	};

	return come(c, &k, &r->key);
}

enum hf_err on_key_unwrap_auth(struct calls_ctx *c, const struct key_unwrap_auth_req *q,
	struct key_unwrap_auth_res *r)
{
	struct coming k = {
		.mech = &q->mech, .use = CKF_UNWRAP | USE_MESSAGE, .with = q->with,
		.wrapped = q->wrapped, .aad = q->aad, .tag = q->tag, .attrs = q->attrs,
	};

	return come(c, &k, &r->key);
}

/* birth_shared makes the attributes of a key that a KEM gives. */
static enum hf_err birth_shared(struct calls_ctx *c, const struct object *with, uint32_t cka,
	struct attr_list t, struct attrs *ret)
{
	struct birth_info b;

	TRY(merge_template(c, t, with, cka, &t));
	b = derived(c, t);
	TRY(attrs_birth(&b, t, ret));
	if (attrs_u64(ret, CKA_CLASS, 0) != CKO_SECRET_KEY)
		return HF_E_TEMPLATE_CONFLICT;
	return object_permit(c, ret);
}

/* add_shared adds the front of a shared secret, as long as the template asks. */
static enum hf_err add_shared(struct calls_ctx *c, struct attrs *a, struct secret *v,
	uint64_t *ret_key)
{
	uint64_t want = attrs_u64(a, CKA_VALUE_LEN, v->n);

	if (want < v->n)
		secret_cut(v, (size_t)want);
	return add_secret(c, a, secret_slice(v), ret_key);
}

enum hf_err on_encapsulate(struct calls_ctx *c, const struct encapsulate_req *q,
	struct encapsulate_res *r)
{
	CLEANUP(object_release) struct object *with = NULL;
	CLEANUP(attrs_done) struct attrs a = { 0 };
	CLEANUP(secret_done) struct secret v = { 0 };
	CLEANUP(buf_done) struct buf ct = BUF_MAX(WIRE_MAX_BYTES);
	struct op_io io = { .max = q->max, .ret_need = &r->need };
	struct mech_use u;

	TRY(object_get(c, q->with, HF_E_KEY_HANDLE, &with));
	TRY(mech_check(c, &q->mech, CKF_ENCAPSULATE, with, &u));
	TRY(birth_shared(c, with, CKA_ENCAPSULATE_TEMPLATE, q->attrs, &a));
	TRY(u.mech->family->kem(u.mech, &u.params, u.key, SLICE_NONE, &ct, &v));
	TRY(buf_err(&ct));
	if (!out_fits(&io, ct.n))
		return HF_OK;
	TRY(forget_made(c)); /* the first ciphertext is lost */
	TRY(arena_dup(c->arena, buf_slice(&ct), &r->out));
	return add_shared(c, &a, &v, &r->key);
}

enum hf_err on_decapsulate(struct calls_ctx *c, const struct decapsulate_req *q,
	struct decapsulate_res *r)
{
	CLEANUP(object_release) struct object *with = NULL;
	CLEANUP(attrs_done) struct attrs a = { 0 };
	CLEANUP(secret_done) struct secret v = { 0 };
	CLEANUP(buf_done) struct buf none = BUF_MAX(0);
	struct mech_use u;

	TRY(object_get(c, q->with, HF_E_KEY_HANDLE, &with));
	TRY(mech_check(c, &q->mech, CKF_DECAPSULATE, with, &u));
	TRY(once_login(with));
	if (made_before(c, &r->key))
		return HF_OK;
	if (q->wrapped.n == 0) /* to the family, that would ask for encapsulation */
		return HF_E_WRAPPED_KEY_LEN;
	TRY(birth_shared(c, with, CKA_DECAPSULATE_TEMPLATE, q->attrs, &a));
	TRY(unwrap_error(
		u.mech->family->kem(u.mech, &u.params, u.key, q->wrapped, &none, &v)));
	return add_shared(c, &a, &v, &r->key);
}
