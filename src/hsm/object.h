/* object.h: objects as immutable snapshots, and a partition's table of them. */
#ifndef HF_OBJECT_H
#define HF_OBJECT_H

#include "attrs.h"
#include "module.h"
#include "strength.h"

/* enum object_way: how a table finds objects besides by handle: the objects of
 * one label, of one CKA_ID, of one creating call, the session objects of one
 * application. */
enum object_way { WAY_LABEL, WAY_ID, WAY_ORIGIN, WAY_APP, WAY_COUNT };

struct object_link {
	struct object *next, **prev; /* prev NULL: not on this way */
	uint32_t hash;
};

/* struct object never changes once it is in a table; a change puts a new one in
 * its place. Token objects are durable before they appear. */
struct object {
	struct map_node by_handle; /* the table's, as is way */
	struct object_link way[WAY_COUNT];
	atomic_uint refs;
	uint64_t handle;          /* from the unique id; below 2^48, not 0 */
	uint8_t uid[UID_LEN];
	uint8_t origin[24];       /* hash of the application's id, request id: makes
	                           * creating calls repeatable */
	uint64_t version;         /* of its record; 0: session object */
	uint64_t session;         /* session object: its session's id */
	const struct app *app;    /* session object: whose (not a reference) */
	uint32_t cko, ckk;
	bool token, private_;
	/* What every use of a key asks of its attributes: CKA_LOCAL, CKA_ALWAYS_AUTHENTICATE, whether
	 * there is a CKA_ALLOWED_MECHANISMS. */
	bool local, wants_login, lists_mechanisms;
	struct strength strength;
	struct attrs attrs;
	_Atomic(struct key *) key; /* parsed on first use, freed with the object */
	_Atomic(struct usage *) usage; /* usage.h; a reference; NULL: not looked up yet */
	struct onetime_session *onetime; /* onetime.h; a reference, or NULL */
};

void object_ref(struct object *o);
void object_unref(struct object *o); /* NULL-safe */
void object_release(struct object **o); /* for CLEANUP: unref and empty */

/* object_key parses once and keeps; the key lives as long as the object. */
enum hf_err object_key(struct object *o, const struct key **ret) HF_MUST_CHECK;

/* objects_new makes an empty table for a partition; objects_load adds a stored
 * record (called while scanning; one that is there already is left alone).
 * HF_E_DAMAGED: name or content is none of ours. */
enum hf_err objects_new(struct objects **ret) HF_MUST_CHECK;
void objects_free(struct objects *t); /* NULL-safe */
enum hf_err objects_load(struct objects *t, const char *name, uint64_t version, struct slice plain)
	HF_MUST_CHECK;
/* struct objects_batch: many such records, which come into the table some at a time, under one lock. Before
 * objects_batch_put they may not be there; objects_batch_done forgets what has not come. */
#define OBJECTS_BATCH 64u
struct objects_batch {
	struct objects *t;
	struct object *v[OBJECTS_BATCH];
	size_t n;
};
enum hf_err objects_load_later(struct objects_batch *b, const char *name, uint64_t version,
	struct slice plain)
	HF_MUST_CHECK;
enum hf_err objects_batch_put(struct objects_batch *b) HF_MUST_CHECK;
void objects_batch_done(struct objects_batch *b);
/* objects_expect: there will be n objects; a table that has room already need not grow. */
void objects_expect(struct objects *t, size_t n);
/* objects_drop_private forgets private token objects (the last logout), and
 * objects_drop_session the session objects of an application's session (0: all
 * of the application's; private_only: only those that are private). */
void objects_drop_private(struct objects *t);
void objects_drop_all(struct objects *t);
void objects_drop_session(struct objects *t, const struct app *app, uint64_t session,
	bool private_only);
size_t objects_count(const struct objects *t);
size_t objects_bytes(const struct objects *t); /* of their attributes */

/* Record names: "p/SERIAL/pub/UID" and "p/SERIAL/prv/UID" (hex). The store key
 * seals the first, the partition key the second. */
