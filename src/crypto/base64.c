/* base64.c: see base64.h. */
#include "base64.h"

#include <limits.h>

#include <openssl/evp.h>

#define TEXT_MAX ((size_t)64 << 20)

static uint8_t swap(uint8_t c, const char *from, const char *to)
{
	return c == (uint8_t)from[0] ? (uint8_t)to[0] : c == (uint8_t)from[1] ? (uint8_t)to[1] : c;
}

enum hf_err base64_encode(struct slice s, bool url, struct buf *out)
{
	size_t at = out->n, n = (s.n + 2) / 3 * 4;
	uint8_t *p;

	if (s.n == 0)
		return HF_OK;
	p = s.n > TEXT_MAX ? NULL : buf_add(out, n + 1);
	if (p == NULL)
		return HF_E_TOO_BIG;
	(void)EVP_EncodeBlock(p, s.p, (int)s.n);
	if (url && s.n % 3 != 0)
		n -= 3 - s.n % 3;
	for (size_t i = 0; url && i < n; i++)
		p[i] = swap(p[i], "+/", "-_");
	buf_cut(out, at + n);
	return HF_OK;
}

static bool is_digit(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
	       c == '/';
}

/* digits copies them in the ordinary alphabet; false: there is something else. */
static bool digits(struct slice text, bool url, uint8_t *out)
{
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];

		if (url && (c == '+' || c == '/'))
			return false;
		out[i] = url ? swap(c, "-_", "+/") : c;
		if (!is_digit(out[i]))
			return false;
	}
	return true;
}

enum hf_err base64_decode(struct slice text, bool url, struct secret *ret)
{
	CLEANUP(secret_done) struct secret in = { 0 }, out = { 0 };
	size_t whole = (text.n + 3) / 4 * 4, fill = 0;

	if (text.n > TEXT_MAX || (!url && text.n % 4 != 0))
		return HF_E_MALFORMED;
	for (; !url && text.n > 0 && fill < 2 && text.p[text.n - 1] == '='; fill++)
		text.n--;
	fill = whole - text.n;
	if (fill > 2)
		return HF_E_MALFORMED;
	TRY(secret_alloc(&in, whole + 1));
	TRY(secret_alloc(&out, whole / 4 * 3 + 1));
	if (!digits(text, url, in.p))
		return HF_E_MALFORMED;
	for (size_t i = text.n; i < whole; i++)
		in.p[i] = 'A';
	if (whole > 0 && EVP_DecodeBlock(out.p, in.p, (int)whole) < 0)
		return HF_E_MALFORMED;
	secret_cut(&out, whole / 4 * 3 - fill);
	*ret = secret_take(&out);
	return HF_OK;
}
