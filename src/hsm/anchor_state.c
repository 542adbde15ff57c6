#include "anchor_state.h"

#include <stdio.h>
#include <string.h>

#include "secret.h"

#define FORMAT 2
#define FORMAT_1 1 /* roles of one byte */
#define MAX_COUNTS 65536u

void anchor_state_done(struct anchor_state *s)
{
	hf_free(s->v);
	*s = (struct anchor_state){ 0 };
}

enum hf_err anchor_state_copy(const struct anchor_state *s, struct anchor_state *ret)
{
	struct anchor_state t = *s;

	t.v = hf_alloc(s->n + 1, sizeof(*t.v)); /* one more: for what comes next */
	if (t.v == NULL)
		return HF_E_MEMORY;
	if (s->n > 0)
		memcpy(t.v, s->v, s->n * sizeof(*t.v));
	*ret = t;
	return HF_OK;
}

void anchor_state_enc(const struct anchor_state *s, struct buf *out)
{
	buf_u8(out, FORMAT);
	buf_u64(out, s->sequence);
	buf_raw(out, SLICE_OF(s->digest));
	buf_u32(out, (uint32_t)s->n);
	for (size_t i = 0; i < s->n; i++) {
		buf_bytes(out, slice_str(s->v[i].serial));
		buf_u32(out, s->v[i].role);
		buf_u32(out, s->v[i].n);
	}
}

static bool dec_role(struct rd *r, uint8_t format, uint32_t *ret)
{
	uint8_t small = 0;

	if (format != FORMAT_1)
		return rd_u32(r, ret);
	if (!rd_u8(r, &small))
		return false;
	*ret = small;
	return true;
}

static bool dec_count(struct rd *r, uint8_t format, struct fail_count *ret)
{
	struct slice serial;

	if (!rd_bytes(r, SERIAL_LEN, &serial) || !dec_role(r, format, &ret->role) || !rd_u32(r, &ret->n))
		return false;
	memset(ret->serial, 0, sizeof(ret->serial));
	if (serial.n > 0)
		memcpy(ret->serial, serial.p, serial.n);
	return true;
}

static bool dec_head(struct rd *r, struct anchor_state *s, uint8_t *ret_format, uint32_t *ret_n)
{
	const uint8_t *digest;

	if (!rd_u8(r, ret_format) || *ret_format < FORMAT_1 || *ret_format > FORMAT ||
	    !rd_u64(r, &s->sequence) ||
	    !rd_take(r, DIGEST_LEN, &digest) || !rd_u32(r, ret_n) || *ret_n > MAX_COUNTS)
		return false;
	memcpy(s->digest, digest, DIGEST_LEN);
	return true;
}

enum hf_err anchor_state_dec(struct slice in, struct anchor_state *ret)
{
	CLEANUP(anchor_state_done) struct anchor_state s = { 0 };
	struct rd r = rd_of(in);
	uint8_t format;
	uint32_t n;

	if (!dec_head(&r, &s, &format, &n))
		return HF_E_DAMAGED;
	s.v = hf_alloc(n + 1u, sizeof(*s.v));
	if (s.v == NULL)
		return HF_E_MEMORY;
	for (; s.n < n; s.n++)
		if (!dec_count(&r, format, &s.v[s.n]))
			return HF_E_DAMAGED;
	if (!rd_done(&r))
		return HF_E_DAMAGED;
	*ret = s;
	s = (struct anchor_state){ 0 };
	return HF_OK;
}

static struct fail_count *find(const struct anchor_state *s, const char *serial, unsigned role)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].role == role && strcmp(s->v[i].serial, serial) == 0)
			return &s->v[i];
	return NULL;
}

uint32_t anchor_state_fails(const struct anchor_state *s, const char *serial, unsigned role)
{
	const struct fail_count *c = find(s, serial, role);

	return c != NULL ? c->n : 0;
}

static enum hf_err append(struct anchor_state *s, const char *serial, unsigned role, uint32_t n)
{
	struct fail_count *v = hf_realloc(s->v, s->n + 1, sizeof(*v));

	if (v == NULL)
		return HF_E_MEMORY;
	s->v = v;
	s->v[s->n] = (struct fail_count){ .role = role, .n = n };
	(void)snprintf(s->v[s->n].serial, sizeof(s->v[s->n].serial), "%s", serial);
	s->n++;
	return HF_OK;
}

enum hf_err anchor_state_set_fails(struct anchor_state *s, const char *serial, unsigned role,
	uint32_t n)
{
	struct fail_count *c = find(s, serial, role);

	if (c == NULL)
		return n == 0 ? HF_OK : append(s, serial, role, n);
	if (n == 0)
		*c = s->v[--s->n];
	else
		c->n = n;
	return HF_OK;
}

void digest_add(uint8_t to[DIGEST_LEN], const uint8_t term[DIGEST_LEN])
{
	unsigned carry = 0;

	for (size_t i = DIGEST_LEN; i-- > 0;) {
		carry += (unsigned)to[i] + term[i];
		to[i] = (uint8_t)carry;
		carry >>= 8;
	}
}

void digest_sub(uint8_t from[DIGEST_LEN], const uint8_t term[DIGEST_LEN])
{
	unsigned borrow = 0;

	for (size_t i = DIGEST_LEN; i-- > 0;) {
		unsigned d = 256u + from[i] - term[i] - borrow;

		from[i] = (uint8_t)d;
		borrow = d < 256u;
	}
}
