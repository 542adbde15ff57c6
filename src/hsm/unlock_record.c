#include "unlock_record.h"

#include <string.h>

#include "clock.h"

#define FORMAT 2
#define FORMAT_1 1

enum hf_err root_record_new(struct root_record **ret)
{
	*ret = hf_alloc(1, sizeof(**ret));
	return *ret != NULL ? HF_OK : HF_E_MEMORY;
}

void root_record_free(struct root_record **r)
{
	hf_free(*r);
	*r = NULL;
}

/* --- writing ------------------------------------------------------------------------ */

static void method_enc(const struct unlock_method_record *m, struct buf *b)
{
	buf_u8(b, m->id);
	buf_u8(b, m->by);
	buf_u64(b, m->made);
	buf_raw(b, SLICE_OF(m->salt));
	buf_u32(b, m->kib);
	buf_u32(b, m->passes);
	buf_bytes(b, (struct slice){ m->more, m->more_n });
	buf_raw(b, SLICE_OF(m->public_key));
	buf_raw(b, SLICE_OF(m->private_key));
	buf_raw(b, SLICE_OF(m->wrapped));
}

void root_record_enc(const struct root_record *r, struct buf *b)
{
	buf_u8(b, FORMAT);
	buf_u8(b, (uint8_t)r->n);
	for (unsigned i = 0; i < r->n; i++)
		method_enc(&r->v[i], b);
	buf_u8(b, r->phase);
	if (r->phase > 0)
		buf_raw(b, SLICE_OF(r->old));
}

static enum hf_err tag_of(const struct root_record *r, struct slice root, uint8_t tag[CRYPTO_HASH])
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(ROOT_RECORD_MAX);
	CLEANUP(secret_done) struct secret key = { 0 };

	root_record_enc(r, &b);
	TRY(buf_err(&b));
	TRY(crypto_derive(root, "holdfast unlock methods", SLICE_NONE, &key));
	return crypto_hmac(secret_slice(&key), buf_slice(&b), tag);
}

enum hf_err root_record_seal(struct root_record *r, struct slice root, struct buf *b)
{
	TRY(tag_of(r, root, r->tag));
	root_record_enc(r, b);
	buf_raw(b, SLICE_OF(r->tag));
	return buf_err(b);
}

enum hf_err root_record_true(const struct root_record *r, struct slice root)
{
	uint8_t tag[CRYPTO_HASH];

	if (r->n == 1 && r->v[0].direct)
		return HF_OK;
	TRY(tag_of(r, root, tag));
	return secret_eq(SLICE_OF(tag), SLICE_OF(r->tag)) ? HF_OK : HF_E_DAMAGED;
}

/* --- reading ------------------------------------------------------------------------ */

static bool take(struct rd *r, void *to, size_t n)
{
	const uint8_t *p;

	if (!rd_take(r, n, &p))
		return false;
	memcpy(to, p, n);
	return true;
}

static bool method_dec(struct rd *r, struct unlock_method_record *m)
{
	struct slice more;

	if (!rd_u8(r, &m->id) || !rd_u8(r, &m->by) || !rd_u64(r, &m->made) ||
	    !take(r, m->salt, sizeof(m->salt)) || !rd_u32(r, &m->kib) || !rd_u32(r, &m->passes) ||
	    !rd_bytes(r, sizeof(m->more), &more) || !take(r, m->public_key, sizeof(m->public_key)) ||
	    !take(r, m->private_key, sizeof(m->private_key)) ||
	    !take(r, m->wrapped, sizeof(m->wrapped)))
		return false;
	if (more.n > 0)
		memcpy(m->more, more.p, more.n);
	m->more_n = more.n;
	return m->by == BY_FILE || m->by == BY_PASSPHRASE || m->by == BY_QUORUM || m->by == BY_TPM;
}

static bool dec_2(struct rd *r, struct root_record *t)
{
	uint8_t n;

	if (!rd_u8(r, &n) || n > UNLOCK_METHODS)
		return false;
	for (; t->n < n; t->n++)
		if (!method_dec(r, &t->v[t->n]))
			return false;
	return rd_u8(r, &t->phase) && (t->phase == 0 || take(r, t->old, sizeof(t->old))) &&
		take(r, t->tag, sizeof(t->tag)) && rd_done(r);
}

static bool dec_1(struct rd *r, struct root_record *t)
{
	struct unlock_method_record *m = &t->v[0];

	m->direct = true;
	if (!rd_u8(r, &m->by) || !take(r, m->salt, sizeof(m->salt)) || !rd_u32(r, &m->kib) ||
	    !rd_u32(r, &m->passes) || !take(r, m->wrapped, ROOT_SEALED))
		return false;
	t->n = m->by == BY_NONE ? 0 : 1;
	m->more_n = r->n;
	return m->by >= BY_FILE && m->by <= BY_NONE && r->n <= sizeof(m->more) &&
		take(r, m->more, r->n) && (m->by == BY_QUORUM) == (m->more_n > 0);
}

bool root_record_dec(struct slice in, struct root_record *ret)
{
	struct rd r = rd_of(in);
	uint64_t version = ret->version;
	uint8_t format;

	*ret = (struct root_record){ .version = version };
	if (!rd_u8(&r, &format))
		return false;
	return format == FORMAT ? dec_2(&r, ret) : format == FORMAT_1 && dec_1(&r, ret);
}

/* --- methods ------------------------------------------------------------------------ */

struct unlock_method_record *root_record_find(struct root_record *r, enum unlock_by by)
{
	for (unsigned i = 0; i < r->n; i++)
		if (r->v[i].by == by)
			return &r->v[i];
	return NULL;
}

struct unlock_method_record *root_record_id(struct root_record *r, uint8_t id)
{
	for (unsigned i = 0; i < r->n; i++)
		if (r->v[i].id == id)
			return &r->v[i];
	return NULL;
}

enum hf_err root_record_add(struct root_record *r, enum unlock_by by,
	struct unlock_method_record **ret)
{
	uint8_t id = 0;

	if (r->n == UNLOCK_METHODS)
		return HF_E_LIMIT;
	while (root_record_id(r, id) != NULL)
		id++;
	r->v[r->n] = (struct unlock_method_record){ .id = id, .by = (uint8_t)by, .made = clock_wall_us() };
	*ret = &r->v[r->n++];
	return HF_OK;
}

void root_record_drop(struct root_record *r, const struct unlock_method_record *m)
{
	size_t at = (size_t)(m - r->v);

	r->n--;
	memmove(&r->v[at], &r->v[at + 1], (r->n - at) * sizeof(r->v[0]));
}
