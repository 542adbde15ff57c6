/* wire.h: what a frame is, what a row of spec/calls says, and the limits.
 *
 *   request  | length u32 | opcode u16 | flags u16 | request id u64 | session u64 | fields |
 *   response | length u32 | opcode u16 | error u16 | request id u64 | zero    u64 | fields |
 *
 * length counts the bytes after the 24 of the head. A response with an error
 * other than HF_OK has no fields. */
#ifndef HF_WIRE_H
#define HF_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "err.h"
#include "secret.h"

#define WIRE_VERSION 1
#define WIRE_HEAD 24                    /* bytes */
#define WIRE_MAX_BYTES (64u << 20)      /* one frame's fields, and any one field */
#define WIRE_MAX_LIST 65536u            /* elements of a list without its own limit */
#define WIRE_MAX_PARAM (1u << 20)       /* an encoded mechanism parameter */
#define WIRE_BEFORE_OUT (2 * sizeof(uint32_t)) /* bytes: fields before out's, need u32, length u32 */
#define WIRE_NO_OUTPUT UINT32_MAX       /* "max" of a call that asks for the length only */

/* Opcodes of the transport itself; no call has them. */
#define WIRE_OP_CHANNEL 0xfffeu /* asks for shared memory: its descriptor comes with the answer */
#define WIRE_OP_RING 0xffffu    /* look into the channel; is not answered */

#define WIRE_FLAG_REPEAT 1u /* the request was sent before; see spec/calls, REPEAT */
/* Not answered; when it fails, the request that follows is not served, and answered with
 * this one's error. */
#define WIRE_FLAG_QUIET 2u

struct wire_head {
	uint32_t length;
	uint16_t opcode;
	uint16_t flags; /* in a response: enum hf_err */
	uint64_t request;
	uint64_t session;
};

void wire_head_put(const struct wire_head *h, uint8_t out[WIRE_HEAD]);
/* wire_head_get: HF_E_TOO_BIG if length exceeds max (then close the connection). */
enum hf_err wire_head_get(const uint8_t in[WIRE_HEAD], size_t max, struct wire_head *ret)
	HF_MUST_CHECK;

/* struct mech_in is a mechanism on the wire: CKM_ and its encoded parameter. */
struct mech_in {
	uint32_t type;
	struct slice param;
};
void mech_in_enc(struct buf *b, const struct mech_in *m);
bool mech_in_dec(struct rd *r, struct arena *a, struct mech_in *ret) HF_MUST_CHECK;

/* rd_text is rd_bytes that accepts valid UTF-8 without NUL only. */
bool rd_text(struct rd *r, size_t max, struct slice *ret);

/* --- a row of spec/calls ------------------------------------------------ */

enum call_needs { CALL_NEEDS_NONE, CALL_NEEDS_APP, CALL_NEEDS_SESSION };
enum call_by {
	CALL_BY_P = 1, CALL_BY_U = 2, CALL_BY_S = 4, CALL_BY_A = 8, CALL_BY_L = 16, CALL_BY_C = 32,
	CALL_BY_H = 64, CALL_BY_D = 128
};
#define CALL_BY_HSM (CALL_BY_H | CALL_BY_A | CALL_BY_D) /* roles of the HSM, no partition's */
enum call_in {
	CALL_IN_O = 1, CALL_IN_L = 2, CALL_IN_E = 4, CALL_IN_T = 8, CALL_IN_N = 16, CALL_IN_Z = 32
};
enum call_audit {
	CALL_AUDIT_NO, CALL_AUDIT_ADMIN, CALL_AUDIT_AUTH, CALL_AUDIT_KEYS, CALL_AUDIT_USE
};
enum call_repeat { CALL_REPEAT_NO, CALL_REPEAT_YES, CALL_REPEAT_ORIGIN, CALL_REPEAT_OP };

struct call_row {
	const char *name; /* NULL: no such call */
	enum call_needs needs;
	unsigned roles;  /* bits of call_by; 0: anyone */
	unsigned session_only; /* of these: may touch session objects only */
	unsigned states; /* bits of call_in */
	enum call_audit audit;
	bool slow;
	enum call_repeat repeat;
};

/* --- rights of named users ---------------------------------------------- */

enum { /* their bits, in the order of spec/rights.def */
#define RIGHT(id, name, help) RIGHT_BIT_##id,
#include "rights.def"
#undef RIGHT
	RIGHTS
};
enum {
#define RIGHT(id, name, help) RIGHT_##id = 1 << RIGHT_BIT_##id,
#include "rights.def"
#undef RIGHT
};
#define RIGHTS_ALL ((1u << RIGHTS) - 1)
#define RIGHTS_KEYS 128 /* bytes of the patterns of keys */

/* --- closed sets that travel as numbers --------------------------------- */

