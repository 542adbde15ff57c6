/* roles.h: a partition's roles: the key that their PINs open, and lock-out.
 *
 * The record "p/SERIAL/role/so" (or user) holds a key pair's private half, sealed under
 *   crypto_derive(role key of the HSM, "partition key", Argon2id(PIN, salt))
 * and the partition key, wrapped for its public half: so it takes the HSM's root key and
 * the PIN to open a partition, and neither to wrap another partition key for the role
 * (rekey.h). Records of before have the partition key itself in the private half's place,
 * until the next right PIN. A role's record is never deleted while the partition lives:
 * its version tells an old one. */
#ifndef HF_ROLES_H
#define HF_ROLES_H

#include "damaged.h"
#include "module.h"
#include "quorum_record.h"
#include "records.h"

#define HSM_SELF "hsm" /* in the place of a serial number: the HSM's own roles, "hsm/role/NAME" */
#define ROLE_SALT 16
#define ROLE_WRAPPED (CRYPTO_KEY + CRYPTO_SEAL_EXTRA)
#define LOGIN_ID_LEN 16
#define ROLE_KEY_ID 8

/* struct pin_memory tells a PIN that was, without holding any key. */
struct pin_memory {
	uint8_t salt[ROLE_SALT];
	uint32_t kib, passes;     /* crypto_stretch's */
	uint8_t tag[CRYPTO_HASH];
};
#define PIN_MEMORIES 24u

/* struct role_pair: for whom the partition key is wrapped. */
struct role_pair {
	uint8_t public_key[CRYPTO_KEM_PUBLIC];
	uint8_t wrapped[CRYPTO_KEM_WRAPPED];
};

/* struct role_record: "so", "user" (the crypto officer) or a named user. */
struct role_record {
	uint64_t version;         /* of the record; 0: there is none */
	char name[USER_NAME_MAX + 1];
	enum role role;
	uint32_t id;              /* of its lock-out counter */
	uint64_t person;          /* drawn anew whenever another than herself sets the PIN; 0: since before */
	bool set;                 /* has a PIN */
	uint8_t form;             /* enum pin_form: whether the PIN looks like "name:PIN" */
	bool change;              /* which has to be changed before it opens anything */
	bool blocked;             /* by the officer: no login, whatever the PIN */
	bool challenge_set;
	struct pin_memory challenge; /* activate.h */
	struct rights rights;     /* a named user's: rights.h */
	uint64_t changed;         /* when it was set; UTC, microseconds; 0: unknown */
	uint64_t epoch;           /* tickets of an older epoch are void */
	uint8_t under[ROLE_KEY_ID]; /* which role key wrapped's seal is made with; zero: unknown */
	bool paired;              /* false: wrapped is the partition key itself */
	uint8_t wrapped[ROLE_WRAPPED]; /* the pair's private half */
	struct role_pair pair;
	struct pin_memory pin;    /* how the PIN opens wrapped */
	struct pin_memory old[PIN_MEMORIES]; /* the PINs before, the latest first */
	unsigned old_n;
	struct quorum quorum;     /* whose shares make the PIN; m 0: somebody knows it */
};

struct user {
	struct user *next;
	struct role_record rec;
};

struct gone; /* login.c: a login that ended before its ticket does */

struct roles {
	struct mutex pin;         /* one PIN attempt at a time; inside session.lock */
	struct mutex lock;        /* what follows */
	uint64_t part_version;    /* of the record p/SERIAL */
	struct role_record so, user;
	struct user *named;       /* changed under pin and lock */
	unsigned users;           /* applications logged in as one of them */
	struct map gone;          /* by the first half of the login's id */
	uint64_t gone_due;        /* when the first of them expires; UTC, microseconds */
	struct activation *active; /* activate.h */
	struct damaged *damaged;  /* the partition's damaged records */
	struct secret from;       /* role keys of the HSMs that it was restored from; see roles_from_enc */
};

enum hf_err roles_new(struct roles **ret) HF_MUST_CHECK;
void roles_free(struct roles *r); /* NULL-safe */

const char *role_name(enum role role); /* "so", "user", "public" */
/* role_of gives the record of the officer or the user, role_named of anybody;
 * NULL: there is none. roles_add makes one of a name that is free, without a PIN and
 * without a stored record; roles_remove forgets one. */
struct role_record *role_of(struct roles *r, enum role role);
struct role_record *role_named(struct roles *r, struct slice name);
enum hf_err roles_add(struct roles *r, struct slice name, enum role role, uint32_t id,
	struct role_record **ret) HF_MUST_CHECK;
void roles_remove(struct roles *r, struct role_record *rec);
uint32_t roles_free_id(struct roles *r);
bool user_name_valid(struct slice name);
/* pin_name_len: the length of the name before the colon in "name:PIN"; 0: it is not of this form. */
size_t pin_name_len(struct slice pin);
enum pin_form { PIN_FORM_UNKNOWN, PIN_FORM_PLAIN, PIN_FORM_NAMED };

