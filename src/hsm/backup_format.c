/* backup_format.c: see backup_format.h. */
#include "backup_format.h"

#include <string.h>

#define MAGIC "HFBACKUP"
#define MAGIC_LEN 8u
#define TEXT_MOST 64u

/* The hash that ends a header or a frame. */
static struct slice tail_of(struct slice in)
{
	return (struct slice){ in.p + in.n - CRYPTO_HASH, CRYPTO_HASH };
}

/* --- header ------------------------------------------------------------------------- */

enum hf_err backup_header_length(struct slice prefix, size_t *ret)
{
	struct rd r = rd_of(prefix);
	const uint8_t *magic;
	uint16_t version, reserved;
	uint32_t n;

	if (!rd_take(&r, MAGIC_LEN, &magic) ||
	    !slice_eq((struct slice){ magic, MAGIC_LEN }, SLICE_STR(MAGIC)) ||
	    !rd_u16(&r, &version) || !rd_u16(&r, &reserved) || !rd_u32(&r, &n) || version == 0)
		return HF_E_BACKUP;
	if (version > BACKUP_VERSION)
		return HF_E_BACKUP_NEWER;
	if (n <= BACKUP_PREFIX + CRYPTO_HASH || n > BACKUP_HEADER_MOST)
		return HF_E_BACKUP_DAMAGED;
	*ret = n;
	return HF_OK;
}

#define SEALED_KEY (CRYPTO_KEY + CRYPTO_SEAL_EXTRA)

/* Seals of version 2 are bound to what stands behind the prefix: its length is not known yet
 * when they are made. */
static struct slice so_far(struct slice in, const struct rd *r)
{
	return (struct slice){ in.p + BACKUP_PREFIX, (size_t)(r->p - in.p) - BACKUP_PREFIX };
}

static struct slice behind_prefix(const struct buf *b)
{
	return (struct slice){ b->p + BACKUP_PREFIX, b->n - BACKUP_PREFIX };
}

static bool read_place(struct rd *r, struct backup_header *h)
{
	return rd_u64(r, &h->created) && rd_bytes(r, TEXT_MOST, &h->hsm) &&
		rd_bytes(r, TEXT_MOST, &h->serial) && rd_bytes(r, TEXT_MOST, &h->label);
}

/* The body of version 1's only recipient lies bare. */
static bool read_version_1(struct slice in, struct rd *r, struct backup_header *h)
{
	const uint8_t *body;

	h->scope = BACKUP_OF_OBJECTS;
	h->to_n = 1;
	if (!rd_u8(r, &h->to[0].kind) || h->to[0].kind != BACKUP_TO_PASSPHRASE ||
	    !rd_take(r, 8 + BACKUP_SALT, &body))
		return false;
	h->to[0].body = (struct slice){ body, 8 + BACKUP_SALT };
	h->bound = (struct slice){ in.p, (size_t)(r->p - in.p) };
	return rd_bytes(r, SEALED_KEY, &h->to[0].sealed);
}

static bool read_recipients(struct rd *r, struct backup_header *h)
{
	uint8_t n;

	if (!rd_u8(r, &n) || n == 0 || n > BACKUP_RECIPIENTS)
		return false;
	for (h->to_n = 0; h->to_n < n; h->to_n++) {
		struct backup_recipient *to = &h->to[h->to_n];

		if (!rd_u8(r, &to->kind) || !rd_bytes(r, BACKUP_BODY_MOST, &to->body) ||
		    !rd_bytes(r, SEALED_KEY, &to->sealed))
			return false;
	}
	return true;
}

static bool read_version_2(struct slice in, struct rd *r, struct backup_header *h)
{
	if (!rd_u8(r, &h->scope) || h->scope < BACKUP_OF_OBJECTS || h->scope > BACKUP_OF_PARTITIONS ||
	    !rd_bytes(r, CRYPTO_HASH, &h->base) || (h->base.n != 0 && h->base.n != CRYPTO_HASH))
		return false;
	h->own_bound = so_far(in, r);
	if (!rd_bytes(r, SEALED_KEY, &h->own))
		return false;
	h->bound = so_far(in, r);
	return read_recipients(r, h);
}

static bool read_body(struct slice in, struct backup_header *h)
{
	struct rd r = { in.p + BACKUP_PREFIX, in.n - BACKUP_PREFIX - CRYPTO_HASH };
	struct backup_found f;

	h->version = get_u16(in.p + MAGIC_LEN);
	if (!read_place(&r, h) || !(h->version == BACKUP_VERSION_1 ? read_version_1(in, &r, h) :
		read_version_2(in, &r, h)))
		return false;
	for (size_t i = 0; i < h->to_n; i++)
		if (backup_recipient_look(&h->to[i], &f) != HF_OK)
			return false;
	return rd_done(&r);
}

enum hf_err backup_header_read(struct slice in, struct backup_header *ret)
{
	struct backup_header h = { 0 };
	size_t n;

