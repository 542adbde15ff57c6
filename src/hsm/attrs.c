/* attrs.c: the set itself, kept as its stored form. */
#include "attrs.h"

#include <string.h>

#include "attrs_rules.h"
#include "pkcs11_numbers.h"

#define HEAD 4  /* u32 count */
#define ENTRY 8 /* u32 type, u32 length */

void attrs_done(struct attrs *a)
{
	if (a == NULL)
		return;
	secret_free(a->p);
	*a = (struct attrs){ 0 };
}

struct attrs attrs_take(struct attrs *a)
{
	struct attrs r = *a;

	*a = (struct attrs){ 0 };
	return r;
}

enum hf_err attrs_dup(const struct attrs *a, struct attrs *ret)
{
	struct attrs r = { .n = a->n, .cap = a->n };

	if (a->n != 0) {
		r.p = secret_malloc(a->n);
		if (r.p == NULL)
			return HF_E_SECRET_MEMORY;
		memcpy(r.p, a->p, a->n);
	}
	*ret = r;
	return HF_OK;
}

void attrs_shrink(struct attrs *a)
{
	struct attrs fitting;

	/* secret_realloc would leave a block that is not twice as large as it is. */
	if (a->cap == a->n || a->n == 0 || attrs_dup(a, &fitting) != HF_OK)
		return;
	attrs_done(a);
	*a = fitting;
}

static size_t entry_size(const struct attrs *a, size_t at)
{
	return ENTRY + get_u32(a->p + at + 4);
}

/* entry_at returns where the entry of that type is, or where it would be. */
static size_t entry_at(const struct attrs *a, uint32_t type, bool *ret_found)
{
	size_t at = HEAD;
	uint32_t t = 0;

	while (at < a->n && (t = get_u32(a->p + at)) < type)
		at += entry_size(a, at);
	*ret_found = at < a->n && t == type;
	return at;
}

static enum hf_err reserve(struct attrs *a, size_t n)
{
	size_t cap = n < 512 ? 768 : n + n / 2;
	uint8_t *p;

	if (n > ATTRS_MAX_BYTES)
		return HF_E_OBJECT_SIZE;
	if (n <= a->cap)
		return HF_OK;
	p = secret_realloc(a->p, cap);
	if (p == NULL)
		return HF_E_SECRET_MEMORY;
	if (a->n == 0) {
		put_u32(p, 0);
		a->n = HEAD;
	}
	a->p = p;
	a->cap = cap;
	return HF_OK;
}

/* splice replaces `old` bytes at `at` by room for `new` bytes. */
static enum hf_err splice(struct attrs *a, size_t at, size_t old, size_t new)
{
	size_t end = at + old;
	size_t n = (a->n < HEAD ? HEAD : a->n) - old + new;
	size_t was;

	TRY(reserve(a, n));
	was = a->n;
	memmove(a->p + at + new, a->p + end, a->n - end);
	a->n = n;
	if (n < was)
		secret_wipe(a->p + n, was - n);
	return HF_OK;
}

enum hf_err attrs_set(struct attrs *a, uint32_t type, struct slice value)
{
	bool found;
	size_t at = entry_at(a, type, &found);

	if (value.n > ATTRS_MAX_BYTES)
		return HF_E_OBJECT_SIZE;
	TRY(splice(a, at, found ? entry_size(a, at) : 0, ENTRY + value.n));
	put_u32(a->p + at, type);
	put_u32(a->p + at + 4, (uint32_t)value.n);
	if (value.n != 0)
		memcpy(a->p + at + ENTRY, value.p, value.n);
	if (!found)
		put_u32(a->p, get_u32(a->p) + 1);
	return HF_OK;
}

enum hf_err attrs_set_bool(struct attrs *a, uint32_t type, bool v)
{
	uint8_t b = v;

	return attrs_set(a, type, (struct slice){ &b, 1 });
}

enum hf_err attrs_set_u64(struct attrs *a, uint32_t type, uint64_t v)
{
	uint8_t b[8];

	put_u64(b, v);
	return attrs_set(a, type, SLICE_OF(b));
}

void attrs_del(struct attrs *a, uint32_t type)
{
	bool found;
	size_t at = entry_at(a, type, &found);

	if (!found)
		return;
	/* Shrinking in place cannot fail. */
	if (splice(a, at, entry_size(a, at), 0) == HF_OK)
		put_u32(a->p, get_u32(a->p) - 1);
}

