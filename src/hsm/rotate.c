#include "rotate.h"

#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "clock.h"
#include "gate.h"
#include "log.h"
#include "partition.h"
#include "records.h"
#include "unlock.h"
#include "unlock_wrap.h"

#define KEYS_NAME "hsm/keys"
#define KEYS_FORMAT 2
#define KEYS_FORMAT_1 1 /* had one role key for ever */
#define KEYS_MAX 1024u
#define FORMER_MOST 8u
#define US_PER_S 1000000u

/* --- the record "hsm/keys": format u8 | role key 32 | ticket key 32 | the one before 32 |
 * until when that counts u64 (UTC, microseconds) | backups' own key 32 | n u32 | n * role key
 * before 32 ------------------------------------------------------------------------------- */

static enum hf_err take_key(struct rd *r, struct secret *ret)
{
	const uint8_t *p;

	if (!rd_take(r, CRYPTO_KEY, &p))
		return HF_E_DAMAGED;
	secret_done(ret);
	return secret_dup((struct slice){ p, CRYPTO_KEY }, ret);
}

static enum hf_err own_of(struct slice role_key, struct secret *ret)
{
	secret_done(ret);
	return crypto_derive(role_key, "holdfast backup own", SLICE_NONE, ret);
}

static enum hf_err take_more(struct hsm *h, struct rd *r)
{
	const uint8_t *keys;
	uint32_t n;

	TRY(take_key(r, &h->backup_own));
	if (!rd_u32(r, &n) || n > FORMER_MOST || !rd_take(r, n * (size_t)CRYPTO_KEY, &keys))
		return HF_E_DAMAGED;
	secret_done(&h->role_former);
	return n == 0 ? HF_OK :
		secret_dup((struct slice){ keys, n * (size_t)CRYPTO_KEY }, &h->role_former);
}

static enum hf_err visit_keys(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct hsm *h = ctx;
	struct rd r = rd_of(plain);
	uint8_t format;

	(void)name;
	if (!rd_u8(&r, &format) || format < KEYS_FORMAT_1 || format > KEYS_FORMAT)
		return HF_E_DAMAGED;
	TRY(take_key(&r, &h->role_key));
	TRY(take_key(&r, &h->ticket_key));
	TRY(take_key(&r, &h->ticket_before));
	if (!rd_u64(&r, &h->ticket_until))
		return HF_E_DAMAGED;
	TRY(format == KEYS_FORMAT_1 ? own_of(secret_slice(&h->role_key), &h->backup_own) : take_more(h, &r));
	if (!rd_done(&r))
		return HF_E_DAMAGED;
	h->keys_version = version;
	return HF_OK;
}

static void damaged_keys(void *ctx, const char *name)
{
	struct hsm *h = ctx;

	log_error("the record %s is damaged: restore it from a backup", name);
	secret_done(&h->role_key);
}

enum hf_err rotate_keys_load(struct hsm *h)
{
	const struct record_visit v = { h, visit_keys, damaged_keys };
	struct slice root = secret_slice(&h->root);

	h->keys_version = 0;
	TRY(crypto_derive(root, "holdfast role", SLICE_NONE, &h->role_key));
	TRY(own_of(secret_slice(&h->role_key), &h->backup_own));
	TRY(crypto_derive(root, "holdfast ticket", SLICE_NONE, &h->ticket_key));
	TRY(records_get(h->records, KEYS_NAME, SEAL_STORE, SLICE_NONE, &v));
	return h->role_key.n > 0 ? HF_OK : HF_E_DAMAGED;
}

/* struct tickets are the keys as they are to be. */
struct tickets {
	struct secret now, before;
	uint64_t until;
	struct secret role, former;
};

static void tickets_done(struct tickets *t)
{
	secret_done(&t->now);
	secret_done(&t->before);
	secret_done(&t->role);
	secret_done(&t->former);
}

static enum hf_err new_key(struct secret *ret)
{
	TRY(secret_alloc(ret, CRYPTO_KEY));
	return crypto_random(ret->p, ret->n);
}

