/* client_int.h: what the files of src/client share.
 *
 * One call, from the outside in:
 *   client.c    the loop: try, reconnect, repeat as the call's row allows
 *   session.c   the handle table; opens a session anew in a restarted vault
 *   login.c     tickets: kept, renewed, presented after a restart
 *   operation.c begun operations: begins them anew when nothing was fed in yet
 *   digest.c    digests of data, which need no vault
 *   link.c      connections: a pool, hello, one exchange
 *
 * A generation is a stretch of time in which the vault remembered this
 * application. It ends when the vault restarts, or when the last connection
 * broke. Sessions, logins and operations know the generation they belong to. */
#ifndef HF_CLIENT_INT_H
#define HF_CLIENT_INT_H

#include "client.h"
#include "lock.h"
#include "map.h"
#include "secret.h"

#define CLIENT_MAX_CONNECTIONS 256 /* of one application; more threads take turns */
#define CLIENT_WAIT_MS 15000u
#define CLIENT_APP_BYTES 32

/* struct conn is a place in the pool; used by one thread at a time. */
struct conn {
	struct transport *_Atomic t; /* NULL: not connected */
	atomic_bool busy;
	uint64_t boot;       /* of the vault at the other end */
	uint64_t generation;
	uint64_t calls;      /* of it */
	struct buf in;       /* the last response's fields, if they came by the socket */
	struct slice answer; /* they, wherever they are; until the next exchange */
};

/* struct login is what survives a restart of one slot's login. */
struct login {
	struct map_node node;  /* key: the slot */
	struct secret ticket;  /* empty: nobody is logged in */
	uint64_t renew_at;     /* monotonic, ns; 0: never */
	uint64_t generation;   /* in which the vault knows of it */
	size_t sessions;       /* of this slot in the handle table */
};

/* struct op_memory is an operation that an _init call began in a session. */
struct op_memory {
	bool active;
	bool fed;        /* data went in after _init */
	bool unsure;     /* a call of it was sent and not answered */
	bool known;      /* request went well before, */
	uint64_t changes; /* when client.changes was this */
	uint64_t lease;   /* a digest: until then it may be made here; monotonic, ns; 0: never */
	uint16_t init;   /* enum calls_op */
	uint64_t epoch;  /* of the session */
	struct buf request; /* the _init call's fields */
};

struct session {
	struct map_node node; /* key: the client's handle */
	atomic_uint refs;
	bool closed;          /* taken out of the table */
	bool rw;
	struct login *login;  /* of its slot */
	struct mutex lock;    /* all below; held during a call of an operation */
	/* these four are written under client.lock too, so that either lets read */
	uint64_t vault;       /* the vault's number; 0: none */
	uint64_t generation, boot;
	uint64_t epoch;       /* counts the vault sessions behind this handle */
	uint64_t ivs;         /* at most so many did the vault make in it */
	uint32_t late;        /* bits of op_kind: _init was not sent and will go ahead of the next call */
	struct op_memory ops[OPK_COUNT];
};

struct client {
	struct client_options o;
	char program[65];
	uint8_t app[CLIENT_APP_BYTES];
	struct instance instance; /* dir NULL: not looked for yet */
	struct mutex lock;        /* all below; short */
	struct cond freed;        /* a conn became free */
	size_t live;              /* connections */
	_Atomic size_t waiting;   /* threads, for a conn */
	uint64_t boot, generation;
	size_t max_message;       /* bytes, as the vault said */
	_Atomic uint64_t changes; /* calls that may change what an _init answers */
	_Atomic uint64_t next_request;
	uint64_t next_session;
	struct map sessions, logins;
	struct mutex random_lock;
	struct random_pool *random; /* NULL: none yet */
	struct mutex restoring;   /* one thread opens sessions and resumes logins */
	struct conn conns[CLIENT_MAX_CONNECTIONS]; /* last: what each call looks at is on one page */
};

/* struct call is one call on its way. */
struct call {
	enum calls_op op;
	const struct call_row *row;
	uint64_t session;       /* the client's handle, or 0 */
	struct slice fields, data, tail; /* of the request, one after the other */
	uint64_t request;
	bool seen;              /* an earlier attempt may have reached the vault */
	bool reopened;          /* the session was opened anew for this call */
	bool was_late;          /* with data: HF_E_DATA_LATE */
	bool answered;          /* the vault spoke: answer is final */
	enum hf_err answer;
	uint64_t deadline;      /* of repeating; 0: nothing went wrong yet */
	unsigned pause_ms;
	const struct op_memory *late; /* its _init goes ahead */
	struct slice said;      /* the fields of an answer that was given without the vault; constant */
	uint64_t changes;       /* client.changes before it */
	struct arena *arena;    /* the response's fields go there, */
	struct rd *rest;
	struct transfer_out *output;  /* or, if this is not NULL, its data there */
	uint64_t generation, boot; /* when it was answered */
};

