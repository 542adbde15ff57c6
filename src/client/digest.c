#include "client_int.h"

#include <nettle/nettle-meta.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <nettle/sha3.h>

#include "pkcs11_numbers.h"

static const struct {
	uint32_t mechanism;
	const struct nettle_hash *hash;
} digests[] = {
	{ CKM_SHA_1, &nettle_sha1 },
	{ CKM_SHA224, &nettle_sha224 },
	{ CKM_SHA256, &nettle_sha256 },
	{ CKM_SHA384, &nettle_sha384 },
	{ CKM_SHA512, &nettle_sha512 },
	{ CKM_SHA512_224, &nettle_sha512_224 },
	{ CKM_SHA512_256, &nettle_sha512_256 },
	{ CKM_SHA3_224, &nettle_sha3_224 },
	{ CKM_SHA3_256, &nettle_sha3_256 },
	{ CKM_SHA3_384, &nettle_sha3_384 },
	{ CKM_SHA3_512, &nettle_sha3_512 },
};

union context {
	struct sha1_ctx sha1;
	struct sha256_ctx sha256;
	struct sha512_ctx sha512;
	struct sha3_224_ctx sha3_224; /* the largest of its kind */
};

static const struct nettle_hash *hash_of(uint32_t mechanism)
{
	for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++)
		if (digests[i].mechanism == mechanism)
			return digests[i].hash;
	return NULL;
}

size_t digest_here(uint32_t mechanism, struct slice data, uint8_t out[DIGEST_HERE_MAX])
{
	const struct nettle_hash *h = hash_of(mechanism);
	union context c;

	if (h == NULL || h->context_size > sizeof(c) || h->digest_size > DIGEST_HERE_MAX)
		return 0;
	if (out == NULL)
		return h->digest_size;
	h->init(&c);
	h->update(&c, data.n, data.p);
	h->digest(&c, h->digest_size, out);
	secret_wipe(&c, h->context_size);
	return h->digest_size;
}
