#include "tamper.h"

#include <stdio.h>
#include <string.h>

#include "activate.h"
#include "app.h"
#include "asks.h"
#include "audit.h"
#include "backup_keys.h"
#include "gate.h"
#include "log.h"
#include "object.h"
#include "opening.h"
#include "partition.h"
#include "status.h"
#include "rekey.h"
#include "rotate.h"
#include "unlock.h"

#define NAME "hsm/tamper"

/* --- the record "hsm/tamper": why, as text ------------------------------------------ */

struct found {
	char *why;
	uint64_t version;
};

static enum hf_err visit(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct found *f = ctx;

	(void)name;
	(void)snprintf(f->why, TAMPER_WHY, "%.*s", (int)plain.n, (const char *)plain.p);
	f->version = version;
	return HF_OK;
}

/* A damaged record is an event as well. */
static void damaged(void *ctx, const char *name)
{
	struct found *f = ctx;

	(void)snprintf(f->why, TAMPER_WHY, "the record %s is damaged", name);
}

enum hf_err tamper_load(struct hsm *h, char ret_why[TAMPER_WHY])
{
	struct found f = { ret_why, 0 };
	const struct record_visit v = { &f, visit, damaged };

	*ret_why = '\0';
	TRY(records_get(h->records, NAME, SEAL_STORE, SLICE_NONE, &v));
	h->tamper_version = f.version;
	return HF_OK;
}

static enum hf_err remember(struct hsm *h, const char *why)
{
	struct record_change c = {
		.name = NAME,
		.expect = h->tamper_version,
		.version = h->tamper_version + 1,
		.seal = SEAL_STORE,
		.plain = slice_str(why),
	};

	TRY(records_write(h->records, &c, 1));
	h->tamper_version = c.version;
	return HF_OK;
}

static enum hf_err forget(struct hsm *h)
{
	struct record_change c = { .name = NAME, .expect = h->tamper_version };

	if (c.expect != 0)
		TRY(records_write(h->records, &c, 1));
	h->tamper_version = 0;
	return HF_OK;
}

/* --- ending what is open ---------------------------------------------------------------- */

static void end_all_sessions(struct hsm *h, bool forget)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct partition **v;
	size_t n;

	if (partitions_all(h, &a, &v, &n) != HF_OK) {
		log_error("sessions could not be ended one by one");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		sessions_end_all(h, v[i]);
		if (activation_end(h, v[i], NULL) != HF_OK && !forget)
			log_error("partition %s: an activation may come back", v[i]->serial);
		if (!forget)
			continue;
		opening_end(v[i]);
		objects_drop_all(v[i]->objects);
	}
	partitions_unref(v, n);
}

/* --- events ------------------------------------------------------------------------------- */

/* The state first, so that no call begins; what is under way ends. */
static enum hf_err lock_up(struct hsm *h, const char *why)
{
	int operational = HSM_OPERATIONAL;

	TRY(remember(h, why));
	hsm_fact(h, "tampered", why);
	if (atomic_compare_exchange_strong(&h->state, &operational, HSM_TAMPERED))
		end_all_sessions(h, false);
	return HF_OK;
}

enum hf_err hsm_tamper(struct hsm *h, const char *why)
{
	log_error("tamper event: %s", why);
	if (h->audit != NULL)
		TRY(audit_event(h->audit, "tamper", why, HF_E_TAMPERED));
	switch (h->cfg.tamper_action) {
	case TAMPER_LOG:
		return HF_OK;
	case TAMPER_LOCK:
		return h->records != NULL ? lock_up(h, why) : HF_OK;
	case TAMPER_ZEROIZE:
		return hsm_zeroize(h, why);
	}
	return HF_E_INTERNAL;
}

void hsm_tampered(struct hsm *h, const char *why)
{
	MUTEX_HOLD(&h->unlocking);
	enum hf_err e = atomic_load(&h->state) == HSM_ZEROIZED ? HF_OK : hsm_tamper(h, why);

	if (e != HF_OK)
		log_error("the tamper event is not on record: %s", err_text(e));
}

enum hf_err on_tamper_report(struct calls_ctx *c, const struct tamper_report_req *q,
	struct tamper_report_res *r)
{
	MUTEX_HOLD(&c->hsm->unlocking);
	char why[TAMPER_WHY];

	(void)r;
	if (q->why.n == 0)
		return HF_E_ARGUMENTS;
	(void)snprintf(why, sizeof(why), "%.*s", (int)q->why.n, (const char *)q->why.p);
	call_detail(c, "%s", why);
	return hsm_tamper(c->hsm, why);
}

enum hf_err on_tamper_clear(struct calls_ctx *c, const struct tamper_clear_req *q,
	struct tamper_clear_res *r)
{
	struct hsm *h = c->hsm;
	MUTEX_HOLD(&h->unlocking);
	int tampered = HSM_TAMPERED;

	(void)q;
	(void)r;
	TRY(forget(h));
	hsm_fact(h, "tampered", "no (cleared)");
	(void)atomic_compare_exchange_strong(&h->state, &tampered, HSM_OPERATIONAL);
	return HF_OK;
}

/* --- zeroization ------------------------------------------------------------------------------ */

/* In place: a call that is under way may still read it, and reads zeros. */
static void wipe_in_place(struct secret *s)
{
	if (s->n > 0)
		secret_wipe(s->p, s->n);
}

static void wipe_memory(struct hsm *h)
{
	wipe_in_place(&h->root);
	wipe_in_place(&h->old_root);
	wipe_in_place(&h->ticket_before);
	wipe_in_place(&h->role_key);
	wipe_in_place(&h->role_former);
	wipe_in_place(&h->backup_own);
	wipe_in_place(&h->ticket_key);
	wipe_in_place(&h->attest);
	asks_forget(h->asks);
	backup_keys_forget(h->backup_keys);
	if (h->records != NULL)
		records_forget_keys(h->records);
}

enum hf_err hsm_zeroize(struct hsm *h, const char *why)
{
	log_error("the HSM is zeroized: %s", why);
	rotate_stop(h);
	rekeys_stop(h);
	TRY(unlock_destroy(h));
	atomic_store(&h->state, HSM_ZEROIZED);
	asks_custodians_set(h->asks, &(struct quorum){ .m = 0 });
	wipe_memory(h);
	end_all_sessions(h, true);
	unlock_purge(h);
	hsm_fact(h, "unlock", "never again: the root key was destroyed");
	return HF_OK;
}

/* Sent again after a broken connection, it is done already. */
enum hf_err on_zeroize(struct calls_ctx *c, const struct zeroize_req *q, struct zeroize_res *r)
{
	MUTEX_HOLD(&c->hsm->unlocking);

	(void)q;
	(void)r;
	if (atomic_load(&c->hsm->state) == HSM_ZEROIZED)
		return HF_OK;
	return hsm_zeroize(c->hsm, "by the administrator");
}
