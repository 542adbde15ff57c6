#include "app.h"
#include "audit.h"
#include "gate.h"
#include "log.h"
#include "quorum.h"
#include "start.h"
#include "status.h"
#include "unlock.h"

enum hf_err on_hello(struct calls_ctx *c, const struct hello_req *q, struct hello_res *r)
{
	if (q->version == 0)
		return HF_E_MALFORMED;
	TRY(app_join(c->conn, q->app, q->program));
	r->version = WIRE_VERSION;
	r->max_message = c->hsm->cfg.max_message != 0 ? c->hsm->cfg.max_message : WIRE_MAX_BYTES;
	r->serial = slice_str(c->hsm->serial);
	r->boot = c->hsm->boot;
	return HF_OK;
}

enum hf_err on_ping(struct calls_ctx *c, const struct ping_req *q, struct ping_res *r)
{
	(void)c;
	(void)q;
	(void)r;
	return HF_OK;
}

enum hf_err on_status(struct calls_ctx *c, const struct status_req *q, struct status_res *r)
{
	(void)q;
	r->state = (uint8_t)atomic_load(&c->hsm->state);
	return status_facts(c->hsm, c->arena, &r->facts);
}

enum hf_err on_why(struct calls_ctx *c, const struct why_req *q, struct why_res *r)
{
	MUTEX_HOLD(&c->app->lock);

	(void)q;
	return arena_dup(c->arena, slice_str(c->app->why), &r->why);
}

enum hf_err on_self_test(struct calls_ctx *c, const struct self_test_req *q,
	struct self_test_res *r)
{
	(void)q;
	if (!selftest_run(c->hsm, c->arena, &r->results))
		call_detail(c, "a self-test failed");
	return HF_OK;
}

static enum hf_err open_with(struct hsm *h, const struct unlock_with *w)
{
	CLEANUP(secret_done) struct secret root = { 0 };
	MUTEX_HOLD(&h->unlocking);

	if (h->root.n > 0) /* somebody was faster */
		return HF_E_STATE;
	TRY(unlock_with(h, w, &root));
	return hsm_start(h, &root, w->by == BY_PASSPHRASE ? w->secret : SLICE_NONE);
}

enum hf_err on_unlock(struct calls_ctx *c, const struct unlock_req *q, struct unlock_res *r)
{
	const struct unlock_with w = { .by = BY_PASSPHRASE, .secret = q->passphrase };

	(void)r;
	return open_with(c->hsm, &w);
}

/* Custodians unlock with their shares (quorum_share). */
enum hf_err on_unlock_by(struct calls_ctx *c, const struct unlock_by_req *q,
	struct unlock_by_res *r)
{
	const struct unlock_with w = { .by = (enum unlock_by)q->by, .secret = q->secret,
		.one = q->method != UNLOCK_ANY, .id = (uint8_t)q->method };

	(void)r;
	if (q->by != BY_FILE && q->by != BY_PASSPHRASE && q->by != BY_TPM)
		return HF_E_ARGUMENTS;
	if (w.one && q->method > UINT8_MAX)
		return HF_E_UNLOCK_METHOD;
	if (w.one)
		call_detail(c, "by unlock method %u alone", w.id);
	return open_with(c->hsm, &w);
}

enum hf_err on_stop(struct calls_ctx *c, const struct stop_req *q, struct stop_res *r)
{
	(void)q;
	(void)r;
	log_notice("stop asked for by uid %llu", (unsigned long long)c->conn->peer.uid);
	atomic_store(&c->hsm->stop, true);
	return HF_OK;
}

enum hf_err on_passphrase_set(struct calls_ctx *c, const struct passphrase_set_req *q,
	struct passphrase_set_res *r)
{
	const struct unlock_with w = { .by = q->passphrase.n > 0 ? BY_PASSPHRASE : BY_FILE,
		.secret = q->passphrase };
	MUTEX_HOLD(&c->hsm->unlocking);

	(void)r;
	call_detail(c, "unlock by %s", q->passphrase.n > 0 ? "passphrase" : "file");
	if (q->passphrase.n > 0 && q->passphrase.n < c->hsm->cfg.pin_min)
		return HF_E_PIN_LENGTH;
	TRY(unlock_only(c->hsm, &w));
	return quorum_refresh(c->hsm);
}
