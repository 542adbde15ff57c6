/* hbs.c: see hbs.h. */
#include "hbs.h"

#include <string.h>


/* --- hash ------------------------------------------------------------------ */

enum hf_err hbs_hash_set(struct hbs_hash *h, const char *name, size_t n)
{
	const struct hash *f = hash_by_name(name);

	if (f == NULL || n > sizeof(h->whole))
		return HF_E_INTERNAL;
	if (h->ctx == NULL)
		h->ctx = EVP_MD_CTX_new();
	if (h->ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	h->md = f->md;
	h->n = n;
	OSSL_TRY(EVP_DigestInit_ex2(h->ctx, h->md, NULL), HF_E_INTERNAL);
	return HF_OK;
}

/* Without a type the context starts the one that it has again, which costs less. */
enum hf_err hbs_hash_do(struct hbs_hash *h, const struct slice part[], size_t parts, uint8_t *out)
{
	OSSL_TRY(EVP_DigestInit_ex2(h->ctx, NULL, NULL), HF_E_INTERNAL);
	for (size_t i = 0; i < parts; i++)
		OSSL_TRY(EVP_DigestUpdate(h->ctx, part[i].p, part[i].n), HF_E_INTERNAL);
	if (EVP_MD_xof(h->md)) {
		OSSL_TRY(EVP_DigestFinalXOF(h->ctx, out, h->n), HF_E_INTERNAL);
		return HF_OK;
	}
	OSSL_TRY(EVP_DigestFinal_ex(h->ctx, h->whole, NULL), HF_E_INTERNAL);
	memcpy(out, h->whole, h->n);
	return HF_OK;
}

enum hf_err hbs_work_new(const struct hbs *k, struct hbs_work **ret)
{
	CLEANUP(hbs_work_free_p) struct hbs_work *w = secret_calloc(1, sizeof(*w));

	if (w == NULL)
		return HF_E_SECRET_MEMORY;
	w->k = k;
	TRY(hbs_hash_set(&w->hash, k->hash, k->n));
	*ret = w;
	w = NULL;
	return HF_OK;
}

void hbs_work_free(struct hbs_work *w)
{
	if (w == NULL)
		return;
	EVP_MD_CTX_free(w->hash.ctx);
	secret_free(w);
}

/* --- keys ------------------------------------------------------------------ */

enum hf_err hbs_new(const struct hbs_scheme *scheme, struct hbs **ret)
{
	struct hbs *k = secret_calloc(1, sizeof(*k));

	if (k == NULL)
		return HF_E_SECRET_MEMORY;
	k->scheme = scheme;
	mutex_init(&k->lock);
	*ret = k;
	return HF_OK;
}

static void tree_drop(struct hbs_tree *t)
{
	secret_free(t->top);
	secret_free(t->sub);
	buf_done(&t->cert);
	secret_wipe(t, sizeof(*t));
}

void hbs_free(struct hbs *k)
{
	if (k == NULL)
		return;
	for (unsigned l = 0; l < k->levels; l++)
		for (unsigned i = 0; i < HBS_TREES; i++)
			tree_drop(&k->tree[l][i]);
	secret_done(&k->pub);
	secret_done(&k->seeds);
	secret_done(&k->stored);
	mutex_done(&k->lock);
	secret_free(k);
}

bool hbs_levels_done(struct hbs *k)
{
	k->total = 0;
	for (unsigned l = 0; l < k->levels; l++)
		k->total += k->level[l].height;
	return k->total <= HBS_TOTAL_MAX;
}

/* low: the height of the lowest nodes of a tree that are kept. */
static unsigned low(const struct hbs *k, unsigned level)
{
	unsigned h = k->level[level].height;

	return h > HBS_STORED_LOG ? h - HBS_STORED_LOG : 0;
}

static size_t kept_nodes(const struct hbs *k, unsigned level)
{
	return (size_t)1 << (k->level[level].height - low(k, level));
}

size_t hbs_stored_size(const struct hbs *k)
{
	return kept_nodes(k, 0) * k->n;
}

/* --- growing --------------------------------------------------------------- */

static void enter(struct hbs_work *w, unsigned level, const struct hbs_tree *t)
{
	w->level = level;
	w->tree = t->at;
	memcpy(w->key, t->key, sizeof(w->key));
}

/* fill computes the inner nodes of a heap with 2^log lowest nodes, which are of that
 * height and under the at-th node of height + log. */
static enum hf_err fill(struct hbs_work *w, uint8_t *heap, unsigned log, unsigned height, uint64_t at)
{
	size_t n = w->k->n;

