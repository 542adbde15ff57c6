/* hmac.c: HMAC (FIPS 198-1), whole and shortened. */
#include <openssl/core_names.h>

#include "families.h"
#include "mac.h"

static enum hf_err begin(struct crypt *c)
{
	const struct hash *h = hash_of(c->mech, c->params);
	OSSL_PARAM params[2];

	if (h == NULL)
		return HF_E_MECHANISM_PARAM;
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
		(char *)(uintptr_t)h->name, 0);
	params[1] = OSSL_PARAM_construct_end();
	return mac_begin(c, hmac_over(h), params, h->n);
}

const struct family family_hmac = {
	.name = "hmac",
	.begin = begin,
	.update = mac_update,
	.finish = mac_finish,
	.bound = mac_bound,
	.end = kept_end,
	.copy = mac_copy,
};
