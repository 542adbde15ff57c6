/* parts.c: components of keys, read from a source and collected for the engine. */
#include <openssl/x509.h>

#include "der.h"
#include "key.h"

enum hf_err parts_put(struct parts *p, uint32_t cka, struct slice value)
{
	if (p->n == PARTS_MAX)
		return HF_E_INTERNAL;
	TRY(secret_dup(value, &p->v[p->n].value));
	p->v[p->n++].cka = cka;
	return HF_OK;
}

enum hf_err parts_put_u64(struct parts *p, uint32_t cka, uint64_t value)
{
	uint8_t b[8];

	put_u64(b, value);
	return parts_put(p, cka, SLICE_OF(b));
}

struct slice parts_get(const struct parts *p, uint32_t cka)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].cka == cka)
			return secret_slice(&p->v[i].value);
	return SLICE_NONE;
}

void parts_done(struct parts *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n; i++)
		secret_done(&p->v[i].value);
	p->n = 0;
}

struct slice source_get(const struct key_source *s, uint32_t cka)
{
	return s == NULL ? SLICE_NONE : s->get(s->ctx, cka);
}

bool source_has(const struct key_source *s, uint32_t cka)
{
	return source_get(s, cka).p != NULL;
}

enum hf_err source_need(const struct key_source *s, uint32_t cka, struct slice *ret)
{
	struct slice v = source_get(s, cka);

	if (v.p == NULL)
		return HF_E_TEMPLATE_INCOMPLETE;
	*ret = v;
	return HF_OK;
}

enum hf_err source_u64(const struct key_source *s, uint32_t cka, uint64_t *ret)
{
	struct slice v;

	TRY(source_need(s, cka, &v));
	if (v.n != 8)
		return HF_E_ATTR_VALUE;
	*ret = get_u64(v.p);
	return HF_OK;
}

enum hf_err parts_put_bn(struct parts *p, uint32_t cka, const BIGNUM *bn, size_t n)
{
	CLEANUP(secret_done) struct secret v = { 0 };

	if (n == 0)
		n = (size_t)BN_num_bytes(bn);
	TRY(secret_alloc(&v, n == 0 ? 1 : n));
	if (BN_bn2binpad(bn, v.p, (int)v.n) < 0)
		return ossl_err(HF_E_INTERNAL);
	return parts_put(p, cka, secret_slice(&v));
}

enum hf_err pkey_octets(EVP_PKEY *pkey, const char *name, struct secret *ret)
{
	CLEANUP(secret_done) struct secret v = { 0 };
	size_t n = 0;

	OSSL_TRY(EVP_PKEY_get_octet_string_param(pkey, name, NULL, 0, &n), HF_E_INTERNAL);
	TRY(secret_alloc(&v, n));
	OSSL_TRY(EVP_PKEY_get_octet_string_param(pkey, name, v.p, v.n, &n), HF_E_INTERNAL);
	secret_cut(&v, n);
	*ret = secret_take(&v);
	return HF_OK;
}

enum hf_err parts_put_octets(struct parts *p, uint32_t cka, EVP_PKEY *pkey, const char *name)
{
	CLEANUP(secret_done) struct secret v = { 0 };

	TRY(pkey_octets(pkey, name, &v));
	return parts_put(p, cka, secret_slice(&v));
}

enum hf_err parts_put_info(struct parts *p, EVP_PKEY *pkey)
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(pkey, &der);
	enum hf_err e;

	if (n <= 0)
		return ossl_err(HF_E_INTERNAL);
	e = parts_put(p, CKA_PUBLIC_KEY_INFO, (struct slice){ der, (size_t)n });
	OPENSSL_free(der);
	return e;
}

/* SEQUENCE { SEQUENCE { algorithm }, BIT STRING { value } } */
enum hf_err parts_put_spki(struct parts *p, struct slice algorithm, struct slice value)
{
	CLEANUP(buf_done) struct buf key = BUF_MAX(512), all = BUF_MAX(1024);

	der_head(&key, DER_SEQUENCE, algorithm.n);
	buf_raw(&key, algorithm);
	der_head(&key, DER_BIT_STRING, value.n + 1);
	buf_u8(&key, 0);
	buf_raw(&key, value);
	der_head(&all, DER_SEQUENCE, key.n);
	buf_raw(&all, buf_slice(&key));
	TRY(buf_err(&all));
	return parts_put(p, CKA_PUBLIC_KEY_INFO, buf_slice(&all));
}
