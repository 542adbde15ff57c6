/* box.h: an HSM in a box, and several people who talk to it, each over a
 * connection of their own (the loopback transport). */
#ifndef HF_TEST_BOX_H
#define HF_TEST_BOX_H

#include "hsm.h"
#include "keeper_memory.h"
#include "pkcs11.h"

#define SO_PIN "so-pin-1234"
#define USER_PIN "user-pin-1234"
#define OWNER 1000u /* uid of who makes the partitions */
#define ADMIN 0u

struct box {
	struct keeper_memory *keeper;
	int key_fd;
	bool attended;
	struct hsm_config cfg;
	struct hsm *hsm;
};

/* box_new: an HSM just born, weak Argon2id so that tests are quick. */
void box_new(struct box *b);
void box_free(struct box *b);
/* box_restart: everybody must have left. */
void box_restart(struct box *b);
enum hf_err box_start(struct box *b);
void box_stop(struct box *b);

/* box_role_version of the user of the first partition: each time that a PIN is wrapped the
 * record moves on by one. */
uint64_t box_role_version(struct box *b);
/* box_opens counts the records under prefix that this key of a partition, or of the store, opens. */
size_t box_opens(struct box *b, const char *prefix, struct slice key);

struct who {
	struct box *box;
	struct transport *t;
	uint64_t session;
	uint64_t request;
	uint16_t flags;
	uint8_t app[32];
	struct arena arena;
};

/* who_comes connects as this user; app: a byte that names the application.
 * who_leaves closes the connection. */
void who_comes(struct who *w, struct box *b, uint64_t uid, uint8_t app);
void who_leaves(struct who *w);

enum hf_err who_asks(struct who *w, enum calls_op op, struct slice fields, struct rd *rest);

