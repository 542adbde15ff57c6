/* xmss.c: XMSS and XMSS^MT (RFC 8391, SP 800-208 §5, §6.2): keys, trees, signatures.
 * Layers of the standard are counted from below, levels here from above. */
#include "xmss.h"

#include <string.h>

#include "crypto.h"
#include "der.h"
#include "families.h"
#include "hbs.h"

#define PRIVATE_FORMAT 1
#define PRIVATE_MOST (1u << 18)
#define CHAIN 15         /* steps of a chain: w = 16, RFC 8391 §3.1.1 */
#define CHECK_DIGITS 3

/* id-alg-xmss-hashsig and id-alg-xmssmt-hashsig, RFC 9802 */
static const uint8_t oid_xmss[] = { DER_OID, 8, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x06, 0x22 };
static const uint8_t oid_xmssmt[] = { DER_OID, 8, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x06, 0x23 };

#define ONE(first, hash, n, pad, approved)                                     \
	{ CKK_XMSS, (first), hash, n, pad, 10, 1, approved },                      \
	{ CKK_XMSS, (first) + 1, hash, n, pad, 16, 1, approved },                  \
	{ CKK_XMSS, (first) + 2, hash, n, pad, 20, 1, approved }
#define MANY(first, hash, n, pad, approved)                                    \
	{ CKK_XMSSMT, (first), hash, n, pad, 20, 2, approved },                    \
	{ CKK_XMSSMT, (first) + 1, hash, n, pad, 20, 4, approved },                \
	{ CKK_XMSSMT, (first) + 2, hash, n, pad, 40, 2, approved },                \
	{ CKK_XMSSMT, (first) + 3, hash, n, pad, 40, 4, approved },                \
	{ CKK_XMSSMT, (first) + 4, hash, n, pad, 40, 8, approved },                \
	{ CKK_XMSSMT, (first) + 5, hash, n, pad, 60, 3, approved },                \
	{ CKK_XMSSMT, (first) + 6, hash, n, pad, 60, 6, approved },                \
	{ CKK_XMSSMT, (first) + 7, hash, n, pad, 60, 12, approved }

static const struct xmss_set sets[] = {
	ONE(0x01, "SHA256", 32, 32, true),    ONE(0x04, "SHA512", 64, 64, false),
	ONE(0x07, "SHAKE128", 32, 32, false), ONE(0x0a, "SHAKE256", 64, 64, false),
	ONE(0x0d, "SHA256", 24, 4, true),     ONE(0x10, "SHAKE256", 32, 32, true),
	ONE(0x13, "SHAKE256", 24, 4, true),
	MANY(0x01, "SHA256", 32, 32, true),    MANY(0x09, "SHA512", 64, 64, false),
	MANY(0x11, "SHAKE128", 32, 32, false), MANY(0x19, "SHAKE256", 64, 64, false),
	MANY(0x21, "SHA256", 24, 4, true),     MANY(0x29, "SHAKE256", 32, 32, true),
	MANY(0x31, "SHAKE256", 24, 4, true),
};

const struct xmss_set *xmss_set_of(uint32_t ckk, uint64_t oid)
{
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		if (sets[i].ckk == ckk && sets[i].oid == oid)
			return &sets[i];
	return NULL;
}

/* The seeds, one behind the other, n bytes each: SK_SEED, SK_PRF, and the public two
 * root and SEED, which stand so in the public key behind its number. */
static const uint8_t *sk_seed(const struct hbs *k)
{
	return k->seeds.p;
}

static const uint8_t *sk_prf(const struct hbs *k)
{
	return k->seeds.p + k->n;
}

static const uint8_t *root(const struct hbs *k)
{
	return k->pub.p + 4;
}

static const uint8_t *seed(const struct hbs *k)
{
	return k->pub.p + 4 + k->n;
}

/* --- hashes -------------------------------------------------------------------- */

enum { HASH_F, HASH_H, HASH_MESSAGE, HASH_PRF, HASH_PRF_KEYGEN }; /* RFC 8391 §5.1 */

static enum hf_err keyed(struct hbs_work *w, unsigned which, const struct slice v[2], uint8_t *out)
{
	uint8_t pad[HBS_N_MAX] = { 0 };
	struct slice part[] = { { pad, w->k->xmss->pad }, v[0], v[1] };

	pad[w->k->xmss->pad - 1] = (uint8_t)which;
	return hbs_hash_do(&w->hash, part, 3, out);
}

