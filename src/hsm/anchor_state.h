/* anchor_state.h: what the record "hsm/state" and the anchor both hold.
 *
 *   format u8 | sequence u64 | digest 32 | count u32 | count * (serial, role u32, failures u32)
 *
 * Both are written with every batch, so each is a witness against the other: an
 * older store shows by the anchor, an older anchor by the store. */
#ifndef HF_ANCHOR_STATE_H
#define HF_ANCHOR_STATE_H

#include "bytes.h"
#include "err.h"
#include "module.h"

#define DIGEST_LEN 32

struct fail_count {
	char serial[SERIAL_LEN + 1];
	uint32_t role;
	uint32_t n;
};

struct anchor_state {
	uint64_t sequence;
	uint8_t digest[DIGEST_LEN];
	struct fail_count *v; /* those that are not zero; owned */
	size_t n;
};

void anchor_state_done(struct anchor_state *s);
enum hf_err anchor_state_copy(const struct anchor_state *s, struct anchor_state *ret) HF_MUST_CHECK;
void anchor_state_enc(const struct anchor_state *s, struct buf *out);
enum hf_err anchor_state_dec(struct slice in, struct anchor_state *ret) HF_MUST_CHECK;

uint32_t anchor_state_fails(const struct anchor_state *s, const char *serial, unsigned role);
enum hf_err anchor_state_set_fails(struct anchor_state *s, const char *serial, unsigned role,
	uint32_t n) HF_MUST_CHECK;

/* digest_add and digest_sub are modulo 2^256, big-endian. */
void digest_add(uint8_t to[DIGEST_LEN], const uint8_t term[DIGEST_LEN]);
void digest_sub(uint8_t from[DIGEST_LEN], const uint8_t term[DIGEST_LEN]);

#endif
