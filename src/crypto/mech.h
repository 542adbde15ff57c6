/* mech.h: mechanisms as rows, families as vtables, keys as parsed objects.
 *
 * A row (spec/mechanisms/FAMILY.def) says everything about a mechanism; the
 * engine in src/hsm reads it; the family's functions do the work. Nothing else
 * in Holdfast knows a mechanism by name. */
#ifndef HF_MECH_H
#define HF_MECH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "err.h"
#include "params.h"
#include "secret.h"

/* --- keys --------------------------------------------------------------- */

/* struct key_source reads components of a key (or of a template) by attribute:
 * CKA_MODULUS, CKA_VALUE, CKA_EC_PARAMS, ... An absent attribute is p NULL.
 * Numbers are u64 big-endian, booleans one byte, the rest as PKCS#11 has it. */
struct key_source {
	struct slice (*get)(const void *ctx, uint32_t cka);
	const void *ctx;
};

/* struct parts collects components that crypto makes: generated keys, missing
 * components of an imported key. Owned bytes in protected memory. */
#define PARTS_MAX 24
#define PARTS_TOLD 0xfffffff0u /* no attribute: bytes for the caller, an IV */
struct part {
	uint32_t cka;
	struct secret value;
};
struct parts {
	struct part v[PARTS_MAX];
	size_t n;
};
enum hf_err parts_put(struct parts *p, uint32_t cka, struct slice value) HF_MUST_CHECK;
enum hf_err parts_put_u64(struct parts *p, uint32_t cka, uint64_t value) HF_MUST_CHECK;
struct slice parts_get(const struct parts *p, uint32_t cka);
void parts_done(struct parts *p);

/* struct key is a parsed key, ready for use by any thread at once. */
struct key;

/* key_parse makes a key from an object's components. HF_E_ATTR_VALUE: they do
 * not make a key; HF_E_CURVE, HF_E_PUBLIC_KEY, ... where the standard has a
 * better word. cko: CKO_PUBLIC_KEY, CKO_PRIVATE_KEY or CKO_SECRET_KEY. */
enum hf_err key_parse(uint32_t cko, uint32_t ckk, const struct key_source *s, struct key **ret)
	HF_MUST_CHECK;
void key_free(struct key *k); /* NULL-safe */
/* key_size: bits of the modulus, field or group; bytes of a secret key. */
size_t key_size(const struct key *k);
uint32_t key_type(const struct key *k); /* CKK_ */
uint32_t key_class(const struct key *k); /* CKO_ */

/* key_import checks the components that somebody brings for an object of this
 * class and type (sizes, points on the curve, p*q = n, ...) and puts into extra
 * what the object should have besides or instead: CRT components of an RSA key
 * given without, CKA_PUBLIC_KEY_INFO (DER SubjectPublicKeyInfo), CKA_EC_POINT as
 * DER OCTET STRING, CKA_VALUE_LEN, CKA_CHECK_VALUE, CKA_MODULUS_BITS, the
 * expanded value of an ML key given as seed, ... */
enum hf_err key_import(uint32_t cko, uint32_t ckk, const struct key_source *s,
	struct parts *extra) HF_MUST_CHECK;

/* key_only_size: the bytes of every secret key of that type; 0: there are several. */
size_t key_only_size(uint32_t ckk);
/* key_fit makes a key of that type of random or derived bytes: cut to its only size,
 * DES's parity bits set. HF_E_KEY_SIZE: they are too few. */
enum hf_err key_fit(uint32_t ckk, struct secret *v) HF_MUST_CHECK;

/* key_encode gives a key's plaintext for wrapping: a secret key's value, or the
 * PKCS#8 PrivateKeyInfo of a private key (PKCS#11 3.2 §6.7). key_decode is the
 * way back: parts of an object of class cko and type ckk; HF_E_WRAPPED_KEY if it
 * is no such key. */
enum hf_err key_encode(const struct key *k, struct secret *ret) HF_MUST_CHECK;
enum hf_err key_decode(uint32_t cko, uint32_t ckk, struct slice plain, struct parts *ret)
	HF_MUST_CHECK;

/* --- mechanisms --------------------------------------------------------- */

/* Flags of a row. */
enum mech_flag {
	MECH_APPROVED = 1,   /* allowed in FIPS-approved mode */
	MECH_LEGACY = 2,     /* only where the partition's policy allows legacy */
	MECH_NO_MULTI = 4,   /* single-part only by the standard; the engine gathers */
	MECH_PUBLIC_DATA = 8,/* derive: result is data rather than a key */
	MECH_INHERIT = 16,   /* derive: the result is no less sensitive than its base key */
	MECH_DOMAIN = 32,    /* generate: domain parameters rather than a key */
	MECH_OTP = 128,      /* its keys are CKO_OTP_KEY; each signature counts */
	MECH_OWN = 256,      /* Holdfast's own code over OpenSSL's primitives does it */
	MECH_ONE_TIME = 64,  /* each signature uses up a one-time key of its own */
};

/* CKK_ values of rows that take more than one type. */
#define CKK_ANY_SECRET 0xfffffff0u /* any CKO_SECRET_KEY */
#define CKK_ANY_PRIVATE 0xfffffff2u /* any CKO_PRIVATE_KEY */
#define CKK_NONE 0xfffffff1u       /* no key: digests, generation without type */

struct family;