/* An address, RFC 8391 §2.5: layer 4 | tree 8 | type 4 | three words | what for 4. */
#define ADDRESS 32
enum { ADDRESS_OTS, ADDRESS_LTREE, ADDRESS_TREE };
struct address {
	uint8_t b[ADDRESS];
};

static struct address address_of(const struct hbs_work *w, unsigned type)
{
	struct address a = { { 0 } };

	put_u32(a.b, w->k->levels - 1 - w->level);
	put_u64(a.b + 4, w->tree);
	put_u32(a.b + 12, type);
	return a;
}

static void word(struct address *a, unsigned i, uint32_t v)
{
	put_u32(a->b + 16 + (size_t)4 * i, v);
}

/* prf: of that address, for the last word's use (0 key, 1 and 2 masks). */
static enum hf_err prf(struct hbs_work *w, struct address *a, uint32_t use, uint8_t *out)
{
	struct slice v[2] = { { seed(w->k), w->k->n }, { a->b, ADDRESS } };

	word(a, 3, use);
	return keyed(w, HASH_PRF, v, out);
}

/* masked hashes `masks` values of n bytes each, under key and masks of the address. */
static enum hf_err masked(struct hbs_work *w, struct address *a, unsigned masks, const uint8_t *in,
	uint8_t *out)
{
	uint8_t key[HBS_N_MAX], *mask = w->in + HBS_N_MAX; /* not on the stack: it holds a secret */
	size_t n = w->k->n;
	struct slice v[2] = { { key, n }, { mask, masks * n } };

	TRY(prf(w, a, 0, key));
	for (unsigned i = 0; i < masks; i++)
		TRY(prf(w, a, i + 1, mask + i * n));
	for (size_t i = 0; i < masks * n; i++)
		mask[i] ^= in[i];
	return keyed(w, masks == 1 ? HASH_F : HASH_H, v, out);
}

/* --- one-time signatures --------------------------------------------------------- */

static unsigned chains(const struct hbs *k)
{
	return (unsigned)(2 * k->n + CHECK_DIGITS);
}

/* The value that a chain is at stands in w->in. */
static enum hf_err chain(struct hbs_work *w, struct address *a, unsigned from, unsigned to)
{
	for (unsigned j = from; j < to; j++) {
		word(a, 2, j);
		TRY(masked(w, a, 1, w->in, w->in));
	}
	return HF_OK;
}

/* start: SP 800-208 §6.2, PRF_keygen. */
static enum hf_err start(struct hbs_work *w, struct address *a, unsigned i)
{
	uint8_t in[HBS_N_MAX + ADDRESS];
	struct slice v[2] = { { sk_seed(w->k), w->k->n }, { in, w->k->n + ADDRESS } };

	word(a, 1, i);
	word(a, 2, 0);
	word(a, 3, 0);
	memcpy(in, seed(w->k), w->k->n);
	memcpy(in + w->k->n, a->b, ADDRESS);
	return keyed(w, HASH_PRF_KEYGEN, v, w->in);
}

static void digits(const struct hbs *k, const uint8_t *m, uint8_t out[2 * HBS_N_MAX + CHECK_DIGITS])
{
	unsigned sum = 0;

	for (size_t i = 0; i < 2 * k->n; i++) {
		out[i] = i % 2 == 0 ? m[i / 2] >> 4 : m[i / 2] & 15;
		sum += CHAIN - out[i];
	}
	for (unsigned i = 0; i < CHECK_DIGITS; i++)
		out[2 * k->n + i] = sum >> (4 * (CHECK_DIGITS - 1 - i)) & 15;
}

/* l_tree presses the one-time public key in w->ots into a leaf (RFC 8391 §4.1.5). */
static enum hf_err l_tree(struct hbs_work *w, uint32_t at, uint8_t *out)
{
	struct address a = address_of(w, ADDRESS_LTREE);
	size_t n = w->k->n;
	unsigned left = chains(w->k);

	word(&a, 0, at);
	for (unsigned height = 0; left > 1; height++) {
		word(&a, 1, height);
		for (unsigned i = 0; i < left / 2; i++) {
			word(&a, 2, i);
			TRY(masked(w, &a, 2, w->ots + 2 * i * n, w->ots + i * n));
		}
		if (left % 2 != 0)
			memmove(w->ots + left / 2 * n, w->ots + (left - 1) * n, n);
		left = (left + 1) / 2;
	}
	memcpy(out, w->ots, n);
	return HF_OK;
}

static enum hf_err leaf(struct hbs_work *w, uint32_t at, uint8_t *out)
{
	struct address a = address_of(w, ADDRESS_OTS);

