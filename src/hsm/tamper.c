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
#define FLAG 0x20000u /* among the counters: there was an event, whatever the store has */

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
	if (*ret_why == '\0' && h->tamper_due[0] != '\0')
		(void)snprintf(ret_why, TAMPER_WHY, "%s", h->tamper_due);
	if (*ret_why == '\0' && records_fail_get(h->records, HSM_SELF, FLAG) != 0)
		(void)snprintf(ret_why, TAMPER_WHY, "an event; the disk took no more of it");
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

static void set_due(struct hsm *h, const char *why)
{
	(void)snprintf(h->tamper_due, sizeof(h->tamper_due), "%s", why);
	atomic_store(&h->due, *why != '\0');
}

/* Where the store does not take the event, the anchor takes that there was one: a start finds it. */
static enum hf_err keep(struct hsm *h, const char *why)
{
	if (remember(h, why) == HF_OK) {
		set_due(h, "");
		return HF_OK;
	}
	if (h->tamper_due != why)
		set_due(h, why);
	if (records_fail_anchor(h->records, HSM_SELF, FLAG, 1) == HF_OK) {
		log_error("the disk did not take why the HSM is tampered; it is tried again");
		return HF_OK;
	}
	log_error("%s", err_text(HF_E_TAMPER_PENDING));
	return HF_E_TAMPER_PENDING;
}

static enum hf_err forget(struct hsm *h)
{
	struct record_change c = { .name = NAME, .expect = h->tamper_version };

	if (c.expect != 0)
		TRY(records_write(h->records, &c, 1));
	h->tamper_version = 0;
	if (records_fail_get(h->records, HSM_SELF, FLAG) != 0)
		TRY(records_fail_set(h->records, HSM_SELF, FLAG, 0));
	set_due(h, "");
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

/* The state first, so that no call begins; what is under way ends. The disk last: it may be full. */
static enum hf_err lock_up(struct hsm *h, const char *why)
{
	int operational = HSM_OPERATIONAL;

	hsm_fact(h, "tampered", why);
	if (atomic_compare_exchange_strong(&h->state, &operational, HSM_TAMPERED))
		end_all_sessions(h, false);
	return keep(h, why);
}

static enum hf_err act(struct hsm *h, const char *why)
{
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

/* What is done comes before its record, for which there may be no room. */
enum hf_err hsm_tamper(struct hsm *h, const char *why)
{
	enum hf_err done, recorded = HF_OK;

	log_error("tamper event: %s", why);
	done = act(h, why);
	if (h->audit != NULL)
		recorded = audit_event(h->audit, "tamper", why, HF_E_TAMPERED);
	if (recorded != HF_OK)
		log_error("the tamper event has no audit record: %s", err_text(recorded));
	return done != HF_OK || h->cfg.tamper_action != TAMPER_LOG ? done : recorded;
}

void hsm_respond(struct hsm *h, const char *why)
{
	enum hf_err e = hsm_tamper(h, why);

	if (e != HF_OK)
		log_error("the tamper event is not on record: %s", err_text(e));
}

void hsm_tampered(struct hsm *h, const char *why)
{
	MUTEX_HOLD(&h->unlocking);

	if (atomic_load(&h->state) != HSM_ZEROIZED)
		hsm_respond(h, why);
}

void tamper_tick(struct hsm *h)
{
	MUTEX_HOLD(&h->unlocking);
	int state = atomic_load(&h->state);

	if (state == HSM_ZEROIZED && hsm_zeroize_finish(h) == HF_OK)
		log_notice("the zeroization is finished: the disk holds no wrapped key any more");
	if (state == HSM_TAMPERED && h->tamper_due[0] != '\0' && keep(h, h->tamper_due) == HF_OK &&
	    h->tamper_due[0] == '\0')
		log_notice("the tamper event is on the disk now");
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

/* logins_over: the sessions are; clients have tickets yet, which would bring their logins back. An HSM
 * that writes nothing cannot void them. */
static enum hf_err logins_over(struct hsm *h)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct partition **v;
	enum hf_err e = HF_OK;
	size_t n;

	if (h->cfg.read_only)
		return HF_OK;
	TRY(partitions_all(h, &a, &v, &n));
	for (size_t i = 0; i < n && e == HF_OK; i++)
		e = partition_void_tickets(h, v[i]);
	partitions_unref(v, n);
	return e;
}

enum hf_err on_tamper_clear(struct calls_ctx *c, const struct tamper_clear_req *q,
	struct tamper_clear_res *r)
{
	struct hsm *h = c->hsm;
	MUTEX_HOLD(&h->unlocking);
	int tampered = HSM_TAMPERED;

	(void)q;
	(void)r;
	TRY(logins_over(h));
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

enum hf_err hsm_zeroize_finish(struct hsm *h)
{
	enum hf_err e = unlock_destroy(h);

	atomic_store(&h->due, e != HF_OK);
	hsm_fact(h, "unlock", e == HF_OK ? "never again: the root key was destroyed" :
		"never again: the root key is gone from memory; the disk did not take all of it yet, and may "
		"still hold wrapped keys");
	return e == HF_OK ? HF_OK : HF_E_ZEROIZE_PENDING;
}

/* Memory first: whatever the disk says, no key is left here and no call begins. */
enum hf_err hsm_zeroize(struct hsm *h, const char *why)
{
	log_error("the HSM is zeroized: %s", why);
	atomic_store(&h->state, HSM_ZEROIZED);
	rotate_stop(h);
	rekeys_stop(h);
	asks_custodians_set(h->asks, &(struct quorum){ .m = 0 });
	wipe_memory(h);
	end_all_sessions(h, true);
	return hsm_zeroize_finish(h);
}

/* Sent again after a broken connection, it is done already, or the rest of it is due. */
enum hf_err on_zeroize(struct calls_ctx *c, const struct zeroize_req *q, struct zeroize_res *r)
{
	struct hsm *h = c->hsm;
	MUTEX_HOLD(&h->unlocking);

	(void)q;
	(void)r;
	if (atomic_load(&h->state) != HSM_ZEROIZED)
		return hsm_zeroize(h, "by the administrator");
	return atomic_load(&h->due) ? hsm_zeroize_finish(h) : HF_OK;
}
