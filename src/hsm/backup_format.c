/* backup_format.c: see backup_format.h. */
#include "backup_format.h"

#include <string.h>

#define MAGIC "HFBACKUP"
#define MAGIC_LEN 8u
#define KIB_MOST (1u << 18)
#define PASSES_MOST 64u
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

static bool read_body(struct slice in, struct backup_header *h)
{
	struct rd r = { in.p + BACKUP_PREFIX, in.n - BACKUP_PREFIX - CRYPTO_HASH };
	const uint8_t *salt;

	if (!rd_u64(&r, &h->created) || !rd_bytes(&r, TEXT_MOST, &h->hsm) ||
	    !rd_bytes(&r, TEXT_MOST, &h->serial) || !rd_bytes(&r, TEXT_MOST, &h->label) ||
	    !rd_u8(&r, &h->domain) || h->domain != BACKUP_PASSPHRASE || !rd_u32(&r, &h->kib) ||
	    !rd_u32(&r, &h->passes) || !rd_take(&r, BACKUP_SALT, &salt))
		return false;
	memcpy(h->salt, salt, BACKUP_SALT);
	h->bound = (struct slice){ in.p, (size_t)(r.p - in.p) };
	return h->kib != 0 && h->kib <= KIB_MOST && h->passes != 0 && h->passes <= PASSES_MOST &&
		rd_bytes(&r, CRYPTO_KEY + CRYPTO_SEAL_EXTRA, &h->sealed) && rd_done(&r);
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

static enum hf_err domain_key(const struct backup_header *h, struct slice passphrase,
	struct secret *ret)
{
	CLEANUP(secret_done) struct secret stretched = { 0 };

	TRY(crypto_argon2id(passphrase, SLICE_OF(h->salt), h->kib, h->passes, &stretched));
	return crypto_derive(secret_slice(&stretched), "holdfast backup passphrase", SLICE_NONE, ret);
}

void backup_look(const struct backup_header *h, struct backup_chain *ret)
{
	memcpy(ret->head, h->hash, CRYPTO_HASH);
	memcpy(ret->last, h->hash, CRYPTO_HASH);
	ret->next = 0;
}

static enum hf_err give_keys(struct slice file_key, bool whole, struct backup_chain *c)
{
	if (whole)
		TRY(crypto_derive(file_key, "holdfast backup objects", SLICE_NONE, &c->objects_key));
	return crypto_derive(file_key, "holdfast backup end", SLICE_NONE, &c->end_key);
}

enum hf_err backup_unlock(const struct backup_header *h, struct slice passphrase, bool whole,
	struct backup_chain *c)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	CLEANUP(secret_done) struct secret file_key = { 0 };

	TRY(domain_key(h, passphrase, &key));
	if (crypto_open(secret_slice(&key), h->bound, h->sealed, &file_key) != HF_OK)
		return HF_E_BACKUP_KEY;
	return give_keys(secret_slice(&file_key), whole, c);
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
	buf_u8(out, h->domain);
	buf_u32(out, h->kib);
	buf_u32(out, h->passes);
	buf_raw(out, SLICE_OF(h->salt));
}

enum hf_err backup_header_make(struct backup_header *h, struct slice passphrase, struct buf *out,
	struct backup_chain *ret)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	CLEANUP(secret_done) struct secret file_key = { 0 };
	size_t bound, whole;

	TRY(crypto_random(h->salt, sizeof(h->salt)));
	TRY(secret_alloc(&file_key, CRYPTO_KEY));
	TRY(crypto_random(file_key.p, file_key.n));
	TRY(domain_key(h, passphrase, &key));
	head_enc(h, out);
	TRY(buf_err(out));
	bound = out->n;
	whole = bound + 4 + CRYPTO_KEY + CRYPTO_SEAL_EXTRA + CRYPTO_HASH;
	buf_put_u32(out, BACKUP_PREFIX - 4, (uint32_t)whole);
	buf_u32(out, CRYPTO_KEY + CRYPTO_SEAL_EXTRA);
	TRY(buf_err(out));
	TRY(crypto_seal(secret_slice(&key), (struct slice){ out->p, bound }, secret_slice(&file_key),
		out));
	TRY(crypto_sha256(buf_slice(out), h->hash));
	buf_raw(out, SLICE_OF(h->hash));
	TRY(buf_err(out));
	backup_look(h, ret);
	return give_keys(secret_slice(&file_key), true, ret);
}

/* --- frames ------------------------------------------------------------------------- */

enum hf_err backup_frame_length(struct slice prefix, size_t *ret)
{
	struct rd r = rd_of(prefix);
	uint32_t n;

	if (!rd_u32(&r, &n) || n > BACKUP_FRAME_MOST ||
	    n <= BACKUP_FRAME_PREFIX + CRYPTO_SEAL_EXTRA + CRYPTO_HASH)
		return HF_E_BACKUP_DAMAGED;
	*ret = n;
	return HF_OK;
}

static const struct secret *key_for(const struct backup_chain *c, uint8_t kind)
{
	return kind == BACKUP_END ? &c->end_key : &c->objects_key;
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
	    (f.kind != BACKUP_OBJECTS && f.kind != BACKUP_END))
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
