/* audit_follow.c: one key that signs the chain follows another. */
#include "audit_int.h"

#include <stdio.h>
#include <string.h>

#define AUDIT_ML_SAID 96u

/* announce_ml: the parts, and what the announcement says of them. */
static enum hf_err announce_ml(struct audit *a, struct slice ml, char ret[AUDIT_ML_SAID])
{
	char hex[2 * CRYPTO_HASH + 1], part[2 * AUDIT_ML_PART + 1], detail[sizeof(part) + 2];
	uint8_t hash[CRYPTO_HASH];

	*ret = '\0';
	if (ml.n != CRYPTO_ML_DSA65_PUBLIC)
		return HF_OK;
	for (unsigned i = 0; i < AUDIT_ML_PARTS; i++) {
		hex_encode((struct slice){ ml.p + i * AUDIT_ML_PART, AUDIT_ML_PART }, part);
		(void)snprintf(detail, sizeof(detail), "%u %s", i, part);
		TRY(audit_append_event(a, AUDIT_ML_EVENT, detail, HF_OK, false));
	}
	TRY(crypto_sha256(ml, hash));
	hex_encode(SLICE_OF(hash), hex);
	(void)snprintf(ret, AUDIT_ML_SAID, AUDIT_KEY_ML "%s", hex);
	return HF_OK;
}

enum hf_err audit_announce(struct audit *a, const uint8_t next[32], struct slice ml)
{
	char hex[65], ml_said[AUDIT_ML_SAID], detail[256];
	MUTEX_HOLD(&a->lock);

	TRY(announce_ml(a, ml, ml_said));
	hex_encode((struct slice){ next, 32 }, hex);
	(void)snprintf(detail, sizeof(detail), AUDIT_KEY_NEXT "%s%s", hex, ml_said);
	TRY(audit_append_event(a, AUDIT_KEY_EVENT, detail, HF_OK, true));
	return audit_wait_kept(a);
}

enum hf_err audit_take_over(struct audit *a, struct slice seed, struct slice ml_seed,
	const uint8_t before[32])
{
	CLEANUP(audit_keys_done) struct audit_keys next = { 0 };
	char now_hex[65], before_hex[65], detail[192];
	MUTEX_HOLD(&a->lock);
	struct audit_keys was = a->keys;

	TRY(audit_keys_open(seed, ml_seed, &next));
	a->keys = next;
	next = was; /* wiped at the end */
	hex_encode(SLICE_OF(a->keys.public_key), now_hex);
	hex_encode((struct slice){ before, 32 }, before_hex);
	(void)snprintf(detail, sizeof(detail), AUDIT_KEY_NOW "%s" AUDIT_KEY_BEFORE "%s", now_hex,
		before_hex);
	TRY(audit_append_event(a, AUDIT_KEY_EVENT, detail, HF_OK, true));
	return audit_wait_kept(a);
}
