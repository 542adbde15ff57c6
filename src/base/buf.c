#include <string.h>

#include "bytes.h"
#include "secret.h"

/* Bytes between n and cap are always zero, but for lent ones: secret memory comes
 * zeroed, and whatever lowers n wipes. */
#define FIRST_CAP 256u

static bool fail(struct buf *b, enum hf_err e)
{
	if (b->err == HF_OK)
		b->err = e;
	return false;
}

static __attribute__((noinline)) bool grow(struct buf *b, size_t n)
{
	size_t cap, need = b->n + n;
	uint8_t *p;

	if (n > b->max - b->n)
		return fail(b, HF_E_TOO_BIG);
	cap = b->cap > FIRST_CAP / 2 ? b->cap : FIRST_CAP / 2;
	cap = cap > b->max / 2 ? b->max : cap * 2;
	if (cap < need)
		cap = need;
	p = secret_realloc(b->p, cap);
	if (p == NULL)
		return fail(b, HF_E_SECRET_MEMORY);
	b->p = p;
	b->cap = cap;
	return true;
}

static inline bool reserve(struct buf *b, size_t n)
{
	if (b->err != HF_OK)
		return false;
	return n <= b->cap - b->n /* there is never more room than max */ || grow(b, n);
}

void buf_done(struct buf *b)
{
	if (b == NULL)
		return;
	secret_free(b->p);
	*b = (struct buf){ .max = b->max };
}

void buf_reset(struct buf *b)
{
	buf_cut(b, 0);
	b->err = HF_OK;
}

struct slice buf_slice(const struct buf *b)
{
	return (struct slice){ b->p, b->n };
}

enum hf_err buf_err(const struct buf *b)
{
	return b->err;
}

static inline uint8_t *add(struct buf *b, size_t n)
{
	static uint8_t nowhere;
	uint8_t *p;

	if (!reserve(b, n))
		return NULL;
	if (b->p == NULL) /* n is 0: no error, so not NULL */
		return &nowhere;
	p = b->p + b->n;
	b->n += n;
	return p;
}

uint8_t *buf_add(struct buf *b, size_t n)
{
	return add(b, n);
}

void buf_u8(struct buf *b, uint8_t v)
{
	uint8_t *p = add(b, 1);

	if (p != NULL)
		*p = v;
}

void buf_u16(struct buf *b, uint16_t v)
{
	uint8_t *p = add(b, 2);

	if (p != NULL)
		put_u16(p, v);
}

void buf_u32(struct buf *b, uint32_t v)
{
	uint8_t *p = add(b, 4);

	if (p != NULL)
		put_u32(p, v);
}

void buf_u64(struct buf *b, uint64_t v)
{
	uint8_t *p = add(b, 8);

	if (p != NULL)
		put_u64(p, v);
}

void buf_bool(struct buf *b, bool v)
{
	buf_u8(b, v ? 1 : 0);
}

void buf_raw(struct buf *b, struct slice s)
{
	uint8_t *p = add(b, s.n);

	if (p != NULL && s.n > 0 && s.p != p) /* lent, it is there already */
		memcpy(p, s.p, s.n);
}

void buf_bytes(struct buf *b, struct slice s)
{
	if (s.n > UINT32_MAX) {
		(void)fail(b, HF_E_TOO_BIG);
		return;
	}
	buf_u32(b, (uint32_t)s.n);
	buf_raw(b, s);
}

uint8_t *buf_lend(struct buf *b, size_t gap, size_t n)
{
	if (gap > SIZE_MAX - n || !reserve(b, gap + n) || b->p == NULL)
		return NULL;
	b->lent = b->n + gap + n;
	return b->p + b->n + gap;
}

void buf_cut(struct buf *b, size_t n)
{
	size_t end = b->lent > b->n ? b->lent : b->n;

	if (n < b->n)
		b->n = n;
	if (b->n < end)
		secret_wipe(b->p + b->n, end - b->n);
	b->lent = 0;
}

void buf_put_u32(struct buf *b, size_t at, uint32_t v)
{
	if (b->err == HF_OK && b->n >= 4 && at <= b->n - 4)
		put_u32(b->p + at, v);
	else
		(void)fail(b, HF_E_INTERNAL);
}
