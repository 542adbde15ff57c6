/* module.h: the structures of the module and who locks what.
 *
 * Order of locks, outermost first: session.lock (the gate holds it during the
 * call, which another thread may bring to its end), hsm.lock, app.lock, roles.lock (roles.c),
 * partition.lock, partition.iv_lock, records (inside records.c), audit (inside audit.c), a table
 * of objects or of tags. But for session.lock nobody holds one while a family computes.
 * partition.keeping is outside of roles.lock. */
#ifndef HF_MODULE_H
#define HF_MODULE_H

#include <pthread.h>
#include <stdatomic.h>

#include "audit_witness.h"
#include "calls_serve.h"
#include "crypto.h"
#include "hsm.h"
#include "lock.h"
#include "map.h"
#include "mech.h"
#include "policies.h"
#include "tpm.h"

#define UID_LEN 16    /* bytes of an object's unique id */
#define APP_ID_LEN 32 /* bytes of an application's id */
#define SERIAL_LEN 16 /* hex digits of a partition's serial number */
#define DOMAIN_ID 16u /* bytes of a security domain's id (domain.h) */

struct objects; /* object.c: a partition's objects in memory */
struct records; /* records.c: sealed records behind struct keeper */
struct audit;   /* audit.c: the chain */
struct op;      /* op.c: a running operation */

/* Login state of an application in a partition: also the bits of spec/calls. */
enum role {
	ROLE_PUBLIC = CALL_BY_P, ROLE_USER = CALL_BY_U, ROLE_SO = CALL_BY_S,
	ROLE_LIMITED = CALL_BY_L, ROLE_CRYPTO_USER = CALL_BY_C,
	/* of the HSM: hsm_roles.h */
	ROLE_HSM_SO = CALL_BY_H, ROLE_ADMINISTRATOR = CALL_BY_A, ROLE_AUDITOR = CALL_BY_D
};
/* Those who use keys: they see private objects. */
static inline bool role_is_user(enum role r)
{
	return r == ROLE_USER || r == ROLE_LIMITED || r == ROLE_CRYPTO_USER;
}

static inline bool role_is_of_hsm(enum role r)
{
	return ((unsigned)r & CALL_BY_HSM) != 0;
}

#define USER_NAME_MAX 32
#define TAMPER_WHY 200  /* bytes of what a tamper event says, with its end */

/* struct rights: rights.h. */
struct rights {
	uint32_t may;                 /* RIGHT_ */
	char keys[RIGHTS_KEYS + 1];   /* patterns, comma-separated; "": all */
};

/* struct rekey: which key is the partition's, as its record says (rekey.h). */
struct rekey {
	bool known;               /* false: it still has its first one */
	uint8_t check[CRYPTO_HASH]; /* tells that key, without holding it */
	bool under_way;           /* records may still be sealed by the one before: */
	uint8_t old[CRYPTO_KEY + CRYPTO_SEAL_EXTRA]; /* sealed by the key */
};

/* struct opening: how far a partition's private objects are in memory; see opening.h. */
struct opening {
	struct mutex lock;
	struct cond over;
	atomic_bool under_way, stop;
	atomic_uint threads, shard;
	unsigned fetching;        /* calls */
	enum hf_err result;
	size_t damaged;           /* records, before */
	struct secret now, old;   /* copies of the keys; while under way only read */
};

/* struct partition: lives as long as somebody holds a reference. */
struct partition {
	struct map_node by_slot;
	atomic_uint refs;
	uint64_t slot;
	char serial[SERIAL_LEN + 1];
	pthread_rwlock_t lock;    /* what follows */
	bool ready;               /* false: being created, nobody may see it */
	bool deleted;
	bool disabled;            /* no session may open */
	bool wiping;              /* its objects are being destroyed */
	char label[33];           /* UTF-8, no padding */
	uint64_t created;         /* UTC, microseconds */
	struct identity_list clients; /* owned; who may see it */
	uint64_t epoch;           /* tickets of an older epoch are void */
	bool user_pin_set;
	struct secret key;        /* the partition key; empty while nobody is logged in */
	struct rekey rekey;       /* written under roles.pin too */
	struct secret old_key;    /* beside key while rekey is under way */
	bool rekeying;            /* a thread does it, and counts among the logins */
	unsigned logins;          /* applications logged in as user or SO */
	unsigned sessions, rw_sessions; /* of all applications */
	bool busy;                /* being initialized: no session may open */
	uint64_t max_objects, max_bytes; /* 0: as the HSM has it */
	uint8_t domain[DOMAIN_ID]; /* its security domain; all zero: none */
	struct objects *objects;
	atomic_size_t stored;     /* token objects in the store, and those on the way there */
	struct opening opening;
	struct tags *tags;        /* tags.h: of the private records in the store */
	struct guards *guards;    /* guard.h; NULL: none can be */
	struct usages *usages;    /* usage.h */
	struct onetimes *onetimes; /* onetime.h */
	struct roles *roles;      /* roles.c: the sealed role records */
	atomic_bool condemned;    /* a PIN is locked for which the policy destroys the objects */
	struct policies policies; /* without the lock; written under roles.pin */
	struct rwlock keeping;    /* read: private records are being written; write: their key changes */
	struct mutex iv_lock;     /* what follows */
	struct map ivs;           /* iv.h, by a key's value */
};