	for (unsigned d = log; d-- > 0;)
		for (size_t i = 0; i < (size_t)1 << d; i++) {
			size_t j = ((size_t)1 << d) + i;

			TRY(w->k->scheme->parent(w, height + log - d, (at << d) + i, heap + 2 * j * n,
				heap + j * n));
		}
	return HF_OK;
}

static enum hf_err grow_sub(struct hbs_work *w, struct hbs_tree *t, uint64_t at)
{
	unsigned log = low(w->k, w->level);
	size_t leaves = (size_t)1 << log, n = w->k->n;

	if (t->sub_at == at)
		return HF_OK;
	t->sub_at = UINT64_MAX;
	for (size_t i = 0; i < leaves; i++)
		TRY(w->k->scheme->leaf(w, (uint32_t)((at << log) + i), t->sub + (leaves + i) * n));
	TRY(fill(w, t->sub, log, 0, at));
	t->sub_at = at;
	return HF_OK;
}

static enum hf_err tree_alloc(const struct hbs *k, unsigned level, struct hbs_tree *t)
{
	t->top = secret_calloc(2 * kept_nodes(k, level), k->n);
	t->sub = secret_calloc((size_t)2 << low(k, level), k->n);
	t->sub_at = UINT64_MAX;
	t->cert = BUF_MAX(2 * HBS_OTS_MAX);
	return t->top == NULL || t->sub == NULL ? HF_E_SECRET_MEMORY : HF_OK;
}

static unsigned kept_log(const struct hbs *k, unsigned level)
{
	return k->level[level].height - low(k, level);
}

static enum hf_err grow_top(struct hbs_work *w, struct hbs_tree *t)
{
	size_t kept = kept_nodes(w->k, w->level), n = w->k->n;

	for (size_t i = 0; i < kept; i++) {
		TRY(grow_sub(w, t, i));
		memcpy(t->top + (kept + i) * n, t->sub + n, n);
	}
	return fill(w, t->top, kept_log(w->k, w->level), low(w->k, w->level), 0);
}

enum hf_err hbs_grow(struct hbs *k, uint8_t *ret_root)
{
	CLEANUP(hbs_work_free_p) struct hbs_work *w = NULL;
	struct hbs_tree *t = &k->tree[0][0];

	TRY(hbs_work_new(k, &w));
	TRY(tree_alloc(k, 0, t));
	k->scheme->root_key(k, t->key);
	enter(w, 0, t);
	TRY(grow_top(w, t));
	TRY(secret_dup((struct slice){ t->top + hbs_stored_size(k), hbs_stored_size(k) }, &k->stored));
	memcpy(ret_root, t->top + k->n, k->n);
	t->ready = true;
	return HF_OK;
}

/* --- trees in use ------------------------------------------------------------ */

/* path_of writes the siblings on the way from a leaf to the root. */
static enum hf_err path_of(struct hbs_work *w, struct hbs_tree *t, uint32_t leaf, struct buf *out)
{
	unsigned cut = low(w->k, w->level), height = w->k->level[w->level].height;
	size_t n = w->k->n;

	TRY(grow_sub(w, t, leaf >> cut));
	for (unsigned h = 0; h < height; h++) {
		size_t sibling = (leaf >> h) ^ 1u, width;
		const uint8_t *heap = h < cut ? t->sub : t->top;

		width = (size_t)1 << ((h < cut ? cut : height) - h);
		buf_raw(out, (struct slice){ heap + (width + (sibling & (width - 1))) * n, n });
	}
	return buf_err(out);
}

static enum hf_err certified(struct hbs_work *w, struct hbs_tree *by, uint32_t leaf,
	struct hbs_tree *t)
{
	CLEANUP(buf_done) struct buf path = BUF_MAX(HBS_N_MAX * 32);
	struct hbs_child child = { t->key, t->top + w->k->n };
	struct hbs_leaf l = { .at = leaf };

	TRY(path_of(w, by, leaf, &path));
	l.path = path.p;
	return w->k->scheme->certify(w, &l, &child, &t->cert);
}

static enum hf_err regrow_first(struct hbs_work *w, struct hbs_tree *t)
{
	const struct hbs *k = w->k;
	size_t n = hbs_stored_size(k);

	if (k->stored.n != n)
		return HF_E_INTERNAL;
	k->scheme->root_key(k, t->key);
	enter(w, 0, t);
	memcpy(t->top + n, k->stored.p, n);
	return fill(w, t->top, kept_log(k, 0), low(k, 0), 0);
}

static enum hf_err grow_below(struct hbs_work *w, unsigned level, struct hbs_tree *by, struct hbs_tree *t)
{
	uint32_t leaf = (uint32_t)(t->at & (((uint64_t)1 << w->k->level[level - 1].height) - 1));