	word(&a, 0, at);
	for (unsigned i = 0; i < chains(w->k); i++) {
		TRY(start(w, &a, i));
		TRY(chain(w, &a, 0, CHAIN));
		memcpy(w->ots + i * w->k->n, w->in, w->k->n);
	}
	return l_tree(w, at, out);
}

static enum hf_err parent(struct hbs_work *w, unsigned height, uint64_t at, const uint8_t *two,
	uint8_t *out)
{
	struct address a = address_of(w, ADDRESS_TREE);

	word(&a, 1, height - 1);
	word(&a, 2, (uint32_t)at);
	return masked(w, &a, 2, two, out);
}

/*  one-time signature of the n bytes m | path  */
static enum hf_err sign_root(struct hbs_work *w, const struct hbs_leaf *by, const uint8_t *m,
	struct buf *out)
{
	struct address a = address_of(w, ADDRESS_OTS);
	uint8_t d[2 * HBS_N_MAX + CHECK_DIGITS];
	size_t n = w->k->n;

	digits(w->k, m, d);
	word(&a, 0, by->at);
	for (unsigned i = 0; i < chains(w->k); i++) {
		TRY(start(w, &a, i));
		TRY(chain(w, &a, 0, d[i]));
		buf_raw(out, (struct slice){ w->in, n });
	}
	buf_raw(out, (struct slice){ by->path, n * w->k->level[w->level].height });
	return buf_err(out);
}

static enum hf_err certify(struct hbs_work *w, const struct hbs_leaf *by,
	const struct hbs_child *child, struct buf *out)
{
	return sign_root(w, by, child->root, out);
}

static void root_key(const struct hbs *k, uint8_t key[HBS_TREE_KEY])
{
	(void)k;
	(void)key; /* trees differ by their addresses */
}

static const struct hbs_scheme scheme = {
	.leaf = leaf,
	.parent = parent,
	.certify = certify,
	.root_key = root_key,
};

/* --- keys ------------------------------------------------------------------------ */

static size_t index_size(const struct xmss_set *s)
{
	return s->ckk == CKK_XMSS ? 4 : (s->height + 7u) / 8;
}

static enum hf_err set_up(struct hbs *k, const struct xmss_set *s)
{
	if (s == NULL)
		return HF_E_ATTR_VALUE;
	k->xmss = s;
	k->hash = s->hash;
	k->n = s->n;
	k->levels = s->layers;
	for (unsigned l = 0; l < k->levels; l++)
		k->level[l].height = s->height / s->layers;
	k->signature = index_size(s) + k->n + k->n * (k->levels * chains(k) + s->height);
	return hbs_levels_done(k) ? HF_OK : HF_E_INTERNAL;
}

/*  number 4 | root n | SEED n  */
static enum hf_err public_parse(uint32_t ckk, struct slice v, struct hbs *k)
{
	struct rd r = rd_of(v);
	const uint8_t *rest;
	uint32_t oid;

	if (!rd_u32(&r, &oid))
		return HF_E_ATTR_VALUE;
	TRY(set_up(k, xmss_set_of(ckk, oid)));
	if (!rd_take(&r, 2 * k->n, &rest) || !rd_done(&r))
		return HF_E_ATTR_VALUE;
	return secret_dup(v, &k->pub);
}

/*  format 1 | public key | SK_SEED n | SK_PRF n | nodes  */
static enum hf_err private_parse(uint32_t ckk, struct slice v, struct hbs *k)
{
	struct rd r = rd_of(v);
	struct slice pub, stored;
	const uint8_t *seeds;
	uint8_t format;

	if (!rd_u8(&r, &format) || format != PRIVATE_FORMAT || !rd_bytes(&r, 256, &pub))
		return HF_E_ATTR_VALUE;
	TRY(public_parse(ckk, pub, k));
	if (!rd_take(&r, 2 * k->n, &seeds) || !rd_bytes(&r, PRIVATE_MOST, &stored) ||
	    stored.n != hbs_stored_size(k) || !rd_done(&r))
		return HF_E_ATTR_VALUE;
	TRY(secret_dup((struct slice){ seeds, 2 * k->n }, &k->seeds));
	return secret_dup(stored, &k->stored);
}

static enum hf_err parse(struct key *k, const struct key_source *s)
{
	struct slice v, set = source_get(s, CKA_PARAMETER_SET);