	TRY(backup_header_length(in, &n));
	if (n != in.n)
		return HF_E_BACKUP_DAMAGED;
	TRY(crypto_sha256((struct slice){ in.p, n - CRYPTO_HASH }, h.hash));
	if (!slice_eq(SLICE_OF(h.hash), tail_of(in)) || !read_body(in, &h))
		return HF_E_BACKUP_DAMAGED;
	*ret = h;
	return HF_OK;
}

void backup_look(const struct backup_header *h, struct backup_chain *ret)
{
	memcpy(ret->head, h->hash, CRYPTO_HASH);
	memcpy(ret->last, h->hash, CRYPTO_HASH);
	ret->next = 0;
}

static enum hf_err give_keys(struct slice file_key, bool whole, struct backup_chain *c)
{
	if (whole) {
		TRY(crypto_derive(file_key, "holdfast backup objects", SLICE_NONE, &c->objects_key));
		TRY(crypto_derive(file_key, "holdfast backup index", SLICE_NONE, &c->index_key));
	}
	return crypto_derive(file_key, "holdfast backup end", SLICE_NONE, &c->end_key);
}

static enum hf_err open_one(const struct backup_header *h, const struct backup_recipient *r,
	const struct backup_opener *o, struct secret *ret)
{
	CLEANUP(buf_done) struct buf aad = BUF_MAX(BACKUP_HEADER_MOST);

	if (h->version == BACKUP_VERSION_1)
		return backup_recipient_open(r, o, h->bound, ret);
	TRY(backup_recipient_aad(h->bound, r, &aad));
	return backup_recipient_open(r, o, buf_slice(&aad), ret);
}

enum hf_err backup_unlock(const struct backup_header *h, const struct backup_opener *v, size_t n,
	bool whole, struct backup_chain *c)
{
	CLEANUP(secret_done) struct secret file_key = { 0 };

	for (size_t i = 0; i < h->to_n * n; i++) {
		const struct backup_recipient *r = &h->to[i / n];
		enum hf_err e = backup_recipient_fits(r, &v[i % n]) ?
			open_one(h, r, &v[i % n], &file_key) : HF_E_BACKUP_KEY;

		if (e == HF_OK)
			return give_keys(secret_slice(&file_key), whole, c);
		if (e != HF_E_BACKUP_KEY)
			return e;
	}
	return HF_E_BACKUP_KEY;
}

enum hf_err backup_unlock_index(const struct backup_header *h, struct slice own_key,
	struct backup_chain *c)
{
	if (crypto_open(own_key, h->own_bound, h->own, &c->index_key) != HF_OK)
		return HF_E_BACKUP_FOREIGN;
	return HF_OK;
}

static void head_enc(const struct backup_header *h, struct buf *out)
{
	buf_raw(out, SLICE_STR(MAGIC));
	buf_u16(out, BACKUP_VERSION);
	buf_u16(out, 0);
	buf_u32(out, 0);
	buf_u64(out, h->created);
	buf_bytes(out, h->hsm);
	buf_bytes(out, h->serial);
	buf_bytes(out, h->label);
	buf_u8(out, h->scope);
	buf_bytes(out, h->base);
}

static enum hf_err put_own(const struct backup_make *m, struct slice index_key, struct buf *out)
{
	CLEANUP(buf_done) struct buf sealed = BUF_MAX(SEALED_KEY);

	TRY(crypto_seal(m->own_key, behind_prefix(out), index_key, &sealed));
	buf_bytes(out, buf_slice(&sealed));
	return buf_err(out);
}

static enum hf_err put_recipients(const struct backup_make *m, struct slice file_key,
	struct buf *out)
{
	CLEANUP(buf_done) struct buf bound = BUF_MAX(BACKUP_HEADER_MOST);

	buf_raw(&bound, behind_prefix(out));
	TRY(buf_err(&bound));
	buf_u8(out, (uint8_t)m->to_n);
	for (size_t i = 0; i < m->to_n; i++)
		TRY(backup_recipient_make(&m->to[i], buf_slice(&bound), file_key, out));
	return buf_err(out);
}

enum hf_err backup_header_make(struct backup_header *h, const struct backup_make *m, struct buf *out,
	struct backup_chain *ret)
{
	CLEANUP(secret_done) struct secret file_key = { 0 };

	if (m->to_n == 0 || m->to_n > BACKUP_RECIPIENTS)
		return HF_E_ARGUMENTS;
	TRY(secret_alloc(&file_key, CRYPTO_KEY));
	TRY(crypto_random(file_key.p, file_key.n));
	TRY(give_keys(secret_slice(&file_key), true, ret));
	head_enc(h, out);
	TRY(buf_err(out));
	TRY(put_own(m, secret_slice(&ret->index_key), out));
	TRY(put_recipients(m, secret_slice(&file_key), out));
	buf_put_u32(out, BACKUP_PREFIX - 4, (uint32_t)out->n + CRYPTO_HASH);
	TRY(crypto_sha256(buf_slice(out), h->hash));
	buf_raw(out, SLICE_OF(h->hash));
	TRY(buf_err(out));
	backup_look(h, ret);
	return HF_OK;
}