struct mech {
	uint32_t type; /* CKM_ */
	const char *name; /* "CKM_SHA256_RSA_PKCS" */
	uint32_t ops; /* CKF_ENCRYPT, ... as in CK_MECHANISM_INFO */
	uint32_t key, alt_key; /* CKK_ that it takes (alt: CKK_NONE if only one);
	                        * for generation: the type it makes */
	uint32_t min, max; /* key size: bits (asymmetric) or bytes (secret); as
	                    * C_GetMechanismInfo tells. 0,0: not applicable */
	enum param_id param;
	const char *arg; /* the family's: an EVP name such as "SHA256" */
	unsigned flags;  /* enum mech_flag */
	const struct family *family;
};

const struct mech *mech_find(uint32_t ckm); /* NULL: unknown */
const struct mech *mech_at(size_t i);       /* by number, ascending; NULL: past the end */

/* --- operations --------------------------------------------------------- */

enum verb {
	VERB_ENCRYPT, VERB_DECRYPT, VERB_DIGEST, VERB_SIGN, VERB_VERIFY, VERB_SIGN_RECOVER,
	VERB_VERIFY_RECOVER, VERB_WRAP, VERB_UNWRAP
};

/* struct crypt is one running operation. The engine fills the first four; what
 * they point to outlives it. */
struct crypt {
	const struct mech *mech;
	enum verb verb;
	const struct key *key; /* NULL for a digest */
	const struct params *params;
	void *state; /* the family's own */
	bool counts;      /* begin set it: a signature takes the key's next counter, */
	uint64_t counter; /* which stands here */
	uint64_t leaf; /* MECH_ONE_TIME: which one-time key signs; for one signature */
	bool has_leaf;
};

/* struct derivation is one run of derive_many. */
#define OTHER_KEYS_MAX 8
#define DERIVED_MAX 16
struct derivation {
	const struct mech *mech;
	const struct params *params;
	const struct key *base;
	const struct key *other[OTHER_KEYS_MAX]; /* as mech_other_keys names them */
	size_t want[DERIVED_MAX]; /* bytes of each key that has a template (0: the */
	size_t wants;             /* mechanism's own number); at least one */
	struct secret made[DERIVED_MAX]; /* an empty one: no such key this time */
	size_t n;
	size_t macs; /* the first so many are MAC secrets, whatever the template says */
	struct buf told; /* IVs, a version: for the caller */
};
void derivation_done(struct derivation *d);

/* What a family can do; NULL where it cannot (the engine then answers
 * HF_E_MECHANISM, or gathers data itself where only update is missing). */
struct family {
	const char *name;
	/* encrypts_in_sight: encryption in one call may read its data, and write its result, where
	 * the client sees both and may change them meanwhile: what it makes of that he could have
	 * asked for. */
	bool encrypts_in_sight;
	/* begin checks the parameters against key and verb and sets state. */
	enum hf_err (*begin)(struct crypt *c);
	/* update takes a part of the data; a cipher appends its output. */
	enum hf_err (*update)(struct crypt *c, struct slice in, struct buf *out);
	/* ends_with tells what finish will say of the length of its data; NULL: nothing. What works in sight
	 * asks before it gives out a first part. */
	enum hf_err (*ends_with)(const struct crypt *c, size_t in);
	/* finish takes the last data (all of it, if update was never called) and
	 * appends the result; verify: sig is the signature to check, out unused. */
	enum hf_err (*finish)(struct crypt *c, struct slice in, struct slice sig, struct buf *out);
	/* bound: at most so many bytes would update (last false) or finish (last
	 * true) append for `in` bytes; exact except for padded or variable output. */
	size_t (*bound)(const struct crypt *c, size_t in, bool last);
	void (*end)(struct crypt *c); /* frees state; after any failure too */
	/* copy gives `to`, begun just now with the same key and parameters, what `from` was fed.
	 * NULL, HF_E_STATE_UNSAVEABLE: it cannot be, or is too much. */
	enum hf_err (*copy)(const struct crypt *from, struct crypt *to);

	/* generate makes a secret key or a pair from templates. Of a secret key pub takes
	 * only PARTS_TOLD. */
	enum hf_err (*generate)(const struct mech *m, const struct params *p,
		const struct key_source *pub_tmpl, const struct key_source *tmpl,
		struct parts *pub, struct parts *priv);
	/* derive makes want bytes (0: as many as the mechanism has by itself)
	 * from base; other is the second key that params name, or NULL. */
	enum hf_err (*derive)(const struct mech *m, const struct params *p, const struct key *base,
		const struct key *other, size_t want, struct secret *ret);
	/* derive_many is for what takes more than two keys, makes more than one, or
	 * tells the caller bytes besides. */
	enum hf_err (*derive_many)(struct derivation *d);
	/* public_half gives the components of a private key's public key. */
	enum hf_err (*public_half)(const struct key *k, struct parts *ret);
	/* kem: encapsulate when ct_in is empty (fills ct_out), else decapsulate. */
	enum hf_err (*kem)(const struct mech *m, const struct params *p, const struct key *k,
		struct slice ct_in, struct buf *ct_out, struct secret *ret);
};

/* mech_other_keys gives the object handles of further keys that the parameters name
 * (CKM_CONCATENATE_BASE_AND_KEY, an HKDF salt key); 0: none in this place. */
void mech_other_keys(const struct mech *m, const struct params *p,
	uint64_t ret[OTHER_KEYS_MAX]);
/* mech_more_templates: the templates of further keys to derive, as the parameters
 * have them: each a field of bytes that attrs_nested reads. */
struct slice mech_more_templates(const struct params *p);

#endif
