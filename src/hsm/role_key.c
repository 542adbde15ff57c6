/* role_key.c: what a PIN opens, under the HSM's role key; and under those before it, and those of other
 * HSMs. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "roles_int.h"
#include "rotate.h"

enum hf_err role_key_id(struct slice role_key, uint8_t ret[ROLE_KEY_ID])
{
	CLEANUP(secret_done) struct secret id = { 0 };

	TRY(crypto_derive(role_key, "holdfast role key id", SLICE_NONE, &id));
	memcpy(ret, id.p, ROLE_KEY_ID);
	return HF_OK;
}

static enum hf_err pin_key(struct slice role_key, const struct role_record *r, struct slice pin,
	struct secret *ret, uint8_t tag[CRYPTO_HASH])
{
	CLEANUP(secret_done) struct secret stretched = { 0 };

	TRY(pin_stretch(&r->pin, pin, &stretched));
	TRY(pin_tag(secret_slice(&stretched), tag));
	return crypto_derive(role_key, "partition key", secret_slice(&stretched), ret);
}

/* The place that a wrapped key belongs to: "SERIAL/role". */
static struct slice place(const char *serial, const struct role_record *r, char out[ROLE_NAME_LEN])
{
	(void)snprintf(out, ROLE_NAME_LEN, "%s/%s", serial, r->name);
	return slice_str(out);
}

/* remember moves the PIN that goes among the old ones. */
static void remember(const struct role_record *now, struct role_record *next)
{
	if (!now->set)
		return;
	if (next->old_n < PIN_MEMORIES)
		next->old_n++;
	memmove(next->old + 1, next->old, (next->old_n - 1) * sizeof(next->old[0]));
	next->old[0] = now->pin;
}

enum hf_err role_rekey(const char *serial, struct role_record *r, struct slice key)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(sizeof(r->pair.wrapped));
	char where[ROLE_NAME_LEN];

	if (!r->paired)
		return HF_E_INTERNAL;
	TRY(crypto_kem_wrap(SLICE_OF(r->pair.public_key), place(serial, r, where), key, &b));
	if (b.n != sizeof(r->pair.wrapped))
		return HF_E_INTERNAL;
	memcpy(r->pair.wrapped, b.p, b.n);
	return HF_OK;
}

/* new_pair gives r a pair, its private half under this key. */
static enum hf_err new_pair(const char *serial, struct role_record *r, struct slice under)
{
	CLEANUP(secret_done) struct secret private_ = { 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(sizeof(r->wrapped));
	char where[ROLE_NAME_LEN];

	TRY(crypto_kem_new(r->pair.public_key, &private_));
	TRY(crypto_seal(under, place(serial, r, where), secret_slice(&private_), &b));
	if (b.n != sizeof(r->wrapped))
		return HF_E_INTERNAL;
	memcpy(r->wrapped, b.p, b.n);
	r->paired = true;
	return HF_OK;
}

enum hf_err role_wrap(struct hsm *h, const struct partition *p, struct slice pin, struct slice key,
	const struct role_record *now, struct role_record *ret)
{
	CLEANUP(secret_done) struct secret keys = { 0 }, under = { 0 };
	struct role_record t = *now;
	struct slice key_now;

	remember(now, &t);
	t.set = true;
	t.form = pin_name_len(pin) != 0 ? PIN_FORM_NAMED : PIN_FORM_PLAIN;
	t.quorum = (struct quorum){ .m = 0 };
	t.change = false;
	t.changed = clock_wall_us();
	t.epoch++;
	t.pin = (struct pin_memory){ .kib = 0 };
	pin_kdf(h, p, &t.pin.kib, &t.pin.passes);
	TRY(crypto_random(t.pin.salt, sizeof(t.pin.salt)));
	TRY(rotate_role_keys(h, &keys));
	key_now = (struct slice){ keys.p, CRYPTO_KEY };
	TRY(role_key_id(key_now, t.under));
	TRY(pin_key(key_now, &t, pin, &under, t.pin.tag));
	TRY(new_pair(p->serial, &t, secret_slice(&under)));
	TRY(role_rekey(p->serial, &t, key));
	*ret = t;
	return HF_OK;
}

#define FROM_FORMAT 1
#define FROM_MOST 32u

enum hf_err roles_from_enc(struct hsm *h, const struct roles *r, struct buf *out)
{
	CLEANUP(secret_done) struct secret own = { 0 };
	struct slice more = r == NULL ? SLICE_NONE : secret_slice(&r->from);