/* While tickets under the key before still count, the key stays: two are remembered. */
static enum hf_err tickets_next(struct hsm *h, struct tickets *ret)
{
	TRY(rotate_ticket_keys(h, &ret->now, &ret->before));
	ret->until = h->ticket_until;
	if (ret->before.n > 0)
		return HF_OK;
	ret->before = secret_take(&ret->now);
	ret->until = clock_wall_us() + (uint64_t)h->cfg.ticket_seconds * US_PER_S;
	return new_key(&ret->now);
}

/* --- role keys ------------------------------------------------------------------------------ */

enum hf_err rotate_role_keys(struct hsm *h, struct secret *ret)
{
	MUTEX_HOLD(&h->lock);

	TRY(secret_alloc(ret, h->role_key.n + h->role_former.n));
	memcpy(ret->p, h->role_key.p, h->role_key.n);
	if (h->role_former.n > 0)
		memcpy(ret->p + h->role_key.n, h->role_former.p, h->role_former.n);
	return HF_OK;
}

/* is_under: by its name, or perhaps, since it has none. */
static bool is_under(const struct role_record *r, const uint8_t id[ROLE_KEY_ID])
{
	static const uint8_t unknown[ROLE_KEY_ID];

	struct slice under = SLICE_OF(r->under);

	return r->set && (slice_eq(under, (struct slice){ id, ROLE_KEY_ID }) ||
		slice_eq(under, SLICE_OF(unknown)));
}

static bool one_is_under(const struct roles *r, const uint8_t id[ROLE_KEY_ID])
{
	bool is = is_under(&r->so, id) || is_under(&r->user, id);

	for (const struct user *u = r->named; u != NULL; u = u->next)
		is |= is_under(&u->rec, id);
	return is;
}

/* is_needed: a partition that cannot be read may need any. */
static enum hf_err is_needed(struct hsm *h, struct slice key, bool *ret)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	uint8_t id[ROLE_KEY_ID];
	struct partition **all;
	size_t n;

	TRY(role_key_id(key, id));
	TRY(partitions_all(h, &a, &all, &n));
	*ret = damaged_count(h->damaged) > 0 || one_is_under(h->self->roles, id);
	for (size_t i = 0; i < n; i++) {
		MUTEX_HOLD(&all[i]->roles->lock);
		*ret |= damaged_count(all[i]->roles->damaged) > 0 || one_is_under(all[i]->roles, id);
	}
	partitions_unref(all, n);
	return HF_OK;
}

/* needed_of copies those of the keys that are needed. */
static enum hf_err needed_of(struct hsm *h, struct slice keys, struct secret *ret)
{
	CLEANUP(secret_done) struct secret s = { 0 };
	size_t n = 0;

	TRY(secret_alloc(&s, keys.n + 1));
	for (size_t at = 0; at < keys.n; at += CRYPTO_KEY) {
		const struct slice key = { keys.p + at, CRYPTO_KEY };
		bool needed;

		TRY(is_needed(h, key, &needed));
		if (needed) {
			memcpy(s.p + n, key.p, key.n);
			n += key.n;
		}
	}
	return n > 0 ? secret_dup((struct slice){ s.p, n }, ret) : HF_OK;
}

/* With too many of before the role key stays. */
static enum hf_err roles_next(struct hsm *h, struct tickets *ret)
{
	CLEANUP(secret_done) struct secret needed = { 0 };

	TRY(needed_of(h, secret_slice(&h->role_former), &needed));
	if (needed.n == FORMER_MOST * CRYPTO_KEY) {
		log_warn("the key beside PINs stays: each of the %u before has a role that has not logged "
			"in since", FORMER_MOST);
		ret->former = secret_take(&needed);
		return secret_dup(secret_slice(&h->role_key), &ret->role);
	}
	TRY(secret_alloc(&ret->former, CRYPTO_KEY + needed.n));
	memcpy(ret->former.p, h->role_key.p, CRYPTO_KEY);
	if (needed.n > 0)
		memcpy(ret->former.p + CRYPTO_KEY, needed.p, needed.n);
	return new_key(&ret->role);
}

