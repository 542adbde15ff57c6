#include "generation.h"

#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "clock.h"
#include "log.h"
#include "records.h"
#include "unlock.h"

#define NAME "hsm/generation"
#define FORMAT 1
#define FACT "TPM counter"
#define INDEX_FIRST 0x01800000u /* those of the owner (TCG Registry of Reserved TPM 2.0 Handles) */
#define INDEX_BITS 0x003fffffu
#define BURST 16u
#define REFILL_NS (60ull * 1000000000u)
#define OTHERS_NS (3600ull * 1000000000u)

void generation_init(struct store_generation *g)
{
	mutex_init(&g->lock);
	g->left = BURST;
}

void generation_done(struct store_generation *g)
{
	secret_wipe(&g->at, sizeof(g->at));
	mutex_done(&g->lock);
}

/* --- the record "hsm/generation": format u8 | index u32 | name of the TPM's key 34
 *     | authorization 32 | value u64; the value is 0 while the counter is being made ------------------ */

static enum hf_err visit(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct store_generation *g = ctx;
	struct rd r = rd_of(plain);
	const uint8_t *key, *auth;
	uint8_t format;

	(void)name;
	if (!rd_u8(&r, &format) || format != FORMAT || !rd_u32(&r, &g->at.index) ||
	    !rd_take(&r, sizeof(g->at.key), &key) || !rd_take(&r, sizeof(g->at.auth), &auth) ||
	    !rd_u64(&r, &g->known) || !rd_done(&r))
		return HF_E_DAMAGED;
	memcpy(g->at.key, key, sizeof(g->at.key));
	memcpy(g->at.auth, auth, sizeof(g->at.auth));
	g->version = version;
	return HF_OK;
}

static void damaged(void *ctx, const char *name)
{
	(void)ctx;
	log_error("record %s is damaged: it is made anew", name);
}

static enum hf_err find_version(void *ctx, const char *name, uint64_t version)
{
	struct store_generation *g = ctx;

	if (strcmp(name, NAME) == 0)
		g->version = version;
	return HF_OK;
}

static enum hf_err load(struct hsm *h)
{
	struct store_generation *g = &h->generation;
	const struct record_visit v = { g, visit, damaged };

	g->version = g->known = 0;
	TRY(records_get(h->records, NAME, SEAL_STORE, SLICE_NONE, &v));
	return g->version != 0 ? HF_OK : records_names(h->records, NAME, g, find_version);
}

static enum hf_err keep(struct hsm *h, uint64_t value)
{
	struct store_generation *g = &h->generation;
	CLEANUP(buf_done) struct buf b = BUF_MAX(128);
	struct record_change c = { .name = NAME, .expect = g->version, .version = g->version + 1,
		.seal = SEAL_STORE };

	buf_u8(&b, FORMAT);
	buf_u32(&b, g->at.index);
	buf_raw(&b, SLICE_OF(g->at.key));
	buf_raw(&b, SLICE_OF(g->at.auth));
	buf_u64(&b, value);
	TRY(buf_err(&b));
	c.plain = buf_slice(&b);
	TRY(records_write(h->records, &c, 1));
	g->version = c.version;
	g->known = value;
	return HF_OK;
}

/* index_of: each HSM has its own, so that a store of before there was a counter is told, too. */
static enum hf_err index_of(const struct hsm *h, uint32_t *ret)
{
	uint8_t hash[CRYPTO_HASH];

	TRY(crypto_sha256(slice_str(h->serial), hash));
	*ret = INDEX_FIRST | (get_u32(hash) & INDEX_BITS);
	return HF_OK;
}

/* --- counting; the lock is held -------------------------------------------------------------------- */

static void tell(struct hsm *h)
{
	char text[80];

	(void)snprintf(text, sizeof(text), "at %llu (index 0x%08x)", (unsigned long long)h->generation.known,
		h->generation.at.index);
	hsm_fact(h, FACT, text);
}

static void tell_failed(struct hsm *h, enum hf_err e)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "not in force, an older data directory put back would not be "
		"noticed: %s", err_text(e));
	log_error("the TPM's counter is %s", text);
	hsm_fact(h, FACT, text);
}

/* go_on: the record first; the TPM is behind until it has counted as well. */
static enum hf_err go_on(struct hsm *h)
{
	struct store_generation *g = &h->generation;
	uint64_t now = 0;

	if (!g->behind)
		TRY(keep(h, g->known + 1));
	g->behind = true;
	TRY(tpm_counter_up(h->unlock.tpm, &g->at, &now));
	if (now > g->known) { /* counted by nobody of ours */
		log_error("the TPM's counter is at %llu, not %llu", (unsigned long long)now,
			(unsigned long long)g->known);
		TRY(keep(h, now));
	}
	g->behind = now < g->known;
	return g->behind ? HF_E_TPM : HF_OK;
}