	TRY(rotate_role_keys(h, &own));
	if (more.n > FROM_MOST * CRYPTO_KEY - own.n)
		more.n = FROM_MOST * CRYPTO_KEY - own.n;
	buf_u8(out, FROM_FORMAT);
	buf_u32(out, (uint32_t)((own.n + more.n) / CRYPTO_KEY));
	buf_raw(out, secret_slice(&own));
	buf_raw(out, more);
	return buf_err(out);
}

enum hf_err roles_from_dec(struct roles *r, struct slice in)
{
	struct rd rd = rd_of(in);
	const uint8_t *keys;
	uint8_t format;
	uint32_t n;

	if (!rd_u8(&rd, &format) || format != FROM_FORMAT || !rd_u32(&rd, &n) || n > FROM_MOST ||
	    !rd_take(&rd, n * (size_t)CRYPTO_KEY, &keys) || !rd_done(&rd))
		return HF_E_DAMAGED;
	secret_done(&r->from);
	return secret_dup((struct slice){ keys, n * (size_t)CRYPTO_KEY }, &r->from);
}

static enum hf_err unwrap_under(struct slice role_key, const struct partition *p,
	const struct role_record *r, struct slice stretched, struct secret *ret)
{
	CLEANUP(secret_done) struct secret under = { 0 }, inner = { 0 };
	char where[ROLE_NAME_LEN];
	struct slice at = place(p->serial, r, where);
	enum hf_err e;

	TRY(crypto_derive(role_key, "partition key", stretched, &under));
	e = crypto_open(secret_slice(&under), at, SLICE_OF(r->wrapped), &inner);
	if (e != HF_OK)
		return e == HF_E_DAMAGED ? HF_E_PIN_INCORRECT : e;
	if (r->paired)
		return crypto_kem_unwrap(secret_slice(&inner), at, SLICE_OF(r->pair.wrapped), ret);
	*ret = secret_take(&inner);
	return HF_OK;
}

/* unwrap_any tries keys of 32 bytes, one behind the other; *ret_at: which it was. */
static enum hf_err unwrap_any(struct slice keys, const struct partition *p, const struct role_record *r,
	struct slice stretched, struct secret *ret, size_t *ret_at)
{
	enum hf_err e = HF_E_PIN_INCORRECT;

	for (size_t at = 0; e == HF_E_PIN_INCORRECT && at < keys.n; at += CRYPTO_KEY) {
		const struct slice key = { keys.p + at, CRYPTO_KEY };

		e = unwrap_under(key, p, r, stretched, ret);
		*ret_at = at;
	}
	return e;
}

enum hf_err role_unwrap(struct hsm *h, const struct partition *p, const struct role_record *r,
	struct slice pin, struct secret *ret, bool *ret_foreign)
{
	CLEANUP(secret_done) struct secret stretched = { 0 }, keys = { 0 };
	enum hf_err e;
	size_t at = 0;

	TRY(rotate_role_keys(h, &keys));
	TRY(pin_stretch(&r->pin, pin, &stretched));
	e = unwrap_any(secret_slice(&keys), p, r, secret_slice(&stretched), ret, &at);
	*ret_foreign = at > 0;
	if (e != HF_E_PIN_INCORRECT)
		return e;
	*ret_foreign = true;
	return unwrap_any(secret_slice(&p->roles->from), p, r, secret_slice(&stretched), ret, &at);
}

/* The function that is wanted now, stronger parameters than the record's, a key pair, and this HSM's
 * role key come with the next right PIN; the epoch stays, since the PIN does. */
static bool kdf_stays(const struct hsm *h, const struct partition *p, const struct pin_memory *now)
{
	uint32_t kib, passes;

	pin_kdf(h, p, &kib, &passes);
	if ((kib == 0) != (now->kib == 0))
		return false;
	return kib < now->kib || passes < now->passes || (kib == now->kib && passes == now->passes);
}

static void rewrap(struct hsm *h, struct partition *p, struct role_record *now,
	struct slice pin, struct slice key)
{
	struct role_record next;
	enum hf_err e;

	e = role_wrap(h, p, pin, key, now, &next);
	if (e == HF_OK) {
		next.epoch = now->epoch;
		next.quorum = now->quorum;
		next.change = now->change;
		next.changed = now->changed;
		next.old_n = now->old_n;
		memcpy(next.old, now->old, sizeof(next.old));
		e = role_store(h, p, now, &next);
	}
	if (e != HF_OK)
		log_warn("partition %s: the PIN of %s keeps its weaker protection: %s", p->serial,
			now->name, err_text(e));
}

static bool names_its_key(const struct role_record *r)
{
	static const uint8_t unknown[ROLE_KEY_ID];

	return !slice_eq(SLICE_OF(r->under), SLICE_OF(unknown));
}

void role_renew(struct hsm *h, struct partition *p, struct role_record *r, struct slice pin,
	struct slice key, bool foreign)
{
	if (!h->cfg.read_only && (foreign || !r->paired || !names_its_key(r) || !kdf_stays(h, p, &r->pin)))
		rewrap(h, p, r, pin, key);
}