	TRY(source_need(s, CKA_VALUE, &v));
	TRY(hbs_new(&scheme, &k->hbs));
	TRY(k->cko == CKO_PRIVATE_KEY ? private_parse(k->ckk, v, k->hbs) :
					public_parse(k->ckk, v, k->hbs));
	k->size = k->hbs->pub.n;
	return set.n == 8 && get_u64(set.p) == k->hbs->xmss->oid ? HF_OK : HF_E_ATTR_VALUE;
}

static enum hf_err output_any(const struct hbs *k, struct parts *ret)
{
	bool one = k->xmss->ckk == CKK_XMSS;

	TRY(parts_put_u64(ret, CKA_PARAMETER_SET, k->xmss->oid));
	return parts_put_spki(ret, one ? SLICE_OF(oid_xmss) : SLICE_OF(oid_xmssmt), secret_slice(&k->pub));
}

static enum hf_err output_public(const struct hbs *k, struct parts *ret)
{
	TRY(parts_put(ret, CKA_VALUE, secret_slice(&k->pub)));
	return output_any(k, ret);
}

static enum hf_err output_private(const struct hbs *k, struct parts *ret)
{
	CLEANUP(buf_done) struct buf v = BUF_MAX(PRIVATE_MOST);

	buf_u8(&v, PRIVATE_FORMAT);
	buf_bytes(&v, secret_slice(&k->pub));
	buf_raw(&v, secret_slice(&k->seeds));
	buf_bytes(&v, secret_slice(&k->stored));
	TRY(buf_err(&v));
	TRY(parts_put(ret, CKA_VALUE, buf_slice(&v)));
	TRY(parts_put_u64(ret, CKA_HSS_KEYS_REMAINING, (uint64_t)1 << k->total));
	return output_any(k, ret);
}

static enum hf_err output(const struct key *k, struct parts *ret)
{
	return k->cko == CKO_PRIVATE_KEY ? output_private(k->hbs, ret) : output_public(k->hbs, ret);
}

const struct key_kind kind_xmss = { .ckk = CKK_XMSS, .parse = parse, .output = output };
const struct key_kind kind_xmssmt = { .ckk = CKK_XMSSMT, .parse = parse, .output = output };

/* --- generation -------------------------------------------------------------------- */

/* The set stands in either template; where it is in both, it is the same. */
static enum hf_err wanted(uint32_t ckk, const struct key_source *pub, const struct key_source *priv,
	const struct xmss_set **ret)
{
	bool here = source_has(pub, CKA_PARAMETER_SET), there = source_has(priv, CKA_PARAMETER_SET);
	uint64_t a = 0, b = 0;

	if (here || !there)
		TRY(source_u64(pub, CKA_PARAMETER_SET, &a));
	if (there)
		TRY(source_u64(priv, CKA_PARAMETER_SET, &b));
	if (here && there && a != b)
		return HF_E_TEMPLATE_CONFLICT;
	*ret = xmss_set_of(ckk, here ? a : b);
	return *ret == NULL ? HF_E_ATTR_VALUE : HF_OK;
}

static enum hf_err grow(struct hbs *k)
{
	uint8_t made[HBS_N_MAX];

	TRY(secret_alloc(&k->seeds, 2 * k->n));
	TRY(secret_alloc(&k->pub, 4 + 2 * k->n));
	put_u32(k->pub.p, k->xmss->oid);
	TRY(crypto_random(k->seeds.p, k->seeds.n));
	TRY(crypto_random(k->pub.p + 4 + k->n, k->n));
	TRY(hbs_grow(k, made));
	memcpy(k->pub.p + 4, made, k->n);
	return HF_OK;
}

static enum hf_err generate(const struct mech *m, const struct params *p,
	const struct key_source *pub_tmpl, const struct key_source *tmpl,
	struct parts *pub, struct parts *priv)
{
	CLEANUP(hbs_free_p) struct hbs *k = NULL;
	const struct xmss_set *s;

	(void)p;
	TRY(wanted(m->key, pub_tmpl, tmpl, &s));
	TRY(hbs_new(&scheme, &k));
	TRY(set_up(k, s));
	TRY(grow(k));
	TRY(output_public(k, pub));
	return output_private(k, priv);
}

const struct family family_xmss_gen = { .name = "xmss_gen", .generate = generate };

/* --- signatures ---------------------------------------------------------------------- */

/* number: of the signature, in so many bytes. */
static void number(uint64_t index, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[n - 1 - i] = i < 8 ? (uint8_t)(index >> (8 * i)) : 0;
}