/* struct app_login: one application's standing in one partition. */
struct app_login {
	struct app_login *next;
	struct partition *part;   /* a reference */
	enum role role;
	char user[USER_NAME_MAX + 1]; /* which record of roles.h opened it */
	struct rights rights;     /* that record's */
	unsigned sessions, rw_sessions;
	uint64_t used_ns;         /* last call, where the policy idle-logout asks */
	uint8_t login_id[16];     /* names the login in its ticket */
	struct secret own;        /* what only the ticket holds besides: bridge.h; or empty */
	_Atomic uint64_t ended;   /* how many logins ended here; see session.ended */
};

struct app {
	uint8_t id[APP_ID_LEN];
	struct peer peer;
	char program[65];
	atomic_uint refs;         /* its connections, and calls under way */
	struct map_node by_id;    /* hsm.lock */
	unsigned conns;           /* hsm.lock */
	struct mutex lock;        /* what follows */
	struct map sessions;      /* by id */
	uint64_t next_session;
	struct app_login *logins;
	struct saved_op *saved;   /* op_state.h: the newest first */
	uint64_t next_saved;
	enum role hsm_role;       /* which of the HSM's it is logged in as; 0: none */
	uint64_t hsm_used_ns;     /* when that was last looked at */
	struct mutex backup_lock; /* what follows; outside of lock */
	struct backup *backup;    /* of whole partitions, or a rehearsal; NULL: none under way */
	char why[256];            /* what its last refused call would have taken */
};

struct session {
	struct map_node by_id;
	atomic_uint refs;
	bool closed;
	struct app *app;
	struct partition *part;   /* a reference */
	struct app_login *login;  /* of this partition; lives as long as a session */
	bool rw;
	uint64_t owner;           /* 0, or the session whose session objects it makes (jobs.c) */
	struct baton lock;        /* what follows: calls in one session run one by one */
	uint64_t ended;           /* app_login.ended when its operations began: a logout
	                           * ends them (gate.c) */
	enum service service;     /* the last one's */
	struct op *ops[OPK_COUNT];
	struct backup *backup;    /* backup.h; NULL: none under way */
	uint64_t guard_open;      /* the key whose own PIN was given here; 0: none */
	uint64_t guard_asked;     /* the key that was refused last for want of it; 0: none */
	uint64_t ivs_before;      /* made in the session in whose place this one is */
};

/* struct calls_ctx is one call under way: who asks, and what the audit record
 * will say. Handlers fill the audit part as far as they know it. */
struct calls_ctx {
	struct hsm *hsm;
	struct hsm_conn *conn;
	struct app *app;          /* NULL before hello */
	struct session *session;  /* NULL unless the row needs one */
	struct partition *part;   /* the session's; or set by the handler (a reference kept
	                           * by set_part until the call ends) */
	enum role role;           /* in part */
	struct rights rights;     /* of that login */
	enum service service;     /* as far as mechanism and keys show */
	bool admin;               /* root, or the daemon's own uid; what that means: hsm_roles.h */
	const struct call_row *row;
	struct wire_head head;
	struct slice fields;      /* of the request, not decoded */
	const struct hsm_bulk *bulk; /* or NULL */
	bool in_sight;            /* bulk may be used where it lies: no record can take the answer back */
	bool anchor_due;          /* records_write_early was used: no answer before the anchor is in place */
	struct ahead *ahead;      /* ahead.h; NULL: the record comes at the end */
	const struct hsm_later *later; /* the call may be put aside; or NULL */
	struct addition *adding;  /* object.h: what the store has to have yet; or NULL */
	struct arena *arena;
	struct buf *answer;       /* its fields are appended when the handler is done */
	uint64_t asks[2];         /* consents that this call uses (consent.h) */
	unsigned ask_count;
	struct {
		uint8_t object[UID_LEN];
		bool has_object;
		char object_label[257]; /* as long as the record's field */
		uint32_t mechanism; /* or 0xffffffff */
		char detail[256];
	} audit;
	uint32_t worked;          /* the mechanism that did the work, and one; 0: as audit says */
	struct {
		struct usage *u;  /* of the key that is used, a reference; NULL: none */
		unsigned kind;    /* usage.h */
	} usage;
};

struct asks; /* asks.h */
struct backup_keys; /* backup_keys.h */
struct root_record; /* unlock_record.h */

/* struct consent_rules: what the custodians have to agree to besides (consent.h). */
struct consent_rules {
	_Atomic uint32_t rules;
	uint64_t version;         /* of the record hsm/consent; 0: none. unlocking */
	uint8_t mac[CRYPTO_HASH]; /* as it was read */
};

struct rekeys { /* rekey.c's */
	struct mutex lock;        /* what follows */
	struct cond ended;
	unsigned n;               /* threads that seal partitions anew */
	atomic_bool stop;         /* without the lock */
};

