/* cmac.c: CMAC (SP 800-38B), whole and shortened. */
#include <openssl/core_names.h>

#include "ciphers.h"
#include "families.h"
#include "mac.h"

static enum hf_err begin(struct crypt *c)
{
	const EVP_CIPHER *cbc = cipher_find(c->key->ckk, c->key->value.n, BLOCK_CBC);
	OSSL_PARAM params[2];

	if (cbc == NULL)
		return HF_E_KEY_SIZE;
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER,
		(char *)(uintptr_t)EVP_CIPHER_get0_name(cbc), 0);
	params[1] = OSSL_PARAM_construct_end();
	return mac_begin(c, algs.cmac, params, cipher_block(c->key->ckk));
}

const struct family family_cmac = {
	.name = "cmac",
	.begin = begin,
	.update = mac_update,
	.finish = mac_finish,
	.bound = mac_bound,
	.end = kept_end,
	.copy = mac_copy,
};
