/* client.h: one application's link to its HSM: connections, reconnecting,
 * sessions and logins that outlive the daemon's restart.
 *
 * The calls themselves are the generated stubs (stubs.h: do_sign, ...). A
 * session handle here is the client's own number and stays valid when the vault
 * restarts; the vault's number behind it changes. Thread-safe: every thread has
 * its own connection. */
#ifndef HF_CLIENT_H
#define HF_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "calls_codec.h"
#include "err.h"
#include "wire.h"

struct client;

/* client_connect opens the next connection of an application; used instead of
 * the real one by tests (loopback). */
typedef enum hf_err (*client_connect)(void *ctx, struct transport **ret);

struct client_options {
	const char *program;      /* for the audit record; NULL: from /proc/self/comm */
	bool no_start;            /* true: never start a private daemon */
	unsigned wait_ms;         /* how long to try to (re)connect; 0: 15000 */
	client_connect connect;   /* NULL: the instance found as client_find says */
	void *connect_ctx;
};

/* client_open makes an application (a fresh random 32-byte id). It connects at
 * the first call. */
enum hf_err client_open(const struct client_options *o, struct client **ret) HF_MUST_CHECK;
/* client_close ends it: its connections close, so the vault drops its sessions. */
void client_close(struct client *c);
/* client_forget releases a client in a forked child without touching the
 * parent's connections. */
void client_forget(struct client *c);

/* client_call sends one call. Repeats it after a broken connection as its row
 * in spec/calls allows; restores sessions and logins first. *rest reads the
 * response's fields, which live in a. */
enum hf_err client_call(struct client *c, enum calls_op op, uint64_t session,
	struct slice fields, struct arena *a, struct rd *rest) HF_MUST_CHECK;

/* struct transfer is a call of an operation with data that stay where the caller has them:
 *   | data bytes, if it takes some | what else it takes, encoded |
 *   answer, if there is one: | need u32 | out bytes | */
struct transfer {
	enum calls_op op;
	uint64_t session;
	const struct slice *data; /* NULL: it takes none */
	struct slice tail;
};
struct transfer_out {
	uint8_t *p;    /* the answer's bytes go there, */
	size_t room;   /* as many as this */
	uint32_t need; /* as the vault said */
	size_t n;      /* came */
	struct early early; /* client_transfer's own */
};
/* client_transfer is client_call for these. o NULL: nothing is answered. p is written on success, and
 * before it is known that there is one where it does not overlap the data. */
enum hf_err client_transfer(struct client *c, const struct transfer *t, struct transfer_out *o)
	HF_MUST_CHECK;

/* client_operation: the mechanism of the operation of that kind that runs in a session;
 * false: none does. */
bool client_operation(struct client *c, uint64_t session, enum op_kind k, uint32_t *ret_type);

/* client_operations_taken: the operations of these kinds (bits) run in a session now, and no
 * others, begun elsewhere: a restart ends them. */
void client_operations_taken(struct client *c, uint64_t session, uint32_t ops);

/* client_daemon: the id of the process that listens for the instance this client is connected
 * to; 0: it is connected to none, or that process is in another PID namespace. */
int client_daemon(struct client *c);

/* client_part_max: how many bytes of data one call can carry to this vault, or
 * bring back; more is sent in parts. */
size_t client_part_max(struct client *c);

/* client_random: n bytes of the vault's generator, at most client_part_max. */
enum hf_err client_random(struct client *c, uint64_t session, uint8_t *p, size_t n) HF_MUST_CHECK;

/* client_session_open and _close keep the client's own handle table; use them,
 * not do_session_open. */
enum hf_err client_session_open(struct client *c, uint64_t slot, bool rw, uint64_t *ret)
	HF_MUST_CHECK;
enum hf_err client_session_close(struct client *c, uint64_t session) HF_MUST_CHECK;
enum hf_err client_session_close_all(struct client *c, uint64_t slot) HF_MUST_CHECK;
/* client_session_slot: HF_E_SESSION_HANDLE if there is no such session. */
enum hf_err client_session_slot(struct client *c, uint64_t session, uint64_t *ret) HF_MUST_CHECK;

/* client_login keeps the ticket that the vault gives, never the PIN. */
enum hf_err client_login(struct client *c, uint64_t session, uint32_t user, struct slice name,
	struct slice pin) HF_MUST_CHECK;
enum hf_err client_logout(struct client *c, uint64_t session) HF_MUST_CHECK;
enum hf_err client_pin_set(struct client *c, uint64_t session, struct slice old,
	struct slice fresh) HF_MUST_CHECK;

/* --- which instance ----------------------------------------------------- */

/* struct instance names where a daemon's socket is. */
struct instance {
	char *dir;      /* of the socket; owned */
	char *home;     /* of a private instance, else NULL; owned */
	bool private_;  /* may be started by the client */
};

/* client_find decides, in this order: $HOLDFAST_HOME (private instance there,
 * unless its holdfast.conf says otherwise), /run/holdfast if its socket exists,
 * else a private instance under $XDG_DATA_HOME/holdfast (~/.local/share). */
enum hf_err client_find(struct instance *ret) HF_MUST_CHECK;
void instance_done(struct instance *i);

/* client_start makes sure that a private instance runs: takes dir/start.lock,
 * looks again, else starts holdfastd and waits until it listens. */
enum hf_err client_start(const struct instance *i, unsigned wait_ms) HF_MUST_CHECK;

#define INSTANCE_SOCKET "vault.sock" /* its name in dir */

#endif