/* objects_held: how many objects p has: those in the store, known without a login, or in memory the
 * token's and the sessions' together, whichever are more. */
size_t objects_held(struct partition *p);
#define OBJECT_PUBLIC_PREFIX "p/%s/pub/"
#define OBJECT_PRIVATE_PREFIX "p/%s/prv/"

/* object_is_here: in memory, whoever may see it; object_is_there: or perhaps on its way there. */
bool object_is_here(const struct partition *p, uint64_t handle);
bool object_is_there(const struct partition *p, uint64_t handle);
/* object_get finds an object that this call may see: a token object or the
 * application's own session object; private ones only when the user is logged
 * in. A reference; missing: the error that the caller names. */
enum hf_err object_get(struct calls_ctx *c, uint64_t handle, enum hf_err missing,
	struct object **ret) HF_MUST_CHECK;

/* object_permit checks, before costly work, whether object_add would take such
 * an object: HF_E_SESSION_RO, HF_E_NOT_LOGGED_IN, HF_E_LIMIT. */
enum hf_err object_permit(struct calls_ctx *c, const struct attrs *a) HF_MUST_CHECK;

/* object_role: may the call's login do to token objects what that row's call does? HF_E_DENIED,
 * HF_E_NOT_LOGGED_IN. */
enum hf_err object_role(struct calls_ctx *c, const struct call_row *row) HF_MUST_CHECK;

/* object_add makes an object from a finished attribute set (moved in, *a is
 * emptied), durable if it is a token object. object_add_pair: both or none. */
enum hf_err object_add(struct calls_ctx *c, struct attrs *a, struct object **ret) HF_MUST_CHECK;
enum hf_err object_add_pair(struct calls_ctx *c, struct attrs *pub, struct attrs *priv,
	struct object **ret_pub, struct object **ret_priv) HF_MUST_CHECK;
/* Where the call may be put aside and has no other work left (ahead_last), both only begin, in c->adding:
 * object_added then brings it to an end, before the call ends. so_far: whether the call went well up to
 * there; *ret is what it comes to. False: the call is put aside (records_write_later); call again when it
 * is ready. */
bool object_added(struct calls_ctx *c, enum hf_err so_far, enum hf_err *ret) HF_MUST_CHECK;
/* object_replace and object_destroy: HF_E_CONFLICT if the object is no longer
 * the one in the table; get it anew and try again. */
enum hf_err object_replace(struct calls_ctx *c, struct object *old, struct attrs *a) HF_MUST_CHECK;
enum hf_err object_destroy(struct calls_ctx *c, struct object *o) HF_MUST_CHECK;

/* object_count gives out the counter that an object's attribute of 8 bytes holds, and
 * has stored the next one before; in a read-only session too. HF_E_KEY_EXHAUSTED. */
enum hf_err object_count(struct calls_ctx *c, uint64_t handle, uint32_t cka, uint64_t *ret)
	HF_MUST_CHECK;

/* object_by_origin finds what a repeated creating call made the first time:
 * references, a public key before a private one. 0 unless the call is marked as
 * sent before. */
size_t object_by_origin(struct calls_ctx *c, struct object *ret[2]);

/* objects_find lists handles that match, ascending by handle, after a cursor.
 * The list lives in the call's arena; cursor 0: that was all. */
enum hf_err objects_find(struct calls_ctx *c, struct attr_list tmpl, uint64_t after, uint32_t max,
	struct u64_list *ret, uint64_t *ret_cursor) HF_MUST_CHECK;

/* object_audit puts the object's id and label into the call's audit record; NULL: takes one out. */
void object_audit(struct calls_ctx *c, const struct object *o);
/* audit_label puts a label alone there. */
void audit_label(struct calls_ctx *c, struct slice label);
/* label_text writes a label that may be any bytes as text; one that is longer ends with an ellipsis. */
void label_text(struct slice label, char *out, size_t size);

#endif
