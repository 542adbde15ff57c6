#include "hsm.h"

#include <stdio.h>
#include <string.h>

#include "app.h"
#include "asks.h"
#include "attest.h"
#include "audit.h"
#include "audit_resume.h"
#include "backup_keys.h"
#include "clock.h"
#include "consent.h"
#include "damaged.h"
#include "generation.h"
#include "hsm_roles.h"
#include "jobs.h"
#include "keeper_ask.h"
#include "log.h"
#include "onetime.h"
#include "partition.h"
#include "quorum.h"
#include "rehearse.h"
#include "rekey.h"
#include "rotate.h"
#include "start.h"
#include "status.h"
#include "tamper.h"
#include "tpm.h"
#include "unlock.h"
#include "usage.h"

#define INFO_NAME "hsm/info"
#define INFO_FORMAT 1

/* As spec/config.def has it. Argon2id: OWASP's choice of 19 MiB and two passes,
 * which fits the locked memory that a service has. */
const struct hsm_config hsm_config_default = {
	.max_sessions = 65536,
	.max_objects = 2000000,
	.max_connections = 8192,
	.max_applications = 4096,
	.pin_min = 4,
	.pin_max = 255,
	.pin_failures = 10,
	.ticket_seconds = 24 * 3600,
	.argon2_kib = 19456,
	.argon2_passes = 2,
	.pbkdf2_passes = 600000, /* OWASP's for HMAC-SHA-256 */
	.quorum_s = 600,
	.onetime_reserve = 64,
	.clients_may_create = true,
	.admin_uid = 0,
	.login_gid = UINT32_MAX,
	.audit_count_seconds = 600,
};

/* --- the record "hsm/info": format u8 | serial 16 | created u64 ----------------------- */

static enum hf_err info_make(struct hsm *h)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(256);
	struct record_change c = {
		.name = INFO_NAME, .version = 1, .seal = SEAL_STORE,
	};
	uint8_t random[SERIAL_LEN / 2];

	TRY(crypto_random(random, sizeof(random)));
	hex_encode(SLICE_OF(random), h->serial);
	buf_u8(&b, INFO_FORMAT);
	buf_raw(&b, (struct slice){ (const uint8_t *)h->serial, SERIAL_LEN });
	buf_u64(&b, clock_wall_us());
	TRY(buf_err(&b));
	c.plain = buf_slice(&b);
	return records_write(h->records, &c, 1);
}

static enum hf_err info_visit(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct hsm *h = ctx;
	struct rd r = rd_of(plain);
	const uint8_t *serial;
	uint64_t created;
	uint8_t format;

	(void)name;
	(void)version;
	if (!rd_u8(&r, &format) || format != INFO_FORMAT || !rd_take(&r, SERIAL_LEN, &serial) ||
	    !rd_u64(&r, &created) || !rd_done(&r))
		return HF_E_DAMAGED;
	memcpy(h->serial, serial, SERIAL_LEN);
	return HF_OK;
}

static void info_damaged(void *ctx, const char *name)
{
	struct hsm *h = ctx;

	damaged_add(h->damaged, name);
}

static enum hf_err info_load(struct hsm *h)
{
	const struct record_visit v = { h, info_visit, info_damaged };

	return records_get(h->records, INFO_NAME, SEAL_STORE, SLICE_NONE, &v);
}

/* --- from locked to operational --------------------------------------------------------- */

/* judge_log: the audit log is a witness, too: without it, an older store with its anchor would not show. */
static enum hf_err judge_log(struct hsm *h, bool *ret_doubt)
{
	struct audit_witness w;
	const char *cut;
	uint64_t later;

	TRY(audit_witness_open(h->records, &w));
	TRY(audit_later(h->keeper, &w, records_sequence(h->records), &later));
	TRY(audit_cut(h->keeper, &w, &cut));
	if (later != 0)
		records_doubt(h->records, "store and anchor are at change %llu, the audit log knows of %llu: "
			"older ones were put back", (unsigned long long)records_sequence(h->records),
			(unsigned long long)later);
	if (cut != NULL)
		records_doubt(h->records, "the audit log does not come up to what the store knows of it: %s, "
			"so that an older store could have been put back unnoticed", cut);
	*ret_doubt = later != 0 || cut != NULL;
	return HF_OK;
}

static enum hf_err open_records(struct hsm *h)
{
	CLEANUP(secret_done) struct secret key = { 0 }, old = { 0 };
	struct records_keys keys = { 0 };
	struct records_judged judged;
	char why[GENERATION_WHY];
	bool doubt;

