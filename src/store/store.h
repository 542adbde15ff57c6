/* store.h: named, versioned records. Values are sealed by whoever writes them.
 *
 * Names are text such as "p/0a1b.../o/33ff..."; they sort bytewise. A record's
 * version grows with each change; version 0 means "absent". Every function may
 * be called from one thread at a time, except `watch` of later stores. */
#ifndef HF_STORE_H
#define HF_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "err.h"

#define STORE_NAME_MAX 200 /* bytes */

/* struct store_change is one line of a batch: the record must stand at version
 * `expect` (0: must be absent); afterwards it stands at `version` with `value`
 * (version 0: it is deleted). */
struct store_change {
	struct slice name;
	uint64_t expect, version;
	struct slice value;
};

struct store_batch {
	const struct store_change *v;
	size_t n;
};

/* store_visit is called for each record found; its slices live until it
 * returns. false stops the scan. */
typedef bool (*store_visit)(void *ctx, struct slice name, uint64_t version, struct slice value);

struct store;
struct store_ops {
	/* scan visits records whose names start with prefix and sort after
	 * `after` (empty: from the first), in order. */
	enum hf_err (*scan)(struct store *s, struct slice prefix, struct slice after,
		store_visit visit, void *ctx);
	/* commit applies the batches in order, each all or nothing, and makes
	 * them durable together (group commit). ret[i]: HF_OK, HF_E_CONFLICT
	 * (that batch changed nothing), or HF_E_STORE (nothing of any batch was
	 * kept). */
	void (*commit)(struct store *s, const struct store_batch *batches, size_t n,
		enum hf_err *ret);
	/* freeze remembers the store as it is now, in the place of an earlier time (on false:
	 * forgets it); scan_frozen is scan over that. What it costs is a copy of each record that
	 * changes meanwhile. */
	enum hf_err (*freeze)(struct store *s, bool on);
	enum hf_err (*scan_frozen)(struct store *s, struct slice prefix, struct slice after,
		store_visit visit, void *ctx);
	/* purge leaves nothing of what was replaced or deleted before in the files: the journal is
	 * overwritten and cut. What the file system itself keeps is not reached. */
	enum hf_err (*purge)(struct store *s);
	void (*close)(struct store *s); /* and frees it */
};
struct store {
	const struct store_ops *ops;
};

/* store_memory opens an empty store that forgets (tests). */
enum hf_err store_memory(struct store **ret) HF_MUST_CHECK;

/* store_sqlite opens or creates the database file `name` in the directory
 * dirfd (WAL, synchronous=FULL), mode 0600. Refuses a format that is newer than
 * this program, migrates an older one. */
enum hf_err store_sqlite(int dirfd, const char *name, struct store **ret) HF_MUST_CHECK;

/* store_get finds one record: calls visit once, or HF_OK without a call. */
enum hf_err store_get(struct store *s, struct slice name, store_visit visit, void *ctx)
	HF_MUST_CHECK;

#endif