/* --- link.c --- */

/* link_take gets a place of the pool, connected or not; waits while all are
 * busy. link_give puts it back. */
struct conn *link_take(struct client *c);
void link_give(struct client *c, struct conn *k);
void link_drop(struct client *c, struct conn *k);
/* link_peer: the process at the other end of a connection that is not in use; 0: there is none. */
int link_peer(struct client *c);
/* link_up connects k to the running vault, for one more call. HF_E_CONNECTION, HF_E_TIMEOUT: trying
 * again may help; HF_E_NO_DAEMON: it will not. */
enum hf_err link_up(struct client *c, struct conn *k) HF_MUST_CHECK;
/* link_ask makes one exchange. The error is the link's (then k is closed); *ret_answer is
 * the vault's. *ret_sent: the vault may have seen it. */
enum hf_err link_ask(struct client *c, struct conn *k, const struct request *q, bool *ret_sent,
	enum hf_err *ret_answer) HF_MUST_CHECK;
/* link_tell is link_ask for calls of the client's own. */
enum hf_err link_tell(struct client *c, struct conn *k, enum calls_op op, uint64_t vault_session,
	const struct buf *fields, enum hf_err *ret_answer) HF_MUST_CHECK;
uint64_t link_request_id(struct client *c);

/* --- session.c --- */

/* session_get takes a reference; NULL: no such session. */
struct session *session_get(struct client *c, uint64_t handle);
void session_put(struct session *s);
/* session_restore makes sure that the vault at k's end knows s and its slot's
 * login. s->lock is held. The vault's refusal ends q: q->answered. */
enum hf_err session_restore(struct client *c, struct conn *k, struct session *s, struct call *q)
	HF_MUST_CHECK;
/* session_lost notes that the vault does not know s after all. */
void session_lost(struct client *c, struct session *s);
void sessions_done(struct client *c);

/* --- login.c --- */

/* login_of returns the slot's entry, made when new; NULL: no memory.
 * client.lock is held. */
struct login *login_of(struct client *c, uint64_t slot);
bool login_is_due(const struct client *c, const struct login *l, uint64_t generation);
/* login_restore presents or renews the ticket; client.restoring is held. */
enum hf_err login_restore(struct client *c, struct conn *k, struct login *l, uint64_t vault_session)
	HF_MUST_CHECK;
void login_forget(struct client *c, struct login *l);
void logins_done(struct client *c);

/* --- operation.c --- */

/* operation_is: op belongs to an operation of a session. */
bool operation_is(enum calls_op op);
/* operation_makes_iv: op may use up an IV that the vault makes. */
bool operation_makes_iv(enum calls_op op);
/* operation_here does without the vault what that lets the client do by itself for a while: a
 * digest of data in one call, and its _init. true: q->answered. */
bool operation_here(const struct client *c, struct session *s, struct call *q);
/* operations_settle sends what _init calls are late, before any call that is not their own. */
enum hf_err operations_settle(struct client *c, struct conn *k, struct session *s, const struct call *q)
	HF_MUST_CHECK;
/* operation_restore begins s's operation anew where the vault lost it. An _init that went well
 * before, and would again, is answered here, and sent with the call that follows. */
enum hf_err operation_restore(struct client *c, struct conn *k, struct session *s, struct call *q)
	HF_MUST_CHECK;
/* operation_late is the _init that goes ahead of m's next call. */
struct request operation_late(const struct op_memory *m, uint64_t vault_session);
/* operation_note remembers what the answer to q means for later calls. */
void operation_note(struct session *s, const struct call *q, struct slice response);
/* operation_broken: q was sent and the link broke. */
void operation_broken(struct session *s, const struct call *q);
void operations_done(struct session *s);

/* --- digest.c --- */

#define DIGEST_HERE_MAX 64 /* bytes of a digest */

/* digest_here digests data as the mechanism (CKM_) says, which has no parameter, and gives its
 * length; out NULL: that only. 0: it is not known here. */
size_t digest_here(uint32_t mechanism, struct slice data, uint8_t out[DIGEST_HERE_MAX]);

/* --- client.c --- */

/* call_run is client_call with all of struct call to look at afterwards. */
enum hf_err call_run(struct client *c, struct call *q) HF_MUST_CHECK;

/* --- random.c ---------------------------------------------------------------- */

void random_done(struct client *c);

#endif
