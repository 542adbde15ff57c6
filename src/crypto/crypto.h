/* crypto.h: the primitives that Holdfast itself needs. Only src/crypto includes
 * OpenSSL; nothing here shows its types. */
#ifndef HF_CRYPTO_H
#define HF_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "err.h"
#include "secret.h"

/* crypto_init gives OpenSSL the protected allocator and loads its providers.
 * Before any other use, before threads. */
enum hf_err crypto_init(void) HF_MUST_CHECK;

/* crypto_fips has crypto_init put OpenSSL's FIPS provider in force: module is its shared
 * object, config what 'openssl fipsinstall' wrote for it; "" or NULL: none. Before
 * crypto_init, which fails where it does not load or its self-tests fail: crypto_why says
 * why then. Both files are read there only. */
void crypto_fips(const char *module, const char *config);
bool crypto_is_fips(void);
const char *crypto_why(void);         /* "" unless the FIPS provider was refused */
const char *crypto_fips_version(void);/* "3.5.7"; "" where it is not in force */
/* crypto_alive: false once a test that the FIPS provider runs by itself has failed. */
bool crypto_alive(void);

/* crypto_version returns "OpenSSL 3.5.1 ...". */
const char *crypto_version(void);

#define CRYPTO_KEY 32  /* bytes of a symmetric key of ours */
#define CRYPTO_HASH 32 /* SHA-256 */
#define CRYPTO_SEAL_EXTRA (1 + 32 + 16) /* format, salt, tag */

/* SP 800-90A, private DRBG. HF_E_SELFTEST: a block came twice. */
enum hf_err crypto_random(uint8_t *out, size_t n) HF_MUST_CHECK;
/* crypto_stir mixes bytes from outside into the generators, as additional input (SP 800-90A
 * §9.3): whatever they are, no entropy is lost by them, and none is counted for them. */
enum hf_err crypto_stir(struct slice in) HF_MUST_CHECK;
enum hf_err crypto_sha256(struct slice in, uint8_t out[CRYPTO_HASH]) HF_MUST_CHECK;
/* crypto_sha256_2 hashes a followed by b. */
enum hf_err crypto_sha256_2(struct slice a, struct slice b, uint8_t out[CRYPTO_HASH]) HF_MUST_CHECK;
enum hf_err crypto_hmac(struct slice key, struct slice in, uint8_t out[CRYPTO_HASH]) HF_MUST_CHECK;

/* crypto_derive makes a key of ours from another: HKDF-SHA-256 (RFC 5869), no
 * salt, info = label || context. */
enum hf_err crypto_derive(struct slice key, const char *label, struct slice context,
	struct secret *ret) HF_MUST_CHECK;

/* crypto_seal encrypts AES-256-GCM under a key made for this one message:
 * out = 0x01 | salt 32 random | ciphertext | tag 16, where key and nonce are
 * HKDF-SHA-256(key, salt, "holdfast seal"): no nonce can repeat under one key.
 * aad is authenticated. Appends to out. */
enum hf_err crypto_seal(struct slice key, struct slice aad, struct slice plain, struct buf *out)
	HF_MUST_CHECK;
/* crypto_open: HF_E_DAMAGED unless sealed is what crypto_seal made with the
 * same key and aad. */
enum hf_err crypto_open(struct slice key, struct slice aad, struct slice sealed,
	struct secret *ret) HF_MUST_CHECK;

/* A key wrapped for whoever holds a private key: so that a new one can take its place
 * without him. crypto_kem_new makes a pair (X-Wing, xwing.h); crypto_kem_wrap
 * appends CRYPTO_KEM_WRAPPED bytes for a key of CRYPTO_KEY, with place authenticated.
 * crypto_kem_unwrap: HF_E_DAMAGED unless all of it belongs together. */
