/* vault.h: a whole HSM in the test's own process: frames in, frames out, over a
 * keeper in memory. What a front end does, without a wire between. */
#ifndef HF_TEST_VAULT_H
#define HF_TEST_VAULT_H

#include "hsm.h"
#include "keeper_memory.h"
#include "tmpl.h"

#define SO_PIN "so-pin-1234"
#define USER_PIN "user-pin-1234"

struct vault {
	struct keeper_memory *keeper;
	int key_fd;
	struct hsm *hsm;
	struct hsm_conn *conn;
	uint64_t slot;
	uint64_t session;
	uint64_t request; /* of the last call */
	uint16_t flags;   /* of the next call */
	bool fired;       /* an allocation failed on purpose in the last call */
	struct arena arena;
	struct buf answer;
};

/* vault_open: one partition, a read/write session, the user logged in. */
void vault_open(struct vault *v);
void vault_close(struct vault *v);
/* vault_restart: the HSM ends and comes back over the same store; then as after
 * vault_open, but nobody is logged in. */
void vault_restart(struct vault *v);
/* vault_again makes the next call a repetition of the last one. */
void vault_again(struct vault *v);
/* vault_connect joins another application; it replaces conn and session, which
 * the caller keeps before and puts back after. */
void vault_connect(struct vault *v);

/* vault_send sends one request in v's session; *rest reads the answer's fields,
 * good until the next call. */
enum hf_err vault_send(struct vault *v, enum calls_op op, struct slice fields, struct rd *rest);

void login_as(struct vault *v, uint32_t user, const char *pin); /* fails the test */
void log_out(struct vault *v);

/* do_NAME: one function a call, as the client's stubs. What *r points to lives
 * until the test ends. */
