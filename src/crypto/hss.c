/* hss.c: the hierarchical signature system (RFC 8554 §6): keys, and the families. */
#include <string.h>

#include "crypto.h"
#include "der.h"
#include "families.h"
#include "hss.h"
#include "lms.h"

#define HSS_LEVELS 8
#define PRIVATE_FORMAT 1
#define PRIVATE_MOST (1u << 18)

/* id-alg-hss-lms-hashsig, RFC 9708 */
static const uint8_t oid[] = { DER_OID, 11,
	0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x03, 0x11 };

/* --- trees --------------------------------------------------------------------- */

static void root_key(const struct hbs *k, uint8_t key[HBS_TREE_KEY])
{
	memcpy(key, k->seeds.p, k->seeds.n);
}

/*  signature of the upper tree | the lower one's public key  */
static enum hf_err certify(struct hbs_work *w, const struct hbs_leaf *by,
	const struct hbs_child *child, struct buf *out)
{
	CLEANUP(buf_done) struct buf pub = BUF_MAX(LMS_PUBLIC_MOST);

	lms_public(&w->k->level[w->level + 1], child->key, child->root, &pub);
	TRY(buf_err(&pub));
	TRY(lms_sign(w, by, buf_slice(&pub), out));
	buf_raw(out, buf_slice(&pub));
	return buf_err(out);
}

static const struct hbs_scheme scheme = {
	.child_key = lms_child_key,
	.leaf = lms_leaf,
	.parent = lms_parent,
	.certify = certify,
	.root_key = root_key,
};

/* --- keys ---------------------------------------------------------------------- */

static bool set_level(struct hbs_level *l, uint64_t lms, uint64_t ots)
{
	l->lms = lms_set_of(lms);
	l->ots = lmots_set_of(ots);
	if (!lms_fits(l->lms, l->ots))
		return false;
	l->height = l->lms->height;
	return true;
}

/* sized fills in what the levels decide. */
static enum hf_err sized(struct hbs *k)
{
	const struct lms_set *first = k->level[0].lms;

	if (!hbs_levels_done(k))
		return HF_E_ATTR_VALUE;
	k->hash = first->hash;
	k->n = first->n;
	k->signature = 4;
	for (unsigned l = 0; l < k->levels; l++) {
		const struct hbs_level *v = &k->level[l];

		/* SP 800-208 §4: all levels with the same hash. */
		if (v->lms->n != k->n || strcmp(v->lms->hash, k->hash) != 0)
			return HF_E_ATTR_VALUE;
		k->signature += lms_signature_size(v) + (l > 0 ? lms_public_size(v) : 0);
	}
	return HF_OK;
}

/*  levels 4 | tree type 4 | one-time type 4 | I 16 | root n  */
static enum hf_err public_parse(struct slice v, struct hbs *k)
{
	struct rd r = rd_of(v);
	uint32_t levels, lms, ots;
	const uint8_t *rest;

	if (!rd_u32(&r, &levels) || levels == 0 || levels > HSS_LEVELS || !rd_u32(&r, &lms) ||
	    !rd_u32(&r, &ots) || !set_level(&k->level[0], lms, ots) ||
	    !rd_take(&r, (size_t)LMS_ID + k->level[0].lms->n, &rest) || !rd_done(&r))
		return HF_E_ATTR_VALUE;
	k->levels = levels;
	k->hash = k->level[0].lms->hash;
	k->n = k->level[0].lms->n;
	return secret_dup(v, &k->pub);
}

/*  format 1 | levels 1 | (tree type 4, one-time type 4)... | I 16, SEED n | public key | nodes  */
static enum hf_err private_parse(struct slice v, struct hbs *k)
{
	struct rd r = rd_of(v);
	uint8_t format, levels;
	struct slice pub, stored;
	const uint8_t *seeds;
	uint32_t lms, ots;

	if (!rd_u8(&r, &format) || format != PRIVATE_FORMAT || !rd_u8(&r, &levels) || levels == 0 ||
	    levels > HSS_LEVELS)
		return HF_E_ATTR_VALUE;
	k->levels = levels;
	for (unsigned l = 0; l < levels; l++)
		if (!rd_u32(&r, &lms) || !rd_u32(&r, &ots) || !set_level(&k->level[l], lms, ots))
			return HF_E_ATTR_VALUE;
	TRY(sized(k));
	if (!rd_take(&r, LMS_ID + k->n, &seeds) || !rd_bytes(&r, 256, &pub) ||
	    !rd_bytes(&r, PRIVATE_MOST, &stored) || stored.n != hbs_stored_size(k) || !rd_done(&r))
		return HF_E_ATTR_VALUE;
	TRY(secret_dup((struct slice){ seeds, LMS_ID + k->n }, &k->seeds));
	TRY(secret_dup(pub, &k->pub));
	return secret_dup(stored, &k->stored);
}

