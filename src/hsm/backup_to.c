/* backup_to.c: see backup_to.h. */
#include "backup_to.h"

#include <string.h>

#define KIB_MOST (1u << 18)
#define PASSES_MOST 64u
#define PBKDF2_MOST 10000000u
#define DOMAIN_MOST 16u

/* --- cards --------------------------------------------------------------------------- */

enum hf_err backup_key_id(struct slice key, uint8_t ret[BACKUP_KEY_ID])
{
	uint8_t hash[CRYPTO_HASH];

	TRY(crypto_sha256(key, hash));
	memcpy(ret, hash, BACKUP_KEY_ID);
	return HF_OK;
}

static void owner_enc(const struct backup_card *c, struct buf *out)
{
	buf_bytes(out, c->name);
	buf_u8(out, c->m);
	buf_u8(out, c->n);
	buf_bytes(out, c->hashes);
}

static bool owner_dec(struct rd *r, struct backup_card *c)
{
	return rd_bytes(r, BACKUP_NAME_MOST, &c->name) && rd_u8(r, &c->m) && rd_u8(r, &c->n) &&
		rd_bytes(r, SHAMIR_MAX * CRYPTO_HASH, &c->hashes) && c->m <= c->n &&
		c->hashes.n == c->n * (size_t)CRYPTO_HASH;
}

void backup_card_enc(const struct backup_card *c, struct buf *out)
{
	owner_enc(c, out);
	buf_raw(out, c->key);
}

enum hf_err backup_card_dec(struct slice in, struct backup_card *ret)
{
	struct rd r = rd_of(in);
	struct backup_card c = { 0 };

	if (!owner_dec(&r, &c) || !rd_take(&r, XWING_PUBLIC, &c.key.p) || !rd_done(&r))
		return HF_E_BACKUP_CARD;
	c.key.n = XWING_PUBLIC;
	TRY(backup_key_id(c.key, c.id));
	*ret = c;
	return HF_OK;
}

/* --- bodies -------------------------------------------------------------------------- */

/* passes_most: what opens in bearable time, whoever made it. */
static uint32_t passes_most(uint32_t kib)
{
	return kib == 0 ? PBKDF2_MOST : PASSES_MOST;
}

static bool look_passphrase(struct rd *r, struct backup_found *f)
{
	if (!rd_u32(r, &f->kib) || !rd_u32(r, &f->passes) || !rd_take(r, BACKUP_SALT, &f->salt.p))
		return false;
	f->salt.n = BACKUP_SALT;
	return f->kib <= KIB_MOST && f->passes != 0 && f->passes <= passes_most(f->kib);
}

static bool look_key(struct rd *r, struct backup_found *f)
{
	const uint8_t *id;

	if (!rd_take(r, BACKUP_KEY_ID, &id) || !owner_dec(r, &f->card) ||
	    !rd_bytes(r, DOMAIN_MOST, &f->domain) || !rd_bytes(r, XWING_CIPHERTEXT, &f->ct))
		return false;
	memcpy(f->card.id, id, BACKUP_KEY_ID);
	return f->ct.n == XWING_CIPHERTEXT;
}

enum hf_err backup_recipient_look(const struct backup_recipient *r, struct backup_found *ret)
{
	struct rd body = rd_of(r->body);
	struct backup_found f = { 0 };

	if (r->kind == BACKUP_TO_TOKEN)
		return HF_OK;
	if (!(r->kind == BACKUP_TO_PASSPHRASE ? look_passphrase(&body, &f) :
		r->kind >= BACKUP_TO_KEY && r->kind <= BACKUP_TO_MEMBER && look_key(&body, &f)) ||
	    !rd_done(&body))
		return HF_E_BACKUP_DAMAGED;
	*ret = f;
	return HF_OK;
}

bool backup_recipient_fits(const struct backup_recipient *r, const struct backup_opener *o)
{
	struct backup_found f = { 0 };

	if (r->kind != o->kind)
		return false;
	if (r->kind == BACKUP_TO_PASSPHRASE || r->kind == BACKUP_TO_TOKEN)
		return true;
	return backup_recipient_look(r, &f) == HF_OK && slice_eq(SLICE_OF(f.card.id), SLICE_OF(o->id));
}

/* --- keys ---------------------------------------------------------------------------- */

static enum hf_err stretched(struct slice passphrase, const struct backup_found *f,
	struct secret *ret)
{
	CLEANUP(secret_done) struct secret s = { 0 };

	TRY(crypto_stretch(passphrase, f->salt, f->kib, f->passes, &s));
	return crypto_derive(secret_slice(&s), "holdfast backup passphrase", SLICE_NONE, ret);
}