enum hsm_state {
	HSM_OPERATIONAL = 1, HSM_LOCKED = 2, HSM_ERROR = 3, HSM_TAMPERED = 4, HSM_UNINITIALIZED = 5,
	HSM_ZEROIZED = 6
};
/* what the last call of a session that named a mechanism was: FIPS 140-3's indicator */
enum service { SERVICE_NONE = 0, SERVICE_APPROVED = 1, SERVICE_NOT_APPROVED = 2 };
enum attr_found { ATTR_FOUND = 0, ATTR_SENSITIVE = 1, ATTR_NO_SUCH = 2 };
enum identity_kind { IDENTITY_UID = 1, IDENTITY_GID = 2 };
enum op_kind {
	OPK_ENCRYPT, OPK_DECRYPT, OPK_DIGEST, OPK_SIGN, OPK_SIGN_RECOVER, OPK_VERIFY,
	OPK_VERIFY_RECOVER, OPK_VERIFY_SIGNATURE, OPK_MESSAGE_ENCRYPT, OPK_MESSAGE_DECRYPT,
	OPK_MESSAGE_SIGN, OPK_MESSAGE_VERIFY, OPK_COUNT
};

/* --- transports --------------------------------------------------------- */

/* struct transport sends a request and gets its response. One call at a time
 * from one thread; the client keeps one per calling thread. */
struct transport;
/* struct early is where `out` of an answer | need u32 | out bytes | may go before the answer is there
 * (channel.h): what stood there is not needed any more. */
struct early {
	uint8_t *p;          /* room of the caller's, */
	size_t room;         /* bytes */
	const uint8_t *from; /* where in shared memory they came from */
	size_t n;            /* came */
};
/* struct request: its fields are three pieces, one after the other, so that large data go from
 * where the caller has them to where the vault reads them, and are not put together before. */
struct request {
	struct wire_head head; /* its length is not looked at */
	struct slice fields, data, tail;
	const struct request *ahead; /* a quiet one that goes before, or NULL */
	struct early *early;         /* or NULL: all waits for the answer */
	bool pours; /* its data may be on their way still when it is seen: perhaps HF_E_DATA_LATE */
};
struct answer {
	struct wire_head head;
	struct slice fields;
};
struct transport_ops {
	/* call sends q and receives the answer, whose fields stay where they came to until the
	 * next call: in shared memory, or in `in` (reset first). HF_E_CONNECTION: broken;
	 * *ret_sent tells whether the peer may have seen the request. */
	enum hf_err (*call)(struct transport *t, const struct request *q, struct buf *in,
		struct answer *ret, bool *ret_sent);
	void (*close)(struct transport *t); /* and frees it */
	int (*peer)(struct transport *t);   /* id of the process that listens; 0: none, unknown */
	void (*done)(struct transport *t);  /* the last answer is not needed any more; or NULL */
	bool pairs; /* a request may have one ahead */
};
struct transport {
	const struct transport_ops *ops;
};

size_t request_size(const struct request *q); /* bytes of its fields */
/* request_put writes the frame to p, WIRE_HEAD + request_size bytes, without what is ahead. */
void request_put(const struct request *q, uint8_t *p);
/* request_put_some leaves out all of its data but the first n bytes. */
void request_put_some(const struct request *q, uint8_t *p, size_t n);

/* transport_call is a call whose answer has its head in *head and its fields in out. */
enum hf_err transport_call(struct transport *t, struct wire_head *head, struct slice fields,
	struct buf *out, bool *ret_sent) HF_MUST_CHECK;

/* transport_unix connects to the socket named `name` in directory dir (any
 * length: it goes through /proc/self/fd) within timeout_ms; an answer may take
 * ten minutes. HF_E_NO_DAEMON: nobody listens. HF_E_DENIED: the file's mode.
 * HF_E_TIMEOUT: not accepted, or not answered, in time. After an error of a
 * call other than HF_E_TOO_BIG the connection is closed. */
enum hf_err transport_unix(const char *dir, const char *name, unsigned timeout_ms,
	struct transport **ret) HF_MUST_CHECK;

/* transport_unix_share asks the vault for shared memory (channel.h), request being an id of its
 * own; from then on calls that fit go through it. Refused: the socket serves for all.
 * HF_E_CONNECTION and the like: the connection is closed. */
enum hf_err transport_unix_share(struct transport *t, uint64_t request) HF_MUST_CHECK;

/* transport_loopback answers by calling serve in this process (tests). */
typedef void (*loopback_serve)(void *ctx, struct slice request, struct buf *response);
enum hf_err transport_loopback(loopback_serve serve, void *ctx, void (*closed)(void *ctx),
	struct transport **ret) HF_MUST_CHECK;

/* wire_send_request sends what is ahead of q, then q. wire_send and wire_recv move whole
 * frames over a stream socket, blocking; for the vault's and the keeper's ends too.
 * HF_E_CONNECTION: the peer is gone or broke the framing. HF_E_TIMEOUT: SO_SNDTIMEO or
 * SO_RCVTIMEO ran out. After any error but a send's HF_E_TOO_BIG (nothing was sent)
 * close the socket.
 * wire_send sets head->length. wire_recv resets out, and makes room only as
 * bytes arrive, at most twice what is there. */
enum hf_err wire_send_request(int fd, const struct request *q) HF_MUST_CHECK;
enum hf_err wire_send(int fd, struct wire_head *head, struct slice fields) HF_MUST_CHECK;
enum hf_err wire_recv(int fd, size_t max, struct wire_head *ret_head, struct buf *out)
	HF_MUST_CHECK;

#endif