static enum hf_err make(struct hsm *h)
{
	struct store_generation *g = &h->generation;
	uint64_t value;

	TRY(index_of(h, &g->at.index));
	TRY(keep(h, 0)); /* until the counter's authorization is kept, it is not asked */
	TRY(tpm_counter_make(h->unlock.tpm, &g->at, &value));
	TRY(keep(h, value));
	g->behind = false;
	log_notice("a counter in the TPM (index 0x%08x) tells from now on when an older data directory "
		"is put back", g->at.index);
	return HF_OK;
}

static void count(struct hsm *h)
{
	struct store_generation *g = &h->generation;
	enum hf_err e = HF_OK;

	if (g->behind) /* what was begun; then this */
		e = go_on(h);
	if (e == HF_OK)
		e = go_on(h);
	atomic_store(&g->pending, e != HF_OK);
	if (e != HF_OK) {
		g->left = 0;
		tell_failed(h, e);
		return;
	}
	g->bound = records_sequence(h->records);
	g->bound_ns = clock_mono_ns();
	tell(h);
}

static bool may_count(struct store_generation *g)
{
	uint64_t now = clock_mono_ns(), more = (now - g->refill_ns) / REFILL_NS;

	if (more > 0) {
		g->left = more > BURST - g->left ? BURST : g->left + (unsigned)more;
		g->refill_ns = now;
	}
	if (g->left == 0)
		return false;
	g->left--;
	return true;
}

/* --- at a start ----------------------------------------------------------------------------------- */

/* judge: what the TPM says against what the store knows. */
static enum hf_err judge(struct hsm *h, char why[GENERATION_WHY])
{
	struct store_generation *g = &h->generation;
	uint64_t now = 0;
	enum hf_err e = tpm_counter_read(h->unlock.tpm, &g->at, &now);

	if (e == HF_E_TPM_COUNTER) {
		(void)snprintf(why, GENERATION_WHY, "the counter in the TPM that says how new the store is "
			"was removed");
		g->again = true;
		return HF_OK;
	}
	TRY(e);
	if (now > g->known)
		(void)snprintf(why, GENERATION_WHY, "the TPM's counter is at %llu, the store knows of %llu: "
			"the whole data directory of an earlier time was put back",
			(unsigned long long)now, (unsigned long long)g->known);
	else if (now + 1 < g->known)
		(void)snprintf(why, GENERATION_WHY, "the TPM's counter is at %llu, the store at %llu: "
			"it is another counter", (unsigned long long)now, (unsigned long long)g->known);
	g->again = now + 1 < g->known;
	g->behind = now + 1 == g->known;
	if (now > g->known)
		g->known = now;
	return HF_OK;
}

/* A store that knows of no counter, while the TPM has one of this HSM's, is of before. */
static enum hf_err judge_without(struct hsm *h, char why[GENERATION_WHY])
{
	struct tpm_counter *at = &h->generation.at;
	bool there;

	TRY(index_of(h, &at->index));
	TRY(tpm_counter_there(h->unlock.tpm, at->index, &there));
	if (there)
		(void)snprintf(why, GENERATION_WHY, "the TPM has a counter of this HSM (index "
			"0x%08x) that the store does not know of: an older data directory was put back",
			at->index);
	h->generation.stray = there;
	return HF_OK;
}

enum hf_err generation_open(struct hsm *h, char why[GENERATION_WHY])
{
	struct store_generation *g = &h->generation;
	MUTEX_HOLD(&g->lock);

	*why = '\0';
	g->again = g->stray = g->behind = false;
	g->unknown = HF_OK;
	TRY(load(h));
	if (h->unlock.tpm == NULL)
		g->unknown = g->version != 0 ? HF_E_NO_TPM : HF_OK;
	else if (g->version == 0)
		g->unknown = judge_without(h, why);
	else if (g->known == 0)
		g->again = true;
	else
		g->unknown = judge(h, why);
	return HF_OK;
}

static void begin(struct hsm *h)
{
	struct store_generation *g = &h->generation;
	bool wanted = (atomic_load(&h->unlock_by) & 1u << BY_TPM) != 0;
	enum hf_err e = HF_OK;

	if (g->version == 0 && g->stray && !wanted) {
		if (tpm_counter_drop(h->unlock.tpm, g->at.index) != HF_OK)
			log_warn("the TPM's counter 0x%08x is not needed, and stays", g->at.index);
		return;
	}
	if (g->version == 0 && !wanted)
		return;
	if (g->version == 0 || g->again)
		e = make(h);
	if (e != HF_OK)
		tell_failed(h, e);
	else
		count(h);
}

