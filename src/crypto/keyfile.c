/* keyfile.c: see keyfile.h. OpenSSL's stores find out what a file is. */
#include "keyfile.h"

#include <string.h>

#include <openssl/pem.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509.h>

#include "crypto.h"
#include "key.h"

OSSL_CLEANUP(BIO, BIO_free)
OSSL_CLEANUP(OSSL_STORE_INFO, OSSL_STORE_INFO_free)
OSSL_CLEANUP(UI_METHOD, UI_destroy_method)

/* struct reading is one run of keyfile_read. */
struct reading {
	keyfile_ask ask;
	void *ctx;
	bool asked;
	struct keyfile *ret;
};

static const struct {
	const char *begins; /* OpenSSL's name of the type, or how it begins */
	uint32_t ckk;
} types[] = {
	{ "RSA", CKK_RSA }, { "EC", CKK_EC }, { "ED25519", CKK_EC_EDWARDS }, { "ED448", CKK_EC_EDWARDS },
	{ "X25519", CKK_EC_MONTGOMERY }, { "X448", CKK_EC_MONTGOMERY }, { "ML-DSA-", CKK_ML_DSA },
	{ "ML-KEM-", CKK_ML_KEM }, { "SLH-DSA-", CKK_SLH_DSA }, { "DSA", CKK_DSA }, { "DH", CKK_DH },
};

static enum hf_err type_of(EVP_PKEY *k, uint32_t *ret)
{
	const char *name = EVP_PKEY_get0_type_name(k);

	for (size_t i = 0; name != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		if (strncmp(name, types[i].begins, strlen(types[i].begins)) == 0) {
			*ret = types[i].ckk;
			return HF_OK;
		}
	return HF_E_ATTR_VALUE;
}

static enum hf_err item_new(struct keyfile *f, enum keyfile_kind kind, struct keyfile_item **ret)
{
	if (f->n == KEYFILE_ITEMS)
		return HF_E_LIMIT;
	*ret = &f->v[f->n++];
	(*ret)->kind = kind;
	return HF_OK;
}

static enum hf_err id_of(const EVP_PKEY *k, uint8_t ret[KEYFILE_ID])
{
	unsigned char *der = NULL;
	uint8_t hash[CRYPTO_HASH];
	int n = i2d_PUBKEY(k, &der);
	enum hf_err e = HF_E_KEYFILE;

	if (n > 0)
		e = crypto_sha256((struct slice){ der, (size_t)n }, hash);
	OPENSSL_free(der);
	if (e == HF_OK)
		memcpy(ret, hash, KEYFILE_ID);
	return e == HF_OK ? HF_OK : ossl_err(e);
}

static enum hf_err add_pair(struct keyfile *f, EVP_PKEY *k)
{
	struct keyfile_item *item;

	TRY(item_new(f, KEYFILE_PAIR, &item));
	TRY(type_of(k, &item->ckk));
	TRY(id_of(k, item->id));
	if (EVP_PKEY_up_ref(k) != 1)
		return ossl_err(HF_E_INTERNAL);
	return key_pair_output(item->ckk, k, &item->pub, &item->priv);
}

static enum hf_err add_public(struct keyfile *f, EVP_PKEY *k)
{
	struct keyfile_item *item;

	TRY(item_new(f, KEYFILE_PUBLIC, &item));
	TRY(type_of(k, &item->ckk));
	TRY(id_of(k, item->id));
	return key_half_output(CKO_PUBLIC_KEY, item->ckk, k, &item->pub);
}

/* put_der puts what an i2d function wrote. */
static enum hf_err put_der(struct parts *p, uint32_t cka, unsigned char *der, int n)
{
	enum hf_err e = n > 0 ? parts_put(p, cka, (struct slice){ der, (size_t)n }) : HF_E_KEYFILE;

	OPENSSL_free(der);
	return e == HF_OK ? HF_OK : ossl_err(e);
}

#define PUT_DER(p, cka, fn, what)                                              \
	do {                                                                   \
		unsigned char *der_ = NULL;                                    \
		int n_ = fn(what, &der_);                                      \
		TRY(put_der(p, cka, der_, n_));                                \
	} while (0)

static enum hf_err add_certificate(struct keyfile *f, X509 *x)
{
	struct keyfile_item *item;
	EVP_PKEY *k = X509_get0_pubkey(x);

