/* tpm_int.h: inside of src/tpm: the transport, sessions, and commands in them. */
#ifndef HF_TPM_INT_H
#define HF_TPM_INT_H

#include <tss2/tss2_mu.h>
#include <tss2/tss2_sys.h>

#include "crypto.h"
#include "lock.h"
#include "tpm.h"

#define TPM_NAME TPM_KEY_NAME /* SHA-256's identifier and a hash: of every object that is ours */
#define TPM_HASH 32u
#define TPM_HANDLES 2u

/* struct tpm_channel is tss2's transport interface over one descriptor. */
struct tpm_channel {
	TSS2_TCTI_CONTEXT_COMMON_V1 common; /* first */
	int fd;
	uint8_t answer[4096];
	size_t have; /* bytes of it, until tss2 takes them */
};
void tpm_channel_init(struct tpm_channel *c, int fd);

/* struct tpm_session: one that is salted for the primary key; HMACs on both ways, and
 * what is secret encrypted. */
struct tpm_session {
	TPMI_SH_AUTH_SESSION handle; /* 0: none */
	TPM2B_NONCE caller, tpm;
	struct secret key;           /* the session's, then the object's authorization value */
	size_t own;                  /* bytes of the first of them */
	bool auth_in_hmac;
};

struct tpm {
	struct mutex lock;           /* all of it */
	struct tpm_channel channel;
	TSS2_SYS_CONTEXT *sys;
	TPM2_HANDLE primary, object; /* 0: none */
	TPM2B_NAME primary_name, object_name;
	TPMS_ECC_POINT point;        /* the primary key's */
	struct tpm_session hmac, policy;
	TPM2B_SENSITIVE_CREATE in;   /* here, since this is protected memory */
	TPM2B_SENSITIVE_DATA out;
};

/* struct tpm_names are the names of a command's handles, in order. */
struct tpm_names {
	struct slice v[TPM_HANDLES];
	size_t n;
};

/* tpm_rc turns a response code into an error of ours, and logs what is none of those
 * that tpm_unseal tells. */
enum hf_err tpm_rc(TSS2_RC rc, const char *what) HF_MUST_CHECK;

/* tpm_enter makes the primary key and a session for it; tpm_leave leaves nothing of ours in the TPM, or
 * in t. */
enum hf_err tpm_enter(struct tpm *t) HF_MUST_CHECK;
void tpm_leave(struct tpm *t);

enum hf_err tpm_session_open(struct tpm *t, TPM2_SE type, struct tpm_session *s) HF_MUST_CHECK;
/* tpm_session_auth gives the value of the object that the session will authorize. */
enum hf_err tpm_session_auth(struct tpm_session *s, struct slice value) HF_MUST_CHECK;
void tpm_session_close(struct tpm *t, struct tpm_session *s);

/* tpm_run executes what was prepared, in a session: attributes are TPMA_SESSION_. With
 * DECRYPT the first parameter goes encrypted, with ENCRYPT that of the answer comes so.
 * The answer is authentic when it returns; then Tss2_Sys_X_Complete. */
enum hf_err tpm_run(struct tpm *t, struct tpm_session *s, TPMA_SESSION attributes,
	const struct tpm_names *names, const char *what) HF_MUST_CHECK;

#endif
