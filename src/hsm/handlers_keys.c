/* handlers_keys.c: keys made, wrapped, unwrapped, derived, agreed upon. */
#include "ahead.h"
#include "attrs.h"
#include "guard.h"
#include "handlers_keys.h"
#include "lowly.h"
#include "module.h"
#include "object.h"
#include "op.h"
#include "pkcs11_numbers.h"

bool made_before(struct calls_ctx *c, uint64_t *ret_handle)
{
	struct object *was[2];

	if (object_by_origin(c, was) == 0)
		return false;
	*ret_handle = was[0]->handle;
	object_audit(c, was[0]);
	object_unref(was[0]);
	object_unref(was[1]);
	return true;
}

enum hf_err forget_made(struct calls_ctx *c)
{
	struct object *was[2];
	enum hf_err e = HF_OK;

	while (e == HF_OK && object_by_origin(c, was) != 0) {
		e = object_destroy(c, was[0]);
		object_unref(was[0]);
		object_unref(was[1]);
	}
	return e;
}

enum hf_err add_key(struct calls_ctx *c, struct attrs *a, const struct parts *p,
	uint64_t *ret_handle)
{
	CLEANUP(object_release) struct object *o = NULL;

	TRY(attrs_put_parts(a, p));
	TRY(attrs_check_complete(a));
	TRY(object_add(c, a, &o));
	*ret_handle = o->handle;
	return HF_OK;
}

/* import_parts: what a key made from a bare value should have besides. */
static enum hf_err import_parts(const struct attrs *a, struct parts *ret)
{
	struct key_source s = attrs_source(a);

	return key_import((uint32_t)attrs_u64(a, CKA_CLASS, 0),
		(uint32_t)attrs_u64(a, CKA_KEY_TYPE, 0), &s, ret);
}

enum hf_err add_secret(struct calls_ctx *c, struct attrs *a, struct slice value,
	uint64_t *ret_handle)
{
	CLEANUP(parts_done) struct parts p = { 0 };
	CLEANUP(secret_done) struct secret v = { 0 };
	uint32_t ckk = (uint32_t)attrs_u64(a, CKA_KEY_TYPE, 0);

	if (attrs_u64(a, CKA_CLASS, 0) == CKO_SECRET_KEY && key_only_size(ckk) != 0) {
		TRY(secret_dup(value, &v));
		TRY(key_fit(ckk, &v));
		value = secret_slice(&v);
	}
	if (attrs_get(a, CKA_VALUE_LEN).p != NULL && attrs_u64(a, CKA_VALUE_LEN, 0) != value.n)
		return HF_E_TEMPLATE_CONFLICT;
	TRY(attrs_set(a, CKA_VALUE, value));
	if (attrs_u64(a, CKA_CLASS, 0) == CKO_SECRET_KEY)
		TRY(import_parts(a, &p));
	return add_key(c, a, &p, ret_handle);
}

/* merge puts the attributes that a key demands of those made with it (its
 * UNWRAP_TEMPLATE and kin) behind a template. Two wills: HF_E_TEMPLATE_CONFLICT
 * (PKCS#11 3.2 §5.18.4). */
enum hf_err merge_template(struct calls_ctx *c, struct attr_list t, const struct object *by,
	uint32_t cka, struct attr_list *ret)
{
	struct attr_list more;
	struct attr *v;
	size_t n = t.n, j;

	TRY(attrs_nested(attrs_get(&by->attrs, cka), c->arena, &more));
	v = arena_alloc(c->arena, t.n + more.n + 1, sizeof(*v));
	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (size_t i = 0; i < t.n; i++)
		v[i] = t.v[i];
	for (size_t i = 0; i < more.n; i++) {
		for (j = 0; j < t.n && t.v[j].type != more.v[i].type; j++)
			continue;
		if (j == t.n) /* the object may be gone before v is read: copy */
			TRY(arena_dup(c->arena, more.v[i].value, &v[n].value));
		else if (!secret_eq(t.v[j].value, more.v[i].value))
			return HF_E_TEMPLATE_CONFLICT;
		if (j == t.n)
			v[n++].type = more.v[i].type;
	}
	*ret = (struct attr_list){ v, n };
	return HF_OK;
}