	TRY(item_new(f, KEYFILE_CERTIFICATE, &item));
	PUT_DER(&item->pub, CKA_VALUE, i2d_X509, x);
	PUT_DER(&item->pub, CKA_SUBJECT, i2d_X509_NAME, X509_get_subject_name(x));
	PUT_DER(&item->pub, CKA_ISSUER, i2d_X509_NAME, X509_get_issuer_name(x));
	PUT_DER(&item->pub, CKA_SERIAL_NUMBER, i2d_ASN1_INTEGER, X509_get0_serialNumber(x));
	return k == NULL ? ossl_err(HF_E_KEYFILE) : id_of(k, item->id);
}

static enum hf_err add(struct keyfile *f, const OSSL_STORE_INFO *i)
{
	switch (OSSL_STORE_INFO_get_type(i)) {
	case OSSL_STORE_INFO_PKEY:
		return add_pair(f, OSSL_STORE_INFO_get0_PKEY(i));
	case OSSL_STORE_INFO_PUBKEY:
		return add_public(f, OSSL_STORE_INFO_get0_PUBKEY(i));
	case OSSL_STORE_INFO_CERT:
		return add_certificate(f, OSSL_STORE_INFO_get0_CERT(i));
	default: /* parameters of a curve, a revocation list */
		return HF_OK;
	}
}

/* passphrase is OpenSSL's callback: -1 for none. */
static int passphrase(char *out, int max, int writing, void *ctx)
{
	CLEANUP(secret_done) struct secret s = { 0 };
	struct reading *r = ctx;

	(void)writing;
	r->asked = true;
	if (r->ask == NULL || !r->ask(r->ctx, &s) || s.n > (size_t)max)
		return -1;
	memcpy(out, s.p, s.n);
	return (int)s.n;
}

static enum hf_err read_all(struct reading *r, OSSL_STORE_CTX *store)
{
	while (OSSL_STORE_eof(store) == 0) {
		CLEANUP(OSSL_STORE_INFO_free_p) OSSL_STORE_INFO *i = OSSL_STORE_load(store);

		if (i == NULL && OSSL_STORE_error(store) != 0)
			return ossl_err(r->asked ? HF_E_KEYFILE_KEY : HF_E_KEYFILE);
		if (i != NULL)
			TRY(add(r->ret, i));
	}
	if (r->ret->n == 0)
		return ossl_err(r->asked ? HF_E_KEYFILE_KEY : HF_E_KEYFILE);
	return HF_OK;
}

static int close_store(OSSL_STORE_CTX *s)
{
	return s == NULL ? 1 : OSSL_STORE_close(s);
}

OSSL_CLEANUP(OSSL_STORE_CTX, close_store)

enum hf_err keyfile_read(struct slice file, keyfile_ask ask, void *ctx, struct keyfile *ret)
{
	struct reading r = { .ask = ask, .ctx = ctx, .ret = ret };
	CLEANUP(BIO_free_p) BIO *bio = NULL;
	CLEANUP(UI_destroy_method_p) UI_METHOD *ui = UI_UTIL_wrap_read_pem_callback(passphrase, 0);
	CLEANUP(close_store_p) OSSL_STORE_CTX *store = NULL;

	if (file.n == 0 || file.n > KEYFILE_MAX)
		return HF_E_KEYFILE;
	bio = BIO_new_mem_buf(file.p, (int)file.n);
	if (bio == NULL || ui == NULL)
		return ossl_err(HF_E_MEMORY);
	store = OSSL_STORE_attach(bio, "file", NULL, NULL, ui, &r, NULL, NULL, NULL);
	return store == NULL ? ossl_err(HF_E_KEYFILE) : read_all(&r, store);
}

void keyfile_done(struct keyfile *f)
{
	for (size_t i = 0; i < f->n; i++) {
		parts_done(&f->v[i].pub);
		parts_done(&f->v[i].priv);
	}
	f->n = 0;
}

enum hf_err keyfile_write(const char *label, struct slice der, struct buf *out)
{
	CLEANUP(BIO_free_p) BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	long n;

	if (bio == NULL)
		return ossl_err(HF_E_MEMORY);
	if (PEM_write_bio(bio, label, "", der.p, (long)der.n) <= 0)
		return ossl_err(HF_E_INTERNAL);
	n = BIO_get_mem_data(bio, &p);
	buf_raw(out, (struct slice){ (const uint8_t *)p, (size_t)n });
	return buf_err(out);
}

enum hf_err keyfile_aes_cbc(struct slice key, struct slice iv, struct slice in, struct secret *ret)
{
	CLEANUP(EVP_CIPHER_CTX_free_p) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	CLEANUP(secret_done) struct secret s = { 0 };
	int n, last;

	if (c == NULL)
		return ossl_err(HF_E_MEMORY);
	if (key.n != 32 || iv.n != 16 || in.n == 0 || in.n % 16 != 0 || in.n > KEYFILE_MAX)
		return HF_E_KEYFILE_KEY;
	TRY(secret_alloc(&s, in.n + 16));
	OSSL_TRY(EVP_DecryptInit_ex(c, EVP_aes_256_cbc(), NULL, key.p, iv.p), HF_E_INTERNAL);
	OSSL_TRY(EVP_DecryptUpdate(c, s.p, &n, in.p, (int)in.n), HF_E_KEYFILE_KEY);
	OSSL_TRY(EVP_DecryptFinal_ex(c, s.p + n, &last), HF_E_KEYFILE_KEY);
	secret_cut(&s, (size_t)n + (size_t)last);
	*ret = secret_take(&s);
	return HF_OK;
}
