#include "consent.h"

#include <stdio.h>
#include <string.h>

#include "app.h"
#include "backup_to.h"
#include "consent_tell.h"
#include "gate.h"
#include "keeper_ask.h"
#include "log.h"
#include "records.h"

#define NAME "hsm/consent"
#define FORMAT 1u
#define ALWAYS true
#define ASKED false

const struct consent_row consent_rows[CONSENTS] = {
#define CONSENT(bit, call, name, when, help) { bit, name, when, help },
#include "consent.def"
#undef CONSENT
};

/* By opcode: 0, or the row's place and one. */
static const uint8_t row_of[CALLS_ROWS] = {
#define CONSENT(bit, call, name, when, help) [CALLS_##call] = CONSENT_##call + 1,
#include "consent.def"
#undef CONSENT
};

/* --- the record: format u8 | rules u32 | HMAC over both -------------------------------- */

static enum hf_err mac_of(const struct hsm *h, struct slice body, uint8_t mac[CRYPTO_HASH])
{
	CLEANUP(secret_done) struct secret key = { 0 };

	TRY(crypto_derive(secret_slice(&h->root), "holdfast consent", SLICE_NONE, &key));
	return crypto_hmac(secret_slice(&key), body, mac);
}

static enum hf_err rules_write(struct hsm *h, uint32_t rules)
{
	uint8_t v[5 + CRYPTO_HASH] = { FORMAT };
	struct record_change c = {
		.name = NAME,
		.expect = h->consent.version,
		.version = h->consent.version + 1,
		.seal = SEAL_NONE,
		.plain = SLICE_OF(v),
	};

	put_u32(v + 1, rules);
	TRY(mac_of(h, (struct slice){ v, 5 }, v + 5));
	TRY(records_write(h->records, &c, 1));
	h->consent.version = c.version;
	memcpy(h->consent.mac, v + 5, CRYPTO_HASH);
	atomic_store(&h->consent.rules, rules);
	return HF_OK;
}

enum hf_err consent_load(struct hsm *h)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct record rec;
	bool found;

	TRY(keeper_get(h->keeper, NAME, &a, &found, &rec));
	if (!found)
		return HF_OK;
	h->consent.version = rec.version;
	atomic_store(&h->consent.rules, UINT32_MAX);
	if (rec.value.n != 5 + CRYPTO_HASH || rec.value.p[0] != FORMAT)
		return HF_OK;
	atomic_store(&h->consent.rules, get_u32(rec.value.p + 1));
	memcpy(h->consent.mac, rec.value.p + 5, CRYPTO_HASH);
	return HF_OK;
}

enum hf_err consent_open(struct hsm *h)
{
	uint8_t v[5] = { FORMAT }, mac[CRYPTO_HASH];

	if (h->consent.version == 0)
		return HF_OK;
	put_u32(v + 1, atomic_load(&h->consent.rules));
	TRY(mac_of(h, SLICE_OF(v), mac));
	if (secret_eq(SLICE_OF(mac), SLICE_OF(h->consent.mac)))
		return HF_OK;
	log_error("the record %s was altered: custodians have to agree to all that they can be asked "
		"('holdfast quorum require')", NAME);
	atomic_store(&h->consent.rules, UINT32_MAX);
	return HF_OK;
}

/* --- asking -------------------------------------------------------------------------- */

/* without_kept blanks what a token keeps: it is new each time that the call is said. */
static bool without_kept(struct arena *a, struct recipient_list *l)
{
	struct recipient *v = arena_alloc(a, l->n + 1, sizeof(*v));

	if (v == NULL)
		return false;
	for (size_t i = 0; i < l->n; i++) {
		v[i] = l->v[i];
		if (v[i].kind == BACKUP_TO_TOKEN)
			v[i] = (struct recipient){ .kind = BACKUP_TO_TOKEN };
	}
	l->v = v;
	return true;
}

/* again gives the call's fields but for those that are new each time. */
static enum hf_err again(struct calls_ctx *c, struct buf *ret)
{
	struct backup_begin_req b;
	struct hsm_backup_begin_req w;
	struct quorum_create_req n;
	struct rd r = rd_of(c->fields);

	if (c->head.opcode == CALLS_BACKUP_BEGIN && backup_begin_req_dec(&r, c->arena, &b)) {
		if (!without_kept(c->arena, &b.to))
			return HF_E_MEMORY;
		backup_begin_req_enc(ret, &b);
	} else if (c->head.opcode == CALLS_HSM_BACKUP_BEGIN && hsm_backup_begin_req_dec(&r, c->arena, &w)) {
		if (!without_kept(c->arena, &w.to))
			return HF_E_MEMORY;
		hsm_backup_begin_req_enc(ret, &w);
	} else if (c->head.opcode == CALLS_QUORUM_CREATE && quorum_create_req_dec(&r, c->arena, &n)) {
		n.again = false; /* it is no other set because another is given up */
		quorum_create_req_enc(ret, &n);
	} else {
		buf_raw(ret, c->fields);
	}
	return buf_err(ret);
}

/* need asks for consent to this call; what it gives lies in *ret_secret. */
static enum hf_err need(struct calls_ctx *c, const char *place, struct want *w,
	struct secret *ret_secret)
{
	CLEANUP(buf_done) struct buf fields = BUF_MAX(c->fields.n);
	uint64_t id;
	enum hf_err e;

