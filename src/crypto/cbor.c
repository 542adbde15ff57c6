/* cbor.c: see cbor.h. */
#include "cbor.h"

void cbor_head(struct buf *b, enum cbor_major major, uint64_t n)
{
	uint8_t m = (uint8_t)((unsigned)major << 5);

	if (n < 24) {
		buf_u8(b, m | (uint8_t)n);
	} else if (n <= UINT8_MAX) {
		buf_u8(b, m | 24);
		buf_u8(b, (uint8_t)n);
	} else if (n <= UINT16_MAX) {
		buf_u8(b, m | 25);
		buf_u16(b, (uint16_t)n);
	} else if (n <= UINT32_MAX) {
		buf_u8(b, m | 26);
		buf_u32(b, (uint32_t)n);
	} else {
		buf_u8(b, m | 27);
		buf_u64(b, n);
	}
}

void cbor_int(struct buf *b, int64_t v)
{
	if (v >= 0)
		cbor_head(b, CBOR_UINT, (uint64_t)v);
	else
		cbor_head(b, CBOR_NINT, (uint64_t)(-1 - v));
}

void cbor_string(struct buf *b, enum cbor_major major, struct slice s)
{
	cbor_head(b, major, s.n);
	buf_raw(b, s);
}

/* take_number reads what follows the initial byte; a longer form than need be is none. */
static bool take_number(struct rd *r, uint8_t info, uint64_t *ret)
{
	static const uint64_t least[] = { 24, UINT8_MAX + 1u, UINT16_MAX + 1u, (uint64_t)UINT32_MAX + 1 };
	const uint8_t *p;
	uint64_t v = 0;

	if (info < 24) {
		*ret = info;
		return true;
	}
	if (info > 27 || !rd_take(r, (size_t)1 << (info - 24), &p))
		return false;
	for (size_t i = 0; i < (size_t)1 << (info - 24); i++)
		v = v << 8 | p[i];
	*ret = v;
	return v >= least[info - 24];
}

bool cbor_take(struct rd *r, enum cbor_major major, uint64_t *ret)
{
	struct rd in = *r;
	uint8_t first;

	if (!rd_u8(&in, &first) || first >> 5 != (uint8_t)major || !take_number(&in, first & 31, ret))
		return false;
	*r = in;
	return true;
}

bool cbor_take_int(struct rd *r, int64_t *ret)
{
	uint64_t v;
	bool negative = r->n > 0 && r->p[0] >> 5 == CBOR_NINT;

	if (!cbor_take(r, negative ? CBOR_NINT : CBOR_UINT, &v) || v > INT64_MAX)
		return false;
	*ret = negative ? -1 - (int64_t)v : (int64_t)v;
	return true;
}

bool cbor_take_string(struct rd *r, enum cbor_major major, struct slice *ret)
{
	struct rd in = *r;
	const uint8_t *p;
	uint64_t n;

	if (!cbor_take(&in, major, &n) || n > in.n || !rd_take(&in, (size_t)n, &p))
		return false;
	*ret = (struct slice){ p, (size_t)n };
	*r = in;
	return true;
}
