/* domain.c: see domain.h. */
#include "domain.h"

#include <string.h>

#include "records.h"

#define NAME "hsm/domain"
#define FORMAT 1

void domain_done(struct domain *d)
{
	secret_done(&d->key);
}

static enum hf_err visit(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct rd r = rd_of(plain);
	struct domain *d = ctx;
	const uint8_t *id, *key;
	struct slice label;
	uint8_t format;

	(void)name;
	if (!rd_u8(&r, &format) || format != FORMAT || !rd_take(&r, DOMAIN_ID, &id) ||
	    !rd_bytes(&r, DOMAIN_NAME, &label) || !rd_u64(&r, &d->since) ||
	    !rd_take(&r, CRYPTO_KEY, &key) || !rd_done(&r))
		return HF_E_DAMAGED;
	memcpy(d->id, id, DOMAIN_ID);
	if (label.n > 0)
		memcpy(d->name, label.p, label.n);
	d->name[label.n] = '\0';
	d->version = version;
	return secret_dup((struct slice){ key, CRYPTO_KEY }, &d->key);
}

static void damaged(void *ctx, const char *name)
{
	(void)name;
	((struct domain *)ctx)->version = UINT64_MAX;
}

enum hf_err domain_get(struct hsm *h, struct domain *ret)
{
	CLEANUP(domain_done) struct domain d = { 0 };
	const struct record_visit v = { &d, visit, damaged };

	TRY(records_get(h->records, NAME, SEAL_STORE, SLICE_NONE, &v));
	if (d.version == UINT64_MAX)
		return HF_E_DAMAGED;
	if (d.version == 0)
		return HF_E_DOMAIN_NONE;
	*ret = d;
	d.key = (struct secret){ 0 };
	return HF_OK;
}