static enum hf_err parse(struct key *k, const struct key_source *s)
{
	struct slice v;

	TRY(source_need(s, CKA_VALUE, &v));
	TRY(hbs_new(&scheme, &k->hbs));
	TRY(k->cko == CKO_PRIVATE_KEY ? private_parse(v, k->hbs) : public_parse(v, k->hbs));
	k->size = k->hbs->pub.n;
	return HF_OK;
}

static enum hf_err put_types(struct parts *p, uint32_t cka, const struct hbs *k, bool ots)
{
	uint8_t v[8 * HSS_LEVELS];

	for (unsigned l = 0; l < k->levels; l++)
		put_u64(v + (size_t)8 * l, ots ? k->level[l].ots->type : k->level[l].lms->type);
	return parts_put(p, cka, (struct slice){ v, (size_t)8 * k->levels });
}

static enum hf_err output_public(const struct hbs *k, struct parts *ret)
{
	TRY(parts_put_u64(ret, CKA_HSS_LEVELS, k->levels));
	TRY(parts_put_u64(ret, CKA_HSS_LMS_TYPE, k->level[0].lms->type));
	TRY(parts_put_u64(ret, CKA_HSS_LMOTS_TYPE, k->level[0].ots->type));
	TRY(parts_put(ret, CKA_VALUE, secret_slice(&k->pub)));
	return parts_put_spki(ret, SLICE_OF(oid), secret_slice(&k->pub));
}

static enum hf_err output_private(const struct hbs *k, struct parts *ret)
{
	CLEANUP(buf_done) struct buf v = BUF_MAX(PRIVATE_MOST);

	buf_u8(&v, PRIVATE_FORMAT);
	buf_u8(&v, (uint8_t)k->levels);
	for (unsigned l = 0; l < k->levels; l++) {
		buf_u32(&v, k->level[l].lms->type);
		buf_u32(&v, k->level[l].ots->type);
	}
	buf_raw(&v, secret_slice(&k->seeds));
	buf_bytes(&v, secret_slice(&k->pub));
	buf_bytes(&v, secret_slice(&k->stored));
	TRY(buf_err(&v));
	TRY(parts_put(ret, CKA_VALUE, buf_slice(&v)));
	TRY(parts_put_u64(ret, CKA_HSS_LEVELS, k->levels));
	TRY(put_types(ret, CKA_HSS_LMS_TYPES, k, false));
	TRY(put_types(ret, CKA_HSS_LMOTS_TYPES, k, true));
	TRY(parts_put_u64(ret, CKA_HSS_KEYS_REMAINING, (uint64_t)1 << k->total));
	return parts_put_spki(ret, SLICE_OF(oid), secret_slice(&k->pub));
}

static enum hf_err output(const struct key *k, struct parts *ret)
{
	return k->cko == CKO_PRIVATE_KEY ? output_private(k->hbs, ret) : output_public(k->hbs, ret);
}

const struct key_kind kind_hss = { .ckk = CKK_HSS, .parse = parse, .output = output };

/* --- generation ------------------------------------------------------------------ */

/* types of each level, from the private template's lists. */
static enum hf_err listed(struct hbs *k, const struct key_source *s)
{
	struct slice lms, ots, levels = source_get(s, CKA_HSS_LEVELS);

	TRY(source_need(s, CKA_HSS_LMS_TYPES, &lms));
	TRY(source_need(s, CKA_HSS_LMOTS_TYPES, &ots));
	if (levels.p != NULL && (levels.n != 8 || get_u64(levels.p) != lms.n / 8))
		return HF_E_TEMPLATE_CONFLICT;
	if (lms.n == 0 || lms.n % 8 != 0 || lms.n / 8 > HSS_LEVELS || ots.n != lms.n)
		return HF_E_ATTR_VALUE;
	k->levels = (unsigned)(lms.n / 8);
	for (unsigned l = 0; l < k->levels; l++)
		if (!set_level(&k->level[l], get_u64(lms.p + (size_t)8 * l),
			    get_u64(ots.p + (size_t)8 * l)))
			return HF_E_ATTR_VALUE;
	return sized(k);
}

static enum hf_err grow(struct hbs *k)
{
	CLEANUP(buf_done) struct buf pub = BUF_MAX(4 + LMS_PUBLIC_MOST);
	uint8_t root[HBS_N_MAX];

	TRY(hbs_grow(k, root));
	buf_u32(&pub, k->levels);
	lms_public(&k->level[0], k->seeds.p, root, &pub);
	TRY(buf_err(&pub));
	return secret_dup(buf_slice(&pub), &k->pub);
}

enum hf_err hss_make(const struct key_source *types, struct slice seeds, struct parts *pub,
	struct parts *priv)
{
	CLEANUP(hbs_free_p) struct hbs *k = NULL;