void generation_begin(struct hsm *h)
{
	struct store_generation *g = &h->generation;
	MUTEX_HOLD(&g->lock);
	const enum hf_err e = g->unknown;

	g->refill_ns = g->bound_ns = clock_mono_ns();
	if (e != HF_OK) {
		tell_failed(h, e);
		if (audit_event(h->audit, "tpm-counter", err_text(e), e) != HF_OK)
			log_error("audit: that the TPM's counter was not looked at is not recorded");
	} else if (h->unlock.tpm != NULL) {
		begin(h);
	}
}

/* --- meanwhile, and at the end --------------------------------------------------------------------- */

static bool in_force(const struct hsm *h)
{
	const struct store_generation *g = &h->generation;

	return h->records != NULL && h->unlock.tpm != NULL && g->version != 0 && g->known != 0 &&
		g->unknown == HF_OK && atomic_load(&h->state) != HSM_ZEROIZED;
}

/* lasting: calls that change who may do what, but for those of class "admin", which all do. */
static bool lasting(const struct call_row *row, unsigned opcode)
{
	static const unsigned all[] = { CALLS_ROLE_QUORUM_COMMIT, CALLS_HSM_ROLE_QUORUM_COMMIT,
		CALLS_HSM_ROLE_SET, CALLS_HSM_PIN_SET, CALLS_PIN_INIT, CALLS_PIN_SET, CALLS_PIN_CHANGE,
		CALLS_USER_SET, CALLS_USER_DELETE, CALLS_USER_BLOCK, CALLS_CHALLENGE_SET,
		CALLS_GUARD_SET, CALLS_GUARD_PIN, CALLS_GUARD_APPROVE };
	bool found = row->audit == CALL_AUDIT_ADMIN && opcode != CALLS_STOP;

	if (row->audit == CALL_AUDIT_USE)
		return false;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		found = found || all[i] == opcode;
	return found;
}

static void settle(struct hsm *h)
{
	MUTEX_HOLD(&h->generation.lock);

	if (in_force(h) && atomic_load(&h->generation.pending) && may_count(&h->generation))
		count(h);
}

void generation_event(struct hsm *h, const struct call_row *row, unsigned opcode, enum hf_err e)
{
	if (e != HF_E_PIN_INCORRECT && (e != HF_OK || !lasting(row, opcode)))
		return;
	generation_soon(h);
	settle(h);
}

void generation_soon(struct hsm *h)
{
	atomic_store_explicit(&h->generation.pending, true, memory_order_relaxed);
}

void generation_tick(struct hsm *h)
{
	struct store_generation *g = &h->generation;
	uint64_t now = clock_mono_ns();
	bool others = false;

	if (!atomic_load(&g->pending)) {
		MUTEX_HOLD(&g->lock);
		others = in_force(h) && now - g->bound_ns >= OTHERS_NS &&
			records_sequence(h->records) != g->bound;
	}
	if (others)
		generation_soon(h);
	settle(h);
}

void generation_end(struct hsm *h)
{
	MUTEX_HOLD(&h->generation.lock);

	if (in_force(h) && h->generation.bound != 0 && records_sequence(h->records) != h->generation.bound)
		count(h);
}

void generation_bind(struct hsm *h)
{
	struct store_generation *g = &h->generation;
	MUTEX_HOLD(&g->lock);
	uint64_t now;
	enum hf_err e = HF_E_TPM_COUNTER;

	if (h->unlock.tpm == NULL)
		return;
	if (g->version != 0 && g->known != 0)
		e = tpm_counter_read(h->unlock.tpm, &g->at, &now);
	if (e == HF_E_TPM_COUNTER || e == HF_E_TPM_FOREIGN)
		e = make(h);
	g->unknown = e;
	if (e != HF_OK)
		tell_failed(h, e);
	else
		count(h);
}

void generation_drop(struct hsm *h)
{
	struct store_generation *g = &h->generation;
	MUTEX_HOLD(&g->lock);
	struct record_change c = { .name = NAME, .expect = g->version };
	enum hf_err e = HF_OK;

	if (g->version == 0)
		return;
	if (in_force(h))
		e = tpm_counter_drop(h->unlock.tpm, g->at.index);
	if (e == HF_OK)
		e = records_write(h->records, &c, 1);
	if (e != HF_OK) {
		log_warn("the TPM's counter 0x%08x stays: %s", g->at.index, err_text(e));
		return;
	}
	g->version = g->known = 0;
	hsm_fact(h, FACT, "none: no TPM opens this HSM");
}