static enum hf_err keys_enc(const struct hsm *h, const struct tickets *t, struct buf *b)
{
	buf_u8(b, KEYS_FORMAT);
	buf_raw(b, secret_slice(&t->role));
	buf_raw(b, secret_slice(&t->now));
	buf_raw(b, secret_slice(&t->before));
	buf_u64(b, t->until);
	buf_raw(b, secret_slice(&h->backup_own));
	buf_u32(b, (uint32_t)(t->former.n / CRYPTO_KEY));
	buf_raw(b, secret_slice(&t->former));
	return buf_err(b);
}

enum hf_err rotate_ticket_keys(struct hsm *h, struct secret *ret, struct secret *ret_old)
{
	MUTEX_HOLD(&h->lock);

	TRY(secret_dup(secret_slice(&h->ticket_key), ret));
	if (h->ticket_before.n > 0 && clock_wall_us() < h->ticket_until)
		TRY(secret_dup(secret_slice(&h->ticket_before), ret_old));
	return HF_OK;
}

/* --- the old root key --------------------------------------------------------------------- */

static enum hf_err old_key(struct slice root, struct secret *ret)
{
	return crypto_derive(root, "holdfast old root", SLICE_NONE, ret);
}

static enum hf_err seal_old(const struct hsm *h, struct slice root, struct root_record *r)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(sizeof(r->old));

	TRY(old_key(root, &key));
	TRY(crypto_seal(secret_slice(&key), SLICE_STR(ROOT_NAME), secret_slice(&h->root), &b));
	if (b.n != sizeof(r->old))
		return HF_E_INTERNAL;
	memcpy(r->old, b.p, b.n);
	return HF_OK;
}

enum hf_err rotate_old(struct hsm *h)
{
	CLEANUP(root_record_free) struct root_record *r = NULL;
	CLEANUP(secret_done) struct secret key = { 0 };

	TRY(unlock_read(h, &r));
	h->rotate_phase = r->phase;
	if (r->phase == ROTATE_NONE)
		return HF_OK;
	TRY(old_key(secret_slice(&h->root), &key));
	return crypto_open(secret_slice(&key), SLICE_STR(ROOT_NAME), SLICE_OF(r->old), &h->old_root);
}

/* --- step 1 --------------------------------------------------------------------------------- */

/* rewrap_all: r as it is to be, sealed by the new root key, in b. */
static enum hf_err rewrap_all(struct hsm *h, struct slice root, struct buf *b)
{
	CLEANUP(root_record_free) struct root_record *r = NULL;

	TRY(unlock_read(h, &r));
	if (r->phase != ROTATE_NONE)
		return HF_E_ROTATING;
	for (unsigned i = 0; i < r->n; i++)
		TRY(r->v[i].direct ? HF_E_STATE : unlock_rewrap(&r->v[i], root));
	r->phase = ROTATE_AUDIT;
	TRY(seal_old(h, root, r));
	return root_record_seal(r, root, b);
}

static void swap_tickets(struct hsm *h, struct tickets *t)
{
	MUTEX_HOLD(&h->lock);

	secret_done(&h->ticket_key);
	secret_done(&h->ticket_before);
	h->ticket_key = secret_take(&t->now);
	h->ticket_before = secret_take(&t->before);
	h->ticket_until = t->until;
	secret_done(&h->role_key);
	secret_done(&h->role_former);
	h->role_key = secret_take(&t->role);
	h->role_former = secret_take(&t->former);
}

static void swap_roots(struct hsm *h, struct secret *root)
{
	h->old_root = secret_take(&h->root);
	h->root = secret_take(root);
	h->root_version++;
	h->keys_version++;
	h->rotate_phase = ROTATE_AUDIT;
}

