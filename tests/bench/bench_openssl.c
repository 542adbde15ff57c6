/* bench_openssl WORK THREADS SECONDS: the same work with OpenSSL's EVP and the key
 * in the process: what an isolated HSM is measured against. */
#include "run.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct work {
	const char *name;
	const char *type; /* of EVP_PKEY_Q_keygen; NULL: no key pair */
	const char *curve;
	size_t bits;
	const char *digest; /* of the signature */
	size_t data;
	enum { SIGN, SIGN_RAW, VERIFY, HMAC, DIGEST, GCM, GENERATE, RANDOM } what;
};

static const struct work works[] = {
	{ "rsa2048-sign", "RSA", NULL, 2048, "SHA256", 32, SIGN },
	{ "rsa4096-sign", "RSA", NULL, 4096, "SHA256", 32, SIGN },
	{ "p256-sign", "EC", "P-256", 0, NULL, 32, SIGN_RAW },
	{ "p384-sign", "EC", "P-384", 0, NULL, 48, SIGN_RAW },
	{ "ed25519-sign", "ED25519", NULL, 0, NULL, 32, SIGN },
	{ "mldsa65-sign", "ML-DSA-65", NULL, 0, NULL, 32, SIGN },
	{ "p256-verify", "EC", "P-256", 0, NULL, 32, VERIFY },
	{ "hmac-32", NULL, NULL, 0, "SHA256", 32, HMAC },
	{ "sha256-1k", NULL, NULL, 0, "SHA256", 1024, DIGEST },
	{ "aes-gcm-16", NULL, NULL, 0, NULL, 16, GCM },
	{ "aes-gcm-256", NULL, NULL, 0, NULL, 256, GCM },
	{ "aes-gcm-1k", NULL, NULL, 0, NULL, 1024, GCM },
	{ "aes-gcm-4k", NULL, NULL, 0, NULL, 4096, GCM },
	{ "aes-gcm-16k", NULL, NULL, 0, NULL, 16384, GCM },
	{ "aes-gcm-64k", NULL, NULL, 0, NULL, 65536, GCM },
	{ "aes-gcm-256k", NULL, NULL, 0, NULL, 262144, GCM },
	{ "aes-gcm-1m", NULL, NULL, 0, NULL, 1048576, GCM },
	{ "p256-generate", "EC", "P-256", 0, NULL, 0, GENERATE },
	{ "random-32", NULL, NULL, 0, NULL, 32, RANDOM },
};

static EVP_PKEY *generate(const struct work *w)
{
	if (w->bits != 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, w->type, w->bits);
	if (w->curve != NULL)
		return EVP_PKEY_Q_keygen(NULL, NULL, w->type, w->curve);
	return EVP_PKEY_Q_keygen(NULL, NULL, w->type);
}

struct shared {
	const struct work *work;
	EVP_PKEY *key;
	unsigned char signature[256];
	size_t signature_len;
};

struct state {
	struct shared *shared;
	unsigned char *data, *out;
	size_t max;
	EVP_MD_CTX *md;
	EVP_PKEY_CTX *pkey; /* prepared once, as a good application does */
	EVP_CIPHER_CTX *cipher;
	EVP_MAC *mac;
	EVP_MAC_CTX *mac_ctx;
};

static const unsigned char key32[32] = { 1 };

static void *start(void *arg)
{
	struct shared *sh = arg;
	struct state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->shared = sh;
	s->max = sh->work->data + 8192;
	s->data = malloc(s->max);
	s->out = malloc(s->max);
	if (s->data == NULL || s->out == NULL)
		return NULL;
	memset(s->data, 0x5a, s->max);
	s->md = EVP_MD_CTX_new();
	s->cipher = EVP_CIPHER_CTX_new();
	s->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	s->mac_ctx = EVP_MAC_CTX_new(s->mac);
	if (sh->work->what == SIGN_RAW || sh->work->what == VERIFY) {
		s->pkey = EVP_PKEY_CTX_new(sh->key, NULL);
		if (sh->work->what == SIGN_RAW)
			EVP_PKEY_sign_init(s->pkey);
		else
			EVP_PKEY_verify_init(s->pkey);
	}
	if (sh->work->what == GCM)
		EVP_EncryptInit_ex(s->cipher, EVP_aes_256_gcm(), NULL, key32, NULL);
	return s;
}

