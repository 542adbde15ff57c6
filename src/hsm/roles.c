#include "roles.h"

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "login.h"
#include "policy.h"

#define FORMAT 1

enum hf_err roles_new(struct roles **ret)
{
	struct roles *r = hf_alloc(1, sizeof(*r));

	if (r == NULL)
		return HF_E_MEMORY;
	r->damaged = damaged_new();
	if (r->damaged == NULL) {
		hf_free(r);
		return HF_E_MEMORY;
	}
	mutex_init(&r->pin);
	mutex_init(&r->lock);
	*ret = r;
	return HF_OK;
}

void roles_free(struct roles *r)
{
	if (r == NULL)
		return;
	gone_free(r);
	damaged_free(r->damaged);
	mutex_done(&r->pin);
	mutex_done(&r->lock);
	hf_free(r);
}

const char *role_name(enum role role)
{
	switch (role) {
	case ROLE_SO:
		return "so";
	case ROLE_USER:
		return "user";
	case ROLE_PUBLIC:
		break;
	}
	return "public";
}

struct role_record *role_of(struct roles *r, enum role role)
{
	return role == ROLE_SO ? &r->so : &r->user;
}

/* --- records ---------------------------------------------------------------- */

void role_record_enc(const struct role_record *r, struct buf *out)
{
	buf_u8(out, FORMAT);
	buf_bool(out, r->set);
	buf_u64(out, r->epoch);
	buf_raw(out, SLICE_OF(r->salt));
	buf_u32(out, r->kib);
	buf_u32(out, r->passes);
	buf_raw(out, SLICE_OF(r->wrapped));
}

enum hf_err role_record_dec(struct slice in, struct role_record *ret)
{
	struct role_record t = { 0 };
	struct rd r = rd_of(in);
	const uint8_t *salt, *wrapped;
	uint8_t format;

	if (!rd_u8(&r, &format) || format != FORMAT || !rd_bool(&r, &t.set) ||
	    !rd_u64(&r, &t.epoch) || !rd_take(&r, ROLE_SALT, &salt) || !rd_u32(&r, &t.kib) ||
	    !rd_u32(&r, &t.passes) || !rd_take(&r, ROLE_WRAPPED, &wrapped) || !rd_done(&r))
		return HF_E_DAMAGED;
	memcpy(t.salt, salt, sizeof(t.salt));
	memcpy(t.wrapped, wrapped, sizeof(t.wrapped));
	*ret = t;
	return HF_OK;
}

enum hf_err role_change(const char *serial, enum role role, const struct role_record *now,
	const struct role_record *next, char name[ROLE_NAME_LEN], struct buf *b,
	struct record_change *ret)
{
	(void)snprintf(name, ROLE_NAME_LEN, "p/%s/role/%s", serial, role_name(role));
	role_record_enc(next, b);
	TRY(buf_err(b));
	*ret = (struct record_change){
		.name = name,
		.expect = now->version,
		.version = now->version + 1,
		.seal = SEAL_STORE,
		.plain = buf_slice(b),
	};
	return HF_OK;
}

enum hf_err role_store(struct hsm *h, struct partition *p, enum role role,
	const struct role_record *next)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(1024);
	char name[ROLE_NAME_LEN];
	struct record_change c;
	struct role_record *now = role_of(p->roles, role);

	TRY(role_change(p->serial, role, now, next, name, &b, &c));
	TRY(records_write(h->records, &c, 1));
	MUTEX_HOLD(&p->roles->lock);
	*now = *next;
	now->version = c.version;
	return HF_OK;
}

/* --- PINs -------------------------------------------------------------------- */

unsigned pin_min(const struct hsm *h, const struct partition *p)
{
	unsigned least = (unsigned)policy_value(p, POLICY_PIN_MIN);

	return least > h->cfg.pin_min ? least : h->cfg.pin_min;
}

unsigned pin_max(const struct hsm *h, const struct partition *p)
{
	unsigned most = (unsigned)policy_value(p, POLICY_PIN_MAX);

	return most < h->cfg.pin_max ? most : h->cfg.pin_max;
}

unsigned pin_failures(const struct hsm *h, const struct partition *p)
{
	unsigned most = (unsigned)policy_value(p, POLICY_PIN_FAILURES);

	return most < h->cfg.pin_failures ? most : h->cfg.pin_failures;
}

enum hf_err pin_length(const struct hsm *h, const struct partition *p, struct slice pin)
{
	return pin.n >= pin_min(h, p) && pin.n <= pin_max(h, p) ? HF_OK : HF_E_PIN_LENGTH;
}

static enum hf_err pin_key(const struct hsm *h, const struct role_record *r, struct slice pin,
	struct secret *ret)
{
	CLEANUP(secret_done) struct secret stretched = { 0 };

