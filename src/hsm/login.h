/* login.h: logins: how they begin and end, and the tickets that outlive a
 * connection or the vault. */
#ifndef HF_LOGIN_H
#define HF_LOGIN_H

#include "app.h"
#include "roles.h"

/* role_new_pin puts a role under a new PIN; the caller holds roles.pin. change: it has
 * to be changed before it opens anything. own: by who had the old one. quorum: whose shares
 * make it; or NULL. */
struct new_pin {
	struct slice pin, key;    /* key: the partition's, as partition_key (activate.h) gives it */
	bool change, own;
	const struct quorum *quorum;
};
enum hf_err role_new_pin(struct calls_ctx *c, struct role_record *now, const struct new_pin *n)
	HF_MUST_CHECK;

/* login_allowed checks what C_Login checks before it looks at the PIN. */
enum hf_err login_allowed(struct app *app, struct partition *p, enum role role) HF_MUST_CHECK;
/* struct login_as: whose PIN it was, and what that makes the application. */
struct login_as {
	enum role role;
	char user[USER_NAME_MAX + 1];
	struct rights rights;
	const uint8_t *id;        /* of the same login in its ticket, and its own secret; or NULL */
	struct slice own;
};
struct login_as login_by(const struct role_record *r);

/* login_begin makes the application log in; key is the partition's. */
enum hf_err login_begin(struct hsm *h, struct app *app, struct partition *p,
	const struct login_as *as, struct slice key) HF_MUST_CHECK;
/* login_end logs out: own (or NULL) is the session whose lock the caller holds. */
enum hf_err login_end(struct hsm *h, struct app *app, struct partition *p, struct session *own)
	HF_MUST_CHECK;
/* logins_end_of logs a user out of every application; the caller holds none of
 * roles.pin. Her tickets are void by the epoch of her record. */
void logins_end_of(struct hsm *h, struct partition *p, struct slice name);
/* login_come and login_gone are what login_begin and login_end do outside of an
 * application: the first one opens the partition, the last one
 * closes it. */
enum hf_err login_come(struct hsm *h, struct partition *p, enum role role, struct slice key)
	HF_MUST_CHECK;
void login_gone(struct hsm *h, struct partition *p, enum role role);

/* login_revoke makes the login's tickets void, durably. */
enum hf_err login_revoke(struct hsm *h, struct partition *p, const uint8_t id[LOGIN_ID_LEN])
	HF_MUST_CHECK;
bool login_revoked(struct partition *p, const uint8_t id[LOGIN_ID_LEN]);
/* gone_load takes a stored revocation; deletes one that expired. */
enum hf_err gone_load(struct hsm *h, struct partition *p, const char *name, uint64_t version,
	struct slice plain) HF_MUST_CHECK;
void gone_free(struct roles *r);

/* ticket_make gives a ticket of the application's login in p, in a. */
enum hf_err ticket_make(struct hsm *h, struct app *app, struct partition *p, struct arena *a,
	struct slice *ret, uint32_t *ret_renew_s) HF_MUST_CHECK;
/* ticket_resume logs in by a ticket. */
enum hf_err ticket_resume(struct hsm *h, struct app *app, struct partition *p,
	struct slice ticket, enum role *ret) HF_MUST_CHECK;

#endif
