/* activate.h: activation: a user's login that stays with the partition, so that
 * applications come and go with less than his PIN.
 *
 * The officer gives a user a challenge, a secret for applications. The user logs in
 * with his PIN and activates: from then on, and until it ends, C_Login takes the
 * challenge as well as the PIN. The challenge opens no record; it only says that an
 * application may use what is open. Wrong ones count as wrong PINs. To change a PIN
 * takes the PIN.
 *
 * Activation ends when the user or the officer says so, with a new PIN, with his
 * block, when the partition is disabled, begins anew or loses its objects, with a tamper
 * event, and when the vault ends. With the policy auto-activation it comes back
 * with the next start: the record "p/SERIAL/active/NAME" then holds the partition
 * key under the store key, which takes the HSM's root key and no PIN. */
#ifndef HF_ACTIVATE_H
#define HF_ACTIVATE_H

#include "roles.h"

/* struct activation: each holds one login of the partition. */
struct activation {
	struct activation *next; /* roles.lock */
	char name[USER_NAME_MAX + 1];
	enum role role;
	bool kept;               /* a record brings it back */
	uint64_t epoch;          /* its role's */
};

bool activation_is(struct partition *p, const char *name);
unsigned activation_count(struct partition *p);
/* activation_end ends one (name NULL: all), and what would bring it back. The caller
 * holds none of roles.lock, partition.lock. */
enum hf_err activation_end(struct hsm *h, struct partition *p, const char *name) HF_MUST_CHECK;
/* activations_load brings those back that a policy says. */
enum hf_err activations_load(struct hsm *h, struct partition *p) HF_MUST_CHECK;
void activations_free(struct roles *r); /* without their logins: the partition is gone */

/* activation_rekey fills a change that stores an activation which comes back with this key of the
 * partition; name and b must live as long as it. */
enum hf_err activation_rekey(const struct partition *p, const struct activation *a, struct slice key,
	char name[ROLE_NAME_LEN], struct buf *b, struct record_change *ret) HF_MUST_CHECK;

/* partition_key copies the key of a partition that somebody is logged in to. */
enum hf_err partition_key(struct partition *p, struct secret *ret) HF_MUST_CHECK;

#endif