/* With the domain's key: whoever lacks that does not open it even with the private key. */
static enum hf_err mixed(struct slice shared, struct slice domain_key, struct secret *ret)
{
	return crypto_derive(shared, "holdfast backup key", domain_key, ret);
}

static enum hf_err opener_key(const struct backup_recipient *r, const struct backup_opener *o,
	struct secret *ret)
{
	CLEANUP(secret_done) struct secret shared = { 0 };
	struct backup_found f = { 0 };

	TRY(backup_recipient_look(r, &f));
	if (r->kind == BACKUP_TO_PASSPHRASE)
		return stretched(o->secret, &f, ret);
	if (r->kind == BACKUP_TO_TOKEN)
		return crypto_derive(o->secret, "holdfast backup token", SLICE_NONE, ret);
	TRY(xwing_decapsulate(o->secret, f.ct, &shared));
	return mixed(secret_slice(&shared), o->domain_key, ret);
}

enum hf_err backup_recipient_aad(struct slice bound, const struct backup_recipient *r,
	struct buf *out)
{
	buf_raw(out, bound);
	buf_u8(out, r->kind);
	buf_bytes(out, r->body);
	return buf_err(out);
}

enum hf_err backup_recipient_open(const struct backup_recipient *r, const struct backup_opener *o,
	struct slice aad, struct secret *ret)
{
	CLEANUP(secret_done) struct secret key = { 0 };

	TRY(opener_key(r, o, &key));
	return crypto_open(secret_slice(&key), aad, r->sealed, ret) == HF_OK ? HF_OK : HF_E_BACKUP_KEY;
}

/* --- making -------------------------------------------------------------------------- */

static enum hf_err to_passphrase(const struct backup_to *to, struct buf *body, struct secret *key)
{
	uint8_t salt[BACKUP_SALT];
	struct backup_found f = { .kib = to->kib, .passes = to->passes, .salt = SLICE_OF(salt) };

	/* The settings may ask for more than anybody would open. */
	f.kib = f.kib < KIB_MOST ? f.kib : KIB_MOST;
	f.passes = f.passes < passes_most(f.kib) ? f.passes : passes_most(f.kib);
	TRY(crypto_random(salt, sizeof(salt)));
	buf_u32(body, f.kib);
	buf_u32(body, f.passes);
	buf_raw(body, SLICE_OF(salt));
	return stretched(to->secret, &f, key);
}

static enum hf_err to_token(const struct backup_to *to, struct buf *body, struct secret *key)
{
	if (to->secret.n < CRYPTO_KEY)
		return HF_E_ARGUMENTS;
	buf_raw(body, to->body);
	return crypto_derive(to->secret, "holdfast backup token", SLICE_NONE, key);
}

static enum hf_err to_key(const struct backup_to *to, struct buf *body, struct secret *key)
{
	CLEANUP(secret_done) struct secret shared = { 0 };
	uint8_t ct[XWING_CIPHERTEXT];

	TRY(xwing_encapsulate(to->card.key, ct, &shared));
	buf_raw(body, SLICE_OF(to->card.id));
	owner_enc(&to->card, body);
	buf_bytes(body, to->body);
	buf_bytes(body, SLICE_OF(ct));
	return mixed(secret_slice(&shared), to->secret, key);
}

static enum hf_err make_body(const struct backup_to *to, struct buf *body, struct secret *key)
{
	switch (to->kind) {
	case BACKUP_TO_PASSPHRASE:
		return to_passphrase(to, body, key);
	case BACKUP_TO_TOKEN:
		return to_token(to, body, key);
	case BACKUP_TO_KEY:
	case BACKUP_TO_MEMBER:
		return to_key(to, body, key);
	}
	return HF_E_ARGUMENTS;
}

enum hf_err backup_recipient_make(const struct backup_to *to, struct slice bound,
	struct slice file_key, struct buf *out)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	CLEANUP(buf_done) struct buf body = BUF_MAX(BACKUP_BODY_MOST);
	CLEANUP(buf_done) struct buf aad = BUF_MAX(8192);
	CLEANUP(buf_done) struct buf sealed = BUF_MAX(CRYPTO_KEY + CRYPTO_SEAL_EXTRA);
	struct backup_recipient r = { .kind = (uint8_t)to->kind };

	TRY(make_body(to, &body, &key));
	TRY(buf_err(&body));
	r.body = buf_slice(&body);
	TRY(backup_recipient_aad(bound, &r, &aad));
	TRY(crypto_seal(secret_slice(&key), buf_slice(&aad), file_key, &sealed));
	buf_u8(out, r.kind);
	buf_bytes(out, r.body);
	buf_bytes(out, buf_slice(&sealed));
	return buf_err(out);
}
