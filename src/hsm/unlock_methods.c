/* unlock_methods.c: methods come and go, and are told. */
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "asks.h"
#include "clock.h"
#include "gate.h"
#include "generation.h"
#include "keeper_ask.h"
#include "log.h"
#include "records.h"
#include "tpm.h"
#include "unlock.h"
#include "unlock_file.h"
#include "unlock_wrap.h"

/* --- the record ------------------------------------------------------------------------- */

enum hf_err unlock_read(struct hsm *h, struct root_record **ret)
{
	CLEANUP(root_record_free) struct root_record *r = NULL;
	CLEANUP(arena_done) struct arena a = { 0 };
	struct record rec;
	bool found;

	TRY(root_record_new(&r));
	TRY(keeper_get(h->keeper, ROOT_NAME, &a, &found, &rec));
	if (found) {
		h->root_version = r->version = rec.version;
		if (!root_record_dec(rec.value, r)) {
			log_error("the record %s is damaged: restore it from a backup", ROOT_NAME);
			return HF_E_DAMAGED;
		}
	}
	*ret = r;
	r = NULL;
	return HF_OK;
}

enum hf_err unlock_put(struct hsm *h, struct root_record *r)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(ROOT_RECORD_MAX);
	struct record_change c = {
		.name = ROOT_NAME,
		.expect = h->root_version,
		.version = h->root_version + 1,
		.seal = SEAL_NONE,
	};

	TRY(root_record_seal(r, secret_slice(&h->root), &b));
	c.plain = buf_slice(&b);
	TRY(records_write(h->records, &c, 1));
	h->root_version = r->version = c.version;
	unlock_purge(h);
	unlock_say(h, r);
	if (root_record_find(r, BY_TPM) == NULL)
		generation_drop(h);
	return HF_OK;
}

/* --- telling ---------------------------------------------------------------------------- */

static void what_tpm(const struct unlock_method_record *m, char out[UNLOCK_WHAT])
{
	char pcrs[TPM_PCRS_TEXT];
	uint32_t set;
	bool pin;

	if (!tpm_sealed_for((struct slice){ m->more, m->more_n }, &set, &pin)) {
		(void)snprintf(out, UNLOCK_WHAT, "by the TPM (damaged)");
		return;
	}
	tpm_pcrs_text(set, pcrs);
	(void)snprintf(out, UNLOCK_WHAT, "by the TPM, PCRs %s%s", pcrs, pin ? ", with a PIN" : "");
}

static void what_quorum(const struct unlock_method_record *m, char out[UNLOCK_WHAT])
{
	struct quorum q;

	if (unlock_quorum_dec(m, &q))
		(void)snprintf(out, UNLOCK_WHAT, "by %u of %u custodians", q.m, q.n);
	else
		(void)snprintf(out, UNLOCK_WHAT, "by custodians (damaged)");
}

void unlock_what(const struct unlock_method_record *m, char out[UNLOCK_WHAT])
{
	if (m->by == BY_TPM)
		what_tpm(m, out);
	else if (m->by == BY_QUORUM)
		what_quorum(m, out);
	else
		(void)snprintf(out, UNLOCK_WHAT, "%s", m->by == BY_PASSPHRASE ? "by passphrase" :
			"by a file beside the data (for development)");
}

static void fact_of(struct hsm *h, const struct unlock_method_record *m, const char *text)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "unlock method %u", m->id);
	hsm_fact(h, name, text);
}

void unlock_note(struct hsm *h, const struct unlock_method_record *m, const char *came)
{
	static const char *const how[] = { [BY_PASSPHRASE] = "; 'holdfast unlock'",
		[BY_QUORUM] = "; each custodian's 'holdfast quorum share'",
		[BY_TPM] = "; 'holdfast unlock --method tpm'" };
	const char *by = m->by < sizeof(how) / sizeof(how[0]) && how[m->by] != NULL ? how[m->by] : "";
	char what[UNLOCK_WHAT], text[UNLOCK_WHAT + TPM_WHY + 64];

	unlock_what(m, what);
	(void)snprintf(text, sizeof(text), "%s%s%s%s", what, *came != '\0' ? ": " : "", came, by);
	fact_of(h, m, text);
}

