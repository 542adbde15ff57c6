/* handlers_derive.c: keys made of keys, one or several at once. */
#include "attrs.h"
#include "gate.h"
#include "guard.h"
#include "handlers_keys.h"
#include "module.h"
#include "object.h"
#include "op.h"
#include "pkcs11_numbers.h"

/* struct bases: what a key is derived from. */
struct bases {
	struct object *base, *other[OTHER_KEYS_MAX];
	const struct key *other_key[OTHER_KEYS_MAX];
};

static void bases_done(struct bases *b)
{
	object_unref(b->base);
	for (size_t i = 0; i < OTHER_KEYS_MAX; i++)
		object_unref(b->other[i]);
}

static enum hf_err other_base(struct calls_ctx *c, const struct mech_use *u, uint64_t handle,
	struct object **ret, const struct key **ret_key)
{
	const struct mech_in in = { .type = u->mech->type }; /* its parameter is in the request */
	const struct key_use use = use_of_call(c, CKF_DERIVE, &in);

	TRY(object_get(c, handle, HF_E_KEY_HANDLE, ret));
	if ((*ret)->cko != CKO_SECRET_KEY)
		return HF_E_KEY_TYPE;
	if (!attrs_bool(&(*ret)->attrs, CKA_DERIVE))
		return HF_E_KEY_FUNCTION;
	TRY(mech_lets(c, u->mech, CKF_DERIVE, *ret));
	TRY(once_login(*ret));
	TRY(guard_use(c, *ret, &use));
	return object_key(*ret, ret_key);
}

/* other_bases: the further keys that some mechanisms name in their parameter. */
static enum hf_err other_bases(struct calls_ctx *c, const struct mech_use *u, struct bases *b)
{
	uint64_t handle[OTHER_KEYS_MAX];

	mech_other_keys(u->mech, &u->params, handle);
	for (size_t i = 0; i < OTHER_KEYS_MAX; i++)
		if (handle[i] != 0)
			TRY(other_base(c, u, handle[i], &b->other[i], &b->other_key[i]));
	return HF_OK;
}

static struct birth_info birth_of(struct calls_ctx *c, const struct mech_use *u,
	const struct bases *b, struct attr_list t)
{
	struct birth_info info = derived(c, t);

	info.base = &b->base->attrs;
	for (size_t i = 0; i < OTHER_KEYS_MAX; i++)
		info.other[i] = b->other[i] != NULL ? &b->other[i]->attrs : NULL;
	info.inherit = (u->mech->flags & MECH_INHERIT) != 0;
	if ((u->mech->flags & MECH_PUBLIC_DATA) != 0)
		info.cko = CKO_DATA;
	return info;
}

static enum hf_err birth_derived(struct calls_ctx *c, const struct mech_use *u,
	const struct bases *b, struct attr_list t, struct attrs *ret)
{
	struct birth_info info;

	TRY(merge_template(c, t, b->base, CKA_DERIVE_TEMPLATE, &t));
	for (size_t i = 0; i < OTHER_KEYS_MAX; i++)
		if (b->other[i] != NULL)
			TRY(merge_template(c, t, b->other[i], CKA_DERIVE_TEMPLATE, &t));
	info = birth_of(c, u, b, t);
	TRY(attrs_birth(&info, t, ret));
	if ((u->mech->flags & MECH_PUBLIC_DATA) == 0 &&
	    attrs_u64(ret, CKA_CLASS, 0) != CKO_SECRET_KEY)
		return HF_E_TEMPLATE_CONFLICT;
	return object_permit(c, ret);
}

/* wanted: the length that the template gives, or its key type has. */
static size_t wanted(const struct attrs *a)
{
	if (attrs_u64(a, CKA_CLASS, 0) != CKO_SECRET_KEY)
		return (size_t)attrs_u64(a, CKA_VALUE_LEN, 0);
	return (size_t)attrs_u64(a, CKA_VALUE_LEN,
		key_only_size((uint32_t)attrs_u64(a, CKA_KEY_TYPE, 0)));
}

/* --- several ---------------------------------------------------------------------- */

/* struct many: the templates of the keys that a derivation makes. */
struct many {
	const struct mech_use *u;
	const struct bases *b;
	struct attr_list tmpl[DERIVED_MAX];
	size_t n;
};

