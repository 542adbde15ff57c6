/* password.c: secret keys made from a password: PBKDF2 (PKCS#5 v2.1; PKCS#11 3.2
 * §6.36) and the way of PKCS#12 (RFC 7292, appendix B; §6.37). */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/pkcs12.h>

#include "families.h"
#include "family.h"

#define ITERATIONS_MAX (1u << 27) /* minutes of work */
#define PASSWORD_MAX 65536
#define PKCS12_MAC_ID 3 /* RFC 7292, appendix B.3 */
#define PKCS12_MAC_KEY 20

struct job {
	struct slice password, salt;
	uint64_t iterations;
	const struct hash *hash;
};

static const struct {
	uint64_t prf;
	const char *hash;
} prfs[] = {
	{ CKP_PKCS5_PBKD2_HMAC_SHA1, "SHA1" },
	{ CKP_PKCS5_PBKD2_HMAC_SHA224, "SHA224" },
	{ CKP_PKCS5_PBKD2_HMAC_SHA256, "SHA256" },
	{ CKP_PKCS5_PBKD2_HMAC_SHA384, "SHA384" },
	{ CKP_PKCS5_PBKD2_HMAC_SHA512, "SHA512" },
	{ CKP_PKCS5_PBKD2_HMAC_SHA512_224, "SHA512-224" },
	{ CKP_PKCS5_PBKD2_HMAC_SHA512_256, "SHA512-256" },
};

static enum hf_err check(const struct job *j)
{
	if (j->hash == NULL || j->iterations == 0 || j->iterations > ITERATIONS_MAX ||
	    j->password.n > PASSWORD_MAX || j->salt.n > PASSWORD_MAX)
		return HF_E_MECHANISM_PARAM;
	return HF_OK;
}

static OSSL_PARAM octets(const char *name, struct slice v)
{
	return OSSL_PARAM_construct_octet_string(name,
		v.n == 0 ? (void *)(uintptr_t) "" : (void *)(uintptr_t)v.p, v.n);
}

static enum hf_err pbkdf2(const struct job *j, struct secret *out)
{
	CLEANUP(EVP_KDF_CTX_free_p) EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(algs.pbkdf2);
	uint64_t iterations = j->iterations;
	int any_size = 1; /* else SP 800-132's least sizes hold */
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
			(char *)(uintptr_t)j->hash->name, 0),
		octets(OSSL_KDF_PARAM_PASSWORD, j->password),
		octets(OSSL_KDF_PARAM_SALT, j->salt),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_ITER, &iterations),
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_PKCS5, &any_size),
		OSSL_PARAM_construct_end(),
	};

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_KDF_derive(ctx, out->p, out->n, params), HF_E_MECHANISM_PARAM);
	return HF_OK;
}

static enum hf_err pbkdf2_job(const struct param_pbkd2 *p, struct job *ret)
{
	*ret = (struct job){ .password = p->password, .salt = p->salt,
		.iterations = p->iterations };
	if (p->source != CKZ_SALT_SPECIFIED || p->prf_data.n != 0)
		return HF_E_MECHANISM_PARAM;
	for (size_t i = 0; i < sizeof(prfs) / sizeof(prfs[0]); i++)
		if (prfs[i].prf == p->prf)
			ret->hash = hash_by_name(prfs[i].hash);
	return check(ret);
}

static enum hf_err pkcs12(const struct job *j, struct secret *out)
{
	OSSL_TRY(PKCS12_key_gen_utf8_ex((const char *)j->password.p, (int)j->password.n,
			 (unsigned char *)(uintptr_t)j->salt.p, (int)j->salt.n, PKCS12_MAC_ID,
			 (int)j->iterations, (int)out->n, out->p, j->hash->md, NULL, NULL),
		HF_E_MECHANISM_PARAM);
	return HF_OK;
}

/* length: what the template says, or the only one that the type has. */
static enum hf_err length(const struct mech *m, const struct key_source *tmpl, uint32_t *ret_ckk,
	size_t *ret)
{
	uint64_t ckk = m->key, n;

	if (m->param == PARAM_PBE) {
		n = PKCS12_MAC_KEY;
	} else {
		TRY(source_u64(tmpl, CKA_KEY_TYPE, &ckk));
		n = key_only_size((uint32_t)ckk);
	}
	if (source_has(tmpl, CKA_VALUE_LEN) || n == 0)
		TRY(source_u64(tmpl, CKA_VALUE_LEN, &n));
	if (n > SIZE_MAX || !secret_size_ok((uint32_t)ckk, (size_t)n) ||
	    (m->param == PARAM_PBE && n != PKCS12_MAC_KEY))
		return HF_E_ATTR_VALUE;
	*ret_ckk = (uint32_t)ckk;
	*ret = (size_t)n;
	return HF_OK;
}

static enum hf_err run(const struct params *p, struct secret *out)
{
	struct job j;

	if (p->id == PARAM_PBKD2) {
		TRY(pbkdf2_job(&p->u.pbkd2, &j));
		return pbkdf2(&j, out);
	}
	j = (struct job){ p->u.pbe.password, p->u.pbe.salt, p->u.pbe.iterations,
		hash_by_name("SHA1") };
	TRY(check(&j));
	return pkcs12(&j, out);
}

static enum hf_err generate(const struct mech *m, const struct params *p,
	const struct key_source *pub_tmpl, const struct key_source *tmpl, struct parts *pub,
	struct parts *priv)
{
	CLEANUP(secret_done) struct secret v = { 0 };
	uint32_t ckk;
	size_t n;

	(void)pub_tmpl;
	(void)pub;
	TRY(length(m, tmpl, &ckk, &n));
	TRY(secret_alloc(&v, n));
	TRY(run(p, &v));
	TRY(key_fit(ckk, &v));
	TRY(parts_put(priv, CKA_VALUE, secret_slice(&v)));
	return secret_output(ckk, secret_slice(&v), priv);
}

const struct family family_password = { .name = "password", .generate = generate };
