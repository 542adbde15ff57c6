/* module.h: what the files of libholdfast-pkcs11.so share. No keys live here:
 * every function checks its arguments, makes one or more calls on the vault
 * (stubs.h) and turns the answers into what PKCS#11 wants.
 *
 *   general.c     C_Initialize, C_Finalize, fork; the guard of all others
 *   interfaces.c  function lists, C_GetInterface
 *   slots.c       slots, tokens, mechanisms listed
 *   sessions.c    sessions, login, PINs
 *   objects.c     objects and searches
 *   keys.c        generate, wrap, unwrap, encapsulate, random
 *   derive.c      derive
 *   async.c       sessions whose slow calls run apart
 *   ops.c         encrypt, decrypt, digest, sign, verify
 *   messages.c    many messages under one key: ciphers
 *   messages_sign.c  and signatures
 *   wrap_auth.c   keys wrapped with associated data
 *   aead.c        IV and tag in an application's structures
 *   template.c    attributes, both ways
 *   mechanism.c   mechanisms and their parameters
 *   param_lists.c arrays in these */
#ifndef HF_MODULE_PKCS11_H
#define HF_MODULE_PKCS11_H

/* All else is hidden, see pkcs11.map. */
#pragma GCC visibility push(default)
#include "pkcs11.h"
#pragma GCC visibility pop

#include "client.h"
#include "params.h"
#include "secret.h"
#include "stubs.h"

/* Handles are 64 bits wide, so that an object has the same one everywhere. */
_Static_assert(sizeof(CK_ULONG) == 8, "a CK_ULONG must hold a 64-bit handle");

#define PIN_MAX 1024      /* bytes, as spec/calls */
#define NAME_MAX_BYTES 64 /* of a user, as spec/calls */
#define LABEL_BYTES 32    /* of a token */

/* struct entry is one C_ function's stay in the module. */
struct entry {
	struct client *client;
	struct arena arena; /* answers, encoded templates */
	struct buf param;   /* an encoded mechanism parameter */
	int cancel;         /* whether the thread could be cancelled before */
};

/* module_enter: false if C_Initialize was not called (in this process).
 * module_leave ends the stay; C_Finalize waits for it. */
bool module_enter(struct entry *e);
void module_leave(struct entry *e);

/* ENTER(e) begins every C_ function that needs the module initialized. */
#define ENTER(e)                                                               \
	CLEANUP(module_leave) struct entry e = { .param = BUF_MAX(WIRE_MAX_PARAM) }; \
	if (!module_enter(&(e)))                                               \
		return CKR_CRYPTOKI_NOT_INITIALIZED

#define REQUIRE(condition)                                                     \
	do {                                                                   \
		if (!(condition))                                              \
			return CKR_ARGUMENTS_BAD;                              \
	} while (0)

/* TRY_CKR is TRY in a function that returns CK_RV. */
#define TRY_CKR(e)                                                             \
	do {                                                                   \
		enum hf_err try_err_ = (e);                                    \
		if (try_err_ != HF_OK)                                         \
			return err_ckr(try_err_);                              \
	} while (0)

/* given: a pointer may be NULL only if there is nothing to point at. */
static inline bool given(const void *p, CK_ULONG n)
{
	return p != NULL || n == 0;
}

static inline struct slice bytes_of(const void *p, CK_ULONG n)
{
	return (struct slice){ p, n };
}

/* --- template.c --- */

#define TEMPLATE_MAX 256 /* attributes, as spec/calls */

/* template_encode turns an application's template into its form on the wire,
 * in the arena; what it points to may be the application's memory. */
enum hf_err template_encode(const CK_ATTRIBUTE *t, CK_ULONG n, struct arena *a,
	struct attr_list *ret) HF_MUST_CHECK;

/* template_fill gives got[i] to t[i]: C_GetAttributeValue's rules (PKCS#11 3.2
 * §5.7.5), all attributes processed. */
CK_RV template_fill(CK_ATTRIBUTE *t, CK_ULONG n, struct got_list got);

/* --- otp.c --- */

/* signs_otp: the signature that runs in the session is a one-time password. */
bool signs_otp(struct entry *e, CK_SESSION_HANDLE session);
/* otp_size: bytes of what C_Sign gives for an answer of so many; otp_give puts what goes before
 * the answer, which stands at p + otp_size(0) already. */
CK_ULONG otp_size(uint32_t need);
CK_RV otp_give(size_t answer, CK_BYTE_PTR p, CK_ULONG_PTR len);

/* --- mechanism.c --- */

