/* blake2_mac.c: BLAKE2b with a key (RFC 7693), which PKCS#11 calls its HMAC
 * (3.2 §6.66), whole and shortened. */
#include <openssl/core_names.h>

#include "families.h"
#include "mac.h"

#define BLAKE2B_KEY_MAX 64

static enum hf_err begin(struct crypt *c)
{
	size_t n = hash_by_name(c->mech->arg)->n;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &n),
		OSSL_PARAM_construct_end(),
	};

	if (c->key->value.n > BLAKE2B_KEY_MAX)
		return HF_E_KEY_SIZE;
	return mac_begin(c, algs.blake2b, params, n);
}

const struct family family_blake2_mac = {
	.name = "blake2_mac",
	.begin = begin,
	.update = mac_update,
	.finish = mac_finish,
	.bound = mac_bound,
	.end = kept_end,
	.copy = mac_copy,
};