static enum hf_err commit(struct hsm *h, struct slice root, const struct tickets *tickets)
{
	CLEANUP(secret_done) struct secret store = { 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(ROOT_RECORD_MAX), keys = BUF_MAX(KEYS_MAX);
	struct record_change v[2] = {
		{ .name = ROOT_NAME, .expect = h->root_version, .version = h->root_version + 1,
			.seal = SEAL_NONE },
		{ .name = KEYS_NAME, .expect = h->keys_version, .version = h->keys_version + 1,
			.seal = SEAL_STORE },
	};

	TRY(rewrap_all(h, root, &b));
	TRY(keys_enc(h, tickets, &keys));
	TRY(crypto_derive(root, "holdfast store", SLICE_NONE, &store));
	v[0].plain = buf_slice(&b);
	v[1].plain = buf_slice(&keys);
	return records_rekey(h->records, secret_slice(&store), v, 2);
}

enum hf_err rotate_begin(struct hsm *h)
{
	CLEANUP(secret_done) struct secret root = { 0 };
	CLEANUP(tickets_done) struct tickets tickets = { .until = 0 };
	enum hf_err e;

	TRY(new_key(&root));
	TRY(tickets_next(h, &tickets));
	TRY(roles_next(h, &tickets));
	e = commit(h, secret_slice(&root), &tickets);
	if (e == HF_E_CONNECTION)
		hsm_fail(h, "whether the store has the new root key is not known: start again");
	TRY(e);
	swap_tickets(h, &tickets);
	swap_roots(h, &root);
	return rotate_resume(h);
}

/* now_of: the keys as they are, with those role keys that are needed. */
static enum hf_err now_of(struct hsm *h, struct tickets *ret)
{
	TRY(secret_dup(secret_slice(&h->ticket_key), &ret->now));
	TRY(secret_dup(secret_slice(&h->ticket_before), &ret->before));
	ret->until = h->ticket_until;
	TRY(secret_dup(secret_slice(&h->role_key), &ret->role));
	return needed_of(h, secret_slice(&h->role_former), &ret->former);
}

enum hf_err rotate_forget_roles(struct hsm *h)
{
	CLEANUP(tickets_done) struct tickets t = { .until = 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(KEYS_MAX);
	struct record_change c = { .name = KEYS_NAME, .expect = h->keys_version,
		.version = h->keys_version + 1, .seal = SEAL_STORE };

	if (h->role_former.n == 0 || h->cfg.read_only)
		return HF_OK;
	TRY(now_of(h, &t));
	if (t.former.n == h->role_former.n)
		return HF_OK;
	TRY(keys_enc(h, &t, &b));
	c.plain = buf_slice(&b);
	TRY(records_write(h->records, &c, 1));
	h->keys_version = c.version;
	swap_tickets(h, &t);
	return HF_OK;
}

/* --- the rest ---------------------------------------------------------------------------- */

static enum hf_err put_phase(struct hsm *h, enum rotate_phase phase)
{
	CLEANUP(root_record_free) struct root_record *r = NULL;

	TRY(unlock_read(h, &r));
	r->phase = (uint8_t)phase;
	TRY(unlock_put(h, r));
	h->rotate_phase = (uint8_t)phase;
	return HF_OK;
}

static enum hf_err set_phase(struct hsm *h, enum rotate_phase phase)
{
	enum hf_err e;

	if (!mutex_lock_unless(&h->unlocking, &h->rotate_stop))
		return HF_E_FUNCTION_CANCELED;
	e = put_phase(h, phase);
	mutex_unlock(&h->unlocking);
	return e;
}

struct audit_seeds {
	struct secret seed, ml_seed;
	uint8_t public_key[32];
	uint8_t ml_public[CRYPTO_ML_DSA65_PUBLIC];
	struct slice ml;          /* ml_public, or empty */
};

static void seeds_done(struct audit_seeds *s)
{
	secret_done(&s->seed);
	secret_done(&s->ml_seed);
}

static enum hf_err seeds_of(const struct hsm *h, struct slice root, struct audit_seeds *ret)
{
	TRY(crypto_derive(root, "holdfast audit", SLICE_NONE, &ret->seed));
	if (h->cfg.audit_ml_dsa) {
		TRY(crypto_derive(root, "holdfast audit ML-DSA", SLICE_NONE, &ret->ml_seed));
		TRY(crypto_ml_dsa65_public(secret_slice(&ret->ml_seed), ret->ml_public));
		ret->ml = SLICE_OF(ret->ml_public);
	}
	return crypto_ed25519_public(secret_slice(&ret->seed), ret->public_key);
}

enum hf_err rotate_audit_pair(struct hsm *h, struct audit_pair *ret)
{
	CLEANUP(seeds_done) struct audit_seeds now = { { 0 } }, before = { { 0 } };