	TRY(rotate_old(h));
	TRY(crypto_derive(secret_slice(&h->root), "holdfast store", SLICE_NONE, &key));
	if (h->old_root.n > 0)
		TRY(crypto_derive(secret_slice(&h->old_root), "holdfast store", SLICE_NONE, &old));
	keys.now = secret_slice(&key);
	keys.old = secret_slice(&old);
	TRY(records_open(h->keeper, &keys, &judged, &h->records));
	TRY(judge_log(h, &doubt));
	if (h->root_version != 0) {
		TRY(info_load(h));
		TRY(generation_open(h, why));
		if (*why != '\0')
			records_doubt(h->records, "%s", why);
		judged.rollback = judged.rollback || doubt || *why != '\0';
	}
	h->anchor_lost = records_anchor_lost(h->records);
	if (judged.rollback || judged.digest)
		log_error("the store is not as it was left: %s", records_trouble(h->records));
	return onetime_open(h->records, judged.rollback || judged.digest, &h->onetime_mark);
}

static enum hf_err open_audit(struct hsm *h)
{
	CLEANUP(secret_done) struct secret seed = { 0 }, ml_seed = { 0 };
	struct audit_pair pair;
	/* Until the old audit key said who follows it, it signs. */
	struct slice root = secret_slice(h->rotate_phase == ROTATE_AUDIT ? &h->old_root : &h->root);
	struct audit_setup set = { .keeper = h->keeper, .serial = h->serial, .witness = &h->witness,
		.tally = h->cfg.audit_tally, .must = h->cfg.audit_closed != CLOSED_ADMIN };

	TRY(crypto_derive(root, "holdfast audit", SLICE_NONE, &seed));
	if (h->cfg.audit_ml_dsa)
		TRY(crypto_derive(root, "holdfast audit ML-DSA", SLICE_NONE, &ml_seed));
	TRY(audit_witness_open(h->records, &h->witness));
	set.seed = secret_slice(&seed);
	if (h->old_root.n > 0) {
		TRY(rotate_audit_pair(h, &pair));
		set.pair = &pair;
	}
	set.ml_seed = secret_slice(&ml_seed);
	TRY(audit_open(&set, &h->audit));
	h->counter_base = audit_sequence(h->audit);
	return keeper_room(h->keeper);
}

/* A new HSM: the root key is wrapped and kept before anything stands under it. */
static enum hf_err be_born(struct hsm *h, struct slice passphrase)
{
	TRY(unlock_born(h, passphrase));
	TRY(info_make(h));
	log_notice("a new HSM, serial number %s", h->serial);
	hsm_fact(h, "new", "this HSM was made at this start; there was none in its directory");
	return HF_OK;
}

static enum hf_err tell_trouble(struct hsm *h)
{
	const char *trouble = records_trouble(h->records);
	size_t n;
	char text[64];

	TRY(partitions_damaged(h, &n));
	if (*trouble != '\0') {
		TRY(audit_event(h->audit, "store-changed", trouble, HF_E_DAMAGED));
		hsm_respond(h, trouble);
	}
	if (n == 0)
		return HF_OK;
	(void)snprintf(text, sizeof(text), "%zu damaged records", n);
	return audit_event(h->audit, "damage", text, HF_E_DAMAGED);
}

static enum hf_err open_all(struct hsm *h, struct slice passphrase)
{
	TRY(open_records(h));
	TRY(rotate_keys_load(h));
	if (h->root_version == 0)
		TRY(be_born(h, passphrase));
	else
		TRY(unlock_settle(h));
	TRY(consent_open(h));
	TRY(attest_open(h));
	TRY(rehearsed_load(h));
	TRY(open_audit(h));
	TRY(hsm_roles_load(h));
	TRY(partitions_load(h));
	TRY(rotate_forget_roles(h));
	TRY(tell_trouble(h));
	if (atomic_load(&h->state) != HSM_ZEROIZED)
		generation_begin(h);
	if (h->cfg.read_only)
		records_protect(h->records);
	return HF_OK;
}

/* What open_all left half-way is taken back: the HSM stays locked. */
static void close_all(struct hsm *h)
{
	rotate_stop(h);
	rekeys_stop(h);
	if (h->audit != NULL && atomic_load(&h->state) == HSM_OPERATIONAL)
		usages_pass(h);
	partitions_drop(h);
	partition_unref(h->self);
	h->self = NULL;
	audit_close(h->audit);
	h->audit = NULL;
	generation_end(h);
	records_close(h->records);
	h->records = NULL;
	secret_done(&h->root);
	secret_done(&h->old_root);
	secret_done(&h->role_key);
	secret_done(&h->role_former);
	secret_done(&h->backup_own);
	secret_done(&h->ticket_key);
	secret_done(&h->ticket_before);
	secret_done(&h->attest);
}

enum hf_err hsm_start(struct hsm *h, struct secret *root, struct slice passphrase)
{
	enum hf_err e;
	int locked = HSM_LOCKED, next = HSM_OPERATIONAL;
	char why[TAMPER_WHY] = "";

