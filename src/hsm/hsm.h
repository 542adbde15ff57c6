/* hsm.h: the module, as the daemon (or a test) sees it.
 *
 * Everything that the HSM is: partitions, roles, sessions, objects, mechanisms,
 * policy, audit. It reaches the outside only through struct keeper (below) and
 * answers frames. */
#ifndef HF_HSM_H
#define HF_HSM_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "calls_codec.h"
#include "err.h"
#include "keeper_codec.h"
#include "wire.h"

/* struct keeper is how the vault remembers: the calls of spec/keeper-calls, over
 * a socketpair in the daemon, direct in tests. call is thread-safe and blocks;
 * many may be under way. *rest reads the answer's fields, in a. */
struct keeper {
	enum hf_err (*call)(struct keeper *k, enum keeper_op op, struct slice fields,
		struct arena *a, struct rd *rest);
	_Atomic bool store_failing;   /* the last commit was refused; kept up by keeper_ask.h */
	_Atomic bool archive_failing; /* as the last audit_append said */
	_Atomic bool tight;           /* the disk is all but full: as the last audit_room said */
};

/* struct hsm_config: what the daemon tells the module (from spec/config.def). */
enum tamper_action { TAMPER_LOG, TAMPER_LOCK, TAMPER_ZEROIZE };

struct hsm_config {
	unsigned max_sessions;        /* per application */
	unsigned max_objects;         /* per partition */
	unsigned max_connections;     /* whole HSM */
	unsigned max_applications;    /* whole HSM */
	unsigned max_message;         /* bytes of a frame's fields; 0: WIRE_MAX_BYTES */
	unsigned pin_min, pin_max;    /* bytes */
	unsigned pin_failures;        /* then locked */
	unsigned ticket_seconds;      /* a ticket's life */
	unsigned argon2_kib, argon2_passes;
	bool pin_pbkdf2;              /* for PINs and passphrases, in the place of Argon2id */
	unsigned pbkdf2_passes;
	unsigned onetime_reserve;     /* signatures of a stateful key per durable write, at most */
	enum tamper_action tamper_action;
	unsigned quorum_s;            /* seconds that custodians' shares, and their consent, last */
	bool read_only;               /* keys are used, and nothing else is written */
	bool strict_partitions;       /* new ones begin with strict policies */
	bool clients_may_create;      /* C_InitToken by anyone who may connect */
	uint64_t admin_uid;           /* besides root */
	uint64_t login_gid;           /* who else may log in as a role of the HSM; UINT32_MAX: nobody */
	/* What has an audit record at least, whatever a partition's policies say. */
	unsigned audit_use;           /* enum policy_use_level */
	unsigned audit_auth, audit_keys, audit_failures, audit_all;
	unsigned audit_closed;        /* enum policy_closed */
	unsigned audit_count_seconds; /* between two sums of a key's uses */
	bool audit_ml_dsa;            /* sign the chain with ML-DSA-65, too */
	struct audit_tally *audit_tally; /* audit.h; NULL: what is lost at a kill is not counted */
};
extern const struct hsm_config hsm_config_default;

/* struct hsm_unlock: how the root key is protected. key_fd: a file of the
 * method "file", open for reading and writing, empty when the HSM is new (then
 * the module writes 32 random bytes); -1: there is none. */
struct tpm; /* tpm.h */
struct hsm_unlock {
	int key_fd;
	struct tpm *tpm;     /* the module's from hsm_open on; NULL: there is none */
	uint32_t pcrs;       /* that a secret is sealed to, unless said otherwise */
	bool by_tpm;         /* a new HSM begins with it */
	bool attended;       /* stay locked at the start */
};

struct hsm;

/* hsm_open reads the store through k. A store that is empty is a new HSM. The
 * module starts locked, and unlocks by itself when key_fd serves. A failed
 * self-test leaves it in HSM_ERROR: it opens, and answers every call so. */
enum hf_err hsm_open(const struct hsm_config *cfg, struct keeper *k,
	const struct hsm_unlock *unlock, struct hsm **ret) HF_MUST_CHECK;
void hsm_close(struct hsm *h); /* writes the audit log's stop record */
/* hsm_rest waits for calls that run apart (hsm_close does so, too, for ever);
 * false: some still do, at that time (monotonic, ns). No other begins. */