void unlock_say(struct hsm *h, const struct root_record *r)
{
	char text[UNLOCK_METHODS * (UNLOCK_WHAT + 8)] = "", what[UNLOCK_WHAT];
	unsigned by = 0;
	size_t n = 0;

	for (unsigned i = 0; i < r->n; i++) {
		by |= 1u << r->v[i].by;
		unlock_what(&r->v[i], what);
		unlock_note(h, &r->v[i], "");
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i == 0 ? "" : "; or ", what);
	}
	atomic_store(&h->unlock_by, by);
	hsm_fact(h, "unlock", text);
}

void unlock_warn(struct root_record *r)
{
	if (root_record_find(r, BY_FILE) != NULL)
		log_warn("the unlock key lies in a file beside the data: whoever copies both has every key; "
			"for production set a passphrase ('holdfast passphrase')");
}

const char *unlock_how(const struct hsm *h)
{
	unsigned by = atomic_load(&h->unlock_by), quorum = 1u << BY_QUORUM;

	if ((by & quorum) == 0)
		return "'holdfast unlock'";
	return by == quorum ? "each custodian's 'holdfast quorum share'" :
		"'holdfast unlock', or each custodian's 'holdfast quorum share'";
}

enum hf_err on_unlock_methods(struct calls_ctx *c, const struct unlock_methods_req *q,
	struct unlock_methods_res *r)
{
	CLEANUP(root_record_free) struct root_record *root = NULL;
	struct unlock_method *v = arena_alloc(c->arena, UNLOCK_METHODS, sizeof(*v));
	MUTEX_HOLD(&c->hsm->unlocking);
	char what[UNLOCK_WHAT];

	(void)q;
	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	TRY(unlock_read(c->hsm, &root));
	for (unsigned i = 0; i < root->n; i++) {
		const struct unlock_method_record *m = &root->v[i];

		unlock_what(m, what);
		v[i] = (struct unlock_method){ .id = m->id, .by = m->by, .made = m->made };
		TRY(arena_dup(c->arena, slice_str(what), &v[i].what));
	}
	r->methods = (struct unlock_method_list){ v, root->n };
	return HF_OK;
}

/* --- coming and going -------------------------------------------------------------------- */

/* add_to: one file, one set of custodians; passphrases and TPMs may be several. */
static enum hf_err add_to(struct hsm *h, struct root_record *r, const struct unlock_with *w,
	uint8_t *ret_id)
{
	struct unlock_method_record *m;

	if ((w->by == BY_FILE || w->by == BY_QUORUM) && root_record_find(r, w->by) != NULL)
		return HF_E_UNLOCK_TWICE;
	if (w->by == BY_FILE && h->unlock.key_fd < 0)
		return HF_E_ARGUMENTS;
	if (w->by == BY_FILE && unlock_file_empty(h->unlock.key_fd))
		TRY(unlock_file_write(h->unlock.key_fd));
	TRY(root_record_add(r, w->by, &m));
	TRY(unlock_wrap(h, m, w));
	*ret_id = m->id;
	return HF_OK;
}

static void wipe_file_unless(struct hsm *h, struct root_record *r)
{
	if (root_record_find(r, BY_FILE) == NULL)
		(void)unlock_file_wipe(h->unlock.key_fd);
}

enum hf_err unlock_add(struct hsm *h, const struct unlock_with *w, uint8_t *ret_id)
{
	CLEANUP(root_record_free) struct root_record *r = NULL;

	TRY(unlock_read(h, &r));
	TRY(add_to(h, r, w, ret_id));
	return unlock_put(h, r);
}

enum hf_err unlock_only(struct hsm *h, const struct unlock_with *w)
{
	CLEANUP(root_record_free) struct root_record *r = NULL;
	uint8_t id;

	TRY(unlock_read(h, &r));
	for (unsigned i = 0; i < r->n; i++)
		fact_of(h, &r->v[i], "removed");
	r->n = 0;
	TRY(add_to(h, r, w, &id));
	TRY(unlock_put(h, r));
	wipe_file_unless(h, r);
	unlock_warn(r);
	return HF_OK;
}

