/* key.h: what a parsed key is inside src/crypto. */
#ifndef HF_KEY_H
#define HF_KEY_H

#include <stdatomic.h>

#include "alg.h"
#include "mech.h"
#include "pkcs11_numbers.h"

/* struct kept heads a family's prepared state (a context with the key already
 * in it) that its key keeps between two uses: preparing one costs more than
 * many an operation. */
struct kept {
	const struct mech *mech;
	enum verb verb;
	void (*drop)(struct kept *s); /* frees it */
};

#define KEPT_MAX 8

struct key_kind;
struct curve;

struct key {
	uint32_t cko, ckk;
	const struct key_kind *kind;
	size_t size;
	const struct curve *curve; /* CKK_EC, CKK_EC_EDWARDS, CKK_EC_MONTGOMERY */
	size_t half;               /* CKK_DSA: bytes of the subprime */
	const struct ml_set *set;  /* CKK_ML_DSA, CKK_ML_KEM, CKK_SLH_DSA */
	EVP_PKEY *pkey;            /* public and private keys */
	const struct parts *told;  /* of the public half, while a pair is put out; or NULL */
	struct hbs *hbs;           /* CKK_HSS, CKK_XMSS, CKK_XMSSMT */
	struct secret value;       /* secret keys */
	_Atomic(struct kept *) *kept; /* KEPT_MAX of them; behind a pointer, since
	                               * users hold a const key */
	atomic_uint *evict;
};

/* kept_take takes a state made for this mechanism and verb out of the key, or
 * returns NULL; kept_give puts one back for the next use (or frees it). */
struct kept *kept_take(const struct key *k, const struct mech *m, enum verb v);
void kept_give(const struct key *k, struct kept *s);

/* struct key_kind: what a key type has of its own. Every function gets a key
 * with cko, ckk and kind set. */
struct key_kind {
	uint32_t ckk;
	/* parse fills in the rest of k from components. */
	enum hf_err (*parse)(struct key *k, const struct key_source *s);
	/* check does the costlier checks of a key that somebody brings. */
	enum hf_err (*check)(const struct key *k);
	/* adopt takes over the reference to pkey; HF_E_WRAPPED_KEY: another type. */
	enum hf_err (*adopt)(struct key *k, EVP_PKEY *pkey);
	/* output puts all components into ret. */
	enum hf_err (*output)(const struct key *k, struct parts *ret);
};

extern const struct key_kind kind_otp, kind_rsa, kind_ec, kind_edwards, kind_montgomery, kind_ml_dsa,
	kind_ml_kem, kind_slh_dsa, kind_dsa, kind_dh, kind_hss, kind_xmss, kind_xmssmt;

/* key_adopt makes a key of pkey (whose reference it takes, also on failure). */
enum hf_err key_adopt(uint32_t cko, uint32_t ckk, EVP_PKEY *pkey, struct key **ret) HF_MUST_CHECK;

/* key_pair_output does what every key pair generation ends with: pairwise
 * consistency, then the components of both halves. Takes over pkey. */
enum hf_err key_pair_output(uint32_t ckk, EVP_PKEY *pkey, struct parts *pub, struct parts *priv)
	HF_MUST_CHECK;

/* key_pair_parts: the components of both halves, without a test; the reference to pkey stays the caller's. */
enum hf_err key_pair_parts(uint32_t ckk, EVP_PKEY *pkey, struct parts *pub, struct parts *priv)
	HF_MUST_CHECK;

/* key_half_output: the components of one half; the reference to pkey stays the caller's. */
enum hf_err key_half_output(uint32_t cko, uint32_t ckk, EVP_PKEY *pkey, struct parts *ret)
	HF_MUST_CHECK;

/* key_public_half: the components of the public key of a private one. */
enum hf_err key_public_half(const struct key *k, struct parts *ret) HF_MUST_CHECK;

/* key_pair_test: sign and verify, encapsulate and decapsulate, or agree with
 * the public half (FIPS 140-3 IG 10.3.A). */
enum hf_err key_pair_test(EVP_PKEY *pkey) HF_MUST_CHECK;
/* key_pair_agrees: the public key is the private one's, made anew (SP 800-56A §5.6.2.1.4). */
enum hf_err key_pair_agrees(EVP_PKEY *pkey) HF_MUST_CHECK;

/* --- reading components -------------------------------------------------- */

struct slice source_get(const struct key_source *s, uint32_t cka);
bool source_has(const struct key_source *s, uint32_t cka);
/* source_need: HF_E_TEMPLATE_INCOMPLETE if it is absent. */
enum hf_err source_need(const struct key_source *s, uint32_t cka, struct slice *ret) HF_MUST_CHECK;
enum hf_err source_u64(const struct key_source *s, uint32_t cka, uint64_t *ret) HF_MUST_CHECK;

/* --- writing components -------------------------------------------------- */

/* parts_put_bn writes a number of n bytes (0: as short as it goes). */
enum hf_err parts_put_bn(struct parts *p, uint32_t cka, const BIGNUM *bn, size_t n) HF_MUST_CHECK;
/* parts_put_octets copies the named octet-string parameter of pkey. */
enum hf_err parts_put_octets(struct parts *p, uint32_t cka, EVP_PKEY *pkey, const char *name)
	HF_MUST_CHECK;
/* parts_put_info writes CKA_PUBLIC_KEY_INFO. */
enum hf_err parts_put_info(struct parts *p, EVP_PKEY *pkey) HF_MUST_CHECK;
/* parts_put_spki does so for a key whose value lies in the BIT STRING as it is. algorithm: what
 * the AlgorithmIdentifier holds, in DER (RFC 5280 §4.1.2.7). */
enum hf_err parts_put_spki(struct parts *p, struct slice algorithm, struct slice value) HF_MUST_CHECK;
/* pkey_octets reads the named octet-string parameter. */
enum hf_err pkey_octets(EVP_PKEY *pkey, const char *name, struct secret *ret) HF_MUST_CHECK;

/* pkey_build makes a key of the named type from parameters. e: what it means
 * if they do not make a key. */
enum hf_err pkey_build(const char *type, bool priv, OSSL_PARAM_BLD *bld, enum hf_err e,
	EVP_PKEY **ret) HF_MUST_CHECK;

/* secret_output: what a secret key has besides its value. */
enum hf_err secret_output(uint32_t ckk, struct slice value, struct parts *ret) HF_MUST_CHECK;
/* secret_size_ok tells whether n bytes can be a key of that type. */
bool secret_size_ok(uint32_t ckk, size_t n);
/* secret_value_ok besides asks for the parity of DES keys. */
bool secret_value_ok(uint32_t ckk, struct slice value);
bool secret_known(uint32_t ckk);

#endif
