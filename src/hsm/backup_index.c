/* backup_index.c: see backup_index.h. */
#include "backup_index.h"

#include <stdlib.h>
#include <string.h>

static enum hf_err make_room(struct backup_index *x, size_t n)
{
	size_t cap = x->cap == 0 ? 4096 : x->cap;
	struct backup_entry *v;

	while (cap - x->n < n)
		cap *= 2;
	if (cap == x->cap)
		return HF_OK;
	v = hf_realloc(x->v, cap, sizeof(*v));
	if (v == NULL)
		return HF_E_MEMORY;
	x->v = v;
	x->cap = cap;
	return HF_OK;
}

enum hf_err backup_index_read(struct backup_index *x, struct slice plain)
{
	size_t n = plain.n / sizeof(struct backup_entry);

	if (plain.n % sizeof(struct backup_entry) != 0 || x->sorted)
		return HF_E_BACKUP_DAMAGED;
	if (n == 0)
		return HF_OK;
	TRY(make_room(x, n));
	memcpy(x->v + x->n, plain.p, plain.n);
	x->n += n;
	return HF_OK;
}

static int by_entry(const void *a, const void *b)
{
	return slice_cmp((struct slice){ a, sizeof(struct backup_entry) },
		(struct slice){ b, sizeof(struct backup_entry) });
}

static struct backup_entry *find(struct backup_index *x, const struct backup_entry *e)
{
	if (!x->sorted && x->n > 1)
		qsort(x->v, x->n, sizeof(*x->v), by_entry);
	x->sorted = true;
	return x->n == 0 ? NULL : bsearch(e, x->v, x->n, sizeof(*x->v), by_entry);
}

bool backup_index_has(struct backup_index *x, const struct backup_entry *e)
{
	return find(x, e) != NULL;
}

enum hf_err backup_index_take(struct backup_index *x, const struct backup_entry *e, bool *ret)
{
	struct backup_entry *at = find(x, e);
	size_t k;

	*ret = false;
	if (at == NULL)
		return HF_OK;
	if (x->done == NULL) {
		x->done = hf_alloc(x->n / 8 + 1, 1);
		x->left = x->n;
	}
	if (x->done == NULL)
		return HF_E_MEMORY;
	k = (size_t)(at - x->v);
	*ret = (x->done[k / 8] >> (k % 8) & 1) == 0;
	if (*ret)
		x->left--;
	x->done[k / 8] |= (uint8_t)(1u << (k % 8));
	return HF_OK;
}

void backup_entry_enc(const struct backup_entry *e, struct buf *out)
{
	buf_raw(out, SLICE_OF(e->id));
	buf_raw(out, SLICE_OF(e->tag));
}

enum hf_err backup_tag(struct slice content, struct slice more, struct backup_entry *ret)
{
	uint8_t hash[CRYPTO_HASH];

	TRY(crypto_sha256_2(content, more, hash));
	memcpy(ret->tag, hash, BACKUP_TAG);
	return HF_OK;
}

bool backup_index_complete(const struct backup_index *x)
{
	return x->done == NULL ? x->n == 0 : x->left == 0;
}