static enum hf_err templates(struct calls_ctx *c, struct attr_list first, struct many *m)
{
	struct slice more = mech_more_templates(&m->u->params), one;
	struct rd r = rd_of(more);

	for (m->tmpl[m->n++] = first; !rd_done(&r); m->n++) {
		if (m->n == DERIVED_MAX)
			return HF_E_LIMIT;
		if (!rd_bytes(&r, r.n, &one))
			return HF_E_MECHANISM_PARAM;
		TRY(attrs_nested(one, c->arena, &m->tmpl[m->n]));
	}
	return HF_OK;
}

/* mac_template: a MAC's secret has a type and a length of its own (PKCS#11 3.2
 * §6.40.7), and may be derived from. */
static enum hf_err mac_template(struct calls_ctx *c, struct attr_list t, struct attr_list *ret)
{
	static const uint8_t yes[] = { 1 };
	struct attr *v = arena_alloc(c->arena, t.n + 1, sizeof(*v));
	size_t n = 0;

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (size_t i = 0; i < t.n; i++)
		if (t.v[i].type != CKA_KEY_TYPE && t.v[i].type != CKA_VALUE_LEN &&
		    t.v[i].type != CKA_DERIVE)
			v[n++] = t.v[i];
	v[n++] = (struct attr){ CKA_DERIVE, SLICE_OF(yes) };
	*ret = (struct attr_list){ v, n };
	return HF_OK;
}

/* want_all checks every template before the work, and learns the lengths. */
static enum hf_err want_all(struct calls_ctx *c, const struct many *m, struct derivation *d)
{
	for (d->wants = 0; d->wants < m->n; d->wants++) {
		CLEANUP(attrs_done) struct attrs a = { 0 };

		TRY(birth_derived(c, m->u, m->b, m->tmpl[d->wants], &a));
		d->want[d->wants] = wanted(&a);
	}
	return HF_OK;
}

static enum hf_err add_one(struct calls_ctx *c, const struct many *m, const struct derivation *d,
	size_t i, uint64_t *ret)
{
	CLEANUP(attrs_done) struct attrs a = { 0 };
	struct attr_list t = m->tmpl[i < m->n ? i : 0];

	if (d->made[i].p == NULL)
		return HF_OK;
	if (i < d->macs)
		TRY(mac_template(c, t, &t));
	TRY(birth_derived(c, m->u, m->b, t, &a));
	return add_secret(c, &a, secret_slice(&d->made[i]), ret);
}

static void take_back(struct calls_ctx *c, const uint64_t *key, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		CLEANUP(object_release) struct object *o = NULL;

		if (key[i] == 0 || object_get(c, key[i], HF_E_KEY_HANDLE, &o) != HF_OK)
			continue;
		if (object_destroy(c, o) != HF_OK)
			call_detail(c, "key %llu of a failed derivation stays",
				(unsigned long long)key[i]);
	}
}

/* add_all: all keys or none. */
static enum hf_err add_all(struct calls_ctx *c, const struct many *m, const struct derivation *d,
	struct key_derive_res *r)
{
	uint64_t *key = arena_alloc(c->arena, DERIVED_MAX, sizeof(*key));
	enum hf_err e = key == NULL ? HF_E_SECRET_MEMORY : HF_OK;

	for (size_t i = 0; e == HF_OK && i < d->n; i++)
		e = add_one(c, m, d, i, &key[i]);
	if (e == HF_OK)
		e = arena_dup(c->arena, buf_slice(&d->told), &r->told);
	if (e != HF_OK) {
		if (key != NULL)
			take_back(c, key, d->n);
		return e;
	}
	r->key = key[0];
	if (d->n > 1)
		r->more = (struct u64_list){ key + 1, d->n - 1 };
	return HF_OK;
}

static enum hf_err derive_many(struct calls_ctx *c, const struct many *m, struct key_derive_res *r)
{
	CLEANUP(derivation_done) struct derivation d = {
		.mech = m->u->mech, .params = &m->u->params, .base = m->u->key,
		.told = BUF_MAX(4096),
	};

	for (size_t i = 0; i < OTHER_KEYS_MAX; i++)
		d.other[i] = m->b->other_key[i];
	TRY(want_all(c, m, &d));
	TRY(m->u->mech->family->derive_many(&d));
	TRY(buf_err(&d.told));
	TRY(forget_made(c));
	return add_all(c, m, &d, r);
}

