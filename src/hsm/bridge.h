/* bridge.h: logins that outlive a new partition key.
 *
 * A ticket holds the partition key of its time, and a secret of the login's own that opens nothing
 * by itself and lies nowhere else. The commit that puts a new partition key in force writes with it
 * the record "p/SERIAL/bridge/logins": the new key, sealed by the own secret of each login that is
 * there. So a client that comes back after the vault died still has its login. */
#ifndef HF_BRIDGE_H
#define HF_BRIDGE_H

#include "roles.h"

/* bridge_change fills a change that stores the record for the logins of now; name and b must live
 * as long as it. The caller holds none of hsm.lock, app.lock. */
enum hf_err bridge_change(struct hsm *h, struct partition *p, struct slice key, char name[ROLE_NAME_LEN],
	struct buf *b, struct record_change *ret) HF_MUST_CHECK;
/* bridge_cross: in the place of a ticket's key, *key, which is not the partition's any more, comes
 * the one that is. HF_E_TICKET: none of that login is there. */
enum hf_err bridge_cross(struct hsm *h, struct partition *p, struct slice own, struct secret *key)
	HF_MUST_CHECK;
/* bridge_load deletes a record that no ticket needs any more. */
enum hf_err bridge_load(struct hsm *h, const struct partition *p) HF_MUST_CHECK;

#endif