#define WHO_CALL(NAME, name)                                                   \
	static inline enum hf_err do_##name(struct who *w, const struct name##_req *q, \
		struct name##_res *r)                                          \
	{                                                                      \
		CLEANUP(buf_done) struct buf b = BUF_MAX(WIRE_MAX_BYTES);      \
		struct rd rest;                                                \
									       \
		name##_req_enc(&b, q);                                         \
		TRY(buf_err(&b));                                              \
		TRY(who_asks(w, CALLS_##NAME, buf_slice(&b), &rest));          \
		return name##_res_dec(&rest, &w->arena, r) && rd_done(&rest) ? \
			HF_OK : HF_E_MALFORMED;                                \
	}

/* set_of: which set they are of, as whoever puts them in force has to say (src/hsm/quorum.h). */
static inline struct slice set_of(const struct share_list *l)
{
	return (struct slice){ l->v[0].share.p, 16 };
}

WHO_CALL(HELLO, hello)
WHO_CALL(PING, ping)
WHO_CALL(STATUS, status)
WHO_CALL(SELF_TEST, self_test)
WHO_CALL(UNLOCK, unlock)
WHO_CALL(ROTATE_ROOT, rotate_root)
WHO_CALL(ROTATE_PARTITION, rotate_partition)
WHO_CALL(UNLOCK_BY, unlock_by)
WHO_CALL(UNLOCK_METHODS, unlock_methods)
WHO_CALL(UNLOCK_ADD, unlock_add)
WHO_CALL(UNLOCK_REMOVE, unlock_remove)
WHO_CALL(UNLOCK_RESEAL, unlock_reseal)
WHO_CALL(STOP, stop)
WHO_CALL(PASSPHRASE_SET, passphrase_set)
WHO_CALL(CHALLENGE_SET, challenge_set)
WHO_CALL(ACTIVATE, activate)
WHO_CALL(DEACTIVATE, deactivate)
WHO_CALL(HSM_ROLES, hsm_roles)
WHO_CALL(HSM_LOGIN, hsm_login)
WHO_CALL(HSM_LOGOUT, hsm_logout)
WHO_CALL(HSM_ROLE_SET, hsm_role_set)
WHO_CALL(HSM_PIN_SET, hsm_pin_set)
WHO_CALL(METRICS, metrics)
WHO_CALL(SLOT_LIST, slot_list)
WHO_CALL(TOKEN_INFO, token_info)
WHO_CALL(TOKEN_INIT, token_init)
WHO_CALL(PARTITION_LIST, partition_list)
WHO_CALL(PARTITION_CREATE, partition_create)
WHO_CALL(PARTITION_DELETE, partition_delete)
WHO_CALL(SESSION_OPEN, session_open)
WHO_CALL(SESSION_CLOSE, session_close)
WHO_CALL(SESSION_CLOSE_ALL, session_close_all)
WHO_CALL(SESSION_INFO, session_info)
WHO_CALL(LOGIN, login)
WHO_CALL(LOGOUT, logout)
WHO_CALL(RESUME, resume)
WHO_CALL(TICKET_RENEW, ticket_renew)
WHO_CALL(PIN_INIT, pin_init)
WHO_CALL(PIN_SET, pin_set)
WHO_CALL(PIN_CHANGE, pin_change)
WHO_CALL(OBJECT_CREATE, object_create)
WHO_CALL(FIND, find)
WHO_CALL(KEY_GENERATE, key_generate)
WHO_CALL(SIGN_INIT, sign_init)
WHO_CALL(SIGN, sign)
WHO_CALL(SIGN_UPDATE, sign_update)
WHO_CALL(SIGN_FINAL, sign_final)
WHO_CALL(RANDOM, random)
WHO_CALL(AUDIT_READ, audit_read)
WHO_CALL(PARTITION_CHANGE, partition_change)
WHO_CALL(POLICY_GET, policy_get)
WHO_CALL(GUARD_SET, guard_set)
WHO_CALL(GUARD_GET, guard_get)
WHO_CALL(GUARD_PIN, guard_pin)
WHO_CALL(GUARD_OPEN, guard_open)
WHO_CALL(GUARD_REQUEST, guard_request)
WHO_CALL(GUARD_ASK, guard_ask)
WHO_CALL(GUARD_REQUESTS, guard_requests)
WHO_CALL(GUARD_CANCEL, guard_cancel)
WHO_CALL(GUARD_APPROVE, guard_approve)
WHO_CALL(OBJECT_COPY, object_copy)
WHO_CALL(TAMPER_REPORT, tamper_report)
WHO_CALL(TAMPER_CLEAR, tamper_clear)
WHO_CALL(ZEROIZE, zeroize)
WHO_CALL(WHY, why)
WHO_CALL(QUORUM_CREATE, quorum_create)
WHO_CALL(QUORUM_COMMIT, quorum_commit)
WHO_CALL(QUORUM_FORGET, quorum_forget)
WHO_CALL(QUORUM_SHARE, quorum_share)
WHO_CALL(QUORUM_STATUS, quorum_status)
WHO_CALL(QUORUM_CANCEL, quorum_cancel)
WHO_CALL(CONSENT_SET, consent_set)
WHO_CALL(ROLE_QUORUM, role_quorum)
WHO_CALL(ROLE_QUORUM_COMMIT, role_quorum_commit)
WHO_CALL(USER_SET, user_set)
WHO_CALL(USER_DELETE, user_delete)
WHO_CALL(USER_BLOCK, user_block)
WHO_CALL(USER_LIST, user_list)
WHO_CALL(OBJECT_DESTROY, object_destroy)
WHO_CALL(POLICY_SET, policy_set)
WHO_CALL(ATTR_GET, attr_get)
WHO_CALL(ATTR_SET, attr_set)
WHO_CALL(ENCRYPT_INIT, encrypt_init)
WHO_CALL(KEY_PAIR_GENERATE, key_pair_generate)
WHO_CALL(KEY_WRAP, key_wrap)
WHO_CALL(KEY_UNWRAP, key_unwrap)
WHO_CALL(DECRYPT, decrypt)
WHO_CALL(DOMAIN_LIST, domain_list)
WHO_CALL(DOMAIN_CREATE, domain_create)
WHO_CALL(DOMAIN_REQUEST, domain_request)
WHO_CALL(DOMAIN_ADMIT, domain_admit)
WHO_CALL(DOMAIN_JOIN, domain_join)
WHO_CALL(DOMAIN_LEAVE, domain_leave)
WHO_CALL(PARTITION_DOMAIN, partition_domain)
WHO_CALL(CLONE_REQUEST, clone_request)
WHO_CALL(CLONE_BEGIN, clone_begin)
WHO_CALL(CLONE_TAKE, clone_take)
WHO_CALL(BACKUP_BEGIN, backup_begin)
WHO_CALL(BACKUP_NEXT, backup_next)
WHO_CALL(RESTORE_NEXT, restore_next)
WHO_CALL(DECRYPT_INIT, decrypt_init)
WHO_CALL(ENCRYPT, encrypt)
WHO_CALL(ENCRYPT_UPDATE, encrypt_update)
WHO_CALL(ENCRYPT_FINAL, encrypt_final)

/* --- in few words; without enum hf_err they fail the test ------------------------ */

enum hf_err init(struct who *w, uint64_t slot, const char *so_pin);
/* ready makes a partition in slot with both PINs set; nobody is logged in, no
 * session is open. */
void ready(struct who *w, uint64_t slot);
void opens(struct who *w, uint64_t slot, bool rw); /* sets w->session */
enum hf_err closes(struct who *w);
enum hf_err log_in(struct who *w, uint32_t user, const char *pin);
/* logs_in keeps the ticket in ret (may be NULL), good until w leaves. */
void logs_in(struct who *w, uint32_t user, const char *pin, struct slice *ret);
enum hf_err log_out(struct who *w);
enum hf_err resume(struct who *w, uint64_t slot, struct slice ticket);
uint32_t state_of(struct who *w); /* CKS_ of w's session; 0xffffffff: no such */
uint32_t flags_of(struct who *w, uint64_t slot); /* CKF_ of the token */
/* fact gives the value of a line of the status, "" if it is not there. */
const char *fact(struct who *w, const char *name);
/* makes creates a data object on the token; finds counts what w sees. */
enum hf_err makes(struct who *w, const char *label, bool private_);
size_t finds(struct who *w);

#endif