	if (c->ask_count == sizeof(c->asks) / sizeof(c->asks[0]))
		return HF_E_INTERNAL;
	w->opcode = c->head.opcode;
	w->uid = c->conn->peer.uid;
	TRY(again(c, &fields));
	TRY(asks_digest(c->hsm->asks, slice_str(place), buf_slice(&fields), w->digest));
	e = asks_need(c->hsm->asks, w, &id, ret_secret);
	if (e == HF_OK)
		c->asks[c->ask_count++] = id;
	if (e == HF_E_LIMIT)
		call_detail(c, "; too many requests of uid %llu wait, see 'holdfast quorum status'",
			(unsigned long long)w->uid);
	if (e == HF_E_QUORUM)
		call_detail(c, "%srequest %llu waits for %u of %u custodians",
			c->audit.detail[0] != '\0' ? "; " : "", (unsigned long long)id, w->quorum->m,
			w->quorum->n);
	return e;
}

static enum hf_err ask_hsm(struct calls_ctx *c, const char *name)
{
	CLEANUP(secret_done) struct secret none = { 0 };
	char what[ASK_WHAT + 1];
	struct quorum q;
	struct want w = { .scope = SCOPE_HSM, .quorum = &q, .what = what };

	asks_custodians(c->hsm->asks, &q);
	if (q.m == 0)
		return HF_OK;
	TRY(consent_tell(c, name, what));
	return need(c, c->part != NULL ? c->part->serial : "", &w, &none);
}

enum hf_err consent_ask(struct calls_ctx *c)
{
	return ask_hsm(c, c->row->name);
}

static bool is_needed(const struct hsm *h, const struct consent_row *row)
{
	return row->always || (atomic_load(&h->consent.rules) >> row->bit & 1) != 0;
}

/* A restore goes through dry first, which writes nothing. */
static bool is_dry(struct calls_ctx *c)
{
	struct restore_begin_req q;
	struct clone_take_req t;
	struct rd r = rd_of(c->fields);

	if (c->head.opcode == CALLS_CLONE_TAKE)
		return clone_take_req_dec(&r, c->arena, &t) && t.dry;
	return c->head.opcode == CALLS_RESTORE_BEGIN && restore_begin_req_dec(&r, c->arena, &q) && q.dry;
}

static const struct consent_row *row_named(struct slice name)
{
	for (unsigned k = 0; k < CONSENTS; k++)
		if (slice_eq(slice_str(consent_rows[k].name), name))
			return &consent_rows[k];
	return NULL;
}

/* can_be_set: nobody is asked for what cannot be. */
static enum hf_err can_be_set(struct calls_ctx *c)
{
	const struct consent_row *row;
	struct consent_set_req q;
	struct rd r = rd_of(c->fields);

	if (!consent_set_req_dec(&r, c->arena, &q))
		return HF_E_MALFORMED;
	row = row_named(q.name);
	if (row == NULL)
		call_detail(c, "there is no '%.*s'", (int)q.name.n, (const char *)q.name.p);
	else if (!q.needed && row->always)
		call_detail(c, "%s is always needed and cannot be waived", row->name);
	else if (!q.needed && !is_needed(c->hsm, row))
		call_detail(c, "%s is not required", row->name);
	else
		return HF_OK;
	return HF_E_CONSENT;
}

enum hf_err consent_for(struct calls_ctx *c, enum consent which)
{
	return is_needed(c->hsm, &consent_rows[which]) ? ask_hsm(c, consent_rows[which].name) : HF_OK;
}

enum hf_err consent_needed(struct calls_ctx *c)
{
	unsigned k = row_of[c->head.opcode];

	if (c->head.opcode == CALLS_CONSENT_SET)
		TRY(can_be_set(c));
	return k == 0 || is_dry(c) ? HF_OK : consent_for(c, (enum consent)(k - 1));
}

void consent_over(struct calls_ctx *c, enum hf_err e)
{
	for (unsigned i = 0; i < c->ask_count; i++)
		asks_end(c->hsm->asks, c->asks[i], e == HF_OK);
}

/* --- a role's PIN ---------------------------------------------------------------------- */

void scope_of(const struct partition *p, const char *role, char ret[ASK_SCOPE + 1])
{
	(void)snprintf(ret, ASK_SCOPE + 1, "%s/%s", p->serial, role);
}

enum hf_err role_pin(struct calls_ctx *c, const struct partition *p, const struct role_record *r,
	struct slice given, struct secret *hold, struct slice *ret)
{
	char scope[ASK_SCOPE + 1], what[ASK_WHAT + 1], as[96];
	struct want w = { .scope = scope, .quorum = &r->quorum, .what = what };

	*ret = given;
	if (r->quorum.m == 0 || (r->challenge_set && given.n > 0))
		return HF_OK;
	if (given.n > 0) {
		call_detail(c, "; its custodians open %s: ask them with an empty PIN", r->name);
		return HF_E_PIN_INCORRECT;
	}
	scope_of(p, r->name, scope);
	(void)snprintf(as, sizeof(as), "%s as %s", c->row->name, r->name);
	TRY(consent_tell(c, as, what));
	TRY(need(c, p->serial, &w, hold));
	*ret = secret_slice(hold);
	return HF_OK;
}

/* --- the call -------------------------------------------------------------------------- */

enum hf_err on_consent_set(struct calls_ctx *c, const struct consent_set_req *q,
	struct consent_set_res *r)
{
	MUTEX_HOLD(&c->hsm->unlocking);
	const struct consent_row *row = row_named(q->name);
	uint32_t rules = atomic_load(&c->hsm->consent.rules), bit;

	(void)r;
	if (row == NULL)
		return HF_E_CONSENT;
	call_detail(c, "%s: %s", row->name, q->needed ? "yes" : "no");
	if (row->always)
		return q->needed ? HF_OK : HF_E_CONSENT;
	bit = 1u << row->bit;
	return rules_write(c->hsm, q->needed ? rules | bit : rules & ~bit);
}
