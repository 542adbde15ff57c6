/* unlock_record.h: the record "hsm/root": by which methods the root key opens.
 *
 * It is in the clear, but for what is wrapped:
 *   format u8 | methods u8 | methods * method | phase u8 | if phase > 0: old root key | tag 32
 *   method: id u8 | by u8 | made u64 | salt 16 | KiB u32 | passes u32 | more (bytes)
 *           | public key | private key, sealed | root key, wrapped for it
 * More is what quorum_enc writes, or what the TPM sealed. A method's secret opens its
 * private key and that the root key, so that a new root key takes the old one's place
 * under all methods without anybody's secret. The old one is sealed under the new one,
 * while records remain that need it (rotate.h). The tag is by the root key: nobody
 * else adds a method. No methods: the HSM was zeroized.
 *
 * Format 1 had one method, and the root key sealed right under its secret. */
#ifndef HF_UNLOCK_RECORD_H
#define HF_UNLOCK_RECORD_H

#include "crypto.h"
#include "module.h"

#define ROOT_NAME "hsm/root"
#define ROOT_SEALED (CRYPTO_KEY + CRYPTO_SEAL_EXTRA)
#define UNLOCK_ANY 65535u /* in place of an id: whichever method opens */
#define UNLOCK_METHODS 8u
#define UNLOCK_SALT 16u
#define UNLOCK_MORE 1600u
#define ROOT_RECORD_MAX (UNLOCK_METHODS * 4608u)

/* enum unlock_by: numbers on disk and on the wire. */
enum unlock_by { BY_FILE = 1, BY_PASSPHRASE = 2, BY_QUORUM = 3, BY_NONE = 4, BY_TPM = 5 };

struct unlock_method_record {
	uint8_t id, by;
	bool direct;              /* of format 1: `wrapped` begins with what ROOT_SEALED says */
	uint64_t made;            /* UTC, microseconds */
	uint8_t salt[UNLOCK_SALT];
	uint32_t kib, passes;     /* of a passphrase: crypto_stretch */
	uint8_t more[UNLOCK_MORE];
	size_t more_n;
	uint8_t public_key[CRYPTO_KEM_PUBLIC];
	uint8_t private_key[CRYPTO_KEM_PRIVATE + CRYPTO_SEAL_EXTRA];
	uint8_t wrapped[CRYPTO_KEM_WRAPPED];
};

/* struct root_record is large: root_record_new, and CLEANUP(root_record_free). */
struct root_record {
	uint64_t version;         /* of the stored record; 0: there is none */
	unsigned n;
	struct unlock_method_record v[UNLOCK_METHODS];
	uint8_t phase;
	uint8_t old[ROOT_SEALED];
	uint8_t tag[CRYPTO_HASH];
};

enum hf_err root_record_new(struct root_record **ret) HF_MUST_CHECK;
void root_record_free(struct root_record **r);

/* root_record_enc appends all but the tag; root_record_seal that too. */
void root_record_enc(const struct root_record *r, struct buf *b);
enum hf_err root_record_seal(struct root_record *r, struct slice root, struct buf *b) HF_MUST_CHECK;
/* root_record_dec fills ret (but for the version); false: it is none. */
bool root_record_dec(struct slice in, struct root_record *ret) HF_MUST_CHECK;
/* root_record_true: root made the tag. One of format 1 has none. */
enum hf_err root_record_true(const struct root_record *r, struct slice root) HF_MUST_CHECK;

struct unlock_method_record *root_record_find(struct root_record *r, enum unlock_by by);
struct unlock_method_record *root_record_id(struct root_record *r, uint8_t id);
/* root_record_add gives a method to fill, of an id that is free; HF_E_LIMIT. */
enum hf_err root_record_add(struct root_record *r, enum unlock_by by,
	struct unlock_method_record **ret) HF_MUST_CHECK;
void root_record_drop(struct root_record *r, const struct unlock_method_record *m);

#endif