enum hf_err once_login(const struct object *o)
{
	return attrs_bool(&o->attrs, CKA_ALWAYS_AUTHENTICATE) ? HF_E_NOT_LOGGED_IN : HF_OK;
}

static struct slice tmpl_get(struct attr_list t, uint32_t type)
{
	for (size_t i = 0; i < t.n; i++)
		if (t.v[i].type == type)
			return t.v[i].value;
	return SLICE_NONE;
}

/* given_or: a number of the template, or what holds without it. */
static uint32_t given_or(struct attr_list t, uint32_t cka, uint32_t otherwise)
{
	return tmpl_get(t, cka).n == 8 ? ATTRS_AS_GIVEN : otherwise;
}

/* --- generation ---------------------------------------------------------- */

/* generated: the type is the mechanism's own, unless it makes several and the
 * template chooses. */
static struct birth_info generated(const struct calls_ctx *c, const struct mech *m, uint32_t cko,
	struct attr_list t)
{
	bool several = m->key == CKK_NONE || m->key == CKK_ANY_SECRET || m->alt_key != CKK_NONE;

	return (struct birth_info){
		.how = BIRTH_GENERATE, .cko = cko,
		.ckk = several ? given_or(t, CKA_KEY_TYPE, m->key) : m->key,
		.mechanism = m->type, .role = c->role, .one_size = m->min != 0 && m->min == m->max,
	};
}

/* makes: is the type that the template chose one that the mechanism makes? */
static enum hf_err makes(const struct mech *m, const struct attrs *a)
{
	uint32_t ckk = (uint32_t)attrs_u64(a, CKA_KEY_TYPE, ATTRS_AS_GIVEN);

	if (m->key == CKK_NONE || m->key == CKK_ANY_SECRET || ckk == m->key || ckk == m->alt_key)
		return HF_OK;
	return HF_E_TEMPLATE_CONFLICT;
}

static uint32_t class_made(const struct mech *m)
{
	if ((m->flags & MECH_DOMAIN) != 0)
		return CKO_DOMAIN_PARAMETERS;
	return (m->flags & MECH_OTP) != 0 ? CKO_OTP_KEY : CKO_SECRET_KEY;
}

struct generation {
	const struct mech_use *u;
	const struct key_source *pub_src, *priv_src;
	struct parts *pub, *priv;
};

static enum hf_err generate(void *ctx)
{
	const struct generation *g = ctx;

	return g->u->mech->family->generate(g->u->mech, &g->u->params, g->pub_src, g->priv_src, g->pub,
		g->priv);
}

/* takes_long: up to a minute and more, by the size. */
static bool takes_long(const struct mech *m)
{
	static const uint32_t types[] = { CKK_RSA, CKK_HSS, CKK_XMSS, CKK_XMSSMT };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (m->key == types[i])
			return true;
	return (m->flags & MECH_DOMAIN) != 0;
}