	h->root = secret_take(root);
	rekeys_start(h);
	e = open_all(h, passphrase);
	if (e == HF_OK && h->records != NULL)
		e = tamper_load(h, why);
	if (e != HF_OK) {
		close_all(h);
		return e;
	}
	if (*why != '\0') {
		hsm_fact(h, "tampered", why);
		next = HSM_TAMPERED;
	}
	/* hsm_fail or hsm_zeroize may have come first. */
	if (!atomic_compare_exchange_strong(&h->state, &locked, next) && locked == HSM_UNINITIALIZED)
		(void)atomic_compare_exchange_strong(&h->state, &locked, next);
	return rotate_resume(h);
}

/* --- open and close ------------------------------------------------------------------------ */

static enum hf_err hsm_new(const struct hsm_config *cfg, struct keeper *k,
	const struct hsm_unlock *unlock, struct hsm **ret)
{
	struct hsm *h = hf_alloc(1, sizeof(*h));

	if (h == NULL)
		return HF_E_MEMORY;
	*ret = h;
	h->cfg = *cfg;
	h->keeper = k;
	h->unlock = *unlock;
	mutex_init(&h->unlocking);
	mutex_init(&h->lock);
	mutex_init(&h->rekeys.lock);
	mutex_init(&h->rehearsed.lock);
	generation_init(&h->generation);
	cond_init(&h->rekeys.ended);
	atomic_init(&h->state, HSM_LOCKED);
	h->damaged = damaged_new();
	if (h->damaged == NULL)
		return HF_E_MEMORY;
	TRY(asks_new(cfg->quorum_s, &h->asks));
	TRY(facts_new(&h->facts));
	TRY(jobs_new(&h->jobs));
	TRY(backup_keys_new(&h->backup_keys));
	return crypto_random((uint8_t *)&h->boot, sizeof(h->boot));
}

/* A module that failed its self-tests opens nothing. */
static enum hf_err unlock(struct hsm *h)
{
	CLEANUP(secret_done) struct secret root = { 0 };

	bool destroyed;

	if (!selftest_run(h, NULL, NULL))
		return HF_OK;
	TRY(unlock_destroyed(h, &destroyed));
	if (destroyed) {
		atomic_store(&h->state, HSM_ZEROIZED);
		if (hsm_zeroize_finish(h) != HF_OK)
			log_error("%s", err_text(HF_E_ZEROIZE_PENDING));
		return HF_OK;
	}
	TRY(consent_load(h));
	TRY(unlock_at_open(h, &root));
	TRY(quorum_refresh(h));
	if (root.n == 0) {
		if (h->root_version == 0)
			atomic_store(&h->state, HSM_UNINITIALIZED);
		log_notice("locked: waiting for %s", unlock_how(h));
		return HF_OK;
	}
	return hsm_start(h, &root, SLICE_NONE);
}

enum hf_err hsm_open(const struct hsm_config *cfg, struct keeper *k,
	const struct hsm_unlock *unlock_by, struct hsm **ret)
{
	struct hsm *h = NULL;
	enum hf_err e = hsm_new(cfg, k, unlock_by, &h);

	if (e == HF_OK)
		e = unlock(h);
	if (e != HF_OK) {
		hsm_close(h);
		return e;
	}
	*ret = h;
	return HF_OK;
}

bool hsm_rest(struct hsm *h, uint64_t until_ns)
{
	return jobs_rest(h->jobs, until_ns);
}

/* Connections are closed before; so nothing is under way but jobs. */
void hsm_close(struct hsm *h)
{
	if (h == NULL)
		return;
	if (h->jobs != NULL)
		(void)jobs_rest(h->jobs, UINT64_MAX / 2);
	jobs_free(h->jobs);
	close_all(h);
	backup_keys_free(h->backup_keys);
	asks_free(h->asks);
	root_record_free(&h->root_next);
	tpm_close(h->unlock.tpm);
	map_done(&h->apps);
	damaged_free(h->damaged);
	facts_free(h->facts);
	mutex_done(&h->lock);
	mutex_done(&h->unlocking);
	generation_done(&h->generation);
	hf_free(h);
}

void hsm_fail(struct hsm *h, const char *why)
{
	{
		MUTEX_HOLD(&h->lock);
		if (h->error[0] == '\0')
			(void)snprintf(h->error, sizeof(h->error), "%s", why);
	}
	log_error("the HSM goes into its error state: %s", why);
	if (atomic_exchange(&h->state, HSM_ERROR) == HSM_OPERATIONAL &&
	    audit_event(h->audit, "error", why, HF_E_SELFTEST) != HF_OK)
		log_error("audit: the error state could not be recorded");
}

bool hsm_stop_wanted(const struct hsm *h)
{
	return atomic_load(&h->stop);
}