	enter(w, level - 1, by);
	if (w->k->scheme->child_key != NULL)
		TRY(w->k->scheme->child_key(w, leaf, t->key));
	enter(w, level, t);
	TRY(grow_top(w, t));
	enter(w, level - 1, by);
	return certified(w, by, leaf, t);
}

/* place: the tree at that place if it is in use, else the slot of one to be dropped. */
static struct hbs_tree *place(struct hbs *k, unsigned level, uint64_t at)
{
	struct hbs_tree *t = k->tree[level], *old = t;

	for (unsigned i = 0; i < HBS_TREES; i++) {
		if (t[i].ready && t[i].at == at)
			return &t[i];
		if (!t[i].ready || (old->ready && t[i].used < old->used))
			old = &t[i];
	}
	return old;
}

static enum hf_err in_use(struct hbs *k, struct hbs_work *w, unsigned level, uint64_t at,
	struct hbs_tree **ret)
{
	struct hbs_tree *t = place(k, level, at), *by = *ret;
	enum hf_err e;

	*ret = t;
	if (!t->ready || t->at != at) {
		tree_drop(t);
		t->at = at;
		e = tree_alloc(k, level, t);
		if (e == HF_OK)
			e = level == 0 ? regrow_first(w, t) : grow_below(w, level, by, t);
		if (e != HF_OK) {
			tree_drop(t);
			return e;
		}
		t->ready = true;
	}
	t->used = ++k->clock;
	return HF_OK;
}

enum hf_err hbs_prepare(struct hbs *k, struct hbs_work *w, uint64_t index, struct hbs_ticket *ret)
{
	struct hbs_tree *t = NULL;
	unsigned below = k->total;

	MUTEX_HOLD(&k->lock);
	for (unsigned l = 0; l < k->levels; l++) {
		TRY(in_use(k, w, l, below < 64 ? index >> below : 0, &t));
		below -= k->level[l].height;
		ret->cert[l] = BUF_MAX(2 * HBS_OTS_MAX);
		buf_raw(&ret->cert[l], buf_slice(&t->cert));
		TRY(buf_err(&ret->cert[l]));
	}
	if (t == NULL)
		return HF_E_INTERNAL; /* a key without levels */
	ret->leaf = (uint32_t)(index & (((uint64_t)1 << k->level[k->levels - 1].height) - 1));
	ret->path = BUF_MAX(HBS_N_MAX * 32);
	enter(w, k->levels - 1, t);
	return path_of(w, t, ret->leaf, &ret->path);
}

void hbs_ticket_done(struct hbs_ticket *t)
{
	for (unsigned l = 0; l < HBS_LEVELS_MAX; l++)
		buf_done(&t->cert[l]);
	buf_done(&t->path);
}

/* --- for both families ---------------------------------------------------------- */

enum hf_err hbs_root(struct hbs_work *w, unsigned height, const struct hbs_leaf *l,
	const uint8_t *value, uint8_t *out)
{
	size_t n = w->hash.n;
	uint8_t two[2 * HBS_N_MAX];

	memcpy(out, value, n);
	for (unsigned h = 0; h < height; h++) {
		bool right = (l->at >> h & 1) != 0;

		memcpy(two + (right ? n : 0), out, n);
		memcpy(two + (right ? 0 : n), l->path + h * n, n);
		TRY(w->k->scheme->parent(w, h + 1, (uint64_t)l->at >> (h + 1), two, out));
	}
	return HF_OK;
}

enum hf_err hbs_take_leaf(struct crypt *c, uint64_t *ret)
{
	if (!c->has_leaf || c->leaf >> c->key->hbs->total != 0)
		return HF_E_INTERNAL;
	c->has_leaf = false;
	*ret = c->leaf;
	return HF_OK;
}

enum hf_err hbs_begin(struct crypt *c)
{
	bool sign = c->verb == VERB_SIGN;

	return c->key->cko == (sign ? CKO_PRIVATE_KEY : CKO_PUBLIC_KEY) ? HF_OK : HF_E_KEY_TYPE;
}

enum hf_err hbs_sign(struct crypt *c, enum hf_err (*sign)(struct crypt *c, struct slice in, struct buf *out),
	struct slice in, struct buf *out)
{
	size_t before = out->n;
	enum hf_err e = sign(c, in, out);

	if (e != HF_OK)
		buf_cut(out, before);
	return e;
}

size_t hbs_bound(const struct crypt *c, size_t in, bool last)
{
	(void)in;
	return last && c->verb == VERB_SIGN ? c->key->hbs->signature : 0;
}

void hbs_end(struct crypt *c)
{
	c->has_leaf = false;
}