	TRY(seeds_of(h, secret_slice(&h->root), &now));
	TRY(seeds_of(h, secret_slice(&h->old_root), &before));
	memcpy(ret->old_key, before.public_key, sizeof(ret->old_key));
	memcpy(ret->new_key, now.public_key, sizeof(ret->new_key));
	return HF_OK;
}

static enum hf_err hand_over_audit(struct hsm *h)
{
	CLEANUP(seeds_done) struct audit_seeds now = { { 0 } }, before = { { 0 } };

	TRY(seeds_of(h, secret_slice(&h->root), &now));
	TRY(seeds_of(h, secret_slice(&h->old_root), &before));
	if (h->rotate_phase == ROTATE_AUDIT) {
		TRY(audit_announce(h->audit, now.public_key, now.ml));
		TRY(set_phase(h, ROTATE_RECORDS));
	}
	return audit_take_over(h->audit, secret_slice(&now.seed), secret_slice(&now.ml_seed),
		before.public_key);
}

static void say(struct hsm *h, const struct records_reseal *s)
{
	char text[96];

	(void)snprintf(text, sizeof(text), "the root key: %zu records looked at, %zu sealed anew",
		s->looked, s->sealed);
	hsm_fact(h, "rotation", text);
}

static enum hf_err reseal_all(struct hsm *h)
{
	struct records_reseal s = { .more = true };

	while (s.more) {
		if (atomic_load(&h->rotate_stop))
			return HF_E_FUNCTION_CANCELED;
		TRY(records_reseal(h->records, &s));
		say(h, &s);
	}
	return HF_OK;
}

static enum hf_err finish(struct hsm *h)
{
	TRY(audit_event(h->audit, "root-rotated", "every record is under the new root key", HF_OK));
	TRY(set_phase(h, ROTATE_NONE));
	records_forget_old(h->records);
	secret_done(&h->old_root);
	hsm_fact(h, "rotation", "the root key: done");
	log_notice("the root key was replaced: the old one opens nothing any more");
	return HF_OK;
}

static enum hf_err go_on(struct hsm *h)
{
	TRY(hand_over_audit(h));
	TRY(reseal_all(h));
	return finish(h);
}

static void *run(void *ctx)
{
	struct hsm *h = ctx;
	enum hf_err e = go_on(h);

	if (e != HF_OK && e != HF_E_FUNCTION_CANCELED) {
		atomic_store(&h->rotate_rests, true);
		log_error("the rotation of the root key rests: %s; it goes on at the next start",
			err_text(e));
		hsm_fact(h, "rotation", "the root key: rests until the next start; see the log");
	}
	return NULL;
}

enum hf_err rotate_resume(struct hsm *h)
{
	if (h->rotate_phase == ROTATE_NONE)
		return HF_OK;
	hsm_fact(h, "rotation", "the root key: under way");
	atomic_store(&h->rotate_stop, false);
	atomic_store(&h->rotate_rests, false);
	if (pthread_create(&h->rotator, NULL, run, h) != 0) {
		log_error("the rotation of the root key rests: no thread; it goes on at the next start");
		return HF_OK;
	}
	h->rotating = true;
	return HF_OK;
}

void rotate_stop(struct hsm *h)
{
	atomic_store(&h->rotate_stop, true);
	if (h->rotating)
		(void)pthread_join(h->rotator, NULL);
	h->rotating = false;
}

enum hf_err on_rotate_root(struct calls_ctx *c, const struct rotate_root_req *q,
	struct rotate_root_res *r)
{
	MUTEX_HOLD(&c->hsm->unlocking);

	(void)q;
	(void)r;
	if (c->hsm->rotate_phase != ROTATE_NONE && !atomic_load(&c->hsm->rotate_rests))
		return HF_E_ROTATING;
	rotate_stop(c->hsm); /* one that is over, or rests */
	return c->hsm->rotate_phase != ROTATE_NONE ? rotate_resume(c->hsm) : rotate_begin(c->hsm);
}