#define CRYPTO_KEM_PUBLIC 1216
#define CRYPTO_KEM_PRIVATE 32
#define CRYPTO_KEM_WRAPPED (1120 + CRYPTO_KEY + CRYPTO_SEAL_EXTRA)
enum hf_err crypto_kem_new(uint8_t pub[CRYPTO_KEM_PUBLIC], struct secret *ret) HF_MUST_CHECK;
enum hf_err crypto_kem_wrap(struct slice pub, struct slice place, struct slice key, struct buf *out)
	HF_MUST_CHECK;
enum hf_err crypto_kem_unwrap(struct slice private_, struct slice place, struct slice wrapped,
	struct secret *ret) HF_MUST_CHECK;

/* crypto_argon2id (RFC 9106) makes a 32-byte key from a PIN or passphrase. */
enum hf_err crypto_argon2id(struct slice pin, struct slice salt, uint32_t kib, uint32_t passes,
	struct secret *ret) HF_MUST_CHECK;
/* crypto_stretch is that, or where kib is 0 PBKDF2 (SP 800-132) with HMAC-SHA-256 and so
 * many passes. */
enum hf_err crypto_stretch(struct slice pin, struct slice salt, uint32_t kib, uint32_t passes,
	struct secret *ret) HF_MUST_CHECK;

/* Ed25519 (RFC 8032), for the audit log: seed 32 bytes. */
enum hf_err crypto_ed25519_public(struct slice seed, uint8_t out[32]) HF_MUST_CHECK;
enum hf_err crypto_ed25519_sign(struct slice seed, struct slice msg, uint8_t out[64]) HF_MUST_CHECK;
enum hf_err crypto_ed25519_verify(struct slice pub, struct slice msg, struct slice sig) HF_MUST_CHECK;

/* ML-DSA-65 (FIPS 204), for the audit log too: seed 32 bytes; no context. */
#define CRYPTO_ML_DSA65_PUBLIC 1952
#define CRYPTO_ML_DSA65_SIGNATURE 3309
enum hf_err crypto_ml_dsa65_public(struct slice seed, uint8_t out[CRYPTO_ML_DSA65_PUBLIC])
	HF_MUST_CHECK;
enum hf_err crypto_ml_dsa65_sign(struct slice seed, struct slice msg,
	uint8_t out[CRYPTO_ML_DSA65_SIGNATURE]) HF_MUST_CHECK;
enum hf_err crypto_ml_dsa65_verify(struct slice pub, struct slice msg, struct slice sig)
	HF_MUST_CHECK;

/* For sessions with a TPM (src/tpm): AES-128-CFB in place; and an ECDH agreement on P-256
 * with a key made for this once, whose public point (x, y) goes to own; *ret is x of the
 * shared point. HF_E_PUBLIC_KEY: peer is no point of the curve. */
enum hf_err crypto_aes128_cfb(const uint8_t key[16], const uint8_t iv[16], bool encrypt, uint8_t *p,
	size_t n) HF_MUST_CHECK;
enum hf_err crypto_p256_agree(const uint8_t peer[64], uint8_t own[64], struct secret *ret)
	HF_MUST_CHECK;

/* The conditional and the health tests of random bytes. crypto_blocks_new: no block of
 * 16 bytes of out is the one before it, nor the first one before. crypto_repetition_ok
 * (SP 800-90B §4.4.1) and crypto_proportion_ok (§4.4.2) judge the kernel's bytes. */
#define CRYPTO_BLOCK 16u
bool crypto_blocks_new(const uint8_t before[CRYPTO_BLOCK], struct slice out);
bool crypto_repetition_ok(struct slice s);
bool crypto_proportion_ok(struct slice s);

/* crypto_selftest runs the known-answer tests of each approved family and the
 * random source's health tests (SP 800-90B §4.4.1 repetition count, §4.4.2
 * adaptive proportion), calling report for each. False: one failed. The
 * environment variable HOLDFAST_TEST_FAIL_SELFTEST=NAME makes NAME fail (a
 * test hook that can only make things worse); "pair-wise" and "random-block" are the
 * conditional tests, of each new pair of keys and of crypto_random, "pair-wise-use" those of a pair that
 * use it. */
bool crypto_selftest(void (*report)(void *ctx, const char *name, bool ok), void *ctx);

#endif