	TRY(crypto_argon2id(pin, SLICE_OF(r->salt), r->kib, r->passes, &stretched));
	return crypto_derive(secret_slice(&h->role_key), "partition key", secret_slice(&stretched), ret);
}

/* The place that a wrapped key belongs to: "SERIAL/role". */
static struct slice place(const char *serial, enum role role, char out[ROLE_NAME_LEN])
{
	(void)snprintf(out, ROLE_NAME_LEN, "%s/%s", serial, role_name(role));
	return slice_str(out);
}

enum hf_err role_wrap(struct hsm *h, const char *serial, enum role role, struct slice pin,
	struct slice key, const struct role_record *now, struct role_record *ret)
{
	CLEANUP(secret_done) struct secret under = { 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(ROLE_WRAPPED);
	char where[ROLE_NAME_LEN];
	struct role_record t = {
		.version = now->version,
		.set = true,
		.epoch = now->epoch + 1,
		.kib = h->cfg.argon2_kib,
		.passes = h->cfg.argon2_passes,
	};

	TRY(crypto_random(t.salt, sizeof(t.salt)));
	TRY(pin_key(h, &t, pin, &under));
	TRY(crypto_seal(secret_slice(&under), place(serial, role, where), key, &b));
	if (b.n != sizeof(t.wrapped))
		return HF_E_INTERNAL;
	memcpy(t.wrapped, b.p, b.n);
	*ret = t;
	return HF_OK;
}

void role_unset(const struct role_record *now, struct role_record *ret)
{
	*ret = (struct role_record){ .version = now->version, .epoch = now->epoch + 1 };
}

static enum hf_err unwrap(const struct hsm *h, const struct partition *p, enum role role,
	struct slice pin, struct secret *ret)
{
	CLEANUP(secret_done) struct secret under = { 0 };
	const struct role_record *r = role_of(p->roles, role);
	char where[ROLE_NAME_LEN];
	enum hf_err e;

	TRY(pin_key(h, r, pin, &under));
	e = crypto_open(secret_slice(&under), place(p->serial, role, where), SLICE_OF(r->wrapped), ret);
	return e == HF_E_DAMAGED ? HF_E_PIN_INCORRECT : e;
}

/* Stronger parameters than the record's come with the next right PIN; the epoch
 * stays, since the PIN does. */
static void rewrap(struct hsm *h, struct partition *p, enum role role, struct slice pin,
	struct slice key)
{
	const struct role_record *now = role_of(p->roles, role);
	struct role_record next;
	enum hf_err e;

	if (h->cfg.argon2_kib < now->kib || h->cfg.argon2_passes < now->passes ||
	    (h->cfg.argon2_kib == now->kib && h->cfg.argon2_passes == now->passes))
		return;
	e = role_wrap(h, p->serial, role, pin, key, now, &next);
	if (e == HF_OK) {
		next.epoch = now->epoch;
		e = role_store(h, p, role, &next);
	}
	if (e != HF_OK)
		log_warn("partition %s: the PIN of %s keeps its weaker protection: %s", p->serial,
			role_name(role), err_text(e));
}

/* --- lock-out ----------------------------------------------------------------- */

bool role_locked(struct hsm *h, const struct partition *p, enum role role)
{
	return records_fail_get(h->records, p->serial, role) >= pin_failures(h, p);
}

static enum hf_err role_usable(struct hsm *h, const struct partition *p, enum role role)
{
	const struct role_record *r = role_of(p->roles, role);

	if (r->version == 0)
		return HF_E_DAMAGED;
	if (!r->set)
		return HF_E_PIN_NOT_SET;
	return role_locked(h, p, role) ? HF_E_PIN_LOCKED : HF_OK;
}

/* take_back tries twice: what fails for want of memory should lock nobody out. */
static enum hf_err take_back(struct hsm *h, const struct partition *p, enum role role,
	unsigned failures)
{
	if (records_fail_set(h->records, p->serial, role, failures) == HF_OK)
		return HF_OK;
	return records_fail_set(h->records, p->serial, role, failures);
}

enum hf_err role_open(struct hsm *h, struct partition *p, enum role role, struct slice pin,
	struct secret *ret)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	unsigned failures;
	enum hf_err e;

	TRY(role_usable(h, p, role));
	failures = records_fail_get(h->records, p->serial, role);
	TRY(records_fail_set(h->records, p->serial, role, failures + 1));
	e = unwrap(h, p, role, pin, &key);
	if (e == HF_E_PIN_INCORRECT && role_locked(h, p, role))
		log_warn("partition %s: the PIN of %s is locked now", p->serial, role_name(role));
	if (e == HF_E_PIN_INCORRECT)
		return e;
	/* A failure of ours (no memory) was no guess: the count is as it was. */
	TRY(take_back(h, p, role, e == HF_OK ? 0 : failures));
	TRY(e);
	rewrap(h, p, role, pin, secret_slice(&key));
	*ret = secret_take(&key);
	return HF_OK;
}
