/* password.c: secret keys made from a password: PBKDF2 (PKCS#5 v2.1; PKCS#11 3.2
 * §6.36), its older PBKDF1, and the way of PKCS#12 (RFC 7292, appendix B; §6.37). */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/pkcs12.h>

#include "families.h"
#include "family.h"

#define ITERATIONS_MAX (1u << 27) /* minutes of work */
#define PASSWORD_MAX 65536
#define PKCS12_KEY_ID 1 /* RFC 7292, appendix B.3 */
#define PKCS12_IV_ID 2
#define PKCS12_MAC_ID 3
#define PBE_IV 8 /* bytes */

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

enum hf_err pbkdf2(const struct hash *h, struct slice password, struct slice salt, uint64_t iterations,
	struct secret *out)
{
	CLEANUP(EVP_KDF_CTX_free_p) EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(algs.pbkdf2);
	int any_size = 1; /* else SP 800-132's least sizes hold */
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
			(char *)(uintptr_t)h->name, 0),
		octets(OSSL_KDF_PARAM_PASSWORD, password),
		octets(OSSL_KDF_PARAM_SALT, salt),
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

/* pkcs12_part: one of the values that RFC 7292, appendix B.2 makes. */
static enum hf_err pkcs12_part(const struct job *j, int id, struct secret *out)
{
	OSSL_TRY(PKCS12_key_gen_utf8_ex((const char *)j->password.p, (int)j->password.n,
			 (unsigned char *)(uintptr_t)j->salt.p, (int)j->salt.n, id,
			 (int)j->iterations, (int)out->n, out->p, j->hash->md, NULL, NULL),
		HF_E_MECHANISM_PARAM);
	return HF_OK;
}

static enum hf_err pkcs12_mac(const struct job *j, struct secret *key, struct secret *iv)
{
	(void)iv;
	return pkcs12_part(j, PKCS12_MAC_ID, key);
}

static enum hf_err pkcs12(const struct job *j, struct secret *key, struct secret *iv)
{
	TRY(secret_alloc(iv, PBE_IV));
	TRY(pkcs12_part(j, PKCS12_KEY_ID, key));
	return pkcs12_part(j, PKCS12_IV_ID, iv);
}

/* pbkdf1 (RFC 8018 §5.1): the digest of password and salt, again and again; its first
 * half is the key, its second the IV (§6.1). */
static enum hf_err pbkdf1(const struct job *j, struct secret *key, struct secret *iv)
{
	struct slice part[] = { j->password, j->salt };
	uint8_t t[EVP_MAX_MD_SIZE];
	enum hf_err e = hash_once(j->hash, part, 2, t);

	for (uint64_t i = 1; e == HF_OK && i < j->iterations; i++)
		e = hash_once(j->hash, &(struct slice){ t, j->hash->n }, 1, t);
	if (e == HF_OK)
		e = secret_alloc(iv, PBE_IV);
	if (e == HF_OK) {
		memcpy(key->p, t, key->n);
		memcpy(iv->p, t + key->n, iv->n);
	}
	secret_wipe(t, sizeof(t));
	return e;
}

/* The ways of CK_PBE_PARAMS, by the row's argument. */
static const struct {
	const char *name, *hash;
	enum hf_err (*run)(const struct job *j, struct secret *key, struct secret *iv);
} ways[] = {
	{ "pkcs12-mac", "SHA1", pkcs12_mac },
	{ "pkcs12", "SHA1", pkcs12 },
	{ "pbkdf1", "MD5", pbkdf1 },
};

static enum hf_err pbe(const struct mech *m, const struct param_pbe *p, struct secret *key,
	struct secret *iv)
{
	struct job j = { p->password, p->salt, p->iterations, NULL };
	size_t i = 0;

	while (strcmp(ways[i].name, m->arg) != 0)
		i++;
	j.hash = hash_by_name(ways[i].hash);
	TRY(check(&j));
	return ways[i].run(&j, key, iv);
}

/* length: what the template says, or the only one that the type or mechanism has. */
static enum hf_err length(const struct mech *m, const struct key_source *tmpl, uint32_t *ret_ckk,
	size_t *ret)
{
	uint64_t ckk = m->key, n = m->min;

	if (m->param != PARAM_PBE) {
		TRY(source_u64(tmpl, CKA_KEY_TYPE, &ckk));
		n = key_only_size((uint32_t)ckk);
	}
	if (source_has(tmpl, CKA_VALUE_LEN) || n == 0)
		TRY(source_u64(tmpl, CKA_VALUE_LEN, &n));
	if (n > SIZE_MAX || !secret_size_ok((uint32_t)ckk, (size_t)n) ||
	    (m->param == PARAM_PBE && n != m->min))
		return HF_E_ATTR_VALUE;
	*ret_ckk = (uint32_t)ckk;
	*ret = (size_t)n;
	return HF_OK;
}

static enum hf_err run(const struct mech *m, const struct params *p, struct secret *key,
	struct secret *iv)
{
	struct job j;

	if (p->id == PARAM_PBE)
		return pbe(m, &p->u.pbe, key, iv);
	TRY(pbkdf2_job(&p->u.pbkd2, &j));
	return pbkdf2(j.hash, j.password, j.salt, j.iterations, key);
}

static enum hf_err generate(const struct mech *m, const struct params *p,
	const struct key_source *pub_tmpl, const struct key_source *tmpl, struct parts *pub,
	struct parts *priv)
{
	CLEANUP(secret_done) struct secret v = { 0 };
	CLEANUP(secret_done) struct secret iv = { 0 };
	uint32_t ckk;
	size_t n;

	(void)pub_tmpl;
	TRY(length(m, tmpl, &ckk, &n));
	TRY(secret_alloc(&v, n));
	TRY(run(m, p, &v, &iv));
	TRY(key_fit(ckk, &v));
	if (iv.n > 0)
		TRY(parts_put(pub, PARTS_TOLD, secret_slice(&iv)));
	TRY(parts_put(priv, CKA_VALUE, secret_slice(&v)));
	return secret_output(ckk, secret_slice(&v), priv);
}

const struct family family_password = { .name = "password", .generate = generate };
