/* hsm_roles.h: the roles of the HSM as a whole, which belong to no partition.
 *
 *   so             security officer: partitions, custodians, zeroizing
 *   administrator  operates: unlocks, stops, tests, counts; no keys, no policies
 *   auditor        the audit log; nothing else, and nobody else
 *
 * A role without a PIN is played by whoever's uid administers (root, the daemon's
 * own, admin-uid), so an HSM that nobody set up works by uids alone. With a PIN it
 * takes the PIN, whatever the uid. While the HSM is locked, no PIN can be checked
 * and uids hold.
 *
 * The first PIN of the security officer and of the auditor is set by who plays the
 * role until then; later each changes his own, and the custodians together may
 * give a new one. The security officer sets the administrator's at any time.
 *
 * The records "hsm/role/NAME" are role records (roles.h), so PIN rules and lock-out
 * are those of partitions; the key that such a PIN opens opens nothing. */
#ifndef HF_HSM_ROLES_H
#define HF_HSM_ROLES_H

#include "roles.h"

#define HSM_IDLE_S 900u /* without a call for that long, a login has ended */

/* hsm_roles_load reads them as the HSM unlocks. */
enum hf_err hsm_roles_load(struct hsm *h) HF_MUST_CHECK;

/* hsm_roles_of: which roles of the HSM (CALL_BY_HSM) the call's maker plays. */
unsigned hsm_roles_of(const struct calls_ctx *c);
/* hsm_has_officer: the security officer has a PIN: somebody initialized this HSM, and new
 * partitions begin with strict policies. */
bool hsm_has_officer(const struct hsm *h);
/* hsm_has_auditor: the auditor has a PIN, and a say in what is recorded. */
bool hsm_has_auditor(const struct hsm *h);
/* hsm_need: HF_E_DENIED, with what it takes, unless he plays one of these; those
 * that are no roles of the HSM do not count. */
enum hf_err hsm_need(struct calls_ctx *c, unsigned roles) HF_MUST_CHECK;
/* hsm_role_told names the role for the audit record: the one logged in, or "admin"
 * for a uid that administers, or "". */
const char *hsm_role_told(const struct calls_ctx *c);

#endif