static void stop(void *arg)
{
	struct state *s = arg;

	EVP_MD_CTX_free(s->md);
	EVP_PKEY_CTX_free(s->pkey);
	EVP_CIPHER_CTX_free(s->cipher);
	EVP_MAC_CTX_free(s->mac_ctx);
	EVP_MAC_free(s->mac);
	free(s->data);
	free(s->out);
	free(s);
}

static bool once_sign(void *arg)
{
	struct state *s = arg;
	size_t n = s->max;

	return EVP_DigestSignInit_ex(s->md, NULL, s->shared->work->digest, NULL, NULL,
		       s->shared->key, NULL) == 1 &&
	       EVP_DigestSign(s->md, s->out, &n, s->data, s->shared->work->data) == 1;
}

static bool once_sign_raw(void *arg)
{
	struct state *s = arg;
	size_t n = s->max;

	return EVP_PKEY_sign(s->pkey, s->out, &n, s->data, s->shared->work->data) == 1;
}

static bool once_verify(void *arg)
{
	struct state *s = arg;

	return EVP_PKEY_verify(s->pkey, s->shared->signature, s->shared->signature_len, s->data,
		       s->shared->work->data) == 1;
}

static bool once_hmac(void *arg)
{
	struct state *s = arg;
	size_t n;
	OSSL_PARAM p[] = { OSSL_PARAM_construct_utf8_string("digest", (char *)(uintptr_t)"SHA256", 0),
		OSSL_PARAM_construct_end() };

	return EVP_MAC_init(s->mac_ctx, key32, sizeof(key32), p) == 1 &&
	       EVP_MAC_update(s->mac_ctx, s->data, s->shared->work->data) == 1 &&
	       EVP_MAC_final(s->mac_ctx, s->out, &n, s->max) == 1;
}

static bool once_digest(void *arg)
{
	struct state *s = arg;

	return EVP_DigestInit_ex(s->md, EVP_sha256(), NULL) == 1 &&
	       EVP_DigestUpdate(s->md, s->data, s->shared->work->data) == 1 &&
	       EVP_DigestFinal_ex(s->md, s->out, NULL) == 1;
}

static bool once_gcm(void *arg)
{
	struct state *s = arg;
	static const unsigned char iv[12] = { 1 };
	int n;

	return EVP_EncryptInit_ex(s->cipher, NULL, NULL, NULL, iv) == 1 &&
	       EVP_EncryptUpdate(s->cipher, s->out, &n, s->data, (int)s->shared->work->data) == 1 &&
	       EVP_EncryptFinal_ex(s->cipher, s->out, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_AEAD_GET_TAG, 16, s->out) == 1;
}

static bool once_generate(void *arg)
{
	struct state *s = arg;
	EVP_PKEY *k = generate(s->shared->work);

	EVP_PKEY_free(k);
	return k != NULL;
}

static bool once_random(void *arg)
{
	struct state *s = arg;

	return RAND_priv_bytes(s->out, (int)s->shared->work->data) == 1;
}

static void prepare_verify(struct shared *sh)
{
	unsigned char data[64];
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(sh->key, NULL);

	memset(data, 0x5a, sizeof(data));
	sh->signature_len = sizeof(sh->signature);
	EVP_PKEY_sign_init(c);
	EVP_PKEY_sign(c, sh->signature, &sh->signature_len, data, sh->work->data);
	EVP_PKEY_CTX_free(c);
}

int main(int argc, char **argv)
{
	static bool (*const once[])(void *) = { once_sign, once_sign_raw, once_verify, once_hmac,
		once_digest, once_gcm, once_generate, once_random };
	struct shared sh = { 0 };

	if (argc != 4) {
		fprintf(stderr, "usage: bench_openssl WORK THREADS SECONDS\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
		if (strcmp(works[i].name, argv[1]) == 0)
			sh.work = &works[i];
	if (sh.work == NULL)
		return 2;
	if (sh.work->type != NULL && sh.work->what != GENERATE)
		sh.key = generate(sh.work);
	if (sh.work->what == VERIFY)
		prepare_verify(&sh);
	struct bench_work w = { start, once[sh.work->what], stop, &sh };
	unsigned threads = (unsigned)atoi(argv[2]);
	if (threads < 1 || threads > BENCH_THREADS_MAX)
		return 2;
	struct bench_result r = bench_run(&w, threads, atof(argv[3]));
	printf("[{\"work\":\"%s\",\"threads\":%u,\"per_second\":%.1f,\"p50_us\":%.2f,\"p99_us\":%.2f}]\n",
		sh.work->name, threads, r.per_second, r.p50_us, r.p99_us);
	EVP_PKEY_free(sh.key);
	return r.ok ? 0 : 1;
}