struct slice attrs_get(const struct attrs *a, uint32_t type)
{
	bool found;
	size_t at = entry_at(a, type, &found);

	if (!found)
		return SLICE_NONE;
	return (struct slice){ a->p + at + ENTRY, get_u32(a->p + at + 4) };
}

bool attrs_has(const struct attrs *a, uint32_t type)
{
	bool found;

	entry_at(a, type, &found);
	return found;
}

bool attrs_bool(const struct attrs *a, uint32_t type)
{
	struct slice s = attrs_get(a, type);

	return s.n == 1 && s.p[0] != 0;
}

uint64_t attrs_u64(const struct attrs *a, uint32_t type, uint64_t absent)
{
	struct slice s = attrs_get(a, type);

	return s.n == 8 ? get_u64(s.p) : absent;
}

static struct slice source_get(const void *ctx, uint32_t cka)
{
	return attrs_get(ctx, cka);
}

struct key_source attrs_source(const struct attrs *a)
{
	return (struct key_source){ source_get, a };
}

bool attrs_next(const struct attrs *a, size_t *at, struct attr *ret)
{
	if (*at == 0)
		*at = HEAD;
	if (*at >= a->n)
		return false;
	ret->type = get_u32(a->p + *at);
	ret->value = (struct slice){ a->p + *at + ENTRY, get_u32(a->p + *at + 4) };
	*at += entry_size(a, *at);
	return true;
}

bool attrs_one_time(const struct attrs *a)
{
	uint64_t ckk = attrs_u64(a, CKA_KEY_TYPE, ATTRS_AS_GIVEN);

	return attrs_u64(a, CKA_CLASS, ATTRS_AS_GIVEN) == CKO_PRIVATE_KEY &&
		(ckk == CKK_HSS || ckk == CKK_XMSS || ckk == CKK_XMSSMT);
}

enum hf_err attrs_put_parts(struct attrs *a, const struct parts *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct part *part = &p->v[i];
		struct slice made = secret_slice(&part->value), given = attrs_get(a, part->cka);

		if (rule_of(a, part->cka) == NULL)
			continue;
		if (part->cka == CKA_CHECK_VALUE || part->cka == CKA_PUBLIC_KEY_INFO) {
			if (given.n != 0 && !secret_eq(given, made))
				return HF_E_ATTR_VALUE;
			/* An empty check value in a template asks for none
			 * (PKCS#11 3.2 §4.10.2). */
			if (part->cka == CKA_CHECK_VALUE && attrs_has(a, part->cka))
				continue;
		}
		TRY(attrs_set(a, part->cka, made));
	}
	return HF_OK;
}

enum hf_err attrs_nested(struct slice value, struct arena *mem, struct attr_list *ret)
{
	struct rd r = rd_of(value);
	struct attr *v;
	uint32_t n;

	*ret = (struct attr_list){ 0 };
	if (value.n == 0)
		return HF_OK;
	if (!rd_u32(&r, &n) || n > ATTRS_NESTED_MAX)
		return HF_E_ATTR_VALUE;
	v = arena_alloc(mem, n != 0 ? n : 1, sizeof(*v));
	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (uint32_t i = 0; i < n; i++)
		if (!rd_u32(&r, &v[i].type) || !rd_bytes(&r, ATTRS_MAX_BYTES, &v[i].value))
			return HF_E_ATTR_VALUE;
	*ret = (struct attr_list){ v, n };
	return rd_done(&r) ? HF_OK : HF_E_ATTR_VALUE;
}

void attrs_enc(const struct attrs *a, struct buf *out)
{
	if (a->n == 0)
		buf_u32(out, 0);
	else
		buf_raw(out, (struct slice){ a->p, a->n });
}

enum hf_err attrs_dec(struct slice in, struct attrs *ret)
{
	struct rd r = rd_of(in);
	struct slice value;
	uint32_t n, type, last = 0;

	if (in.n > ATTRS_MAX_BYTES || !rd_u32(&r, &n))
		return HF_E_DAMAGED;
	for (uint32_t i = 0; i < n; i++) {
		if (!rd_u32(&r, &type) || !rd_bytes(&r, ATTRS_MAX_BYTES, &value))
			return HF_E_DAMAGED;
		if (i != 0 && type <= last)
			return HF_E_DAMAGED;
		last = type;
	}
	if (!rd_done(&r))
		return HF_E_DAMAGED;
	return attrs_dup(&(struct attrs){ .p = (uint8_t *)(uintptr_t)in.p, .n = in.n }, ret);
}