/* mechanism_param: which parameter a mechanism has; PARAM_COUNT: we do not know the
 * mechanism. */
enum param_id mechanism_param(CK_MECHANISM_TYPE type);

/* mechanism_encode packs m's parameter into e->param; *ret views it. */
enum hf_err mechanism_encode(struct entry *e, const CK_MECHANISM *m, struct mech_in *ret)
	HF_MUST_CHECK;

/* mechanism_encode_message packs the parameter of a message, if m has one. */
enum hf_err mechanism_encode_message(struct entry *e, const CK_MECHANISM *m, struct mech_in *ret)
	HF_MUST_CHECK;
/* mechanism_encode_param packs a mechanism's parameter that comes alone. */
enum hf_err mechanism_encode_param(struct entry *e, const CK_MECHANISM *m, struct slice *ret)
	HF_MUST_CHECK;

/* --- aead.c --- */

/* struct aead_view is where an application has a message's IV and tag. */
struct aead_view {
	enum param_id shape;
	CK_BYTE_PTR iv;
	CK_ULONG iv_n;
	CK_BYTE_PTR tag;
	CK_ULONG tag_n;
};
enum hf_err aead_view(const void *param, CK_ULONG n, struct aead_view *ret) HF_MUST_CHECK;
/* aead_encode packs the structure into e->param; *ret views it. */
enum hf_err aead_encode(struct entry *e, const struct aead_view *v, const void *param, CK_ULONG n,
	struct slice *ret) HF_MUST_CHECK;
struct slice aead_tag(const struct aead_view *v);
/* aead_give puts what the vault made where the application wants it. */
void aead_give(const struct aead_view *v, struct slice iv, struct slice tag);

/* --- messages.c --- */

struct message_process {
	enum op_kind kind;
	enum calls_op init, final;
	bool cipher;
};
CK_RV messages_init(CK_SESSION_HANDLE session, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE key,
	const struct message_process *p);
CK_RV messages_final(CK_SESSION_HANDLE session, const struct message_process *p);

/* --- wrap_auth.c --- */

/* wrap_is_behind: m has a parameter of wrapping alone, which wants the tag behind the key. */
bool wrap_is_behind(const CK_MECHANISM *m);
struct output {
	CK_BYTE_PTR p;
	CK_ULONG_PTR len;
};
/* wrap_behind: keys are the wrapping one and the wrapped one. */
CK_RV wrap_behind(struct entry *e, CK_SESSION_HANDLE session, const CK_MECHANISM *m,
	const CK_OBJECT_HANDLE keys[2], struct output out);
CK_RV unwrap_behind(struct entry *e, CK_SESSION_HANDLE session, const CK_MECHANISM *m,
	const struct key_unwrap_req *q, CK_OBJECT_HANDLE *ret);

/* --- ops.c --- */

/* output_give hands out an answer as PKCS#11 3.2 §5.2 wants: p NULL asks for
 * the length; too small a buffer is told the length. */
CK_RV output_give(uint32_t need, struct slice out, CK_BYTE_PTR p, CK_ULONG_PTR len);
/* output_max is the "max" of a call for that buffer. */
uint32_t output_max(const void *p, const CK_ULONG *len);

/* --- objects.c --- */

/* find_forget ends a session's search; find_sweep those of sessions that are no
 * more; find_clear all. find_abandon is for a forked child: nothing is freed,
 * since another thread of the parent may have been at it. */
void find_forget(CK_SESSION_HANDLE session);
void find_sweep(struct client *c);
void find_clear(void);
void find_abandon(void);

/* --- async.c --- */

/* async_open notes that a session is one of CKF_ASYNC_SESSION; async_session asks.
 * The others are as those of searches. */
enum hf_err async_open(CK_SESSION_HANDLE session) HF_MUST_CHECK;
bool async_session(CK_SESSION_HANDLE session);
void async_forget(CK_SESSION_HANDLE session);
void async_sweep(struct client *c);
void async_clear(void);
void async_abandon(void);
/* async_key and async_key_pair begin calls that run apart: CKR_PENDING. */
CK_RV async_key(struct entry *e, CK_SESSION_HANDLE session, const struct key_generate_req *q);
CK_RV async_key_pair(struct entry *e, CK_SESSION_HANDLE session,
	const struct key_pair_generate_req *q);

/* --- general.c --- */

#define MODULE_NAME "Holdfast"

/* C_GetInfo as the lists of 3.0 and 3.2 have it. */
CK_RV info_3_0(CK_INFO_PTR info);
CK_RV info_3_2(CK_INFO_PTR info);

#endif
