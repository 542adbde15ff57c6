/* softhsm_file.c: see softhsm_file.h. */
#include "softhsm_file.h"

#include <string.h>

#include "crypto.h"
#include "keyfile.h"

#define PIN_MAX 255
#define SALT 8
#define IV 16
#define ROUNDS 1500 /* of SHA-256, and as many more as the salt's last byte says */

static const uint8_t magic[] = { 0x52, 0x4a, 0x52 }; /* in front of the token's key */

static bool read_value(struct rd *r, struct soft_attr *a)
{
	const uint8_t *p;
	uint64_t n;
	uint8_t flag;

	switch (a->kind) {
	case SOFT_BOOL:
		if (!rd_u8(r, &flag))
			return false;
		a->number = flag != 0;
		return true;
	case SOFT_ULONG:
		return rd_u64(r, &a->number);
	case SOFT_MECHS:
		if (!rd_u64(r, &n) || n > r->n / 8 || !rd_take(r, (size_t)n * 8, &p))
			return false;
		a->bytes = (struct slice){ p, (size_t)n * 8 };
		return true;
	case SOFT_BYTES:
	case SOFT_ATTRS_OF:
		if (!rd_u64(r, &n) || n > r->n || !rd_take(r, (size_t)n, &p))
			return false;
		a->bytes = (struct slice){ p, (size_t)n };
		return true;
	}
	return false;
}

static enum hf_err read_attrs(struct rd *r, struct soft_attrs *ret)
{
	for (ret->n = 0; !rd_done(r); ret->n++) {
		struct soft_attr *a = &ret->v[ret->n];
		uint64_t type, kind;

		if (ret->n == SOFT_ATTRS || !rd_u64(r, &type) || !rd_u64(r, &kind) || kind > SOFT_ATTRS_OF)
			return HF_E_KEYFILE;
		*a = (struct soft_attr){ .type = type, .kind = (enum soft_kind)kind };
		if (!read_value(r, a))
			return HF_E_KEYFILE;
	}
	return HF_OK;
}

enum hf_err soft_read(struct slice file, struct soft_attrs *ret)
{
	struct rd r = rd_of(file);
	uint64_t generation;

	return rd_u64(&r, &generation) ? read_attrs(&r, ret) : HF_E_KEYFILE;
}

enum hf_err soft_read_nested(struct slice value, struct soft_attrs *ret)
{
	struct rd r = rd_of(value);

	return read_attrs(&r, ret);
}

const struct soft_attr *soft_get(const struct soft_attrs *a, uint64_t type)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].type == type)
			return &a->v[i];
	return NULL;
}

static enum hf_err key_of_pin(struct slice salt, struct slice pin, struct secret *ret)
{
	CLEANUP(secret_done) struct secret h = { 0 };

	TRY(secret_alloc(&h, CRYPTO_HASH));
	TRY(crypto_sha256_2(salt, pin, h.p));
	for (unsigned i = 1; i < ROUNDS + (unsigned)salt.p[SALT - 1]; i++)
		TRY(crypto_sha256(secret_slice(&h), h.p));
	*ret = secret_take(&h);
	return HF_OK;
}

enum hf_err soft_open(struct slice key, struct slice value, struct secret *ret)
{
	struct slice iv = { value.p, IV };

	if (value.n < IV)
		return HF_E_KEYFILE_KEY;
	return keyfile_aes_cbc(key, iv, (struct slice){ value.p + IV, value.n - IV }, ret);
}

enum hf_err soft_unlock(const struct soft_attrs *token, struct slice pin, struct secret *ret_key)
{
	const struct soft_attr *a = soft_get(token, SOFT_USER_PIN);
	CLEANUP(secret_done) struct secret under = { 0 }, plain = { 0 };

	if (a == NULL || a->bytes.n <= SALT || pin.n > PIN_MAX)
		return HF_E_KEYFILE_KEY;
	TRY(key_of_pin((struct slice){ a->bytes.p, SALT }, pin, &under));
	TRY(soft_open(secret_slice(&under), (struct slice){ a->bytes.p + SALT, a->bytes.n - SALT },
		&plain));
	if (plain.n != sizeof(magic) + 32 || !secret_eq((struct slice){ plain.p, 3 }, SLICE_OF(magic)))
		return HF_E_KEYFILE_KEY;
	return secret_dup((struct slice){ plain.p + sizeof(magic), 32 }, ret_key);
}