/* What the HSM's settings and the partition's policies (p may be NULL) say together. */
unsigned pin_min(const struct hsm *h, const struct partition *p);
unsigned pin_max(const struct hsm *h, const struct partition *p);
unsigned pin_failures(const struct hsm *h, const struct partition *p);
/* pin_length checks a new PIN against them. */
enum hf_err pin_length(const struct hsm *h, const struct partition *p, struct slice pin)
	HF_MUST_CHECK;

/* pin_allowed checks a new PIN besides against classes of characters and, unless
 * now is a record without a PIN, the PINs that were. */
enum hf_err pin_allowed(const struct hsm *h, const struct partition *p,
	const struct role_record *now, struct slice pin) HF_MUST_CHECK;
/* pin_expired: it opens nothing until it is changed. */
bool pin_expired(const struct partition *p, const struct role_record *r);

/* pin_kdf fills in how a new PIN or passphrase is stretched, by the settings and the
 * partition's policies (p may be NULL). */
void pin_kdf(const struct hsm *h, const struct partition *p, uint32_t *ret_kib, uint32_t *ret_passes);
/* approved_mode: is the partition in it? passphrase_kdf is pin_kdf for what belongs to several. */
bool approved_mode(const struct partition *p);
void passphrase_kdf(const struct hsm *h, bool approved, uint32_t *ret_kib, uint32_t *ret_passes);

/* role_wrap makes the role's next record: key under pin, the epoch one on, without
 * custodians. */
enum hf_err role_wrap(struct hsm *h, const struct partition *p, struct slice pin, struct slice key,
	const struct role_record *now, struct role_record *ret) HF_MUST_CHECK;
/* role_key_id is how records name a role key. */
enum hf_err role_key_id(struct slice role_key, uint8_t ret[ROLE_KEY_ID]) HF_MUST_CHECK;
/* role_rekey wraps another partition key in the record of a role that is paired. */
enum hf_err role_rekey(const char *serial, struct role_record *r, struct slice key) HF_MUST_CHECK;
/* role_unset makes the next record of a role without a PIN. */
void role_unset(const struct role_record *now, struct role_record *ret);
void role_record_enc(const struct role_record *r, struct buf *out);
/* role_record_dec fills what the record holds; the name is the caller's. */
enum hf_err role_record_dec(struct slice in, struct role_record *ret) HF_MUST_CHECK;
/* role_change fills a change that stores next in the place of now; name and b
 * must live as long as it. */
#define ROLE_NAME_LEN 80
#define ROLE_RECORD_MAX 8192u
enum hf_err role_change(const char *serial, const struct role_record *now,
	const struct role_record *next, char name[ROLE_NAME_LEN], struct buf *b,
	struct record_change *ret) HF_MUST_CHECK;
/* role_store writes next in the place of now and takes it over. */
enum hf_err role_store(struct hsm *h, struct partition *p, struct role_record *now,
	const struct role_record *next) HF_MUST_CHECK;

/* role_open is one attempt at a PIN: counted before it is made, so that pulling
 * the plug gains nothing; *ret is the partition's key. What custodians make nobody
 * guesses: it is not counted, and HF_E_QUORUM if wrong. The caller holds roles.pin. */
enum hf_err role_open(struct hsm *h, struct partition *p, struct role_record *r,
	struct slice pin, struct secret *ret) HF_MUST_CHECK;
/* role_open_active takes the challenge of one who is activated as well. */
enum hf_err role_open_active(struct hsm *h, struct partition *p, struct role_record *r,
	struct slice pin, struct secret *ret) HF_MUST_CHECK;
/* pin_remember makes what tells this PIN again. */
enum hf_err pin_remember(const struct hsm *h, const struct partition *p, struct slice pin,
	struct pin_memory *ret)
	HF_MUST_CHECK;
/* role_condemns: this role is locked, and the policy destroys the objects for it. */
bool role_condemns(struct hsm *h, const struct partition *p, const struct role_record *r);
/* role_locked: no attempts are left. */
bool role_locked(struct hsm *h, const struct partition *p, const struct role_record *r);

/* user_told fills what a list says of one; its name lives in the call's arena. */
enum hf_err user_told(struct calls_ctx *c, struct partition *p, const struct role_record *u,
	struct user_info *ret) HF_MUST_CHECK;

/* A partition that came from another HSM has roles that were wrapped there: the record "p/SERIAL/from"
 * holds the role keys of all HSMs that it was in. A PIN that opens under one of them is wrapped anew.
 * roles_from_enc writes the record's content, this HSM's own keys first; r may be NULL. */
enum hf_err roles_from_enc(struct hsm *h, const struct roles *r, struct buf *out) HF_MUST_CHECK;
enum hf_err roles_from_dec(struct roles *r, struct slice in) HF_MUST_CHECK;

/* users_drop deletes all named users, their records too; roles.pin. */
enum hf_err users_drop(struct hsm *h, struct partition *p) HF_MUST_CHECK;
/* user_drop deletes one; HF_E_USER_TYPE: there is none of that name. */
enum hf_err user_drop(struct hsm *h, struct partition *p, struct slice name) HF_MUST_CHECK;

#endif