enum hf_err unlock_born(struct hsm *h, struct slice passphrase)
{
	struct unlock_with w = {
		.by = passphrase.n > 0 ? BY_PASSPHRASE : h->unlock.key_fd >= 0 ? BY_FILE : BY_TPM,
		.secret = passphrase, .pcrs = h->unlock.pcrs,
	};

	return unlock_only(h, &w);
}

enum hf_err unlock_remove(struct hsm *h, uint8_t id)
{
	CLEANUP(root_record_free) struct root_record *r = NULL;
	const struct unlock_method_record *m;

	TRY(unlock_read(h, &r));
	m = root_record_id(r, id);
	if (m == NULL)
		return HF_E_UNLOCK_METHOD;
	if (r->n == 1)
		return HF_E_UNLOCK_LAST;
	fact_of(h, m, "removed");
	root_record_drop(r, m);
	TRY(unlock_put(h, r));
	wipe_file_unless(h, r);
	return HF_OK;
}

/* The same PCRs, and a PIN where there was one. */
enum hf_err unlock_reseal(struct hsm *h, uint8_t id, struct slice pin)
{
	CLEANUP(root_record_free) struct root_record *r = NULL;
	struct unlock_with w = { .by = BY_TPM, .secret = pin };
	struct unlock_method_record *m;
	bool had_pin;

	TRY(unlock_read(h, &r));
	m = root_record_id(r, id);
	if (m == NULL || m->by != BY_TPM)
		return HF_E_UNLOCK_METHOD;
	if (!tpm_sealed_for((struct slice){ m->more, m->more_n }, &w.pcrs, &had_pin))
		return HF_E_DAMAGED;
	if (had_pin && pin.n == 0)
		return HF_E_PIN_LENGTH;
	TRY(unlock_wrap(h, m, &w));
	m->made = clock_wall_us();
	return unlock_put(h, r);
}

/* --- calls ------------------------------------------------------------------------------- */

enum hf_err on_unlock_add(struct calls_ctx *c, const struct unlock_add_req *q,
	struct unlock_add_res *r)
{
	CLEANUP(dealt_done) struct dealt d = { 0 };
	struct hsm *h = c->hsm;
	MUTEX_HOLD(&h->unlocking);
	struct unlock_with w = { .by = (enum unlock_by)q->by, .secret = q->secret,
		.pcrs = q->pcrs != 0 ? q->pcrs : h->unlock.pcrs };

	if (q->by == BY_PASSPHRASE && q->secret.n < h->cfg.pin_min)
		return HF_E_PIN_LENGTH;
	if (q->by != BY_FILE && q->by != BY_PASSPHRASE && q->by != BY_TPM && q->by != BY_QUORUM)
		return HF_E_ARGUMENTS;
	if (q->by == BY_QUORUM) { /* those of quorum_create */
		TRY(quorum_dealt(c, SCOPE_HSM, q->set, &d));
		w.quorum = &d.quorum;
		w.secret = secret_slice(&d.secret);
	}
	TRY(unlock_add(h, &w, &r->id));
	if (w.by == BY_TPM)
		generation_bind(h);
	call_detail(c, "%sunlock method %u added, kind %u", w.quorum != NULL ? "; " : "", r->id, q->by);
	return quorum_refresh(h);
}

enum hf_err on_unlock_remove(struct calls_ctx *c, const struct unlock_remove_req *q,
	struct unlock_remove_res *r)
{
	MUTEX_HOLD(&c->hsm->unlocking);

	(void)r;
	call_detail(c, "unlock method %u", q->id);
	TRY(unlock_remove(c->hsm, q->id));
	return quorum_refresh(c->hsm);
}

enum hf_err on_unlock_reseal(struct calls_ctx *c, const struct unlock_reseal_req *q,
	struct unlock_reseal_res *r)
{
	MUTEX_HOLD(&c->hsm->unlocking);

	(void)r;
	call_detail(c, "unlock method %u", q->id);
	TRY(unlock_reseal(c->hsm, q->id, q->secret));
	generation_bind(c->hsm);
	return HF_OK;
}