static enum hf_err message_hash(struct hbs_work *w, const uint8_t *r, uint64_t index,
	struct slice message, uint8_t *out)
{
	uint8_t key[3 * HBS_N_MAX];
	size_t n = w->k->n;
	struct slice v[2] = { { key, 3 * n }, message };

	memcpy(key, r, n);
	memcpy(key + n, root(w->k), n);
	number(index, key + 2 * n, n);
	return keyed(w, HASH_MESSAGE, v, out);
}

/*  number | r n | of each layer from below: one-time signature, path  */
static enum hf_err sign(struct crypt *c, struct slice message, struct buf *out)
{
	CLEANUP(hbs_work_free_p) struct hbs_work *w = NULL;
	CLEANUP(hbs_ticket_done) struct hbs_ticket t = { 0 };
	uint8_t r[HBS_N_MAX], m[HBS_N_MAX], shown[8], input[32];
	struct hbs *k = c->key->hbs;
	struct slice v[2] = { { sk_prf(k), k->n }, SLICE_OF(input) };
	struct hbs_leaf by;
	uint64_t index;

	TRY(hbs_take_leaf(c, &index));
	TRY(hbs_work_new(k, &w));
	TRY(hbs_prepare(k, w, index, &t));
	number(index, input, sizeof(input));
	TRY(keyed(w, HASH_PRF, v, r));
	TRY(message_hash(w, r, index, message, m));
	number(index, shown, index_size(k->xmss));
	buf_raw(out, (struct slice){ shown, index_size(k->xmss) });
	buf_raw(out, (struct slice){ r, k->n });
	by = (struct hbs_leaf){ t.leaf, t.path.p };
	TRY(sign_root(w, &by, m, out));
	for (unsigned l = k->levels - 1; l > 0; l--)
		buf_raw(out, buf_slice(&t.cert[l]));
	return buf_err(out);
}

/* climb replaces m, what the layer signed, by the root that its signature leads to. */
static enum hf_err climb(struct hbs_work *w, struct rd *r, uint32_t at, uint8_t *m)
{
	struct address a = address_of(w, ADDRESS_OTS);
	unsigned height = w->k->level[w->level].height;
	uint8_t d[2 * HBS_N_MAX + CHECK_DIGITS], value[HBS_N_MAX];
	struct hbs_leaf l = { .at = at };
	size_t n = w->k->n;
	const uint8_t *y;

	if (!rd_take(r, chains(w->k) * n, &y) || !rd_take(r, height * n, &l.path))
		return HF_E_SIGNATURE_LEN;
	digits(w->k, m, d);
	word(&a, 0, at);
	for (unsigned i = 0; i < chains(w->k); i++) {
		memcpy(w->in, y + i * n, n);
		word(&a, 1, i);
		TRY(chain(w, &a, d[i], CHAIN));
		memcpy(w->ots + i * n, w->in, n);
	}
	TRY(l_tree(w, at, value));
	return hbs_root(w, height, &l, value, m);
}

static enum hf_err verify(const struct crypt *c, struct slice message, struct slice sig)
{
	CLEANUP(hbs_work_free_p) struct hbs_work *w = NULL;
	const struct hbs *k = c->key->hbs;
	struct rd rd = rd_of(sig);
	const uint8_t *shown, *r;
	uint8_t m[HBS_N_MAX];
	uint64_t index = 0;

	if (sig.n != k->signature || !rd_take(&rd, index_size(k->xmss), &shown) || !rd_take(&rd, k->n, &r))
		return HF_E_SIGNATURE_LEN;
	for (size_t i = 0; i < index_size(k->xmss); i++)
		index = index << 8 | shown[i];
	if (index >> k->total != 0)
		return HF_E_SIGNATURE;
	TRY(hbs_work_new(k, &w));
	TRY(message_hash(w, r, index, message, m));
	for (w->level = k->levels; w->level-- > 0;) {
		unsigned height = k->level[w->level].height;
		uint32_t at = (uint32_t)(index & (((uint64_t)1 << height) - 1));

		index >>= height;
		w->tree = index;
		TRY(climb(w, &rd, at, m));
	}
	return slice_eq((struct slice){ m, k->n }, (struct slice){ root(k), k->n }) ? HF_OK : HF_E_SIGNATURE;
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	return c->verb == VERB_VERIFY ? verify(c, in, sig) : hbs_sign(c, sign, in, out);
}

const struct family family_xmss = {
	.name = "xmss",
	.begin = hbs_begin,
	.finish = finish,
	.bound = hbs_bound,
	.end = hbs_end,
};