#define VAULT_CALL(NAME, name)                                                 \
	static inline enum hf_err do_##name(struct vault *v, const struct name##_req *q, \
		struct name##_res *r)                                          \
	{                                                                      \
		CLEANUP(buf_done) struct buf b = BUF_MAX(WIRE_MAX_BYTES);      \
		struct rd rest;                                                \
									       \
		name##_req_enc(&b, q);                                         \
		TRY(buf_err(&b));                                              \
		TRY(vault_send(v, CALLS_##NAME, buf_slice(&b), &rest));        \
		return name##_res_dec(&rest, &v->arena, r) && rd_done(&rest) ? \
			HF_OK : HF_E_MALFORMED;                                \
	}

VAULT_CALL(HELLO, hello)
VAULT_CALL(STATUS, status)
VAULT_CALL(SLOT_LIST, slot_list)
VAULT_CALL(TOKEN_INIT, token_init)
VAULT_CALL(MECH_LIST, mech_list)
VAULT_CALL(MECH_INFO, mech_info)
VAULT_CALL(SESSION_OPEN, session_open)
VAULT_CALL(SESSION_CLOSE, session_close)
VAULT_CALL(SESSION_CLOSE_ALL, session_close_all)
VAULT_CALL(LOGIN, login)
VAULT_CALL(LOGOUT, logout)
VAULT_CALL(PIN_INIT, pin_init)
VAULT_CALL(OBJECT_CREATE, object_create)
VAULT_CALL(OBJECT_COPY, object_copy)
VAULT_CALL(OBJECT_DESTROY, object_destroy)
VAULT_CALL(OBJECT_SIZE, object_size)
VAULT_CALL(ATTR_GET, attr_get)
VAULT_CALL(ATTR_SET, attr_set)
VAULT_CALL(FIND, find)
VAULT_CALL(KEY_GENERATE, key_generate)
VAULT_CALL(KEY_PAIR_GENERATE, key_pair_generate)
VAULT_CALL(KEY_WRAP, key_wrap)
VAULT_CALL(KEY_UNWRAP, key_unwrap)
VAULT_CALL(KEY_DERIVE, key_derive)
VAULT_CALL(ENCAPSULATE, encapsulate)
VAULT_CALL(DECAPSULATE, decapsulate)
VAULT_CALL(OP_CANCEL, op_cancel)
VAULT_CALL(ENCRYPT_INIT, encrypt_init)
VAULT_CALL(ENCRYPT, encrypt)
VAULT_CALL(ENCRYPT_UPDATE, encrypt_update)
VAULT_CALL(ENCRYPT_FINAL, encrypt_final)
VAULT_CALL(DECRYPT_INIT, decrypt_init)
VAULT_CALL(DECRYPT, decrypt)
VAULT_CALL(DECRYPT_UPDATE, decrypt_update)
VAULT_CALL(DECRYPT_FINAL, decrypt_final)
VAULT_CALL(DIGEST_INIT, digest_init)
VAULT_CALL(DIGEST, digest)
VAULT_CALL(DIGEST_UPDATE, digest_update)
VAULT_CALL(DIGEST_KEY, digest_key)
VAULT_CALL(DIGEST_FINAL, digest_final)
VAULT_CALL(SIGN_INIT, sign_init)
VAULT_CALL(SIGN, sign)
VAULT_CALL(SIGN_UPDATE, sign_update)
VAULT_CALL(SIGN_FINAL, sign_final)
VAULT_CALL(SIGN_RECOVER_INIT, sign_recover_init)
VAULT_CALL(SIGN_RECOVER, sign_recover)
VAULT_CALL(VERIFY_INIT, verify_init)
VAULT_CALL(VERIFY, verify)
VAULT_CALL(VERIFY_UPDATE, verify_update)
VAULT_CALL(VERIFY_FINAL, verify_final)
VAULT_CALL(VERIFY_RECOVER_INIT, verify_recover_init)
VAULT_CALL(VERIFY_RECOVER, verify_recover)
VAULT_CALL(MESSAGE_ENCRYPT_INIT, message_encrypt_init)
VAULT_CALL(MESSAGE_ENCRYPT, message_encrypt)
VAULT_CALL(MESSAGE_ENCRYPT_BEGIN, message_encrypt_begin)
VAULT_CALL(MESSAGE_ENCRYPT_NEXT, message_encrypt_next)
VAULT_CALL(MESSAGE_ENCRYPT_FINAL, message_encrypt_final)
VAULT_CALL(MESSAGE_DECRYPT_INIT, message_decrypt_init)
VAULT_CALL(MESSAGE_DECRYPT, message_decrypt)
VAULT_CALL(MESSAGE_DECRYPT_BEGIN, message_decrypt_begin)
VAULT_CALL(MESSAGE_DECRYPT_NEXT, message_decrypt_next)
VAULT_CALL(MESSAGE_DECRYPT_FINAL, message_decrypt_final)
VAULT_CALL(MESSAGE_SIGN_INIT, message_sign_init)
VAULT_CALL(MESSAGE_SIGN, message_sign)
VAULT_CALL(MESSAGE_SIGN_BEGIN, message_sign_begin)
VAULT_CALL(MESSAGE_SIGN_NEXT, message_sign_next)
VAULT_CALL(MESSAGE_SIGN_FINAL, message_sign_final)
VAULT_CALL(MESSAGE_VERIFY_INIT, message_verify_init)
VAULT_CALL(MESSAGE_VERIFY, message_verify)
VAULT_CALL(MESSAGE_VERIFY_BEGIN, message_verify_begin)
VAULT_CALL(MESSAGE_VERIFY_NEXT, message_verify_next)
VAULT_CALL(MESSAGE_VERIFY_FINAL, message_verify_final)
VAULT_CALL(KEY_WRAP_AUTH, key_wrap_auth)
VAULT_CALL(KEY_UNWRAP_AUTH, key_unwrap_auth)
VAULT_CALL(ASYNC_START, async_start)
VAULT_CALL(ASYNC_TAKE, async_take)
VAULT_CALL(ASYNC_KEEP, async_keep)
VAULT_CALL(ASYNC_JOIN, async_join)
VAULT_CALL(RANDOM, random)
VAULT_CALL(RANDOM_SEED, random_seed)

/* --- in few words ----------------------------------------------------------- */

#define MECH(name) ((struct mech_in){ .type = (uint32_t)CKM_##name })
#define MECH_P(name, bytes) ((struct mech_in){ .type = (uint32_t)CKM_##name, .param = (bytes) })

uint64_t create(struct vault *v, struct attr_list t); /* these fail the test */
uint64_t generate(struct vault *v, struct mech_in m, struct attr_list t);
void generate_pair(struct vault *v, struct mech_in m, struct attr_list pub, struct attr_list priv,
	uint64_t *ret_pub, uint64_t *ret_priv);
/* told reads one attribute; *ret may be NULL. */
enum attr_found told(struct vault *v, uint64_t object, uint32_t type, struct slice *ret);
struct slice value_of(struct vault *v, uint64_t object, uint32_t type);
bool flag_of(struct vault *v, uint64_t object, uint32_t type);
bool exists(struct vault *v, uint64_t object);
size_t count(struct vault *v, struct attr_list t); /* objects found */

enum hf_err sign_with(struct vault *v, struct mech_in m, uint64_t key, struct slice data,
	struct slice *ret);
enum hf_err verify_with(struct vault *v, struct mech_in m, uint64_t key, struct slice data,
	struct slice sig);
enum hf_err encrypt_with(struct vault *v, struct mech_in m, uint64_t key, struct slice data,
	struct slice *ret);
enum hf_err decrypt_with(struct vault *v, struct mech_in m, uint64_t key, struct slice data,
	struct slice *ret);
enum hf_err wrap_with(struct vault *v, struct mech_in m, uint64_t with, uint64_t key,
	struct slice *ret);
enum hf_err unwrap_with(struct vault *v, struct mech_in m, uint64_t with, struct slice wrapped,
	struct attr_list t, uint64_t *ret);

#endif