/* struct rehearsed is the last rehearsal of a backup, as the record hsm/rehearsed keeps it (rehearse.h). */
struct rehearsed {
	struct mutex lock;        /* what follows */
	uint64_t version;         /* of the record; 0: none yet */
	uint64_t at;              /* UTC, microseconds; 0: none yet */
	uint64_t keys, failed, records;
};

struct watch { /* watch.c's; of one thread, but for jumps */
	uint64_t pass_ns;          /* when uses of keys were summed up last */
	int64_t offset_us;         /* of the wall clock from the monotonic one; 0: not yet known */
	uint64_t probe_ns;         /* when a store that failed was tried */
	_Atomic uint64_t jumps;    /* of the clock, since the start */
};

struct store_generation { /* generation.c's */
	struct mutex lock;        /* what follows */
	uint64_t version;         /* of the record hsm/generation; 0: there is none */
	struct tpm_counter at;
	uint64_t known;           /* where the counter is, as the record says; 0: being made */
	uint64_t bound, bound_ns; /* the store's change with which it counted last, and when */
	uint64_t refill_ns;
	unsigned left;            /* events that may count at once */
	enum hf_err unknown;      /* why the TPM was not asked at the start */
	bool behind;              /* the record is one ahead of the TPM */
	bool again;               /* a new counter takes its place */
	bool stray;               /* there is one that the store does not know of */
	atomic_bool pending;      /* something is to be bound */
};

struct hsm {
	struct mutex unlocking;   /* outermost: one unlock or passphrase_set at a time */
	struct backup_keys *backup_keys; /* its own lock */
	uint64_t tamper_version;  /* of the record hsm/tamper; 0: none. unlocking */
	struct asks *asks;
	struct consent_rules consent;
	struct hsm_config cfg;
	struct keeper *keeper;
	struct records *records;
	struct audit *audit;
	struct audit_witness witness; /* audit's */
	struct watch watch;
	struct store_generation generation;
	struct mutex lock;        /* what follows */
	_Atomic int state;        /* enum hsm_state */
	char serial[SERIAL_LEN + 1];
	uint64_t boot;            /* random, one per start */
	_Atomic uint64_t uids;    /* unique ids drawn since the start */
	struct secret root;       /* the root key; empty while locked */
	uint64_t root_version;    /* of the record hsm/root; 0: none yet */
	struct secret old_root;   /* while records need it (rotate.h); else empty */
	_Atomic uint8_t rotate_phase;
	atomic_bool rotate_stop, rotate_rests;
	bool rotating;            /* rotator is to be joined; under unlocking */
	pthread_t rotator;
	struct rekeys rekeys;
	uint64_t keys_version;    /* of the record hsm/keys; 0: there is none */
	_Atomic unsigned unlock_by; /* bits 1 << enum unlock_by: its methods */
	struct root_record *root_next; /* unlocking renewed it: to be written; or NULL */
	bool root_renewed;
	struct secret role_key;   /* wraps partition keys, with the role's PIN; lock, as the next four */
	struct secret role_former; /* those before that some role may be under, 32 bytes each */
	struct secret ticket_key; /* rotate_ticket_keys, as rotate_role_keys, copies them */
	struct secret ticket_before;
	uint64_t ticket_until;
	/* Set while unlocking, then only read. */
	struct secret backup_own; /* backup_own_key */
	struct secret attest;     /* attest.h; empty: damaged */
	uint64_t attest_made;     /* UTC, microseconds */
	struct partition *self;   /* hsm_roles.h: keeps the HSM's own roles; in no slot */
	uint64_t onetime_mark;    /* onetime.h */
	struct damaged *damaged;  /* records of no partition that is there */
	bool anchor_lost;         /* see records_anchor_lost */
	uint64_t counter_base;    /* of this start; larger than any before: builtin.c */
	struct map partitions;    /* by slot */
	struct map apps;          /* by the first 8 bytes of the id */
	unsigned conns, app_count;
	uint64_t conns_ever; /* connections that there were */
	_Atomic bool stop;
	_Atomic uint64_t pins_locked; /* calls that a locked PIN refused */
	_Atomic unsigned slow_waiting; /* calls for the slow threads, see hsm_waiting */
	_Atomic uint64_t counter; /* looks at the monotonic counter since the start */
	_Atomic uint64_t locked_out;  /* PINs that locked */
	struct rehearsed rehearsed;
	struct facts *facts;      /* status.c */
	struct jobs *jobs;        /* jobs.c */
	struct hsm_unlock unlock;
	char error[256];          /* why it is in HSM_ERROR */
	atomic_bool due;          /* the disk did not take all of a zeroization or tamper event (tamper.h) */
	char tamper_due[TAMPER_WHY]; /* that event; under unlocking */
};

/* call_part resolves a slot for the calls that name one: HF_E_SLOT if the
 * application may not see it, HF_E_NO_TOKEN if it is the free one; the reference
 * ends with the call. call_slot takes the free slot too. */
enum hf_err call_part(struct calls_ctx *c, uint64_t slot, struct partition **ret) HF_MUST_CHECK;
enum hf_err call_slot(struct calls_ctx *c, uint64_t slot) HF_MUST_CHECK;

#endif
