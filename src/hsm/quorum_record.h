/* quorum_record.h: what is known of M of N custodians, and how it is stored. */
#ifndef HF_QUORUM_RECORD_H
#define HF_QUORUM_RECORD_H

#include "bytes.h"
#include "crypto.h"
#include "shamir.h"

#define QUORUM_ID 16u
#define CUSTODIAN_NAME 32u /* bytes of UTF-8 at most */
#define QUORUM_RECORD_MAX (QUORUM_ID + 3u + SHAMIR_MAX * (CRYPTO_HASH + 1u + CUSTODIAN_NAME))

/* struct quorum: who they are, and by what each one's share is known again. m is 0
 * where there are none. */
struct quorum {
	uint8_t id[QUORUM_ID]; /* random: shares of replaced custodians have another */
	uint8_t m, n;
	uint8_t hash[SHAMIR_MAX][CRYPTO_HASH]; /* SHA-256 of the share */
	char name[SHAMIR_MAX][CUSTODIAN_NAME + 1];
};

/* quorum_enc appends
 *   quorum 16 | m u8 | n u8 | n * SHA-256 | n * (length u8, name)
 * quorum_dec reads it; false: it is none. */
void quorum_enc(const struct quorum *q, struct buf *b);
bool quorum_dec(struct rd *r, struct quorum *ret) HF_MUST_CHECK;

/* quorum_names takes "anna,bert,carla" for the n custodians; empty: "custodian 1"
 * and so on. False: not n different names of printable characters. */
bool quorum_names(struct quorum *q, struct slice names) HF_MUST_CHECK;
/* quorum_list gives them back, in the arena. */
enum hf_err quorum_list(const struct quorum *q, struct arena *a, struct slice *ret) HF_MUST_CHECK;
#define QUORUM_NAMES (SHAMIR_MAX * (CUSTODIAN_NAME + 1u) + 1u)

#endif