	TRY(hbs_new(&scheme, &k));
	TRY(listed(k, types));
	TRY(secret_alloc(&k->seeds, LMS_ID + k->n));
	if (seeds.n == 0)
		TRY(crypto_random(k->seeds.p, k->seeds.n));
	else if (seeds.n == k->seeds.n)
		memcpy(k->seeds.p, seeds.p, seeds.n);
	else
		return HF_E_ATTR_VALUE;
	TRY(grow(k));
	TRY(output_public(k, pub));
	return output_private(k, priv);
}

static enum hf_err generate(const struct mech *m, const struct params *p,
	const struct key_source *pub_tmpl, const struct key_source *tmpl,
	struct parts *pub, struct parts *priv)
{
	(void)m;
	(void)p;
	(void)pub_tmpl;
	return hss_make(tmpl, SLICE_NONE, pub, priv);
}

const struct family family_hss_gen = { .name = "hss_gen", .generate = generate };

/* --- signatures ------------------------------------------------------------------ */

/*  levels - 1 4 | (signature, public key) of each lower tree | signature of the message  */
static enum hf_err sign(struct crypt *c, struct slice message, struct buf *out)
{
	CLEANUP(hbs_work_free_p) struct hbs_work *w = NULL;
	CLEANUP(hbs_ticket_done) struct hbs_ticket t = { 0 };
	struct hbs *k = c->key->hbs;
	struct hbs_leaf by;
	uint64_t index;

	TRY(hbs_take_leaf(c, &index));
	TRY(hbs_work_new(k, &w));
	TRY(hbs_prepare(k, w, index, &t));
	buf_u32(out, k->levels - 1);
	for (unsigned l = 1; l < k->levels; l++)
		buf_raw(out, buf_slice(&t.cert[l]));
	by = (struct hbs_leaf){ t.leaf, t.path.p };
	return lms_sign(w, &by, message, out);
}

/* struct trusted: a tree whose public key is known. */
struct trusted {
	const uint8_t *id, *root;
};

static enum hf_err verify_one(struct hbs_work *w, struct rd *r, const struct trusted *t,
	struct slice message)
{
	const struct hbs_level *l = &w->k->level[w->level];
	struct lms_signature s;

	if (!lms_take(r, l, &s))
		return HF_E_SIGNATURE;
	TRY(hbs_hash_set(&w->hash, l->lms->hash, l->lms->n));
	memcpy(w->key, t->id, LMS_ID);
	return lms_verify(w, &s, message, t->root);
}

/* take_public reads the public key of the next lower tree; message: as it was signed. */
static bool take_public(struct rd *r, struct hbs_level *l, struct trusted *t, struct slice *ret_message)
{
	const uint8_t *from = r->p;
	uint32_t lms, ots;

	if (!rd_u32(r, &lms) || !rd_u32(r, &ots) || !set_level(l, lms, ots) ||
	    !rd_take(r, LMS_ID, &t->id) || !rd_take(r, l->lms->n, &t->root))
		return false;
	*ret_message = (struct slice){ from, (size_t)(r->p - from) };
	return true;
}

/* A lower tree's key stands behind the signature of it: a second reader goes there first. */
static enum hf_err verify_all(struct hbs *k, struct hbs_work *w, struct slice message, struct rd *r)
{
	const uint8_t *pub = k->pub.p + 4 + 8;
	struct trusted t = { pub, pub + LMS_ID }, next;
	struct slice lower;

	for (unsigned l = 0; l + 1 < k->levels; l++) {
		struct rd behind = *r;
		struct lms_signature s;

		w->level = l;
		if (!lms_take(&behind, &k->level[l], &s) ||
		    !take_public(&behind, &k->level[l + 1], &next, &lower))
			return HF_E_SIGNATURE;
		TRY(verify_one(w, r, &t, lower));
		*r = behind;
		t = next;
	}
	w->level = k->levels - 1;
	TRY(verify_one(w, r, &t, message));
	return rd_done(r) ? HF_OK : HF_E_SIGNATURE;
}

static enum hf_err verify(const struct crypt *c, struct slice message, struct slice sig)
{
	CLEANUP(hbs_work_free_p) struct hbs_work *w = NULL;
	CLEANUP(hbs_free_p) struct hbs *k = NULL;
	struct rd r = rd_of(sig);
	uint32_t below;

	/* The signature brings the types of lower levels: a key of its own for each. */
	TRY(hbs_new(&scheme, &k));
	TRY(public_parse(secret_slice(&c->key->hbs->pub), k));
	TRY(hbs_work_new(k, &w));
	if (!rd_u32(&r, &below) || below != k->levels - 1)
		return HF_E_SIGNATURE;
	return verify_all(k, w, message, &r);
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	return c->verb == VERB_VERIFY ? verify(c, in, sig) : hbs_sign(c, sign, in, out);
}

const struct family family_hss = {
	.name = "hss",
	.begin = hbs_begin,
	.finish = finish,
	.bound = hbs_bound,
	.end = hbs_end,
};