bool pair_is_quick(struct slice fields)
{
	static const uint32_t types[] = { CKK_EC, CKK_EC_EDWARDS, CKK_EC_MONTGOMERY, CKK_ML_DSA, CKK_ML_KEM };
	struct rd r = rd_of(fields);
	const struct mech *m;
	uint32_t type;

	/* The mechanism stands first. */
	m = rd_u32(&r, &type) ? mech_find(type) : NULL;
	for (size_t i = 0; m != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		if (m->key == types[i])
			return true;
	return false;
}

static enum hf_err make(struct generation *g)
{
	return takes_long(g->u->mech) ? lowly(generate, g) : generate(g);
}

enum hf_err on_key_generate(struct calls_ctx *c, const struct key_generate_req *q,
	struct key_generate_res *r)
{
	CLEANUP(attrs_done) struct attrs a = { 0 };
	CLEANUP(parts_done) struct parts p = { 0 };
	CLEANUP(parts_done) struct parts besides = { 0 };
	struct key_source s;
	struct birth_info b;
	struct mech_use u;

	TRY(mech_check(c, &q->mech, CKF_GENERATE, NULL, &u));
	if (u.params.id == PARAM_PBE) /* it told an IV, which is lost */
		TRY(forget_made(c));
	if (made_before(c, &r->key))
		return HF_OK;
	b = generated(c, u.mech, class_made(u.mech), q->attrs);
	TRY(attrs_birth(&b, q->attrs, &a));
	TRY(makes(u.mech, &a));
	TRY(object_permit(c, &a));
	s = attrs_source(&a);
	TRY(make(&(struct generation){ &u, NULL, &s, &besides, &p }));
	TRY(arena_dup(c->arena, parts_get(&besides, PARTS_TOLD), &r->told));
	ahead_last(c);
	return add_key(c, &a, &p, &r->key);
}

/* pair_before: both halves of a pair that an earlier copy of this call made. */
static bool pair_before(struct calls_ctx *c, struct key_pair_generate_res *r)
{
	struct object *was[2];
	size_t n = object_by_origin(c, was);

	if (n == 2) {
		r->public_key = was[0]->handle;
		r->private_key = was[1]->handle;
		object_audit(c, was[1]);
	}
	object_unref(was[0]);
	object_unref(was[1]);
	return n == 2;
}

/* birth_pair makes the attributes of both halves, before the costly work. */
static enum hf_err birth_pair(struct calls_ctx *c, const struct mech *m,
	const struct key_pair_generate_req *q, struct attrs *pub, struct attrs *priv)
{
	struct birth_info b = generated(c, m, CKO_PUBLIC_KEY, q->pub);

	TRY(attrs_birth(&b, q->pub, pub));
	TRY(makes(m, pub));
	b.cko = CKO_PRIVATE_KEY;
	b.ckk = (uint32_t)attrs_u64(pub, CKA_KEY_TYPE, ATTRS_AS_GIVEN);
	TRY(attrs_birth(&b, q->priv, priv));
	TRY(object_permit(c, pub));
	return object_permit(c, priv);
}

enum hf_err on_key_pair_generate(struct calls_ctx *c, const struct key_pair_generate_req *q,
	struct key_pair_generate_res *r)
{
	CLEANUP(attrs_done) struct attrs pub = { 0 };
	CLEANUP(attrs_done) struct attrs priv = { 0 };
	CLEANUP(parts_done) struct parts pub_parts = { 0 };
	CLEANUP(parts_done) struct parts priv_parts = { 0 };
	CLEANUP(object_release) struct object *pub_key = NULL;
	CLEANUP(object_release) struct object *priv_key = NULL;
	struct key_source pub_src, priv_src;
	struct generation g;
	struct mech_use u;

	TRY(mech_check(c, &q->mech, CKF_GENERATE_KEY_PAIR, NULL, &u));
	if (pair_before(c, r))
		return HF_OK;
	TRY(birth_pair(c, u.mech, q, &pub, &priv));
	pub_src = attrs_source(&pub);
	priv_src = attrs_source(&priv);
	g = (struct generation){ &u, &pub_src, &priv_src, &pub_parts, &priv_parts };
	TRY(make(&g));
	TRY(attrs_put_parts(&pub, &pub_parts));
	TRY(attrs_put_parts(&priv, &priv_parts));
	TRY(attrs_check_complete(&pub));
	TRY(attrs_check_complete(&priv));
	ahead_last(c);
	TRY(object_add_pair(c, &pub, &priv, &pub_key, &priv_key));
	r->public_key = pub_key->handle;
	r->private_key = priv_key->handle;
	return HF_OK;
}

/* --- derivation ----------------------------------------------------------- */

struct birth_info derived(const struct calls_ctx *c, struct attr_list t)
{
	return (struct birth_info){
		.how = BIRTH_DERIVE, .role = c->role,
		.cko = given_or(t, CKA_CLASS, CKO_SECRET_KEY),
		.ckk = given_or(t, CKA_KEY_TYPE, CKK_GENERIC_SECRET),
	};
}
