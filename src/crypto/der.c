/* der.c: see der.h. */
#include <string.h>

#include "der.h"

static bool take_len(struct rd *r, size_t *ret)
{
	uint8_t first, b;
	size_t n = 0;

	if (!rd_u8(r, &first))
		return false;
	if (first < 0x80) {
		*ret = first;
		return true;
	}
	if (first < 0x81 || first > 0x83)
		return false;
	for (int i = first & 0x7f; i > 0; i--) {
		if (!rd_u8(r, &b) || (n == 0 && b == 0))
			return false;
		n = n << 8 | b;
	}
	*ret = n;
	return n >= 0x80;
}

bool der_take(struct rd *r, uint8_t tag, struct slice *ret)
{
	struct rd in = *r;
	uint8_t t;
	size_t n;
	const uint8_t *p;

	if (!rd_u8(&in, &t) || t != tag || !take_len(&in, &n) || !rd_take(&in, n, &p))
		return false;
	*ret = (struct slice){ p, n };
	*r = in;
	return true;
}

bool der_whole(struct slice s, uint8_t tag, struct slice *ret)
{
	struct rd r = rd_of(s);

	return der_take(&r, tag, ret) && rd_done(&r);
}

void der_head(struct buf *b, uint8_t tag, size_t n)
{
	buf_u8(b, tag);
	if (n >= 0x10000) {
		buf_u8(b, 0x83);
		buf_u8(b, (uint8_t)(n >> 16));
		buf_u16(b, (uint16_t)n);
	} else if (n >= 0x100) {
		buf_u8(b, 0x82);
		buf_u16(b, (uint16_t)n);
	} else {
		if (n >= 0x80)
			buf_u8(b, 0x81);
		buf_u8(b, (uint8_t)n);
	}
}

/* put_fixed writes an INTEGER's value right-aligned into n bytes. */
static bool put_fixed(struct slice v, size_t n, uint8_t *out)
{
	if (v.n > 1 && v.p[0] == 0) {
		v.p++;
		v.n--;
	}
	if (v.n > n)
		return false;
	memset(out, 0, n - v.n);
	if (v.n > 0)
		memcpy(out + (n - v.n), v.p, v.n);
	return true;
}

bool der_sig_split(struct slice der, size_t n, uint8_t *out)
{
	struct slice seq, r, s;
	struct rd in;

	if (!der_whole(der, DER_SEQUENCE, &seq))
		return false;
	in = rd_of(seq);
	return der_take(&in, DER_INTEGER, &r) && der_take(&in, DER_INTEGER, &s) &&
	       rd_done(&in) && put_fixed(r, n, out) && put_fixed(s, n, out + n);
}

/* integer_n: bytes of the INTEGER's content, without leading zeros but with
 * the one that keeps it positive. */
static size_t integer_n(struct slice *v)
{
	while (v->n > 1 && v->p[0] == 0) {
		v->p++;
		v->n--;
	}
	return v->n + (v->n > 0 && v->p[0] >= 0x80 ? 1 : 0);
}

static void put_integer(struct buf *b, struct slice v, size_t n)
{
	der_head(b, DER_INTEGER, n);
	if (n > v.n)
		buf_u8(b, 0);
	buf_raw(b, v);
}

void der_sig_join(struct slice raw, struct buf *b)
{
	size_t half = raw.n / 2;
	struct slice r = { raw.p, half }, s = { raw.p + half, half };
	size_t rn = integer_n(&r), sn = integer_n(&s);
	size_t total = 2 + rn + 2 + sn; /* each at most 67 bytes: short lengths */

	der_head(b, DER_SEQUENCE, total);
	put_integer(b, r, rn);
	put_integer(b, s, sn);
}
