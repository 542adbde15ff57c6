/* aes_cmac.c: AES-CMAC (SP 800-38B), whole and shortened. */
#include <openssl/core_names.h>

#include "families.h"
#include "mac.h"

static enum hf_err begin(struct crypt *c)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER,
			(char *)(uintptr_t)aes_cbc_name(c->key->value.n), 0),
		OSSL_PARAM_construct_end(),
	};

	return mac_begin(c, algs.cmac, params, 16);
}

const struct family family_aes_cmac = {
	.name = "aes_cmac",
	.begin = begin,
	.update = mac_update,
	.finish = mac_finish,
	.bound = mac_bound,
	.end = kept_end,
};
