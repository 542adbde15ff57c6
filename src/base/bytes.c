#include "bytes.h"

#include <string.h>

struct slice slice_str(const char *s)
{
	return (struct slice){ (const uint8_t *)s, strlen(s) };
}

bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int slice_cmp(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

struct rd rd_of(struct slice s)
{
	return (struct rd){ .p = s.p, .n = s.n };
}

bool rd_take(struct rd *r, size_t n, const uint8_t **ret)
{
	if (r->n < n)
		return false;
	*ret = r->p;
	if (n > 0) {
		r->p += n;
		r->n -= n;
	}
	return true;
}

bool rd_u8(struct rd *r, uint8_t *ret)
{
	const uint8_t *p;

	if (!rd_take(r, 1, &p))
		return false;
	*ret = p[0];
	return true;
}

bool rd_u16(struct rd *r, uint16_t *ret)
{
	const uint8_t *p;

	if (!rd_take(r, 2, &p))
		return false;
	*ret = get_u16(p);
	return true;
}

bool rd_u32(struct rd *r, uint32_t *ret)
{
	const uint8_t *p;

	if (!rd_take(r, 4, &p))
		return false;
	*ret = get_u32(p);
	return true;
}

bool rd_u64(struct rd *r, uint64_t *ret)
{
	const uint8_t *p;

	if (!rd_take(r, 8, &p))
		return false;
	*ret = get_u64(p);
	return true;
}

bool rd_bool(struct rd *r, bool *ret)
{
	const uint8_t *p;

	if (r->n < 1 || r->p[0] > 1 || !rd_take(r, 1, &p))
		return false;
	*ret = p[0] == 1;
	return true;
}

bool rd_bytes(struct rd *r, size_t max, struct slice *ret)
{
	struct rd t = *r;
	const uint8_t *p;
	uint32_t n;

	if (!rd_u32(&t, &n))
		return false;
	if (n == RD_ASIDE && t.aside.p != NULL && t.aside.n <= max) {
		*ret = t.aside;
		t.aside = SLICE_NONE;
		*r = t;
		return true;
	}
	if (n > max || !rd_take(&t, n, &p))
		return false;
	*r = t;
	*ret = (struct slice){ p, n };
	return true;
}

bool rd_child(struct rd *r, size_t max, struct rd *ret)
{
	struct slice s;

	if (!rd_bytes(r, max, &s))
		return false;
	*ret = rd_of(s);
	return true;
}

bool rd_done(const struct rd *r)
{
	return r->n == 0;
}

void hex_encode(struct slice s, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < s.n; i++) {
		*out++ = digits[s.p[i] >> 4];
		*out++ = digits[s.p[i] & 15];
	}
	*out = '\0';
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool hex_decode(const char *s, uint8_t *out, size_t max, size_t *ret_n)
{
	size_t n = strlen(s) / 2;

	if (strlen(s) % 2 != 0 || n > max)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = digit(s[2 * i]), low = digit(s[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	*ret_n = n;
	return true;
}