bool hsm_rest(struct hsm *h, uint64_t until_ns);

/* hsm_tick does what is due; called every few seconds, from one thread. */
void hsm_tick(struct hsm *h);

/* hsm_waiting tells, for the metrics, that so many more slow calls wait for a thread. */
void hsm_waiting(struct hsm *h, int more);

/* hsm_fact adds a line to 'holdfast status' ("sandbox", "seccomp, Landlock 4, ..."). */
void hsm_fact(struct hsm *h, const char *name, const char *value);
/* hsm_tampered tells of a tamper event; the setting tamper-action decides what follows. */
void hsm_tampered(struct hsm *h, const char *why);
/* hsm_fail puts the HSM into its error state, for good. */
void hsm_fail(struct hsm *h, const char *why);

/* struct peer is what the kernel says of the other end of a connection. */
struct peer {
	uint64_t uid, gid, pid;
	uint64_t groups[32]; /* supplementary */
	unsigned group_count;
};

/* struct hsm_conn is one connection; hello makes it part of an application.
 * When an application's last connection closes, its sessions and logins end. */
struct hsm_conn;
enum hf_err hsm_conn_open(struct hsm *h, const struct peer *p, struct hsm_conn **ret) HF_MUST_CHECK;
void hsm_conn_close(struct hsm_conn *c);

/* hsm_is_slow says whether the request with this head and these fields belongs on the slow threads. */
bool hsm_is_slow(const struct hsm_conn *c, const struct wire_head *head, struct slice fields);

/* hsm_serve answers one request: head and fields in, a whole response frame
 * (head and fields) into out. Thread-safe, also for one connection. False: the
 * peer broke the protocol, close the connection. */
bool hsm_serve(struct hsm_conn *c, const struct wire_head *head, struct slice fields,
	struct buf *out);

/* struct hsm_later lets a call be put aside while it waits for a disk together with others: its thread
 * goes on to other work, and no other call of that connection is served meanwhile. head and fields are
 * the caller's until the call is over, and out and this, at the same place. */
struct hsm_later {
	/* ready: hsm_go_on is to be called, by any thread that holds no lock and serves no call. It comes
	 * once each time that the call was put aside, perhaps before the caller has heard of that. */
	void (*ready)(void *ctx);
	void *ctx;
	struct hsm_call *call; /* the module's; NULL: no call is aside */
};
/* hsm_serve_later is hsm_serve of a call that may be put aside: then l->call is not NULL, and out is not yet
 * the answer. hsm_go_on goes on with it: true: it is over, and out is the answer. */
bool hsm_serve_later(struct hsm_conn *c, const struct wire_head *head, struct slice fields,
	struct hsm_later *l, struct buf *out);
bool hsm_go_on(struct hsm_later *l);

/* struct hsm_bulk: data of a request, and room for its answer, in memory that the client sees and
 * may change at any time. What is not fit for that copies the data first, and does not use the room. */
struct hsm_bulk {
	struct slice data; /* of the field whose length is RD_ASIDE */
	uint8_t *room;
	size_t room_n;
	/* there: the first n bytes of data stand there. false: they did not come in time. */
	bool (*there)(const struct hsm_bulk *b, size_t n);
	/* ready: the n bytes from p on, in the room, stand in the answer as they are. */
	void (*ready)(const struct hsm_bulk *b, const uint8_t *p, size_t n);
	void *ctx; /* the caller's */
};
/* hsm_takes_bulk: a request with this head may come with it; its fields are bytes, u32. */
bool hsm_takes_bulk(const struct wire_head *head);
/* hsm_serve_bulk is hsm_serve of such a request. out is empty, and has memory for a head. Where the
 * room was used, out views the response there afterwards; what it had before is still the caller's. */
bool hsm_serve_bulk(struct hsm_conn *c, const struct wire_head *head, struct slice fields,
	const struct hsm_bulk *bulk, struct buf *out);

/* hsm_stop_wanted: an administrator asked for a stop. hsm_busy: connections open. */
bool hsm_stop_wanted(const struct hsm *h);
unsigned hsm_connections(const struct hsm *h);

#endif