/* --- one -------------------------------------------------------------------------- */

static enum hf_err derive_one(struct calls_ctx *c, const struct mech_use *u,
	const struct bases *b, struct attr_list t, uint64_t *ret)
{
	CLEANUP(attrs_done) struct attrs a = { 0 };
	CLEANUP(secret_done) struct secret v = { 0 };

	TRY(birth_derived(c, u, b, t, &a));
	TRY(u->mech->family->derive(u->mech, &u->params, u->key, b->other_key[0],
		wanted(&a), &v));
	return add_secret(c, &a, secret_slice(&v), ret);
}

/* --- a public key ------------------------------------------------------------------- */

/* inherited appends to t what a public key has from its private one unless t says
 * otherwise (PKCS#11 3.2 §6.43.10). */
static enum hf_err inherited(struct calls_ctx *c, const struct object *base, struct attr_list t,
	struct attr_list *ret)
{
	static const struct {
		uint32_t of, from;
	} same[] = {
		{ CKA_ENCRYPT, CKA_DECRYPT }, { CKA_VERIFY, CKA_SIGN }, { CKA_WRAP, CKA_UNWRAP },
		{ CKA_VERIFY_RECOVER, CKA_SIGN_RECOVER }, { CKA_ENCAPSULATE, CKA_DECAPSULATE },
		{ CKA_DERIVE, CKA_DERIVE }, { CKA_ID, CKA_ID }, { CKA_SUBJECT, CKA_SUBJECT },
		{ CKA_START_DATE, CKA_START_DATE }, { CKA_END_DATE, CKA_END_DATE },
		{ CKA_ALLOWED_MECHANISMS, CKA_ALLOWED_MECHANISMS },
	};
	struct attr *v = arena_alloc(c->arena, t.n + sizeof(same) / sizeof(same[0]), sizeof(*v));
	size_t n = t.n, j;

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (size_t i = 0; i < t.n; i++)
		v[i] = t.v[i];
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		struct slice value = attrs_get(&base->attrs, same[i].from);

		for (j = 0; j < t.n && t.v[j].type != same[i].of; j++)
			continue;
		if (j == t.n && value.p != NULL)
			v[n++] = (struct attr){ same[i].of, value };
	}
	*ret = (struct attr_list){ v, n };
	return HF_OK;
}

static enum hf_err derive_public(struct calls_ctx *c, const struct mech_use *u,
	const struct object *base, struct attr_list t, uint64_t *ret)
{
	CLEANUP(attrs_done) struct attrs a = { 0 };
	CLEANUP(parts_done) struct parts p = { 0 };
	struct birth_info info = { .how = BIRTH_DERIVE, .cko = CKO_PUBLIC_KEY, .ckk = base->ckk,
		.role = c->role };

	TRY(inherited(c, base, t, &t));
	TRY(attrs_birth(&info, t, &a));
	TRY(attrs_set_u64(&a, CKA_KEY_GEN_MECHANISM,
		attrs_u64(&base->attrs, CKA_KEY_GEN_MECHANISM, UINT64_MAX)));
	TRY(object_permit(c, &a));
	TRY(u->mech->family->public_half(u->key, &p));
	return add_key(c, &a, &p, ret);
}

enum hf_err on_key_derive(struct calls_ctx *c, const struct key_derive_req *q,
	struct key_derive_res *r)
{
	CLEANUP(bases_done) struct bases b = { 0 };
	struct mech_use u;
	struct many m = { .u = &u, .b = &b };

	TRY(object_get(c, q->base, HF_E_KEY_HANDLE, &b.base));
	TRY(mech_check(c, &q->mech, CKF_DERIVE, b.base, &u));
	if (u.mech->family->public_half != NULL)
		return made_before(c, &r->key) ? HF_OK : derive_public(c, &u, b.base, q->attrs, &r->key);
	TRY(once_login(b.base));
	if (u.mech->family->derive_many == NULL && made_before(c, &r->key))
		return HF_OK;
	TRY(other_bases(c, &u, &b));
	if (u.mech->family->derive_many == NULL)
		return derive_one(c, &u, &b, q->attrs, &r->key);
	TRY(templates(c, q->attrs, &m));
	return derive_many(c, &m, r);
}
