#include "quorum_record.h"

#include <stdio.h>
#include <string.h>

#include "utf8.h"

void quorum_enc(const struct quorum *q, struct buf *b)
{
	buf_raw(b, SLICE_OF(q->id));
	buf_u8(b, q->m);
	buf_u8(b, q->n);
	for (unsigned i = 0; i < q->n; i++)
		buf_raw(b, SLICE_OF(q->hash[i]));
	for (unsigned i = 0; i < q->n; i++) {
		buf_u8(b, (uint8_t)strlen(q->name[i]));
		buf_raw(b, slice_str(q->name[i]));
	}
}

static void number_them(struct quorum *q)
{
	for (unsigned i = 0; i < q->n; i++)
		(void)snprintf(q->name[i], sizeof(q->name[i]), "custodian %u", i + 1);
}

static bool name_dec(struct rd *r, char ret[CUSTODIAN_NAME + 1])
{
	const uint8_t *p;
	uint8_t n;

	if (!rd_u8(r, &n) || n > CUSTODIAN_NAME || !rd_take(r, n, &p))
		return false;
	(void)snprintf(ret, CUSTODIAN_NAME + 1, "%.*s", (int)n, (const char *)p);
	return true;
}

bool quorum_dec(struct rd *r, struct quorum *ret)
{
	const uint8_t *id, *hash;

	if (!rd_take(r, QUORUM_ID, &id) || !rd_u8(r, &ret->m) || !rd_u8(r, &ret->n) || ret->m == 0 ||
	    ret->m > ret->n || ret->n > SHAMIR_MAX)
		return false;
	memcpy(ret->id, id, QUORUM_ID);
	for (unsigned i = 0; i < ret->n; i++) {
		if (!rd_take(r, CRYPTO_HASH, &hash))
			return false;
		memcpy(ret->hash[i], hash, CRYPTO_HASH);
	}
	if (rd_done(r)) { /* written before they had names */
		number_them(ret);
		return true;
	}
	for (unsigned i = 0; i < ret->n; i++)
		if (!name_dec(r, ret->name[i]))
			return false;
	return true;
}

/* --- names ------------------------------------------------------------------------ */

static bool name_valid(struct slice s)
{
	if (s.n == 0 || s.n > CUSTODIAN_NAME || !utf8_valid(s))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] == 0x7f || s.p[i] == '"' || s.p[i] == '\\')
			return false;
	return true;
}

static bool name_taken(const struct quorum *q, unsigned until, struct slice name)
{
	for (unsigned i = 0; i < until; i++)
		if (slice_eq(slice_str(q->name[i]), name))
			return true;
	return false;
}

static struct slice up_to_comma(struct slice s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] != ',')
		n++;
	return (struct slice){ s.p, n };
}

bool quorum_names(struct quorum *q, struct slice names)
{
	struct slice rest = names;

	if (names.n == 0) {
		number_them(q);
		return true;
	}
	for (unsigned i = 0; i < q->n; i++) {
		struct slice one = up_to_comma(rest);
		bool last = one.n == rest.n;

		if (!name_valid(one) || name_taken(q, i, one) || last != (i + 1 == q->n))
			return false;
		(void)snprintf(q->name[i], sizeof(q->name[i]), "%.*s", (int)one.n, (const char *)one.p);
		if (!last)
			rest = (struct slice){ rest.p + one.n + 1, rest.n - one.n - 1 };
	}
	return true;
}

enum hf_err quorum_list(const struct quorum *q, struct arena *a, struct slice *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(QUORUM_NAMES);

	for (unsigned i = 0; i < q->n; i++) {
		buf_raw(&b, i > 0 ? SLICE_STR(",") : SLICE_NONE);
		buf_raw(&b, slice_str(q->name[i]));
	}
	TRY(buf_err(&b));
	return arena_dup(a, buf_slice(&b), ret);
}