/* --- frames ------------------------------------------------------------------------- */

enum hf_err backup_frame_length(struct slice prefix, size_t *ret)
{
	struct rd r = rd_of(prefix);
	uint32_t n;

	if (!rd_u32(&r, &n) || n > BACKUP_FRAME_MOST ||
	    n < BACKUP_FRAME_PREFIX + CRYPTO_SEAL_EXTRA + CRYPTO_HASH)
		return HF_E_BACKUP_DAMAGED;
	*ret = n;
	return HF_OK;
}

static const struct secret *key_for(const struct backup_chain *c, uint8_t kind)
{
	return kind == BACKUP_END ? &c->end_key : kind == BACKUP_INDEX ? &c->index_key :
		&c->objects_key;
}

/* A frame opens in its own file, at its own place, as what it is. */
#define PLACE (CRYPTO_HASH + 9)
static void place_of(const struct backup_chain *c, uint64_t number, uint8_t kind,
	uint8_t out[PLACE])
{
	memcpy(out, c->head, CRYPTO_HASH);
	put_u64(out + CRYPTO_HASH, number);
	out[PLACE - 1] = kind;
}

enum hf_err backup_frame_make(struct backup_chain *c, enum backup_kind kind, struct slice plain,
	struct buf *out)
{
	uint8_t place[PLACE];
	size_t whole = BACKUP_FRAME_PREFIX + plain.n + CRYPTO_SEAL_EXTRA + CRYPTO_HASH;

	if (out->n != 0 || whole > BACKUP_FRAME_MOST)
		return HF_E_INTERNAL;
	place_of(c, c->next, (uint8_t)kind, place);
	buf_u32(out, (uint32_t)whole);
	buf_u64(out, c->next);
	buf_u8(out, (uint8_t)kind);
	TRY(crypto_seal(secret_slice(key_for(c, (uint8_t)kind)), SLICE_OF(place), plain, out));
	TRY(buf_err(out));
	TRY(crypto_sha256_2(SLICE_OF(c->last), buf_slice(out), c->last));
	buf_raw(out, SLICE_OF(c->last));
	c->next++;
	return buf_err(out);
}

enum hf_err backup_frame_check(struct backup_chain *c, struct slice in, struct backup_frame *ret)
{
	struct rd r = rd_of(in);
	uint8_t hash[CRYPTO_HASH];
	struct backup_frame f;
	uint32_t skip;
	size_t n;

	TRY(backup_frame_length(in, &n));
	if (n != in.n || !rd_u32(&r, &skip) || !rd_u64(&r, &f.number) || !rd_u8(&r, &f.kind))
		return HF_E_BACKUP_DAMAGED;
	TRY(crypto_sha256_2(SLICE_OF(c->last), (struct slice){ in.p, n - CRYPTO_HASH }, hash));
	if (!slice_eq(SLICE_OF(hash), tail_of(in)) || f.number != c->next ||
	    f.kind < BACKUP_OBJECTS || f.kind > BACKUP_RECORDS)
		return HF_E_BACKUP_DAMAGED;
	f.sealed = (struct slice){ r.p, r.n - CRYPTO_HASH };
	memcpy(c->last, hash, CRYPTO_HASH);
	c->next++;
	*ret = f;
	return HF_OK;
}

enum hf_err backup_frame_open(const struct backup_chain *c, const struct backup_frame *f,
	struct secret *ret)
{
	uint8_t place[PLACE];
	enum hf_err e;

	place_of(c, f->number, f->kind, place);
	e = crypto_open(secret_slice(key_for(c, f->kind)), SLICE_OF(place), f->sealed, ret);
	return e == HF_E_DAMAGED ? HF_E_BACKUP_DAMAGED : e;
}

void backup_end_enc(const struct backup_end *e, struct buf *out)
{
	buf_u64(out, e->objects);
	buf_u64(out, e->left_out);
	buf_u64(out, e->frames);
	buf_raw(out, SLICE_OF(e->chain));
}

enum hf_err backup_end_check(const struct backup_chain *c, const struct backup_frame *f,
	const uint8_t before[CRYPTO_HASH], struct backup_end *ret)
{
	CLEANUP(secret_done) struct secret plain = { 0 };
	const uint8_t *chain;
	struct rd r;

	TRY(backup_frame_open(c, f, &plain));
	r = rd_of(secret_slice(&plain));
	if (f->kind != BACKUP_END || !rd_u64(&r, &ret->objects) || !rd_u64(&r, &ret->left_out) ||
	    !rd_u64(&r, &ret->frames) || !rd_take(&r, CRYPTO_HASH, &chain) || !rd_done(&r) ||
	    ret->frames != f->number ||
	    !slice_eq((struct slice){ chain, CRYPTO_HASH }, (struct slice){ before, CRYPTO_HASH }))
		return HF_E_BACKUP_DAMAGED;
	memcpy(ret->chain, chain, CRYPTO_HASH);
	return HF_OK;
}
